/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/admit.h"

#include "user/base/clock.h"
#include "user/base/text.h"

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
		*ret_admission =
			(struct sl_admission){key != NULL ? sl_keyring_get(ring) : NULL, key};
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

void sl_admit_end(struct sl_admission *admission)
{
	sl_keyring_put(&admission->ring);
	admission->key = NULL;
}

const char *sl_admit_refusal_name(enum sl_admit_refusal refusal)
{
	static const char *const names[SL_ADMIT_REFUSALS] = {
		"missing", "malformed", "unknown", "expired", "revoked", "unchecked", "route",
	};

	return (unsigned)refusal < SL_ADMIT_REFUSALS ? names[refusal] : "";
}
