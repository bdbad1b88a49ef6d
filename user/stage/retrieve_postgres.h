/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * retrieve_postgres.h - asking PostgreSQL for chunks from a request's fiber: a node of the pool by its
 * breaker, the question on a worker thread, its outcome to the breaker. Only for retrieve*.c.
 */
#ifndef SL_STAGE_RETRIEVE_POSTGRES_H
#define SL_STAGE_RETRIEVE_POSTGRES_H

#include "user/stage/stage.h"
#include "user/store/postgres.h"
#include "user/wire/vector_api.h"

struct sl_retrieve_ask {
	const struct sl_config_source *source;
	const struct sl_upstream_pool *pool;
	struct sl_postgres *postgres;
	const char *vector; /* "[0.1,0.2]" */
	uint32_t dimensions;
	uint32_t count;
	uint64_t deadline_ns;
};

/*
 * Returns how many were found, in the request's arena; -ECANCELED: the client has left; another -errno
 * with the reason in error.
 */
int sl_retrieve_postgres(struct sl_stage *stage, const struct sl_retrieve_ask *ask,
			 struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX],
			 struct sl_error *error);

#endif
