/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/embed.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "user/store/encoder.h"
#include "user/store/linear.h"

#define ANSWER_BYTES_MAX (1u << 20)

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

static const char *api_model(const struct sl_stage *stage)
{
	return sl_arena_printf(stage->arena, "api:%s", stage->config->embedding.pool_model);
}

static int make_body(const struct sl_stage *stage, struct sl_span text, struct sl_span *ret_body)
{
	struct sl_text body;
	char *copy;

	sl_text_init(&body, 0);
	sl_text_append_string(&body, "{\"model\":");
	sl_text_append_json_string(&body, stage->config->embedding.pool_model);
	sl_text_append_string(&body, ",\"input\":\"");
	sl_text_append_json(&body, text.data, text.len);
	sl_text_append_string(&body, "\",\"encoding_format\":\"float\"}");
	copy = body.error ? NULL : sl_arena_memdup(stage->arena, body.data, body.len);
	*ret_body = sl_span_make(copy, body.len);
	sl_text_fini(&body);
	return copy ? 0 : -ENOMEM;
}

/* To length 1; false: it has none. */
static bool normalise(float *vector, uint32_t count)
{
	double squares = 0;
	uint32_t i;

	for (i = 0; i < count; i++)
		squares += (double)vector[i] * vector[i];
	if (!(squares > 1e-12) || !isfinite(squares))
		return false;
	for (i = 0; i < count; i++)
		vector[i] = (float)(vector[i] / sqrt(squares));
	return true;
}

/* {"data":[{"embedding":[...]}]} */
static int read_answer(struct sl_stage *stage, struct sl_span body, struct sl_embedding *embedding)
{
	struct sl_json_field data = SL_JSON_FIELD("data"), list = SL_JSON_FIELD("embedding");
	struct sl_json_field element, number;
	const char *cursor = NULL;
	float *vector = sl_arena_array(stage->arena, SL_VECTORS_DIMENSIONS_MAX, sizeof(*vector));
	uint32_t count = 0;
	double value;

	if (!vector)
		return -ENOMEM;
	if (sl_json_scan(body.data, body.len, &data, 1) || data.type != SL_JSON_ARRAY ||
	    !sl_json_each(&data, &cursor, &element) || element.type != SL_JSON_OBJECT ||
	    sl_json_scan(element.value, element.value_len, &list, 1) || list.type != SL_JSON_ARRAY)
		return -EIO;
	for (cursor = NULL; sl_json_each(&list, &cursor, &number);) {
		if (count == SL_VECTORS_DIMENSIONS_MAX || sl_json_double(&number, &value))
			return -EIO;
		vector[count++] = (float)value;
	}
	if (!normalise(vector, count))
		return -EIO;
	embedding->vector = vector;
	embedding->dimensions = count;
	return 0;
}

static int ask_pool(struct sl_stage *stage, struct sl_span text, uint64_t deadline_ns,
		    struct sl_embedding *embedding)
{
	struct sl_call call = {
		.pool = &stage->pools[stage->config->embedding.pool],
		.path = SL_SPAN("/v1/embeddings"),
		.json_object = true,
		.deadline_ns = deadline_ns,
		.answer_bytes_max = ANSWER_BYTES_MAX,
		.id = stage->id,
		.gone = stage->gone,
	};
	struct sl_call_answer answer;
	int rc = make_body(stage, text, &call.body);

	if (rc)
		return rc;
	switch (sl_call_run(stage->up, stage->arena, &call, &answer)) {
	case SL_ENDING_OK:
		return read_answer(stage, answer.body, embedding);
	case SL_ENDING_CLIENT_GONE:
		return -ECANCELED;
	case SL_ENDING_BUSY:
		return -EAGAIN;
	default:
		return sl_loop_now_ns(stage->loop) >= deadline_ns ? -ETIMEDOUT : -EIO;
	}
}

/* ---- which ----------------------------------------------------------------------------------- */

const char *sl_embed_model(const struct sl_stage *stage)
{
	if (stage->config->embedding.pool != UINT32_MAX)
		return api_model(stage);
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

int sl_embed_run(struct sl_stage *stage, struct sl_span text, uint64_t deadline_ns,
		 struct sl_embedding *ret_embedding)
{
	const char *model = sl_embed_model(stage);
	const struct sl_embedding *known = model ? sl_embed_known(stage, text, model) : NULL;
	int rc;

	*ret_embedding = known ? *known : (struct sl_embedding){.model = model};
	if (!model)
		return -ENOENT;
	if (known)
		return 0;
	rc = stage->config->embedding.pool != UINT32_MAX
		     ? ask_pool(stage, text, deadline_ns, ret_embedding)
		     : embed_here(stage, text, deadline_ns, ret_embedding);
	if (rc == 0)
		remember(stage, text, ret_embedding);
	return rc;
}
