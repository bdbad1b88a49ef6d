/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes an answer a poor one, whatever its form: empty, a refusal, of a wrong language, without sources. */
#include <stdio.h>

#include "user/policy/language.h"
#include "user/policy/reply.h"
#include "user/stage/validate_parts.h"
#include "user/wire/citation.h"

#define NAMES_BYTES 200u /* of the chunks that the model is told again */

bool sl_validate_judges(const struct sl_config_validate *v)
{
	return v->empty || v->refusals || v->languages || v->citation || v->citation_pattern;
}

/* "en or de" */
static void name_languages(uint32_t languages, struct sl_text *out)
{
	for (int i = 0; i < SL_LANGUAGE_COUNT; i++)
		if (languages & 1u << i)
			sl_text_printf(out, "%s%s", out->len ? " or " : "",
				       sl_language_name((enum sl_language)i));
}

/* Always true. what: a constant, or NULL. */
static bool is_fault(struct sl_validate_fault *fault, enum sl_check check, const char *what)
{
	fault->check = check;
	snprintf(fault->what, sizeof(fault->what), "%s", what ? what : "");
	return true;
}

static bool is_foreign(uint32_t languages, struct sl_span text, struct sl_error *reason)
{
	enum sl_language language = sl_language_guess(text.data, text.len);
	struct sl_text wanted;
	char room[160];

	if (language == SL_LANGUAGE_UNKNOWN || languages & 1u << language)
		return false;
	sl_text_init_fixed(&wanted, room, sizeof(room));
	name_languages(languages, &wanted);
	sl_error_set(reason, 0, "it is written in the language %s, and must be in %s",
		     sl_language_name(language), sl_text_string(&wanted));
	return true;
}

bool sl_validate_is_poor(const struct sl_config_validate *v, struct sl_span body,
			 struct sl_span text, struct sl_validate_fault *fault)
{
	struct sl_error *reason = &fault->reason;

	if (v->empty && sl_reply_is_blank(text.data, text.len)) {
		sl_error_set(reason, 0, "the answer is empty");
		return is_fault(fault, SL_CHECK_EMPTY, NULL);
	}
	if (v->refusals && sl_reply_is_refusal(text.data, text.len)) {
		sl_error_set(reason, 0, "it refuses a request that is allowed here");
		return is_fault(fault, SL_CHECK_REFUSAL, NULL);
	}
	if (v->languages && is_foreign(v->languages, text, reason))
		return is_fault(fault, SL_CHECK_LANGUAGE, NULL);
	if (v->citation == SL_CONFIG_CITATION_NUMBERS && sl_reply_has_number(body.data, body.len) &&
	    !sl_reply_has_number(text.data, text.len)) {
		sl_error_set(reason, 0,
			     "it names none of its sources by its number in brackets, like [1]");
		return is_fault(fault, SL_CHECK_CITATION, "numbers");
	}
	if (v->citation == SL_CONFIG_CITATION_LINKS && !sl_reply_has_link(text.data, text.len)) {
		sl_error_set(reason, 0, "it gives no link to a source, like https://...");
		return is_fault(fault, SL_CHECK_CITATION, "links");
	}
	return false;
}

bool sl_validate_is_uncited(const struct sl_stage *stage, struct sl_span text,
			    struct sl_validate_fault *fault)
{
	const struct sl_config_retrieve *retrieve = &stage->route->retrieve;
	const char *pattern = stage->route->validate.citation_pattern;
	bool retrieves = retrieve->source != NULL || retrieve->index != NULL;
	char room[NAMES_BYTES] = "";
	struct sl_text names;

	if (pattern == NULL || (retrieves && stage->chunk_count == 0))
		return false;
	if (sl_citation_find(pattern, text, stage->chunks, stage->chunk_count) == 1)
		return false;
	sl_text_init_fixed(&names, room, sizeof(room));
	for (uint32_t i = 0; sl_citation_names_chunk(pattern) && i < stage->chunk_count; i++)
		if (sl_text_printf(&names, "%s%s", i ? ", " : " and names one of the chunks ",
				   stage->chunks[i].id))
			break;
	sl_error_set(&fault->reason, 0, "it has no citation of the form %s%s", pattern,
		     names.error ? "" : sl_text_string(&names));
	return is_fault(fault, SL_CHECK_CITATION, "pattern");
}
