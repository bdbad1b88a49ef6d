/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What checks of answers cost: CPU time each, see timing.h and bar.h. The line behind says the same in passes
 * of sl_json_check() over the JSON answer of 4 KB, measured just before and behind: a busy machine slows
 * both. Then how long a stream's text is held back: by tokens of a stream, and what that is at 50 tokens a
 * second.
 *
 *	build/bench/validate
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bar.h"
#include "tests/bench/timing.h"
#include "user/stage/validate.h"
#include "user/stage/validate_lists.h"
#include "user/stage/validate_screen.h"
#include "user/wire/pattern.h"
#include "user/wire/schema.h"

#define ANSWER_BYTES 4096

static const char prose[] =
	"The order of 12 March 2024 has 3 items and weighs 4.5 kg; it leaves the warehouse on "
	"Monday, "
	"so you can expect it within 2 to 4 working days. If it has not come by then, tell us. ";

static const char numbers[] =
	"1024 2048 +41 44 555 12 7 3.14159 2024-03-12 99 100 12:30 4711 0815 x7 ";

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

static void measure(const char *name, size_t (*run)(void), double bar)
{
	double before = timing_ns(run_check), ns = timing_ns(run), behind = timing_ns(run_check);

	bar_print(name, ns / 1000, "us", bar > 0 ? BAR_AT_MOST : BAR_NONE, bar);
	printf("    = %.2f passes of sl_json_check()\n", 2 * ns / (before + behind));
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

/* The whole stage, as a request with response_format has it: nothing is wrong with the answer. */
static struct sl_text question, body;
static struct sl_openai_request asked;
static struct sl_stores stage_stores;
static struct sl_config_route stage_route = {.model = "chat",
					     .validate = {.pii_out = SL_PII_ALL, .schema = 1}};
static struct sl_stage stage_ = {.route = &stage_route, .stores = &stage_stores, .facts = &asked};

static void make_stage(void)
{
	struct sl_openai_error error;

	sl_text_init(&question, 0);
	sl_text_init(&body, 0);
	sl_text_printf(&question,
		       "{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"List "
		       "them.\"}],\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{"
		       "\"name\":\"n\",\"schema\":%s}}}",
		       schema_text);
	sl_text_append_string(&body,
			      "{\"id\":\"x\",\"object\":\"chat.completion\",\"choices\":[{"
			      "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
	sl_text_append_json(&body, json, json_len);
	sl_text_append_string(&body, "\"},\"finish_reason\":\"stop\"}]}");
	stage_stores.schemas = sl_schema_cache_open();
	if (!stage_stores.schemas ||
	    sl_openai_request_read(SL_OPENAI_CHAT, question.data, question.len, &asked, &error))
		abort();
	stage_.reply = (struct sl_stage_reply){.status = 200, .body = sl_text_span(&body)};
}

static size_t run_stage(void)
{
	if (sl_validate_after(&stage_) != SL_STAGE_GO_ON)
		abort();
	return body.len;
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

/* The same filter with the list besides, from a file as a route names it. */
static void make_listed(struct sl_stage *stage)
{
	static char path[] = "/tmp/sluice-bench-list-XXXXXX";
	static struct sl_config_route routes[1];
	struct sl_config config = {.routes = routes, .route_count = 1};
	int fd = mkstemp(path);

	routes[0] = *stage->route;
	routes[0].validate.lists_out.paths[0] = path;
	routes[0].validate.lists_out.count = 1;
	stage->route = routes;
	stage_stores.lists = sl_validate_lists_open();
	stage->stores = &stage_stores;
	if (fd < 0 || write(fd, list_text, sizeof(list_text) - 1) != sizeof(list_text) - 1 ||
	    !stage_stores.lists || sl_validate_lists_load(stage_stores.lists, &config, false) ||
	    sl_validate_filter(stage, &filter))
		abort();
	close(fd);
	unlink(path);
}

/* The answer of 4 KB as a stream of its schema, four bytes a chunk, again and again. */
static size_t run_schema_chunk(void)
{
	static struct sl_stage_filter *schemed;
	static size_t at;
	char chunk[256];
	struct sl_openai_chunk facts = {.flags = SL_OPENAI_CHUNK_TOKEN};
	struct sl_text piece;
	int len;

	if (!schemed && sl_validate_filter(&stage_, &schemed))
		abort();
	sl_text_init(&piece, 64);
	sl_text_append_json(&piece, json + at, json_len - at < 4 ? json_len - at : 4);
	len = snprintf(
		chunk, sizeof(chunk),
		"{\"id\":\"chatcmpl-0123456789\",\"object\":\"chat.completion.chunk\","
		"\"created\":1700000000,\"model\":\"llama-3\",\"choices\":[{\"index\":0,"
		"\"delta\":{\"content\":\"%.*s\"},\"logprobs\":null,\"finish_reason\":null}]}",
		(int)piece.len, piece.data);
	sl_text_fini(&piece);
	sl_text_reset(&out);
	if (schemed->data(schemed, chunk, (size_t)len, &facts, &out) >= SL_FILTER_CLOSE)
		abort();
	at += 4;
	if (at >= json_len) {
		schemed->fini(schemed, true);
		schemed = NULL;
		at = 0;
	}
	return out.len + 1;
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

/* ---- hold-back ------------------------------------------------------------------------------- */

#define TOKENS_MAX 4096u
#define TOKEN_US   20000.0 /* of a stream of 50 tokens a second */

/* What models make of text, about: words with the blank before them, four letters at most; digits one by one. */
static size_t token_len(const char *text)
{
	size_t len = text[0] == ' ';

	if (text[len] >= '0' && text[len] <= '9')
		return len + 1;
	while (text[len] && len < 5 && text[len] != ' ' && (text[len] < '0' || text[len] > '9'))
		len++;
	return len ? len : 1;
}

/* For each token: how many more had to come until its last byte was out. */
static void measure_hold(const char *name, unsigned int kinds, bool listed, const char *text)
{
	static size_t ends[TOKENS_MAX];
	static double waits[TOKENS_MAX];
	struct sl_screen screen_;
	size_t count = 0, out_count = 0, len = strlen(text);
	double sum = 0;
	char title[96];

	sl_screen_init(&screen_, kinds, SL_SCREEN_REDACT);
	if (listed) {
		screen_.lists = &list;
		screen_.list_count = 1;
	}
	sl_text_reset(&out);
	for (size_t at = 0; count + 1 < TOKENS_MAX && count < 1000; count++) {
		size_t token = token_len(text + at);

		if (sl_screen_feed(&screen_, text + at, token, false, &out))
			abort();
		ends[count] = (count ? ends[count - 1] : 0) + token;
		at = (at + token) % len;
		for (; out_count <= count && ends[out_count] <= out.len; out_count++)
			waits[out_count] = (double)(count - out_count);
	}
	sl_screen_fini(&screen_);
	qsort(waits, out_count, sizeof(waits[0]), timing_compare);
	for (size_t i = 0; i < out_count; i++)
		sum += waits[i];
	snprintf(title, sizeof(title), "%s, mean", name);
	bar_print(title, sum / (double)out_count, "tok", BAR_NONE, 0);
	printf("    p50 %.0f, p99 %.0f, most %.0f tokens: %.0f us, %.0f us, %.0f us at 50 a "
	       "second\n",
	       waits[out_count / 2], waits[out_count * 99 / 100], waits[out_count - 1],
	       waits[out_count / 2] * TOKEN_US, waits[out_count * 99 / 100] * TOKEN_US,
	       waits[out_count - 1] * TOKEN_US);
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
	measure("schema of an answer of 4 KB", run_schema, 0);
	measure("  compiling it, once", run_compile, 0);
	measure("personal data in an answer of 4 KB", run_pii, 0);
	measure("a list of 7 patterns in an answer of 4 KB", run_list, 0);
	measure("schema, personal data and a list: an answer of 4 KB", run_all, 20);
	make_stage();
	measure("the whole stage: an answer of 4 KB as its schema says", run_stage, 20);
	measure("a chunk of a stream, personal data", run_chunk, 1);
	filter->fini(filter, true);
	make_listed(&stage);
	measure("a chunk of a stream, personal data and a list", run_chunk, 1);
	stage_route.validate.pii_out = 0;
	measure("a chunk of a stream, its schema", run_schema_chunk, 1);
	measure("  of which printing the chunk, which is the bench's own", run_print, 0);
	filter->fini(filter, true);
	measure_hold("held back: prose, personal data", SL_PII_ALL, false, prose);
	measure_hold("held back: prose, personal data and the list", SL_PII_ALL, true, prose);
	measure_hold("held back: numbers, personal data", SL_PII_ALL, false, numbers);
	return 0;
}
