/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Chunks: each format against what a reader would expect of it, and for every cut the rules that hold
 * whatever the text is: bounds, valid UTF-8, every word in its order, overlap that repeats the end.
 */
#include "user/store/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All chunks as one text: "[path@line] text|" each. */
static int collect(void *arg, const struct sl_chunk *chunk)
{
	sl_text_printf(arg, "[%.*s@%u] %.*s|", (int)chunk->path.len, chunk->path.data, chunk->line,
		       (int)chunk->text.len, chunk->text.data);
	return 0;
}

struct structure_case {
	const char *what;
	enum sl_chunk_format format;
	const char *source;
	const char *expected;
};

static const struct structure_case structures[] = {
	{"nothing", SL_CHUNK_TEXT, "", ""},
	{"only white space", SL_CHUNK_TEXT, " \n\t\n\n", ""},
	{"paragraphs share a chunk", SL_CHUNK_TEXT, "one\n\ntwo\n", "[@1] one\n\ntwo|"},
	{"lines of all systems", SL_CHUNK_TEXT, "\xef\xbb\xbfone\r\ntwo\rthree\x01x",
	 "[@1] one\ntwo\nthree x|"},
	{"bytes that are no text", SL_CHUNK_TEXT, "a\xff\xc0z", "[@1] a\xef\xbf\xbd\xef\xbf\xbdz|"},
	{"first line counts", SL_CHUNK_TEXT, "\n\n  one", "[@3] one|"},

	{"headings", SL_CHUNK_MARKDOWN, "# A\nx\n## B ##\ny\n# C\nz",
	 "[A@2] x|[A > B@4] y|[C@6] z|"},
	{"a deeper heading ends with its parent", SL_CHUNK_MARKDOWN, "# A\n### B\nx\n## C\ny",
	 "[A > B@3] x|[A > C@5] y|"},
	{"underlined", SL_CHUNK_MARKDOWN, "Title\n=====\nx\n\nSub\n---\ny",
	 "[Title@3] x|[Title > Sub@7] y|"},
	{"a rule below two lines is no heading", SL_CHUNK_MARKDOWN, "a\nb\n---\nc",
	 "[@1] a\nb\n---\nc|"},
	{"a hash without a space is none", SL_CHUNK_MARKDOWN, "#tag\n\n####### seven",
	 "[@1] #tag\n\n####### seven|"},
	{"a language keeps its hash", SL_CHUNK_MARKDOWN, "# C#\nx", "[C#@2] x|"},
	{"an empty heading", SL_CHUNK_MARKDOWN, "# A\n#\nx", "[@3] x|"},
	{"code keeps its empty lines and hashes", SL_CHUNK_MARKDOWN,
	 "# A\n```sh\n# no heading\n\nrun\n```\nafter",
	 "[A@2] ```sh\n# no heading\n\nrun\n```\n\nafter|"},
	{"a fence within a longer one", SL_CHUNK_MARKDOWN, "````\n```\n# x\n````\n# B\ny",
	 "[@1] ````\n```\n# x\n````|[B@6] y|"},
	{"a fence that never ends", SL_CHUNK_MARKDOWN, "~~~\n# x", "[@1] ~~~\n# x|"},
	{"front matter", SL_CHUNK_MARKDOWN, "---\ntitle: x\n---\n# A\ny", "[A@5] y|"},
	{"front matter alone", SL_CHUNK_MARKDOWN, "---\ntitle: x\n---", ""},
	{"a rule is no front matter", SL_CHUNK_MARKDOWN, "---\ntext", "[@1] ---\ntext|"},

	{"html", SL_CHUNK_HTML,
	 "<!doctype html><html><head><title>T</title></head>\n<body><h1>A &amp; B</h1>\n<p>one\n "
	 "two</p>"
	 "<p>th<b>re</b>e</p></body></html>",
	 "[A & B@3] one two\n\nthree|"},
	{"the title stands above lower headings", SL_CHUNK_HTML, "<title>T</title><h2>S</h2>x",
	 "[T > S@1] x|"},
	{"scripts and styles", SL_CHUNK_HTML,
	 "a<script>if (a<b) "
	 "document.write('<p>no</p>')</script>b<style>p{}</style>c<SCRIPT>x</Script >d",
	 "[@1] abcd|"},
	{"a script's false end", SL_CHUNK_HTML, "a<script>x</scripty></script>b", "[@1] ab|"},
	{"a script that never ends", SL_CHUNK_HTML, "a<script>b", "[@1] a|"},
	{"nested left-out elements", SL_CHUNK_HTML,
	 "a<template>x<template>y</template>z</template>b<svg><title>no</title></svg>c<noscript>n</"
	 "noscript>d",
	 "[@1] abcd|"},
	{"comments and declarations", SL_CHUNK_HTML,
	 "a<!-- <p>x --> --><!-->b<?php x ?>c<!x>d<!-- ", "[@1] a -->bcd|"},
	{"entities", SL_CHUNK_HTML,
	 "&lt;&gt;&quot;&nbsp;&eacute;&#233;&#xE9;&#x1F600;&hellip;&euro;&#150;&#0;&#xD800;&#"
	 "99999999999;",
	 "[@1] <>\" \xc3\xa9\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\xe2\x80\xa6\xe2\x82\xac\xe2\x80\x93"
	 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|"},
	{"what is no entity", SL_CHUNK_HTML, "a & b &nosuch; &amp &#; &#x; &",
	 "[@1] a & b &nosuch; &amp &#; &#x; &|"},
	{"a soft hyphen", SL_CHUNK_HTML, "exam&shy;ple", "[@1] example|"},
	{"lists and tables", SL_CHUNK_HTML,
	 "<ul><li>a</li><li>b</li></ul><table><tr><th>x<th>y</tr><tr><td>1</td><td>2</td></tr></"
	 "table>",
	 "[@1] a\nb\n\nx y\n1 2|"},
	{"preformatted", SL_CHUNK_HTML, "<pre>a\n  b</pre>c\n  d", "[@1] a\n  b\n\nc d|"},
	{"a > within a value", SL_CHUNK_HTML, "<a title=\"x>y\" b='>'>t</a>", "[@1] t|"},
	{"what is no tag", SL_CHUNK_HTML, "1 < 2 <3 a<", "[@1] 1 < 2 <3 a<|"},
	{"a tag that never ends", SL_CHUNK_HTML, "a<p class=x", "[@1] a|"},

	{"records", SL_CHUNK_JSONL,
	 "{\"title\":\"T\",\"text\":\"one\\n\\ntwo\"}\n{\"id\":7,\"content\":\"x\"}\n\n{\"id\":"
	 "\"k\",\"body\":\"y\"}",
	 "[T@1] one\n\ntwo|[7@2] x|[k@4] y|"},
	{"a record without a name", SL_CHUNK_JSONL, "{\"text\":\"x\"}\n{\"text\":\"y\"}",
	 "[@1] x|[@2] y|"},
	{"escapes of a record", SL_CHUNK_JSONL, "{\"text\":\"\\u00e9\\u0000\\\"\"}",
	 "[@1] \xc3\xa9 \"|"},
};

static void test_structure(void **state)
{
	struct sl_chunk_options options = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]); i++) {
		const struct structure_case *c = &structures[i];
		struct sl_chunk_report report;
		struct sl_text text;

		sl_text_init(&text, 0);
		assert_int_equal(sl_chunk_split(sl_span_string(c->source), c->format, &options,
						collect, &text, &report, NULL),
				 0);
		if (strcmp(sl_text_string(&text), c->expected) != 0)
			fail_msg("%s: got <%s>, expected <%s>", c->what, sl_text_string(&text),
				 c->expected);
		sl_text_fini(&text);
	}
}

static void test_bad_records(void **state)
{
	struct sl_chunk_options options = {0};
	struct sl_chunk_report report;
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	assert_int_equal(sl_chunk_split(SL_SPAN("{\"text\":\"x\"}\n{broken\n[1]\n{\"text\":5}\n"
						"{\"text\":\"y\"}"),
					SL_CHUNK_JSONL, &options, collect, &text, &report, NULL),
			 0);
	assert_string_equal(sl_text_string(&text), "[@1] x|[@5] y|");
	assert_int_equal(report.records_bad, 3);
	assert_int_equal(report.record_bad_at, 2);
	assert_int_equal(report.chunks, 2);
	sl_text_fini(&text);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int rc;
		enum sl_chunk_format format;
	} names[] = {
		{"a.txt", 0, SL_CHUNK_TEXT},	   {"a.b.MD", 0, SL_CHUNK_MARKDOWN},
		{"/x/y.html", 0, SL_CHUNK_HTML},   {"z.ndjson", 0, SL_CHUNK_JSONL},
		{"a.pdf", -EINVAL, SL_CHUNK_TEXT}, {".md", -EINVAL, SL_CHUNK_TEXT},
		{"md", -EINVAL, SL_CHUNK_TEXT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum sl_chunk_format format = SL_CHUNK_TEXT;

		assert_int_equal(sl_chunk_format_of(names[i].name, &format), names[i].rc);
		assert_int_equal(format, names[i].format);
	}
}

/* ---- the rules of every cut ------------------------------------------------------------------ */

struct cuts {
	struct sl_text joined; /* without what repeats */
	struct sl_text last;
	uint32_t bytes_max, overlap;
	uint32_t count, repeated;
	char path[SL_CHUNK_PATH_BYTES_MAX + 1];
};

static bool is_valid(struct sl_span text)
{
	for (size_t i = 0, len; i < text.len; i += len) {
		len = sl_text_utf8_len(text.data + i, text.len - i);
		if (len == 0)
			return false;
	}
	return true;
}

/* Bytes at the start of text that are the end of the last chunk. */
static size_t repeats(const struct cuts *cuts, struct sl_span text)
{
	for (size_t n = text.len < cuts->last.len ? text.len : cuts->last.len; n > 0; n--)
		if (n <= cuts->overlap + 1 &&
		    memcmp(cuts->last.data + cuts->last.len - n, text.data, n) == 0)
			return n;
	return 0;
}

static int check_cut(void *arg, const struct sl_chunk *chunk)
{
	struct cuts *cuts = arg;
	size_t n;

	assert_true(chunk->text.len > 0 && chunk->text.len <= cuts->bytes_max);
	assert_true(chunk->path.len <= SL_CHUNK_PATH_BYTES_MAX);
	assert_true(is_valid(chunk->text) && is_valid(chunk->path));
	n = repeats(cuts, chunk->text);
	cuts->repeated += n > 0;
	sl_text_append(&cuts->joined, chunk->text.data + n, chunk->text.len - n);
	sl_text_append_char(&cuts->joined, ' ');
	sl_text_reset(&cuts->last);
	sl_text_append_span(&cuts->last, chunk->text);
	cuts->count++;
	return 0;
}

/* Only what is no white space. */
static void squeeze(struct sl_text *out, const char *text)
{
	for (; *text; text++)
		if (!strchr(" \n\t", *text))
			sl_text_append_char(out, *text);
}

static void check_cuts(const char *source, uint32_t bytes, uint32_t overlap)
{
	struct sl_chunk_options options = {.bytes = bytes, .overlap = overlap};
	struct cuts cuts = {.bytes_max = bytes, .overlap = overlap};
	struct sl_chunk_report report;
	struct sl_text in, out;

	sl_text_init(&cuts.joined, 0);
	sl_text_init(&cuts.last, 0);
	sl_text_init(&in, 0);
	sl_text_init(&out, 0);
	assert_int_equal(sl_chunk_split(sl_span_string(source), SL_CHUNK_TEXT, &options, check_cut,
					&cuts, &report, NULL),
			 0);
	assert_int_equal(report.chunks, cuts.count);
	assert_true(cuts.count > 3);
	if (overlap)
		assert_true(cuts.repeated > 0);
	squeeze(&in, source);
	squeeze(&out, sl_text_string(&cuts.joined));
	assert_string_equal(sl_text_string(&out), sl_text_string(&in));
	sl_text_fini(&in);
	sl_text_fini(&out);
	sl_text_fini(&cuts.joined);
	sl_text_fini(&cuts.last);
}

static void test_cuts(void **state)
{
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	for (unsigned i = 0; i < 700; i++)
		sl_text_printf(&text, "w%u%s", i * 7919 % 100003,
			       i % 97 == 96   ? "\n\n"
			       : i % 11 == 10 ? ". "
					      : " ");
	for (uint32_t bytes = 128; bytes < 900; bytes += 37) {
		check_cuts(sl_text_string(&text), bytes, 0);
		check_cuts(sl_text_string(&text), bytes, bytes / 8);
		check_cuts(sl_text_string(&text), bytes, bytes / 2);
	}
	sl_text_reset(&text); /* one word, of characters of all lengths: no place to cut well */
	for (unsigned i = 0; i < 500; i++)
		sl_text_append_string(&text, i % 4 == 0	  ? "\xf0\x9f\x98\x80"
					     : i % 4 == 1 ? "\xe2\x82\xac"
					     : i % 4 == 2 ? "\xc3\xa9"
							  : "x");
	for (uint32_t bytes = 128; bytes < 200; bytes++)
		check_cuts(sl_text_string(&text), bytes, 0);
	sl_text_fini(&text);
}

static void test_sentences(void **state)
{
	struct sl_chunk_options options = {.bytes = 128};
	struct sl_chunk_report report;
	struct sl_text text;

	(void)state;
	sl_text_init(&text, 0);
	assert_int_equal(
		sl_chunk_split(
			SL_SPAN("The first sentence of this text is here and it is a rather long "
				"one to read. The second one begins behind the full stop and "
				"goes on until the end."),
			SL_CHUNK_TEXT, &options, collect, &text, &report, NULL),
		0);
	assert_string_equal(
		sl_text_string(&text),
		"[@1] The first sentence of this text is here and it is a rather long one to "
		"read.|[@1] The second one begins behind the full stop and goes on until the "
		"end.|");
	sl_text_fini(&text);
}

static int refuse_third(void *arg, const struct sl_chunk *chunk)
{
	(void)chunk;
	return ++*(int *)arg == 3 ? -ENOSPC : 0;
}

static int ignore(void *arg, const struct sl_chunk *chunk)
{
	(void)arg;
	(void)chunk;
	return 0;
}

static void test_bounds(void **state)
{
	struct sl_chunk_options options = {0};
	struct sl_chunk_report report;
	struct sl_error error = {0};
	struct sl_text text;
	int calls = 0;

	(void)state;
	assert_int_equal(sl_chunk_split(SL_SPAN("# a\nx\n# b\nx\n# c\nx\n# d\nx"),
					SL_CHUNK_MARKDOWN, &options, refuse_third, &calls, &report,
					&error),
			 -ENOSPC);
	assert_int_equal(calls, 3);
	assert_int_equal(report.chunks, 2);
	assert_int_equal(sl_chunk_split(sl_span_make("x", (size_t)SL_CHUNK_SOURCE_BYTES_MAX + 1),
					SL_CHUNK_TEXT, &options, ignore, NULL, &report, &error),
			 -E2BIG);
	sl_text_init(&text, 0);
	for (unsigned i = 0; i <= SL_CHUNKS_MAX; i++)
		sl_text_append_string(&text, "#\nx\n");
	assert_int_equal(sl_chunk_split(sl_text_span(&text), SL_CHUNK_MARKDOWN, &options, ignore,
					NULL, &report, &error),
			 -E2BIG);
	assert_int_equal(report.chunks, SL_CHUNKS_MAX);
	assert_non_null(strstr(error.text, "chunks"));
	sl_text_reset(&text); /* what could cost the square of its length */
	sl_text_append_string(&text, "<script>");
	for (unsigned i = 0; i < 1000000; i++)
		sl_text_append_string(&text, "<a ");
	assert_int_equal(sl_chunk_split(sl_text_span(&text), SL_CHUNK_HTML, &options, ignore, NULL,
					&report, &error),
			 0);
	assert_int_equal(report.chunks, 0);
	sl_text_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_names),	  cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_sentences), cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
