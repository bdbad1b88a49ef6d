/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * chaos.h - what experiments are called, and those on packets, in the map `chaos`: whom they mean, begin and end.
 * Those on requests are the daemon's (chaos_daemon.h).
 *
 *   free -> taken   sl_chaos_begin(): takes a row whose time is over (compare-and-swap of until_ns),
 *                   fills it, sets its bit in settings.chaos
 *   taken           sl_chaos_renew(), at least once in SL_CHAOS_LEASE_MS
 *   taken -> free   sl_chaos_end(), or the first packet after the lease or the last hit that may be
 *
 * Any number of commands may do so at once; who begins holds sl_chaos_lock(). Who is killed leaves an
 * experiment that ends by itself.
 */
#ifndef SL_LOADER_CHAOS_H
#define SL_LOADER_CHAOS_H

#include <stdbool.h>
#include <stdint.h>
#include "loader/view.h"
#include "user/base/error.h"

#define SL_CHAOS_LEASE_MS	5000u
#define SL_CHAOS_LIMIT_PERCENT	50u /* of a pool's nodes, where the operator says nothing */
#define SL_CHAOS_DURATION_S_MAX 3600u

/* Where an experiment takes place. */
enum sl_chaos_level {
	SL_CHAOS_PACKETS = 0, /* in the kernel plane */
	SL_CHAOS_REQUESTS,    /* in the daemon */
	SL_CHAOS_COMMANDS,    /* commands of a game day's file do it, and undo it */
};

/* A word of the command line, and what it is made of. */
struct sl_chaos_word {
	const char *name;
	const char *help;
	enum sl_chaos_kind kind; /* of packets */
	bool whole;		 /* every packet, both ways: nothing to choose */
	enum sl_chaos_level level;
};

/* Ends with a word without name. */
extern const struct sl_chaos_word sl_chaos_words[];

/* NULL: there is none. */
const struct sl_chaos_word *sl_chaos_find(const char *name);

/* What the kernel plane calls a row's kind. */
const char *sl_chaos_kind_name(uint32_t kind);

/* "30%", "0.5%", "0.3": of SL_CHAOS_ALL, at least 1. -EINVAL with a text. */
int sl_chaos_parse_share(const char *text, uint32_t *ret_share, struct sl_error *error);

/* Whom an experiment means; slots of nodes as bits. */
struct sl_chaos_aim {
	uint64_t nodes[SL_NODES_MAX / 64];
	uint32_t count;
};

void sl_chaos_aim_add(struct sl_chaos_aim *aim, uint32_t slot);
bool sl_chaos_aim_has(const struct sl_chaos_aim *aim, uint32_t slot);
void sl_chaos_aim_pool(const struct sl_view *view, uint32_t pool, struct sl_chaos_aim *aim);

/*
 * Would this experiment, with those of the kernel plane that run, leave more than limit_percent of a
 * pool's nodes touched? One node of two or more may always be. -EPERM with a text that names the
 * pool and the numbers.
 */
int sl_chaos_limit(const struct sl_view *view, const struct sl_chaos_aim *aim,
		   uint32_t limit_percent, struct sl_error *error);

/* What a row says, but for its counts and its lease. */
struct sl_chaos_spec {
	enum sl_chaos_kind kind;
	uint8_t ways; /* SL_CHAOS_TO_NODE, SL_CHAOS_FROM_NODE */
	uint32_t share;
	uint64_t hits_max;
	uint64_t duration_ns;
	const char *name; /* cut to fit */
	struct sl_chaos_aim aim;
};

/* Names a row that was taken. */
struct sl_chaos_ticket {
	uint32_t row;
	uint32_t number;
};

/*
 * Held from sl_chaos_limit() to the end of sl_chaos_begin(), so that no two commands find the same room or
 * the same row. Waits for the other one. A descriptor to close, or -errno.
 */
int sl_chaos_lock(const struct sl_view *view);

/* `lease_ns` from now on; under the lock. -ENOSPC: SL_CHAOS_MAX experiments run. */
int sl_chaos_begin(const struct sl_view *view, const struct sl_chaos_spec *spec, uint64_t lease_ns,
		   struct sl_chaos_ticket *ret_ticket);

/* -ESTALE: the experiment is over: somebody ended it, or it had the hits that it may have. */
int sl_chaos_renew(const struct sl_view *view, const struct sl_chaos_ticket *ticket,
		   uint64_t lease_ns);

/* Ends it, if it is still this one; returns whether it was. */
bool sl_chaos_end(const struct sl_view *view, const struct sl_chaos_ticket *ticket);

/* Does the row hold an experiment that runs? */
bool sl_chaos_runs(const struct sl_view *view, uint32_t row, uint64_t now_ns);

#endif
