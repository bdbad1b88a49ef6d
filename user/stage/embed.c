/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/embed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/log.h"
#include "user/store/encoder.h"
#include "user/store/linear.h"
#include "user/wire/embedding_api.h"

#define ANSWER_BYTES_MAX (1u << 20) /* with one vector */
#define TIMES_LONGER	 16u	    /* with several */

/* ---- the embedded encoder -------------------------------------------------------------------- */

struct job {
	const struct sl_encoder *encoder;
	struct sl_encoder_facts facts;
	float vector[SL_ENCODER_DIMENSIONS];
	int rc;
	size_t len;
	char text[];
};

static void run_job(void *argument)
{
	struct job *job = argument;

	job->rc = sl_encoder_embed(job->encoder, sl_span_make(job->text, job->len), job->vector,
				   &job->facts);
}

static int embed_here(struct sl_stage *stage, struct sl_span text, uint64_t deadline_ns,
		      struct sl_embedding *embedding)
{
	struct job *job = malloc(sizeof(*job) + text.len);
	int rc;

	if (!job)
		return -ENOMEM;
	job->encoder = stage->stores->encoder;
	job->len = text.len;
	memcpy(job->text, text.data, text.len);
	rc = sl_work_run(stage->stores->work, stage->loop, run_job, free, job, deadline_ns,
			 stage->gone);
	if (rc == -ETIMEDOUT || rc == -ECANCELED)
		return rc; /* the job is the pool's */
	if (rc == 0)
		rc = job->rc;
	if (rc == 0) {
		embedding->vector = sl_arena_memdup(stage->arena, job->vector, sizeof(job->vector));
		embedding->dimensions = SL_ENCODER_DIMENSIONS;
		embedding->cut = job->facts.cut;
		rc = embedding->vector ? 0 : -ENOMEM;
	}
	free(job);
	return rc;
}

/* ---- a pool ---------------------------------------------------------------------------------- */

const char *sl_embed_pool_model(const struct sl_stage *stage, const char *model)
{
	return sl_arena_printf(stage->arena, SL_VECTORS_POOL_PREFIX "%s", model);
}

static int make_body(const struct sl_stage *stage, const struct sl_embed_pool *source,
		     const struct sl_span *texts, uint32_t count, struct sl_span *ret_body)
{
	struct sl_text body;
	char *copy = NULL;

	sl_text_init(&body, 0);
	if (!sl_embeddings_ask(source->model, texts, count, &body))
		copy = sl_arena_memdup(stage->arena, body.data, body.len);
	*ret_body = sl_span_make(copy, body.len);
	sl_text_fini(&body);
	return copy ? 0 : -ENOMEM;
}

struct reading {
	float *vectors;
	size_t room;
	uint32_t count, dimensions;
};

/* What is no such list of vectors is the node's failure: its breaker is to know. */
static enum sl_ending accept_vectors(void *owner, const char *body, size_t body_len,
				     const char **ret_detail)
{
	struct reading *reading = owner;
	int dimensions = sl_embeddings_read(sl_span_make(body, body_len), reading->count,
					    reading->dimensions, reading->vectors, reading->room,
					    ret_detail);

	if (dimensions < 0)
		return SL_ENDING_BAD;
	reading->dimensions = (uint32_t)dimensions;
	return SL_ENDING_OK;
}

int sl_embed_ask(struct sl_stage *stage, const struct sl_embed_pool *source,
		 const struct sl_span *texts, uint32_t count, uint64_t deadline_ns,
		 const struct sl_embed_room *room, struct sl_error *error)
{
	struct reading reading = {
		.vectors = room->vectors,
		.room = room->numbers,
		.count = count,
		.dimensions = source->dimensions,
	};
	struct sl_call call = {
		.pool = source->pool,
		.path = SL_SPAN("/v1/embeddings"),
		.json_object = true,
		.deadline_ns = deadline_ns,
		.answer_bytes_max = ANSWER_BYTES_MAX * (count > 1 ? TIMES_LONGER : 1),
		.id = stage->id,
		.traceparent = stage->traceparent,
		.gone = stage->gone,
		.accept = accept_vectors,
		.owner = &reading,
	};
	struct sl_call_answer answer;
	int rc = make_body(stage, source, texts, count, &call.body);

	if (rc)
		return sl_error_set_errno(error, rc, "pool \"%s\": embeddings", source->pool->name);
	switch (sl_call_run(stage->up, stage->arena, &call, &answer)) {
	case SL_ENDING_OK:
		return (int)reading.dimensions;
	case SL_ENDING_CLIENT_GONE:
		return -ECANCELED;
	case SL_ENDING_BUSY:
		rc = -EAGAIN;
		break;
	default:
		rc = sl_loop_now_ns(stage->loop) >= deadline_ns ? -ETIMEDOUT : -EIO;
	}
	return sl_error_set(error, rc, "pool \"%s\": embeddings: %s", source->pool->name,
			    answer.detail);
}

static int ask_pool(struct sl_stage *stage, const struct sl_embed_pool *source, struct sl_span text,
		    uint64_t deadline_ns, struct sl_embedding *embedding)
{
	struct sl_embed_room room = {.numbers = source->dimensions ? source->dimensions
								   : SL_VECTORS_DIMENSIONS_MAX};
	struct sl_error error = {""};
	int rc;

	room.vectors = sl_arena_array(stage->arena, room.numbers, sizeof(*room.vectors));
	if (!room.vectors)
		return -ENOMEM;
	rc = sl_embed_ask(stage, source, &text, 1, deadline_ns, &room, &error);
	if (rc < 0) {
		if (rc != -ECANCELED)
			sl_log_limited(SL_LOG_WARN, "%s", error.text);
		return rc;
	}
	embedding->vector = room.vectors;
	embedding->dimensions = (uint32_t)rc;
	return 0;
}

/* ---- which ----------------------------------------------------------------------------------- */

/* False: the embedded encoder makes them. */
static bool has_pool(const struct sl_stage *stage, struct sl_embed_pool *ret_source)
{
	const struct sl_config_embedding *config = &stage->config->embedding;

	if (config->pool == UINT32_MAX)
		return false;
	*ret_source = (struct sl_embed_pool){.pool = &stage->pools[config->pool],
					     .model = config->pool_model,
					     .dimensions = config->pool_dimensions};
	return true;
}

const char *sl_embed_model(const struct sl_stage *stage)
{
	struct sl_embed_pool source;

	if (has_pool(stage, &source))
		return sl_embed_pool_model(stage, source.model);
	return stage->stores->encoder ? sl_encoder_identity(stage->stores->encoder) : NULL;
}

const struct sl_embedding *sl_embed_known(const struct sl_stage *stage, struct sl_span text,
					  const char *model)
{
	const struct sl_embedding *known = stage->embedded;

	return known && strcmp(known->model, model) == 0 &&
			       sl_span_equal(stage->embedded_text, text)
		       ? known
		       : NULL;
}

/* Without memory the next who wants it has it made again. */
static void remember(struct sl_stage *stage, struct sl_span text,
		     const struct sl_embedding *embedding)
{
	const char *copy = sl_arena_memdup(stage->arena, text.data, text.len);
	const struct sl_embedding *kept =
		copy ? sl_arena_memdup(stage->arena, embedding, sizeof(*embedding)) : NULL;

	if (!kept)
		return;
	stage->embedded_text = sl_span_make(copy, text.len);
	stage->embedded = kept;
}

/* By the pool, or the encoder where source is NULL. */
static int embed(struct sl_stage *stage, const struct sl_embed_pool *source, const char *model,
		 struct sl_span text, uint64_t deadline_ns, struct sl_embedding *ret_embedding)
{
	const struct sl_embedding *known = model ? sl_embed_known(stage, text, model) : NULL;
	int rc;

	*ret_embedding = known ? *known : (struct sl_embedding){.model = model};
	if (!model)
		return -ENOENT;
	if (known)
		return 0;
	rc = source ? ask_pool(stage, source, text, deadline_ns, ret_embedding)
		    : embed_here(stage, text, deadline_ns, ret_embedding);
	if (rc == 0)
		remember(stage, text, ret_embedding);
	return rc;
}

int sl_embed_run(struct sl_stage *stage, struct sl_span text, uint64_t deadline_ns,
		 struct sl_embedding *ret_embedding)
{
	struct sl_embed_pool source;

	return embed(stage, has_pool(stage, &source) ? &source : NULL, sl_embed_model(stage), text,
		     deadline_ns, ret_embedding);
}

int sl_embed_by(struct sl_stage *stage, const struct sl_embed_pool *source, struct sl_span text,
		uint64_t deadline_ns, struct sl_embedding *ret_embedding)
{
	const char *model = sl_embed_pool_model(stage, source->model);
	int rc = embed(stage, source, model, text, deadline_ns, ret_embedding);

	/* One that another stage has made, of a pool that need not say how long they are. */
	return !rc && ret_embedding->dimensions != source->dimensions ? -EIO : rc;
}
