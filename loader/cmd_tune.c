/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_tune.c - `sluice tune`: the numbers both planes obey, live.
 *
 * A pool's row holds SL_TUNABLE_INHERIT where the global number counts; `inherit` writes that.
 * One aligned 64-bit store each, so a reader sees the old number or the new one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"
#include "loader/view.h"
#include "user/base/text.h"
#include "user/base/tunables.h"
#include "user/base/unit.h"

/* One line of the list: where the number of `id` that counts for the row comes from. */
struct tune_row {
	uint32_t pool; /* 0: global */
	enum sl_tunable id;
	uint64_t value;
	const char *source; /* "global" or "pool" */
};

static uint64_t raw(const struct sl_view *view, uint32_t pool, enum sl_tunable id)
{
	return __atomic_load_n(&view->tunables[(uint64_t)pool * SL_TUNABLE_KEYS + id],
			       __ATOMIC_RELAXED);
}

static struct tune_row make_row(const struct sl_view *view, uint32_t pool, enum sl_tunable id)
{
	bool own = pool && raw(view, pool, id) != SL_TUNABLE_INHERIT;

	return (struct tune_row){pool, id, sl_tunable_get(view->tunables, pool, id),
				 own ? "pool" : "global"};
}

static void print_text(const struct sl_view *view, const struct tune_row *row)
{
	const struct sl_tunable_info *info = &sl_tunable_info[row->id];
	const char *ink = sl_say_ink(stdout, SL_INK_PLAIN);
	char source[96];

	if (strcmp(row->source, "pool"))
		snprintf(source, sizeof(source), "global");
	else
		snprintf(source, sizeof(source), "pool \"%.63s\"", view->pools[row->pool].name);
	if (row->value != info->initial)
		ink = sl_say_ink(stdout, SL_INK_BOLD);
	printf("%s%-30s %4u %12" PRIu64 " %12" PRIu64 " %-9s %s%s\n", ink, info->name,
	       row->pool * SL_TUNABLE_KEYS + row->id, row->value, info->initial, info->unit, source,
	       sl_say_ink(stdout, SL_INK_PLAIN));
}

static void print_json(const struct tune_row *row, bool first)
{
	const struct sl_tunable_info *info = &sl_tunable_info[row->id];

	printf("%s\n {\"name\": \"%s\", \"key\": %u, \"pool\": %u, \"value\": %" PRIu64
	       ", \"default\": %" PRIu64 ", \"min\": %" PRIu64 ", \"max\": %" PRIu64
	       ", \"unit\": \"%s\", \"source\": \"%s\"}",
	       first ? "" : ",", info->name, row->pool * SL_TUNABLE_KEYS + row->id, row->pool,
	       row->value, info->initial, info->min, info->max, info->unit, row->source);
}

/* The row of `pool`; for the global one also those of pools that have numbers of their own. */
static void list(const struct sl_view *view, uint32_t pool, bool json)
{
	uint32_t pools = pool ? 0 : sl_view_pool_slots(view);
	bool first = true;

	if (json)
		printf("[");
	else
		printf("%-30s %4s %12s %12s %-9s %s\n", "name", "key", "value", "default", "unit",
		       "source");
	for (unsigned id = 0; id < SL_TUNABLE_COUNT; id++) {
		struct tune_row row = make_row(view, pool, id);

		if (json)
			print_json(&row, first);
		else
			print_text(view, &row);
		first = false;
		for (uint32_t other = 1; other < pools; other++) {
			row = make_row(view, other, id);
			if (!view->pools[other].present || strcmp(row.source, "pool"))
				continue;
			if (json)
				print_json(&row, false);
			else
				print_text(view, &row);
		}
	}
	if (json)
		printf("\n]\n");
}

static void show(const struct sl_view *view, uint32_t pool, enum sl_tunable id, bool json)
{
	const struct sl_tunable_info *info = &sl_tunable_info[id];
	struct tune_row row = make_row(view, pool, id);

	if (json) {
		print_json(&row, true);
		putchar('\n');
		return;
	}
	printf("%s = %" PRIu64 " %s (%s; default %" PRIu64 ", range %" PRIu64 "..%" PRIu64
	       ", key %u)\n  %s\n",
	       info->name, row.value, info->unit, row.source, info->initial, info->min, info->max,
	       pool * SL_TUNABLE_KEYS + id, info->help);
}

static int parse_value(const struct sl_tunable_info *info, uint32_t pool, const char *text,
		       uint64_t *ret_value)
{
	uint64_t value;
	int error;

	if (!strcmp(text, "default")) {
		*ret_value = info->initial;
		return 0;
	}
	if (!strcmp(text, "inherit") && pool) {
		*ret_value = SL_TUNABLE_INHERIT;
		return 0;
	}
	if (!strcmp(info->unit, "ms"))
		error = sl_unit_parse_ms(text, strlen(text), &value);
	else if (!strcmp(info->unit, "us"))
		error = sl_unit_parse_us(text, strlen(text), 1, &value);
	else
		error = sl_span_u64(sl_span_string(text), &value);
	if (!error && value >= info->min && value <= info->max) {
		*ret_value = value;
		return 0;
	}
	sl_say_error(pool ? "a number in the range, `default` or `inherit`"
			  : "a number in the range, or `default`",
		     "tunable \"%s\": \"%s\" is not within %" PRIu64 "..%" PRIu64 " %s", info->name,
		     text, info->min, info->max, info->unit);
	return -ERANGE;
}

static int set(struct sl_view *view, uint32_t pool, enum sl_tunable id, const char *text)
{
	const struct sl_tunable_info *info = &sl_tunable_info[id];
	uint64_t before = sl_tunable_get(view->tunables, pool, id);
	uint64_t value;

	if (parse_value(info, pool, text, &value))
		return SL_EXIT_FAILED;
	__atomic_store_n(&view->tunables[(uint64_t)pool * SL_TUNABLE_KEYS + id], value,
			 __ATOMIC_RELEASE);
	printf("%s: %" PRIu64 " -> %" PRIu64 " %s (%s%.63s%s)\n", info->name, before,
	       sl_tunable_get(view->tunables, pool, id), info->unit, pool ? "pool \"" : "global",
	       pool ? view->pools[pool].name : "", pool ? "\"" : "");
	return SL_EXIT_OK;
}

static int find_tunable(const char *word, size_t name_len)
{
	char name[64];
	int id;

	snprintf(name, sizeof(name), "%.*s", (int)name_len, word);
	id = sl_tunable_find(name);
	if (id < 0)
		sl_say_error("sluice tune lists them", "there is no tunable \"%s\"", name);
	return id;
}

static int run_tune(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *word = arguments->word_count ? arguments->words[0] : NULL;
	size_t name_len = word ? strcspn(word, "=") : 0;
	int id = word ? find_tunable(word, name_len) : 0;
	int exit_code = SL_EXIT_OK;
	struct sl_view view;
	uint32_t pool = 0;

	(void)command;
	if (arguments->markdown) {
		sl_tunables_write_markdown(stdout);
		return SL_EXIT_OK;
	}
	if (id < 0 || sl_view_open_any(sl_pins_dir(arguments->pin_dir, NULL),
				       sl_admin_path(arguments->admin_socket), &view))
		return SL_EXIT_FAILED;
	if (arguments->pool)
		pool = sl_view_find_pool(&view, arguments->pool);
	if (arguments->pool && !pool)
		exit_code =
			sl_say_error("sluice status", "there is no pool \"%s\"", arguments->pool);
	else if (!word)
		list(&view, pool, arguments->json);
	else if (word[name_len] == '=')
		exit_code = set(&view, pool, id, word + name_len + 1);
	else
		show(&view, pool, id, arguments->json);
	sl_view_close(&view);
	return exit_code;
}

static const struct sl_option tune_options[] = {
	{SL_OPTION_TEXT, "pool", "POOL", NULL, offsetof(struct sl_arguments, pool),
	 "the numbers of one pool"},
	{SL_OPTION_FLAG, "markdown", NULL, NULL, offsetof(struct sl_arguments, markdown),
	 "print docs/tunables.md and change nothing"},
	SL_OPTION_JSON,
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_tune = {
	.name = "tune",
	.words = "[NAME[=VALUE]]",
	.words_max = 1,
	.summary = "list, show or set a number that both planes obey",
	.description =
		"Without NAME lists all; NAME shows one; NAME=VALUE sets it at once in both "
		"planes.\n"
		"VALUE is a number, a duration (2s, 500ms) where the unit is a time, `default`, "
		"or,\n"
		"with --pool, `inherit` for the global number. Lasts until `down` (without\n"
		"kernel plane: until the daemon ends) or the next configuration; what shall stay\n"
		"belongs into the file.",
	.options = tune_options,
	.run = run_tune,
};
