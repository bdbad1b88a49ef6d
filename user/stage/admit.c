/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/admit.h"

#include <stdio.h>
#include "user/base/clock.h"
#include "user/base/text.h"

#define RESET_TEXT_SIZE 32u

struct rule {
	enum sl_openai_error_id id;
	enum sl_admit_refusal refusal;
	const char *object; /* what the client reads; nothing of the key itself */
};

static const struct rule rules[SL_KEYRING_VERDICTS] = {
	[SL_KEYRING_UNSET] = {SL_OPENAI_ERROR_KEYS_UNREADABLE, SL_ADMIT_REFUSED_UNCHECKED, NULL},
	[SL_KEYRING_ADMITTED] = {SL_OPENAI_OK, SL_ADMIT_REFUSALS, NULL},
	[SL_KEYRING_MISSING] = {SL_OPENAI_ERROR_KEY_MISSING, SL_ADMIT_REFUSED_MISSING, NULL},
	[SL_KEYRING_MALFORMED] = {SL_OPENAI_ERROR_KEY, SL_ADMIT_REFUSED_MALFORMED,
				  "it has not the form of a key (sk-sluice-...)"},
	[SL_KEYRING_UNKNOWN] = {SL_OPENAI_ERROR_KEY, SL_ADMIT_REFUSED_UNKNOWN,
				"no such key is known here"},
	[SL_KEYRING_EXPIRED] = {SL_OPENAI_ERROR_KEY, SL_ADMIT_REFUSED_EXPIRED, "it has expired"},
	[SL_KEYRING_REVOKED] = {SL_OPENAI_ERROR_KEY, SL_ADMIT_REFUSED_REVOKED, "it was revoked"},
	[SL_KEYRING_UNCHECKED] = {SL_OPENAI_ERROR_KEYS_UNREADABLE, SL_ADMIT_REFUSED_UNCHECKED,
				  NULL},
};

/* The token of "Bearer TOKEN"; nothing for another scheme (RFC 9110, 11.1: of any letter case). */
static struct sl_span bearer_of(const struct sl_h1_header *header)
{
	struct sl_span rest = {header->value, header->value_len};
	struct sl_span scheme = sl_span_cut(&rest, ' ');

	if (rest.data == NULL || !sl_span_equal_case(scheme, SL_SPAN("bearer")))
		return (struct sl_span){NULL, 0};
	return sl_span_trim(rest);
}

static struct sl_span key_of(const struct sl_h1_head *head)
{
	const struct sl_h1_header *header = sl_h1_head_find(head, SL_H1_ID_AUTHORIZATION);
	struct sl_span key = {NULL, 0};

	if (header != NULL)
		key = bearer_of(header);
	if (key.len != 0)
		return key;
	header = sl_h1_head_find(head, SL_H1_ID_X_API_KEY);
	return header != NULL ? sl_span_make(header->value, header->value_len) : key;
}

enum sl_openai_error_id sl_admit_key(struct sl_keyring *ring, const struct sl_h1_head *head,
				     struct sl_admission *ret_admission,
				     struct sl_openai_error *ret_error,
				     enum sl_admit_refusal *ret_refusal)
{
	struct sl_span text = key_of(head);
	const struct sl_key_record *key;
	const struct rule *rule;

	rule = &rules[sl_keyring_check(ring, text.data, text.len, sl_clock_wall_ms() / 1000u,
				       &key)];
	if (rule->id == SL_OPENAI_OK) {
		/* an open ring holds nothing that a request would need later */
		*ret_admission = (struct sl_admission){
			.ring = key != NULL ? sl_keyring_get(ring) : NULL, .key = key};
		return SL_OPENAI_OK;
	}
	*ret_admission = (struct sl_admission){0};
	*ret_error = (struct sl_openai_error){.id = rule->id, .object = rule->object};
	*ret_refusal = rule->refusal;
	return rule->id;
}

enum sl_openai_error_id sl_admit_route(const struct sl_admission *admission, const char *model,
				       size_t model_len, struct sl_openai_error *ret_error,
				       enum sl_admit_refusal *ret_refusal)
{
	if (admission->key == NULL || sl_keyring_may(admission->key, model, model_len))
		return SL_OPENAI_OK;
	*ret_error = (struct sl_openai_error){
		.id = SL_OPENAI_ERROR_FORBIDDEN,
		.param = "model",
		.object = model,
	};
	*ret_refusal = SL_ADMIT_REFUSED_ROUTE;
	return SL_OPENAI_ERROR_FORBIDDEN;
}

/* ---- limits -------------------------------------------------------------------------------- */

static void add_meter(struct sl_admission *admission, struct sl_meter *meter,
		      const struct sl_rates *rates)
{
	if (meter != NULL && sl_rates_any(rates))
		admission->meters[admission->meter_count++] =
			(struct sl_admit_meter){meter, *rates};
}

static void collect(struct sl_admission *admission, struct sl_meter *model,
		    const struct sl_rates *model_rates)
{
	const struct sl_keyring_entry *entry;

	admission->meter_count = 0;
	if (admission->key != NULL) {
		entry = sl_keyring_entry_of(admission->ring, admission->key);
		add_meter(admission, entry->meter, &entry->rates);
		if (entry->tenant != NULL)
			add_meter(admission, entry->tenant->meter, &entry->tenant->rates);
	}
	add_meter(admission, model, model_rates);
}

/* Which of the three a meter is: 0 key, 1 tenant, 2 model. */
static unsigned owner_of(const struct sl_admission *admission, const struct sl_admit_meter *meter,
			 const struct sl_meter *model)
{
	if (meter->meter == model)
		return 2;
	return meter->meter != sl_keyring_entry_of(admission->ring, admission->key)->meter;
}

static void describe(unsigned owner, enum sl_meter_limit limit, const struct sl_rates *rates,
		     uint32_t tokens, bool never, char *text)
{
	static const char *const owners[] = {"this API key", "this tenant", "this model"};

	if (limit == SL_METER_CONCURRENT)
		snprintf(text, SL_ADMIT_TEXT_BYTES, "%u requests at once for %s", rates->concurrent,
			 owners[owner]);
	else if (limit == SL_METER_REQUESTS)
		snprintf(text, SL_ADMIT_TEXT_BYTES, "%u requests per minute for %s",
			 rates->requests_per_minute, owners[owner]);
	else
		snprintf(text, SL_ADMIT_TEXT_BYTES,
			 "%u tokens per minute for %s, and this request may need %u%s",
			 rates->tokens_per_minute, owners[owner], tokens,
			 never ? ", which is more than the whole limit" : "");
}

enum sl_openai_error_id sl_admit_limits(struct sl_admission *admission, struct sl_meter *model,
					const struct sl_rates *model_rates, uint32_t tokens,
					uint64_t now_ns, char *text,
					struct sl_openai_error *ret_error,
					enum sl_admit_refusal *ret_refusal, uint64_t *ret_wait_ns)
{
	static const enum sl_admit_refusal refusals[SL_METER_LIMITS] = {
		[SL_METER_CONCURRENT] = SL_ADMIT_REFUSED_CONCURRENT,
		[SL_METER_REQUESTS] = SL_ADMIT_REFUSED_REQUESTS,
		[SL_METER_TOKENS] = SL_ADMIT_REFUSED_TOKENS,
	};
	enum sl_meter_limit limit = SL_METER_NONE;
	unsigned i, owner;

	collect(admission, model, model_rates);
	for (i = 0; i < admission->meter_count; i++) {
		limit = sl_meter_take(admission->meters[i].meter, &admission->meters[i].rates,
				      tokens, now_ns, ret_wait_ns);
		if (limit != SL_METER_NONE)
			break;
	}
	if (limit == SL_METER_NONE) {
		for (i = 0; i < admission->meter_count; i++)
			sl_meter_begin(admission->meters[i].meter, &admission->meters[i].rates,
				       now_ns);
		admission->taken = true;
		admission->reserved_tokens = tokens;
		return SL_OPENAI_OK;
	}
	owner = owner_of(admission, &admission->meters[i], model);
	describe(owner, limit, &admission->meters[i].rates, tokens, *ret_wait_ns == SL_LIMIT_NEVER,
		 text);
	while (i-- > 0)
		sl_meter_undo(admission->meters[i].meter, &admission->meters[i].rates, tokens,
			      now_ns);
	*ret_error = (struct sl_openai_error){.id = SL_OPENAI_ERROR_RATE, .object = text};
	*ret_refusal = refusals[limit] + owner;
	return SL_OPENAI_ERROR_RATE;
}

/* ---- budgets ------------------------------------------------------------------------------- */

static void add_purse(struct sl_admission *admission, const struct sl_purse *purse)
{
	if (purse->account)
		admission->purses[admission->purse_count++] = purse;
}

static void describe_budget(const struct sl_purse *purse, const char *owner,
			    enum sl_budget_period period, uint64_t nano, const char *currency,
			    char *text)
{
	char spent[SL_MONEY_TEXT_SIZE], budget[SL_MONEY_TEXT_SIZE], more[SL_MONEY_TEXT_SIZE];

	snprintf(text, SL_ADMIT_TEXT_BYTES,
		 "%s has spent %s of %s %s %s, and this request may cost %s", owner,
		 sl_money_format(sl_account_spent(purse->account, period), spent),
		 sl_money_format(sl_budget_of(&purse->budget, period), budget), currency,
		 period == SL_BUDGET_DAY     ? "for the day (UTC)"
		 : period == SL_BUDGET_MONTH ? "for the month (UTC)"
					     : "in all",
		 sl_money_format(nano, more));
}

static void refuse_budget(const struct sl_purse *purse, unsigned owner,
			  enum sl_budget_period period, uint64_t nano, const char *currency,
			  char *text, uint64_t *ret_wait_ns)
{
	static const char *const owners[] = {"this API key", "this tenant", "this model"};
	uint64_t left_s = sl_budget_left_s(period, sl_clock_wall_ms() / 1000u);

	describe_budget(purse, owners[owner], period, nano, currency, text);
	*ret_wait_ns = left_s ? left_s * SL_NS_PER_S : SL_LIMIT_NEVER;
}

enum sl_openai_error_id sl_admit_budget(struct sl_admission *admission,
					const struct sl_purse *model, uint64_t nano,
					const char *currency, char *text,
					struct sl_openai_error *ret_error,
					enum sl_admit_refusal *ret_refusal, uint64_t *ret_wait_ns)
{
	enum sl_budget_period period = SL_BUDGET_NONE;
	const struct sl_keyring_entry *entry = NULL;
	unsigned i, owner;

	admission->purse_count = 0;
	if (admission->key) {
		entry = sl_keyring_entry_of(admission->ring, admission->key);
		add_purse(admission, &entry->purse);
		if (entry->tenant)
			add_purse(admission, &entry->tenant->purse);
	}
	add_purse(admission, model);
	for (i = 0; i < admission->purse_count && !period; i++)
		period = sl_purse_reserve(admission->purses[i], nano);
	if (!period) {
		admission->reserved_nano = nano;
		return SL_OPENAI_OK;
	}
	i--; /* the one that refused */
	owner = admission->purses[i] == model ? 2 : admission->purses[i] != &entry->purse;
	if (text)
		refuse_budget(admission->purses[i], owner, period, nano, currency, text,
			      ret_wait_ns);
	while (i-- > 0)
		sl_purse_settle(admission->purses[i], nano, 0);
	admission->purse_count = 0;
	*ret_error = (struct sl_openai_error){.id = SL_OPENAI_ERROR_QUOTA, .object = text};
	*ret_refusal = SL_ADMIT_REFUSED_BUDGET + owner;
	return SL_OPENAI_ERROR_QUOTA;
}

void sl_admit_pay(struct sl_admission *admission, uint64_t nano)
{
	for (unsigned i = 0; i < admission->purse_count; i++)
		sl_purse_settle(admission->purses[i], admission->reserved_nano, nano);
	admission->purse_count = 0;
	admission->reserved_nano = 0;
}

bool sl_admit_counts_tokens(const struct sl_admission *admission)
{
	for (unsigned i = 0; i < admission->meter_count; i++)
		if (admission->meters[i].rates.tokens_per_minute)
			return true;
	return false;
}

/* "850ms", "1.5s", "2m3.25s": as OpenAI writes it. Returns the length. */
static size_t format_reset(uint64_t reset_ns, char out[RESET_TEXT_SIZE])
{
	uint64_t ms = (reset_ns + SL_NS_PER_MS - 1) / SL_NS_PER_MS;
	struct sl_text text;

	sl_text_init_fixed(&text, out, RESET_TEXT_SIZE);
	if (ms < 1000) {
		sl_text_append_u64(&text, ms);
		sl_text_append(&text, "ms", 2);
		return text.len;
	}
	if (ms >= 60000) {
		sl_text_append_u64(&text, ms / 60000);
		sl_text_append_char(&text, 'm');
	}
	sl_text_append_scaled(&text, ms % 60000, 3);
	sl_text_append_char(&text, 's');
	return text.len;
}

/* Names as literals and numbers without printf: these go with each answer. */
#define WRITE_LIMIT(out, what, limit, remaining, reset_ns)                              \
	do {                                                                            \
		char reset_[RESET_TEXT_SIZE];                                           \
		size_t reset_len_ = format_reset(reset_ns, reset_);                     \
		SL_H1_WRITE_HEADER_U64(out, "x-ratelimit-limit-" what, limit);          \
		SL_H1_WRITE_HEADER_U64(out, "x-ratelimit-remaining-" what, remaining);  \
		SL_H1_WRITE_HEADER(out, "x-ratelimit-reset-" what, reset_, reset_len_); \
	} while (0)

void sl_admit_write_limits(const struct sl_admission *admission, uint64_t now_ns,
			   struct sl_h1_out *out)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		uint64_t least = UINT64_MAX, least_reset_ns = 0, of = 0;

		for (unsigned i = 0; i < admission->meter_count; i++) {
			const struct sl_admit_meter *m = &admission->meters[i];
			uint32_t rate =
				kind ? m->rates.tokens_per_minute : m->rates.requests_per_minute;
			uint64_t remaining, reset_ns;

			if (!rate)
				continue;
			sl_limit_look(kind ? &m->meter->tokens : &m->meter->requests, rate, now_ns,
				      &remaining, &reset_ns);
			if (remaining >= least)
				continue;
			least = remaining;
			least_reset_ns = reset_ns;
			of = rate;
		}
		if (of && kind)
			WRITE_LIMIT(out, "tokens", of, least, least_reset_ns);
		else if (of)
			WRITE_LIMIT(out, "requests", of, least, least_reset_ns);
	}
}

/* ---- end ----------------------------------------------------------------------------------- */

void sl_admit_settle(struct sl_admission *admission, uint64_t used_tokens, uint64_t now_ns)
{
	for (unsigned i = 0; admission->taken && i < admission->meter_count; i++)
		sl_meter_end(admission->meters[i].meter, &admission->meters[i].rates,
			     admission->reserved_tokens, used_tokens, now_ns);
	admission->taken = false;
}

void sl_admit_end(struct sl_admission *admission, uint64_t now_ns)
{
	sl_admit_pay(admission, 0);
	sl_admit_settle(admission, 0, now_ns);
	sl_keyring_put(&admission->ring);
	*admission = (struct sl_admission){0};
}

const char *sl_admit_refusal_name(enum sl_admit_refusal refusal)
{
	static const char *const names[SL_ADMIT_REFUSALS] = {
		"missing",	     "malformed",	 "unknown",	  "expired",
		"revoked",	     "unchecked",	 "route",	  "key_concurrent",
		"tenant_concurrent", "model_concurrent", "key_requests",  "tenant_requests",
		"model_requests",    "key_tokens",	 "tenant_tokens", "model_tokens",
		"key_budget",	     "tenant_budget",	 "model_budget",
	};

	return (unsigned)refusal < SL_ADMIT_REFUSALS ? names[refusal] : "";
}
