/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * semantic.h - answers by the meaning of the question: what the semantic cache holds.
 *
 * An entry belongs to a fingerprint: a SHA-256 that the caller made of everything besides the question
 * that decides the answer (tenant, route, system prompt, tools, format, sampling, versions, and the
 * identity of the model that made the vectors). Entries of one fingerprint have an index of their own,
 * so nothing is ever compared across fingerprints, and vectors of different models never meet.
 *
 *	find                                        verdict
 *	no entry, or all too old                    NONE
 *	the nearest is under the threshold          FAR
 *	near ones, but a gate refused each          GATED (policy/gates.h), with the nearest's gate
 *	a near one that passes                      HIT
 *
 * Bounded in entries and bytes; the one that was not used for longest goes. With a path, entries are in
 * an embedded database too (db.h): written behind the insertion, read back at the start. A database that
 * fails is said once and counted; the cache goes on in memory.
 *
 * Threads: any but a loop's: find about 0.1 ms, insert about 0.5 ms and what the disk takes. Counters may be
 * read from everywhere.
 */
#ifndef SL_STORE_SEMANTIC_H
#define SL_STORE_SEMANTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/digest.h"
#include "user/base/text.h"
#include "user/policy/gates.h"

#define SL_SEMANTIC_NEAR_MAX	   4u /* candidates that the gates look at */
#define SL_SEMANTIC_QUESTION_BYTES 4096u
#define SL_SEMANTIC_NAME_BYTES	   128u /* tenant, route, with the NUL; longer ones are cut */
#define SL_SEMANTIC_LIST_MAX	   200u /* entries that one list shows */

struct sl_semantic;

struct sl_semantic_options {
	const char *path;     /* NULL: memory only */
	uint32_t entries_max; /* >= 1 */
	uint64_t bytes_max;   /* questions, answers, vectors and what keeps them */
};

struct sl_semantic_query {
	uint8_t fingerprint[SL_DIGEST_BYTES];
	const float *vector; /* of length 1 */
	uint32_t dimensions;
	struct sl_span question;
	float threshold;
	uint64_t ttl_ms;
	uint64_t now_ms; /* since 1970 */
};

enum sl_semantic_verdict {
	SL_SEMANTIC_NONE = 0,
	SL_SEMANTIC_FAR,
	SL_SEMANTIC_GATED,
	SL_SEMANTIC_HIT,
	SL_SEMANTIC_VERDICTS
};

struct sl_semantic_found {
	enum sl_semantic_verdict verdict;
	float score;	   /* of the nearest; HIT: of the one that is given */
	enum sl_gate gate; /* GATED */
	uint64_t id;
	uint64_t age_ms;
	char *answer; /* HIT: malloc'ed, the caller's */
	size_t answer_len;
};

struct sl_semantic_entry {
	uint8_t fingerprint[SL_DIGEST_BYTES];
	const float *vector;
	uint32_t dimensions;
	struct sl_span question; /* at most SL_SEMANTIC_QUESTION_BYTES */
	struct sl_span answer;
	const char *tenant, *route, *model; /* model: identity of the vector's */
	uint64_t version;		    /* of prompt and index; 0: none */
	uint64_t now_ms;
};

/* Which entries; a member that is unset (0, NULL) asks for nothing. */
struct sl_semantic_selector {
	uint64_t id;
	const char *tenant, *route;
	const char *prefix; /* of the question */
	uint64_t version;
};

struct sl_semantic_counts {
	uint64_t entries, bytes, found[SL_SEMANTIC_VERDICTS], gated[SL_GATES];
	uint64_t inserted, evicted, purged, refused, disk_errors;
};

/* 0, -EINVAL or -ENOMEM. Does not touch the disk: sl_semantic_load() does. */
int sl_semantic_open(const struct sl_semantic_options *options, struct sl_semantic **ret_cache);
/* Nobody is in it any more. NULL is fine. */
void sl_semantic_close(struct sl_semantic **cache);

/*
 * Reads what the database holds, newest last; once, before or beside other calls, which wait for some rows
 * at most. A purge meanwhile does not see what is still unread.
 */
void sl_semantic_load(struct sl_semantic *cache);

/* 0 or -ENOMEM. */
int sl_semantic_find(struct sl_semantic *cache, const struct sl_semantic_query *query,
		     struct sl_semantic_found *ret_found);

/* In place of one with the same question. 0; -E2BIG: larger than a tenth of bytes_max, or the question
 * too long; -ENOMEM. Counted as refused. */
int sl_semantic_insert(struct sl_semantic *cache, const struct sl_semantic_entry *entry);

/* Removes what the selector asks for (all of its set members must fit). Returns how many. */
uint32_t sl_semantic_purge(struct sl_semantic *cache, const struct sl_semantic_selector *selector);

/*
 * A JSON object a line, last used first: key ("s-" and the id), tenant, route, version, age, uses, question,
 * with `answers` also the answer. Returns how many fit.
 */
uint32_t sl_semantic_list(struct sl_semantic *cache, const struct sl_semantic_selector *selector,
			  uint64_t now_ms, bool answers, struct sl_text *out);

void sl_semantic_count(struct sl_semantic *cache, struct sl_semantic_counts *ret_counts);

#endif
