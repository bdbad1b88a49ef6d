/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admit.h - the first stage: who asks, and may they?
 *
 *   step      answers                                  refused with
 *   key       a key that is known, in force            401 invalid_api_key, 503 (keys unreadable)
 *   route     a model that the key may use             403 permission_denied
 *   budget    money for it: key, tenant, model         429 insufficient_quota
 *   limits    room for it: key, tenant, model          429 rate_limit_exceeded
 *
 * The key comes in `Authorization: Bearer KEY` or, as Anthropic's clients send it, in `x-api-key`.
 * It is compared and forgotten: no copy outlives the call, no log and no node gets it. Thread: the
 * loop's.
 */
#ifndef SL_STAGE_ADMIT_H
#define SL_STAGE_ADMIT_H

#include "user/http/h1_parse.h"
#include "user/http/h1_write.h"
#include "user/policy/keyring.h"
#include "user/wire/openai.h"

/* Fields that carry a client's key; with keys configured no node gets them. */
#define SL_ADMIT_KEY_FIELDS \
	(SL_H1_ID_BIT(SL_H1_ID_AUTHORIZATION) | SL_H1_ID_BIT(SL_H1_ID_X_API_KEY))

/* Why a request was not admitted, for the counters. */
enum sl_admit_refusal {
	SL_ADMIT_REFUSED_MISSING = 0,
	SL_ADMIT_REFUSED_MALFORMED,
	SL_ADMIT_REFUSED_UNKNOWN,
	SL_ADMIT_REFUSED_EXPIRED,
	SL_ADMIT_REFUSED_REVOKED,
	SL_ADMIT_REFUSED_UNCHECKED,
	SL_ADMIT_REFUSED_ROUTE,
	SL_ADMIT_REFUSED_CONCURRENT, /* of the key, then of the tenant, then of the model */
	SL_ADMIT_REFUSED_REQUESTS = SL_ADMIT_REFUSED_CONCURRENT + 3,
	SL_ADMIT_REFUSED_TOKENS = SL_ADMIT_REFUSED_REQUESTS + 3,
	SL_ADMIT_REFUSED_BUDGET = SL_ADMIT_REFUSED_TOKENS + 3,
	SL_ADMIT_REFUSED_LAST = SL_ADMIT_REFUSED_BUDGET + 2,
	SL_ADMIT_REFUSALS
};

#define SL_ADMIT_METERS_MAX 3u

/* What a request holds from its admission to its end. All zero: nothing. */
struct sl_admit_meter {
	struct sl_meter *meter;
	struct sl_rates rates; /* as they were: a reload may take the route away */
};

struct sl_admission {
	struct sl_keyring *ring;	 /* a reference */
	const struct sl_key_record *key; /* the ring's; NULL where no keys are asked for */
	/* those that have a limit: key, tenant, model */
	struct sl_admit_meter meters[SL_ADMIT_METERS_MAX];
	uint8_t meter_count;
	bool taken; /* by all of them */
	uint32_t reserved_tokens;
	/* those that pay: key, tenant, model; where prices are configured */
	const struct sl_purse *purses[SL_ADMIT_METERS_MAX];
	uint8_t purse_count;
	uint64_t reserved_nano;
};

/* Room that sl_admit_write_limits() needs at most. */
#define SL_ADMIT_LIMITS_BYTES 320u

/*
 * The key step. On success the admission holds a reference of the ring, for sl_admit_end(). Else
 * *ret_error and *ret_refusal are set and the admission holds nothing.
 */
enum sl_openai_error_id sl_admit_key(struct sl_keyring *ring, const struct sl_h1_head *head,
				     struct sl_admission *ret_admission,
				     struct sl_openai_error *ret_error,
				     enum sl_admit_refusal *ret_refusal);

/* The route step; model is NUL-terminated and must outlive *ret_error. */
enum sl_openai_error_id sl_admit_route(const struct sl_admission *admission, const char *model,
				       size_t model_len, struct sl_openai_error *ret_error,
				       enum sl_admit_refusal *ret_refusal);

/*
 * The limits step: a place, a request and the estimated tokens, from the key, its tenant and the
 * model (its meter must outlive the admission). On refusal *ret_error, *ret_refusal and
 * *ret_wait_ns (SL_LIMIT_NEVER: it will never fit) are set and nothing is taken. text: the caller's,
 * SL_ADMIT_TEXT_BYTES, which *ret_error points to.
 */
#define SL_ADMIT_TEXT_BYTES 192u
enum sl_openai_error_id sl_admit_limits(struct sl_admission *admission, struct sl_meter *model,
					const struct sl_rates *model_rates, uint32_t tokens,
					uint64_t now_ns, char *text,
					struct sl_openai_error *ret_error,
					enum sl_admit_refusal *ret_refusal, uint64_t *ret_wait_ns);

/*
 * The budget step, before the limits: reserves what the request may cost from key, tenant and model
 * (its purse must outlive the admission). On refusal as above, but *ret_wait_ns is the time until the
 * period is over, SL_LIMIT_NEVER where it never is. text NULL: nobody wants to know why.
 */
enum sl_openai_error_id sl_admit_budget(struct sl_admission *admission,
					const struct sl_purse *model, uint64_t nano,
					const char *currency, char *text,
					struct sl_openai_error *ret_error,
					enum sl_admit_refusal *ret_refusal, uint64_t *ret_wait_ns);

/* Charges what it did cost, and gives back what was reserved. Nothing happens a second time. */
void sl_admit_pay(struct sl_admission *admission, uint64_t nano);

/* Whether any limit of tokens counts, so that it is worth while to know the usage. */
bool sl_admit_counts_tokens(const struct sl_admission *admission);

/*
 * x-ratelimit-{limit,remaining,reset}-{requests,tokens}, of the limit that has the least left.
 * Nothing without limits.
 */
void sl_admit_write_limits(const struct sl_admission *admission, uint64_t now_ns,
			   struct sl_h1_out *out);

/*
 * Charges the tokens that were used, and gives back the place and the reservation. What the limits
 * say can still be written. Nothing happens a second time.
 */
void sl_admit_settle(struct sl_admission *admission, uint64_t used_tokens, uint64_t now_ns);

/* Lets everything go, unused where it was not settled; the admission is all zero then. */
void sl_admit_end(struct sl_admission *admission, uint64_t now_ns);

/* "missing", "key_requests", ...: label of the metric. */
const char *sl_admit_refusal_name(enum sl_admit_refusal refusal);

#endif
