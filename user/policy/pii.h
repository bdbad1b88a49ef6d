/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pii.h - finds personal data and secrets in a text: what has the shape and also the check digits.
 *
 *   kind       found when
 *   email      RFC 5321's usual form, a domain with a dot whose last part is no file's ending
 *   phone      + and 8 to 15 digits of a country that exists; the common ways to write national numbers
 *              in North America, the United Kingdom, France and Germany
 *   card       13 to 19 digits, an issuer's prefix of that length, Luhn's check digit
 *   iban       the country's length, remainder 1 modulo 97
 *   ssn        United States, with its separators, areas and groups that exist
 *   national   Spain DNI and NIE, Netherlands BSN, Poland PESEL, UK NI number, France NIR, Brazil CPF,
 *              India Aadhaar: check digits or rules; where those alone are too weak to tell from any
 *              number (BSN, CPF and Aadhaar without separators), the id's name must come shortly before
 *   secret     keys and tokens by their prefix (OpenAI, Anthropic, AWS, GitHub, GitLab, Slack, Google,
 *              Stripe, npm, Hugging Face), JSON web tokens, PEM private keys
 *
 * Names by list are patterns (stage/validate). Pure; any thread; no allocation. Time is linear, of one
 * search and of all searches of a text that share a memo, whatever the text is.
 *
 * A text that is still growing: what is within the last sl_pii_hold() bytes may yet become a match or
 * grow; all before it is settled.
 */
#ifndef SL_POLICY_PII_H
#define SL_POLICY_PII_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sl_pii_kind {
	SL_PII_NONE = 0,
	SL_PII_EMAIL,
	SL_PII_PHONE,
	SL_PII_CARD,
	SL_PII_IBAN,
	SL_PII_SSN,
	SL_PII_NATIONAL,
	SL_PII_SECRET,
	SL_PII_COUNT
};

#define SL_PII_ALL	   (((1u << SL_PII_COUNT) - 1) & ~1u)
#define SL_PII_HOLD_MAX	   320u /* bytes: the longest e-mail address that is looked for */
#define SL_PII_CONTEXT_MAX 64u	/* how far before a number the name of its kind may be */

struct sl_pii_match {
	size_t at;
	size_t len;
	uint8_t kind;
	/*
	 * A secret goes on to the end of the text, and where more comes, with the bytes that
	 * sl_pii_goes_on() tells.
	 */
	bool open;
	bool pem; /* an open one that ends with its END line */
};

/* "email" ...; "none" for NONE. NONE for a name that is none. */
const char *sl_pii_name(enum sl_pii_kind kind);
enum sl_pii_kind sl_pii_find_name(const char *name, size_t len);

/* Bytes of one class that follow one another, as far as they were looked at. */
struct sl_pii_run {
	size_t from, end;
};

/*
 * What the searches of one text have learnt of it: many beginnings may stand before the same long run,
 * each of which would have to go to its end. All zero before the first search; for that text alone, and
 * as long as it does not change.
 */
struct sl_pii_memo {
	struct sl_pii_run letters, token;	      /* behind a prefix */
	struct sl_pii_run header, payload, signature; /* of a web token */
	struct {
		size_t from, at,
			end; /* asked from, where the END line is, behind it; end 0: unknown */
		bool closed;
	} pem;
	uint64_t looked; /* bytes that were looked at, those twice that were twice; for tests */
};

/*
 * The first match of the wanted kinds (bits 1 << kind) that begins at `from` or behind it. What is
 * before `from` is looked at only to see where words begin and which id is named.
 */
bool sl_pii_find_next(const char *text, size_t len, size_t from, unsigned int kinds,
		      struct sl_pii_memo *memo, struct sl_pii_match *ret_match);

/* The same where one match is all that is wanted of the text. */
bool sl_pii_find(const char *text, size_t len, size_t from, unsigned int kinds,
		 struct sl_pii_match *ret_match);

/* Is there any? */
bool sl_pii_contains(const char *text, size_t len);

/* How many bytes at the end are not settled while the text grows; at most SL_PII_HOLD_MAX. */
size_t sl_pii_hold(const char *text, size_t len);

/* Would this byte, behind an open secret that is no PEM block, still belong to it? */
bool sl_pii_goes_on(char byte);

#endif
