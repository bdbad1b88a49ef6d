/* SPDX-License-Identifier: BSD-2-Clause */
/* documents_parts.h - what making and searching an index share. Only for documents*.c. */
#ifndef SL_STORE_DOCUMENTS_PARTS_H
#define SL_STORE_DOCUMENTS_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "user/store/db.h"
#include "user/store/documents.h"

struct sl_documents {
	struct sl_db *db;
	char *path;
	struct sl_documents_facts facts;
	atomic_uint refs;
	/* making */
	struct sl_db_statement *put_chunk, *put_words;
	/* serving */
	struct sl_vectors
		*vectors[SL_DOCUMENTS_MODELS_MAX]; /* by the facts' models; NULL: not loaded */
	pthread_mutex_t lock; /* of the database and its statements; vectors have their own */
	struct sl_db_statement *get_chunk, *match;
};

/* Opens the file; steps and kind are one for all. */
int sl_documents_open_file(const char *path, bool read_only, struct sl_documents **ret_documents,
			   struct sl_error *error);

/* Reads the facts; *ret_finished: it may be served. */
int sl_documents_read_facts(struct sl_documents *documents, bool *ret_finished,
			    struct sl_error *error);

/* "PATH.near", of the second model "PATH.near2"; malloc'ed; NULL without memory. */
char *sl_documents_near_path(const char *path, uint32_t model);

/* Over SL_DOCUMENTS_FLAT_MAX vectors: the graphs, beside the file; else takes old ones away. */
int sl_documents_make_graph(struct sl_documents *documents, struct sl_error *error);

#endif
