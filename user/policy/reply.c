/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/reply.h"

#include <string.h>
#include <strings.h>

#define COUNT(a)    (sizeof(a) / sizeof((a)[0]))
#define OPENING_MAX 200u /* bytes at the beginning in which a refusal is said */
#define NUMBER_MAX  4u	 /* digits of a citation */
#define NUMBERS_MAX 16u

/* What the answer says that the model cannot do: with one of these a refusal is one. ASCII in lower case. */
static const char *const refusals[] = {
	"can't help with that",
	"cannot help with that",
	"can't assist with",
	"cannot assist with",
	"can't help you with",
	"cannot help you with",
	"can't comply with",
	"cannot comply with",
	"unable to assist with",
	"unable to help with",
	"unable to comply",
	"not able to assist with",
	"not able to help with",
	"can't fulfill",
	"cannot fulfill",
	"can't provide that",
	"cannot provide that",
	"won't be able to help",
	"i must decline",
	"i have to decline",
	"can't do that",
	"cannot do that",
	"can't answer that",
	"cannot answer that",
	"can't discuss",
	"cannot discuss",
	"against my guidelines",
	"violates my guidelines",
	"kann dabei nicht helfen",
	"kann dir dabei nicht helfen",
	"kann ihnen dabei nicht helfen",
	"kann diese anfrage nicht",
	"kann darauf nicht antworten",
	"kann ich nicht helfen",
	"ne peux pas vous aider",
	"ne peux pas t'aider",
	"ne peux pas r\xc3\xa9pondre \xc3\xa0 cette",
	"ne suis pas en mesure de vous aider",
	"no puedo ayudarte con",
	"no puedo ayudar con",
	"no puedo ayudarle con",
	"no puedo cumplir",
	"non posso aiutarti con",
	"non posso aiutarla con",
	"non posso aiutare con",
	"n\xc3\xa3o posso ajudar com",
	"n\xc3\xa3o posso ajud\xc3\xa1-lo",
	"n\xc3\xa3o posso atender",
};

/* An apostrophe as printers set it is one. */
static size_t lower(const char *text, size_t len, char out[OPENING_MAX + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < OPENING_MAX; i++) {
		if (len - i >= 3 && memcmp(text + i, "\xe2\x80\x99", 3) == 0) {
			out[n++] = '\'';
			i += 2;
			continue;
		}
		out[n++] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
	}
	return n;
}

bool sl_reply_is_refusal(const char *text, size_t len)
{
	char opening[OPENING_MAX + 1];
	size_t n;

	if (len > SL_REPLY_REFUSAL_MAX)
		return false;
	n = lower(text, len, opening);
	for (size_t i = 0; i < COUNT(refusals); i++)
		if (memmem(opening, n, refusals[i], strlen(refusals[i])))
			return true;
	return false;
}

static bool is_digit(char b)
{
	return b >= '0' && b <= '9';
}

/* At the bracket. */
static bool is_citation(const char *text, size_t len)
{
	size_t at = 1;

	for (unsigned int numbers = 0; numbers < NUMBERS_MAX; numbers++) {
		size_t from = at;

		while (at < len && is_digit(text[at]))
			at++;
		if (at == from || at - from > NUMBER_MAX || at == len)
			return false;
		if (text[at] == ']')
			return true;
		if (text[at] != ',' && text[at] != ';')
			return false;
		at++;
		while (at < len && text[at] == ' ')
			at++;
	}
	return false;
}

bool sl_reply_has_number(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	for (; (at = memchr(at, '[', (size_t)(end - at))); at++)
		if (is_citation(at, (size_t)(end - at)))
			return true;
	return false;
}

bool sl_reply_has_link(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	for (; (at = memmem(at, (size_t)(end - at), "://", 3)); at += 3) {
		size_t before = (size_t)(at - text);
		bool http = before >= 4 && strncasecmp(at - 4, "http", 4) == 0;
		bool https = before >= 5 && strncasecmp(at - 5, "https", 5) == 0;

		if ((http || https) && at + 3 < end &&
		    (is_digit(at[3]) || ((at[3] | 0x20) >= 'a' && (at[3] | 0x20) <= 'z') ||
		     at[3] == '['))
			return true;
	}
	return false;
}

bool sl_reply_is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r\n", text[i]) || text[i] == '\0')
			return false;
	return true;
}
