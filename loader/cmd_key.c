/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_key.c - `sluice key`: makes, lists and revokes the API keys of the daemon's clients.
 *
 * Works on the file alone, so it needs neither the daemon nor the kernel plane; a running daemon
 * sees the change within a second. Each change is read-change-write under the file's lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "loader/command.h"
#include "loader/say.h"
#include "user/base/clock.h"
#include "user/base/key_file.h"
#include "user/base/spend_file.h"
#include "user/base/unit.h"

#define LIST_BYTES_MAX (32u << 20)
#define DAY_MS	       86400000ull

/* ---- which file ---------------------------------------------------------------------------- */

/* What the configuration says, or the options. */
struct store {
	char path[256];	 /* of the keys */
	char spend[256]; /* of what they have spent; "": not known */
	char currency[SL_CONFIG_CURRENCY_MAX + 1];
	struct sl_budget budget; /* of keys that have none of their own */
};

static int take_path(const char *option, const char *path, char *out, size_t out_size)
{
	if (snprintf(out, out_size, "%s", path) < (int)out_size)
		return SL_EXIT_OK;
	return sl_say_error(NULL, "--%s: the path is longer than %zu bytes", option, out_size - 1);
}

static void take_spend(const struct sl_config *config, struct store *store)
{
	if (config->spend_file)
		snprintf(store->spend, sizeof(store->spend), "%s", config->spend_file);
	snprintf(store->currency, sizeof(store->currency), "%s", config->currency);
	store->budget = config->key_budget;
}

/* Keys: --file, or keys.file of --config, or the default. Spend: --spend, or spend.file. */
static int find_store(const struct sl_arguments *arguments, struct store *store)
{
	const char *path = arguments->file ? arguments->file : SL_KEY_FILE_DEFAULT;
	struct sl_config *config = NULL;
	char *errors = NULL;
	int exit_code = SL_EXIT_OK;

	*store = (struct store){0};
	if (arguments->config) {
		if (sl_config_read(arguments->config, &config, &errors)) {
			fputs(errors ? errors : "", stderr);
			free(errors);
			return sl_say_error("sluice check CONFIG",
					    "configuration \"%s\" is refused", arguments->config);
		}
		take_spend(config, store);
		if (!config->keys_file && !arguments->file)
			exit_code = sl_say_error("add to it: keys: {file: " SL_KEY_FILE_DEFAULT "}",
						 "configuration \"%s\" names no file of keys",
						 arguments->config);
		if (!arguments->file)
			path = config->keys_file ? config->keys_file : "";
	}
	if (!exit_code)
		exit_code = take_path("file", path, store->path, sizeof(store->path));
	if (!exit_code && arguments->spend)
		exit_code =
			take_path("spend", arguments->spend, store->spend, sizeof(store->spend));
	sl_config_close(&config);
	return exit_code;
}

static int say_file_error(int error, const char *path, const struct sl_error *why)
{
	const char *next = error == -ENOENT ? "make the first key: sluice key create NAME"
			   : error == -EACCES || error == -EPERM
				   ? "run it as the owner of the file, or as root"
			   : error == -EINVAL ? "mend that line, or take the file from a copy"
					      : NULL;

	(void)path;
	return sl_say_error(next, "%s", why->text);
}

/* ---- create -------------------------------------------------------------------------------- */

/* "90d", another duration, or a time; "never" is 0. */
static int parse_expiry(const char *text, uint64_t now_s, uint64_t *ret_s)
{
	size_t len = strlen(text);
	char *end;
	uint64_t ms;

	if (!strcmp(text, "never")) {
		*ret_s = 0;
		return 0;
	}
	if (!sl_key_time_parse(text, len, ret_s))
		return *ret_s > now_s ? 0 : -ERANGE;
	if (len > 1 && len < 7 && text[len - 1] == 'd' && text[0] >= '0' && text[0] <= '9') {
		ms = strtoull(text, &end, 10) * DAY_MS;
		if (end != text + len - 1)
			return -EINVAL;
	} else if (sl_unit_parse_ms(text, len, &ms)) {
		return -EINVAL;
	}
	*ret_s = now_s + ms / 1000u;
	return ms >= 1000u && *ret_s < UINT32_MAX * 4ull ? 0 : -ERANGE;
}

static int parse_rate(const char *option, const char *text, uint32_t *ret_rate)
{
	if (!text || !sl_key_rate_parse(text, strlen(text), ret_rate))
		return SL_EXIT_OK;
	return sl_say_error(NULL, "--%s %s: expected 1 to %u", option, text, SL_RATE_MAX);
}

static int parse_budget(const char *option, const char *text, uint64_t *ret_nano)
{
	if (!text || (!sl_money_parse(text, strlen(text), ret_nano) && *ret_nano))
		return SL_EXIT_OK;
	return sl_say_error(NULL,
			    "--%s %s: expected an amount over 0 like 0.5 or 20, with up to nine "
			    "decimal places",
			    option, text);
}

static int fill_budget(struct sl_budget *budget, const struct sl_arguments *arguments)
{
	return parse_budget("budget-day", arguments->budget_day, &budget->day) ||
	       parse_budget("budget-month", arguments->budget_month, &budget->month) ||
	       parse_budget("budget-total", arguments->budget_total, &budget->total);
}

static int fill(struct sl_key_file *file, struct sl_key_record *record,
		const struct sl_arguments *arguments)
{
	const char *tenant = arguments->tenant ? arguments->tenant : SL_KEY_TENANT_DEFAULT;
	const char *name = arguments->words[1];
	struct sl_error why;

	if (!sl_key_name_is_good(name, strlen(name)) ||
	    !sl_key_name_is_good(tenant, strlen(tenant)))
		return sl_say_error(NULL,
				    "\"%s\" is no name for a key or tenant (expected up to %u "
				    "letters, digits and . _ - @)",
				    sl_key_name_is_good(name, strlen(name)) ? tenant : name,
				    SL_KEY_NAME_MAX);
	snprintf(record->name, sizeof(record->name), "%s", name);
	snprintf(record->tenant, sizeof(record->tenant), "%s", tenant);
	record->created_s = sl_clock_wall_ms() / 1000u;
	if (arguments->priority)
		sl_key_class_parse(arguments->priority, strlen(arguments->priority),
				   &record->priority);
	if (arguments->expires &&
	    parse_expiry(arguments->expires, record->created_s, &record->expires_s))
		return sl_say_error(NULL,
				    "--expires %s: expected a time to come like 90d, 12h or "
				    "2030-01-31T12:00:00Z, or never",
				    arguments->expires);
	if (parse_rate("requests-per-minute", arguments->requests_per_minute,
		       &record->rates.requests_per_minute) ||
	    parse_rate("tokens-per-minute", arguments->tokens_per_minute,
		       &record->rates.tokens_per_minute) ||
	    parse_rate("concurrent", arguments->concurrent, &record->rates.concurrent) ||
	    fill_budget(&record->budget, arguments))
		return SL_EXIT_FAILED;
	if (arguments->routes && sl_key_record_set_routes(file, record, arguments->routes,
							  strlen(arguments->routes), &why))
		return sl_say_error(NULL, "--%s", why.text);
	return SL_EXIT_OK;
}

/* One may replace the other; a third is a mistake or a leak. */
static int check_rotation(const struct sl_key_file *file, const char *name)
{
	uint64_t now_s = sl_clock_wall_ms() / 1000u;
	uint32_t active = 0;

	for (uint32_t i = 0; i < file->count; i++)
		active += !strcmp(file->records[i].name, name) &&
			  sl_key_record_state(&file->records[i], now_s) == SL_KEY_ACTIVE;
	if (active < SL_KEY_ACTIVE_OF_A_NAME)
		return SL_EXIT_OK;
	return sl_say_error("revoke the one that is no longer used: sluice key list, sluice key "
			    "revoke ID",
			    "\"%s\" has %u active keys already, one to replace the other", name,
			    active);
}

static void say_created(const struct sl_key_record *record, const char *key, const char *path,
			bool json)
{
	char expires[SL_KEY_TIME_SIZE] = "never";

	if (record->expires_s)
		sl_key_time_format(record->expires_s, expires);
	if (json) {
		printf("{\"key\": \"%s\", \"id\": \"%s\", \"name\": \"%s\", \"tenant\": \"%s\", "
		       "\"file\": ",
		       key, record->id, record->name, record->tenant);
		struct sl_text text;

		sl_text_init(&text, 0);
		sl_text_append_json_string(&text, path);
		printf("%s}\n", sl_text_string(&text));
		sl_text_fini(&text);
		return;
	}
	/* the key alone on standard output: KEY=$(sluice key create NAME) */
	fprintf(stderr,
		"key %s of \"%s\" (tenant \"%s\", class %s, expires %s) is in %s;\n"
		"it is shown once, here, and kept nowhere:\n",
		record->id, record->name, record->tenant, sl_key_class_name(record->priority),
		expires, path);
	printf("%s\n", key);
}

/* Reads the file, or begins one. */
static int read_or_begin(const char *path, struct sl_key_file **ret_file)
{
	struct sl_error why;
	int rc = sl_key_file_read(path, ret_file, &why);

	if (rc == -ENOENT) {
		*ret_file = sl_key_file_new();
		return *ret_file ? SL_EXIT_OK : sl_say_error(NULL, "out of memory");
	}
	return rc ? say_file_error(rc, path, &why) : SL_EXIT_OK;
}

static int create_in(struct sl_key_file *file, const char *path,
		     const struct sl_arguments *arguments)
{
	char key[SL_API_KEY_LEN + 1];
	struct sl_key_record *record;
	struct sl_error why;
	int exit_code = check_rotation(file, arguments->words[1]);
	int rc;

	if (exit_code)
		return exit_code;
	rc = sl_key_file_add(file, &record);
	if (rc)
		return sl_say_error("revoked keys can be deleted from it, line by line",
				    "%s: there are %u keys already", path, SL_KEYS_MAX);
	exit_code = fill(file, record, arguments);
	if (exit_code)
		return exit_code;
	rc = sl_api_key_generate(key, &record->hash);
	if (rc)
		return sl_say_error(NULL, "no random bytes: %s", strerror(-rc));
	memcpy(record->id, key + SL_API_KEY_PREFIX_LEN, SL_API_KEY_ID_LEN);
	rc = sl_key_file_write(path, file, &why);
	if (rc)
		exit_code = say_file_error(rc, path, &why);
	else
		say_created(record, key, path, arguments->json);
	explicit_bzero(key, sizeof(key));
	return exit_code;
}

static int create(const char *path, const struct sl_arguments *arguments)
{
	struct sl_key_file *file = NULL;
	struct sl_error why;
	int exit_code, lock, rc = sl_key_file_lock(path, &lock, &why);

	if (rc)
		return sl_say_error(rc == -ENOENT ? "make its directory: install -d -m 0700 DIR"
						  : NULL,
				    "%s", why.text);
	exit_code = read_or_begin(path, &file);
	if (!exit_code)
		exit_code = create_in(file, path, arguments);
	sl_key_file_close(&file);
	close(lock);
	return exit_code;
}

/* ---- revoke -------------------------------------------------------------------------------- */

/* By id, or by a name that has one active key. */
static struct sl_key_record *find_key(struct sl_key_file *file, const char *word)
{
	uint64_t now_s = sl_clock_wall_ms() / 1000u;
	struct sl_key_record *found = NULL;
	uint32_t active = 0;

	for (uint32_t i = 0; i < file->count; i++)
		if (!strcmp(file->records[i].id, word))
			return &file->records[i];
	for (uint32_t i = 0; i < file->count; i++) {
		if (strcmp(file->records[i].name, word) ||
		    sl_key_record_state(&file->records[i], now_s) != SL_KEY_ACTIVE)
			continue;
		found = &file->records[i];
		active++;
	}
	if (active > 1) {
		sl_say_error("name one by its id: sluice key list", "\"%s\" has %u active keys",
			     word, active);
		return NULL;
	}
	if (!found)
		sl_say_error("sluice key list shows them",
			     "no active key has the id or name \"%s\"", word);
	return found;
}

static int revoke_in(struct sl_key_file *file, const char *path,
		     const struct sl_arguments *arguments)
{
	struct sl_key_record *record = find_key(file, arguments->words[1]);
	char when[SL_KEY_TIME_SIZE];
	struct sl_error why;
	int rc;

	if (!record)
		return SL_EXIT_FAILED;
	if (!record->revoked_s) {
		record->revoked_s = sl_clock_wall_ms() / 1000u;
		rc = sl_key_file_write(path, file, &why);
		if (rc)
			return say_file_error(rc, path, &why);
	}
	sl_key_time_format(record->revoked_s, when);
	if (arguments->json)
		printf("{\"id\": \"%s\", \"name\": \"%s\", \"revoked\": \"%s\"}\n", record->id,
		       record->name, when);
	else
		printf("key %s of \"%s\" is revoked since %s\n", record->id, record->name, when);
	return SL_EXIT_OK;
}

static int revoke_key(const char *path, const struct sl_arguments *arguments)
{
	struct sl_key_file *file = NULL;
	struct sl_error why;
	int exit_code, lock, rc;

	if (access(path, F_OK)) /* no lock file beside a file that is not there */
		return sl_say_error("sluice key create NAME makes it", "%s: %s", path,
				    strerror(errno));
	rc = sl_key_file_lock(path, &lock, &why);
	if (rc)
		return sl_say_error(NULL, "%s", why.text);
	rc = sl_key_file_read(path, &file, &why);
	exit_code = rc ? say_file_error(rc, path, &why) : revoke_in(file, path, arguments);
	sl_key_file_close(&file);
	close(lock);
	return exit_code;
}

/* ---- list ---------------------------------------------------------------------------------- */

static const char *state_name(const struct sl_key_record *record, uint64_t now_s)
{
	static const char *const names[] = {"", "active", "expired", "revoked"};

	return names[sl_key_record_state(record, now_s)];
}

static void append_time(struct sl_text *text, const char *name, uint64_t time_s)
{
	char shown[SL_KEY_TIME_SIZE];

	if (time_s)
		sl_text_printf(text, ", \"%s\": \"%s\"", name, sl_key_time_format(time_s, shown));
	else
		sl_text_printf(text, ", \"%s\": null", name);
}

static void append_rate(struct sl_text *text, const char *name, uint32_t rate)
{
	if (rate)
		sl_text_printf(text, ", \"%s\": %u", name, rate);
	else
		sl_text_printf(text, ", \"%s\": null", name);
}

/* What was spent, read once; count 0 where it is not known. */
struct spend {
	struct sl_spend_file file;
	const struct store *store;
	bool known;
};

static uint64_t spent_in(const struct sl_spend_row *row, enum sl_budget_period period)
{
	if (!row)
		return 0;
	return period == SL_BUDGET_DAY	   ? row->day
	       : period == SL_BUDGET_MONTH ? row->month
					   : row->total;
}

static uint64_t budget_in(const struct sl_key_record *record, const struct spend *spend,
			  enum sl_budget_period period)
{
	uint64_t own = sl_budget_of(&record->budget, period);

	return own ? own : sl_budget_of(&spend->store->budget, period);
}

/* Amounts as text: a number of JSON would lose the last digits in some readers. */
static void append_spend_json(struct sl_text *text, const struct sl_key_record *record,
			      const struct spend *spend)
{
	const struct sl_spend_row *row = sl_spend_file_find(&spend->file, SL_SPEND_KEY, record->id);
	char amount[SL_MONEY_TEXT_SIZE];

	for (unsigned what = 0; what < 2; what++) {
		sl_text_printf(text, ", \"%s\": {", what ? "budget" : "spent");
		for (unsigned p = SL_BUDGET_DAY; p < SL_BUDGET_PERIODS; p++) {
			enum sl_budget_period period = (enum sl_budget_period)p;
			uint64_t nano =
				what ? budget_in(record, spend, period) : spent_in(row, period);

			sl_text_printf(text, "%s\"%s\": ", p > SL_BUDGET_DAY ? ", " : "",
				       sl_budget_period_name(period));
			if (what ? !nano : !spend->known)
				sl_text_append_string(text, "null");
			else
				sl_text_printf(text, "\"%s\"", sl_money_format(nano, amount));
		}
		sl_text_append_char(text, '}');
	}
}

/* "day 0.12 of 10, month 3.4, total 12.5 USD" */
static void append_spend(struct sl_text *text, const struct sl_key_record *record,
			 const struct spend *spend)
{
	const struct sl_spend_row *row = sl_spend_file_find(&spend->file, SL_SPEND_KEY, record->id);
	char amount[SL_MONEY_TEXT_SIZE], bound[SL_MONEY_TEXT_SIZE];

	sl_text_append_string(text, "  spent ");
	for (unsigned p = SL_BUDGET_DAY; p < SL_BUDGET_PERIODS; p++) {
		enum sl_budget_period period = (enum sl_budget_period)p;
		uint64_t budget = budget_in(record, spend, period);

		sl_text_printf(text, "%s%s %s", p > SL_BUDGET_DAY ? ", " : "",
			       sl_budget_period_name(period),
			       sl_money_format(spent_in(row, period), amount));
		if (budget)
			sl_text_printf(text, " of %s", sl_money_format(budget, bound));
	}
	sl_text_printf(text, "%s%s", spend->store->currency[0] ? " " : "", spend->store->currency);
}

static void append_json(struct sl_text *text, const struct sl_key_record *record, uint64_t now_s,
			const struct spend *spend)
{
	sl_text_printf(text,
		       "{\"id\": \"%s\", \"name\": \"%s\", \"tenant\": \"%s\", \"class\": \"%s\", "
		       "\"state\": \"%s\"",
		       record->id, record->name, record->tenant,
		       sl_key_class_name(record->priority), state_name(record, now_s));
	append_time(text, "created", record->created_s);
	append_time(text, "expires", record->expires_s);
	append_time(text, "revoked", record->revoked_s);
	append_rate(text, "requests_per_minute", record->rates.requests_per_minute);
	append_rate(text, "tokens_per_minute", record->rates.tokens_per_minute);
	append_rate(text, "concurrent", record->rates.concurrent);
	append_spend_json(text, record, spend);
	sl_text_append_string(text, ", \"routes\": [");
	for (uint32_t i = 0; i < record->route_count; i++) {
		sl_text_append_string(text, i ? ", " : "");
		sl_text_append_json_string(text, record->routes[i]);
	}
	sl_text_append_string(text, "]}");
}

static void append_row(struct sl_text *text, const struct sl_key_record *record, uint64_t now_s,
		       const struct spend *spend)
{
	char expires[SL_KEY_TIME_SIZE] = "never";

	if (record->expires_s)
		sl_key_time_format(record->expires_s, expires);
	sl_text_printf(text, "%-10s  %-8s  %-20s  %-12s  %-11s  %-20s  ", record->id,
		       state_name(record, now_s), record->name, record->tenant,
		       sl_key_class_name(record->priority), expires);
	if (!record->route_count)
		sl_text_append_string(text, "all");
	for (uint32_t i = 0; i < record->route_count; i++)
		sl_text_printf(text, "%s%s", i ? "," : "", record->routes[i]);
	if (spend->known)
		append_spend(text, record, spend);
	sl_text_append_char(text, '\n');
}

/* No file is nothing spent yet; a bad one is said, and the list goes on without it. */
static void read_spend(const struct store *store, uint64_t now_s, struct spend *ret_spend)
{
	struct sl_error why;
	int rc;

	*ret_spend = (struct spend){.store = store};
	if (!store->spend[0])
		return;
	rc = sl_spend_file_read(store->spend, sl_money_date(now_s), &ret_spend->file, &why);
	ret_spend->known = !rc || rc == -ENOENT;
	if (!ret_spend->known)
		sl_say_error("the list below says nothing of what was spent", "%s", why.text);
}

static int list(const struct store *store, const struct sl_arguments *arguments)
{
	const char *path = store->path;
	struct spend spend;
	uint64_t now_s = sl_clock_wall_ms() / 1000u;
	struct sl_key_file *file = NULL;
	struct sl_error why;
	struct sl_text text;
	int exit_code = SL_EXIT_OK, rc = sl_key_file_read(path, &file, &why);

	if (rc)
		return say_file_error(rc, path, &why);
	read_spend(store, now_s, &spend);
	sl_text_init(&text, LIST_BYTES_MAX);
	if (arguments->json)
		sl_text_append_string(&text, "{\"keys\": [");
	else
		sl_text_printf(&text, "%-10s  %-8s  %-20s  %-12s  %-11s  %-20s  %s\n", "id",
			       "state", "name", "tenant", "class", "expires", "routes");
	for (uint32_t i = 0; i < file->count; i++) {
		if (arguments->json) {
			sl_text_append_string(&text, i ? ",\n  " : "\n  ");
			append_json(&text, &file->records[i], now_s, &spend);
		} else {
			append_row(&text, &file->records[i], now_s, &spend);
		}
	}
	if (arguments->json)
		sl_text_append_string(&text, "]}\n");
	if (text.error)
		exit_code = sl_say_error(NULL, "the list is larger than %u bytes", LIST_BYTES_MAX);
	else
		fputs(sl_text_string(&text), stdout);
	sl_text_fini(&text);
	sl_spend_file_fini(&spend.file);
	sl_key_file_close(&file);
	return exit_code;
}

/* ---- the command --------------------------------------------------------------------------- */

static int run_key(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *order = arguments->words[0];
	bool listing = !strcmp(order, "list");
	struct store store;

	(void)command;
	if ((!listing && strcmp(order, "create") && strcmp(order, "revoke")) ||
	    arguments->word_count != (listing ? 1 : 2)) {
		sl_say_error("sluice key --help",
			     "key %s: expected create NAME, list, or revoke with an id or name",
			     order);
		return SL_EXIT_USAGE;
	}
	if (find_store(arguments, &store))
		return SL_EXIT_FAILED;
	if (listing)
		return list(&store, arguments);
	return !strcmp(order, "create") ? create(store.path, arguments)
					: revoke_key(store.path, arguments);
}

static const struct sl_option key_options[] = {
	{SL_OPTION_TEXT, "file", "FILE", NULL, offsetof(struct sl_arguments, file),
	 "the file of keys (default: " SL_KEY_FILE_DEFAULT ")"},
	{SL_OPTION_TEXT, "config", "CONFIG", NULL, offsetof(struct sl_arguments, config),
	 "take the file from keys.file of this configuration, and that of --spend"},
	{SL_OPTION_TEXT, "tenant", "TENANT", NULL, offsetof(struct sl_arguments, tenant),
	 "create: whom the key belongs to (default: " SL_KEY_TENANT_DEFAULT ")"},
	{SL_OPTION_TEXT, "routes", "MODEL,...", NULL, offsetof(struct sl_arguments, routes),
	 "create: the models it may use (default: all)"},
	{SL_OPTION_TEXT, "class", "CLASS", "|batch|standard|interactive|critical|",
	 offsetof(struct sl_arguments, priority),
	 "create: batch, standard (default), interactive or critical"},
	{SL_OPTION_TEXT, "expires", "WHEN", NULL, offsetof(struct sl_arguments, expires),
	 "create: 90d, 12h or 2030-01-31T12:00:00Z (default: never)"},
	{SL_OPTION_TEXT, "requests-per-minute", "N", NULL,
	 offsetof(struct sl_arguments, requests_per_minute),
	 "create: its own limit, before that of the configuration"},
	{SL_OPTION_TEXT, "tokens-per-minute", "N", NULL,
	 offsetof(struct sl_arguments, tokens_per_minute), "create: the same for tokens"},
	{SL_OPTION_TEXT, "concurrent", "N", NULL, offsetof(struct sl_arguments, concurrent),
	 "create: the same for requests at once"},
	{SL_OPTION_TEXT, "budget-day", "AMOUNT", NULL, offsetof(struct sl_arguments, budget_day),
	 "create: what it may spend in a day of UTC, like 0.5 or 20"},
	{SL_OPTION_TEXT, "budget-month", "AMOUNT", NULL,
	 offsetof(struct sl_arguments, budget_month), "create: the same for a calendar month"},
	{SL_OPTION_TEXT, "budget-total", "AMOUNT", NULL,
	 offsetof(struct sl_arguments, budget_total), "create: the same for all time"},
	{SL_OPTION_TEXT, "spend", "FILE", NULL, offsetof(struct sl_arguments, spend),
	 "list: what keys have spent, from the file spend.file of the configuration"},
	SL_OPTION_JSON,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_key = {
	.name = "key",
	.words = "create NAME | list | revoke ID",
	.words_min = 1,
	.words_max = 2,
	.summary = "make, list and revoke the API keys of clients",
	.description =
		"`create NAME` prints a new key, once; the file keeps a salted hash. A name may "
		"have\n"
		"two active keys, so that one can replace the other: create, change the client,\n"
		"revoke. `revoke` takes an id, or a name with one active key. A running daemon "
		"obeys\n"
		"within a second. Needs no privilege but the file's.",
	.options = key_options,
	.run = run_key,
};
