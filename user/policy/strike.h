/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * strike.h - an experiment on requests: what is done to an attempt, whom it means, how much of it is allowed.
 *
 *	hang pool=vectors share=20% for=30s
 *	error node=chat/0 status=429 hits=50
 *	delay zone=east delay=300ms jitter=100ms checks=yes
 *	cut pool=chat after=3            malformed pool=chat how=json after=2
 *	slow pool=chat delay=80ms        down store=semantic
 *
 *   kind        what becomes of an attempt that it means
 *   error       no node is asked: the answer is one of `status`
 *   delay       it begins later by `delay`, give or take `jitter`
 *   slow        each event of a stream costs `delay` more
 *   cut         the answer breaks off after `after` events, or bytes ("200b")
 *   malformed   then comes what is no JSON (how=json), or no chunk (how=chunk)
 *   refuse      nobody accepts the connection
 *   hang        nothing comes until somebody loses patience
 *   down        of a store: it can neither be read nor written
 *
 * Who is struck is decided by a hash of the experiment's number and the request's id: the same id has the
 * same fate each time, on each of its attempts. Pure; any thread.
 */
#ifndef SL_POLICY_STRIKE_H
#define SL_POLICY_STRIKE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"

#define SL_STRIKE_ALL		65536u /* share: every one */
#define SL_STRIKE_NAME_BYTES	128u   /* longer names are cut */
#define SL_STRIKE_AIM_BYTES	128u
#define SL_STRIKE_DELAY_MS_MAX	600000u
#define SL_STRIKE_TIME_MS_MAX	3600000u
#define SL_STRIKE_TIME_MS	30000u /* where nothing is said */
#define SL_STRIKE_LIMIT_PERCENT 50u    /* of a pool's nodes, the same */
#define SL_STRIKE_AFTER_MAX	1000000u

/* X(ID, name) */
#define SL_STRIKE_KINDS(X)        \
	X(ERROR, "error")         \
	X(DELAY, "delay")         \
	X(SLOW, "slow")           \
	X(CUT, "cut")             \
	X(MALFORMED, "malformed") \
	X(REFUSE, "refuse")       \
	X(HANG, "hang")           \
	X(DOWN, "down")

enum sl_strike_kind {
	SL_STRIKE_NONE = 0,
#define X(id, name) SL_STRIKE_##id,
	SL_STRIKE_KINDS(X)
#undef X
		SL_STRIKE_COUNT
};

/* What is not a node. */
enum sl_strike_store {
	SL_STRIKE_STORE_NONE = 0,
	SL_STRIKE_STORE_CACHE,	   /* of answers, by their exact question */
	SL_STRIKE_STORE_SEMANTIC,  /* of answers, by meaning */
	SL_STRIKE_STORE_DOCUMENTS, /* the embedded index */
	SL_STRIKE_STORES
};

enum sl_strike_aim {
	SL_STRIKE_AIM_NONE = 0,
	SL_STRIKE_AIM_NODE, /* ADDRESS:PORT, NAME:PORT or POOL/INDEX */
	SL_STRIKE_AIM_POOL,
	SL_STRIKE_AIM_ZONE,
	SL_STRIKE_AIM_REGION,
	SL_STRIKE_AIM_STORE,
};

/* What an attempt is told of it. */
struct sl_strike {
	enum sl_strike_kind kind;
	uint32_t number; /* of the experiment; 0: none */
	uint32_t status; /* error */
	uint32_t delay_ms, jitter_ms;
	uint32_t after; /* events or bytes that pass */
	bool after_bytes;
	bool bad_chunk; /* malformed: the framing, not the JSON */
};

struct sl_strike_order {
	struct sl_strike strike; /* number: 0 */
	enum sl_strike_aim aim;
	char at[SL_STRIKE_AIM_BYTES]; /* its name */
	enum sl_strike_store store;
	uint32_t share; /* of SL_STRIKE_ALL */
	uint64_t hits_max;
	uint32_t time_ms; /* it ends then */
	uint32_t
		lease_ms; /* or so long after who ordered it was heard last; time_ms: never before */
	uint32_t limit_percent; /* of each pool's nodes */
	uint32_t limit_nodes;	/* of all pools together; 0: any number */
	bool checks;		/* health checks are struck too */
	bool despite_burn;	/* it goes on while an objective burns its budget */
	char name[SL_STRIKE_NAME_BYTES];
};

const char *sl_strike_kind_name(enum sl_strike_kind kind);
const char *sl_strike_store_name(enum sl_strike_store store); /* "cache", "semantic", "documents" */

/*
 * Reads "KIND KEY=VALUE ... [name=ALL THE REST]". -EINVAL with a text that names the word; then *ret_order is
 * untouched.
 */
int sl_strike_read(const char *words, struct sl_strike_order *ret_order, struct sl_error *error);

/* Does the experiment's share take the request? `key`: sl_strike_key() of its id, or any number. */
bool sl_strike_takes(uint32_t number, uint64_t key, uint32_t share);
uint64_t sl_strike_key(const char *id);

/* The delay of this request: within jitter_ms around delay_ms, by the same hash. */
uint32_t sl_strike_delay_ms(const struct sl_strike *strike, uint64_t key);

/*
 * May so many of a pool's nodes be struck? One of two or more always. -EPERM with a text that names the pool
 * and the numbers.
 */
int sl_strike_limit(const char *pool, uint32_t struck, uint32_t nodes, uint32_t limit_percent,
		    struct sl_error *error);

#endif
