/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top_plain.h"

#include <stdio.h>
#include <string.h>
#include "loader/safe.h"

void sl_top_plain_init(struct sl_top_plain *plain)
{
	*plain = (struct sl_top_plain){0};
	sl_text_init(&plain->told, 0);
}

void sl_top_plain_fini(struct sl_top_plain *plain)
{
	sl_text_fini(&plain->told);
}

static void tell(const char *clock, const char *what, const char *before, const char *line,
		 bool utf8, struct sl_text *text)
{
	sl_text_printf(text, "%s %s%s", clock, what, before);
	sl_safe_append(text, sl_span_string(line), UINT32_MAX, utf8);
	sl_text_append_char(text, '\n');
}

/* An entry of what was told: key, fact, pane, each with its NUL. */
struct told {
	const char *key, *fact, *pane;
};

static bool next_told(const struct sl_text *told, size_t *at, struct told *ret_entry)
{
	const char *string = sl_text_string(told) + *at;

	if (*at >= told->len)
		return false;
	ret_entry->key = string;
	ret_entry->fact = ret_entry->key + strlen(ret_entry->key) + 1;
	ret_entry->pane = ret_entry->fact + strlen(ret_entry->fact) + 1;
	*at += (size_t)(ret_entry->pane - string) + strlen(ret_entry->pane) + 1;
	return true;
}

/* The fact that was told of the key; NULL: none. They come in the same order mostly: `at` is where to begin. */
static const char *told_of(const struct sl_text *told, const char *key, size_t *at)
{
	struct told entry;

	for (int round = 0; round < 2; round++) {
		while (next_told(told, at, &entry)) {
			if (!strcmp(entry.key, key))
				return entry.fact;
		}
		*at = 0;
	}
	return NULL;
}

static bool has(const struct sl_top_items *items, const char *key)
{
	for (uint32_t i = 0; i < items->count; i++) {
		if (!strcmp(items->list[i].key, key))
			return true;
	}
	return false;
}

static void tell_gone(const struct sl_top_plain *plain, const struct sl_top_items *items,
		      const char *clock, bool utf8, struct sl_text *text)
{
	struct told entry;

	/* decisions go as others come */
	for (size_t at = 0; next_told(&plain->told, &at, &entry);) {
		if (strcmp(entry.pane, sl_top_pane_name(SL_TOP_DECISIONS)) != 0 &&
		    !has(items, entry.key))
			tell(clock, entry.pane, ": over: ", entry.fact, utf8, text);
	}
}

void sl_top_plain_tell(struct sl_top_plain *plain, const struct sl_top_items *items,
		       uint64_t wall_ms, bool utf8, struct sl_text *text)
{
	char clock[SL_TOP_CLOCK_BYTES];
	struct sl_text now;
	size_t at = 0;

	sl_top_clock(wall_ms, clock);
	sl_text_init(&now, 0);
	if (!plain->begun || strcmp(plain->verdict, items->verdict) != 0)
		tell(clock, "", "", items->verdict, utf8, text);
	if (!plain->begun)
		tell(clock, "", "", items->totals, utf8, text);
	snprintf(plain->verdict, sizeof(plain->verdict), "%.*s", (int)sizeof(plain->verdict) - 1,
		 items->verdict);
	for (uint32_t i = 0; i < items->count; i++) {
		const struct sl_top_item *item = &items->list[i];
		const char *pane = sl_top_pane_name(item->pane);
		const char *before;

		if (!item->fact[0])
			continue;
		before = told_of(&plain->told, item->key, &at);
		if (!before || strcmp(before, item->fact) != 0)
			tell(clock, pane, ": ", item->fact, utf8, text);
		sl_text_append(&now, item->key, strlen(item->key) + 1);
		sl_text_append(&now, item->fact, strlen(item->fact) + 1);
		sl_text_append(&now, pane, strlen(pane) + 1);
	}
	tell_gone(plain, items, clock, utf8, text);
	sl_text_fini(&plain->told);
	plain->told = now;
	plain->begun = true;
}
