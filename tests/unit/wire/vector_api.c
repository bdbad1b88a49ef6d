/* SPDX-License-Identifier: BSD-2-Clause */
/* What vector databases and rerankers are asked, and their answers: right ones, and those refused whole. */
#include "user/wire/vector_api.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

static void asks_in_their_shapes(void **state)
{
	struct sl_span texts[] = {sl_span_string("one \"1\""), sl_span_string("two")};
	struct sl_text out;

	(void)state;
	sl_text_init(&out, 0);
	assert_int_equal(sl_vector_api_ask(SL_VECTOR_API_QDRANT, sl_span_string("[1,2]"), 3, &out),
			 0);
	assert_string_equal(sl_text_string(&out),
			    "{\"vector\":[1,2],\"limit\":3,\"with_payload\":true}");
	sl_text_reset(&out);
	assert_int_equal(sl_vector_api_ask(SL_VECTOR_API_CHROMA, sl_span_string("[1,2]"), 3, &out),
			 0);
	assert_non_null(
		strstr(sl_text_string(&out), "\"query_embeddings\":[[1,2]],\"n_results\":3"));
	sl_text_reset(&out);
	assert_int_equal(sl_rerank_ask(false, "m", sl_span_string("q"), texts, 2, &out), 0);
	assert_non_null(strstr(sl_text_string(&out), "\"documents\":[\"one \\\"1\\\"\",\"two\"]"));
	assert_non_null(strstr(sl_text_string(&out), "\"model\":\"m\""));
	sl_text_reset(&out);
	assert_int_equal(sl_rerank_ask(true, NULL, sl_span_string("q"), texts, 2, &out), 0);
	assert_non_null(strstr(sl_text_string(&out), "\"texts\":["));
	assert_null(strstr(sl_text_string(&out), "model"));
	sl_text_fini(&out);
}

#define QDRANT SL_VECTOR_API_QDRANT
#define CHROMA SL_VECTOR_API_CHROMA

static void reads_answers(void **state)
{
	static const struct {
		enum sl_vector_api api;
		const char *body;
		int count; /* or -errno */
		const char *id, *text, *name;
		float score;
	} cases[] = {
		{QDRANT,
		 "{\"result\":[{\"id\":7,\"score\":0.5,\"payload\":{\"text\":\"a\\nb\",\"source\":"
		 "\"f\"}}]}",
		 1, "7", "a\nb", "f", 0.5f},
		{QDRANT,
		 "{\"result\":{\"points\":[{\"id\":\"u-1\",\"score\":1,\"payload\":{\"text\":\"a\"}"
		 "}]}}",
		 1, "u-1", "a", NULL, 1},
		{QDRANT, "{\"result\":[]}", 0, NULL, NULL, NULL, 0},
		{QDRANT, "{\"result\":[{\"id\":7,\"score\":0.5,\"payload\":{}}]}", -EINVAL, NULL,
		 NULL, NULL, 0},
		{QDRANT,
		 "{\"result\":[{\"id\":6,\"score\":1,\"payload\":{}},{\"id\":7,\"score\":0.5,"
		 "\"payload\":{\"text\":\"a\"}}]}",
		 1, "7", "a", NULL, 0.5f},
		{QDRANT, "{\"result\":{\"surprise\":[1]}}", -EINVAL, NULL, NULL, NULL, 0},
		{QDRANT, "{\"result\":[1]}", -EINVAL, NULL, NULL, NULL, 0},
		{QDRANT, "{\"status\":\"ok\"}", -EINVAL, NULL, NULL, NULL, 0},
		{QDRANT, "[]", -EINVAL, NULL, NULL, NULL, 0},
		{QDRANT, "{\"result\":[", -EINVAL, NULL, NULL, NULL, 0},
		{CHROMA,
		 "{\"ids\":[[\"a\"]],\"distances\":[[0.25]],\"documents\":[[\"t\"]],\"metadatas\":["
		 "[{\"source\":\"f\"}]]}",
		 1, "a", "t", "f", 0.75f},
		{CHROMA,
		 "{\"ids\":[[\"a\"]],\"distances\":[[0.25]],\"documents\":[[\"t\"]],\"metadatas\":["
		 "]}",
		 1, "a", "t", NULL, 0.75f},
		{CHROMA, "{\"ids\":[[]],\"distances\":[[]],\"documents\":[[]],\"metadatas\":[[]]}",
		 0, NULL, NULL, NULL, 0},
		{CHROMA, "{\"ids\":[[\"a\"]],\"distances\":[[0.25]],\"documents\":[[null]]}",
		 -EINVAL, NULL, NULL, NULL, 0},
		{CHROMA, "{\"error\":\"NotFoundError\"}", -EINVAL, NULL, NULL, NULL, 0},
		{CHROMA, "{\"ids\":\"none\",\"distances\":[[0]],\"documents\":[[\"t\"]]}", -EINVAL,
		 NULL, NULL, NULL, 0},
	};
	struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX];
	struct sl_arena arena;

	(void)state;
	sl_arena_init(&arena, 4096, 1 << 20);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int count = sl_vector_api_read(cases[i].api, sl_span_string(cases[i].body), "text",
					       "source", &arena, found);

		if (count != cases[i].count)
			fail_msg("case %zu: %d, not %d", i, count, cases[i].count);
		if (count <= 0)
			continue;
		assert_string_equal(found[0].id, cases[i].id);
		assert_string_equal(found[0].text, cases[i].text);
		if (cases[i].name != NULL)
			assert_string_equal(found[0].name, cases[i].name);
		assert_true(found[0].score == cases[i].score);
	}
	sl_arena_fini(&arena);
}

/* Every cut of an answer is refused: a database that answers half is down. */
static void refuses_every_half(void **state)
{
	static const char body[] = "{\"result\":[{\"id\":7,\"score\":0.5,\"payload\":{\"text\":"
				   "\"a\",\"source\":\"f\"}}]}";
	struct sl_vector_found found[SL_VECTOR_API_FOUND_MAX];
	struct sl_arena arena;

	(void)state;
	sl_arena_init(&arena, 4096, 1 << 20);
	for (size_t len = 0; len < sizeof(body) - 1; len++)
		assert_int_equal(sl_vector_api_read(QDRANT, sl_span_make(body, len), "text",
						    "source", &arena, found),
				 -EINVAL);
	sl_arena_fini(&arena);
}

static void reads_orders(void **state)
{
	static const struct {
		bool tei;
		const char *body;
		int rc;
		uint32_t order[3];
	} cases[] = {
		{false,
		 "{\"results\":[{\"index\":2,\"relevance_score\":0.9},{\"index\":0,\"relevance_"
		 "score\":0.5},"
		 "{\"index\":1,\"relevance_score\":0.1}]}",
		 0,
		 {2, 0, 1}},
		{true,
		 "[{\"index\":1,\"score\":0.9},{\"index\":2,\"score\":0.2},{\"index\":0,"
		 "\"score\":0.1}]",
		 0,
		 {1, 2, 0}},
		{false, "{\"results\":[]}", -EINVAL, {0}},
		{false, "{\"results\":[{\"index\":1,\"relevance_score\":0.9}]}", -EINVAL, {0}},
		{true, "[{\"index\":1,\"score\":0.9},{\"index\":2,\"score\":0.2}]", -EINVAL, {0}},
		{true,
		 "[{\"index\":1,\"score\":1e999},{\"index\":2,\"score\":0.2},{\"index\":0,"
		 "\"score\":0.1}]",
		 -EINVAL,
		 {0}},
		{false, "{\"results\":[{\"index\":3,\"relevance_score\":0.9}]}", -EINVAL, {0}},
		{false,
		 "{\"results\":[{\"index\":1,\"relevance_score\":0.9},{\"index\":1,\"relevance_"
		 "score\":0.8}]}",
		 -EINVAL,
		 {0}},
		{false, "{\"results\":\"none\"}", -EINVAL, {0}},
		{false, "[]", -EINVAL, {0}},
		{false, "{\"results\":[]}", -EINVAL, {0}},
		{true, "[]", -EINVAL, {0}},
		{true, "{}", -EINVAL, {0}},
	};
	uint32_t order[SL_VECTOR_API_FOUND_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = sl_rerank_read(cases[i].tei, sl_span_string(cases[i].body), 3, order);

		if (rc != cases[i].rc)
			fail_msg("case %zu: %d", i, rc);
		if (!rc)
			assert_memory_equal(order, cases[i].order, sizeof(cases[i].order));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(asks_in_their_shapes),
		cmocka_unit_test(reads_answers),
		cmocka_unit_test(refuses_every_half),
		cmocka_unit_test(reads_orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
