/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/refusal.h"

/* Whatever the apostrophe. */
static const char *const openings[] = {
	"i'm sorry, but",
	"i am sorry, but",
	"sorry, but",
	"sorry, i can",
	"i'm sorry, i can",
	"i apologize, but",
	"i can't ",
	"i cannot ",
	"i can not ",
	"i won't ",
	"i will not ",
	"i'm unable to",
	"i am unable to",
	"i'm not able to",
	"i am not able to",
	"as an ai ",
	"i must decline",
	"i have to decline",
	"unfortunately, i can",
};

/* One character of text against one of an opening. Returns the bytes taken, or 0. */
static size_t match(struct sl_span text, size_t at, char wanted)
{
	static const char typographic[] = "\xe2\x80\x99";
	char c = text.data[at];

	if (c >= 'A' && c <= 'Z')
		c = (char)(c - 'A' + 'a');
	if (c == wanted)
		return 1;
	return wanted == '\'' && text.len - at >= 3 && !memcmp(text.data + at, typographic, 3) ? 3
											       : 0;
}

static bool begins(struct sl_span text, const char *opening)
{
	size_t at = 0, taken;

	for (; *opening; opening++, at += taken) {
		if (at >= text.len)
			return false;
		taken = match(text, at, *opening);
		if (!taken)
			return false;
	}
	return true;
}

bool sl_refusal_begins(struct sl_span answer)
{
	while (answer.len && strchr(" \t\r\n\"*", *answer.data)) {
		answer.data++;
		answer.len--;
	}
	for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
		if (begins(answer, openings[i]))
			return true;
	}
	return false;
}
