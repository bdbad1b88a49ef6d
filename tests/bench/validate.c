/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What checks of answers cost: CPU time each, see timing.h. The second column says the same in passes of
 * sl_json_check() over the JSON answer of 4 KB, measured just before and behind: a busy machine slows
 * both.
 *
 *	build/bench/validate
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/timing.h"
#include "user/stage/validate.h"
#include "user/stage/validate_screen.h"
#include "user/wire/pattern.h"
#include "user/wire/schema.h"

#define ANSWER_BYTES 4096

static const char prose[] =
	"The order of 12 March 2024 has 3 items and weighs 4.5 kg; it leaves the warehouse on "
	"Monday, "
	"so you can expect it within 2 to 4 working days. If it has not come by then, tell us. ";

static const char schema_text[] =
	"{\"type\":\"object\",\"properties\":{\"items\":{\"type\":\"array\",\"items\":{\"type\":"
	"\"object\",\"properties\":{\"id\":{\"type\":\"integer\",\"minimum\":1},\"name\":{\"type\":"
	"\"string\",\"maxLength\":80},\"kind\":{\"enum\":[\"book\",\"film\",\"song\"]},\"price\":{"
	"\"type\":\"number\"}},\"required\":[\"id\",\"name\",\"kind\",\"price\"],"
	"\"additionalProperties\":false}},\"total\":{\"type\":\"integer\"}},\"required\":["
	"\"items\","
	"\"total\"],\"additionalProperties\":false}";

static const char list_text[] = "Project Bluebird\nJohn Appleseed\ninternal only\n/proj-[0-9]{4}/\n"
				"/(?:kill|hurt) (?:your|him|her)self/\nbomb recipe\nAcme Corp\n";

static char answer[ANSWER_BYTES + 256];
static size_t answer_len;
static char json[ANSWER_BYTES + 256];
static size_t json_len;
static struct sl_schema *schema;
static struct sl_pattern_list *list;
static struct sl_arena scratch;
static struct sl_text out;
static struct sl_screen screen;
static struct sl_stage_filter *filter;

/* What reads an answer at all does that with it. */
static size_t run_check(void)
{
	if (sl_json_check(json, json_len, NULL))
		abort();
	return json_len;
}

static void measure(const char *name, size_t (*run)(void))
{
	double before = timing_ns(run_check), ns = timing_ns(run), behind = timing_ns(run_check);

	printf("%-52s %8.2f us %7.2f\n", name, ns / 1000, 2 * ns / (before + behind));
}

static size_t run_schema(void)
{
	if (sl_schema_check(schema, json, json_len, &scratch, NULL))
		abort();
	sl_arena_reset(&scratch);
	return json_len;
}

static size_t run_compile(void)
{
	struct sl_schema *fresh;

	if (sl_schema_compile(schema_text, sizeof(schema_text) - 1, 0, 0, &fresh, NULL))
		abort();
	sl_schema_free(&fresh);
	return 1;
}

static size_t run_pii(void)
{
	sl_text_reset(&out);
	if (sl_screen_feed(&screen, answer, answer_len, true, &out) || screen.count)
		abort();
	return out.len;
}

static size_t run_list(void)
{
	size_t at, len;

	if (sl_pattern_find(list, answer, answer_len, 0, &at, &len))
		abort();
	return answer_len;
}

static size_t run_all(void)
{
	return run_schema() + run_pii() + run_list();
}

static size_t run_chunk(void)
{
	static const char *const words[] = {" order", " of", " 12", " March", ".", " items"};
	static unsigned int turn;
	char chunk[256];
	struct sl_openai_chunk facts = {.flags = SL_OPENAI_CHUNK_TOKEN};
	int len = snprintf(
		chunk, sizeof(chunk),
		"{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
		"\"created\":1700000000,\"model\":\"llama-3\",\"choices\":[{\"index\":0,"
		"\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}]}",
		words[turn++ % 6]);

	sl_text_reset(&out);
	if (filter->data(filter, chunk, (size_t)len, &facts, &out) >= SL_FILTER_CLOSE)
		abort();
	return out.len;
}

static size_t run_print(void)
{
	static unsigned int turn;
	char chunk[256];
	int len = snprintf(
		chunk, sizeof(chunk),
		"{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
		"\"created\":1700000000,\"model\":\"llama-3\",\"choices\":[{\"index\":0,"
		"\"delta\":{\"content\":\"%s\"},\"logprobs\":null,\"finish_reason\":null}]}",
		turn++ % 2 ? " order" : " of");

	if (len < 0)
		abort();
	return (size_t)len;
}

static void make_texts(void)
{
	while (answer_len + sizeof(prose) < ANSWER_BYTES) {
		memcpy(answer + answer_len, prose, sizeof(prose) - 1);
		answer_len += sizeof(prose) - 1;
	}
	json_len = (size_t)sprintf(json, "{\"items\":[");
	for (unsigned int i = 1; json_len < ANSWER_BYTES - 100; i++)
		json_len +=
			(size_t)sprintf(json + json_len,
					"%s{\"id\":%u,\"name\":\"a thing with a name\",\"kind\":"
					"\"film\",\"price\":%u.25}",
					i > 1 ? "," : "", i, i);
	json_len += (size_t)sprintf(json + json_len, "],\"total\":7}");
}

int main(void)
{
	static struct sl_config_route route = {.model = "chat", .validate = {.pii_out = 0x7f}};
	static struct sl_openai_request facts = {.endpoint = SL_OPENAI_CHAT};
	static struct sl_stores stores;
	struct sl_stage stage = {.route = &route, .stores = &stores, .facts = &facts};

	make_texts();
	sl_arena_init(&scratch, 65536, 64u << 20);
	sl_text_init(&out, 0);
	sl_screen_init(&screen, SL_PII_ALL, SL_SCREEN_REDACT);
	if (sl_schema_compile(schema_text, sizeof(schema_text) - 1, 0, 0, &schema, NULL) ||
	    sl_pattern_compile(list_text, sizeof(list_text) - 1, &list, NULL) ||
	    sl_validate_filter(&stage, &filter))
		abort();
	measure("schema of an answer of 4 KB", run_schema);
	measure("  compiling it, once", run_compile);
	measure("personal data in an answer of 4 KB", run_pii);
	measure("a list of 7 patterns in an answer of 4 KB", run_list);
	measure("all three", run_all);
	measure("a chunk of a stream, personal data", run_chunk);
	measure("  of which printing the chunk, for comparison", run_print);
	filter->fini(filter, true);
	return 0;
}
