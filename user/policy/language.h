/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * language.h - which language is a text written in? By its script, its letters, and its commonest words.
 *
 *   most letters are        language
 *   Kana, Hangul, Thai,     ja, ko, th, he, el, hi; Han without Kana: zh
 *   Hebrew, Greek ...
 *   Cyrillic                uk or ru, by the letters that only one of them has
 *   Arabic                  fa or ar, the same
 *   Latin                   the one with most of its common words in the text, clearly before the next
 *
 * Short texts, texts of several languages, code and tables are unknown. What stands between ``` and in ` is not
 * looked at. Related languages that are not in the list (Norwegian, Bulgarian ...) are mostly unknown, at worst
 * taken for their neighbour: so a text is only said not to be of a language, never to be bad. Pure; any thread.
 */
#ifndef SL_POLICY_LANGUAGE_H
#define SL_POLICY_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_LANGUAGE_TEXT_MAX 16384u /* bytes from the beginning that are looked at */

enum sl_language {
	SL_LANGUAGE_EN = 0,
	SL_LANGUAGE_DE,
	SL_LANGUAGE_FR,
	SL_LANGUAGE_ES,
	SL_LANGUAGE_PT,
	SL_LANGUAGE_IT,
	SL_LANGUAGE_NL,
	SL_LANGUAGE_PL,
	SL_LANGUAGE_SV,
	SL_LANGUAGE_CS,
	SL_LANGUAGE_TR,
	SL_LANGUAGE_RU,
	SL_LANGUAGE_UK,
	SL_LANGUAGE_EL,
	SL_LANGUAGE_AR,
	SL_LANGUAGE_FA,
	SL_LANGUAGE_HE,
	SL_LANGUAGE_HI,
	SL_LANGUAGE_TH,
	SL_LANGUAGE_KO,
	SL_LANGUAGE_JA,
	SL_LANGUAGE_ZH,
	SL_LANGUAGE_COUNT,
	SL_LANGUAGE_UNKNOWN = SL_LANGUAGE_COUNT
};

/* "en" ...; "unknown". */
const char *sl_language_name(enum sl_language language);

enum sl_language sl_language_guess(const char *text, size_t len);

#endif
