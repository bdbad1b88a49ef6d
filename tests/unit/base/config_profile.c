/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles: each value is what its key takes, arrives, gives way to the file, and differs from the
 * default unless it is pinned; what `sluice check --explain` reads; advice; docs/profiles.md. Run from
 * the top of the tree.
 *
 *	build/unit/base/config_profile --table	prints the generated part of docs/profiles.md
 */
#include "user/base/config_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "user/base/config_advice.h"
#include "user/base/config_explain.h"
#include "user/base/config_key.h"
#include "user/base/tunables.h"

#define COUNT(array)	 (sizeof(array) / sizeof((array)[0]))
#define MANUAL		 "docs/profiles.md"
#define MANUAL_BYTES_MAX (1u << 20)
#define TABLE_MARK	 "<!-- table -->\n"
#define FILE_BYTES	 4096u
#define WHY_BYTES_MAX	 130u

/* A value of each key that no profile gives, for keys without a default to fall back to. */
static const struct other_value {
	enum sl_config_section section;
	const char *key, *value;
} other_values[] = {
	{SL_CONFIG_SLO, "availability", "0.5"},
	{SL_CONFIG_SLO, "quality", "0.5"},
	{SL_CONFIG_SLO, "alerts", "[{level: page, burn: 2, long: 2h, short: 1h}]"},
	{SL_CONFIG_DEGRADE, "rules", "[{wait: 5s, max_tokens: 9}]"},
};

static struct sl_config *must_explain(const char *text, struct sl_config_explain *explain)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_explain_parse("t.yaml", text, strlen(text), &config, explain, &errors);

	if (rc != 0)
		fail_msg("%d\n%s\n%s", rc, text, errors != NULL ? errors : "");
	return config;
}

static bool is_tunable(const struct sl_profile_row *row)
{
	return strncmp(row->key, SL_PROFILE_TUNABLE, strlen(SL_PROFILE_TUNABLE)) == 0;
}

static const struct sl_config_key *key_of(const struct sl_profile_row *row)
{
	return sl_config_key_find((enum sl_config_section)row->section, row->key);
}

/* ---- files around one key ------------------------------------------------------------------- */

/* "a.b" and "k: v" give "a: {b: {k: v}}". */
static void nest(FILE *file, const char *path, const char *key, const char *value)
{
	unsigned depth = 0;

	while (*path) {
		size_t len = strcspn(path, ".");

		fprintf(file, "%.*s: {", (int)len, path);
		path += len + (path[len] == '.');
		depth++;
	}
	fprintf(file, "%s: %s", key, value);
	while (depth--)
		fputc('}', file);
}

/* The rest of a title behind its begin, without the dot; NULL: it begins otherwise. */
static const char *rest_of(const char *title, const char *begin)
{
	size_t len = strlen(begin);

	if (strncmp(title, begin, len) != 0)
		return NULL;
	return title + len + (title[len] == '.');
}

/* A file with that profile (or none), in which the key has that value (NULL: is not named). */
static void write_file(enum sl_profile profile, const struct sl_profile_row *row, const char *value,
		       char text[FILE_BYTES])
{
	const char *title = sl_config_sections[row->section].title;
	const char *route = rest_of(title, "routes[]"), *pool = rest_of(title, "pools.NAME");
	const char *tenant = rest_of(title, "tenants.NAME");
	const char *hook = rest_of(title, "recovery.hooks.NAME");
	FILE *file = fmemopen(text, FILE_BYTES, "w");

	fprintf(file, profile ? "profile: %s\n" : "", sl_profiles[profile].name);
	fprintf(file, "pools: {p: {nodes: [10.0.0.7:80]");
	if (value && pool) {
		fprintf(file, ", ");
		nest(file, pool, row->key, value);
	}
	fprintf(file, "}}\nprices: {m: {input: 1}}\ntenants: {t: {");
	if (value && tenant)
		nest(file, tenant, row->key, value);
	fprintf(file, "}}\nrecovery: {hooks: {h: {on: incident, exec: /x");
	if (value && hook) {
		fprintf(file, ", ");
		nest(file, hook, row->key, value);
	}
	fprintf(file, "}}}\nroutes: [{model: m, pools: p");
	if (value && route) {
		fprintf(file, ", ");
		nest(file, route, row->key, value);
	}
	fprintf(file, "}]\n");
	if (value && !route && !pool && !tenant && !hook) {
		if (is_tunable(row))
			nest(file, "tunables", row->key + strlen(SL_PROFILE_TUNABLE), value);
		else
			nest(file, row->section == SL_CONFIG_ROOT ? "" : title, row->key, value);
		fputc('\n', file);
	}
	assert_int_equal(fclose(file), 0);
	assert_true(strlen(text) < FILE_BYTES - 1);
}

/* ---- values in the configuration ------------------------------------------------------------- */

static const void *target_of(const struct sl_config *config, unsigned section)
{
	const char *title = sl_config_sections[section].title;

	if (rest_of(title, "routes[]"))
		return config->routes;
	if (rest_of(title, "pools.NAME"))
		return config->pools;
	if (rest_of(title, "tenants.NAME"))
		return config->tenants;
	if (rest_of(title, "recovery.hooks.NAME"))
		return config->recovery.hooks.items;
	return config;
}

/* What the configuration holds for the key, as a number: of a list what tells it from others. */
static uint64_t number_of(const struct sl_config *config, const struct sl_profile_row *row)
{
	const struct sl_config_key *key = key_of(row);
	const struct sl_config_items *items;
	const char *field;

	if (is_tunable(row))
		return config->tunables[sl_tunable_find(row->key + strlen(SL_PROFILE_TUNABLE))];
	field = (const char *)target_of(config, row->section) + key->offset;
	switch (key->type) {
	case SL_CONFIG_U32:
	case SL_CONFIG_MS:
	case SL_CONFIG_BYTES:
	case SL_CONFIG_CHOICE:
	case SL_CONFIG_SET:
		return *(const uint32_t *)(const void *)field;
	case SL_CONFIG_U64:
	case SL_CONFIG_MONEY:
		return *(const uint64_t *)(const void *)field;
	case SL_CONFIG_ITEM_LIST:
		items = (const void *)field;
		if (key->min == SL_CONFIG_SLO_ALERT)
			return items->count ? items->count * 1000000u +
						      ((const struct sl_config_slo_alert *)
							       items->items)[0]
							      .long_ms
					    : 0;
		assert_int_equal(key->min, SL_CONFIG_DEGRADE_RULE);
		return items->count
			       ? 1u + ((const struct sl_config_degrade_rule *)items->items)[0].load
			       : 0;
	default:
		/* paths, addresses, pools and secrets are the file's alone */
		fail_msg("%s: a profile may not set a key of this type", row->key);
	}
	return 0;
}

static uint64_t number_in(enum sl_profile profile, const struct sl_profile_row *row,
			  const char *value)
{
	struct sl_config_explain explain;
	struct sl_config *config;
	char text[FILE_BYTES];
	uint64_t number;

	write_file(profile, row, value, text);
	config = must_explain(text, &explain);
	number = number_of(config, row);
	sl_config_close(&config);
	return number;
}

static const char *other_value(const struct sl_profile_row *row, char number[24])
{
	if (is_tunable(row)) {
		int id = sl_tunable_find(row->key + strlen(SL_PROFILE_TUNABLE));

		/* what is a bound of another number stays above it */
		snprintf(number, 24, "%llu",
			 (unsigned long long)(strstr(row->key, "_max") ? sl_tunable_info[id].max
								       : sl_tunable_info[id].min));
		return number;
	}
	for (size_t i = 0; i < COUNT(other_values); i++)
		if (other_values[i].section == row->section &&
		    strcmp(other_values[i].key, row->key) == 0)
			return other_values[i].value;
	return key_of(row)->preset;
}

/* ---- the table ------------------------------------------------------------------------------- */

static void every_row_is_whole(void **state)
{
	const struct sl_profile_row *row;

	(void)state;
	for (size_t i = 0; (row = sl_profile_at(i)); i++) {
		size_t len = strlen(row->why);

		if (is_tunable(row))
			assert_true(sl_tunable_find(row->key + strlen(SL_PROFILE_TUNABLE)) >= 0);
		else if (!key_of(row))
			fail_msg("%s: no such key", row->key);
		assert_true(row->profiles != 0 && !(row->profiles & 1) &&
			    row->profiles < SL_PROFILE_BIT(SL_PROFILES));
		if (len < 10 || len > WHY_BYTES_MAX || row->why[len - 1] != '.' ||
		    strchr(row->why, '|'))
			fail_msg("%s: its reason is no sentence of at most %u bytes: %s", row->key,
				 WHY_BYTES_MAX, row->why);
		for (unsigned p = SL_PROFILE_PERSONAL; p < SL_PROFILES; p++)
			if ((row->profiles & SL_PROFILE_BIT(p)) &&
			    sl_profile_find((enum sl_profile)p, row->section, row->key) != row)
				fail_msg("%s: %s says it twice", row->key, sl_profiles[p].name);
	}
	for (unsigned p = SL_PROFILE_PERSONAL; p < SL_PROFILES; p++)
		assert_string_equal(sl_profiles[p].name, sl_profile_names[p]);
	assert_null(sl_profile_names[SL_PROFILES]);
}

/* Default, then profile, then file: for every row of every profile, in each kind of section. */
static void file_goes_before_profile_before_default(void **state)
{
	const struct sl_profile_row *row;
	unsigned checked = 0;

	(void)state;
	for (size_t i = 0; (row = sl_profile_at(i)); i++) {
		char memory[24];
		const char *other = other_value(row, memory);
		uint64_t by_default = number_in(SL_PROFILE_NONE, row, NULL);
		uint64_t said = number_in(SL_PROFILE_NONE, row, row->value);
		uint64_t by_other = number_in(SL_PROFILE_NONE, row, other);

		if ((said == by_default) != row->pinned)
			fail_msg("%s: %s is %s the default", row->key, row->value,
				 row->pinned ? "pinned and no more" : "just");
		for (unsigned p = SL_PROFILE_PERSONAL; p < SL_PROFILES; p++) {
			enum sl_profile profile = (enum sl_profile)p;

			if (!(row->profiles & SL_PROFILE_BIT(p)))
				continue;
			if (number_in(profile, row, NULL) != said)
				fail_msg("%s: %s does not arrive by profile %s", row->key,
					 row->value, sl_profiles[p].name);
			if (number_in(profile, row, other) != by_other)
				fail_msg("%s: profile %s goes before the file's %s", row->key,
					 sl_profiles[p].name, other);
			checked++;
		}
		assert_true(row->pinned || by_other != said);
	}
	assert_true(checked > 60);
}

/* Nothing else than the rows: what a profile does not name is as without it. */
static void nothing_else_changes(void **state)
{
	const struct sl_profile_row *row;

	(void)state;
	for (size_t i = 0; (row = sl_profile_at(i)); i++) {
		uint64_t by_default = number_in(SL_PROFILE_NONE, row, NULL);

		for (unsigned p = SL_PROFILE_PERSONAL; p < SL_PROFILES; p++)
			if (!sl_profile_find((enum sl_profile)p, row->section, row->key))
				assert_true(number_in((enum sl_profile)p, row, NULL) == by_default);
	}
}

/* ---- what the file says of it ---------------------------------------------------------------- */

struct complaint_case {
	const char *text, *complaint;
};

#define REST "pools: {p: {nodes: [10.0.0.7:80]}}\nroutes: [{model: m, pools: p}]\n"

static const struct complaint_case complaints[] = {
	{"profile: critcal\n" REST,
	 "t.yaml:1:10: error: profile: \"critcal\" is not known here (did you mean "
	 "\"critical\"?) (expected personal, mvp, enterprise, saas or critical)\n"
	 "    1 | profile: critcal\n"
	 "      |          ^\n"},
	{"profile: none\n" REST, "profile: \"none\" is not known here"},
	{"profile: [mvp]\n" REST, "profile: a list here (expected personal"},
	{"profile: mvp\nprofile: saas\n" REST, "profile"},
	/* against a number of the profile, as against one of the file */
	{"profile: critical\ntunables: {breaker.open_ms: 60000}\n" REST,
	 "t.yaml:2:1: error: tunables: breaker.open_ms 60000 is over breaker.open_max_ms 30000 (of "
	 "the profile)"},
	{"profile: critical\ntunables: {breaker.open_max_ms: 1000}\n" REST,
	 "breaker.open_ms 2000 (of the profile) is over breaker.open_max_ms 1000\n"},
};

static void faults_are_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(complaints); i++) {
		struct sl_config *config = NULL;
		char *errors = NULL;

		assert_int_equal(sl_config_parse("t.yaml", complaints[i].text,
						 strlen(complaints[i].text), &config, &errors),
				 -EINVAL);
		if (!strstr(errors, complaints[i].complaint))
			fail_msg("expected: %s\ngot: %s", complaints[i].complaint, errors);
		free(errors);
	}
}

/* ---- explanation ----------------------------------------------------------------------------- */

static const char explained[] =
	"profile: critical\n"
	"limits: {body: 8MiB}\n"
	"tunables: {breaker.open_ms: 4s}\n"
	"kernel: {beacon: {keys: [{id: 1, key: 000102030405060708090a0b0c0d0e0f}]}}\n"
	"alerts:\n"
	"  receivers: {r: {pool: p, hmac_secret: do-not-show-me}}\n"
	"recovery: {hooks: {h: {on: incident, exec: [/x, y], per_hour: 2}}}\n"
	"slo:\n"
	"  alerts:\n"
	"    - {burn: 2, long: 2h, short: 1h}\n"
	"pools:\n"
	"  p: {nodes: [10.0.0.7:80, {address: 10.0.0.8:80, weight: 3}], api_key: sk-not-shown}\n"
	"  q: {nodes: [10.0.0.9:80], health: {live: none}, tunables: {breaker.open_ms: 1s}}\n"
	"routes:\n"
	"  - {model: a, pools: [p, q]}\n"
	"  - model: b\n"
	"    pools: q\n"
	"    attempts: 3\n"
	"    hedge:\n"
	"      min: 50ms\n";

struct said_case {
	const char *path, *value, *from;
	unsigned line;
	const char *preset, *of_profile;
};

static const struct said_case said_cases[] = {
	{"profile", "critical", "file", 1, NULL, NULL},
	{"limits.body", "8MiB", "file", 2, "4MiB", NULL},
	{"limits.requests", "8192", "default", 0, "8192", NULL},
	{"timeouts.drain", "5m", "profile", 0, "30s", "5m"},
	{"tunables.breaker.open_ms", "4s", "file", 3, "5000", "2000"},
	{"tunables.breaker.open_max_ms", "30000", "profile", 0, "120000", "30000"},
	{"tunables.breaker.mode", "0", "default", 0, "0", NULL},
	{"audit.file", NULL, "default", 0, NULL, NULL},
	{"alerts.repeat", "30m", "profile", 0, "4h", "30m"},
	{"alerts.receivers.r.per_hour", "60", "default", 0, "60", NULL},
	{"alerts.receivers.r.hmac_secret", "(hidden)", "file", 6, NULL, NULL},
	{"recovery.hooks.h.every", "1m", "profile", 0, "5m", "1m"},
	{"recovery.hooks.h.per_hour", "2", "file", 7, "4", "12"},
	{"recovery.hooks.h.exec", "[/x, y]", "file", 7, NULL, NULL},
	{"slo.availability", "0.9995", "profile", 0, NULL, "0.9995"},
	{"slo.alerts[0].level", "page", "default", 0, "page", NULL},
	{"slo.alerts[0].burn", "2", "file", 10, NULL, NULL},
	{"pools.p.api_key", "(hidden)", "file", 12, NULL, NULL},
	{"pools.p.health.live", "tcp", "profile", 0, "none", "tcp"},
	{"pools.q.health.live", "none", "file", 13, "none", "tcp"},
	{"pools.q.health.every", "2s", "profile", 0, "5s", "2s"},
	{"pools.q.tunables.breaker.open_ms", "1s", "file", 13, NULL, NULL},
	{"pools.p.nodes", "[10.0.0.7:80, {address: 10.0.0.8:80, weight: 3}]", "file", 12, NULL,
	 NULL},
	{"pools.p.nodes[1].weight", "3", "file", 12, "1", NULL},
	{"routes[0].attempts", "6", "profile", 0, "4", "6"},
	{"routes[1].attempts", "3", "file", 18, "4", "6"},
	{"routes[0].hedge.after", "p95", "profile", 0, "off", "p95"},
	{"routes[1].hedge.after", "p95", "profile", 0, "off", "p95"},
	{"routes[1].hedge.min", "50ms", "file", 20, "100ms", NULL},
	{"routes[1].validate.moderation_down", "closed", "profile", 0, "closed", "closed"},
};

static const struct sl_config_said *find_said(const struct sl_config_explain *explain,
					      const char *path)
{
	const struct sl_config_said *found = NULL;

	for (size_t i = 0; i < explain->count; i++) {
		if (strcmp(explain->said[i]->path, path) != 0)
			continue;
		if (found)
			fail_msg("%s is there twice", path);
		found = explain->said[i];
	}
	if (!found)
		fail_msg("%s is not there", path);
	return found;
}

static void same_string(const char *path, const char *expected, const char *is)
{
	if ((expected == NULL) != (is == NULL) || (expected && strcmp(expected, is) != 0))
		fail_msg("%s: expected %s, is %s", path, expected ? expected : "(none)",
			 is ? is : "(none)");
}

static void explanation_names_who_said_it(void **state)
{
	struct sl_config_explain explain;
	struct sl_config *config = must_explain(explained, &explain);

	(void)state;
	assert_int_equal(explain.profile_line, 1);
	for (size_t i = 0; i < COUNT(said_cases); i++) {
		const struct said_case *expected = &said_cases[i];
		const struct sl_config_said *said = find_said(&explain, expected->path);

		same_string(expected->path, expected->value, said->value);
		same_string(expected->path, expected->from, sl_config_said_from(said));
		same_string(expected->path, expected->preset, said->preset);
		same_string(expected->path, expected->of_profile,
			    said->row ? said->row->value : NULL);
		assert_int_equal(said->line, expected->line);
	}
	for (size_t i = 0; i < explain.count; i++) {
		const char *value = explain.said[i]->value ? explain.said[i]->value : "";

		assert_null(strstr(value, "not-show"));
		assert_null(strstr(value, "0001020304"));
	}
	sl_config_close(&config);
}

/* Every key is there once, with the value that counts: the table's, for a file that says little. */
static void explanation_is_complete(void **state)
{
	struct sl_config_explain explain;
	const struct sl_config_key *key;
	struct sl_config *config = must_explain(REST, &explain);
	size_t keys = 0;

	(void)state;
	for (size_t i = 0; (key = sl_config_key_at(i)); i++) {
		bool is_top = !strpbrk(sl_config_sections[key->section].title, "[NM");
		char path[128];

		if (!is_top || !key->preset || key->type == SL_CONFIG_SECTION_MAP)
			continue;
		snprintf(path, sizeof(path), "%s%s%s",
			 key->section ? sl_config_sections[key->section].title : "",
			 key->section ? "." : "", key->name);
		same_string(path, key->preset, find_said(&explain, path)->value);
		keys++;
	}
	assert_true(keys > 50);
	for (size_t i = 0; i < explain.count; i++)
		assert_null(explain.said[i]->row);
	sl_config_close(&config);
}

/* ---- advice ---------------------------------------------------------------------------------- */

static void count_advice(void *owner, const struct sl_advice *advice)
{
	assert_true(advice->line[0] && !strstr(advice->line, "%s"));
	++*(unsigned *)owner;
}

static unsigned advised(const char *text)
{
	struct sl_config_explain explain;
	struct sl_config *config = must_explain(text, &explain);
	unsigned count = 0;

	sl_advice_each(config, count_advice, &count);
	sl_config_close(&config);
	return count;
}

struct advice_case {
	const char *description, *text;
	unsigned count;
};

#define WHOLE                                                                               \
	"listen: [127.0.0.1:80, {address: 0.0.0.0:443, tls: {certificate: /c, key: /k}}]\n" \
	"keys: {file: /k}\naudit: {file: /a}\nincidents: {path: /i}\nslo: {path: /s}\n"     \
	"alerts: {receivers: {r: {exec: /x}}}\nlog: {requests: /l}\nrollouts: {file: /r}\n" \
	"otlp: {pool: c}\nprices: {m: {input: 1}}\nspend: {file: /p}\ntenants: {t: {}}\n"   \
	"pools:\n"                                                                          \
	"  p: {slots: 4, expect_model: strict, health: {live: http, generate: 30s},\n"      \
	"      model: m, nodes: [10.0.0.7:80, 10.0.0.8:80]}\n"                              \
	"  q: {slots: 4, health: {live: http, generate: 30s}, nodes: [10.0.0.9:80, "        \
	"10.0.1.1:80]}\n"                                                                   \
	"  c: {nodes: [127.0.0.1:4318]}\n"                                                  \
	"routes: [{model: m, pools: [p, q], validate: {moderation: c}}]\n"

static const struct advice_case advice_cases[] = {
	{"no profile recommends nothing", REST, 0},
	{"one person on loopback", "profile: personal\nlisten: 127.0.0.1:80\n" REST, 0},
	{"one person, open to the network", "profile: personal\nlisten: 0.0.0.0:80\n" REST, 1},
	{"a small product", "profile: mvp\n" REST, 2},
	{"nothing lacks: enterprise", "profile: enterprise\n" WHOLE, 0},
	{"nothing lacks: saas", "profile: saas\n" WHOLE, 0},
	{"nothing lacks: critical", "profile: critical\n" WHOLE, 0},
	{"much lacks: enterprise", "profile: enterprise\n" REST, 10},
	{"much lacks: saas", "profile: saas\n" REST, 10},
	{"much lacks: critical", "profile: critical\n" REST, 13},
};

static void advice_is_what_lacks(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(advice_cases); i++) {
		unsigned count = advised(advice_cases[i].text);

		if (count != advice_cases[i].count)
			fail_msg("%s: %u, expected %u", advice_cases[i].description, count,
				 advice_cases[i].count);
	}
}

/* ---- manual ---------------------------------------------------------------------------------- */

static char *read_manual(void)
{
	char *text = calloc(1, MANUAL_BYTES_MAX);
	FILE *file = fopen(MANUAL, "r");

	if (file == NULL)
		fail_msg("%s: %s (run from the top of the tree)", MANUAL, strerror(errno));
	assert_true(fread(text, 1, MANUAL_BYTES_MAX - 1, file) > 0);
	fclose(file);
	return text;
}

static void manual_is_up_to_date(void **state)
{
	char *manual = read_manual(), *table = strstr(manual, TABLE_MARK);
	char *generated = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&generated, &len);

	(void)state;
	sl_profile_write_table(memory);
	fclose(memory);
	assert_non_null(table);
	if (strcmp(table + strlen(TABLE_MARK), generated) != 0)
		fail_msg("%s is not what the table of profiles says; put what "
			 "build/unit/base/config_profile --table prints behind its mark",
			 MANUAL);
	free(generated);
	free(manual);
}

/* One of each profile at least, each a good file. */
static void manual_examples_are_valid(void **state)
{
	char *manual = read_manual(), *at = manual;
	unsigned seen = 0;

	(void)state;
	while ((at = strstr(at, "```yaml\n")) != NULL) {
		char *end = strstr(at + 8, "```");
		struct sl_config_explain explain;
		struct sl_config *config;

		assert_non_null(end);
		*end = '\0';
		config = must_explain(at + 8, &explain);
		seen |= SL_PROFILE_BIT(config->profile);
		sl_config_close(&config);
		at = end + 3;
	}
	for (unsigned p = SL_PROFILE_PERSONAL; p < SL_PROFILES; p++)
		if (!(seen & SL_PROFILE_BIT(p)))
			fail_msg("%s: no example of %s", MANUAL, sl_profiles[p].name);
	free(manual);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_whole),
		cmocka_unit_test(file_goes_before_profile_before_default),
		cmocka_unit_test(nothing_else_changes),
		cmocka_unit_test(faults_are_told),
		cmocka_unit_test(explanation_names_who_said_it),
		cmocka_unit_test(explanation_is_complete),
		cmocka_unit_test(advice_is_what_lacks),
		cmocka_unit_test(manual_is_up_to_date),
		cmocka_unit_test(manual_examples_are_valid),
	};

	if (argc == 2 && strcmp(argv[1], "--table") == 0) {
		sl_profile_write_table(stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
