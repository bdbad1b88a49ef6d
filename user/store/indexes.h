/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * indexes.h - the indexes of a daemon: what is served of each, and the thread that makes new versions.
 *
 *	builder thread (low priority)                          workers of requests
 *	  look at the documents -> make a version beside ->     sl_indexes_get(): a counted reference
 *	  promote -> open it -> swap under the lock             of the served version, or the one before
 *
 * One more version may be open beside the served one: a roll-out's candidate (ops/rollout.h). While there is one, none
 * is made from changed documents: what is compared must stay what it is.
 *
 * The version before stays open while another is served: it is the backup when the new one fails. A
 * build that fails changes nothing; it is said in the log and in the status, and tried again at the
 * next look.
 *
 * Vectors of a pool (vectors: pool, both) the builder cannot ask for by itself: the upstream engine is the
 * loops'. Whoever has one lends it an asker (ops/index_embed.h); until then nothing that needs it is built.
 *
 * Threads: get, order, status and apply: any, also a loop's (a lock held for microseconds). Opening and
 * closing: the control thread.
 */
#ifndef SL_STORE_INDEXES_H
#define SL_STORE_INDEXES_H

#include <stdatomic.h>

#include "user/base/config.h"
#include "user/store/documents.h"
#include "user/store/encoder.h"
#include "user/store/shelf.h"

struct sl_indexes;

/* What the builder wants of a pool; all of it borrowed until ask() returns. */
struct sl_indexes_ask {
	const char *pool, *model;
	uint32_t dimensions;
	uint32_t timeout_ms;
	const struct sl_span *texts;
	uint32_t count;		 /* at most SL_DOCUMENTS_BATCH_MAX */
	float *vectors;		 /* count * dimensions, each of length 1 */
	const atomic_bool *gone; /* the builder is to stop: -ECANCELED soon */
};

struct sl_indexes_asker {
	/* On the builder's thread, which waits. 0, or -errno with why in error. */
	int (*ask)(void *owner, const struct sl_indexes_ask *ask, struct sl_error *error);
	void *owner;
};

enum sl_indexes_which {
	SL_INDEXES_CURRENT = 0,
	SL_INDEXES_BEFORE,    /* the version before the current one */
	SL_INDEXES_CANDIDATE, /* see sl_indexes_set_candidate() */
};

/*
 * What an operator may have done. A version that is ordered is made and checked, and waits for its
 * promotion; those that the daemon makes by itself (indexes.NAME.refresh) are promoted at once. After a
 * promotion of another version than the newest, or a rollback, it makes none by itself until the newest is
 * promoted: its next look would undo what was ordered.
 */
enum sl_indexes_order {
	SL_INDEXES_APPEND =
		0,	     /* a copy of the served version, with what changed in the documents */
	SL_INDEXES_BUILD,    /* a version from all of them, whatever changed */
	SL_INDEXES_PROMOTE,  /* serve a version; refused when it cannot be opened */
	SL_INDEXES_ROLLBACK, /* serve the one before; the same */
	SL_INDEXES_VERIFY,   /* read a version whole and ask it sample questions */
};

struct sl_indexes_status {
	char name[SL_CONFIG_NAME_MAX + 1];
	uint32_t current; /* version; 0: none is served */
	uint32_t before;
	uint32_t candidate;			  /* that is open beside it; 0: none (yet) */
	char candidate_error[SL_ERROR_TEXT_SIZE]; /* why it cannot be opened; "" */
	bool vectors;				  /* the served one is searched by meaning, too: */
	bool by_pool, by_builtin;   /* by vectors of a pool, of the embedded encoder */
	uint64_t documents, chunks; /* of the served one */
	uint64_t made_ms;	    /* wall clock */
	uint64_t stale;		    /* documents that differ from it, at the last look, */
	uint64_t stale_chunks;	    /* and its chunks that are of changed or gone ones */
	uint64_t looked_ms;	    /* wall clock; 0: not yet */
	bool building;
	/* Of the build that is under way: "documents" that are read, "chunks" that get their vectors,
	 * or "checks" of the file, which are not counted. */
	const char *doing;
	uint64_t done, total;
	uint64_t builds, failures;
	bool held;			/* makes none by itself, see enum sl_indexes_order */
	uint64_t orders_done;		/* a ticket is done when this has reached it */
	int order_rc;			/* of the last order, */
	char said[SL_ERROR_TEXT_SIZE];	/* and what came of it */
	char error[SL_ERROR_TEXT_SIZE]; /* of the last thing that failed; "": it went well since */
};

/* encoder: borrowed, outlives the indexes; NULL: words alone. 0, -ENOMEM, -EAGAIN. */
int sl_indexes_open(const struct sl_config *config, const struct sl_encoder *encoder,
		    struct sl_indexes **ret_indexes);
/* Another configuration: indexes that it has not are dropped, those that changed begin anew, all of them
 * when there is an encoder at last. What they had open is closed by the builder. */
void sl_indexes_apply(struct sl_indexes *indexes, const struct sl_config *config,
		      const struct sl_encoder *encoder);
/* Waits for the builder, which stops at its next chunk. */
void sl_indexes_close(struct sl_indexes **indexes);

/* Borrowed until NULL is lent: then nobody is in it any more, once this returns. */
void sl_indexes_lend(struct sl_indexes *indexes, const struct sl_indexes_asker *asker);

/* A reference for the caller, NULL: there is none. *ret_version (may be NULL). */
struct sl_documents *sl_indexes_get(struct sl_indexes *indexes, const char *name,
				    enum sl_indexes_which which, uint32_t *ret_version);

/* The version that is served, 0: none, or no such index. */
uint32_t sl_indexes_version(struct sl_indexes *indexes, const char *name);

/*
 * Has the builder open that version soon, beside the served one; 0: close it. It stays so over promotions, until
 * another is set or the index is configured anew. Of the same version again: nothing. False: no such index.
 */
bool sl_indexes_set_candidate(struct sl_indexes *indexes, const char *name, uint32_t version);

/* The one that is open; 0: none. */
uint32_t sl_indexes_candidate(struct sl_indexes *indexes, const char *name);

/* The encoder that queries are to be embedded with; NULL: none. */
const struct sl_encoder *sl_indexes_encoder(const struct sl_indexes *indexes);

/*
 * Has the builder do it soon; the status says when the ticket is done. version: of a promotion or
 * verification (0: the served one). 0; -ENOENT: no such index; -EBUSY: an order for it waits already.
 */
int sl_indexes_order(struct sl_indexes *indexes, const char *name, enum sl_indexes_order order,
		     uint32_t version, uint64_t *ret_ticket, struct sl_error *error);

/* The status of that name, and where its versions are (may be NULL). False: no such index. */
bool sl_indexes_find(struct sl_indexes *indexes, const char *name,
		     struct sl_indexes_status *ret_status, char ret_directory[SL_SHELF_PATH_SIZE]);

uint32_t sl_indexes_count(struct sl_indexes *indexes);
/* False: there is no such number. */
bool sl_indexes_read(struct sl_indexes *indexes, uint32_t number,
		     struct sl_indexes_status *ret_status);

#endif
