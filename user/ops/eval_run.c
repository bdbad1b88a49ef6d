/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/eval_run.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/replace.h"
#include "user/kernel/plane.h"
#include "user/ops/eval_target.h"
#include "user/quality/eval_suite.h"
#include "user/quality/judge.h"
#include "user/request/routes.h"
#include "user/store/encoder.h"
#include "user/store/linear.h"

#define EXIT_ERROR	2
#define HERE		"http://127.0.0.1:8080/v1" /* a sluice of which a name is asked */
#define PARALLEL	4u
#define CASE_MS		60000u
#define TOTAL_MS	3600000u
#define CONFIG_BYTES	16384u
#define REPORT_BYTES	(16u << 20)
#define ARENA_BYTES_MAX (16u << 20)
#define JUDGE_TRIES	2
#define CLOSE_TURNS_MAX 200
#define CLOSE_TURN_MS	5

enum { THIS = 0, OTHER, SIDES };

struct options {
	const char *suite, *against, *versus, *url, *model, *prompt;
	const char *key_env, *versus_key_env;
	const char *judge, *judge_model, *judge_key_env;
	struct sl_eval_target targets[SIDES];
	const char *baseline, *output, *html, *encoder;
	uint32_t parallel, case_ms;
	bool json, paired;
};

struct asker;

/* What is asked, and what came of it: this, and what it is compared with. */
struct side {
	struct asker *asker;
	const struct sl_upstream_pool *pool;
	struct sl_eval_suite *cases;
	struct sl_suite *suite;
};

/* What asks: an engine of up to three pools, of a configuration that is made here. */
struct asker {
	struct sl_loop *loop;
	struct sl_kernel_plane *plane;
	struct sl_tls_tickets *tickets;
	struct sl_peers *peers;
	struct sl_routes *routes;
	struct sl_upstream up;
	struct sl_upstream_retries retries;
	struct sl_work *work;
	struct sl_encoder *encoder;
	const struct sl_upstream_pool *judge; /* NULL: none */
	struct side sides[SIDES];
	uint32_t side_count, running;
	bool open;
};

static int fail(const char *format, const char *what, const char *why)
{
	fprintf(stderr, "error: ");
	fprintf(stderr, format, what, why);
	fprintf(stderr, "\n");
	return EXIT_ERROR;
}

/* ---- the configuration ------------------------------------------------------------------------- */

/* What a name, an URL or a variable is made of; nothing of it means anything to YAML within quotes. */
static bool is_plain(const char *text)
{
	return text[0] && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789:/._-@+[]~%") == strlen(text);
}

/* "http://127.0.0.1:8080/v1" is node "127.0.0.1:8080" and path "/v1". model NULL: that of each request. */
static int put_pool(const char *name, const char *url, const char *model, const char *key_env,
		    struct sl_text *out)
{
	bool tls = !strncmp(url, "https://", 8), plain = !strncmp(url, "http://", 7);
	const char *host = url + (tls ? 8 : plain ? 7 : 0);
	const char *path = strchr(host, '/');
	int len = path ? (int)(path - host) : (int)strlen(host);
	bool local = len >= 9 && !strncmp(host, "localhost", 9);

	if ((!tls && !plain) || !len || !is_plain(url))
		return fail("%s: expected http://ADDRESS:PORT[/PATH] or https://NAME%s", url,
			    "[:PORT][/PATH]");
	if ((model && !is_plain(model)) || (key_env && !is_plain(key_env)))
		return fail("\"%s\": expected a name%s",
			    model && !is_plain(model) ? model : key_env, "");
	sl_text_printf(out, "  %s:\n    nodes: [\"%s%s%.*s\"]\n    expect_model: off\n", name,
		       tls ? "https://" : "", local && plain ? "127.0.0.1" : "",
		       local && plain ? len - 9 : len, local && plain ? host + 9 : host);
	if (model)
		sl_text_printf(out, "    model: \"%s\"\n", model);
	sl_text_printf(out, "    path: \"%s\"\n", path && path[1] ? path : "/v1");
	if (key_env)
		sl_text_printf(out, "    api_key: \"${%s}\"\n", key_env);
	return 0;
}

/* A node is in one pool, so what lies at one URL is one, and then it has one key. */
static int write_config(const struct options *options, struct sl_text *out)
{
	const struct sl_eval_target *this = &options->targets[THIS];
	const struct sl_eval_target *other = &options->targets[OTHER];
	bool shared = options->versus && !strcmp(this->url, other->url);
	bool mixed = shared && strcmp(this->model, other->model) != 0;
	bool apart = options->judge && strcmp(options->judge, this->url) != 0;
	const char *other_key =
		options->versus_key_env ? options->versus_key_env : options->key_env;
	int rc;

	if (shared && options->versus_key_env)
		return fail("--versus-key-env %s: both are at %s, which has one key",
			    options->versus_key_env, this->url);
	if (options->judge && ((mixed && !apart) ||
			       (options->versus && !shared && !strcmp(options->judge, other->url))))
		return fail("--judge %s: expected another URL than that of %s", options->judge,
			    mixed ? "two models that are compared" : "--versus");
	sl_text_append_string(out, "listen: 127.0.0.1:1\npools:\n");
	rc = put_pool("this", this->url, mixed ? NULL : this->model, options->key_env, out);
	if (!rc && options->versus && !shared)
		rc = put_pool("other", other->url, other->model, other_key, out);
	if (!rc && apart)
		rc = put_pool("judge", options->judge, options->judge_model, options->judge_key_env,
			      out);
	sl_text_append_string(out, "routes: [{model: eval, pools: this}]\n");
	return rc ? rc : out->error;
}

static const struct sl_upstream_pool *find_pool(const struct asker *asker, const char *name)
{
	for (uint32_t i = 0; i < asker->routes->config->pool_count; i++) {
		if (!strcmp(asker->routes->pools[i].name, name))
			return &asker->routes->pools[i];
	}
	return NULL;
}

static int parse_config(const struct options *options, struct sl_config **ret_config)
{
	struct sl_text text;
	char *errors = NULL;
	int rc;

	sl_text_init(&text, CONFIG_BYTES);
	rc = write_config(options, &text);
	if (!rc)
		rc = sl_config_parse("--against", sl_text_string(&text), text.len, ret_config,
				     &errors);
	if (errors)
		fprintf(stderr, "%s", errors);
	free(errors);
	sl_text_fini(&text);
	return rc;
}

static int load(struct asker *asker, const struct options *options)
{
	static struct sl_route_names names;
	struct sl_config *config = NULL;
	struct sl_topology topology;
	struct sl_secure secure;
	struct sl_error error = {""};
	int rc = parse_config(options, &config);

	if (rc)
		return rc;
	rc = sl_kernel_plane_open("/nonexistent", &asker->plane, &error);
	if (!rc)
		rc = sl_secure_build(config, asker->tickets, asker->peers, false, &secure, &error);
	if (!rc)
		rc = sl_kernel_plane_apply(asker->plane, config, &topology, &error);
	if (rc) {
		sl_config_close(&config);
		return fail("%s: %s", options->against, error.text);
	}
	rc = sl_routes_build(config, &topology, &secure, &names, &asker->routes);
	if (rc)
		return rc;
	sl_peers_apply(asker->peers, asker->routes->config, &asker->routes->topology,
		       &asker->routes->secure.peers);
	asker->sides[THIS].pool = find_pool(asker, "this");
	asker->sides[OTHER].pool = find_pool(asker, "other");
	if (!asker->sides[OTHER].pool)
		asker->sides[OTHER].pool = asker->sides[THIS].pool;
	asker->judge = find_pool(asker, "judge");
	if (options->judge && !asker->judge)
		asker->judge = asker->sides[THIS].pool;
	return 0;
}

static int open_asker(struct asker *asker, const struct options *options)
{
	struct sl_loop_options loop = {.backend = SL_IO_EPOLL};
	struct sl_upstream_state state;
	struct sl_error error = {""};
	int rc = sl_tls_tickets_open(&asker->tickets);

	if (!rc)
		rc = sl_peers_open(&asker->peers);
	if (!rc)
		rc = load(asker, options);
	if (!rc)
		rc = sl_work_open(0, &asker->work);
	if (!rc)
		rc = sl_loop_open(&loop, &asker->loop);
	if (rc)
		return rc;
	if (options->encoder &&
	    sl_encoder_open(options->encoder, NULL, sl_linear_best(), &error, &asker->encoder))
		return fail("--encoder %s: %s", options->encoder, error.text);
	state = (struct sl_upstream_state){.nodes = asker->plane->nodes,
					   .pools = asker->plane->pools,
					   .tunables = asker->plane->tunables,
					   .retries = &asker->retries,
					   .peers = asker->peers};
	rc = sl_upstream_init(&asker->up, asker->loop, &state);
	asker->open = !rc;
	asker->up.idle_ms = CASE_MS;
	asker->up.idle_max = PARALLEL;
	return rc;
}

static void close_asker(struct asker *asker)
{
	int turn;

	if (asker->open) {
		sl_upstream_drain(&asker->up);
		for (turn = 0; turn < CLOSE_TURNS_MAX && asker->up.conn_count; turn++) {
			sl_loop_turn(asker->loop, CLOSE_TURN_MS);
			sl_upstream_drain(&asker->up);
		}
	}
	sl_work_close(&asker->work);
	if (asker->open && !asker->up.conn_count)
		sl_upstream_fini(&asker->up);
	sl_encoder_close(&asker->encoder);
	if (asker->routes)
		sl_routes_put(&asker->routes);
	if (asker->plane)
		sl_kernel_plane_close(&asker->plane);
	sl_tls_tickets_close(&asker->tickets);
	sl_peers_close(&asker->peers);
	if (asker->loop)
		sl_loop_close(&asker->loop);
}

/* ---- asking ------------------------------------------------------------------------------------ */

static int likeness(void *owner, struct sl_span a, struct sl_span b)
{
	const struct asker *asker = owner;
	float *vectors = malloc(2 * SL_ENCODER_DIMENSIONS * sizeof(*vectors)), product = 0;
	int rc = vectors ? sl_encoder_embed(asker->encoder, a, vectors, NULL) : -ENOMEM;

	if (!rc)
		rc = sl_encoder_embed(asker->encoder, b, vectors + SL_ENCODER_DIMENSIONS, NULL);
	if (!rc)
		product = sl_linear_best()->dot(vectors, vectors + SL_ENCODER_DIMENSIONS,
						SL_ENCODER_DIMENSIONS);
	free(vectors);
	if (rc == -ENODATA) /* an empty answer is like nothing */
		return 0;
	return rc ? rc : product > 0 ? (int)(product * 100 + 0.5f) : 0;
}

/* On the question's fiber, when its checks have held. */
static int judge(void *owner, uint32_t question, struct sl_span answer, char *why, size_t why_size)
{
	struct side *side = owner;
	struct asker *asker = side->asker;
	const struct sl_eval_suite_case *of = &side->cases->own[side->cases->case_of[question]];
	enum sl_judge_verdict verdict = SL_JUDGE_SILENT;
	struct sl_call_answer said;
	struct sl_arena arena;
	struct sl_text body;
	struct sl_call call = {.pool = asker->judge, .chat = true, .json_object = true};

	if (!of->rubric)
		return 1;
	if (!asker->judge) {
		snprintf(why, why_size, "there is no judge (--judge URL)");
		return -ENOENT;
	}
	sl_judge_write_answer(of->rubric, sl_span_string(of->question), SL_SPAN(""), answer, &body);
	call.body = sl_text_span(&body);
	snprintf(why, why_size, "the judge says neither PASS nor FAIL");
	for (int i = 0; i < JUDGE_TRIES && verdict == SL_JUDGE_SILENT && !body.error; i++) {
		call.deadline_ns = sl_loop_now_ns(asker->loop) + CASE_MS * SL_NS_PER_MS;
		sl_arena_init(&arena, 0, ARENA_BYTES_MAX);
		if (sl_call_run(&asker->up, &arena, &call, &said) == SL_ENDING_OK)
			verdict = sl_judge_read(said.body);
		else
			snprintf(why, why_size, "the judge: %s", said.detail);
		sl_arena_fini(&arena);
	}
	sl_text_fini(&body);
	if (verdict == SL_JUDGE_FAIL)
		snprintf(why, why_size, "the judge says FAIL: \"%.*s\"",
			 answer.len < 200 ? (int)answer.len : 200, answer.data);
	return verdict == SL_JUDGE_SILENT ? -EIO : verdict == SL_JUDGE_PASS;
}

static void done(void *owner, struct sl_suite *suite)
{
	struct side *side = owner;

	(void)suite;
	if (!--side->asker->running)
		sl_loop_stop(side->asker->loop);
}

/* Both sides at once: what the hour does to one it does to the other. */
static int run(struct asker *asker, const struct options *options)
{
	int rc = 0;

	asker->running = asker->side_count;
	for (uint32_t i = 0; i < asker->side_count && !rc; i++) {
		struct side *side = &asker->sides[i];
		struct sl_suite_place place = {.loop = asker->loop,
					       .up = &asker->up,
					       .pool = side->pool,
					       .work = asker->work,
					       .lines = sl_span_string(options->targets[i].lines)};

		rc = sl_suite_start(side->suite, &place);
	}
	while (!rc && asker->running)
		sl_loop_run(asker->loop);
	return rc;
}

/* ---- files ------------------------------------------------------------------------------------- */

static int read_file(const char *path, size_t most, struct sl_text *out)
{
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	char part[16384];
	size_t got;
	int rc;

	sl_text_init(out, most);
	if (!file)
		return -errno;
	while ((got = fread(part, 1, sizeof(part), file)) > 0)
		sl_text_append(out, part, got);
	rc = ferror(file) ? -EIO : out->error;
	if (file != stdin)
		fclose(file);
	return rc;
}

static int write_file(const char *path, const struct sl_eval_report *report,
		      void (*write)(const struct sl_eval_report *report, struct sl_text *out))
{
	struct sl_text text;
	int rc;

	sl_text_init(&text, REPORT_BYTES);
	write(report, &text);
	rc = text.error ? text.error : sl_replace_file(path, &text);
	sl_text_fini(&text);
	return rc ? fail("%s: %s", path, strerror(-rc)) : 0;
}

static int tell(const struct options *options, struct sl_eval_report *report)
{
	struct sl_text text;
	int rc = 0;

	sl_text_init(&text, REPORT_BYTES);
	if (options->json)
		sl_eval_report_json(report, &text);
	else
		sl_eval_report_text(report, &text);
	fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
	if (options->output)
		rc = write_file(options->output, report, sl_eval_report_json);
	if (options->html && !rc)
		rc = write_file(options->html, report, sl_eval_report_html);
	return rc ? rc : report->exit_code;
}

/* ---- all of it --------------------------------------------------------------------------------- */

static int compare(const struct options *options, struct sl_eval_report *report)
{
	struct sl_error error = {""};
	struct sl_text text;
	int rc;

	if (!options->baseline)
		return 0;
	rc = read_file(options->baseline, REPORT_BYTES, &text);
	if (!rc)
		rc = sl_eval_report_compare(report, sl_text_span(&text), &error);
	sl_text_fini(&text);
	return rc ? fail("--baseline %s: %s", options->baseline,
			 error.text[0] ? error.text : strerror(-rc))
		  : 0;
}

static int read_suite(const struct options *options, struct asker *asker)
{
	struct sl_error error = {""};
	struct sl_text text;
	int rc = read_file(options->suite, SL_EVAL_SUITE_BYTES_MAX, &text);

	if (rc)
		fail("%s: %s", options->suite, strerror(-rc));
	for (uint32_t i = 0; i < asker->side_count && !rc; i++) {
		const struct sl_eval_target *target = &options->targets[i];
		struct sl_eval_suite_ask ask = {.model = target->model,
						.prompt_id =
							target->prompt[0] ? target->prompt : NULL,
						.prompt_version = target->version};
		struct side *side = &asker->sides[i];

		if (sl_eval_suite_read(side->cases, options->suite, sl_text_span(&text), &ask,
				       side->suite, &error))
			rc = fail("%s%s", error.text, "");
	}
	sl_text_fini(&text);
	return rc;
}

static int run_suite(const struct options *options, struct asker *asker)
{
	const struct sl_eval_target *target = &options->targets[THIS];
	struct side *this = &asker->sides[THIS], *other = &asker->sides[OTHER];
	struct sl_eval_report report = {.suite = options->suite,
					.against = target->told,
					.model = target->model,
					.prompt = options->prompt,
					.baseline = options->versus ? options->versus
								    : options->baseline,
					.paired = options->paired,
					.wall_ms = sl_clock_wall_ms()};
	int rc = read_suite(options, asker);

	report.cases = this->cases->cases;
	report.count = this->cases->count;
	if (!rc) /* a baseline that is none is said before anybody is asked */
		rc = compare(options, &report);
	if (!rc)
		rc = run(asker, options);
	if (rc)
		return EXIT_ERROR;
	sl_eval_suite_gather(this->cases, this->suite);
	if (options->versus) {
		sl_eval_suite_gather(other->cases, other->suite);
		sl_eval_report_compare_cases(&report, other->cases->cases);
	}
	sl_eval_report_conclude(&report);
	return tell(options, &report);
}

static int make_sides(const struct options *options, struct asker *asker)
{
	asker->side_count = options->versus ? SIDES : 1;
	for (uint32_t i = 0; i < asker->side_count; i++) {
		struct side *side = &asker->sides[i];
		struct sl_suite_options of = {
			.name = "eval",
			.model = options->targets[i].model,
			.parallel = options->parallel,
			.case_ms = options->case_ms,
			.total_ms = TOTAL_MS,
			.likeness = options->encoder ? likeness : NULL,
			.likeness_owner = asker,
			.judge = judge,
			.done = done,
			.owner = side,
		};

		side->asker = asker;
		side->cases = calloc(1, sizeof(*side->cases));
		side->suite = sl_suite_make(&of);
		if (!side->cases || !side->suite)
			return fail("%s%s", "no memory", "");
	}
	return 0;
}

static int run_all(const struct options *options)
{
	struct asker *asker = calloc(1, sizeof(*asker));
	int rc = EXIT_ERROR;

	if (!asker)
		return fail("%s%s", "no memory", "");
	if (!make_sides(options, asker) && !open_asker(asker, options))
		rc = run_suite(options, asker);
	close_asker(asker);
	for (uint32_t i = 0; i < asker->side_count; i++) {
		if (asker->sides[i].cases)
			sl_eval_suite_fini(asker->sides[i].cases);
		free(asker->sides[i].cases);
		sl_suite_free(&asker->sides[i].suite);
	}
	free(asker);
	return rc;
}

/* ---- the command line -------------------------------------------------------------------------- */

enum {
	AGAINST = 1,
	VERSUS,
	URL,
	VERSUS_KEY_ENV,
	MODEL,
	KEY_ENV,
	JUDGE,
	JUDGE_MODEL,
	JUDGE_KEY_ENV,
	PROMPT,
	BASELINE,
	OUTPUT,
	HTML,
	ENCODER,
	PARALLEL_MOST,
	TIMEOUT,
	JSON,
	PAIRED
};

static const struct option words[] = {
	{"against", required_argument, NULL, AGAINST},
	{"versus", required_argument, NULL, VERSUS},
	{"url", required_argument, NULL, URL},
	{"versus-key-env", required_argument, NULL, VERSUS_KEY_ENV},
	{"model", required_argument, NULL, MODEL},
	{"key-env", required_argument, NULL, KEY_ENV},
	{"judge", required_argument, NULL, JUDGE},
	{"judge-model", required_argument, NULL, JUDGE_MODEL},
	{"judge-key-env", required_argument, NULL, JUDGE_KEY_ENV},
	{"prompt", required_argument, NULL, PROMPT},
	{"baseline", required_argument, NULL, BASELINE},
	{"output", required_argument, NULL, OUTPUT},
	{"html", required_argument, NULL, HTML},
	{"encoder", required_argument, NULL, ENCODER},
	{"parallel", required_argument, NULL, PARALLEL_MOST},
	{"timeout", required_argument, NULL, TIMEOUT},
	{"json", no_argument, NULL, JSON},
	{"paired", no_argument, NULL, PAIRED},
	{NULL, 0, NULL, 0},
};

static int read_count(const char *name, const char *text, uint32_t most, uint32_t *ret_count)
{
	uint64_t value;

	if (sl_span_u64(sl_span_string(text), &value) || !value || value > most)
		return fail("--%s %s: expected a number from 1", name, text);
	*ret_count = (uint32_t)value;
	return 0;
}

static int take_word(struct options *o, int word, char *value)
{
	uint32_t seconds = 0;
	int rc = 0;

	switch (word) {
	case AGAINST:
		o->against = value;
		break;
	case VERSUS:
		o->versus = value;
		break;
	case URL:
		o->url = value;
		break;
	case VERSUS_KEY_ENV:
		o->versus_key_env = value;
		break;
	case MODEL:
		o->model = value;
		break;
	case KEY_ENV:
		o->key_env = value;
		break;
	case JUDGE:
		o->judge = value;
		break;
	case JUDGE_MODEL:
		o->judge_model = value;
		break;
	case JUDGE_KEY_ENV:
		o->judge_key_env = value;
		break;
	case PROMPT:
		o->prompt = value;
		break;
	case BASELINE:
		o->baseline = value;
		break;
	case OUTPUT:
		o->output = value;
		break;
	case HTML:
		o->html = value;
		break;
	case ENCODER:
		o->encoder = value;
		break;
	case JSON:
		o->json = true;
		break;
	case PAIRED:
		o->paired = true;
		break;
	case PARALLEL_MOST:
		rc = read_count("parallel", value, SL_SUITE_PARALLEL_MAX, &o->parallel);
		break;
	case TIMEOUT:
		rc = read_count("timeout", value, TOTAL_MS / 1000, &seconds);
		o->case_ms = seconds * 1000;
		break;
	default:
		rc = EXIT_ERROR;
	}
	return rc;
}

static int read_targets(struct options *o)
{
	struct sl_eval_target_else other = {.url = o->url, .model = o->model, .prompt = o->prompt};
	struct sl_error error = {""};
	int rc = sl_eval_target_read(o->against, &other, &o->targets[THIS], &error);

	if (rc)
		return fail("--against %s%s", error.text, "");
	if (o->versus)
		rc = sl_eval_target_read(o->versus, &other, &o->targets[OTHER], &error);
	return rc ? fail("--versus %s%s", error.text, "") : 0;
}

int sl_eval_run(int argc, char **argv)
{
	struct options options = {
		.parallel = PARALLEL, .case_ms = CASE_MS, .judge_model = "judge", .url = HERE};
	int word, rc = 0;

	sl_log_set_level(SL_LOG_ERROR);
	while (!rc && (word = getopt_long(argc, argv, "", words, NULL)) != -1)
		rc = take_word(&options, word, optarg);
	if (rc)
		return EXIT_ERROR;
	if (argc - optind != 1 || !options.against)
		return fail("expected %s%s", "SUITE --against TARGET", "");
	if (options.versus && options.baseline)
		return fail("%s%s", "--versus and --baseline: compare with one of them", "");
	options.suite = argv[optind];
	return read_targets(&options) ? EXIT_ERROR : run_all(&options);
}
