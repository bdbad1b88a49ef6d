/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * indexes.h - the indexes of a daemon: what is served of each, and the thread that makes new versions.
 *
 *	builder thread (low priority)                          workers of requests
 *	  look at the documents -> make a version beside ->     sl_indexes_get(): a counted reference
 *	  promote -> open it -> swap under the lock             of the served version, or the one before
 *
 * The version before stays open while another is served: it is the backup when the new one fails. A
 * build that fails changes nothing; it is said in the log and in the status, and tried again at the
 * next look.
 *
 * Threads: get, order, status and apply: any, also a loop's (a lock held for microseconds). Opening and
 * closing: the control thread.
 */
#ifndef SL_STORE_INDEXES_H
#define SL_STORE_INDEXES_H

#include "user/base/config.h"
#include "user/store/documents.h"
#include "user/store/encoder.h"

struct sl_indexes;

enum sl_indexes_which {
	SL_INDEXES_CURRENT = 0,
	SL_INDEXES_BEFORE, /* the version before the current one */
};

enum sl_indexes_order {
	SL_INDEXES_LOOK = 0, /* look at the documents now; make a version when any changed */
	SL_INDEXES_BUILD,    /* make one from all of them, whatever changed */
	SL_INDEXES_PROMOTE,  /* serve a version */
	SL_INDEXES_ROLLBACK, /* serve the one before */
	SL_INDEXES_VERIFY,   /* read the served one whole */
};

struct sl_indexes_status {
	char name[SL_CONFIG_NAME_MAX + 1];
	uint32_t current; /* version; 0: none is served */
	uint32_t before;
	bool vectors;		    /* the served one is searched by meaning, too */
	uint64_t documents, chunks; /* of the served one */
	uint64_t made_ms;	    /* wall clock */
	uint64_t stale;		    /* documents that differ from it, at the last look */
	uint64_t looked_ms;	    /* wall clock; 0: not yet */
	bool building;
	uint64_t done, total; /* of the build that is under way: chunks with their vectors */
	uint64_t builds, failures;
	uint64_t orders_done;
	int order_rc;			/* of the last order */
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

/* A reference for the caller, NULL: there is none. *ret_version (may be NULL). */
struct sl_documents *sl_indexes_get(struct sl_indexes *indexes, const char *name,
				    enum sl_indexes_which which, uint32_t *ret_version);

/* The version that is served, 0: none, or no such index. */
uint32_t sl_indexes_version(struct sl_indexes *indexes, const char *name);

/* The encoder that queries are to be embedded with; NULL: none. */
const struct sl_encoder *sl_indexes_encoder(const struct sl_indexes *indexes);

/*
 * Has the builder do it soon; the status says when it is done. version: of a promotion. 0; -ENOENT: no
 * such index; -EBUSY: an order for it waits already.
 */
int sl_indexes_order(struct sl_indexes *indexes, const char *name, enum sl_indexes_order order,
		     uint32_t version, struct sl_error *error);

uint32_t sl_indexes_count(struct sl_indexes *indexes);
/* False: there is no such number. */
bool sl_indexes_read(struct sl_indexes *indexes, uint32_t number,
		     struct sl_indexes_status *ret_status);

#endif
