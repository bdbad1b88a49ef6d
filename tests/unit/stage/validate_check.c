/* SPDX-License-Identifier: BSD-2-Clause */
/* How large a question may be that is screened: as much as is laid out at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <semaphore.h>
#include "user/io/fiber.h"
#include "user/io/work.h"
#include "user/stage/validate_parts.h"

#define MESSAGES 8u
#define BYTES	 (SL_JSON_TAPE_BYTES_MAX - 64)

static const char before[] = "{\"role\":\"user\",\"content\":\"\\n";
static const char behind[] = "\"}";

/* Messages that each have an escape, so that all of their text is decoded. */
static void write_body(struct sl_text *body)
{
	static const char text[] = "word ";

	sl_text_append_string(body, "{\"messages\":[");
	for (uint32_t i = 1; i <= MESSAGES; i++) {
		sl_text_append_string(body, i > 1 ? "," : "");
		sl_text_append_string(body, before);
		while (body->len + sizeof(text) + sizeof(behind) < i * (size_t)(BYTES / MESSAGES))
			sl_text_append_string(body, text);
		sl_text_append_string(body, behind);
	}
	assert_int_equal(sl_text_append_string(body, "]}"), 0);
}

static void a_large_question_is_screened(void **state)
{
	struct sl_config_route route = {.model = (char *)"chat"};
	struct sl_openai_request facts = {.endpoint = SL_OPENAI_CHAT};
	struct sl_stores stores = {.work = NULL};
	struct sl_stage stage = {.route = &route, .facts = &facts, .stores = &stores};
	struct sl_validate_check check;
	struct sl_text body;

	(void)state;
	route.validate.pii_in = 1u << SL_PII_EMAIL;
	sl_text_init(&body, SL_JSON_TAPE_BYTES_MAX);
	write_body(&body);
	facts.body = sl_text_string(&body);
	facts.body_len = body.len;
	sl_validate_check_question(&stage, &check);
	assert_false(check.unlisted);
	assert_int_equal(check.rc, 0);
	assert_false(check.changed);
	sl_validate_check_fini(&check);
	sl_text_fini(&body);
}

struct asker {
	struct sl_stage stage;
	struct sl_validate_check check;
	struct sl_text body;
	bool asked, left, done;
};

static void ask(void *arg)
{
	struct asker *asker = arg;

	asker->asked = true;
	sl_validate_check_question(&asker->stage, &asker->check);
	asker->done = true;
}

/* Behind ask(), in the same turn: before any timer, so however slow the machine is the pool has the question
 * still, and the fiber has not taken it back to look at it here. */
static void leave(void *arg)
{
	struct asker *asker = arg;

	asker->left = asker->asked && !asker->done;
	sl_text_fini(&asker->body);
}

static void block(void *arg)
{
	while (sem_wait(arg))
		;
}

/* The body goes with the client; the pool has the question still before it. */
static void a_client_may_leave_meanwhile(void **state)
{
	struct sl_config_route route = {.model = (char *)"chat"};
	struct sl_openai_request facts = {.endpoint = SL_OPENAI_CHAT};
	struct sl_stores stores = {.work = NULL};
	struct sl_loop_options options = {.backend = SL_IO_EPOLL};
	struct asker asker = {.stage = {.route = &route, .facts = &facts, .stores = &stores}};
	sem_t may_go;

	(void)state;
	sem_init(&may_go, 0, 0);
	sl_text_init(&asker.body, SL_JSON_TAPE_BYTES_MAX);
	write_body(&asker.body);
	route.validate.pii_in = 1u << SL_PII_EMAIL;
	facts.body = sl_text_string(&asker.body);
	facts.body_len = asker.body.len;
	assert_int_equal(sl_loop_open(&options, &asker.stage.loop), 0);
	assert_int_equal(sl_work_open(1, &stores.work), 0);
	assert_int_equal(sl_work_post(stores.work, block, NULL, &may_go), 0);
	assert_int_equal(sl_fiber_start(asker.stage.loop, ask, &asker), 0);
	assert_int_equal(sl_fiber_start(asker.stage.loop, leave, &asker), 0);
	assert_int_equal(sl_loop_turn(asker.stage.loop, 1), 0);
	sem_post(&may_go);
	assert_true(asker.left);
	while (!asker.done)
		assert_int_equal(sl_loop_turn(asker.stage.loop, 1), 0);
	assert_int_equal(asker.check.rc, 0);
	sl_validate_check_fini(&asker.check);
	sl_work_close(&stores.work);
	sl_loop_close(&asker.stage.loop);
	sem_destroy(&may_go);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_large_question_is_screened),
		cmocka_unit_test(a_client_may_leave_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
