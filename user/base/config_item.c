/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_item.h"

#include <string.h>

#include "user/base/config_reader.h"

static void check_name(struct sl_config_reader *r, const struct sl_yaml_pair *pair)
{
	const char *what =
		sl_reader_check_name(pair->key, strlen(pair->key), SL_CONFIG_NAME_MAX, "._-:/@");

	if (what != NULL)
		SL_COMPLAIN(r, pair->mark,
			    "the name %s (expected up to %u letters, digits and . _ - : / @)", what,
			    SL_CONFIG_NAME_MAX);
}

void sl_reader_items(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, struct sl_config_items *items)
{
	enum sl_config_section section = (enum sl_config_section)key->min;
	bool named = key->type == SL_CONFIG_ITEM_MAP;
	size_t size = sl_config_sections[section].item_size;
	char *room;

	if (!sl_reader_check_count(r, key, node, node->count))
		return;
	room = sl_reader_allocate(r, node->count, size);
	if (room == NULL)
		return;
	items->items = room;
	items->count = node->count;
	for (unsigned i = 0; i < node->count; i++) {
		const struct sl_yaml *value = named ? node->pairs[i].value : node->items[i];
		struct sl_config_item *item = (void *)(room + i * size);
		size_t before = named ? sl_reader_push_name(r, node->pairs[i].key)
				      : sl_reader_push_index(r, i);

		item->name = named ? node->pairs[i].key : NULL;
		item->line = named ? node->pairs[i].mark.line : value->mark.line;
		item->column = named ? node->pairs[i].mark.column : value->mark.column;
		if (named)
			check_name(r, &node->pairs[i]);
		sl_reader_section(r, section, value, item);
		sl_reader_pop(r, before);
	}
}

void sl_reader_set(struct sl_config_reader *r, const struct sl_config_key *key,
		   const struct sl_yaml *node, uint32_t *set)
{
	unsigned count = sl_reader_item_count(node);
	char expected[SL_CONFIG_EXPECTED_SIZE];
	uint32_t bits = 0;

	sl_config_key_expected(key, expected);
	for (unsigned i = 0; i < count; i++) {
		const struct sl_yaml *item = sl_reader_item_at(node, i);
		uint32_t choice = (uint32_t)key->min;

		if (!sl_reader_check_scalar(r, item, expected))
			return;
		while (key->choices[choice] != NULL &&
		       strcmp(key->choices[choice], item->text) != 0)
			choice++;
		if (key->choices[choice] == NULL) {
			sl_reader_wrong_choice(r, key, item);
			return;
		}
		bits |= 1u << choice;
	}
	*set = bits;
}
