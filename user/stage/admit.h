/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admit.h - the first stage: who asks, and may they?
 *
 *   step      answers                                  refused with
 *   key       a key that is known, in force            401 invalid_api_key, 503 (keys unreadable)
 *   route     a model that the key may use             403 permission_denied
 *
 * The key comes in `Authorization: Bearer KEY` or, as Anthropic's clients send it, in `x-api-key`.
 * It is compared and forgotten: no copy outlives the call, no log and no node gets it. Thread: the
 * loop's.
 */
#ifndef SL_STAGE_ADMIT_H
#define SL_STAGE_ADMIT_H

#include "user/http/h1_parse.h"
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
	SL_ADMIT_REFUSALS
};

/* What a request holds from its admission to its end. All zero: nothing. */
struct sl_admission {
	struct sl_keyring *ring;	 /* a reference */
	const struct sl_key_record *key; /* the ring's; NULL where no keys are asked for */
};

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

/* Lets everything go; the admission is all zero then. */
void sl_admit_end(struct sl_admission *admission);

/* "missing", "malformed", ...: label of the metric. */
const char *sl_admit_refusal_name(enum sl_admit_refusal refusal);

#endif
