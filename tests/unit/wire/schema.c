/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON Schema: what is valid, what is refused and why, bounds, the cache. The test suite of others
 * runs in tests/e2e/schema.sh; here is what it does not have: newer drafts, reasons, refusals.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/wire/schema.h"
#include "user/wire/schema_parts.h"
#include "user/wire/schema_stream.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct sl_arena scratch;
static struct sl_error error;

static struct sl_schema *compile(const char *text)
{
	struct sl_schema *schema = NULL;
	int rc = sl_schema_compile(text, strlen(text), SL_SCHEMA_DRAFT_2020, SL_SCHEMA_FORMATS,
				   &schema, &error);

	if (rc)
		fail_msg("%s: %d %s", text, rc, error.text);
	return schema;
}

static int check(const struct sl_schema *schema, const char *text)
{
	size_t len = strlen(text);
	char *copy = sl_guard_copy(text, len);
	int rc;

	sl_arena_reset(&scratch);
	rc = sl_schema_check(schema, copy, len, &scratch, &error);
	sl_guard_free(copy, len);
	return rc;
}

struct verdict {
	const char *schema;
	const char *good[6];
	const char *bad[6];
};

static const struct verdict verdicts[] = {
	{"true", {"1", "{}"}, {NULL}},
	{"false", {NULL}, {"1", "{}"}},
	{"{}", {"1", "[[]]"}, {"", "{", "[1,]"}},
	{"{\"type\":\"integer\"}", {"1", "-3", "1.0", "1e3", "100e-2"}, {"1.5", "\"1\"", "1e-1"}},
	{"{\"type\":[\"string\",\"null\"]}", {"\"\"", "null"}, {"1", "false"}},
	{"{\"const\":{\"a\":[1,\"x\"]}}", {"{\"a\":[1.0,\"\\u0078\"]}"}, {"{\"a\":[1]}", "{}"}},
	{"{\"enum\":[\"red\",1,null]}", {"\"red\"", "1", "null"}, {"\"RED\"", "2", "false"}},
	{"{\"enum\":[]}", {NULL}, {"1"}},
	{"{\"minimum\":1,\"exclusiveMaximum\":2}", {"1", "1.99", "\"x\""}, {"0.99", "2"}},
	{"{\"exclusiveMinimum\":1,\"minimum\":1}", {"1.1"}, {"1"}},
	{"{\"exclusiveMinimum\":1,\"minimum\":2}", {"2"}, {"1.5"}},
	{"{\"minimum\":2,\"exclusiveMinimum\":1}", {"2"}, {"1.5"}},
	{"{\"maximum\":9007199254740993}", {"9007199254740993"}, {"9007199254740994"}},
	{"{\"multipleOf\":0.1}", {"0.3", "1", "1.10", "-0.7"}, {"0.35", "0.01"}},
	{"{\"multipleOf\":1e-8}", {"12391239123"}, {"1e-9"}},
	{"{\"multipleOf\":7}", {"7e300", "0"}, {"1e300"}},
	{"{\"minLength\":2,\"maxLength\":3}",
	 {"\"ab\"", "\"\xc3\xa9\xc3\xa9\xc3\xa9\"", "\"\\ud83d\\ude00x\"", "1"},
	 {"\"a\"", "\"abcd\"", "\"\\ud83d\\ude00\""}},
	{"{\"pattern\":\"^[a-z]{2}\\\\d+$\"}", {"\"ab1\""}, {"\"ab\"", "\"ab1\\n\""}},
	{"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"integer\"}}",
	 {"[]", "[\"a\"]", "[\"a\",1,2]"},
	 {"[1]", "[\"a\",\"b\"]"}},
	{"{\"items\":false}", {"[]"}, {"[1]"}},
	{"{\"minItems\":1,\"maxItems\":2,\"uniqueItems\":true}",
	 {"[1]", "[1,\"1\"]", "[{\"a\":1},{\"a\":2}]"},
	 {"[]", "[1,2,3]", "[1,1.0]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]"}},
	{"{\"contains\":{\"const\":1},\"minContains\":2,\"maxContains\":3}",
	 {"[1,1]", "[1,2,1,1]"},
	 {"[1]", "[1,1,1,1]"}},
	{"{\"contains\":{\"const\":1},\"minContains\":0}", {"[]"}, {NULL}},
	{"{\"properties\":{\"a\":{\"type\":\"string\"},\"b\":{}},\"required\":[\"a\",\"c\"]}",
	 {"{\"a\":\"x\",\"c\":1}", "{\"c\":1,\"\\u0061\":\"\",\"z\":0}", "[]"},
	 {"{\"a\":\"x\"}", "{\"a\":1,\"c\":1}", "{}"}},
	{"{\"properties\":{\"a\":{}},\"patternProperties\":{\"^x\":{\"type\":\"null\"}},"
	 "\"additionalProperties\":false}",
	 {"{\"a\":1,\"x1\":null}"},
	 {"{\"b\":1}", "{\"x1\":1}"}},
	{"{\"additionalProperties\":{\"type\":\"integer\"}}", {"{\"a\":1}"}, {"{\"a\":\"\"}"}},
	/* what is required is named before the properties, behind them, more than once, or alone */
	{"{\"required\":[\"c\",\"b\",\"c\"],\"properties\":{\"a\":{},\"b\":{\"type\":\"null\"}},"
	 "\"additionalProperties\":{\"type\":\"integer\"}}",
	 {"{\"a\":1,\"b\":null,\"c\":1}", "{\"b\":null,\"x\":2,\"c\":1}", "{\"c\":1,\"b\":null}"},
	 {"{\"b\":null,\"x\":2}", "{\"c\":1,\"a\":1}", "{\"b\":1,\"c\":1}"}},
	{"{\"properties\":{\"a\":{},\"b\":{\"type\":\"null\"}},\"required\":[\"c\",\"b\",\"c\"],"
	 "\"additionalProperties\":{\"type\":\"integer\"}}",
	 {"{\"a\":1,\"b\":null,\"c\":1}", "{\"b\":null,\"x\":2,\"c\":1}", "{\"c\":1,\"b\":null}"},
	 {"{\"b\":null,\"x\":2}", "{\"c\":1,\"a\":1}", "{\"b\":1,\"c\":1}"}},
	{"{\"items\":{\"required\":[\"b\"],\"properties\":{\"b\":{\"properties\":{\"b\":{},\"c\":{}"
	 "},"
	 "\"required\":[\"c\"]}}}}",
	 {"[{\"b\":{\"b\":1,\"c\":1,\"x\":1},\"x\":2}]", "[{\"x\":1,\"b\":{\"c\":1,\"b\":1}}]"},
	 {"[{\"b\":{\"b\":1,\"x\":1},\"x\":2}]", "[{\"c\":1}]"}},
	/* names for people may come twice, nobody reads them */
	{"{\"x-a\":1,\"x-a\":2}", {"1"}, {NULL}},
	{"{\"propertyNames\":{\"maxLength\":2}}", {"{\"ab\":1}"}, {"{\"abc\":1}"}},
	{"{\"minProperties\":1,\"maxProperties\":1}", {"{\"a\":1}"}, {"{}", "{\"a\":1,\"b\":1}"}},
	{"{\"dependentRequired\":{\"a\":[\"b\"]}}", {"{}", "{\"a\":1,\"b\":1}"}, {"{\"a\":1}"}},
	{"{\"dependentSchemas\":{\"a\":{\"minProperties\":2}}}", {"{\"b\":1}"}, {"{\"a\":1}"}},
	{"{\"dependencies\":{\"a\":[\"b\"],\"c\":{\"required\":[\"d\"]}}}",
	 {"{\"a\":1,\"b\":1}", "{\"c\":1,\"d\":1}"},
	 {"{\"a\":1}", "{\"c\":1}"}},
	{"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", {"2"}, {"0", "4"}},
	{"{\"anyOf\":[{\"type\":\"string\"},{\"minimum\":3}]}", {"\"\"", "3"}, {"1"}},
	{"{\"oneOf\":[{\"minimum\":1},{\"maximum\":3}]}", {"0", "4"}, {"2"}},
	{"{\"not\":{\"type\":\"string\"}}", {"1"}, {"\"\""}},
	{"{\"if\":{\"minimum\":10},\"then\":{\"multipleOf\":10},\"else\":{\"maximum\":5}}",
	 {"20", "5"},
	 {"15", "6"}},
	{"{\"if\":{\"const\":1}}", {"1", "2"}, {NULL}},
	{"{\"$defs\":{\"n\":{\"type\":\"object\",\"properties\":{\"next\":{\"anyOf\":[{\"type\":"
	 "\"null\"},{\"$ref\":\"#/$defs/n\"}]}},\"required\":[\"next\"]}},\"$ref\":\"#/$defs/n\"}",
	 {"{\"next\":null}", "{\"next\":{\"next\":null}}"},
	 {"{}", "{\"next\":{\"next\":1}}"}},
	{"{\"$ref\":\"#/$defs/a~1b\",\"$defs\":{\"a/b\":{\"minimum\":1}},\"maximum\":5}",
	 {"3"},
	 {"0", "6"}},
	{"{\"$ref\":\"#/$defs/a%25b~0\",\"$defs\":{\"a%b~\":{\"minimum\":1}}}", {"3"}, {"0"}},
	{"{\"$ref\":\"#word\",\"$defs\":{\"x\":{\"$anchor\":\"word\",\"minimum\":1}}}",
	 {"1"},
	 {"0"}},
	{"{\"$id\":\"http://x.test/s\",\"$ref\":\"http://x.test/s#/$defs/x\",\"$defs\":{\"x\":{"
	 "\"minimum\":1}}}",
	 {"1"},
	 {"0"}},
	{"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":[{\"const\":1}],"
	 "\"additionalItems\":false}",
	 {"[]", "[1]"},
	 {"[2]", "[1,1]"}},
	{"{\"$schema\":\"http://json-schema.org/draft-04/schema#\",\"minimum\":1,"
	 "\"exclusiveMinimum\":true}",
	 {"1.1"},
	 {"1"}},
	{"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/definitions/x\","
	 "\"maximum\":1,\"definitions\":{\"x\":{\"type\":\"integer\"}}}",
	 {"5"},
	 {"\"\""}},
	{"{\"title\":\"t\",\"description\":\"d\",\"default\":1,\"examples\":[1],\"x-mine\":{},"
	 "\"readOnly\":true}",
	 {"1"},
	 {NULL}},
	{"{\"format\":\"date-time\"}",
	 {"\"2024-02-29T23:59:60Z\"", "\"1990-12-31T15:59:60.1-08:00\"", "7"},
	 {"\"2023-02-29T00:00:00Z\"", "\"2024-02-29T24:00:00Z\"", "\"2024-02-29 00:00:00\""}},
	{"{\"format\":\"date\"}",
	 {"\"2000-02-29\""},
	 {"\"1900-02-29\"", "\"2000-13-01\"", "\"00-1-1\""}},
	{"{\"format\":\"time\"}", {"\"08:30:06Z\""}, {"\"08:30:06\"", "\"8:30:06Z\""}},
	{"{\"format\":\"duration\"}",
	 {"\"P4DT12H30M5S\"", "\"P2W\"", "\"PT36H\"", "\"P1Y\""},
	 {"\"PT\"", "\"P\"", "\"P1D2H\"", "\"P1Y2W\"", "\"P2D1Y\""}},
	{"{\"format\":\"email\"}",
	 {"\"joe.bloggs@example.com\"", "\"a+b@x\"", "\"\\\"a b\\\"@x.y\"", "\"a@[127.0.0.1]\""},
	 {"\"2962\"", "\".a@x\"", "\"a..b@x\"", "\"a@b@c\"", "\"a@\""}},
	{"{\"format\":\"hostname\"}",
	 {"\"www.example.com\"", "\"1host\"", "\"xn--ihqwcrb4cv8a\""},
	 {"\"-a\"", "\"a_b\"", "\"a..b\"", "\"a-\"", "\"ab--cd\""}},
	{"{\"format\":\"ipv4\"}",
	 {"\"192.168.0.1\""},
	 {"\"127.0.0\"", "\"256.1.1.1\"", "\"01.1.1.1\""}},
	{"{\"format\":\"ipv6\"}",
	 {"\"::1\"", "\"::\"", "\"1:2:3:4:5:6:7:8\"", "\"::ffff:1.2.3.4\"", "\"1::\""},
	 {"\"12345::\"", "\"1:2:3:4:5:6:7\"", "\"1::2::3\"", "\":1\"", "\"1:\"", "\"::1%eth0\""}},
	{"{\"format\":\"uuid\"}",
	 {"\"2EB8AA08-aa98-11ea-b4aa-73b441d16380\""},
	 {"\"2eb8aa08aa9811eab4aa73b441d16380\"", "\"2eb8aa08-aa98-11ea-b4aa-73b441d1638\""}},
};

static void test_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(verdicts); i++) {
		struct sl_schema *schema = compile(verdicts[i].schema);

		for (size_t j = 0; j < 6 && verdicts[i].good[j]; j++)
			if (check(schema, verdicts[i].good[j]))
				fail_msg("%s: %s: %s", verdicts[i].schema, verdicts[i].good[j],
					 error.text);
		for (size_t j = 0; j < 6 && verdicts[i].bad[j]; j++)
			if (check(schema, verdicts[i].bad[j]) != -EINVAL || !error.text[0])
				fail_msg("%s: %s: taken", verdicts[i].schema, verdicts[i].bad[j]);
		sl_schema_free(&schema);
	}
}

static void test_refusals(void **state)
{
	static const struct {
		const char *schema;
		int rc;
		const char *part;
	} cases[] = {
		{"", -EINVAL, "no JSON"},
		{"{", -EINVAL, "no JSON"},
		{"1", -EINVAL, "expected a schema"},
		{"{\"type\":\"int\"}", -EINVAL, "\"type\""},
		{"{\"type\":[]}", -EINVAL, "\"type\""},
		{"{\"nullable\":true}", -ENOTSUP, "\"nullable\""},
		{"{\"properties\":{\"a\":{\"discriminator\":{}}}}", -ENOTSUP, "\"discriminator\""},
		{"{\"unevaluatedProperties\":false}", -ENOTSUP, "\"unevaluatedProperties\""},
		{"{\"unevaluatedItems\":false}", -ENOTSUP, "\"unevaluatedItems\""},
		{"{\"$dynamicRef\":\"#a\"}", -ENOTSUP, "\"$dynamicRef\""},
		{"{\"$recursiveRef\":\"#\"}", -ENOTSUP, "\"$recursiveRef\""},
		{"{\"$vocabulary\":{}}", -ENOTSUP, "\"$vocabulary\""},
		{"{\"extends\":{}}", -ENOTSUP, "\"extends\""},
		{"{\"id\":\"x\"}", -ENOTSUP, "\"id\""},
		{"{\"not\":{\"$id\":\"x\"}}", -ENOTSUP, "\"$id\""},
		{"{\"$ref\":\"http://x.test/y\"}", -ENOTSUP, "another text"},
		{"{\"$ref\":\"other.json#/a\"}", -ENOTSUP, "another text"},
		{"{\"$ref\":\"#/$defs/no\"}", -EINVAL, "leads nowhere"},
		{"{\"$ref\":\"#no\"}", -EINVAL, "leads nowhere"},
		{"{\"$ref\":\"#/title\",\"title\":\"x\"}", -EINVAL, "expected a schema"},
		{"{\"$schema\":\"http://x.test/mine\"}", -ENOTSUP, "\"$schema\""},
		{"{\"items\":[{}]}", -EINVAL, "prefixItems"},
		{"{\"additionalItems\":false}", -ENOTSUP, "additionalItems"},
		{"{\"pattern\":\"(?=a)\"}", -ENOTSUP, "look-around"},
		{"{\"pattern\":\"(\"}", -ENOTSUP, "pattern"},
		{"{\"format\":\"iri\"}", -ENOTSUP, "\"format\""},
		{"{\"minLength\":-1}", -EINVAL, "\"minLength\""},
		{"{\"minLength\":1.5}", -EINVAL, "\"minLength\""},
		{"{\"multipleOf\":0}", -EINVAL, "\"multipleOf\""},
		{"{\"minimum\":\"1\"}", -EINVAL, "\"minimum\""},
		{"{\"required\":\"a\"}", -EINVAL, "\"required\""},
		{"{\"required\":[1]}", -EINVAL, "\"required\""},
		{"{\"properties\":[]}", -EINVAL, "\"properties\""},
		{"{\"properties\":{\"a\":{},\"\\u0061\":{}}}", -EINVAL, "twice"},
		{"{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"properties\":{\"c\":{}}"
		 "}",
		 -EINVAL, "\"properties\": occurs twice"},
		{"{\"properties\":{\"a\":{}},\"required\":[\"a\"],\"propert\\u0069es\":{\"c\":{}}}",
		 -EINVAL, "\"properties\": occurs twice"},
		{"{\"required\":[\"b\"],\"properties\":{\"b\":{}},\"properties\":{}}", -EINVAL,
		 "\"properties\": occurs twice"},
		{"{\"properties\":{},\"properties\":{\"a\":{}},\"required\":[\"a\"]}", -EINVAL,
		 "\"properties\": occurs twice"},
		{"{\"items\":{\"properties\":{\"o\":{\"properties\":{\"a\":{}},\"properties\":{"
		 "\"b\":"
		 "{}}}}}}",
		 -EINVAL, "\"properties\": occurs twice"},
		{"{\"anyOf\":[{\"properties\":{\"a\":{}},\"properties\":{\"b\":{}}}]}", -EINVAL,
		 "\"properties\": occurs twice"},
		{"{\"required\":[\"a\"],\"required\":[\"b\"]}", -EINVAL,
		 "\"required\": occurs twice"},
		{"{\"type\":\"string\",\"type\":\"null\"}", -EINVAL, "\"type\": occurs twice"},
		{"{\"$ref\":\"#/$defs/a\",\"$ref\":\"#\",\"$defs\":{\"a\":{}}}", -EINVAL,
		 "\"$ref\": occurs twice"},
		{"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"$ref\":\"#/$defs/a\","
		 "\"$ref\":\"#\",\"$defs\":{\"a\":{}}}",
		 -EINVAL, "\"$ref\": occurs twice"},
		{"{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"items\":[{}],"
		 "\"additionalItems\":false,\"additionalItems\":true}",
		 -EINVAL, "\"additionalItems\": occurs twice"},
		{"{\"allOf\":[]}", -EINVAL, "\"allOf\""},
		{"{\"anyOf\":{}}", -EINVAL, "\"anyOf\""},
		{"{\"not\":1}", -EINVAL, "\"not\""},
		{"{\"enum\":1}", -EINVAL, "\"enum\""},
		{"{\"$defs\":{\"a\":{\"unevaluatedItems\":true}}}", -ENOTSUP, "unevaluatedItems"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_schema *schema = NULL;
		int rc =
			sl_schema_compile(cases[i].schema, strlen(cases[i].schema),
					  SL_SCHEMA_DRAFT_2020, SL_SCHEMA_FORMATS, &schema, &error);

		if (rc != cases[i].rc || schema || !strstr(error.text, cases[i].part))
			fail_msg("%s: %d %s", cases[i].schema, rc, error.text);
	}
}

static void test_reasons(void **state)
{
	static const char text[] =
		"{\"type\":\"object\",\"required\":[\"items\"],\"properties\":{\"items\":{\"type\":"
		"\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"price\":{\"type\":"
		"[\"number\",\"null\"],\"minimum\":0},\"kind\":{\"enum\":[\"a\",\"b\"]}},"
		"\"additionalProperties\":false}}}}";
	static const struct {
		const char *value, *reason;
	} cases[] = {
		{"[]", "at the top: expected object, found array"},
		{"{}", "at the top: the property \"items\" is missing"},
		{"{\"items\":[{},{\"price\":\"4\"}]}",
		 "at /items/1/price: expected null or number, found string"},
		{"{\"items\":[{\"price\":-1}]}",
		 "at /items/0/price: expected a number of at least 0"},
		{"{\"items\":[{\"kind\":\"c\"}]}",
		 "at /items/0/kind: expected one of [\"a\",\"b\"]"},
		{"{\"items\":[{\"size\":1}]}", "at /items/0: the property \"size\" is not allowed"},
		{"{\"items\":", "not valid JSON: text ends within a value"},
	};
	struct sl_schema *schema = compile(text);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(check(schema, cases[i].value), -EINVAL);
		assert_string_equal(error.text, cases[i].reason);
	}
	sl_schema_free(&schema);
}

/* What would take for ever is given up. */
static void test_bounds(void **state)
{
	char text[4096];
	struct sl_schema *schema = compile("{\"$ref\":\"#\"}");
	size_t len = 0;

	(void)state;
	assert_int_equal(check(schema, "1"), -E2BIG);
	sl_schema_free(&schema);

	/* each level asks both of its alternatives: 2^40 */
	len += (size_t)sprintf(text, "{\"$defs\":{\"d40\":{\"type\":\"string\"}");
	for (int i = 39; i >= 0; i--)
		len += (size_t)sprintf(text + len,
				       ",\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":"
				       "\"#/$defs/d%d\"}]}",
				       i, i + 1, i + 1);
	sprintf(text + len, "},\"$ref\":\"#/$defs/d0\"}");
	schema = compile(text);
	assert_int_equal(check(schema, "1"), -E2BIG);
	sl_schema_free(&schema);

	len = 0;
	for (int i = 0; i < 40; i++)
		len += (size_t)sprintf(text + len, "{\"not\":");
	len += (size_t)sprintf(text + len, "true");
	memset(text + len, '}', 40);
	assert_int_equal(sl_schema_compile(text, len + 40, 0, 0, &schema, &error), -E2BIG);
}

static void test_numbers(void **state)
{
	static const struct {
		const char *a, *b;
		int order;
	} cases[] = {
		{"0", "-0", 0},
		{"1", "1.0", 0},
		{"1e2", "100", 0},
		{"0.001", "1e-3", 0},
		{"-1", "1", -1},
		{"0.1", "0.11", -1},
		{"1e400", "1e300", 1},
		{"-1e400", "1e-400", -1},
		{"1e-400", "0", 1},
		{"123456789012345678", "123456789012345679", -1},
		{"0.30000000000000004", "0.3", 1},
		{"100000000000000000000", "1e20", 0},
		{"12345678901234567890123", "2", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_schema_number a, b;

		sl_schema_number_parse(sl_span_string(cases[i].a), &a);
		sl_schema_number_parse(sl_span_string(cases[i].b), &b);
		if (sl_schema_number_compare(&a, &b) != cases[i].order ||
		    sl_schema_number_compare(&b, &a) != -cases[i].order)
			fail_msg("%s and %s", cases[i].a, cases[i].b);
	}
}

static void test_cache(void **state)
{
	struct sl_schema_cache *cache = sl_schema_cache_open();
	struct sl_schema_cache_stats stats;
	struct sl_schema *first, *again;
	char text[64];

	(void)state;
	assert_int_equal(sl_schema_cache_get(cache, "{\"minimum\":3}", 13, 0, &first, &error), 0);
	assert_int_equal(sl_schema_cache_get(cache, "{\"minimum\":3}", 13, 0, &again, &error), 0);
	assert_ptr_equal(first, again);
	sl_schema_free(&again);
	assert_null(again);
	assert_int_equal(sl_schema_cache_get(cache, "{\"minimum\":3}", 13, SL_SCHEMA_FORMATS,
					     &again, &error),
			 0);
	assert_ptr_not_equal(first, again);
	sl_schema_free(&again);
	assert_int_equal(sl_schema_cache_get(cache, "{\"mini\":3}", 10, 0, &again, &error),
			 -ENOTSUP);
	for (unsigned int i = 0; i < SL_SCHEMA_CACHE_ENTRIES_MAX; i++) {
		int len = sprintf(text, "{\"maximum\":%u}", i);

		assert_int_equal(sl_schema_cache_get(cache, text, (size_t)len, 0, &again, &error),
				 0);
		sl_schema_free(&again);
	}
	sl_schema_cache_read_stats(cache, &stats);
	assert_int_equal(stats.hits, 1);
	assert_int_equal(stats.misses, 3 + SL_SCHEMA_CACHE_ENTRIES_MAX);
	assert_int_equal(stats.evicted, 2);
	sl_schema_cache_close(&cache);
	/* what is held outlives its place in the cache, and the cache */
	assert_int_equal(check(first, "2"), -EINVAL);
	sl_schema_free(&first);
}

static int set_up(void **state)
{
	(void)state;
	sl_arena_init(&scratch, 0, 64u << 20);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sl_arena_fini(&scratch);
	return 0;
}

/* ---- texts that grow ------------------------------------------------------------------------- */

/* Length at which it says no, fed in pieces of that size; len + 1: never. */
static size_t refused_at(const struct sl_schema *schema, const char *text, size_t piece)
{
	struct sl_schema_stream *stream = sl_schema_stream_new(schema);
	size_t len = strlen(text), at = 0;
	const char *why = NULL;

	while (!why && at < len) {
		char *copy;

		at = at + piece < len ? at + piece : len;
		copy = sl_guard_copy(text, at);
		sl_arena_reset(&scratch);
		why = sl_schema_stream_feed(stream, copy, at, &scratch);
		sl_guard_free(copy, at);
	}
	sl_schema_stream_free(&stream);
	return why ? at : len + 1;
}

/* Fed at once, with little scratch memory: is it refused? */
static bool is_refused(const struct sl_schema *schema, const char *text, size_t len)
{
	struct sl_schema_stream *stream = sl_schema_stream_new(schema);
	struct sl_arena small;
	const char *why;

	sl_arena_init(&small, 0, 64u << 10);
	why = sl_schema_stream_feed(stream, text, len, &small);
	sl_arena_fini(&small);
	sl_schema_stream_free(&stream);
	return why;
}

/* A chunk of many members: the last one is checked as the first one is. */
static void test_growing_many(void **state)
{
	struct sl_schema *schema = compile("{\"properties\":{\"last\":{\"type\":\"integer\"}}}");
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	sl_text_append_char(&text, '{');
	for (uint32_t i = 0; i < 5000; i++)
		sl_text_printf(&text, "\"key%u\":%u,", i, i);
	assert_false(is_refused(schema, sl_text_string(&text), text.len));
	sl_text_append_string(&text, "\"last\":\"x");
	assert_true(is_refused(schema, sl_text_string(&text), text.len));
	sl_text_fini(&text);
	sl_schema_free(&schema);
}

/* All checks of a stream have one budget: what is beyond it is left to the end. */
static void test_growing_budget(void **state)
{
	static const struct {
		uint32_t strings;
		bool refused;
	} rows[] = {{10, true}, {2000, false}};
	struct sl_schema *schema = compile("{\"items\":{\"pattern\":\"^[a-z]*$\"}}");

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct sl_text text;

		sl_text_init(&text, 0);
		sl_text_append_char(&text, '[');
		for (uint32_t k = 0; k < rows[i].strings; k++)
			sl_text_printf(&text, "\"%02000d\",", 0);
		for (size_t at = 0; at < text.len; at++)
			if (text.data[at] == '0')
				text.data[at] = 'a';
		assert_false(is_refused(schema, sl_text_string(&text), text.len));
		sl_text_append_string(&text, "\"A\"");
		assert_int_equal(is_refused(schema, sl_text_string(&text), text.len),
				 rows[i].refused);
		sl_text_fini(&text);
	}
	sl_schema_free(&schema);
}

/* What is valid is never refused, wherever it is cut; with what stands behind it, it is. */
static void test_growing_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(verdicts); i++) {
		struct sl_schema *schema = compile(verdicts[i].schema);

		for (size_t k = 0; k < COUNT(verdicts[i].good) && verdicts[i].good[k]; k++) {
			const char *text = verdicts[i].good[k];
			char behind[4096];

			for (size_t piece = 1; piece <= strlen(text); piece++)
				if (refused_at(schema, text, piece) <= strlen(text))
					fail_msg("%s: %s refused in pieces of %zu",
						 verdicts[i].schema, text, piece);
			snprintf(behind, sizeof(behind), "%s\n x", text);
			assert_int_equal(refused_at(schema, behind, 1), strlen(text) + 3);
		}
		sl_schema_free(&schema);
	}
}

#define FILM                                                                                      \
	"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"maxLength\":3},"    \
	"\"kind\":{\"enum\":[\"film\",\"book\",7]},\"year\":{\"type\":\"integer\",\"minimum\":"   \
	"1900},"                                                                                  \
	"\"tags\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/tag\"},\"maxItems\":2},"      \
	"\"more\":{\"anyOf\":[{\"type\":\"null\"},{\"required\":[\"a\"],\"type\":\"object\"}]}}," \
	"\"required\":[\"name\"],\"additionalProperties\":false,"                                 \
	"\"$defs\":{\"tag\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"}}}"

/* Where each is refused: behind the last byte of `until`. */
static const struct {
	const char *what, *schema, *until, *rest;
} growing[] = {
	{"prose", FILM, "H", "ere is the film: {}"},
	{"a fence", FILM, "`", "``json\n{}\n```"},
	{"another type at the top", FILM, " \n[", "{}]"},
	{"a property that nobody knows", FILM, "{\"name\":\"x\",\"nam\"", ":1}"},
	{"one written with an escape is known", FILM, "{\"n\\u0061me\":1", "}"},
	{"another type within", FILM, "{\"name\":t", "rue}"},
	{"no type that the list has", FILM, "{\"kind\":[", "1]}"},
	{"a text that begins none of the list", FILM, "{\"kind\":\"fib", "re\"}"},
	{"one that is longer than the one it begins like", FILM, "{\"kind\":\"films", "\"}"},
	{"one that ends too early", FILM, "{\"kind\":\"fil\"", "}"},
	{"a number that is not listed", FILM, "{\"kind\":71,", "\"name\":\"x\"}"},
	{"a number too small, known at its end", FILM, "{\"year\":18,", "\"name\":\"x\"}"},
	{"a number with a fraction", FILM, "{\"year\":2000.5}", ""},
	{"a string beyond its length, at its end", FILM, "{\"name\":\"abcd\"", "}"},
	{"an item, by what its reference says", FILM, "{\"tags\":[\"a\",\"B\"", "]}"},
	{"an item too many", FILM, "{\"tags\":[\"a\",\"b\",\"", "c\"]}"},
	{"none of the alternatives, at the end of the value", FILM, "{\"more\":{\"b\":1}",
	 ",\"name\":\"x\"}"},
	{"a property is missing, at the end", FILM, "{\"year\":1999}", " "},
	{"two commas", "true", "[1,,", "2]"},
	{"a comma before the end", "true", "{\"a\":1,}", ""},
	{"the wrong bracket", "true", "[1}", ""},
	{"a number that is none", "true", "[01,", "1]"},
	{"a word that is none", "true", "[nul,", "]"},
	{"a byte that strings may not have", "true", "[\"a\n", "\"]"},
	{"no colon", "true", "{\"a\"1", "}"},
	{"two values", "true", "{} {", "}"},
	{"a list of types", "{\"type\":[\"null\",\"array\"]}", "{", "}"},
	{"nothing is allowed there", "{\"properties\":{\"a\":false}}", "{\"a\":1", "}"},
	{"all of two",
	 "{\"allOf\":[{\"type\":\"object\"},{\"properties\":{\"a\":{\"type\":\"null\"}}}]}",
	 "{\"a\":1", "}"},
	{"a schema that refers to itself",
	 "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
	 "{\"a\":{\"a\":{\"b\"", ":1}}}"},
};

static void test_growing_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(growing); i++) {
		struct sl_schema *schema = compile(growing[i].schema);
		size_t len = strlen(growing[i].until);
		char text[512];

		snprintf(text, sizeof(text), "%s%s", growing[i].until, growing[i].rest);
		if (refused_at(schema, text, 1) != len)
			fail_msg("%s: refused at %zu, not %zu", growing[i].what,
				 refused_at(schema, text, 1), len);
		for (size_t piece = 2; piece <= strlen(text); piece++) {
			size_t at = refused_at(schema, text, piece);

			if (at < len || at > len + piece)
				fail_msg("%s: in pieces of %zu at %zu", growing[i].what, piece, at);
		}
		sl_schema_free(&schema);
	}
}

/* A string that never ends is not gathered for ever. */
static void test_growing_runaway(void **state)
{
	struct sl_schema *schema = compile("{\"maxLength\":10}");
	char text[1024] = "\"";

	(void)state;
	memset(text + 1, 'x', sizeof(text) - 2);
	text[sizeof(text) - 1] = '\0';
	assert_in_range(refused_at(schema, text, 1), 12, 150);
	sl_schema_free(&schema);
}

/* Where and by which keyword, without a word of the text: its members by their number. */
static void test_places(void **state)
{
	static const struct {
		const char *schema, *text, *keyword, *path;
	} cases[] = {
		{"{\"type\":\"integer\"}", "\"secret\"", "type", ""},
		{"{\"required\":[\"secret\"]}", "{\"a\":1}", "required", ""},
		{"{\"properties\":{\"secret\":{\"items\":{\"maximum\":3}}}}",
		 "{\"a\":[[1],{}],\"secret\":[1,4]}", "maximum", "/{2}/1"},
		{"{\"items\":{\"additionalProperties\":false}}", "[{},{},{\"secret\":1}]",
		 "additionalProperties", "/2"},
		{"{\"propertyNames\":{\"maxLength\":3}}", "{\"a\":{\"x\":1},\"secret\":1}",
		 "maxLength", "/{2}"},
		{"{\"type\":\"object\"}", "secret", "json", ""},
		{"{\"anyOf\":[{\"type\":\"null\"},{\"enum\":[1]}]}", "\"secret\"", "anyOf", ""},
		/* of a path that is too long its beginning */
		{"{\"items\":{\"$ref\":\"#\"},\"type\":\"array\"}",
		 "[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"secret\"]]]]]]]]]]]]]]]]]]]]]]]]]]]]", "type",
		 "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_schema *schema = compile(cases[i].schema);
		struct sl_schema_place place;

		sl_arena_reset(&scratch);
		assert_int_not_equal(sl_schema_check_place(schema, cases[i].text,
							   strlen(cases[i].text), &scratch, &error,
							   &place),
				     0);
		assert_string_equal(place.keyword, cases[i].keyword);
		assert_string_equal(place.path, cases[i].path);
		sl_schema_free(&schema);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),	cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_reasons),		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_numbers),		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_growing_many),	cmocka_unit_test(test_growing_budget),
		cmocka_unit_test(test_growing_good),	cmocka_unit_test(test_growing_bad),
		cmocka_unit_test(test_growing_runaway), cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
