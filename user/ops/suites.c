/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/suites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/log.h"
#include "user/quality/suite.h"
#include "user/store/encoder.h"

#define BODY_BYTES_MAX (4u << 20)
#define NAME_BYTES     (SL_PROMPT_ID_MAX + SL_PROMPT_SHORT + 2)
#define EXTRA_BYTES    (SL_PROMPT_HASH_SIZE + 32)

/* One suite under way. */
struct run {
	struct sl_suites *all;
	struct run *next, **pprev;
	struct sl_routes *routes;
	struct sl_prompt_set *set; /* holds the next two */
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version;
	char file_hash[SL_PROMPT_HASH_SIZE];
	struct sl_suite *suite;
	struct sl_suite_place place;
	struct sl_worker *worker;
};

/* To one loop: break off what runs there. */
struct stop {
	struct sl_suites *all;
	struct sl_loop *loop;
};

/* A new version whose suite found no room. */
struct waiting {
	struct waiting *next;
	char id[SL_PROMPT_ID_MAX + 1], hash[SL_PROMPT_HASH_SIZE];
};

struct sl_suites {
	struct sl_threads *threads;
	const struct sl_stores *stores;
	pthread_mutex_t lock; /* of the list: a run ends on a thread of the pool */
	struct run *runs;
	uint32_t count;
	uint32_t turn; /* the worker that is next */
	bool stopping;
	struct stop *stops; /* one a thread */
	struct waiting *waiting, **waiting_end;
};

/* ---- life ------------------------------------------------------------------------------------ */

struct sl_suites *sl_suites_open(struct sl_threads *threads, const struct sl_stores *stores)
{
	struct sl_suites *suites = calloc(1, sizeof(*suites));

	if (!suites)
		return NULL;
	suites->stops = calloc(threads->count, sizeof(*suites->stops));
	if (!suites->stops) {
		free(suites);
		return NULL;
	}
	suites->waiting_end = &suites->waiting;
	suites->threads = threads;
	suites->stores = stores;
	pthread_mutex_init(&suites->lock, NULL);
	return suites;
}

/* Any thread, once nothing runs of it. */
static void end_run(void *arg)
{
	struct run *run = arg;
	struct sl_suites *suites = run->all;

	if (run->pprev) {
		pthread_mutex_lock(&suites->lock);
		*run->pprev = run->next;
		if (run->next)
			run->next->pprev = run->pprev;
		suites->count--;
		pthread_mutex_unlock(&suites->lock);
	}
	sl_suite_free(&run->suite);
	sl_prompt_set_put(&run->set);
	sl_routes_put(&run->routes);
	free(run);
}

/* The first of those that wait. */
static void drop_waiting(struct sl_suites *suites)
{
	struct waiting *first = suites->waiting;

	suites->waiting = first->next;
	if (!suites->waiting)
		suites->waiting_end = &suites->waiting;
	free(first);
}

void sl_suites_close(struct sl_suites **suites)
{
	struct sl_suites *s = *suites;

	*suites = NULL;
	if (!s)
		return;
	while (s->runs) /* those that no loop has begun */
		end_run(s->runs);
	while (s->waiting)
		drop_waiting(s);
	pthread_mutex_destroy(&s->lock);
	free(s->stops);
	free(s);
}

/* ---- the end of a suite ---------------------------------------------------------------------- */

/* On a thread of the pool. */
static void keep(void *arg)
{
	static const enum sl_prompt_suite suites[SL_SUITE_VERDICTS] = {
		[SL_SUITE_PENDING] = SL_PROMPT_SUITE_UNSURE,
		[SL_SUITE_PASSED] = SL_PROMPT_SUITE_PASSED,
		[SL_SUITE_FAILED] = SL_PROMPT_SUITE_FAILED,
		[SL_SUITE_UNSURE] = SL_PROMPT_SUITE_UNSURE,
	};
	struct run *run = arg;
	enum sl_suite_verdict verdict = sl_suite_verdict(run->suite);
	const char *hash = run->version->hash;
	char extra[EXTRA_BYTES];
	struct sl_text report;
	int rc;

	snprintf(extra, sizeof(extra), "\"suite\":\"%s\",", run->file_hash);
	sl_text_init(&report, 2 * SL_SUITE_REPORT_BYTES);
	sl_suite_report_json(run->suite, extra, &report);
	rc = report.error ? report.error
			  : sl_prompts_keep_suite(run->all->stores->prompts, run->prompt->id,
						  run->version, suites[verdict], run->file_hash,
						  sl_text_span(&report));
	sl_text_fini(&report);
	if (rc)
		sl_log(SL_LOG_ERROR, "prompt \"%s\": version %.12s: its suite's result: %s",
		       run->prompt->id, hash, strerror(-rc));
	if (verdict == SL_SUITE_PASSED)
		sl_log(SL_LOG_INFO, "prompt \"%s\": version %.12s: its suite has passed",
		       run->prompt->id, hash);
	else
		sl_log(SL_LOG_WARN,
		       "prompt \"%s\": version %.12s: its suite %s (see: sluice prompt report "
		       "%s@%.12s)",
		       run->prompt->id, hash,
		       verdict == SL_SUITE_FAILED
			       ? "fails; where it is stable, known-good is served in its place"
			       : "has cases without an answer",
		       run->prompt->id, hash);
}

/* On the loop of its worker. */
static void done(void *owner, struct sl_suite *suite)
{
	struct run *run = owner;
	int rc;

	run->worker->jobs--;
	if (sl_suite_was_stopped(suite)) {
		end_run(run);
		return;
	}
	rc = sl_work_post(run->all->stores->work, keep, end_run, run);
	if (!rc)
		return;
	sl_log(SL_LOG_WARN, "prompt \"%s\": version %.12s: its suite's result is lost: %s",
	       run->prompt->id, run->version->hash, strerror(-rc));
	end_run(run);
}

/* ---- the beginning: on the control thread ---------------------------------------------------- */

static const struct sl_route *find_route(struct sl_routes *routes, const struct sl_prompt *prompt,
					 const struct sl_prompt_version *version, const char *model)
{
	struct sl_span own = sl_template_param(version->template, "model");

	if (model)
		return sl_routes_find(routes, model, strlen(model));
	for (uint32_t i = 0; i < routes->route_count; i++) {
		const char *id = routes->routes[i].config->prompt.id;

		if (id && !strcmp(id, prompt->id))
			return &routes->routes[i];
	}
	return own.len > 2 ? sl_routes_find(routes, own.data + 1, own.len - 2) : NULL;
}

static void put_params(const struct sl_template *template, const char *model, struct sl_text *out)
{
	const struct sl_template_param *params;
	size_t count = sl_template_params(template, &params);

	sl_text_append_string(out, "{\"model\":");
	sl_text_append_json_string(out, model);
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(params[i].name, "model"))
			continue;
		sl_text_printf(out, ",\"%s\":", params[i].name);
		sl_text_append_span(out, params[i].value);
	}
	sl_text_append_string(out, ",\"messages\":[");
}

static void put_own(const struct sl_suite_case *of, struct sl_text *out)
{
	struct sl_json_field message;
	const char *cursor = NULL;

	while (of->messages.type == SL_JSON_ARRAY &&
	       sl_json_each(&of->messages, &cursor, &message)) {
		sl_text_append_char(out, ',');
		sl_text_append(out, message.value, message.value_len);
	}
	if (of->input.type == SL_JSON_STRING) {
		sl_text_append_string(out, ",{\"role\":\"user\",\"content\":");
		sl_text_append(out, of->input.value, of->input.value_len);
		sl_text_append_char(out, '}');
	}
	sl_text_append_string(out, "]}");
}

/* One case becomes a question. The case is valid. */
static int add_case(struct run *run, const char *model, const char *name, struct sl_span body)
{
	const struct sl_template *template = run->version->template;
	struct sl_error error = {""};
	struct sl_suite_case of;
	struct sl_text out;
	int rc = sl_suite_read(body.data, body.len, &of, &error);

	sl_text_init(&out, BODY_BYTES_MAX);
	if (!rc) {
		put_params(template, model, &out);
		rc = sl_template_render(template, &of.variables, &out, &error);
		put_own(&of, &out);
	}
	if (!rc)
		rc = out.error;
	if (rc != -ENOMEM)
		rc = sl_suite_add(run->suite, name, rc ? SL_SPAN("") : sl_text_span(&out), body,
				  !rc		  ? NULL
				  : error.text[0] ? error.text
						  : "it is too long");
	sl_text_fini(&out);
	return rc;
}

/* The cases of the suite's file, a line each; empty lines are passed over. */
static int add_file(struct run *run, const char *model, struct sl_span rest, struct sl_error *error)
{
	uint32_t number = 0;
	int rc = 0;

	while (!rc && rest.len) {
		struct sl_span line = sl_span_trim(sl_span_cut(&rest, '\n'));
		struct sl_suite_case of;
		char name[256];

		number++;
		if (!line.len || sl_span_equal(line, SL_SPAN("\r")))
			continue;
		rc = sl_suite_read(line.data, line.len, &of, error);
		if (rc)
			return sl_error_prefix(error, rc, "%s.suite.jsonl: line %u",
					       run->prompt->id, number);
		if (sl_json_string(&of.name, name, sizeof(name)) <= 0)
			snprintf(name, sizeof(name), "line %u", number);
		rc = add_case(run, model, name, line);
	}
	return rc;
}

static int add_cases(struct run *run, const char *model, struct sl_error *error)
{
	const struct sl_template_case *cases;
	size_t count = sl_template_cases(run->version->template, &cases);
	struct sl_text file;
	int rc = 0;

	for (size_t i = 0; i < count && !rc; i++)
		rc = add_case(run, model, cases[i].name, cases[i].body);
	sl_text_init(&file, SL_PROMPT_SUITE_BYTES_MAX + 1);
	if (!rc)
		rc = sl_prompts_read_suite(run->all->stores->prompts, run->prompt->id, &file,
					   run->file_hash);
	if (!rc)
		rc = add_file(run, model, sl_text_span(&file), error);
	if (!rc && !count && !file.len)
		rc = sl_error_set(error, -EINVAL,
				  "version %.12s has no cases; write @test into it, or a file "
				  "%s.suite.jsonl",
				  run->version->hash, run->prompt->id);
	sl_text_fini(&file);
	if (rc == -E2BIG)
		sl_error_set(error, rc, "its suite has over %u cases, or over 1 MiB",
			     SL_SUITE_CASES_MAX);
	return rc;
}

/* On a thread of the pool: floating point is in order there. */
static int likeness(void *owner, struct sl_span a, struct sl_span b)
{
	float *vectors = malloc(2 * SL_ENCODER_DIMENSIONS * sizeof(*vectors)), sum = 0;
	int rc = vectors ? sl_encoder_embed(owner, a, vectors, NULL) : -ENOMEM;

	if (!rc)
		rc = sl_encoder_embed(owner, b, vectors + SL_ENCODER_DIMENSIONS, NULL);
	for (uint32_t i = 0; i < SL_ENCODER_DIMENSIONS && !rc; i++)
		sum += vectors[i] * vectors[SL_ENCODER_DIMENSIONS + i];
	free(vectors);
	if (rc == -ENODATA) /* an empty answer is like nothing */
		return 0;
	return rc ? rc : sum > 0 ? (int)(sum * 100 + 0.5f) : 0;
}

static struct sl_suite *make_suite(struct run *run, const struct sl_route *route)
{
	const struct sl_config_prompts *config = &run->routes->config->prompts;
	struct sl_encoder *encoder = __atomic_load_n(&run->all->stores->encoder, __ATOMIC_ACQUIRE);
	char name[NAME_BYTES];
	struct sl_suite_options options = {
		.name = name,
		.model = route->model,
		.parallel = config->suite_parallel,
		.case_ms = config->case_ms,
		.total_ms = config->suite_ms,
		.likeness = encoder ? likeness : NULL,
		.likeness_owner = encoder,
		.done = done,
		.owner = run,
	};

	snprintf(name, sizeof(name), "%s@%.12s", run->prompt->id, run->version->hash);
	return sl_suite_make(&options);
}

static void begin(void *arg)
{
	struct run *run = arg;
	int rc;

	run->worker->jobs++;
	rc = sl_suite_start(run->suite, &run->place);
	if (!rc)
		return;
	run->worker->jobs--;
	sl_log(SL_LOG_WARN, "prompt \"%s\": version %.12s: its suite cannot run: %s",
	       run->prompt->id, run->version->hash, strerror(-rc));
	end_run(run);
}

static void add_to_list(struct sl_suites *suites, struct run *run)
{
	pthread_mutex_lock(&suites->lock);
	run->next = suites->runs;
	run->pprev = &suites->runs;
	if (run->next)
		run->next->pprev = &run->next;
	suites->runs = run;
	suites->count++;
	pthread_mutex_unlock(&suites->lock);
}

static int start(struct run *run, const struct sl_route *route, struct sl_error *error)
{
	struct sl_suites *suites = run->all;
	struct sl_thread *thread =
		&suites->threads->threads[suites->turn++ % suites->threads->count];
	int rc;

	run->suite = make_suite(run, route);
	rc = run->suite ? add_cases(run, route->model, error) : -ENOMEM;
	if (rc)
		return rc;
	run->worker = thread->worker;
	run->place = (struct sl_suite_place){.loop = thread->loop,
					     .up = &thread->worker->upstream,
					     .pool = route->chains[SL_CAUSE_ERROR].pools[0],
					     .work = suites->stores->work};
	add_to_list(suites, run);
	return sl_loop_post(thread->loop, begin, run);
}

static int check(struct sl_suites *suites, const struct sl_prompt_version *version,
		 const struct sl_route *route, const char *model, struct sl_error *error)
{
	uint32_t count;

	pthread_mutex_lock(&suites->lock);
	count = suites->count;
	pthread_mutex_unlock(&suites->lock);
	if (suites->stopping)
		return sl_error_set(error, -ESHUTDOWN, "the daemon ends");
	if (!version->template)
		return sl_error_set(error, -EINVAL, "version %.12s cannot be read: %s",
				    version->hash, version->fault);
	if (!route && model)
		return sl_error_set(error, -ENOENT, "model \"%.64s\" is not known", model);
	if (!route)
		return sl_error_set(error, -ENOENT,
				    "no route is bound to it and its text names no @model; say "
				    "which model is to be asked");
	if (count >= SL_SUITES_MAX)
		return sl_error_set(error, -EBUSY, "%u suites run already; try again later", count);
	return 0;
}

int sl_suites_start(struct sl_suites *suites, struct sl_routes *routes,
		    const struct sl_prompt *prompt, struct sl_prompt_version *version,
		    const char *model, struct sl_error *error)
{
	uint32_t part, whole;
	const struct sl_route *route =
		version->template ? find_route(routes, prompt, version, model) : NULL;
	struct run *run;
	bool many;
	int rc;

	if (sl_suites_progress(suites, prompt->id, version->hash, &part, &whole))
		return 0;
	rc = check(suites, version, route, model, error);
	if (rc)
		return sl_error_prefix(error, rc, "prompt \"%s\"", prompt->id);
	run = calloc(1, sizeof(*run));
	if (!run)
		return sl_error_set(error, -ENOMEM, "prompt \"%s\": no memory", prompt->id);
	run->all = suites;
	run->routes = sl_routes_get(routes);
	run->set = sl_prompts_get(suites->stores->prompts);
	run->prompt = sl_prompt_find(run->set, sl_span_string(prompt->id));
	run->version = run->prompt ? sl_prompt_version_find(run->prompt,
							    sl_span_string(version->hash), &many)
				   : NULL;
	rc = run->version ? start(run, route, error) : -ENOENT;
	if (rc) {
		end_run(run);
		if (!error->text[0])
			sl_error_set(error, rc, "%s", strerror(-rc));
		sl_error_prefix(error, rc, "prompt \"%s\"", prompt->id);
	}
	return rc;
}

static bool is_known(const struct sl_prompt_set *set, const char *id, const char *hash)
{
	const struct sl_prompt *prompt = sl_prompt_find(set, sl_span_string(id));
	bool many;

	return prompt && sl_prompt_version_find(prompt, sl_span_string(hash), &many);
}

static void add_waiting(struct sl_suites *suites, const char *id, const char *hash)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting) {
		sl_log(SL_LOG_WARN,
		       "prompt \"%s\": version %.12s: its suite does not run: no memory", id, hash);
		return;
	}
	snprintf(waiting->id, sizeof(waiting->id), "%s", id);
	snprintf(waiting->hash, sizeof(waiting->hash), "%s", hash);
	*suites->waiting_end = waiting;
	suites->waiting_end = &waiting->next;
}

/* Its newest version, where that has not been tested. -EBUSY: there is no room yet. */
static int test_newest(struct sl_suites *suites, struct sl_routes *routes,
		       const struct sl_prompt *prompt)
{
	struct sl_prompt_version *version = prompt->versions[prompt->version_count - 1];
	struct sl_error error = {""};
	int rc;

	if (sl_prompt_suite_of(prompt, version) != SL_PROMPT_SUITE_NOT_RUN)
		return 0;
	rc = sl_suites_start(suites, routes, prompt, version, NULL, &error);
	if (rc && rc != -EBUSY)
		sl_log(SL_LOG_WARN, "%s (the suite of version %.12s does not run)", error.text,
		       version->hash);
	return rc;
}

void sl_suites_test_new(struct sl_suites *suites, struct sl_routes *routes,
			const struct sl_prompt_set *before)
{
	struct sl_prompt_set *set;

	if (!suites || !before || !routes->config->prompts.test_on_push)
		return;
	set = sl_prompts_get(suites->stores->prompts);
	for (uint32_t i = 0; i < set->count; i++) {
		const struct sl_prompt *prompt = &set->prompts[i];
		const char *hash;

		if (!prompt->version_count)
			continue;
		hash = prompt->versions[prompt->version_count - 1]->hash;
		if (!is_known(before, prompt->id, hash) &&
		    test_newest(suites, routes, prompt) == -EBUSY)
			add_waiting(suites, prompt->id, hash);
	}
	sl_prompt_set_put(&set);
}

void sl_suites_poll(struct sl_suites *suites, struct sl_routes *routes)
{
	struct sl_prompt_set *set;
	bool room = true;

	if (!suites || !suites->waiting || suites->stopping)
		return;
	set = sl_prompts_get(suites->stores->prompts);
	while (suites->waiting && room) {
		const struct waiting *first = suites->waiting;
		const struct sl_prompt *prompt = sl_prompt_find(set, sl_span_string(first->id));

		/* A newer version has taken its place, or its own turn. */
		if (prompt && prompt->version_count && routes->config->prompts.test_on_push &&
		    !strcmp(prompt->versions[prompt->version_count - 1]->hash, first->hash))
			room = test_newest(suites, routes, prompt) != -EBUSY;
		if (room)
			drop_waiting(suites);
	}
	sl_prompt_set_put(&set);
}

bool sl_suites_progress(struct sl_suites *suites, const char *id, const char *hash,
			uint32_t *ret_done, uint32_t *ret_count)
{
	struct run *run;

	pthread_mutex_lock(&suites->lock);
	run = suites->runs;
	while (run && (strcmp(run->prompt->id, id) != 0 || strcmp(run->version->hash, hash) != 0))
		run = run->next;
	if (run)
		sl_suite_progress(run->suite, ret_done, ret_count);
	pthread_mutex_unlock(&suites->lock);
	return run != NULL;
}

/* ---- stopping -------------------------------------------------------------------------------- */

/* On a loop: the suites that run on it. */
static void stop_those(void *arg)
{
	const struct stop *stop = arg;
	struct sl_suites *suites = stop->all;

	pthread_mutex_lock(&suites->lock);
	for (struct run *run = suites->runs; run; run = run->next) {
		if (run->place.loop == stop->loop)
			sl_suite_stop(run->suite);
	}
	pthread_mutex_unlock(&suites->lock);
}

void sl_suites_stop(struct sl_suites *suites)
{
	if (!suites || suites->stopping)
		return;
	suites->stopping = true;
	for (uint32_t i = 0; i < suites->threads->count; i++) {
		suites->stops[i] = (struct stop){suites, suites->threads->threads[i].loop};
		sl_loop_post(suites->stops[i].loop, stop_those, &suites->stops[i]);
	}
}
