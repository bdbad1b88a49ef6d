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
	w->ring = sl_keyring_build(&file, NULL, NULL);
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
		sl_admit_end(&admission, 0);
		assert_int_equal(w.ring->refs, 1);
		if (id == SL_OPENAI_OK)
			continue;
		assert_int_equal(error.id, id);
		assert_int_equal(refusal, head_cases[i].refusal);
		assert_true(!error.object || !strstr(error.object, w.good + 11));
	}
	sl_keyring_put(&w.ring);
}

/* ---- limits -------------------------------------------------------------------------------- */

/* A file of one key of tenant "t", its own copy of the hash. */
static struct sl_key_file *file_of(const struct sl_key_record *like, uint32_t concurrent)
{
	struct sl_key_file *file = sl_key_file_new();
	struct sl_key_record *record = NULL;

	assert_int_equal(sl_key_file_add(file, &record), 0);
	memcpy(record->id, like->id, sizeof(record->id));
	record->hash = like->hash;
	strcpy(record->tenant, "t");
	record->rates.concurrent = concurrent;
	return file;
}

static enum sl_openai_error_id ask(struct sl_keyring *ring, const char *key, struct sl_meter *model,
				   const struct sl_rates *model_rates,
				   struct sl_admission *admission, enum sl_admit_refusal *refusal)
{
	static char text[SL_ADMIT_TEXT_BYTES];
	struct sl_openai_error error;
	struct sl_h1_head head;
	struct world w = {.ring = ring};
	uint64_t wait_ns;

	memcpy(w.good, key, sizeof(w.good));
	parse(&w, "x-api-key: %K\r\n", &head);
	assert_int_equal(sl_admit_key(ring, &head, admission, &error, refusal), SL_OPENAI_OK);
	return sl_admit_limits(admission, model, model_rates, 10, 1, text, &error, refusal,
			       &wait_ns);
}

/*
 * Three owners of limits; who refuses says so, and has taken nothing of the others. What is under
 * way under one ring counts in the next one, and ends in the meters it began with.
 */
static void limits_of_three_owners(void **state)
{
	struct sl_config_tenant tenants[] = {{.name = "other"}, {.name = "t", .rates = {3, 0, 0}}};
	struct sl_config config = {
		.key_rates = {100, 0, 50}, .tenants = tenants, .tenant_count = 2};
	static const struct sl_rates model_rates = {0, 35, 0};
	struct sl_meter *model = sl_meter_new();
	char key[SL_API_KEY_LEN + 1];
	struct sl_key_file *file = sl_key_file_new();
	struct sl_key_record like = *add(file, key);
	struct sl_admission a, b, c, d;
	enum sl_admit_refusal why = 0;
	struct sl_keyring *ring, *next;
	const struct sl_keyring_entry *entry;

	(void)state;
	sl_key_file_close(&file);
	file = file_of(&like, 2);
	ring = sl_keyring_build(&file, &config, NULL);
	entry = &ring->entries[0];
	assert_int_equal(entry->rates.concurrent, 2); /* its own before the default */
	assert_int_equal(entry->rates.requests_per_minute, 100);
	assert_ptr_equal(entry->tenant, &ring->tenants[1]);
	assert_int_equal(ask(ring, key, model, &model_rates, &a, &why), SL_OPENAI_OK);
	assert_int_equal(ask(ring, key, model, &model_rates, &b, &why), SL_OPENAI_OK);
	assert_int_equal(ask(ring, key, model, &model_rates, &c, &why), SL_OPENAI_ERROR_RATE);
	assert_int_equal(why, SL_ADMIT_REFUSED_CONCURRENT);
	assert_int_equal(entry->tenant->meter->in_flight, 2);
	assert_int_equal(model->tokens.reserved, 20);
	sl_admit_end(&c, 1);

	file = file_of(&like, 4);
	next = sl_keyring_build(&file, &config, ring);
	sl_keyring_put(&ring); /* a and b still hold it */
	entry = &next->entries[0];
	assert_int_equal(entry->meter->in_flight, 2);
	assert_int_equal(ask(next, key, model, &model_rates, &c, &why), SL_OPENAI_OK);
	assert_int_equal(ask(next, key, model, &model_rates, &d, &why), SL_OPENAI_ERROR_RATE);
	assert_int_equal(why, SL_ADMIT_REFUSED_REQUESTS + 1); /* of the tenant */
	assert_int_equal(entry->meter->in_flight, 3);
	sl_admit_end(&d, 1);
	sl_admit_settle(&a, 30, 1);
	sl_admit_settle(&a, 30, 1); /* nothing the second time */
	sl_admit_end(&a, 1);
	sl_admit_end(&b, 1);
	assert_int_equal(model->tokens_total, 30);
	sl_admit_end(&c, 1);
	assert_int_equal(entry->meter->in_flight, 0);
	assert_int_equal(entry->tenant->meter->in_flight, 0);
	assert_int_equal(entry->tenant->meter->tokens_total, 30);

	tenants[1].rates.requests_per_minute = 0; /* then the model is what refuses */
	file = file_of(&like, 4);
	ring = sl_keyring_build(&file, &config, next);
	sl_keyring_put(&next);
	assert_int_equal(ask(ring, key, model, &model_rates, &d, &why), SL_OPENAI_ERROR_RATE);
	assert_int_equal(why, SL_ADMIT_REFUSED_TOKENS + 2);
	assert_string_equal(sl_admit_refusal_name(why), "model_tokens");
	assert_int_equal(ring->entries[0].meter->in_flight, 0);
	sl_admit_end(&d, 1);
	sl_keyring_put(&ring);
	assert_int_equal(model->tokens.reserved, 0);
	sl_meter_put(&model);
}

/* The same of money: key before tenant before model, and a refusal holds nothing. */
static void budgets_of_three_owners(void **state)
{
	struct sl_config_tenant tenants[] = {{.name = "t", .budget = {.month = 100}}};
	struct sl_config config = {
		.key_budget = {.day = 60}, .tenants = tenants, .tenant_count = 1, .price_count = 1};
	struct sl_key_file *file = sl_key_file_new();
	char key[SL_API_KEY_LEN + 1], text[SL_ADMIT_TEXT_BYTES];
	struct sl_key_record like = *add(file, key);
	struct sl_purse model = {.budget = {.total = 150}};
	const struct sl_keyring_entry *entry;
	struct sl_admission a = {0}, b = {0};
	struct sl_openai_error error;
	enum sl_admit_refusal why = 0;
	static struct sl_accounts accounts;
	struct sl_keyring *ring;
	uint64_t wait_ns = 0;

	(void)state;
	sl_key_file_close(&file);
	file = file_of(&like, 0);
	sl_accounts_init(&accounts);
	model.account = sl_accounts_get(&accounts, SL_SPEND_MODEL, "m");
	ring = sl_keyring_build(&file, &config, NULL);
	assert_int_equal(sl_keyring_set_accounts(ring, &config, &accounts), 0);
	entry = &ring->entries[0];
	a.ring = sl_keyring_get(ring);
	b.ring = sl_keyring_get(ring);
	a.key = b.key = &ring->file->records[0];
#define BUDGET(of, nano) sl_admit_budget(of, &model, nano, "EUR", text, &error, &why, &wait_ns)
	assert_int_equal(BUDGET(&a, 50), SL_OPENAI_OK);
	assert_int_equal(BUDGET(&b, 11), SL_OPENAI_ERROR_QUOTA);
	assert_string_equal(sl_admit_refusal_name(why), "key_budget");
	assert_int_equal(b.purse_count, 0);
	assert_true(wait_ns > 0 && wait_ns <= 86400 * 1000000000ull);
	sl_admit_pay(&a, 55);
	sl_admit_pay(&a, 55); /* nothing the second time */
	assert_int_equal(model.account->total, 55);
	assert_int_equal(BUDGET(&b, 6), SL_OPENAI_ERROR_QUOTA);
	assert_non_null(strstr(text, "this API key has spent 0.000000055 of 0.00000006 EUR"));
	entry->purse.account->day_base = 55; /* the next day; the tenant's month goes on */
	assert_int_equal(BUDGET(&b, 46), SL_OPENAI_ERROR_QUOTA);
	assert_string_equal(sl_admit_refusal_name(why), "tenant_budget");
	assert_int_equal(entry->purse.account->reserved, 0);
	assert_int_equal(BUDGET(&b, 45), SL_OPENAI_OK);
	sl_admit_end(&b, 1); /* unused */
	assert_int_equal(entry->tenant->purse.account->reserved, 0);
	assert_int_equal(model.account->total, 55);
	model.account->total = 145;
	assert_int_equal(BUDGET(&a, 10), SL_OPENAI_ERROR_QUOTA);
	assert_string_equal(sl_admit_refusal_name(why), "model_budget");
	assert_int_equal(wait_ns, SL_LIMIT_NEVER);
	assert_int_equal(BUDGET(&a, 0), SL_OPENAI_OK); /* costs nothing */
	sl_admit_end(&a, 1);
	sl_keyring_put(&ring);
	sl_accounts_fini(&accounts);
}

static void what_the_headers_say(void **state)
{
	static const struct sl_rates model_rates = {60, 6000, 0};
	struct sl_keyring *ring = sl_keyring_new(SL_KEYRING_OPEN);
	struct sl_meter *model = sl_meter_new();
	struct sl_admission admission = {0};
	struct sl_openai_error error;
	enum sl_admit_refusal why;
	char text[SL_ADMIT_TEXT_BYTES], lines[SL_ADMIT_LIMITS_BYTES];
	struct sl_h1_out out;
	uint64_t wait_ns;

	(void)state;
	sl_h1_out_init(&out, lines, sizeof(lines));
	sl_admit_write_limits(&admission, 1, &out);
	assert_ptr_equal(out.at, lines); /* without limits nothing */
	assert_int_equal(sl_admit_limits(&admission, model, &model_rates, 150, 1, text, &error,
					 &why, &wait_ns),
			 SL_OPENAI_OK);
	assert_true(sl_admit_counts_tokens(&admission));
	sl_admit_settle(&admission, 9000, 1); /* 90 s worth */
	sl_admit_write_limits(&admission, 1, &out);
	assert_int_equal(out.error, 0);
	*out.at = '\0';
	assert_string_equal(lines, "x-ratelimit-limit-requests: 60\r\n"
				   "x-ratelimit-remaining-requests: 59\r\n"
				   "x-ratelimit-reset-requests: 1s\r\n"
				   "x-ratelimit-limit-tokens: 6000\r\n"
				   "x-ratelimit-remaining-tokens: 0\r\n"
				   "x-ratelimit-reset-tokens: 1m30s\r\n");
	sl_admit_end(&admission, 1);
	sl_meter_put(&model);
	sl_keyring_put(&ring);
}

static void cost_of_limits(void)
{
	static const struct sl_rates rates = {SL_RATE_MAX, SL_RATE_MAX, SL_RATE_MAX};
	struct sl_meter *model = sl_meter_new();
	char text[SL_ADMIT_TEXT_BYTES];
	struct sl_openai_error error;
	enum sl_admit_refusal why;
	uint64_t start_ns = sl_clock_ns(), wait_ns;

	for (unsigned i = 0; i < CHECKS; i++) {
		struct sl_admission admission = {0};

		sl_admit_limits(&admission, model, &rates, 150, start_ns, text, &error, &why,
				&wait_ns);
		sl_admit_settle(&admission, 100, start_ns);
	}
	printf("# requests, tokens and place of one meter, taken and settled: %llu ns\n",
	       (unsigned long long)((sl_clock_ns() - start_ns) / CHECKS));
	sl_meter_put(&model);
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
	cost_of_limits();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(models),
		cmocka_unit_test(fields_of_the_head),
		cmocka_unit_test(limits_of_three_owners),
		cmocka_unit_test(budgets_of_three_owners),
		cmocka_unit_test(what_the_headers_say),
		cmocka_unit_test(cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
