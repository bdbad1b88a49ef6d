/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/retrieve_postgres.h"

#include <errno.h>
#include <netdb.h>

/* The job ends by its own deadline; one that has not is still in the queue, or nearly done. */
#define GRACE_NS (100 * 1000000ull)

_Static_assert(SL_POSTGRES_ROWS_MAX <= SL_VECTOR_API_FOUND_MAX, "every row has its place");

/* What the node's breaker is told, by how the job ended. */
static const struct {
	enum sl_outcome outcome;
	enum sl_signal signal;
} verdicts[] = {
	[SL_POSTGRES_OK] = {SL_OUTCOME_SUCCESS, SL_SIGNAL_SUCCESS},
	[SL_POSTGRES_LOCAL] = {SL_OUTCOME_NEUTRAL, SL_SIGNAL_NONE},
	[SL_POSTGRES_WRONG] = {SL_OUTCOME_NEUTRAL, SL_SIGNAL_CLIENT_ERROR},
	[SL_POSTGRES_REFUSED] = {SL_OUTCOME_FAILURE, SL_SIGNAL_CONNECT_ERROR},
	[SL_POSTGRES_LATE] = {SL_OUTCOME_FAILURE, SL_SIGNAL_TOTAL_TIMEOUT},
	[SL_POSTGRES_BROKEN] = {SL_OUTCOME_FAILURE, SL_SIGNAL_RESET},
};

static struct sl_postgres_job *new_job(const struct sl_retrieve_ask *ask,
				       const struct sl_upstream_node *node)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	const struct sl_config_source *source = ask->source;
	struct sl_postgres_job job = {
		.postgres = ask->postgres,
		.host = host,
		.port = port,
		.options = (char *)source->connect,
		.table = (char *)source->collection,
		.id_column = (char *)source->id,
		.vector_column = (char *)source->vector,
		.text_column = (char *)source->text,
		.name_column = (char *)source->name,
		.vector = (char *)ask->vector,
		.dimensions = ask->dimensions,
		.count = ask->count,
		.deadline_ns = ask->deadline_ns,
	};

	if (getnameinfo((const struct sockaddr *)&node->address, node->address_len, host,
			sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		return NULL;
	return sl_postgres_job_new(&job);
}

static int copy_rows(struct sl_arena *arena, const struct sl_postgres_job *job,
		     struct sl_vector_found *found)
{
	for (uint32_t i = 0; i < job->row_count; i++) {
		found[i] = (struct sl_vector_found){
			.id = sl_arena_strdup(arena, job->rows[i].id),
			.text = sl_arena_strdup(arena, job->rows[i].text),
			.name = sl_arena_strdup(arena, job->rows[i].name),
			.score = job->rows[i].score,
		};
		if (found[i].id == NULL || found[i].text == NULL || found[i].name == NULL)
			return -ENOMEM;
	}
	return (int)job->row_count;
}

static int run(struct sl_stage *stage, const struct sl_retrieve_ask *ask,
	       const struct sl_upstream_grant *grant, struct sl_vector_found *found,
	       struct sl_error *error)
{
	struct sl_postgres_job *job = new_job(ask, grant->node);
	int rc = -ENOMEM;

	if (job != NULL)
		rc = sl_work_run(stage->stores->work, stage->loop, sl_postgres_job_run,
				 sl_postgres_job_free, job, ask->deadline_ns + GRACE_NS,
				 stage->gone);
	if (rc) { /* nothing is known of the node; after these two the job is the threads' */
		if (job != NULL && rc != -ETIMEDOUT && rc != -ECANCELED)
			sl_postgres_job_free(job);
		sl_upstream_give_back(stage->up, grant);
		return sl_error_set_errno(error, rc, "no thread was free for it in time");
	}
	sl_upstream_report(stage->up, grant->node, grant->ticket, verdicts[job->end].outcome,
			   verdicts[job->end].signal);
	sl_upstream_release(stage->up, grant->node);
	rc = job->end == SL_POSTGRES_OK ? copy_rows(stage->arena, job, found) : -EIO;
	if (rc < 0)
		*error = job->error;
	sl_postgres_job_free(job);
	return rc;
}

/* An experiment that means the node, of whatever kind: no connection is had. */
static bool is_struck(const struct sl_stage *stage, const struct sl_upstream_grant *grant)
{
	struct sl_strike_board *board = stage->up->state.retries->strikes;
	struct sl_strike strike;
	uint64_t key;

	if (!sl_strike_board_is_on(board) ||
	    !sl_strike_board_pick(board, grant->node->slot, stage->id, false,
				  sl_loop_now_ms(stage->loop), &strike, &key))
		return false;
	sl_upstream_report(stage->up, grant->node, grant->ticket,
			   verdicts[SL_POSTGRES_REFUSED].outcome,
			   verdicts[SL_POSTGRES_REFUSED].signal);
	sl_upstream_release(stage->up, grant->node);
	return true;
}

int sl_retrieve_postgres(struct sl_stage *stage, const struct sl_retrieve_ask *ask,
			 struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX],
			 struct sl_error *error)
{
	struct sl_upstream_grant grant = sl_upstream_acquire(stage->up, ask->pool, NULL, 0, false);

	if (grant.node == NULL)
		return sl_error_set(error, -EHOSTUNREACH, "%s",
				    grant.full ? "every node is full"
					       : "no node may be asked: breakers are open, or "
						 "nodes drained");
	if (grant.node->peer != NULL) {
		sl_upstream_give_back(stage->up, &grant);
		return sl_error_set(error, -EINVAL,
				    "PostgreSQL needs nodes with an address (TLS: sslmode in "
				    "sources.NAME.connect)");
	}
	if (is_struck(stage, &grant))
		return sl_error_set(error, -ECONNREFUSED, "refused by an experiment");
	return run(stage, ask, &grant, found, error);
}
