/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Personal data: how much of a text is looked at, which must be linear whatever the text is, since who
 * sends it chooses it; counted in bytes, not in time. And that what searches remember changes nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/guard.h"
#include "user/policy/pii.h"

#define COUNT(a)   (sizeof(a) / sizeof((a)[0]))
#define SMALL	   (16u << 10) /* where a quadratic search still ends */
#define LARGE	   (1u << 20)
#define MIDDLE	   (1u << 17) /* of what has many matches */
#define LOOKED_MAX 40u	      /* bytes looked at for each byte of a text */

/* A text that begins and ends so, and is full of the same between. */
static const struct hard {
	const char *head, *unit, *tail;
} hard[] = {
	/* no digit: refused at the end of the run */
	{"", "sk-ant-", ""},
	{"", "sk-ant-", "7"},
	{"", "sk-proj-", "!"},
	{"", "sk-svcacct-", ""},
	{"", "xoxb-", ""},
	{"", "-glpat", "-"},
	{"", "github_pat_-", ""},
	{"", "sk-", ""},
	{"sk-", "a", ""},
	{"sk-ant-", "aaaaaaaaaaaaaaaaaaaaaaaaa-sk-ant-", "."},
	/* no dot, no second part, no third */
	{"", "eyJ-", ""},
	{"", "eyJaaaaa-", ""},
	{"", "eyJaaaaa.", ""},
	{"", "eyJaaaaa.eyJ", ""},
	{"", "eyJaaaaa.eyJaaaaa.a-", ""},
	{"eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-aaaaa.eyJ", "a", "!"},
	{"eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-eyJ-aaaaa.eyJ", "-eyJ", ".a"},
	/* matches between, each of which a search begins behind */
	{"", "AKIAABCDEFGHIJKLMNOP-sk-ant-", ""},
	{"", "AKIAABCDEFGHIJKLMNOP-eyJ-", ""},
	{"eyJ-AKIAABCDEFGHIJKLMNOP-eyJ-AKIAABCDEFGHIJKLMNOP-eyJaaaaa.eyJ", "-eyJ", "!"},
	/* matches to the end of the text */
	{"", "sk-ant-9aaaaaaaaaaaaaaaaaaaa-", ""},
	{"", "eyJaaaaa.eyJaaaaa.aaaaaaaaaa-", ""},
	{"", "-----BEGIN PRIVATE KEY-----", ""},
	{"", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY"},
	{"", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"},
	{"", "-----BEGIN PRIVATE KEY ", ""},
	{"", "-----BEGIN ", ""},
	{"", "-", ""},
	{"", "AKIA", ""},
	{"", "AKIA-", ""},
	{"", "ghp_", ""},
	/* addresses */
	{"", "@", ""},
	{"", "a@", ""},
	{"", "a@b.", ""},
	{"", "a@b.co", ""},
	{"", "a@b.co ", ""},
	{"", ".", "@b.co"},
	{"", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z@a.co ", ""},
	{"a@", "a.", ""},
	{"a@", "a", ".co"},
	{"", "4111111111111111 a@b-", ""},
	/* numbers */
	{"", "1", ""},
	{"", "1 ", ""},
	{"", "1-", ""},
	{"", "4111 ", ""},
	{"", "4111-1111-1111-1112 ", ""},
	{"", "4111111111111111 ", ""},
	{"", "+1", ""},
	{"", "+(", ""},
	{"+", "1 (", ""},
	{"", "+49 (", ""},
	{"", "(212) 555-012 ", ""},
	{"", "AB 12 34 56 ", ""},
	{"", "GB82 WEST 1234 ", ""},
	{"", "MT84MALT0", ""},
	{"", "X-1", ""},
	{"", "1 23 45 67 8", ""},
	{"", "212 555 0123 ", ""},
	{"", "t t t t 212 555 0123 ", ""},
	{"", "078 05 1121 ", ""},
	{"", "100 200 300 ", ""},
};

static char *make_text(const struct hard *text, size_t len)
{
	size_t head = strlen(text->head), unit = strlen(text->unit), tail = strlen(text->tail);
	char *made = malloc(len);

	assert_non_null(made);
	memcpy(made, text->head, head);
	for (size_t at = head; at < len; at++)
		made[at] = text->unit[(at - head) % unit];
	memcpy(made + len - tail, text->tail, tail);
	return made;
}

/* All matches of a text; `within`: each search begins in the match before, as where a list took it. */
static uint64_t count_looked(const struct hard *hard_text, size_t len, bool within)
{
	struct sl_pii_memo memo = {.looked = 0};
	struct sl_pii_match match;
	char *text = make_text(hard_text, len);
	size_t from = 0;

	while (sl_pii_find_next(text, len, from, SL_PII_ALL, &memo, &match))
		from = match.at + (within ? 1 : match.len);
	free(text);
	return memo.looked;
}

static void test_looked(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(hard); i++) {
		const struct hard *text = &hard[i / 2];
		bool within = i % 2;
		size_t len = within ? MIDDLE : LARGE;
		uint64_t small = count_looked(text, SMALL, within), half, full;

		if (small < SMALL / 2 || small > LOOKED_MAX * SMALL)
			fail_msg("\"%s\": %llu of %u bytes", text->unit, (unsigned long long)small,
				 SMALL);
		half = count_looked(text, len / 2, within);
		full = count_looked(text, len, within);
		if (full > LOOKED_MAX * len || full > half * 21 / 10)
			fail_msg("\"%s\": %llu of %zu bytes, %llu of half of them", text->unit,
				 (unsigned long long)full, len, (unsigned long long)half);
	}
}

/* A search that remembers finds what one finds that does not. */
static void test_memo(void **state)
{
	static const char *const parts[] = {
		"sk-ant-",
		"sk-proj-",
		"sk-",
		"xoxb-",
		"eyJ",
		"eyJaaaaaaaa",
		"aaaaaaaa",
		"-",
		".",
		" ",
		"9",
		"AKIAABCDEFGHIJKLMNOP",
		"ghp_",
		"a@b.co",
		"----",
		"-BEGIN",
		" RSA ",
		"PRIVATE KEY-----",
		"-----END",
		"_",
		"AIza",
		"Z0",
		"\n",
		"-----BEGIN PRIVATE KEY-----",
		"-----END PRIVATE KEY-----",
	};
	char text[640];
	uint32_t seed = 11;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct sl_pii_memo memo = {.looked = 0};
		size_t len = 0, from = 0, kinds = 6 + (size_t)round % (COUNT(parts) - 6);
		char *copy;

		while (len < 600) {
			const char *part;

			seed = seed * 1103515245 + 12345;
			part = parts[((seed >> 16) + (size_t)round) % kinds];
			memcpy(text + len, part, strlen(part));
			len += strlen(part);
		}
		len = (seed >> 8) % len;
		copy = sl_guard_copy(text, len);
		for (;;) {
			struct sl_pii_match one = {0}, two = {0};
			bool any = sl_pii_find(copy, len, from, SL_PII_ALL, &one);

			if (any != sl_pii_find_next(copy, len, from, SL_PII_ALL, &memo, &two) ||
			    one.at != two.at || one.len != two.len || one.kind != two.kind ||
			    one.open != two.open || one.pem != two.pem)
				fail_msg("\"%.*s\" from %zu: %zu+%zu, %zu+%zu", (int)len, copy,
					 from, one.at, one.len, two.at, two.len);
			if (!any)
				break;
			from = one.at + (round % 2 ? 1 : one.len);
		}
		sl_guard_free(copy, len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_looked),
		cmocka_unit_test(test_memo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
