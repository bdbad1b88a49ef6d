/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * documents.h - one version of an index: documents, their chunks, the words in them (FTS5, bm25) and
 * their vectors, in one file.
 *
 *	make:   create -> put each document -> pending/set_vectors until none is -> finish
 *	serve:  open (read-only, vectors in memory) -> near, words
 *
 * A file is served only once it is finished: a crash before leaves one that open refuses. The vectors
 * are of one embedding model, or each chunk has one of each of two models; the file carries their
 * identities and numbers of dimensions. Opened for other models alone it is refused, for numbers of two
 * models have nothing to do with each other. An index without a model has words alone.
 *
 * A file that is torn while it is served gives errors, not wrong rows: every read is checked by the
 * database, and the caller steps down its ladder.
 *
 * Threads: never a loop's. One that is being made belongs to one thread at a time; one that is served
 * may be searched by any number, it is counted by references.
 */
#ifndef SL_STORE_DOCUMENTS_H
#define SL_STORE_DOCUMENTS_H

#include "user/store/chunk.h"
#include "user/store/vectors.h"

#define SL_DOCUMENTS_CHUNKS_MAX	  2000000u /* in one version */
#define SL_DOCUMENTS_HITS_MAX	  64u	   /* of one search */
#define SL_DOCUMENTS_BATCH_MAX	  64u	   /* chunks given out for embedding at once */
#define SL_DOCUMENTS_NAME_MAX	  1024u	   /* bytes of a source's name */
#define SL_DOCUMENTS_QUERY_WORDS  24u	   /* of a question that are searched for */
#define SL_DOCUMENTS_DIGEST_BYTES 32u
#define SL_DOCUMENTS_FLAT_MAX	  20000u /* vectors searched one by one; a graph over it */

#define SL_DOCUMENTS_MODELS_MAX 2u /* whose vectors one version has */

struct sl_documents;

/* Who made vectors. */
struct sl_documents_model {
	char name[SL_VECTORS_MODEL_BYTES]; /* identity; "": none */
	uint32_t dimensions;		   /* 0: none */
};

struct sl_documents_facts {
	struct sl_documents_model models[SL_DOCUMENTS_MODELS_MAX]; /* those that there are first */
	struct sl_chunk_options chunks;
	uint64_t made_ms; /* wall clock, when it was finished */
	uint64_t document_count;
	uint64_t chunk_count;
};

/* What tells whether a source is the one that was read. */
struct sl_documents_print {
	uint64_t bytes;
	int64_t mtime_ns;
	uint8_t digest[SL_DOCUMENTS_DIGEST_BYTES]; /* SHA-256 of its bytes */
};

/* ---- making one ------------------------------------------------------------------------------ */

/* A new file; an old one of that path is replaced. Of the facts, model, dimensions and chunks count. */
int sl_documents_create(const char *path, const struct sl_documents_facts *facts,
			struct sl_documents **ret_documents, struct sl_error *error);

/* Opens a finished file (a copy of a version) to change it: it is not finished any more. */
int sl_documents_edit(const char *path, struct sl_documents **ret_documents,
		      struct sl_error *error);

/*
 * The document of that name in place of the one that was there. Returns 0; -E2BIG (name, document or
 * chunks over their bounds), or the database's errors; nothing is changed then.
 */
int sl_documents_put(struct sl_documents *documents, const char *name,
		     const struct sl_documents_print *print, struct sl_span source,
		     enum sl_chunk_format format, struct sl_chunk_report *ret_report,
		     struct sl_error *error);

/* 0, also when there was none. */
int sl_documents_remove(struct sl_documents *documents, const char *name, struct sl_error *error);

/* The document is known, by its print, and has no chunks: it could not be read. Errors as sl_documents_put(). */
int sl_documents_leave_out(struct sl_documents *documents, const char *name,
			   const struct sl_documents_print *print, struct sl_error *error);

/* Its size, time or digest changed nothing: only the print is written. */
int sl_documents_touch(struct sl_documents *documents, const char *name,
		       const struct sl_documents_print *print, struct sl_error *error);

/* A chunk without its vector: what is to be embedded is text (the heading path and the chunk). */
struct sl_documents_pending {
	uint32_t count;
	int64_t ids[SL_DOCUMENTS_BATCH_MAX];
	char *texts[SL_DOCUMENTS_BATCH_MAX]; /* malloc'ed */
};

/* How many there are; 0 also where the file cannot be read. */
uint64_t sl_documents_pending_count(struct sl_documents *documents);

/* The next at most `max`; count 0: all have theirs. Free with sl_documents_pending_fini(). */
int sl_documents_pending(struct sl_documents *documents, uint32_t max,
			 struct sl_documents_pending *ret_pending, struct sl_error *error);
void sl_documents_pending_fini(struct sl_documents_pending *pending);

/* Numbers of one row: of the vectors of all its models. */
uint32_t sl_documents_row_numbers(const struct sl_documents_facts *facts);

/* `count` rows one behind the other, each the vector of the first model, then of the second where there is
 * one; their lengths are made 1. -EINVAL: not finite, or all 0. */
int sl_documents_set_vectors(struct sl_documents *documents, const int64_t *ids, uint32_t count,
			     const float *vectors, struct sl_error *error);

/*
 * Ends the making: it may be served from now on. -EINVAL when chunks lack their vectors. With more
 * than SL_DOCUMENTS_FLAT_MAX of them it also makes the graph, beside the file (".near"): about 1 ms each.
 * The documents are to be closed in any case.
 */
int sl_documents_finish(struct sl_documents *documents, uint64_t now_wall_ms,
			struct sl_error *error);

/* ---- both ------------------------------------------------------------------------------------ */

void sl_documents_facts(const struct sl_documents *documents, struct sl_documents_facts *ret_facts);

/* Each document; take returning other than 0 ends it and is returned. */
int sl_documents_each(struct sl_documents *documents,
		      int (*take)(void *arg, const char *name,
				  const struct sl_documents_print *print),
		      void *arg, struct sl_error *error);

/* How many chunks that document has; 0 also where the file cannot be read. */
uint64_t sl_documents_chunks_of(struct sl_documents *documents, const char *name);

/* Drops a reference (of what is made: the only one); the last closes it. Nulls; NULL is fine. */
void sl_documents_put_away(struct sl_documents **documents);

/* ---- serving one ----------------------------------------------------------------------------- */

/*
 * models: those that queries may have (at most SL_DOCUMENTS_MODELS_MAX); the vectors of each that the file has
 * are loaded. count 0: words are enough, none are. -EPROTO: it has vectors of none of them, by model and
 * number of dimensions; -EBADMSG: torn, or never finished; the database's errors.
 */
int sl_documents_open_for(const char *path, const struct sl_documents_model *models, uint32_t count,
			  struct sl_documents **ret_documents, struct sl_error *error);
/* The same for one model; NULL: none. */
int sl_documents_open(const char *path, const char *model, uint32_t dimensions,
		      struct sl_documents **ret_documents, struct sl_error *error);
struct sl_documents *sl_documents_get(struct sl_documents *documents);
/* Vectors are loaded: of any model. */
bool sl_documents_has_vectors(const struct sl_documents *documents);
/* Of this one. */
bool sl_documents_has_model(const struct sl_documents *documents, const char *model,
			    uint32_t dimensions);

struct sl_documents_hit {
	int64_t chunk;
	float score;	    /* near: cosine; words: bm25, higher is better, not bounded */
	uint32_t line;	    /* in the source, from 1 */
	const char *source; /* name of the document */
	const char *path;   /* its headings, "" */
	const char *text;
};

struct sl_documents_hits {
	uint32_t count;
	struct sl_documents_hit items[SL_DOCUMENTS_HITS_MAX]; /* best first */
	char *memory;					      /* what they point into */
};

/* The at most `count` nearest by vectors of that model; NULL: of the first that is loaded. deadline_ns:
 * CLOCK_MONOTONIC, 0: none. 0, -ETIMEDOUT, -EPROTO (opened without that model) or the database's errors.
 * Free the hits with sl_documents_hits_fini(). */
int sl_documents_near(struct sl_documents *documents, const char *model, const float *query,
		      uint32_t count, uint64_t deadline_ns, struct sl_documents_hits *ret_hits,
		      struct sl_error *error);

/* The same by the words of a question; any text is fine, no syntax is known in it. */
int sl_documents_words(struct sl_documents *documents, struct sl_span question, uint32_t count,
		       uint64_t deadline_ns, struct sl_documents_hits *ret_hits,
		       struct sl_error *error);

/* The chunk at number/of of the way through a version, as the only hit; none in an empty one. */
int sl_documents_sample(struct sl_documents *documents, uint32_t number, uint32_t of,
			struct sl_documents_hits *ret_hits, struct sl_error *error);

void sl_documents_hits_fini(struct sl_documents_hits *hits);

/* Reads the whole file and compares its parts. 0 or -EBADMSG with what is wrong. */
int sl_documents_verify(const char *path, struct sl_documents_facts *ret_facts,
			struct sl_error *error);

#endif
