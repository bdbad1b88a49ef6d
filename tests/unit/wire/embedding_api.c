/* SPDX-License-Identifier: BSD-2-Clause */
/* What an embeddings API is asked, and its answers: right ones, and all that is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>

#include "user/wire/embedding_api.h"

#define ROOM 8u

static void asks_in_its_shape(void **state)
{
	const struct sl_span texts[] = {sl_span_string("say \"hi\""), sl_span_string("b\n")};
	struct sl_text out;

	(void)state;
	sl_text_init(&out, 0);
	assert_int_equal(sl_embeddings_ask("m\"", texts, 1, &out), 0);
	assert_string_equal(sl_text_string(&out),
			    "{\"model\":\"m\\\"\",\"input\":\"say \\\"hi\\\"\","
			    "\"encoding_format\":\"float\"}");
	sl_text_reset(&out);
	assert_int_equal(sl_embeddings_ask("m", texts, 2, &out), 0);
	assert_string_equal(sl_text_string(&out),
			    "{\"model\":\"m\",\"input\":[\"say \\\"hi\\\"\",\"b\\n\"],"
			    "\"encoding_format\":\"float\"}");
	sl_text_fini(&out);
}

#define ITEM(index, list) "{\"index\":" #index ",\"embedding\":[" list "]}"
#define LIST(items)	  "{\"data\":[" items "]}"

static void reads_answers(void **state)
{
	static const struct {
		const char *what, *body;
		uint32_t count, dimensions;
		int rc;
		float first; /* number of the first vector */
	} cases[] = {
		{"one", LIST(ITEM(0, "3,4")), 1, 2, 2, 0.6f},
		{"of whatever length", LIST(ITEM(0, "3,4")), 1, 0, 2, 0.6f},
		{"without an index", LIST("{\"embedding\":[0,-2]}"), 1, 2, 2, 0},
		{"two", LIST(ITEM(0, "3,4") "," ITEM(1, "1,0")), 2, 2, 2, 0.6f},
		{"two, the other way round", LIST(ITEM(1, "3,4") "," ITEM(0, "1,0")), 2, 2, 2, 1},
		{"as many as there is room", LIST(ITEM(0, "1,0,0,0,0,0,0,0")), 1, 8, 8, 1},
		{"round, and of unknown length", LIST(ITEM(1, "3,4") "," ITEM(0, "1,0")), 2, 0,
		 -EINVAL, 0},
		{"nothing", "", 1, 2, -EINVAL, 0},
		{"half", "{\"data\":[{\"embedding\":[3,", 1, 2, -EINVAL, 0},
		{"no object", "[]", 1, 2, -EINVAL, 0},
		{"an empty object", "{}", 1, 2, -EINVAL, 0},
		{"no list", "{\"data\":{}}", 1, 2, -EINVAL, 0},
		{"an empty list", LIST(""), 1, 2, -EINVAL, 0},
		{"no embedding", LIST("{\"index\":0}"), 1, 2, -EINVAL, 0},
		{"base64", LIST("{\"index\":0,\"embedding\":\"AACA\"}"), 1, 2, -EINVAL, 0},
		{"numbers, not objects", LIST("3,4"), 1, 2, -EINVAL, 0},
		{"too short", LIST(ITEM(0, "3")), 1, 2, -EINVAL, 0},
		{"too long", LIST(ITEM(0, "3,4,5")), 1, 2, -EINVAL, 0},
		{"empty", LIST(ITEM(0, "")), 1, 0, -EINVAL, 0},
		{"longer than the room", LIST(ITEM(0, "1,0,0,0,0,0,0,0,0")), 1, 0, -EINVAL, 0},
		{"one of each length", LIST(ITEM(0, "3,4") "," ITEM(1, "1")), 2, 0, -EINVAL, 0},
		{"not finite", LIST(ITEM(0, "1e999,1")), 1, 2, -EINVAL, 0},
		{"no number", LIST(ITEM(0, "null,1")), 1, 2, -EINVAL, 0},
		{"a word", LIST(ITEM(0, "\"NaN\",1")), 1, 2, -EINVAL, 0},
		{"no direction", LIST(ITEM(0, "0,0")), 1, 2, -EINVAL, 0},
		{"over a float's range", LIST(ITEM(0, "1e300,1")), 1, 2, -EINVAL, 0},
		{"fewer than texts", LIST(ITEM(0, "3,4")), 2, 2, -EINVAL, 0},
		{"more than texts", LIST(ITEM(0, "3,4") "," ITEM(1, "1,0")), 1, 2, -EINVAL, 0},
		{"one twice", LIST(ITEM(0, "3,4") "," ITEM(0, "1,0")), 2, 2, -EINVAL, 0},
		{"a strange index", LIST(ITEM(-1, "3,4")), 1, 2, -EINVAL, 0},
		{"an index that is none", LIST(ITEM("a", "3,4")), 1, 2, -EINVAL, 0},
	};
	float vectors[ROOM];
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = sl_embeddings_read(sl_span_string(cases[i].body), cases[i].count,
					    cases[i].dimensions, vectors, ROOM, &why);

		if (rc != cases[i].rc || (rc < 0) != (why != NULL))
			fail_msg("%s: %d, %s", cases[i].what, rc, why ? why : "-");
		if (rc > 0 && fabsf(vectors[0] - cases[i].first) > 1e-6f)
			fail_msg("%s: %g", cases[i].what, (double)vectors[0]);
	}
}

/* Every cut of an answer is refused. */
static void refuses_every_half(void **state)
{
	static const char body[] = LIST(ITEM(0, "3,4") "," ITEM(1, "1,0"));
	float vectors[ROOM];
	const char *why;

	(void)state;
	for (size_t len = 0; len < sizeof(body) - 1; len++)
		assert_int_equal(
			sl_embeddings_read(sl_span_make(body, len), 2, 2, vectors, ROOM, &why),
			-EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_in_its_shape),
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(refuses_every_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
