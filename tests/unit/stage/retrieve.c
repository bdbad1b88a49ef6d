/* SPDX-License-Identifier: BSD-2-Clause */
/* The last rungs of retrieve: what is told is what the model was given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "user/io/loop.h"
#include "user/stage/retrieve.h"
#include "user/store/retrieval.h"

struct lab {
	int set_body_rc;
	uint64_t steps;
	struct sl_text body;
};

static int set_body(struct sl_stage *stage, const char *body, size_t len)
{
	struct lab *lab = stage->owner;

	if (lab->set_body_rc)
		return lab->set_body_rc;
	return sl_text_append(&lab->body, body, len);
}

static void step(struct sl_stage *stage, enum sl_step step)
{
	((struct lab *)stage->owner)->steps |= 1ull << step;
}

#define ASKED	   "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}"
#define DISCLAIMED "{\"role\":\"system\",\"content\":\"We had none.\"},{\"role\":\"user\""

static const struct {
	const char *what;
	int set_body_rc;
	enum sl_step told;
} rows[] = {
	{"the disclaimer is placed", 0, SL_STEP_RETRIEVE_NONE},
	{"no memory for it", -ENOMEM, SL_STEP_RETRIEVE_BARE},
	{"the body would be none", -EINVAL, SL_STEP_RETRIEVE_BARE},
};

static void test_rows(void **state)
{
	static const struct sl_stage_ops ops = {.set_body = set_body, .step = step};
	struct sl_config config = {.route_count = 0};
	struct sl_config_route route = {.model = "m"};
	struct sl_retrieval *retrieval = NULL;
	struct sl_openai_request facts;
	struct sl_openai_error error;
	struct sl_arena arena;
	bool gone = false;

	(void)state;
	route.retrieve.source = "nobody";
	route.retrieve.disclaimer = "We had none.";
	assert_int_equal(sl_retrieval_open(&config, NULL, &retrieval), 0);
	assert_int_equal(
		sl_openai_request_read(SL_OPENAI_CHAT, ASKED, strlen(ASKED), &facts, &error), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lab lab = {.set_body_rc = rows[i].set_body_rc};
		struct sl_stores stores = {.retrieval = retrieval};
		struct sl_stage stage = {.ops = &ops,
					 .owner = &lab,
					 .config = &config,
					 .route = &route,
					 .stores = &stores,
					 .arena = &arena,
					 .gone = &gone,
					 .facts = &facts};

		print_message("%s\n", rows[i].what);
		sl_arena_init(&arena, 0, 1u << 20);
		sl_text_init(&lab.body, 0);
		assert_int_equal(sl_retrieve_run(&stage), SL_STAGE_GO_ON);
		assert_int_equal(lab.steps, 1ull << rows[i].told);
		if (!rows[i].set_body_rc)
			assert_non_null(strstr(sl_text_string(&lab.body), DISCLAIMED));
		sl_text_fini(&lab.body);
		sl_arena_fini(&arena);
	}
	sl_retrieval_close(&retrieval);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
