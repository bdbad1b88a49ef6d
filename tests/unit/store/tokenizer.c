/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokenizers small enough to be worked out by hand, and files that are refused. That real ones give the ids
 * of another implementation is tests/e2e/tokens.sh.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/store/tokenizer_parts.h"

#define LETTERS "\"a\":0,\"b\":1,\"c\":2,\" \":3,\"d\":4"
#define MODEL(more)                                                                               \
	"\"model\":{\"type\":\"BPE\"," more "\"vocab\":{" LETTERS                                 \
	",\"ab\":5,\"bc\":6,\"abc\":7,\"abcd\":8},\"merges\":[\"b c\",\"a b\",\"a bc\",\"ab c\"," \
	"[\"abc\",\"d\"]]}"
#define PLAIN MODEL("")
/* U+2581, as it is written in these files */
#define M "\xe2\x96\x81"
#define UNIGRAM                                                                                 \
	"\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<unk>\",0],[\"" M "\",-3]," \
	"[\"a\",-2],[\"b\",-2],[\"ab\",-3],[\"" M "ab\",-3.5],[\"abb\",-9]]}"

struct row {
	const char *name, *json, *text, *ids;
};

static const struct row rows[] = {
	{"nothing", "{" PLAIN "}", "", ""},
	{"the lowest rank first", "{" PLAIN "}", "abc", "7"},
	{"then what it makes", "{" PLAIN "}", "abcd", "8"},
	{"each by itself", "{" PLAIN "}", "abab", "5 5"},
	{"the leftmost of two", "{" PLAIN "}", "bcbc", "6 6"},
	{"what is not known vanishes", "{" PLAIN "}", "axb", "5"},
	{"or is unknown", "{" MODEL("\"unk_token\":\"d\",") "}", "axxb", "0 4 4 1"},
	{"or unknown once", "{" MODEL("\"unk_token\":\"d\",\"fuse_unk\":true,") "}", "axxb",
	 "0 4 1"},
	{"one in the vocabulary stays whole",
	 "{\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},"
	 "\"model\":{\"type\":\"BPE\",\"ignore_merges\":true,\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},"
	 "\"merges\":[]}}",
	 "ab aba", "2 0 1 0"},
	{"cut before the merges",
	 "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},"
	 "\"behavior\":\"Isolated\"}," PLAIN "}",
	 "abc", "0 1 2"},
	{"with the one before",
	 "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},"
	 "\"behavior\":\"MergedWithPrevious\"}," PLAIN "}",
	 "abcbb", "5 2 1 1"},
	{"with the one behind",
	 "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},"
	 "\"behavior\":\"MergedWithNext\"}," PLAIN "}",
	 "abbc", "0 1 6"},
	{"left out",
	 "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"b\"},"
	 "\"behavior\":\"Removed\"}," PLAIN "}",
	 "abbc", "0 2"},
	{"side by side",
	 "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[bc]\"},"
	 "\"behavior\":\"Contiguous\"}," PLAIN "}",
	 "abca", "0 6 0"},
	{"all but the matches left out",
	 "{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[bc]+\"},"
	 "\"behavior\":\"Removed\",\"invert\":true}," PLAIN "}",
	 "abca", "6"},
	{"marks of punctuation by themselves",
	 "{\"pre_tokenizer\":{\"type\":\"Punctuation\"},\"model\":{\"type\":\"BPE\",\"vocab\":"
	 "{\"!\":0,\"!!\":1,\"a\":2},\"merges\":[\"! !\"]}}",
	 "!!a", "0 0 2"},
	{"each mark of a space with what is behind it",
	 "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" M "\",\"prepend_scheme\":"
	 "\"always\"},\"model\":{\"type\":\"BPE\",\"vocab\":{\"" M "\":0,\"" M M "\":1,\"a\":2,\"" M
	 "a\":3},\"merges\":[\"" M " " M "\",\"" M " a\"]}}",
	 "a  a", "3 0 3"},
	{"an added token, before all else",
	 "{\"added_tokens\":[{\"id\":9,\"content\":\"bc\"},{\"id\":10,\"content\":\"bcd\"}]," PLAIN
	 "}",
	 "abcdabca", "0 10 0 9 0"},
	{"one that takes blanks",
	 "{\"added_tokens\":[{\"id\":9,\"content\":\"d\",\"lstrip\":true,\"rstrip\":true}]," PLAIN
	 "}",
	 "a  d  b ", "0 9 1 3"},
	{"one of normalised text",
	 "{\"normalizer\":{\"type\":\"Lowercase\"},\"added_tokens\":[{\"id\":9,\"content\":\"D\","
	 "\"normalized\":true},{\"id\":10,\"content\":\"C\"}]," PLAIN "}",
	 "ABdDcC", "5 9 9 2 10"},
	{"normalised in order",
	 "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Strip\"},{\"type\":"
	 "\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"b\"},{\"type\":\"Prepend\","
	 "\"prepend\":\"a\"}]}," PLAIN "}",
	 " \t xxc\n", "7"},
	{"letters by their form", "{\"normalizer\":{\"type\":\"NFKC\"}," PLAIN "}",
	 "\xef\xbd\x81\xe2\x93\x91", "5"},
	{"bytes where there is no letter",
	 "{\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"model\":{"
	 "\"type\":"
	 "\"BPE\",\"vocab\":{\"\xc3\x83\":0,\"\xc2\xa9\":1,\"\xc4\xa0\":2,\"\xc3\x83\xc2\xa9\":3,"
	 "\"\xc4\xa0\xc3\x83\xc2\xa9\":4},\"merges\":[\"\xc3\x83 \xc2\xa9\","
	 "\"\xc4\xa0 \xc3\x83\xc2\xa9\"]}}",
	 "\xc3\xa9 \xc3\xa9  ", "3 4 2 2"},
	{"the best sum", "{" UNIGRAM "}", "ab", "4"},
	{"not the longest", "{" UNIGRAM "}", "abb", "4 3"},
	{"unknowns are one", "{" UNIGRAM "}", "axyb", "2 0 3"},
	{"with marks of spaces",
	 "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"" M "\"}," UNIGRAM "}",
	 "ab  ab", "5 1 5"},
};

static struct sl_tokenizer *open_one(const char *json)
{
	struct sl_tokenizer *t = NULL;
	struct sl_error error = {""};

	if (sl_tokenizer_parse(json, strlen(json), &t, &error))
		fail_msg("%s: %s", json, error.text);
	return t;
}

static void format_ids(const struct sl_tokenizer *t, struct sl_span text, char *out, size_t size)
{
	uint32_t ids[512];
	int64_t count = sl_tokenizer_encode(t, text, ids, 512);
	size_t len = 0;

	out[0] = '\0';
	for (int64_t i = 0; i < count; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%u", i ? " " : "", ids[i]);
	/* by its pieces, then by what is known of them */
	assert_int_equal(sl_tokenizer_count(t, text), count);
	assert_int_equal(sl_tokenizer_count(t, text), count);
}

static void test_rows(void **state)
{
	char got[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sl_tokenizer *t = open_one(rows[i].json);

		format_ids(t, sl_span_string(rows[i].text), got, sizeof(got));
		if (strcmp(got, rows[i].ids) != 0)
			fail_msg("%s: got \"%s\", wanted \"%s\"", rows[i].name, got, rows[i].ids);
		sl_tokenizer_close(&t);
	}
}

static const struct {
	const char *json, *part; /* of the error */
} refused[] = {
	{"", "not a JSON object"},
	{"[]", "not a JSON object"},
	{"{}", "model"},
	{"{\"model\":{\"type\":\"WordPiece\"}}", "\"WordPiece\""},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{},\"merges\":[]}}", "no tokens"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":-1},\"merges\":[]}}", "an id is no number"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"a b\"]}}", "merges[0]"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[\"ab\"]}}", "no pair"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[[\"a\"]]}}", "not of two"},
	{"{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0}}}", "merges: no list"},
	{"{" MODEL("\"dropout\":0.1,") "}", "dropout"},
	{"{" MODEL("\"end_of_word_suffix\":\"</w>\",") "}", "end_of_word_suffix"},
	{"{" MODEL("\"continuing_subword_prefix\":\"##\",") "}", "continuing_subword_prefix"},
	{"{" MODEL("\"unk_token\":\"?\",") "}", "unk_token"},
	{"{" MODEL("\"byte_fallback\":true,") "}", "byte_fallback"},
	{"{\"normalizer\":{\"type\":\"Precompiled\"}," PLAIN "}",
	 "normalizer: type \"Precompiled\""},
	{"{\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"}," PLAIN "}", "\"BertPreTokenizer\""},
	{"{\"pre_tokenizer\":{\"type\":\"NFC\"}," PLAIN "}", "\"NFC\""},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(\"},\"behavior\":"
	 "\"Isolated\"}," PLAIN "}",
	 "pattern \"(\""},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[a-z&&[^b]]\"},"
	 "\"behavior\":\"Isolated\"}," PLAIN "}",
	 "sets within sets"},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"\"},\"behavior\":"
	 "\"Isolated\"}," PLAIN "}",
	 "pattern: empty"},
	{"{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":"
	 "\"Odd\"}," PLAIN "}",
	 "behavior"},
	{"{\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
	 "{\"type\":\"Digits\"}]}," PLAIN "}",
	 "ByteLevel is not the last"},
	{"{\"added_tokens\":[{\"id\":9,\"content\":\"x\",\"single_word\":true}]," PLAIN "}",
	 "single_word"},
	{"{\"added_tokens\":[{\"content\":\"x\"}]," PLAIN "}", "added_tokens[0]"},
	{"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", "vocab[0]"},
	{"{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}", "unk_id"},
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct sl_tokenizer *t = NULL;
		struct sl_error error = {""};
		int rc = sl_tokenizer_parse(refused[i].json, strlen(refused[i].json), &t, &error);

		if (rc != -EINVAL || t || !strstr(error.text, refused[i].part))
			fail_msg("%s: %d, \"%s\"", refused[i].json, rc, error.text);
	}
}

static void test_texts_refused(void **state)
{
	struct sl_tokenizer *t = open_one("{" PLAIN "}");

	(void)state;
	assert_int_equal(sl_tokenizer_count(t, SL_SPAN("a\xff")), -EILSEQ);
	assert_int_equal(sl_tokenizer_count(t, sl_span_make("", (size_t)SL_TOKENIZER_TEXT_MAX + 1)),
			 -E2BIG);
	assert_int_equal(sl_tokenizer_size(t), 9);
	sl_tokenizer_close(&t);
}

/* Marks on one letter are ordered in the square of their number. */
static void test_marks(void **state)
{
	struct sl_tokenizer *t = open_one("{\"normalizer\":{\"type\":\"NFC\"}," PLAIN "}");
	enum { MARKS = 1 << 20 };
	char *text = malloc(1 + 2 * 2 * MARKS);
	size_t len = 0;

	(void)state;
	assert_non_null(text);
	text[len++] = 'a';
	for (int i = 0; i < 2 * MARKS; i++) { /* U+0301, then U+0316, which goes before */
		text[len++] = '\xcc';
		text[len++] = i < MARKS ? '\x81' : '\x96';
	}
	assert_int_equal(sl_tokenizer_count(t, sl_span_make(text, len)), -EIO);
	assert_true(sl_tokenizer_count(t, sl_span_make(text, 1 + 2 * 40)) != -EIO);
	free(text);
	sl_tokenizer_close(&t);
}

/* ---- all the ways to be right ---------------------------------------------------------------- */

/* Merges of two letters and of what comes of them, by the rule and nothing else. */
static size_t naive(const char *text, size_t len, const char *const (*merges)[2],
		    size_t merge_count)
{
	char words[400][64];
	size_t count = len, i, rank, at;

	for (i = 0; i < len; i++)
		snprintf(words[i], sizeof(words[i]), "%c", text[i]);
	for (rank = 0; rank < merge_count;) {
		for (at = 0; at + 1 < count; at++) {
			if (!strcmp(words[at], merges[rank][0]) &&
			    !strcmp(words[at + 1], merges[rank][1]))
				break;
		}
		if (at + 1 >= count) {
			rank++;
			continue;
		}
		strcat(words[at], merges[rank][1]);
		memmove(words[at + 1], words[at + 2], (count - at - 2) * sizeof(words[0]));
		count--;
		rank = 0; /* what was made may be joined by an earlier rule */
	}
	return count;
}

/* The heap of long pieces and the scan of short ones, beside the rule itself. */
static void test_naive(void **state)
{
	static const char *const merges[][2] = {{"a", "a"},  {"b", "a"},    {"aa", "b"},
						{"c", "ba"}, {"aa", "aa"},  {"ba", "cba"},
						{"b", "b"},  {"bb", "aab"}, {"aaaa", "c"}};
	const size_t merge_count = sizeof(merges) / sizeof(merges[0]);
	struct sl_text json;
	struct sl_tokenizer *t;
	unsigned seed = 7;
	char text[400];

	(void)state;
	sl_text_init(&json, 0);
	sl_text_append_string(&json,
			      "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"c\":2");
	for (size_t i = 0; i < merge_count; i++)
		sl_text_printf(&json, ",\"%s%s\":%zu", merges[i][0], merges[i][1], 3 + i);
	sl_text_append_string(&json, "},\"merges\":[");
	for (size_t i = 0; i < merge_count; i++)
		sl_text_printf(&json, "%s\"%s %s\"", i ? "," : "", merges[i][0], merges[i][1]);
	sl_text_append_string(&json, "]}}");
	t = open_one(sl_text_string(&json));
	for (int n = 0; n < 3000; n++) {
		size_t len = (size_t)rand_r(&seed) % (n % 3 ? 30 : 300);

		for (size_t i = 0; i < len; i++)
			text[i] = (char)('a' + rand_r(&seed) % 3);
		if ((size_t)sl_tokenizer_count(t, sl_span_make(text, len)) !=
		    naive(text, len, merges, merge_count))
			fail_msg("%.*s", (int)len, text);
	}
	sl_tokenizer_close(&t);
	sl_text_fini(&json);
}

static void *count_much(void *arg)
{
	const struct sl_tokenizer *t = arg;
	char text[64];

	for (int n = 0; n < 4000; n++) {
		int len = snprintf(text, sizeof(text), "abc %d abcd ab", n % 50);

		if (sl_tokenizer_count(t, sl_span_make(text, (size_t)len)) != 6)
			return arg;
	}
	return NULL;
}

/* Threads share what is known of pieces. */
static void test_threads(void **state)
{
	struct sl_tokenizer *t =
		open_one("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
			 "\"behavior\":\"Isolated\"}," PLAIN "}");
	pthread_t threads[4];
	void *wrong;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_much, t), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &wrong);
		assert_null(wrong);
	}
	sl_tokenizer_close(&t);
}

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

/* Which text is the longest that begins at `at`, and where it first came: tried one by one. */
static uint32_t naive_longest(const struct sl_span *texts, uint32_t count, struct sl_span text,
			      size_t at, size_t *ret_len)
{
	uint32_t best = SL_TOKENIZER_NONE;

	*ret_len = 0;
	for (uint32_t i = 0; i < count; i++)
		if (texts[i].len > *ret_len && texts[i].len <= text.len - at &&
		    memcmp(texts[i].data, text.data + at, texts[i].len) == 0) {
			*ret_len = texts[i].len;
			best = i;
		}
	return best;
}

/* Many beginnings in common, texts that are beginnings of others or came before, nodes with 256 children. */
static void test_tree(void **state)
{
	static char bytes[200000];
	static struct sl_span texts[3000];
	uint32_t seed = 5, found = 0;

	(void)state;
	for (uint32_t letters = 2; letters <= 256; letters = letters * letters) {
		struct sl_tokenizer_tree tree = {.node_count = 0};
		size_t len = 0;

		for (uint32_t i = 0; i < 3000; i++) {
			texts[i] = sl_span_make(bytes + len, 1 + next_random(&seed, 12));
			for (size_t k = 0; k < texts[i].len; k++)
				bytes[len++] = (char)next_random(&seed, letters);
			assert_int_equal(sl_tokenizer_tree_add(&tree, texts[i], i), 0);
		}
		assert_int_equal(sl_tokenizer_tree_step(&tree, 0, 0), 0);
		assert_int_equal(sl_tokenizer_tree_settle(&tree), 0);
		for (size_t at = 0; at < 1000; at++) {
			struct sl_span all = sl_span_make(bytes, len);
			size_t want_len, got_len = 0;
			uint32_t want = naive_longest(texts, 3000, all, at, &want_len);
			uint32_t got = SL_TOKENIZER_NONE, node = 0;

			for (size_t k = at; k < len; k++) {
				node = sl_tokenizer_tree_step(&tree, node, (uint8_t)bytes[k]);
				if (!node)
					break;
				if (tree.ends[node] != SL_TOKENIZER_NONE) {
					got = tree.ends[node];
					got_len = k + 1 - at;
				}
			}
			assert_int_equal(got, want);
			assert_int_equal(got_len, want_len);
			found += got != SL_TOKENIZER_NONE;
		}
		sl_tokenizer_tree_close(&tree);
	}
	assert_true(found > 2000);
}

/* What a Unigram tokenizer takes, as a multiple of its file. */
static void test_memory(void **state)
{
	struct sl_tokenizer *t = NULL;
	struct sl_error error = {""};
	struct sl_text json;
	uint32_t seed = 9;

	(void)state;
	sl_text_init(&json, 0);
	sl_text_append_string(&json,
			      "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"?\",0]");
	for (uint32_t i = 0; i < 30000; i++) {
		sl_text_append_string(&json, ",[\"");
		for (uint32_t k = 2 + next_random(&seed, 10); k > 0; k--)
			sl_text_append_char(&json, (char)('a' + next_random(&seed, 26)));
		sl_text_printf(&json, "\",-%u.5]", i);
	}
	sl_text_append_string(&json, "]}}");
	assert_int_equal(sl_tokenizer_parse(json.data, json.len, &t, &error), 0);
	printf("memory of a tokenizer: %.1f times its file of %zu KiB\n",
	       (double)sl_tokenizer_bytes(t) / (double)json.len, json.len >> 10);
	assert_true(sl_tokenizer_bytes(t) <= 8 * json.len);
	sl_tokenizer_close(&t);
	sl_text_fini(&json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_texts_refused), cmocka_unit_test(test_marks),
		cmocka_unit_test(test_naive),	      cmocka_unit_test(test_threads),
		cmocka_unit_test(test_tree),	      cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
