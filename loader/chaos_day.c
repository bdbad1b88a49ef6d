/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_day.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "loader/chaos_say.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "user/base/unit.h"
#include "user/base/yaml.h"

#define FILE_BYTES_MAX	  (256u << 10)
#define ARENA_BLOCK_BYTES 16384u
#define ARENA_BYTES_MAX	  (16u << 20)
#define SAID_BYTES_MAX	  (64u << 10)

/* ---- the file ------------------------------------------------------------------------------ */

static const struct {
	const char *key;
	size_t offset; /* in struct sl_chaos_step */
} keys[] = {
#define WORD(key, field)                                         \
	{                                                        \
		key, offsetof(struct sl_chaos_step, words.field) \
	}
	WORD("name", title),
	WORD("about", about),
	WORD("kind", kind),
	WORD("node", node),
	WORD("pool", pool),
	WORD("zone", zone),
	WORD("region", region),
	WORD("between", between),
	WORD("store", store),
	WORD("config", config),
	WORD("share", share),
	WORD("way", way),
	WORD("for", duration),
	WORD("recover", recover),
	WORD("hits", hits),
	WORD("limit", limit),
	WORD("nodes", nodes),
	WORD("status", status),
	WORD("delay", delay),
	WORD("jitter", jitter),
	WORD("after", after),
	WORD("how", how),
	WORD("checks", checks),
	WORD("despite_burn", despite_burn),
	WORD("begin", begin),
	WORD("end", end),
	WORD("before", before),
	WORD("hypothesis", hypothesis),
	WORD("abort", abort),
#undef WORD
	{"pause", offsetof(struct sl_chaos_step, pause)},
};

static void take_key(struct sl_report *report, const struct sl_yaml_pair *pair,
		     struct sl_chaos_step *step)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i].key, pair->key) != 0)
			continue;
		if (pair->value->kind == SL_YAML_SCALAR)
			*(const char **)((char *)step + keys[i].offset) = pair->value->text;
		else
			sl_report_add(report, pair->value->mark.line, pair->value->mark.column,
				      "%s: expected a scalar", pair->key);
		return;
	}
	sl_report_add(report, pair->mark.line, pair->mark.column,
		      "%s: an experiment has no such key", pair->key);
}

static void take_step(struct sl_report *report, const struct sl_yaml *item,
		      struct sl_chaos_step *step)
{
	if (item->kind != SL_YAML_MAP) {
		sl_report_add(report, item->mark.line, item->mark.column,
			      "an experiment is a map, this is %s", sl_yaml_kind_name(item->kind));
		return;
	}
	for (unsigned i = 0; i < item->count; i++)
		take_key(report, &item->pairs[i], step);
	if (!step->words.kind)
		sl_report_add(report, item->mark.line, item->mark.column, "kind: is missing");
}

static void take_not_covered(struct sl_report *report, const struct sl_yaml *list,
			     struct sl_chaos_day *day)
{
	if (list->kind != SL_YAML_LIST || list->count > SL_CHAOS_NOT_COVERED_MAX) {
		sl_report_add(report, list->mark.line, list->mark.column,
			      "not_covered: expected a list of up to %u texts",
			      SL_CHAOS_NOT_COVERED_MAX);
		return;
	}
	for (unsigned i = 0; i < list->count; i++) {
		const struct sl_yaml *item = list->items[i];

		if (item->kind == SL_YAML_SCALAR)
			day->not_covered[day->not_covered_count++] = item->text;
		else
			sl_report_add(report, item->mark.line, item->mark.column,
				      "not_covered: expected texts, this is %s",
				      sl_yaml_kind_name(item->kind));
	}
}

static int take_root(struct sl_report *report, const struct sl_yaml *root, struct sl_chaos_day *day)
{
	const struct sl_yaml_pair *name = sl_yaml_find(root, "name");
	const struct sl_yaml_pair *about = sl_yaml_find(root, "about");
	const struct sl_yaml_pair *not_covered = sl_yaml_find(root, "not_covered");
	const struct sl_yaml_pair *list = sl_yaml_find(root, "experiments");

	day->name = name && name->value->kind == SL_YAML_SCALAR ? name->value->text : "game day";
	if (about && about->value->kind == SL_YAML_SCALAR)
		day->about = about->value->text;
	if (not_covered)
		take_not_covered(report, not_covered->value, day);
	if (!list || list->value->kind != SL_YAML_LIST || !list->value->count ||
	    list->value->count > SL_CHAOS_DAY_MAX) {
		sl_report_add(report, 0, 0, "experiments: expected a list of 1 to %u of them",
			      SL_CHAOS_DAY_MAX);
		return 0;
	}
	day->steps = calloc(list->value->count, sizeof(*day->steps));
	if (!day->steps)
		return -ENOMEM;
	day->count = list->value->count;
	for (uint32_t i = 0; i < day->count; i++)
		take_step(report, list->value->items[i], &day->steps[i]);
	return 0;
}

static int slurp(const char *path, struct sl_text *text)
{
	FILE *file = fopen(path, "re");
	char block[4096];
	size_t got;
	int error = 0;

	if (!file)
		return -errno;
	while (!error && (got = fread(block, 1, sizeof(block), file)) > 0)
		error = sl_text_append(text, block, got);
	fclose(file);
	return error;
}

int sl_chaos_day_read(const char *path, struct sl_chaos_day *ret_day)
{
	struct sl_report report;
	struct sl_yaml *root;
	struct sl_text text;
	char *complaints;
	int error, wrong;

	memset(ret_day, 0, sizeof(*ret_day));
	sl_arena_init(&ret_day->arena, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
	sl_text_init(&text, FILE_BYTES_MAX);
	error = slurp(path, &text);
	if (error) {
		sl_text_fini(&text);
		return sl_say_error(NULL, "game day \"%s\": %s", path, sl_error_words(error));
	}
	sl_report_init(&report, path, sl_text_string(&text), text.len);
	error = sl_yaml_parse(&report, &ret_day->arena, &root);
	if (!error)
		error = take_root(&report, root, ret_day);
	wrong = error || report.count;
	complaints = wrong ? sl_report_render(&report) : NULL;
	fputs(complaints ? complaints : "", stderr);
	free(complaints);
	sl_report_fini(&report);
	sl_text_fini(&text);
	return wrong ? sl_say_error("docs/chaos.md has an example", "game day \"%s\" is refused",
				    path)
		     : SL_EXIT_OK;
}

void sl_chaos_day_close(struct sl_chaos_day *day)
{
	free(day->steps);
	sl_arena_fini(&day->arena);
	memset(day, 0, sizeof(*day));
}

/* ---- the day ------------------------------------------------------------------------------- */

static int pause_before(const struct sl_chaos_step *step)
{
	uint64_t pause_us = 0;

	if (step->pause &&
	    (sl_unit_parse_us(step->pause, strlen(step->pause), 1000000u, &pause_us) ||
	     pause_us > SL_CHAOS_DURATION_S_MAX * 1000000ull))
		return sl_say_error(NULL, "pause \"%s\" is no time up to an hour", step->pause);
	if (pause_us)
		sl_screen_sleep_us(pause_us);
	return SL_EXIT_OK;
}

static int run_step(const struct sl_view *view, struct sl_chaos_step *step)
{
	struct sl_text text;
	int exit_code = pause_before(step);

	if (!exit_code)
		exit_code = sl_chaos_plan_make(view, &step->words, &step->plan);
	step->planned = !exit_code;
	if (!exit_code) {
		fprintf(stderr, "sluice: %s\n", step->plan.title);
		exit_code = sl_chaos_run(view, &step->plan, &step->result);
	}
	step->done = !exit_code;
	if (!step->done)
		return exit_code;
	sl_text_init(&text, SAID_BYTES_MAX);
	sl_chaos_say_text(&step->result, &text);
	fputs(sl_text_string(&text), stderr);
	sl_text_fini(&text);
	return step->result.verdict == SL_CHAOS_BROKEN || step->result.ending == SL_CHAOS_ABORTED
		       ? SL_EXIT_FAILED
		       : SL_EXIT_OK;
}

static void find_facts(const struct sl_view *view, struct sl_chaos_facts *facts)
{
	struct utsname names;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (!uname(&names)) {
		snprintf(facts->host, sizeof(facts->host), "%.64s", names.nodename);
		snprintf(facts->kernel, sizeof(facts->kernel), "%.32s %.64s %.31s", names.sysname,
			 names.release, names.machine);
	}
	facts->processors = processors > 0 ? (uint32_t)processors : 0;
	for (uint32_t i = 1; i < view->entries[SL_VIEW_POOLS]; i++) {
		if (!__atomic_load_n(&view->pools[i].present, __ATOMIC_RELAXED))
			continue;
		facts->pools++;
		facts->nodes += __atomic_load_n(&view->pools[i].node_count, __ATOMIC_RELAXED);
	}
	facts->alone = view->alone;
	facts->begin_s = (uint64_t)time(NULL);
}

int sl_chaos_day_run(const struct sl_view *view, struct sl_chaos_day *day, const char *config,
		     const char *daemon_socket)
{
	int exit_code = SL_EXIT_OK;

	find_facts(view, &day->facts);
	sl_screen_catch();
	for (uint32_t i = 0; i < day->count && !sl_screen_interrupted(); i++) {
		if (!day->steps[i].words.config)
			day->steps[i].words.config = config;
		day->steps[i].words.daemon_socket = daemon_socket;
		if (run_step(view, &day->steps[i]))
			exit_code = SL_EXIT_FAILED;
	}
	day->facts.end_s = (uint64_t)time(NULL);
	return exit_code;
}
