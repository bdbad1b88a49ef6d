/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was sent, and what another stream may add to it: tables of chunks, one line a case, and every
 * way to cut a text into chunks on both sides.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include "user/wire/splice.h"

#define CHUNKS_MAX 6

#define ID(name) "\"id\":\"" name "\",\"created\":1,\"model\":\"m\","
#define DELTA(name, delta) \
	"{" ID(name) "\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}]}"
#define FIRST(delta) DELTA("A", delta)
#define AGAIN(delta) DELTA("B", delta)
#define END(name) \
	"{" ID(name) "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}"
#define USAGE(name, p, c)                                                                         \
	"{" ID(name) "\"choices\":[],\"usage\":{\"prompt_tokens\":" p ",\"completion_tokens\":" c \
		     "}}"
#define CALL(index, more) "\"tool_calls\":[{\"index\":" index "," more "}]"
#define NAMED(id, name, args)                                                    \
	"\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":\"" args "\"}"
#define ARGS(args) "\"function\":{\"arguments\":\"" args "\"}"

struct splice_case {
	const char *name;
	enum sl_splice_way way;
	const char *sent[CHUNKS_MAX];
	const char *again[CHUNKS_MAX];
	/* of each: NULL held back, "!" differs, else what the client gets */
	const char *wanted[CHUNKS_MAX];
};

static const struct splice_case cases[] = {
	{"the same pieces",
	 SL_SPLICE_RESTART,
	 {FIRST("\"role\":\"assistant\",\"content\":\"\""), FIRST("\"content\":\"a\"")},
	 {AGAIN("\"role\":\"assistant\",\"content\":\"\""), AGAIN("\"content\":\"a\""),
	  AGAIN("\"content\":\"b\""), END("B")},
	 {NULL, NULL, FIRST("\"content\":\"b\""), END("A")}},
	{"one piece over the edge",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"ab\"")},
	 {AGAIN("\"content\":\"a\""), AGAIN("\"content\":\"b\\\"c\"")},
	 {NULL, FIRST("\"content\":\"\\\"c\"")}},
	{"escapes do not count",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"\\u00e9/\"")},
	 {AGAIN("\"content\":\"\303\251\\/x\"")},
	 {FIRST("\"content\":\"x\"")}},
	{"another text",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"ab\"")},
	 {AGAIN("\"content\":\"ac\"")},
	 {"!"}},
	{"it ends before",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"ab\"")},
	 {AGAIN("\"content\":\"a\""), END("B")},
	 {NULL, "!"}},
	{"usage before",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"ab\"")},
	 {AGAIN("\"content\":\"a\""), USAGE("B", "1", "2")},
	 {NULL, NULL}},
	{"reasoning, then content",
	 SL_SPLICE_RESTART,
	 {FIRST("\"reasoning_content\":\"hm\""), FIRST("\"content\":\"a\"")},
	 {AGAIN("\"reasoning_content\":\"h\""), AGAIN("\"reasoning_content\":\"m\""),
	  AGAIN("\"content\":\"ab\"")},
	 {NULL, NULL, FIRST("\"content\":\"b\"")}},
	{"content before the reasoning is all there",
	 SL_SPLICE_RESTART,
	 {FIRST("\"reasoning_content\":\"hm\"")},
	 {AGAIN("\"reasoning_content\":\"h\""), AGAIN("\"content\":\"a\"")},
	 {NULL, "!"}},
	{"both names of reasoning at once",
	 SL_SPLICE_RESTART,
	 {FIRST("\"reasoning\":\"h\",\"reasoning_content\":\"h\"")},
	 {AGAIN("\"reasoning\":\"hm\",\"reasoning_content\":\"hm\"")},
	 {FIRST("\"reasoning\":\"m\",\"reasoning_content\":\"m\"")}},
	{"a call: the id does not count, the client keeps the first",
	 SL_SPLICE_RESTART,
	 {FIRST(CALL("0", NAMED("x", "f", ""))), FIRST(CALL("0", ARGS("{")))},
	 {AGAIN(CALL("0", NAMED("y", "f", ""))), AGAIN(CALL("0", ARGS("{\\\"a\\\""))),
	  AGAIN(CALL("0", ARGS(":1}")))},
	 {NULL, FIRST("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"a\\\"\"}}]"),
	  FIRST(CALL("0", ARGS(":1}")))}},
	{"a call of another function",
	 SL_SPLICE_RESTART,
	 {FIRST(CALL("0", NAMED("x", "f", "")))},
	 {AGAIN(CALL("0", NAMED("y", "fo", "")))},
	 {"!"}},
	{"other arguments",
	 SL_SPLICE_RESTART,
	 {FIRST(CALL("0", NAMED("x", "f", "{1")))},
	 {AGAIN(CALL("0", NAMED("y", "f", "{2")))},
	 {"!"}},
	{"a second call is new",
	 SL_SPLICE_RESTART,
	 {FIRST(CALL("0", NAMED("x", "f", "{}")))},
	 {AGAIN(CALL("0", NAMED("y", "f", "{}"))), AGAIN(CALL("1", NAMED("z", "g", "{}")))},
	 {NULL, FIRST(CALL("1", NAMED("z", "g", "{}")))}},
	{"a second call, cut in its arguments",
	 SL_SPLICE_RESTART,
	 {FIRST(CALL("0", NAMED("x", "f", "{}"))), FIRST(CALL("1", NAMED("y", "g", "{")))},
	 {AGAIN(CALL("0", NAMED("v", "f", "{}"))), AGAIN(CALL("1", NAMED("w", "g", "{}")))},
	 {NULL, FIRST("\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"}\"}}]")}},
	{"finished before: only the end is missing",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"a\""), END("A")},
	 {AGAIN("\"content\":\"a\""), END("B"), USAGE("B", "3", "1")},
	 {NULL, NULL, USAGE("A", "3", "1")}},
	{"finished before, and the end comes with usage",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"a\""), END("A")},
	 {AGAIN("\"content\":\"a\""),
	  "{" ID("B") "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],"
		      "\"usage\":{\"prompt_tokens\":1}}"},
	 {NULL, "{" ID("A") "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}],"
			    "\"usage\":{\"prompt_tokens\":1}}"}},
	{"arguments of one call are not those of another",
	 SL_SPLICE_RESTART,
	 {FIRST(CALL("0", NAMED("x", "f", "{"))), FIRST(CALL("1", NAMED("y", "g", "{"))),
	  FIRST(CALL("0", ARGS("}")))},
	 {AGAIN(CALL("0", NAMED("v", "f", "{"))), AGAIN(CALL("1", NAMED("w", "g", "{}")))},
	 {NULL, "!"}},
	{"finished, and more behind it",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"a\""), END("A")},
	 {"{" ID("B") "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ab\"},"
		      "\"finish_reason\":\"stop\"}]}"},
	 {"!"}},
	{"finished otherwise",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"a\""), END("A")},
	 {AGAIN("\"content\":\"a\""),
	  "{" ID("B") "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}]}"},
	 {NULL, "!"}},
	{"a rest",
	 SL_SPLICE_CONTINUE,
	 {FIRST("\"role\":\"assistant\",\"content\":\"a\"")},
	 {AGAIN("\"role\":\"assistant\",\"content\":\"\""), AGAIN("\"content\":\"b\""), END("B"),
	  USAGE("B", "14", "3")},
	 {NULL, FIRST("\"content\":\"b\""), END("A"), USAGE("A", "10", "7")}},
	{"a role in every chunk",
	 SL_SPLICE_CONTINUE,
	 {FIRST("\"role\":\"assistant\",\"content\":\"a\"")},
	 {AGAIN("\"role\":\"assistant\",\"content\":\"b\"")},
	 {FIRST("\"content\":\"b\"")}},
	{"blanks come again",
	 SL_SPLICE_CONTINUE,
	 {FIRST("\"content\":\"a\\n\\n\"")},
	 {AGAIN("\"content\":\"\\n\""), AGAIN("\"content\":\"\\nb\""),
	  AGAIN("\"content\":\"\\n\"")},
	 {NULL, FIRST("\"content\":\"b\""), FIRST("\"content\":\"\\n\"")}},
	{"blanks do not come again",
	 SL_SPLICE_CONTINUE,
	 {FIRST("\"content\":\"a \"")},
	 {AGAIN("\"content\":\"b\""), AGAIN("\"content\":\" c\"")},
	 {FIRST("\"content\":\"b\""), FIRST("\"content\":\" c\"")}},
	{"a rest that calls",
	 SL_SPLICE_CONTINUE,
	 {FIRST("\"content\":\"a\"")},
	 {AGAIN(CALL("0", NAMED("y", "f", "{}")))},
	 {FIRST(CALL("0", NAMED("y", "f", "{}")))}},
	{"a chunk of neither choice nor usage",
	 SL_SPLICE_RESTART,
	 {FIRST("\"content\":\"a\"")},
	 {"{\"id\":\"B\",\"choices\":[],\"prompt_filter_results\":[1]}",
	  AGAIN("\"content\":\"ab\"")},
	 {NULL, FIRST("\"content\":\"b\"")}},
};

static void one_case(const struct splice_case *c)
{
	struct sl_splice splice;
	struct sl_text out;
	size_t i;

	sl_splice_init(&splice);
	for (i = 0; i < CHUNKS_MAX && c->sent[i]; i++)
		assert_int_equal(sl_splice_note(&splice, c->sent[i], strlen(c->sent[i])), 0);
	sl_splice_begin(&splice, c->way, true, 4);
	for (i = 0; i < CHUNKS_MAX && c->again[i]; i++) {
		enum sl_splice_verdict verdict;
		const char *got;

		sl_text_init(&out, 0);
		verdict = sl_splice_put(&splice, c->again[i], strlen(c->again[i]), &out);
		got = verdict == SL_SPLICE_DIFFERS ? "!" : sl_text_string(&out);
		if (verdict == SL_SPLICE_HOLD ? c->wanted[i] != NULL
					      : !c->wanted[i] || strcmp(got, c->wanted[i]))
			fail_msg("%s: chunk %zu: got %s, wanted %s", c->name, i,
				 verdict == SL_SPLICE_HOLD ? "nothing" : got,
				 c->wanted[i] ? c->wanted[i] : "nothing");
		sl_text_fini(&out);
		if (verdict == SL_SPLICE_DIFFERS)
			break;
	}
	sl_splice_fini(&splice);
}

static void tables(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		one_case(&cases[i]);
}

/* Writes text[from..to) as a chunk. */
static int chunk_of(char *out, size_t size, const char *text, size_t from, size_t to)
{
	char part[64];

	snprintf(part, sizeof(part), "%.*s", (int)(to - from), text + from);
	return snprintf(out, size,
			"{" ID("B") "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}",
			part);
}

static void collect(struct sl_text *whole, const struct sl_text *out)
{
	static const char key[] = "\"content\":\"";
	const char *at = out->len ? strstr(out->data, key) : NULL;

	if (!at)
		return;
	at += sizeof(key) - 1;
	sl_text_append(whole, at, strcspn(at, "\""));
}

/* Two breaks: sent up to i, restarted and broken again at j, restarted again in pieces of k. */
static void every_cut(void **state)
{
	static const char text[] = "abcabcabdabc";
	const size_t len = sizeof(text) - 1;
	size_t i, j, k, at;
	char chunk[256];

	(void)state;
	for (i = 1; i <= len; i++)
		for (j = 1; j <= len; j++)
			for (k = 1; k <= len; k++) {
				struct sl_text whole, out;
				struct sl_splice splice;
				size_t ends[2] = {j, len}, step[2] = {2, k};
				int n, turn;

				sl_splice_init(&splice);
				sl_text_init(&whole, 0);
				sl_text_append(&whole, text, i);
				n = chunk_of(chunk, sizeof(chunk), text, 0, i);
				assert_int_equal(sl_splice_note(&splice, chunk, (size_t)n), 0);
				for (turn = 0; turn < 2; turn++) {
					sl_splice_begin(&splice, SL_SPLICE_RESTART, false, 1);
					for (at = 0; at < ends[turn]; at += step[turn]) {
						size_t to = at + step[turn] < ends[turn]
								    ? at + step[turn]
								    : ends[turn];

						sl_text_init(&out, 0);
						n = chunk_of(chunk, sizeof(chunk), text, at, to);
						assert_int_not_equal(sl_splice_put(&splice, chunk,
										   (size_t)n, &out),
								     SL_SPLICE_DIFFERS);
						collect(&whole, &out);
						sl_text_fini(&out);
					}
				}
				assert_string_equal(whole.data, text);
				assert_true(sl_splice_caught_up(&splice));
				sl_text_fini(&whole);
				sl_splice_fini(&splice);
			}
}

/* The short way of noting takes the same text as the long one, whatever stands in it. */
static void both_ways_of_noting(void **state)
{
	static const char *const texts[] = {
		"a",	 "",  " b",	  "\\n",     "\\\"",
		"c\\\\", "d", "\303\251", "\\u00e9", "\\\",\\\"content\\\":\\\"",
	};
	const size_t count = sizeof(texts) / sizeof(texts[0]);
	struct sl_splice fast, slow;
	char chunk[256];
	size_t i, k;
	int n;

	(void)state;
	for (i = 0; i < count; i++) {
		sl_splice_init(&fast);
		sl_splice_init(&slow);
		for (k = 0; k < 3 * count; k++) {
			n = snprintf(chunk, sizeof(chunk),
				     "{" ID("A") "\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}",
				     texts[(i + k * (k + 1) / 2) % count]);
			assert_int_equal(sl_json_check(chunk, (size_t)n, NULL), 0);
			assert_int_equal(sl_splice_note(&fast, chunk, (size_t)n), 0);
			sl_text_reset(&slow.form);
			assert_int_equal(sl_splice_note(&slow, chunk, (size_t)n), 0);
		}
		assert_true(fast.form.len > 0);
		assert_string_equal(sl_text_string(&fast.sent[SL_SPLICE_CONTENT]),
				    sl_text_string(&slow.sent[SL_SPLICE_CONTENT]));
		sl_splice_fini(&fast);
		sl_splice_fini(&slow);
	}
}

/* A chunk that only looks like the last one: what is between the ends is more than a text. */
static void form_is_no_guess(void **state)
{
	static const char plain[] = FIRST("\"content\":\"a\"");
	static const char more[] = FIRST("\"content\":\"b\",\"refusal\":\"c\"");
	struct sl_splice splice;

	(void)state;
	sl_splice_init(&splice);
	assert_int_equal(sl_splice_note(&splice, plain, sizeof(plain) - 1), 0);
	assert_int_equal(sl_splice_note(&splice, plain, sizeof(plain) - 1), 0);
	assert_int_equal(sl_splice_note(&splice, more, sizeof(more) - 1), 0);
	assert_string_equal(splice.sent[SL_SPLICE_CONTENT].data, "aab");
	assert_string_equal(splice.sent[SL_SPLICE_REFUSAL].data, "c");
	sl_splice_fini(&splice);
}

/* Over the bound in the middle of a rest: it goes on all the same, once. */
static void rest_over_the_bound(void **state)
{
	static const char plain[] = AGAIN("\"content\":\"a\"");
	static char long_chunk[SL_SPLICE_BYTES_MAX + 128];
	struct sl_splice splice;
	struct sl_text out;
	int n;

	(void)state;
	sl_splice_init(&splice);
	assert_int_equal(sl_splice_note(&splice, FIRST("\"content\":\"a\""),
					strlen(FIRST("\"content\":\"a\""))),
			 0);
	sl_splice_begin(&splice, SL_SPLICE_CONTINUE, true, 1);
	sl_text_init(&out, 0);
	n = snprintf(long_chunk, sizeof(long_chunk),
		     "{\"id\":\"B\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%0*d\"}}]}",
		     (int)SL_SPLICE_BYTES_MAX, 0);
	assert_int_equal(sl_splice_put(&splice, long_chunk, (size_t)n, &out), SL_SPLICE_PASS);
	assert_true(splice.lost && splice.too_long);
	sl_text_reset(&out);
	assert_int_equal(sl_splice_put(&splice, plain, sizeof(plain) - 1, &out), SL_SPLICE_PASS);
	assert_string_equal(sl_text_string(&out), FIRST("\"content\":\"a\""));
	sl_text_fini(&out);
	sl_splice_fini(&splice);
}

static void what_cannot_be_noted(void **state)
{
	static const char *const strange[] = {
		"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"a\"}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{}},{\"index\":1,\"delta\":{}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"audio\":{\"data\":\"x\"}}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"text\":\"a\"}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"logprobs\":{}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"function\":{}}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"function_call\":{\"name\":\"f\"}}}]}",
		"[1]",
	};
	struct sl_splice splice;
	static char long_chunk[SL_SPLICE_BYTES_MAX + 128];
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < sizeof(strange) / sizeof(strange[0]); i++) {
		sl_splice_init(&splice);
		if (sl_splice_note(&splice, strange[i], strlen(strange[i])) != -ENOTSUP ||
		    !splice.lost)
			fail_msg("noted: %s", strange[i]);
		sl_splice_fini(&splice);
	}
	sl_splice_init(&splice);
	n = snprintf(long_chunk, sizeof(long_chunk),
		     "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%0*d\"}}]}",
		     (int)SL_SPLICE_BYTES_MAX, 0);
	assert_int_equal(sl_splice_note(&splice, long_chunk, (size_t)n), 0);
	assert_int_equal(sl_splice_note(&splice, FIRST("\"content\":\"a\""),
					strlen(FIRST("\"content\":\"a\""))),
			 -E2BIG);
	assert_true(splice.lost);
	sl_splice_fini(&splice);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(both_ways_of_noting),
		cmocka_unit_test(form_is_no_guess),
		cmocka_unit_test(rest_over_the_bound),
		cmocka_unit_test(what_cannot_be_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
