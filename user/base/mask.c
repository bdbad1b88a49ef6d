/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/mask.h"

#include <ctype.h>

#define NAME_MAX_LEN 64u /* of a name that is looked at; a longer one is none of ours */
#define NOWHERE	     SIZE_MAX

static const char *const endings[] = {"apikey",	    "secret",	   "token",	  "password",
				      "passwd",	    "accesskey",   "masterkey",	  "saltkey",
				      "privatekey", "credentials", "databaseurl", "authorization"};

/* Where the pass over the text is. */
struct pass {
	struct sl_text *text;
	const char *at, *end; /* of the line at hand */
	const char *line;
	char quote;    /* a secret's quotes that were not closed in the lines before; 0: none */
	size_t column; /* what is deeper belongs to a secret; NOWHERE: nothing does */
};

static bool is_name_byte(char byte)
{
	return isalnum((unsigned char)byte) || byte == '_' || byte == '-';
}

/* ---- what goes out ------------------------------------------------------------------------- */

static void pass_on(struct pass *p, const char *until)
{
	sl_text_append(p->text, p->at, (size_t)(until - p->at));
	p->at = until;
}

static void hide(struct pass *p, const char *until)
{
	while (p->at < until) {
		size_t len = sl_text_utf8_len(p->at, (size_t)(until - p->at));
		bool blank = *p->at == ' ' || *p->at == '\t' || *p->at == '\r';

		sl_text_append_char(p->text, blank ? *p->at : SL_MASK_BYTE);
		p->at += len ? len : 1;
	}
}

/* ---- names --------------------------------------------------------------------------------- */

/* True for the names of secrets; *ret_key for the bare "key". */
static bool is_secret_name(const char *name, size_t len, bool *ret_key)
{
	char plain[NAME_MAX_LEN];
	size_t plain_len = 0;

	if (len > NAME_MAX_LEN)
		return false;
	for (size_t i = 0; i < len; i++)
		if (isalnum((unsigned char)name[i]))
			plain[plain_len++] = (char)tolower((unsigned char)name[i]);
	*ret_key = plain_len == 3 && memcmp(plain, "key", 3) == 0;
	if (*ret_key)
		return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t end_len = strlen(endings[i]);

		if (plain_len >= end_len &&
		    memcmp(plain + plain_len - end_len, endings[i], end_len) == 0)
			return true;
	}
	return false;
}

/* ---- values -------------------------------------------------------------------------------- */

/* The end of quoted text, behind its closing quote; NULL: not in this line. */
static const char *quote_end(const char *at, const char *end, char quote)
{
	for (; at < end; at++) {
		if (quote == '"' && *at == '\\')
			at++;
		else if (*at == quote && quote == '\'' && at + 1 < end && at[1] == quote)
			at++;
		else if (*at == quote)
			return at + 1;
	}
	return NULL;
}

/* Whether the value stands in brackets that were opened in its line. */
static bool in_brackets(const struct pass *p)
{
	long depth = 0;

	for (const char *at = p->line; at < p->at; at++)
		depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
	return depth > 0;
}

/* The end of an unquoted value; the bracket of a reference is none of YAML's. */
static const char *plain_end(const struct pass *p)
{
	bool brackets = in_brackets(p);
	const char *at = p->at;

	while (at < p->end) {
		const char *close = p->end - at > 2 && at[0] == '$' && at[1] == '{'
					    ? memchr(at, '}', (size_t)(p->end - at))
					    : NULL;

		if (*at == '#' && at > p->at && at[-1] == ' ')
			break;
		if (brackets && (*at == ',' || *at == '}' || *at == ']'))
			break;
		at = close ? close + 1 : at + 1;
	}
	while (at > p->at && at[-1] == ' ')
		at--;
	return at;
}

/* Nothing but references, which are no secrets. */
static bool is_reference(const char *at, const char *end)
{
	if (end - at >= 2 && (*at == '"' || *at == '\'') && end[-1] == *at) {
		at++;
		end--;
	}
	while (at < end) {
		const char *close = end - at > 2 && at[0] == '$' && at[1] == '{'
					    ? memchr(at, '}', (size_t)(end - at))
					    : NULL;

		if (!close)
			return false;
		at = close + 1;
	}
	return true;
}

static bool only_blank(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\r' || *at == '\t'))
		at++;
	return at == end || *at == '#';
}

/* The value of a secret's name, which ends in column of the line. */
static void take_value(struct pass *p, size_t column)
{
	char first = p->at < p->end ? *p->at : '\0';
	const char *end;

	if (first == '"' || first == '\'') {
		end = quote_end(p->at + 1, p->end, first);
		if (end && is_reference(p->at, end)) {
			pass_on(p, end);
			return;
		}
		p->quote = end ? '\0' : first;
		pass_on(p, p->at + 1);
		hide(p, end ? end - 1 : p->end);
		pass_on(p, end ? end : p->end);
		return;
	}
	/* a list or map where a key belongs: all that is left of the line */
	end = first == '[' || first == '{' ? p->end : plain_end(p);
	if (end > p->at && is_reference(p->at, end)) {
		pass_on(p, end);
		return;
	}
	hide(p, end);
	if (only_blank(p->at, p->end))
		p->column = column;
}

/* Behind a secret's name: "key": x, key : x, key=x, and key x, which lacks its colon. */
static const char *value_of(const struct pass *p, bool bare)
{
	const char *at = p->at;
	bool told = false;

	if (at < p->end && (*at == '"' || *at == '\''))
		at++;
	while (at < p->end && *at == ' ')
		at++;
	if (at < p->end && (*at == ':' || *at == '=')) {
		told = true;
		at++;
	}
	while (at < p->end && *at == ' ')
		at++;
	if (!told && (bare || at == p->at || at == p->end || strchr(",}]#", *at)))
		return NULL;
	if (bare && at < p->end && (*at == '/' || *at == '[' || (p->end - at > 1 && at[1] == '/')))
		return NULL;
	return at;
}

/* ---- lines --------------------------------------------------------------------------------- */

static void take_word(struct pass *p)
{
	const char *start = p->at, *end = p->at;
	bool bare = false, hex = true;
	const char *value;

	for (; end < p->end && is_name_byte(*end); end++)
		hex &= isxdigit((unsigned char)*end) != 0;
	if (hex && (size_t)(end - start) >= SL_MASK_HEX_MIN) {
		hide(p, end);
		return;
	}
	pass_on(p, end);
	if (!is_secret_name(start, (size_t)(end - start), &bare))
		return;
	value = value_of(p, bare);
	if (!value)
		return;
	pass_on(p, value);
	take_value(p, (size_t)(start - p->line));
}

/* True: the line belongs to the secret above it. */
static bool is_below(struct pass *p)
{
	size_t indent = 0;

	if (p->column == NOWHERE)
		return false;
	while (p->line + indent < p->end && p->line[indent] == ' ')
		indent++;
	if (only_blank(p->line + indent, p->end) || indent > p->column)
		return true;
	return indent == p->column && p->line[indent] == '-';
}

static void take_line(struct pass *p)
{
	const char *close;

	if (p->quote) {
		close = quote_end(p->at, p->end, p->quote);
		hide(p, close ? close - 1 : p->end);
		if (!close)
			return;
		p->quote = '\0';
	} else if (is_below(p)) {
		hide(p, p->end);
		return;
	}
	p->column = NOWHERE;
	while (p->at < p->end) {
		if (is_name_byte(*p->at))
			take_word(p);
		else
			pass_on(p, p->at + 1);
	}
}

int sl_mask_source(struct sl_span source, struct sl_text *text)
{
	struct pass p = {.text = text, .column = NOWHERE};

	while (source.data) {
		struct sl_span line = sl_span_cut(&source, '\n');

		p.at = p.line = line.data;
		p.end = line.data + line.len;
		take_line(&p);
		if (source.data)
			sl_text_append_char(text, '\n');
	}
	return text->error;
}

void sl_mask_value(char *text, size_t text_len, const char *value)
{
	size_t len = value ? strlen(value) : 0;
	size_t first = len < SL_MASK_VALUE_BEGIN ? len : SL_MASK_VALUE_BEGIN;
	const char *end = text + text_len;
	char *at = text;

	if (len < SL_MASK_VALUE_MIN)
		return;
	while ((at = memmem(at, (size_t)(end - at), value, first)) != NULL)
		for (size_t i = 0; i < len && at < end && (i < first || *at == value[i]); i++)
			*at++ = SL_MASK_BYTE;
}
