/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * notice.h - what happened that somebody may have to act on: a breaker opened, a pool has no node, a
 * configuration was refused, an operator overruled something. Beside the log, which is for people: notices
 * are for the parts of the daemon that keep a ledger, raise alerts, hold roll-outs, write the audit trail.
 *
 *   any thread, any layer: sl_notice_tell() -> a queue of SL_NOTICES_MAX -> the control thread: sl_notice_take()
 *
 * Rare by nature (changes, not requests): a lock and a copy each, no allocation. A full queue loses the new
 * one and counts it; what reads notices must also look at the state itself, now and then. Before
 * sl_notice_open() (in the `sluice` command, in tests) nothing is kept.
 */
#ifndef SL_BASE_NOTICE_H
#define SL_BASE_NOTICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_NOTICES_MAX	     1024u
#define SL_NOTICE_NAME_BYTES 128u /* longer names are cut */
#define SL_NOTICE_WHO_BYTES  64u
#define SL_NOTICE_TEXT_BYTES 256u

/* X(ID, name, what it tells). A name is for ledgers, metrics and programs: it never changes. */
#define SL_NOTICE_KINDS(X)                                                                    \
	X(BREAKER, "breaker", "a breaker changed its state; over: it is closed")              \
	X(CAP, "ejection_cap", "a breaker would open, but too many of its pool are")          \
	X(RETIRED, "retired", "a dead node's flows of the fast lane were reset")              \
	X(NO_NODE, "no_node", "a pool has nobody to ask; over: it has again")                 \
	X(ZONE_LOST, "zone_lost", "all nodes of a zone are out; over: half of them are not")  \
	X(REGION_LOST, "region_lost", "all nodes of a region are out; over: half are not")    \
	X(HEALTH, "health", "checks of a node fail; over: they do not")                       \
	X(MODEL, "model", "a server says that it is another model than before")               \
	X(DRIFT, "drift", "a model's answers have changed; over: they are as before")         \
	X(QUALITY, "quality", "answers of a route are worse than they may be; over: not now") \
	X(DEPENDENCY, "dependency", "what a stage needs fails; over: it does not")            \
	X(STORE, "store", "a store cannot be read or written; over: it can")                  \
	X(CONFIG, "config", "the configuration was read anew, or was refused")                \
	X(OVERRIDE, "override", "an operator overruled a breaker, or drained a node")         \
	X(TUNE, "tune", "an operator changed a tunable")                                      \
	X(KEY, "key", "API keys changed, or could not be read")                               \
	X(PROMPT, "prompt", "a version of a prompt was pushed, promoted, or fell back")       \
	X(INDEX, "index", "a version of an index was built, promoted, or fell back")          \
	X(ROLLOUT, "rollout", "a roll-out took a step")                                       \
	X(CHAOS, "chaos", "an experiment began; over: it ended")                              \
	X(BURN, "burn", "an objective burns its error budget; over: it does not")             \
	X(HOOK, "hook", "a recovery hook or an alert ran")                                    \
	X(INCIDENT, "incident", "an incident opened, or got worse; over: it closed")

enum sl_notice_kind {
#define X(id, name, help) SL_NOTICE_##id,
	SL_NOTICE_KINDS(X)
#undef X
		SL_NOTICE_COUNT
};

enum sl_notice_level {
	SL_NOTICE_INFO = 0, /* worth keeping */
	SL_NOTICE_WARN,	    /* somebody should look, by day */
	SL_NOTICE_BAD,	    /* somebody is harmed */
	SL_NOTICE_LEVELS
};

enum sl_notice_of {
	SL_NOTICE_OF_DAEMON = 0,
	SL_NOTICE_OF_NODE, /* name: its address, pool: its pool */
	SL_NOTICE_OF_POOL, /* pools are all that is called: models, vector databases, rerankers, judges */
	SL_NOTICE_OF_ROUTE,
	SL_NOTICE_OF_PROMPT,
	SL_NOTICE_OF_INDEX,
	SL_NOTICE_OF_STORE,
	SL_NOTICE_OF_KEY,
	SL_NOTICE_OF_ZONE,
	SL_NOTICE_OF_REGION,
	SL_NOTICE_OFS
};

struct sl_notice {
	enum sl_notice_kind kind;
	enum sl_notice_level level;
	enum sl_notice_of of;
	bool over;		   /* ends what earlier ones of this kind and subject began */
	bool audit;		   /* somebody's deed: belongs into the audit trail */
	bool opens;		   /* INCIDENT: just now */
	enum sl_notice_kind about; /* INCIDENT: of what it was opened for, or made it worse */
	uint64_t
		number; /* INCIDENT: its id; BREAKER: its state now; BURN: bits by enum sl_slo_level that burn */
	uint64_t wall_ms; /* filled in by sl_notice_tell() where 0 */
	char name[SL_NOTICE_NAME_BYTES];
	char pool[SL_NOTICE_NAME_BYTES]; /* of a node; or "" */
	char who[SL_NOTICE_WHO_BYTES];	 /* "kernel", "daemon", "probe", "uid 0, admin socket" */
	char text[SL_NOTICE_TEXT_BYTES]; /* in a few words, for people; no secret, no prompt */
};

/* 0 or -ENOMEM. Once; until sl_notice_close(), which is called when all other threads have ended. */
int sl_notice_open(void);
void sl_notice_close(void);

/* Who tells: formats the text (cut where it is too long) and queues a copy. Any thread. */
void sl_notice_tell(const struct sl_notice *notice, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The oldest, or false. One thread. */
bool sl_notice_take(struct sl_notice *ret_notice);

/*
 * A store (its name: "spend", "audit", ...) cannot be read or written, or can again: for who finds out, when it
 * changes. detail: what is wrong, in a few words.
 */
void sl_notice_tell_store(const char *name, bool lost, const char *detail);

/* How many were lost because the queue was full. Any thread. */
uint64_t sl_notice_lost(void);

const char *sl_notice_kind_name(enum sl_notice_kind kind);
const char *sl_notice_level_name(enum sl_notice_level level); /* "info", "warn", "bad" */
const char *sl_notice_of_name(enum sl_notice_of of);

/* Copies a name into one of the fields above, cut and always ended. */
void sl_notice_set(char *field, size_t size, const char *value);

#endif
