/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_reader.h"

#include <ctype.h>
#include <string.h>

#include "user/base/suggest.h"

size_t sl_reader_push_name(struct sl_config_reader *r, const char *name)
{
	size_t before = r->path.len;

	/* A path too long for its memory is shown as far as it goes. */
	r->path.error = 0;
	sl_text_printf(&r->path, "%s%.80s", before > 0 ? "." : "", name);
	return before;
}

size_t sl_reader_push_index(struct sl_config_reader *r, unsigned index)
{
	size_t before = r->path.len;

	r->path.error = 0;
	sl_text_printf(&r->path, "[%u]", index);
	return before;
}

void sl_reader_pop(struct sl_config_reader *r, size_t before)
{
	sl_text_truncate(&r->path, before);
}

void *sl_reader_allocate(struct sl_config_reader *r, size_t count, size_t item_size)
{
	void *memory = sl_arena_array(r->arena, count, item_size);

	if (memory == NULL)
		r->no_memory = true;
	return memory;
}

void sl_reader_wrong(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, const char *what)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];

	SL_COMPLAIN(r, node->mark, SL_SHOWN " %s (expected %s)", node->shown, what,
		    sl_config_key_expected(key, expected));
}

const char *sl_reader_hint(struct sl_config_reader *r, const char *word, const char *const *names,
			   size_t count)
{
	const char *best = sl_suggest(word, names, count);
	const char *text =
		best != NULL ? sl_arena_printf(r->arena, " (did you mean \"%s\"?)", best) : NULL;

	return text != NULL ? text : "";
}

void sl_reader_wrong_choice(struct sl_config_reader *r, const struct sl_config_key *key,
			    const struct sl_yaml *node)
{
	const char *const *choices = key->choices + key->min;
	const char *what;
	size_t count = 0;

	while (choices[count] != NULL)
		count++;
	what = sl_arena_printf(r->arena, "is not known here%s",
			       sl_reader_hint(r, node->text, choices, count));
	sl_reader_wrong(r, key, node, what != NULL ? what : "is not known here");
}

static bool is_name_byte(char byte, const char *others)
{
	return isalnum((unsigned char)byte) || (byte != '\0' && strchr(others, byte) != NULL);
}

const char *sl_reader_check_name(const char *name, size_t len, size_t len_max, const char *others)
{
	if (len == 0)
		return "is empty";
	if (len > len_max)
		return "is too long";
	if (!isalnum((unsigned char)name[0]))
		return "must start with a letter or digit";
	for (size_t i = 0; i < len; i++)
		if (!is_name_byte(name[i], others))
			return "has a character that no name may have";
	return NULL;
}

uint32_t sl_reader_find_pool(struct sl_config_reader *r, const struct sl_yaml *node)
{
	const struct sl_config *config = r->config;
	const char *names[SL_POOLS_MAX];
	uint32_t i;

	for (i = 0; i < config->pool_count; i++) {
		names[i] = config->pools[i].name;
		if (strcmp(names[i], node->text) == 0)
			return i;
	}
	SL_COMPLAIN(r, node->mark, "no pool " SL_SHOWN "%s", node->shown,
		    i == 0 ? " (the file has no pools)" : sl_reader_hint(r, node->text, names, i));
	return UINT32_MAX;
}

unsigned sl_reader_item_count(const struct sl_yaml *node)
{
	return node->kind == SL_YAML_LIST ? node->count : 1;
}

const struct sl_yaml *sl_reader_item_at(const struct sl_yaml *node, unsigned index)
{
	return node->kind == SL_YAML_LIST ? node->items[index] : node;
}

bool sl_reader_check_count(struct sl_config_reader *r, const struct sl_config_key *key,
			   const struct sl_yaml *node, unsigned count)
{
	if (count <= key->max)
		return true;
	SL_COMPLAIN(r, node->mark, "%u entries are too many (at most %llu)", count,
		    (unsigned long long)key->max);
	return false;
}

bool sl_reader_check_scalar(struct sl_config_reader *r, const struct sl_yaml *item,
			    const char *expected)
{
	if (item->broken)
		return false;
	if (item->kind == SL_YAML_SCALAR)
		return true;
	SL_COMPLAIN(r, item->mark, "%s here (expected %s)", sl_yaml_kind_name(item->kind),
		    expected);
	return false;
}
