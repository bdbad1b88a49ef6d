/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks at one answer: on the pool of threads what is read and computed, on its fiber what is asked. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/ops/eval_parts.h"
#include "user/policy/pii.h"
#include "user/quality/grounded.h"
#include "user/store/encoder.h"
#include "user/store/linear.h"
#include "user/wire/template_suite.h"

#define LOOK_MS	   30000u
#define JUDGED_MAX 4u /* sentences of an answer that a judge is asked about */
#define CASE_BYTES (128u << 10)
#define BILLION	   1000000000.0

/* Has copies of all that it reads: it may outlive the wait for it, see work.h. */
struct job {
	const struct sl_gates_lexicon *lexicon;
	const struct sl_encoder *encoder; /* NULL: no meaning */
	uint64_t relevance;
	char *question, *context, *answer, *format;
	size_t question_len, context_len, answer_len, format_len;
	bool is_private;
	enum sl_eval_verdict form, relevant;
	bool has_grounded;
	struct sl_grounded grounded;
};

static char *copy_of(struct sl_span from, size_t *ret_len)
{
	char *to = malloc(from.len + 1);

	if (!to)
		return NULL;
	if (from.len)
		memcpy(to, from.data, from.len);
	to[from.len] = '\0';
	*ret_len = from.len;
	return to;
}

static void drop_job(void *argument)
{
	struct job *job = argument;

	free(job->question);
	free(job->context);
	free(job->answer);
	free(job->format);
	free(job);
}

static struct job *make_job(const struct sl_eval_look *look)
{
	const struct sl_eval_sample *sample = look->sample;
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->lexicon = look->part->lexicon;
	job->encoder = __atomic_load_n(&look->part->place.stores->encoder, __ATOMIC_ACQUIRE);
	job->relevance = look->route->config->evaluate.relevance;
	job->question = copy_of(sample->question, &job->question_len);
	job->context = copy_of(sample->context, &job->context_len);
	job->answer = copy_of(sample->answer, &job->answer_len);
	job->format = copy_of(sample->response_format, &job->format_len);
	if (job->question && job->context && job->answer && job->format)
		return job;
	drop_job(job);
	return NULL;
}

/* ---- on a thread of the pool ------------------------------------------------------------------- */

/* The answer by the check that its request stands for, in the words of a suite's case. */
static enum sl_eval_verdict check_format(const struct job *job)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("type"),
				    SL_JSON_FIELD_IN("json_schema", "schema")};
	struct sl_suite_answer answer = {.text = sl_span_make(job->answer, job->answer_len),
					 .tokens = -1};
	struct sl_suite_case of;
	struct sl_error error;
	struct sl_text check;
	size_t which;
	int rc;

	if (!sl_span_trim(answer.text).len)
		return SL_EVAL_BAD;
	if (!job->format_len || sl_json_scan(job->format, job->format_len, f, 2) ||
	    sl_json_string_equal(&f[0], "text", 4))
		return SL_EVAL_GOOD;
	sl_text_init(&check, CASE_BYTES);
	if (f[1].type == SL_JSON_OBJECT) {
		sl_text_append_string(&check, "{\"checks\":[{\"schema\":");
		sl_text_append(&check, f[1].value, f[1].value_len);
		sl_text_append_string(&check, "}]}");
	} else {
		sl_text_append_string(&check, "{\"checks\":[{\"json\":[]}]}");
	}
	rc = check.error ? check.error
			 : sl_suite_read(sl_text_string(&check), check.len, &of, &error);
	if (!rc)
		rc = sl_suite_holds(&of, &answer, &which, &error);
	sl_text_fini(&check);
	return rc < 0 ? SL_EVAL_UNKNOWN : rc ? SL_EVAL_GOOD : SL_EVAL_BAD;
}

static int embed(void *owner, struct sl_span text, float *ret_vector)
{
	return sl_encoder_embed(owner, text, ret_vector, NULL);
}

static enum sl_eval_verdict compare(const struct job *job)
{
	float *vectors = malloc(2 * SL_ENCODER_DIMENSIONS * sizeof(*vectors));
	void *encoder = (void *)job->encoder;
	enum sl_eval_verdict verdict = SL_EVAL_UNKNOWN;
	float likeness;

	if (vectors && !embed(encoder, sl_span_make(job->question, job->question_len), vectors) &&
	    !embed(encoder, sl_span_make(job->answer, job->answer_len),
		   vectors + SL_ENCODER_DIMENSIONS)) {
		likeness = sl_linear_best()->dot(vectors, vectors + SL_ENCODER_DIMENSIONS,
						 SL_ENCODER_DIMENSIONS);
		verdict = likeness >= (float)((double)job->relevance / BILLION) ? SL_EVAL_GOOD
										: SL_EVAL_BAD;
	}
	free(vectors);
	return verdict;
}

static void run_job(void *argument)
{
	struct job *job = argument;
	struct sl_grounded_ask ask = {
		.lexicon = job->lexicon,
		.context = sl_span_make(job->context, job->context_len),
		.answer = sl_span_make(job->answer, job->answer_len),
		.embed = job->encoder ? embed : NULL,
		.owner = (void *)job->encoder,
		.dimensions = SL_ENCODER_DIMENSIONS,
	};

	job->is_private = sl_pii_contains(job->question, job->question_len) ||
			  sl_pii_contains(job->answer, job->answer_len);
	if (job->is_private)
		return;
	job->form = check_format(job);
	if (job->context_len && job->lexicon)
		job->has_grounded = !sl_grounded_run(&ask, &job->grounded);
	if (job->relevance && job->encoder && job->question_len)
		job->relevant = compare(job);
}

/* ---- on the fiber ------------------------------------------------------------------------------ */

struct judge {
	struct sl_eval_look *look;
	struct sl_span context;
};

static int ask_about(void *owner, const struct sl_grounded_claim *claim)
{
	const struct judge *judge = owner;

	return sl_eval_judge_sentence(judge->look, judge->context, claim->text);
}

/* An answer that claims nothing has nothing that could be wrong, and says nothing of its model. */
static enum sl_eval_verdict settle(struct sl_eval_look *look, struct job *job)
{
	struct judge judge = {.look = look,
			      .context = sl_span_make(job->context, job->context_len)};

	if (!job->has_grounded || !job->grounded.count)
		return SL_EVAL_UNKNOWN;
	if (job->grounded.doubtful && !job->grounded.unsupported &&
	    look->route->config->evaluate.judge)
		(void)sl_grounded_settle(&job->grounded, JUDGED_MAX, ask_about, &judge);
	return job->grounded.unsupported ? SL_EVAL_BAD : SL_EVAL_GOOD;
}

static void take_findings(struct sl_eval_look *look, struct job *job)
{
	look->is_private = job->is_private;
	if (job->is_private)
		return;
	look->found[SL_EVAL_FORMAT] = job->form;
	look->found[SL_EVAL_RELEVANT] = job->relevant;
	look->found[SL_EVAL_GROUNDED] = settle(look, job);
	if (look->route->config->evaluate.judge && job->question_len && !look->part->stopping)
		look->found[SL_EVAL_JUDGED] =
			sl_eval_judge_answer(look, sl_span_make(job->question, job->question_len),
					     sl_span_make(job->context, job->context_len),
					     sl_span_make(job->answer, job->answer_len));
}

void sl_eval_look_run(struct sl_eval_look *look)
{
	struct sl_eval_part *part = look->part;
	struct job *job = make_job(look);
	int rc = job ? sl_work_run(part->place.stores->work, part->place.loop, run_job, drop_job,
				   job, sl_loop_now_ns(part->place.loop) + LOOK_MS * SL_NS_PER_MS,
				   &part->stopping)
		     : -ENOMEM;

	if (!rc)
		take_findings(look, job);
	look->failed = rc != 0;
	if (job && rc != -ETIMEDOUT && rc != -ECANCELED)
		drop_job(job);
}
