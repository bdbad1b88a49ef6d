/* SPDX-License-Identifier: BSD-2-Clause */
/* config_retrieve.h - what the configuration says about retrieval: indexes, vector sources, routes. */
#ifndef SL_BASE_CONFIG_RETRIEVE_H
#define SL_BASE_CONFIG_RETRIEVE_H

#include "user/base/config_item.h"

#define SL_CONFIG_EMBEDDERS_MAX 16u
#define SL_CONFIG_INDEXES_MAX	16u
#define SL_CONFIG_SOURCES_MAX	16u
#define SL_CONFIG_RERANKERS_MAX 16u
#define SL_CONFIG_RETRIEVE_MAX	32u   /* chunks asked for */
#define SL_CONFIG_TEMPLATE_MAX	4096u /* bytes of a text for the model */

/* A pool that makes vectors, of one model. */
struct sl_config_embedder {
	struct sl_config_item item;
	const char *pool;
	const char *model;
	uint32_t dimensions; /* numbers of each vector */
	uint32_t build_ms;   /* longest wait for the vectors of one batch of chunks */
};

/* What an index knows beside the words. */
enum sl_config_index_vectors {
	SL_CONFIG_VECTORS_BUILTIN = 0, /* of the embedded encoder */
	SL_CONFIG_VECTORS_NONE,
	SL_CONFIG_VECTORS_POOL, /* of `embedding` */
	SL_CONFIG_VECTORS_BOTH, /* of both: when the pool gives none there are the others */
};

struct sl_config_index {
	struct sl_config_item item;
	const char *directory; /* of its versions */
	const char *documents; /* a file or a directory; NULL: only versions put there by hand */
	const char *questions; /* a file of questions that a version must answer; NULL: none */
	uint32_t vectors;      /* enum sl_config_index_vectors */
	const char *embedding; /* of `embedders`, for VECTORS_POOL and VECTORS_BOTH; else NULL */
	uint32_t chunk_bytes;
	uint32_t overlap_bytes;
	uint32_t refresh_ms; /* between two looks at the documents; 0: never by itself */
	uint32_t keep;	     /* versions */
};

enum sl_config_source_kind {
	SL_CONFIG_SOURCE_QDRANT = 0,
	SL_CONFIG_SOURCE_CHROMA,
	SL_CONFIG_SOURCE_POSTGRES,
};

/* A vector database of others. */
struct sl_config_source {
	struct sl_config_item item;
	uint32_t kind;		/* enum sl_config_source_kind */
	const char *pool;	/* HTTP, or PostgreSQL's own protocol */
	const char *path;	/* of the request; NULL: made from the collection */
	const char *embedding;	/* of `embedders`; NULL: the embedded encoder */
	const char *collection; /* a table, with PostgreSQL; these four are its alone: */
	const char *connect;	/* options of libpq, like "dbname=docs user=sluice" */
	const char *id;		/* column of the chunk's id, */
	const char *vector;	/* of its vector */
	const char *text;	/* field or column of a chunk's text */
	const char *name;	/* of the document it is from */
};

enum sl_config_rerank_kind {
	SL_CONFIG_RERANK_COHERE = 0, /* Cohere's and Jina's shape */
	SL_CONFIG_RERANK_TEI,
};

struct sl_config_reranker {
	struct sl_config_item item;
	uint32_t kind; /* enum sl_config_rerank_kind */
	const char *pool;
	const char *path; /* NULL: /v1/rerank, /rerank */
	const char *model;
};

/* routes[].retrieve */
struct sl_config_retrieve {
	const char *source;  /* of `sources`; NULL: the index is the first step */
	const char *index;   /* of `indexes`; NULL: none */
	const char *backup;  /* another index; NULL: the index's version before */
	const char *rerank;  /* of `rerankers`; NULL: none */
	uint32_t top_k;	     /* chunks in the context */
	uint32_t candidates; /* asked for, of which rerank chooses */
	uint64_t min_score;  /* billionths; a chunk under it is not good */
	uint32_t timeout_ms; /* of one step */
	uint32_t rerank_timeout_ms;
	uint32_t context_bytes_max;
	uint32_t answers_ms;	   /* answers kept for the time of need; 0: none */
	const char *template_text; /* with {context} */
	const char *disclaimer;
	uint64_t flat;		  /* billionths: scores within that tell nothing; 0: any do */
	uint64_t poor_share;	  /* billionths; over it the route does without; 0: never */
	uint64_t poor_back_share; /* under it it comes back */
	uint32_t poor_queries;	  /* in the window */
	/* Of the answers made with documents (stage/retrieve_grounded.h): */
	uint64_t grounded_sample;  /* billionths that are judged; 0: none */
	uint32_t grounded_budget;  /* a minute */
	uint64_t grounded_poor;	   /* billionths; over it the route does without; 0: never */
	uint64_t grounded_back;	   /* under it it comes back */
	uint32_t grounded_answers; /* in the window */
	uint32_t grounded_log;	   /* 1: sentences that are not supported are logged */
	const char *judge;	   /* a pool; NULL: none */
	uint32_t judge_timeout_ms;
};

#endif
