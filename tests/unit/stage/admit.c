/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys as requests bring them: the ring's verdicts, the fields of the head, models, references. */
#include "user/stage/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MANY	     3000u
#define NOW_S	     1000000000ull
#define CHECKS	     20000u

struct world {
	struct sl_keyring *ring;
	char good[SL_API_KEY_LEN + 1];
	char expired[SL_API_KEY_LEN + 1];
	char revoked[SL_API_KEY_LEN + 1];
	char narrow[SL_API_KEY_LEN + 1];
};

static struct sl_key_record *add(struct sl_key_file *file, char key[SL_API_KEY_LEN + 1])
{
	struct sl_key_record *record = NULL;

	assert_int_equal(sl_key_file_add(file, &record), 0);
	assert_int_equal(sl_api_key_generate(key, &record->hash), 0);
	memcpy(record->id, key + SL_API_KEY_PREFIX_LEN, SL_API_KEY_ID_LEN);
	record->created_s = 1;
	return record;
}

static void world_open(struct world *w)
{
	struct sl_key_file *file = sl_key_file_new();
	char other[SL_API_KEY_LEN + 1];
	struct sl_key_record *record;

	assert_non_null(file);
	add(file, w->good);
	add(file, w->expired)->expires_s = NOW_S;
	add(file, w->revoked)->revoked_s = 5;
	for (unsigned i = 0; i < MANY; i++)
		add(file, other);
	record = add(file, w->narrow);
	assert_int_equal(sl_key_record_set_routes(file, record, "a,b/c", 5, NULL), 0);
	w->ring = sl_keyring_build(&file);
	assert_non_null(w->ring);
	assert_null(file);
}

static enum sl_keyring_verdict check(const struct world *w, const char *text)
{
	const struct sl_key_record *key = (void *)1;
	enum sl_keyring_verdict verdict =
		sl_keyring_check(w->ring, text, text ? strlen(text) : 0, NOW_S, &key);

	assert_int_equal(key != NULL, verdict == SL_KEYRING_ADMITTED);
	return verdict;
}

static void verdicts(void **state)
{
	struct world w;
	char text[SL_API_KEY_LEN + 1];

	(void)state;
	world_open(&w);
	assert_int_equal(check(&w, w.good), SL_KEYRING_ADMITTED);
	assert_int_equal(check(&w, w.narrow), SL_KEYRING_ADMITTED);
	assert_int_equal(check(&w, w.expired), SL_KEYRING_EXPIRED);
	assert_int_equal(check(&w, w.revoked), SL_KEYRING_REVOKED);
	assert_int_equal(check(&w, NULL), SL_KEYRING_MISSING);
	assert_int_equal(check(&w, ""), SL_KEYRING_MISSING);
	assert_int_equal(check(&w, "sk-sluice-"), SL_KEYRING_MALFORMED);
	/* each place of the key counts; a wrong secret never learns of expiry or revocation */
	for (size_t i = SL_API_KEY_PREFIX_LEN; i < SL_API_KEY_LEN; i++) {
		const char *const keys[] = {w.good, w.expired, w.revoked};

		for (size_t k = 0; k < COUNT(keys) && keys[k][i] != '-'; k++) {
			memcpy(text, keys[k], sizeof(text));
			text[i] = text[i] == 'x' ? 'y' : 'x';
			assert_int_equal(check(&w, text), SL_KEYRING_UNKNOWN);
		}
	}
	sl_keyring_put(&w.ring);
	w.ring = sl_keyring_new(SL_KEYRING_BROKEN);
	assert_int_equal(check(&w, w.good), SL_KEYRING_UNCHECKED);
	assert_int_equal(check(&w, NULL), SL_KEYRING_UNCHECKED);
	sl_keyring_put(&w.ring);
}

static void models(void **state)
{
	static const char *const may[] = {"a", "b/c"};
	static const char *const may_not[] = {"", "b", "aa", "b/", "b/cc", "A"};
	const struct sl_key_record *key;
	struct world w;

	(void)state;
	world_open(&w);
	sl_keyring_check(w.ring, w.narrow, SL_API_KEY_LEN, NOW_S, &key);
	for (size_t i = 0; i < COUNT(may); i++)
		assert_true(sl_keyring_may(key, may[i], strlen(may[i])));
	for (size_t i = 0; i < COUNT(may_not); i++)
		assert_false(sl_keyring_may(key, may_not[i], strlen(may_not[i])));
	sl_keyring_check(w.ring, w.good, SL_API_KEY_LEN, NOW_S, &key);
	assert_true(sl_keyring_may(key, "anything", 8));
	sl_keyring_put(&w.ring);
}

/* %K stands for a good key, %N for one that is formed and not known. */
struct head_case {
	const char *fields;
	enum sl_openai_error_id id;
	enum sl_admit_refusal refusal;
};

static const struct head_case head_cases[] = {
	{"authorization: Bearer %K\r\n", SL_OPENAI_OK, 0},
	{"Authorization: BEARER   %K \r\n", SL_OPENAI_OK, 0},
	{"x-api-key: %K\r\n", SL_OPENAI_OK, 0},
	{"x-api-key: %K\r\nauthorization: Basic Zm9v\r\n", SL_OPENAI_OK, 0},
	{"x-api-key: %K\r\nauthorization: Bearer %N\r\n", SL_OPENAI_ERROR_KEY,
	 SL_ADMIT_REFUSED_UNKNOWN},
	{"x-api-key: %N\r\nauthorization: Bearer %K\r\n", SL_OPENAI_OK, 0},
	{"", SL_OPENAI_ERROR_KEY_MISSING, SL_ADMIT_REFUSED_MISSING},
	{"authorization: %K\r\n", SL_OPENAI_ERROR_KEY_MISSING, SL_ADMIT_REFUSED_MISSING},
	{"authorization: Bearer\r\n", SL_OPENAI_ERROR_KEY_MISSING, SL_ADMIT_REFUSED_MISSING},
	{"x-api-key:\r\n", SL_OPENAI_ERROR_KEY_MISSING, SL_ADMIT_REFUSED_MISSING},
	{"authorization: Bearer %K%K\r\n", SL_OPENAI_ERROR_KEY, SL_ADMIT_REFUSED_MALFORMED},
	{"authorization: Bearer %K x\r\n", SL_OPENAI_ERROR_KEY, SL_ADMIT_REFUSED_MALFORMED},
	{"cookie: key=%K\r\n", SL_OPENAI_ERROR_KEY_MISSING, SL_ADMIT_REFUSED_MISSING},
};

static void parse(const struct world *w, const char *fields, struct sl_h1_head *head)
{
	static char text[1024];
	size_t len = (size_t)sprintf(text, "POST / HTTP/1.1\r\nhost: s\r\n");

	for (; *fields; fields++) {
		if (*fields != '%') {
			text[len++] = *fields;
			continue;
		}
		fields++;
		memcpy(text + len, w->good, SL_API_KEY_LEN);
		len += SL_API_KEY_LEN;
		if (*fields == 'N')
			text[len - 1] = text[len - 1] == 'x' ? 'y' : 'x';
	}
	memcpy(text + len, "\r\n", 2);
	assert_int_equal(sl_h1_parse_request(text, len + 2, 0, head), len + 2);
}

static void fields_of_the_head(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	for (size_t i = 0; i < COUNT(head_cases); i++) {
		enum sl_admit_refusal refusal = SL_ADMIT_REFUSALS;
		struct sl_openai_error error = {0};
		struct sl_admission admission;
		struct sl_h1_head head;
		enum sl_openai_error_id id;

		parse(&w, head_cases[i].fields, &head);
		id = sl_admit_key(w.ring, &head, &admission, &error, &refusal);
		if (id != head_cases[i].id)
			fail_msg("%s: %d", head_cases[i].fields, id);
		assert_int_equal(admission.ring == w.ring, id == SL_OPENAI_OK);
		assert_int_equal(w.ring->refs, id == SL_OPENAI_OK ? 2 : 1);
		sl_admit_end(&admission);
		assert_int_equal(w.ring->refs, 1);
		if (id == SL_OPENAI_OK)
			continue;
		assert_int_equal(error.id, id);
		assert_int_equal(refusal, head_cases[i].refusal);
		assert_true(!error.object || !strstr(error.object, w.good + 11));
	}
	sl_keyring_put(&w.ring);
}

/* Printed, not judged: a slow machine fails nothing. */
static void cost(void **state)
{
	const struct sl_key_record *key;
	struct world w;
	uint64_t start_ns, took_ns;
	unsigned i;

	(void)state;
	world_open(&w);
	start_ns = sl_clock_ns();
	for (i = 0; i < CHECKS; i++)
		assert_int_equal(sl_keyring_check(w.ring, w.good, SL_API_KEY_LEN, NOW_S, &key),
				 SL_KEYRING_ADMITTED);
	took_ns = sl_clock_ns() - start_ns;
	printf("# a check among %u keys: %llu ns\n", w.ring->file->count,
	       (unsigned long long)(took_ns / CHECKS));
	sl_keyring_put(&w.ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(models),
		cmocka_unit_test(fields_of_the_head),
		cmocka_unit_test(cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
