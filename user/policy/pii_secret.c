/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys and tokens by the prefixes that their issuers chose so that they can be found (as secret
 * scanning does), JSON web tokens (RFC 7519) and PEM private keys (RFC 7468).
 *
 * What is behind a beginning may reach to the end of the text and still be refused, and hold as many
 * beginnings as bytes: sk-ant-sk-ant-, eyJ-eyJ-. So whatever may be long is looked at through the memo.
 */
#include "user/policy/pii_parts.h"

#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))
#define PEM_BEGIN      "-----BEGIN "
#define PEM_END	       "-----END "
#define PEM_LABEL      "PRIVATE KEY"
#define PEM_DASHES     "-----"
#define LABEL_MAX      48
#define JWT_PART_MIN   8
#define JWT_HEADER_MAX 256

/* alphabet: u upper and digits, a alnum, w alnum _ -; least bytes behind the prefix */
static const struct prefix {
	const char *text;
	uint8_t len;
	char alphabet;
	uint8_t least;
	bool mixed; /* a digit must be among them: words with hyphens look alike */
} prefixes[] = {
#define PREFIX(text, alphabet, least, mixed)                   \
	{                                                      \
		text, sizeof(text) - 1, alphabet, least, mixed \
	}
	PREFIX("sk-ant-", 'w', 20, true),     PREFIX("sk-proj-", 'w', 20, true),
	PREFIX("sk-svcacct-", 'w', 20, true), PREFIX("sk-", 'a', 20, true),
	PREFIX("sk_live_", 'a', 16, false),   PREFIX("sk_test_", 'a', 16, false),
	PREFIX("rk_live_", 'a', 16, false),   PREFIX("AKIA", 'u', 16, false),
	PREFIX("ASIA", 'u', 16, false),	      PREFIX("ghp_", 'a', 36, false),
	PREFIX("gho_", 'a', 36, false),	      PREFIX("ghu_", 'a', 36, false),
	PREFIX("ghs_", 'a', 36, false),	      PREFIX("ghr_", 'a', 36, false),
	PREFIX("github_pat_", 'w', 22, true), PREFIX("glpat-", 'w', 20, true),
	PREFIX("xoxb-", 'w', 20, true),	      PREFIX("xoxp-", 'w', 20, true),
	PREFIX("xoxa-", 'w', 20, true),	      PREFIX("xoxr-", 'w', 20, true),
	PREFIX("xoxs-", 'w', 20, true),	      PREFIX("xapp-", 'w', 20, true),
	PREFIX("AIza", 'w', 35, false),	      PREFIX("npm_", 'a', 36, false),
	PREFIX("hf_", 'a', 30, false),
};

static bool in_alphabet(char b, char alphabet)
{
	switch (alphabet) {
	case 'u':
		return sl_pii_digit(b) || sl_pii_upper(b);
	case 'a':
		return sl_pii_alnum(b);
	default:
		return sl_pii_word(b) || b == '-';
	}
}

bool sl_pii_goes_on(char byte)
{
	return sl_pii_word(byte) || byte == '-' || byte == '.';
}

/* For alphabets without a hyphen: no other secret begins within such a run. */
static size_t run(const struct sl_pii_text *text, size_t at, char alphabet, bool *ret_digit)
{
	size_t from = at;

	*ret_digit = false;
	for (; at < text->len && in_alphabet(text->data[at], alphabet); at++)
		*ret_digit = *ret_digit || sl_pii_digit(text->data[at]);
	sl_pii_look(text, at - from + 1);
	return at - from;
}

/*
 * A run of the alphabet w, at most `most` bytes of it, of which those that are known are not looked at
 * again. Beginnings are asked for in the order of the text, so that one run is enough to know.
 */
static size_t known_run(const struct sl_pii_text *text, size_t at, size_t most, bool digits,
			struct sl_pii_run *known)
{
	size_t limit = text->len - at < most ? text->len : at + most, end;

	if (at < known->from || at > known->end)
		*known = (struct sl_pii_run){at, at};
	end = known->end;
	while (end < limit && in_alphabet(text->data[end], 'w') &&
	       (digits || !sl_pii_digit(text->data[end])))
		end++;
	sl_pii_look(text, end - known->end + 1);
	known->end = end;
	return (end < limit ? end : limit) - at;
}

/* What is behind a prefix; *ret_digit: where its alphabet is w, of the first run of letters alone. */
static size_t body_len(const struct sl_pii_text *text, size_t at, char alphabet, bool *ret_digit)
{
	struct sl_pii_memo *memo = text->memo;
	size_t letters;

	if (alphabet != 'w')
		return run(text, at, alphabet, ret_digit);
	letters = known_run(text, at, SIZE_MAX, false, &memo->letters);
	*ret_digit = sl_pii_digit(sl_pii_byte(text, at + letters));
	return *ret_digit ? known_run(text, at, SIZE_MAX, true, &memo->token) : letters;
}

static bool found(const struct sl_pii_text *text, size_t at, size_t end,
		  struct sl_pii_match *ret_match)
{
	*ret_match = (struct sl_pii_match){
		.at = at, .len = end - at, .kind = SL_PII_SECRET, .open = end == text->len};
	return true;
}

/* Three parts of base64url, the first two of which are objects: they begin with the code of {" */
static bool web_token_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	struct sl_pii_memo *memo = text->memo;
	struct sl_pii_run *const runs[] = {&memo->header, &memo->payload, &memo->signature};
	size_t end = at;

	for (int part = 0; part < 3; part++) {
		size_t len;

		if (part && sl_pii_byte(text, end++) != '.')
			return false;
		if (part < 2 && (text->len - end < 3 || memcmp(text->data + end, "eyJ", 3) != 0))
			return false;
		/* a header is short: any JSON in base64 begins like one */
		len = known_run(text, end, part ? SIZE_MAX : JWT_HEADER_MAX + 1, true, runs[part]);
		end += len;
		if (len < JWT_PART_MIN || (part == 0 && len > JWT_HEADER_MAX))
			return false;
		/* a payload that reaches the end of the text may be the last that is seen of it */
		if (part && end == text->len && end - at >= SL_PII_HOLD_MAX)
			return found(text, at, end, ret_match);
	}
	return found(text, at, end, ret_match);
}

/* Where the block ends whose BEGIN line ends at `from`; once for all of one END line. */
static void close_pem(const struct sl_pii_text *text, size_t from)
{
	struct sl_pii_memo *memo = text->memo;
	const char *end = text->data + text->len, *close;

	if (memo->pem.end && from >= memo->pem.from && from <= memo->pem.at)
		return;
	close = memmem(text->data + from, text->len - from, PEM_END, sizeof(PEM_END) - 1);
	memo->pem.from = from;
	memo->pem.at = close ? (size_t)(close - text->data) : text->len;
	if (close) {
		close += sizeof(PEM_END) - 1;
		close = memmem(close, (size_t)(end - close), PEM_DASHES, sizeof(PEM_DASHES) - 1);
	}
	memo->pem.closed = close;
	memo->pem.end = close ? (size_t)(close - text->data) + sizeof(PEM_DASHES) - 1 : text->len;
	sl_pii_look(text, memo->pem.end - from);
}

/* The whole block with its END line, or all to the end of the text. */
static bool pem_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	const char *from = text->data + at + sizeof(PEM_BEGIN) - 1, *end = text->data + text->len;
	size_t room = (size_t)(end - from) < LABEL_MAX ? (size_t)(end - from) : LABEL_MAX;
	const char *label_end = memmem(from, room, PEM_DASHES, sizeof(PEM_DASHES) - 1);

	sl_pii_look(text, room);
	if (!label_end ||
	    !memmem(from, (size_t)(label_end - from), PEM_LABEL, sizeof(PEM_LABEL) - 1))
		return false;
	close_pem(text, (size_t)(label_end - text->data));
	*ret_match = (struct sl_pii_match){.at = at,
					   .len = text->memo->pem.end - at,
					   .kind = SL_PII_SECRET,
					   .open = !text->memo->pem.closed,
					   .pem = true};
	return true;
}

bool sl_pii_secret_at(const struct sl_pii_text *text, size_t at, struct sl_pii_match *ret_match)
{
	const char *from = text->data + at;
	size_t left = text->len - at;

	if (*from == '-')
		return left > sizeof(PEM_BEGIN) &&
		       memcmp(from, PEM_BEGIN, sizeof(PEM_BEGIN) - 1) == 0 &&
		       pem_at(text, at, ret_match);
	if (*from == 'e')
		return left > 3 && memcmp(from, "eyJ", 3) == 0 && web_token_at(text, at, ret_match);
	for (size_t i = 0; i < COUNT(prefixes); i++) {
		const struct prefix *p = &prefixes[i];
		size_t body = at + p->len, len;
		bool digit;

		if (*from != p->text[0] || left < (size_t)p->len + p->least ||
		    memcmp(from, p->text, p->len) != 0)
			continue;
		len = body_len(text, body, p->alphabet, &digit);
		if (len < p->least || (p->mixed && !digit))
			continue;
		/* those of capitals have one length, and are no part of a word */
		if (p->alphabet == 'u' &&
		    (len != p->least || sl_pii_word(sl_pii_byte(text, body + len))))
			continue;
		return found(text, at, body + len, ret_match);
	}
	return false;
}
