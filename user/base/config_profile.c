/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_profile.h"

#include <string.h>
#include "user/base/config_advice.h"
#include "user/base/config_advice.h"
#include "user/base/config_key.h"
#include "user/base/text.h"
#include "user/base/tunables.h"

#define PERSONAL   SL_PROFILE_BIT(SL_PROFILE_PERSONAL)
#define MVP	   SL_PROFILE_BIT(SL_PROFILE_MVP)
#define ENTERPRISE SL_PROFILE_BIT(SL_PROFILE_ENTERPRISE)
#define SAAS	   SL_PROFILE_BIT(SL_PROFILE_SAAS)
#define CRITICAL   SL_PROFILE_BIT(SL_PROFILE_CRITICAL)

const struct sl_profile_info sl_profiles[SL_PROFILES] = {
	[SL_PROFILE_NONE] = {"none", "The keys' own defaults."},
	[SL_PROFILE_PERSONAL] = {"personal", "One person and one box: cheap, patient, without "
					     "ceremony."},
	[SL_PROFILE_MVP] = {"mvp", "A small product with its first users: retries, kept answers, "
				   "simple limits."},
	[SL_PROFILE_ENTERPRISE] = {"enterprise", "An organisation's own platform: checked answers, "
						 "objectives, traces, a trail of what was done."},
	[SL_PROFILE_SAAS] = {"saas", "Many tenants beside each other: none takes another's places, "
				     "money or answers."},
	[SL_PROFILE_CRITICAL] =
		{"critical", "An outage or a wrong answer costs more than machines do: hedging, "
			     "strict checks, early alarms, slow goodbyes."},
};

const char *const sl_profile_names[] = {"none", "personal", "mvp", "enterprise",
					"saas", "critical", NULL};

/* clang-format off */
static const struct sl_profile_row rows[] = {
	{PERSONAL, SL_CONFIG_ROOT, "threads", "1",
	 "The box has other work to do, and one thread relays more tokens than one box makes.", false},

	{CRITICAL, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "breaker.consecutive_failures", "3",
	 "Three failures in a row are evidence enough: the requests of two more are worth more than a node.", false},
	{CRITICAL, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "breaker.minimum_outcomes", "10",
	 "A node that fails half of its requests is left after ten of them, not twenty.", false},
	{CRITICAL, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "breaker.open_ms", "2000",
	 "It opens early, so it may try early too: one probe decides, no client's request.", false},
	{CRITICAL, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "breaker.open_max_ms", "30000",
	 "Capacity that is back is used within half a minute, however long it was away.", false},
	{CRITICAL, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "pool.slow_start_ms", "30000",
	 "A node that came back gets its load in small steps, lest it falls over again.", false},
	{SAAS, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "retry.concurrent_percent", "10",
	 "What retries for one tenant's failures takes at most a tenth of what all tenants share.", false},
	{CRITICAL, SL_CONFIG_ROOT, SL_PROFILE_TUNABLE "hedge.budget_percent", "5",
	 "The slowest twentieth of the requests may be asked twice: work for less waiting.", false},

	{PERSONAL, SL_CONFIG_LIMITS, "body", "32MiB",
	 "Pictures and whole files in a prompt come from you alone, so a large body is no attack.", false},

	{PERSONAL, SL_CONFIG_TIMEOUTS, "drain", "3s",
	 "At Ctrl-C nobody but you waits for an answer.", false},
	{SAAS, SL_CONFIG_TIMEOUTS, "drain", "1m",
	 "A deployment in working hours meets long answers of some tenant; give your supervisor as long.", false},
	{CRITICAL, SL_CONFIG_TIMEOUTS, "drain", "5m",
	 "No deployment cuts an answer that is under way; give your supervisor as long.", false},
	{CRITICAL, SL_CONFIG_TIMEOUTS, "upgrade", "1h",
	 "After `sluice upgrade` the old process may stay until its last stream has ended by itself.", false},

	{PERSONAL, SL_CONFIG_CACHE, "memory", "16MiB",
	 "Some 15,000 answers are plenty for one person, and the memory is the model's.", false},
	{SAAS, SL_CONFIG_CACHE, "memory", "256MiB",
	 "Each tenant has kept answers of its own, and they share this memory.", false},

	{SAAS, SL_CONFIG_LOG, "sample", "10",
	 "At such volume one in ten that went well is enough; all that failed are written anyway.", false},

	{MVP, SL_CONFIG_KEYS, "requests_per_minute", "600",
	 "A loop gone wild in one client does not use up the month for the others.", false},
	{SAAS, SL_CONFIG_KEYS, "requests_per_minute", "600",
	 "A script gone wild stops at its own key.", false},
	{SAAS, SL_CONFIG_KEYS, "tokens_per_minute", "500000",
	 "Few requests with long prompts are as heavy as many short ones.", false},
	{MVP, SL_CONFIG_KEYS, "concurrent", "32",
	 "One key never holds all places of a small pool.", false},
	{ENTERPRISE, SL_CONFIG_KEYS, "concurrent", "128",
	 "A batch job of one department leaves places to the people of the others.", false},
	{SAAS, SL_CONFIG_KEYS, "concurrent", "32",
	 "One key never holds the places of other tenants.", false},

	{SAAS, SL_CONFIG_TENANT, "requests_per_minute", "6000",
	 "A tenant that is named gets ten keys' worth unless its contract says otherwise.", false},
	{SAAS, SL_CONFIG_TENANT, "tokens_per_minute", "5000000",
	 "The same in tokens, which are what a GPU is paid for.", false},
	{SAAS, SL_CONFIG_TENANT, "concurrent", "128",
	 "However many keys it has, a tenant leaves places to the others.", false},

	{SAAS, SL_CONFIG_SPEND, "header", "true",
	 "Tenants see what each answer cost before the bill tells them.", false},

	{CRITICAL, SL_CONFIG_POOL_QUEUE, "target", "2s",
	 "Overload is met after two seconds of waiting: the newest go first and batch work is let go.", false},
	{ENTERPRISE | SAAS, SL_CONFIG_POOL_HEALTH, "live", "tcp",
	 "A dead host is found before a request meets it; a mere connection suits whatever a pool serves.", false},
	{CRITICAL, SL_CONFIG_POOL_HEALTH, "live", "tcp",
	 "A dead host is found before a request meets it; see the advice for the stronger `http`.", false},
	{CRITICAL, SL_CONFIG_POOL_HEALTH, "every", "2s",
	 "A node that died while nobody asked it is out within six seconds.", false},
	{PERSONAL, SL_CONFIG_POOL_HEALTH, "silence", "0",
	 "Two of your requests that both read long prompts are silent for minutes, and nobody is dead.", false},
	{PERSONAL, SL_CONFIG_POOL_METRICS, "every", "5s",
	 "With one server there is nobody to choose between, so its load is only for the eye.", false},
	{PERSONAL, SL_CONFIG_POOL_METRICS, "stale", "20s",
	 "It has to outlast a few of those looks.", false},
	{CRITICAL, SL_CONFIG_POOL_CANARY, "every", "5m",
	 "Where canary questions are configured, a changed model is found in minutes.", false},

	{PERSONAL, SL_CONFIG_ROUTE, "attempts", "2",
	 "One box has one place to go: a second try passes over a restart, a third only repeats the failure.", false},
	{CRITICAL, SL_CONFIG_ROUTE, "attempts", "6",
	 "A request passes over a pool that is going down and the fallback's first bad node.", false},
	{PERSONAL, SL_CONFIG_ROUTE, "resume", "off",
	 "Without a second node nobody could go on with a broken stream, so none keeps its text for that.", false},

	{PERSONAL, SL_CONFIG_ROUTE_TIMEOUTS, "ttft", "5m",
	 "A model on a desk may read a long prompt for minutes, and that is no failure.", false},
	{CRITICAL, SL_CONFIG_ROUTE_TIMEOUTS, "ttft", "15s",
	 "A stream that shows nothing for so long is asked elsewhere while there is time for it.", false},
	{PERSONAL, SL_CONFIG_ROUTE_TIMEOUTS, "inter_token", "1m",
	 "A laptop that swaps or sleeps for a moment is no dead server.", false},
	{PERSONAL, SL_CONFIG_ROUTE_TIMEOUTS, "total", "30m",
	 "At three tokens a second a long answer takes as long.", false},

	{PERSONAL, SL_CONFIG_ROUTE_CACHE, "ttl", "1h",
	 "The same question without chance (temperature 0 or a seed) has the same answer, which heats the room once.", false},
	{MVP, SL_CONFIG_ROUTE_CACHE, "ttl", "10m",
	 "Repeated questions without chance (temperature 0 or a seed) cost no GPU; ten minutes forget a mistake soon.", false},
	{SAAS, SL_CONFIG_ROUTE_CACHE, "ttl", "5m",
	 "A tenant's retries and loops cost no GPU; kept answers are never given to another tenant.", false},

	{CRITICAL, SL_CONFIG_ROUTE_HEDGE, "after", "p95",
	 "Who waits longer than 95 of 100 gets a second node: the slowest tail is where users leave.", false},
	{PERSONAL, SL_CONFIG_ROUTE_QUEUE, "wait", "5m",
	 "You would only ask again, and nobody else is in the line.", false},
	{PERSONAL, SL_CONFIG_ROUTE_QUEUE, "hold", "1m",
	 "While the one server loads its model again the request waits instead of failing.", false},
	{CRITICAL, SL_CONFIG_ROUTE_QUEUE, "hold", "15s",
	 "When no node is left, a restart that is under way is waited for before anybody sees an error.", false},
	{ENTERPRISE | CRITICAL, SL_CONFIG_ROUTE_QUEUE, "keepalive", "20s",
	 "Proxies of large networks cut what is silent for a minute, and the client takes that for an outage.", false},
	{CRITICAL, SL_CONFIG_ROUTE_BUFFER, "bytes", "2KiB",
	 "A node that dies within its first ten tokens is replaced unseen, as before the first.", false},
	{CRITICAL, SL_CONFIG_ROUTE_BUFFER, "time", "250ms",
	 "That costs the first words a quarter of a second at most.", false},

	{ENTERPRISE | SAAS | CRITICAL, SL_CONFIG_ROUTE_VALIDATE, "schema", "true",
	 "Programs that asked for a JSON schema get what fits it, or another try.", false},
	{MVP | ENTERPRISE | SAAS | CRITICAL, SL_CONFIG_ROUTE_VALIDATE, "empty", "true",
	 "An answer with nothing in it is a failure that nobody would see as one.", false},
	{CRITICAL, SL_CONFIG_ROUTE_VALIDATE, "repairs", "2",
	 "A second repair is cheaper than a refusal that somebody has to act on.", false},
	{PERSONAL, SL_CONFIG_ROUTE_VALIDATE, "moderation_down", "open",
	 "You are the only reader: what could not be looked at may pass, and is marked.", false},
	{ENTERPRISE | SAAS | CRITICAL, SL_CONFIG_ROUTE_VALIDATE, "moderation_down", "closed",
	 "What was not looked at does not go out, whatever the default becomes.", true},

	{CRITICAL, SL_CONFIG_PROMPTS, "error_percent", "10",
	 "A prompt's version is left for known-good at a tenth of errors, not a quarter.", false},
	{CRITICAL, SL_CONFIG_PROMPTS, "invalid_percent", "5",
	 "The same for answers that validation had to mend.", false},

	{CRITICAL, SL_CONFIG_DEGRADE, "rules", "[{load: 90, no_hedge: true, leave: 75, classes: [batch, standard, interactive, critical]}]",
	 "Near the end of its places a pool's second asks would take the first asks of others.", false},

	{PERSONAL, SL_CONFIG_ROUTE_SEMANTIC, "shadow", "0",
	 "Asking the model beside a kept answer is the cost that keeping it was to save.", false},
	{CRITICAL, SL_CONFIG_ROUTE_SEMANTIC, "threshold", "0.92",
	 "Where it is on, only questions that mean the same share an answer.", false},
	{CRITICAL, SL_CONFIG_ROUTE_SEMANTIC, "shadow", "5",
	 "How often a kept answer is wrong must be known soon, not after a thousand of them.", false},
	{CRITICAL, SL_CONFIG_ROUTE_SEMANTIC, "false_hits", "1",
	 "One wrong answer in a hundred kept ones is the most that is put up with.", false},
	{ENTERPRISE | SAAS | CRITICAL, SL_CONFIG_ROUTE_SEMANTIC, "shared", "false",
	 "No tenant is given an answer that was made for another, whatever the default becomes.", true},

	{PERSONAL, SL_CONFIG_ROUTE_RETRIEVE, "grounded_sample", "0",
	 "You read each answer yourself.", false},
	{ENTERPRISE, SL_CONFIG_ROUTE_RETRIEVE, "grounded_sample", "0.05",
	 "The share of answers that say what the documents do not is known to a few per cent within a day.", false},
	{CRITICAL, SL_CONFIG_ROUTE_RETRIEVE, "grounded_sample", "0.2",
	 "An index with wrong chunks must show within minutes.", false},

	{MVP, SL_CONFIG_SLO, "availability", "0.99",
	 "Seven hours in a month: a number to notice a bad week by.", false},
	{ENTERPRISE, SL_CONFIG_SLO, "availability", "0.995",
	 "What an internal platform can promise: three and a half hours in a month.", false},
	{SAAS, SL_CONFIG_SLO, "availability", "0.999",
	 "What contracts with tenants usually say: 43 minutes in a month.", false},
	{CRITICAL, SL_CONFIG_SLO, "availability", "0.9995",
	 "22 minutes in a month, so that a burn is seen while most of it is left.", false},
	{CRITICAL, SL_CONFIG_SLO, "quality", "0.98",
	 "An answer that a ladder lessened counts: a service that only stays up is not good enough.", false},
	{MVP, SL_CONFIG_SLO, "alerts", "[{level: page, burn: 14.4, long: 1h, short: 5m}, {level: ticket, burn: 1, long: 3d, short: 6h}]",
	 "A small team is woken by what would eat the month in two days, and by nothing less.", false},
	{CRITICAL, SL_CONFIG_SLO, "alerts", "[{level: page, burn: 14.4, long: 1h, short: 5m}, {level: page, burn: 6, long: 6h, short: 30m}, {level: page, burn: 3, long: 1d, short: 2h}, {level: ticket, burn: 1, long: 3d, short: 6h}]",
	 "A burn at three times the pace is somebody's business today, so it pages as well.", false},

	{PERSONAL, SL_CONFIG_INCIDENTS, "keep_days", "30",
	 "Nobody writes a report of last year's hiccups.", false},
	{CRITICAL, SL_CONFIG_INCIDENTS, "keep_days", "1100",
	 "Auditors ask about three years.", false},

	{MVP, SL_CONFIG_ALERTS, "repeat", "12h",
	 "Told twice a day: a small team knows of it, and mends it when it can.", false},
	{CRITICAL, SL_CONFIG_ALERTS, "repeat", "30m",
	 "What still fires must not be forgotten at a change of shifts.", false},
	{CRITICAL, SL_CONFIG_ALERTS, "group", "1s",
	 "Seconds count more than one message for several.", false},

	{CRITICAL, SL_CONFIG_HOOK, "every", "1m",
	 "A hook that mends may try again while the incident is young; it still doubles with each failure.", false},
	{CRITICAL, SL_CONFIG_HOOK, "per_hour", "12",
	 "Four runs are used up by one bad hour; twelve still bound a hook that does harm.", false},

	{SAAS, SL_CONFIG_FEEDBACK, "comments", "false",
	 "Your tenants' users have agreed to be rated by, not to be kept.", false},

	{ENTERPRISE | SAAS, SL_CONFIG_ROUTE_EVALUATE, "sample", "0.01",
	 "One answer in a hundred is looked at, and with it all that are part of a roll-out: its gate `quality` has evidence.", false},
	{CRITICAL, SL_CONFIG_ROUTE_EVALUATE, "sample", "0.05",
	 "One in twenty is looked at, and with it all that are part of a roll-out: worse answers stop it at its canary.", false},

	{ENTERPRISE, SL_CONFIG_TRACING, "sample", "0.05",
	 "Enough to compare one team's slow hour with another's.", false},
	{CRITICAL, SL_CONFIG_TRACING, "sample", "0.1",
	 "When somebody asks about one request, there should be one like it.", false},
	{ENTERPRISE | CRITICAL, SL_CONFIG_TRACING, "keep", "[errors, slow, degraded]",
	 "Whatever was not as it should be has its trace, sampled or not.", false},
	{SAAS, SL_CONFIG_TRACING, "keep", "[errors, slow]",
	 "What a tenant complains about has its trace, sampled or not.", false},
	{SAAS, SL_CONFIG_TRACING, "follow", "false",
	 "Clients are strangers: none of them may have all of its requests traced at your cost.", false},
};
/* clang-format on */

#define ROWS (sizeof(rows) / sizeof(rows[0]))

const struct sl_profile_row *sl_profile_at(size_t index)
{
	return index < ROWS ? &rows[index] : NULL;
}

const struct sl_profile_row *sl_profile_find(enum sl_profile profile, unsigned section,
					     const char *key)
{
	for (size_t i = 0; i < ROWS && profile != SL_PROFILE_NONE; i++) {
		if (rows[i].section == section && (rows[i].profiles & SL_PROFILE_BIT(profile)) &&
		    strcmp(rows[i].key, key) == 0)
			return &rows[i];
	}
	return NULL;
}

bool sl_profile_tunable(enum sl_profile profile, int id, uint64_t *ret_value)
{
	char key[sizeof(SL_PROFILE_TUNABLE) + 64];
	const struct sl_profile_row *row;

	snprintf(key, sizeof(key), SL_PROFILE_TUNABLE "%s", sl_tunable_info[id].name);
	row = sl_profile_find(profile, SL_CONFIG_ROOT, key);
	return row && !sl_span_u64(sl_span_string(row->value), ret_value);
}

/* ---- docs/profiles.md ------------------------------------------------------------------------ */

static bool is_first_of_key(size_t index)
{
	for (size_t i = 0; i < index; i++) {
		if (rows[i].section == rows[index].section &&
		    strcmp(rows[i].key, rows[index].key) == 0)
			return false;
	}
	return true;
}

/* "routes[].hedge.after" */
static void write_path(FILE *file, const struct sl_profile_row *row)
{
	bool is_top = row->section == SL_CONFIG_ROOT;

	fprintf(file, "`%s%s%s`", is_top ? "" : sl_config_sections[row->section].title,
		is_top ? "" : ".", row->key);
}

static const char *preset_of(const struct sl_profile_row *row, char number[24])
{
	const struct sl_config_key *key =
		sl_config_key_find((enum sl_config_section)row->section, row->key);
	size_t skip = strlen(SL_PROFILE_TUNABLE);
	int id = strncmp(row->key, SL_PROFILE_TUNABLE, skip) == 0 ? sl_tunable_find(row->key + skip)
								  : -1;

	if (id >= 0) {
		snprintf(number, 24, "%llu", (unsigned long long)sl_tunable_info[id].initial);
		return number;
	}
	return key && key->preset ? key->preset : NULL;
}

/* A list of maps does not fit a cell. */
static const char *shown(const char *value)
{
	return strchr(value, '{') ? "see below" : value;
}

static void write_matrix(FILE *file)
{
	char number[24];

	fprintf(file, "| key | default |");
	for (unsigned p = SL_PROFILE_NONE + 1; p < SL_PROFILES; p++)
		fprintf(file, " %s |", sl_profiles[p].name);
	fprintf(file, "\n|---|---|---|---|---|---|---|\n");
	for (size_t i = 0; i < ROWS; i++) {
		const char *preset = preset_of(&rows[i], number);

		if (!is_first_of_key(i))
			continue;
		fprintf(file, "| ");
		write_path(file, &rows[i]);
		fprintf(file, preset ? " | `%s` |" : " | %s |", preset ? preset : "-");
		for (unsigned p = SL_PROFILE_NONE + 1; p < SL_PROFILES; p++) {
			const struct sl_profile_row *row =
				sl_profile_find((enum sl_profile)p, rows[i].section, rows[i].key);

			fprintf(file, row ? " `%s` |" : " %s |", row ? shown(row->value) : "");
		}
		fprintf(file, "\n");
	}
}

static void write_reasons(FILE *file, enum sl_profile profile)
{
	fprintf(file, "\n### `%s`\n\n%s\n\n| key | value | why |\n|---|---|---|\n",
		sl_profiles[profile].name, sl_profiles[profile].purpose);
	for (size_t i = 0; i < ROWS; i++) {
		if (!(rows[i].profiles & SL_PROFILE_BIT(profile)))
			continue;
		fprintf(file, "| ");
		write_path(file, &rows[i]);
		fprintf(file, " | `%s` | %s |\n", rows[i].value, rows[i].why);
	}
	sl_advice_write_table(file, profile);
}

void sl_profile_write_table(FILE *file)
{
	write_matrix(file);
	for (unsigned p = SL_PROFILE_NONE + 1; p < SL_PROFILES; p++)
		write_reasons(file, (enum sl_profile)p);
}
