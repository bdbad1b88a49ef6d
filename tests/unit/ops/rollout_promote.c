/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A roll-out that is promoted by hand: at once where it has no check; else once its check, a real program, has passed;
 * never where it fails. And what takes the order back, what does without, what outlives a restart.
 */
#include "user/ops/rollout_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/io/work.h"
#include "user/policy/drift.h"
#include "user/stage/stage.h"

#define TURNS_MAX 6000u
#define TURN_MS	  10

static struct world {
	char directory[64], file[96], program[96], verdict[96];
	const char *exec[1];
	struct sl_config_rollout_check check;
	struct sl_config_pool pools[2];
	struct sl_config_route route;
	struct sl_config *config;
	struct sl_upstream_pool upstreams[2];
	struct sl_routes routes;
	struct sl_upstream_retries *retries;
	struct sl_rollout_board *board;
	struct sl_drift_board *drift;
	struct sl_stores stores;
	struct sl_watch_place place;
	void *part;
} w;

static void write_file(const char *path, const char *text)
{
	char next[112];
	FILE *file;

	snprintf(next, sizeof(next), "%s.next", path);
	file = fopen(next, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(next, 0700), 0);
	assert_int_equal(rename(next, path), 0);
}

/* The program ends with the exit status that the file of that name holds, once it is there. */
static void make_program(void)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "#!/bin/sh\nwhile [ ! -e %s ]; do sleep 0.02; done\nexit $(cat %s)\n", w.verdict,
		 w.verdict);
	write_file(w.program, text);
}

static void open_part(void)
{
	assert_int_equal(sl_rollout_part.open(&w.place, &w.routes, &w.part), 0);
}

static int set_up(void **unused)
{
	struct sl_loop_options options = {.backend = SL_IO_EPOLL};

	(void)unused;
	memset(&w, 0, sizeof(w));
	snprintf(w.directory, sizeof(w.directory), "/tmp/sl-promote-XXXXXX");
	assert_non_null(mkdtemp(w.directory));
	snprintf(w.file, sizeof(w.file), "%s/rollouts", w.directory);
	snprintf(w.program, sizeof(w.program), "%s/suite", w.directory);
	snprintf(w.verdict, sizeof(w.verdict), "%s/verdict", w.directory);
	make_program();
	w.exec[0] = w.program;
	w.check =
		(struct sl_config_rollout_check){.item = {.name = "suite"},
						 .call = {.exec = {w.exec, 1}, .timeout_ms = 60000},
						 .retry_ms = 10};
	w.pools[0].name = "old";
	w.pools[1].name = "new";
	w.route.model = "chat";
	w.route.chains[SL_CAUSE_ERROR] = (struct sl_config_chain){.pools = {0}, .len = 1};
	w.config = calloc(1, sizeof(*w.config));
	w.retries = calloc(1, sizeof(*w.retries));
	w.board = calloc(1, sizeof(*w.board));
	w.drift = calloc(1, sizeof(*w.drift));
	assert_true(w.config && w.retries && w.board && w.drift);
	w.config->pools = w.pools;
	w.config->pool_count = 2;
	w.config->routes = &w.route;
	w.config->route_count = 1;
	w.config->rollouts_file = w.file;
	w.config->rollout_checks.items = &w.check;
	w.config->rollout_checks.count = 1;
	w.upstreams[0].slot = 1;
	w.upstreams[1].slot = 2;
	w.routes = (struct sl_routes){.refs = 1, .config = w.config, .pools = w.upstreams};
	w.stores = (struct sl_stores){.rollouts = w.board, .drift = w.drift};
	assert_int_equal(sl_work_open(1, &w.stores.work), 0);
	w.place = (struct sl_watch_place){.stores = &w.stores, .state = {.retries = w.retries}};
	assert_int_equal(sl_loop_open(&options, &w.place.loop), 0);
	open_part();
	return 0;
}

static int tear_down(void **unused)
{
	const char *files[] = {w.file, w.program, w.verdict};

	(void)unused;
	sl_rollout_part.stop(w.part, false);
	sl_rollout_part.close(w.part);
	sl_work_close(&w.stores.work);
	sl_loop_close(&w.place.loop);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(files[i]);
	assert_int_equal(rmdir(w.directory), 0);
	free(w.config);
	free(w.retries);
	free(w.board);
	free(w.drift);
	return 0;
}

/* As the admin socket has it; true: it was done. */
static bool say(const char *line)
{
	char words[256];
	struct sl_text text;
	bool good;

	snprintf(words, sizeof(words), "text %s", line);
	sl_text_init(&text, 1u << 16);
	sl_rollout_part.say(w.part, &(struct sl_admin_ask){.words = words, .who = "uid 7"}, &text);
	good = sl_text_string(&text)[0] != '!';
	sl_text_fini(&text);
	return good;
}

static const struct sl_rollout_entry *entry(void)
{
	const struct sl_rollout_entry *found = sl_rollouts_find(w.part, "v2");

	assert_non_null(found);
	return found;
}

static void turn(void)
{
	assert_true(sl_loop_turn(w.place.loop, TURN_MS) >= 0);
	sl_rollout_part.poll(w.part, sl_clock_ms());
}

static void turn_until_phase(enum sl_rollout_phase phase)
{
	for (uint32_t i = 0; i < TURNS_MAX && entry()->state.phase != phase; i++)
		turn();
	if (entry()->state.phase != phase)
		fail_msg("it is %s: %s", sl_rollout_phase_name(entry()->state.phase),
			 entry()->reason);
}

static void turn_until_check(enum sl_rollout_check_state state)
{
	for (uint32_t i = 0; i < TURNS_MAX && entry()->check.state != state; i++)
		turn();
	assert_int_equal(entry()->check.state, state);
}

/* At its first step, which is long; with the check it has passed before that one. */
static void start(const char *check)
{
	char line[128];

	snprintf(line, sizeof(line), "start v2 route=chat pool=new steps=10,100 step=1h %s", check);
	assert_true(say(line));
	if (!*check)
		return;
	write_file(w.verdict, "0");
	for (uint32_t i = 0; i < TURNS_MAX && entry()->state.unchecked; i++)
		turn();
	assert_false(entry()->state.unchecked);
	assert_int_equal(unlink(w.verdict), 0);
	assert_int_equal(entry()->check.state, SL_ROLLOUT_CHECK_WAITING);
}

static void test_without_check(void **unused)
{
	(void)unused;
	start("");
	assert_false(say("promote v2 now"));
	assert_true(say("promote v2"));
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_FULL);
	assert_string_equal(entry()->reason, "promoted");
	assert_false(say("promote v2"));
}

static void test_check_passes(void **unused)
{
	(void)unused;
	start("check=suite");
	assert_true(say("promote v2"));
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_RUNNING);
	assert_int_equal(entry()->item->share, 1000);
	turn_until_check(SL_ROLLOUT_CHECK_RUNNING);
	assert_int_equal(entry()->item->share, 1000);
	write_file(w.verdict, "0");
	turn_until_phase(SL_ROLLOUT_FULL);
	assert_string_equal(entry()->reason, "promoted, its check has passed");
	assert_int_equal(entry()->item->share, 10000);
	assert_string_equal(entry()->promoter, "");
}

static void test_check_fails(void **unused)
{
	(void)unused;
	start("check=suite");
	assert_true(say("promote v2"));
	write_file(w.verdict, "1");
	turn_until_phase(SL_ROLLOUT_ROLLED_BACK);
	assert_non_null(strstr(entry()->reason, "gate suite"));
	assert_int_equal(entry()->item->share, 0);
}

/* Neither good nor bad: it is tried again, and nobody more gets the candidate meanwhile. */
static void test_check_cannot_run(void **unused)
{
	(void)unused;
	start("check=suite");
	write_file(w.verdict, "3");
	assert_true(say("promote v2"));
	for (uint32_t i = 0; i < TURNS_MAX && !entry()->check.misses; i++)
		turn();
	assert_true(entry()->check.misses > 0);
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_RUNNING);
	assert_int_equal(entry()->item->share, 1000);
	write_file(w.verdict, "0");
	turn_until_phase(SL_ROLLOUT_FULL);
}

static void test_force(void **unused)
{
	(void)unused;
	start("check=suite");
	assert_true(say("promote v2"));
	turn_until_check(SL_ROLLOUT_CHECK_RUNNING);
	assert_true(say("promote v2 force"));
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_FULL);
	assert_string_equal(entry()->reason, "promoted by force, without check \"suite\"");
	assert_int_equal(entry()->item->share, 10000);
}

/* A pause is the operator's second thought; a promotion of what is paused does not stay paused. */
static void test_taken_back(void **unused)
{
	(void)unused;
	start("check=suite");
	assert_true(say("pause v2"));
	assert_true(say("promote v2"));
	turn_until_check(SL_ROLLOUT_CHECK_RUNNING);
	assert_true(say("pause v2"));
	write_file(w.verdict, "0");
	turn_until_check(SL_ROLLOUT_CHECK_PASSED);
	turn();
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_PAUSED);
	assert_int_equal(entry()->item->share, 1000);
	/* it has passed for this step: that counts */
	assert_true(say("promote v2"));
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_FULL);
	assert_string_equal(entry()->reason, "promoted, its check has passed");
}

static void test_restart(void **unused)
{
	(void)unused;
	start("check=suite");
	assert_true(say("promote v2"));
	turn_until_check(SL_ROLLOUT_CHECK_RUNNING);
	sl_rollout_part.stop(w.part, false);
	sl_rollout_part.close(w.part);
	open_part();
	assert_int_equal(entry()->state.phase, SL_ROLLOUT_RUNNING);
	assert_string_equal(entry()->promoter, "uid 7");
	write_file(w.verdict, "0");
	turn_until_phase(SL_ROLLOUT_FULL);
	assert_string_equal(entry()->reason, "promoted, its check has passed");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_without_check),    TEST(test_check_passes), TEST(test_check_fails),
		TEST(test_check_cannot_run), TEST(test_force),	      TEST(test_taken_back),
		TEST(test_restart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
