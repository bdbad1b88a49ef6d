/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of alerts and of automated recovery, and their contradictions. */
#include "user/base/config_check.h"
#include "user/base/config_key_rows.h"
#include "user/base/notice.h"

#define ALERTS(member)	 offsetof(struct sl_config, alerts.member)
#define RECEIVER(member) offsetof(struct sl_config_receiver, member)
#define HOOK(member)	 offsetof(struct sl_config_recovery_hook, member)

static const char *const severities[] = {"page", "ticket", NULL};
static const char *const formats[] = {"webhook", "alertmanager", NULL};
static const char *const kinds[] = {
#define X(id, name, help) name,
	SL_NOTICE_KINDS(X)
#undef X
		NULL};
const char *const sl_config_triggers[] = {"node_ejected", "node_back", "pool_short",
					  "budget_burn",  "incident",  NULL};

/* In the order of enum sl_alert_label (policy/alert.h), which tests/unit/policy/alert.c holds it to. */
const char *const sl_config_alert_labels[] = {"pool", "node", "route",	  "dependency",
					      "zone", "kind", "severity", NULL};

/* at: RECEIVER or HOOK; preset: of its time-out. */
/* clang-format off */
#define CALL(section, at, preset)                                                                    \
	{section, SL_CONFIG_POOL_REF, "pool", at(call.pool), NULL, 0, 0, NULL, false,                 \
	 "a pool's name", "Who is called by POST, as a pool like any other: address or https URL, "   \
	 "`api_key` (sent as Bearer), breaker. This or `exec`."},                                     \
	{section, SL_CONFIG_TARGET, "path", at(call.path), "/", 0, SL_CONFIG_URL_MAX, NULL, false,    \
	 "the path of an URL", "Where it is called."},                                                \
	{section, SL_CONFIG_NAMES, "exec", at(call.exec), NULL, SL_CONFIG_TEXT, SL_CONFIG_WORDS_MAX,  \
	 NULL, false, "a program's absolute path, or a list of it and its words",                     \
	 "A program that is run, without a shell: JSON on its standard input, the same in its "       \
	 "environment as SLUICE_*."},                                                                 \
	{section, SL_CONFIG_MS, "timeout", at(call.timeout_ms), preset, 1, 3600000, NULL, false, NULL,\
	 "Longest that it may take; then it counts as failed, and a program is killed."},             \
	{section, SL_CONFIG_TOKEN, "hmac_secret", at(call.hmac), NULL, 0, SL_CONFIG_TOKEN_MAX, NULL, false,  \
	 "a secret", "Signs the body: `x-sluice-signature: sha256=` and the HMAC in hex."}
/* clang-format on */

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "alerts", 0, NULL, SL_CONFIG_ALERTS, 0, NULL, false,
	 "a map",
	 "Who is told when an incident opens or an error budget burns, and when it is over."},
	{SL_CONFIG_ALERTS, SL_CONFIG_PATH, "path", ALERTS(path), NULL, 0, PATH_LEN_MAX, NULL, false,
	 "an absolute path",
	 "Database of what fires and who was told, for the daemon alone. Without it those that "
	 "still "
	 "fire are told again after a restart. Takes effect at the next start."},
	{SL_CONFIG_ALERTS, SL_CONFIG_TEXT, "runbooks", ALERTS(runbooks), "docs/runbooks", 0,
	 SL_CONFIG_URL_MAX, NULL, false, "a URL or a path",
	 "Begin of `runbook_url`; the alert's name and `.md` come behind it."},
	{SL_CONFIG_ALERTS, SL_CONFIG_SET, "group_by", ALERTS(group_by), "pool", 0, 0,
	 sl_config_alert_labels, false, NULL,
	 "Alerts that are alike in these labels are told together. `zone`: of a node; "
	 "`dependency`: a pool that no route's requests go to. With `route` an alert of a pool, "
	 "which has none, is with the others that have none."},
	{SL_CONFIG_ALERTS, SL_CONFIG_MS, "group", ALERTS(group_ms), "5s", 0, DAY_MS, NULL, false,
	 NULL,
	 "A new alert waits so long for others of its group, to be one message with them; what is "
	 "over by then is not told."},
	{SL_CONFIG_ALERTS, SL_CONFIG_MS, "repeat", ALERTS(repeat_ms), "4h", 1000, 7 * DAY_MS, NULL,
	 false, NULL, "What still fires is told again."},
	{SL_CONFIG_ALERTS, SL_CONFIG_ITEM_MAP, "receivers", ALERTS(receivers), NULL,
	 SL_CONFIG_RECEIVER, SL_CONFIG_RECEIVERS_MAX, NULL, false, "a map of up to 8 receivers",
	 "Who is told, by name."},
	/* clang-format off */
	CALL(SL_CONFIG_RECEIVER, RECEIVER, "10s"),
	/* clang-format on */
	{SL_CONFIG_RECEIVER, SL_CONFIG_CHOICE, "format", RECEIVER(format), "webhook", 0, 0, formats,
	 false, NULL,
	 "`webhook`: as Alertmanager tells its webhooks (version 4). `alertmanager`: as Prometheus "
	 "tells an Alertmanager; `path` is `/api/v2/alerts`, `alerts.repeat` a minute or so."},
	{SL_CONFIG_RECEIVER, SL_CONFIG_SET, "severity", RECEIVER(severities), NULL, 0, 0,
	 severities, false, NULL, "Of which it is told. Without it: both."},
	{SL_CONFIG_RECEIVER, SL_CONFIG_SET, "kinds", RECEIVER(kinds), NULL, 0, 0, kinds, false,
	 NULL, "The same by what happened. Without it: all."},
	{SL_CONFIG_RECEIVER, SL_CONFIG_NAMES, "pools", RECEIVER(pools), NULL, SL_CONFIG_TEXT, 64,
	 NULL, false, "a pool's name, or a list of them", "The same by pool. Without it: all."},
	{SL_CONFIG_RECEIVER, SL_CONFIG_SET, "group_by", RECEIVER(group_by), NULL, 0, 0,
	 sl_config_alert_labels, false, NULL,
	 "What it is told together. Without it as `alerts.group_by` has it."},
	{SL_CONFIG_RECEIVER, SL_CONFIG_U32, "per_hour", RECEIVER(per_hour), "60", 1, 100000, NULL,
	 false, NULL, "Messages in an hour; more wait for the next one, as one."},

	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "recovery", 0, NULL, SL_CONFIG_RECOVERY, 0, NULL,
	 false, "a map", "What is run by itself to mend what broke."},
	{SL_CONFIG_RECOVERY, SL_CONFIG_ITEM_MAP, "hooks",
	 offsetof(struct sl_config, recovery.hooks), NULL, SL_CONFIG_HOOK, SL_CONFIG_HOOKS_MAX,
	 NULL, false, "a map of up to 16 hooks", "By name."},
	{SL_CONFIG_HOOK, SL_CONFIG_SET, "on", HOOK(on), NULL, 0, 0, sl_config_triggers, true, NULL,
	 "What it is run for. `node_ejected`: a breaker opened, also again after a probe; "
	 "`node_back`: it closed; `pool_short`: nobody of a pool may be asked, or too many of it "
	 "are out for another to be; `budget_burn`: an objective burns; `incident`: one opened."},
	/* clang-format off */
	CALL(SL_CONFIG_HOOK, HOOK, "30s"),
	/* clang-format on */
	{SL_CONFIG_HOOK, SL_CONFIG_NAMES, "pools", HOOK(pools), NULL, SL_CONFIG_TEXT, 64, NULL,
	 false, "a pool's name, or a list of them", "Only for these. Without it: for all."},
	{SL_CONFIG_HOOK, SL_CONFIG_MS, "every", HOOK(every_ms), "5m", 0, DAY_MS, NULL, false, NULL,
	 "Between two runs for the same node, pool or route; doubled with each run that fails, up "
	 "to an hour."},
	{SL_CONFIG_HOOK, SL_CONFIG_MS, "cooldown", HOOK(cooldown_ms), "0", 0, DAY_MS, NULL, false,
	 NULL, "After one that succeeded: what was mended needs its time."},
	{SL_CONFIG_HOOK, SL_CONFIG_U32, "per_hour", HOOK(per_hour), "4", 1, 3600, NULL, false, NULL,
	 "Runs in an hour for the same."},
	{SL_CONFIG_HOOK, SL_CONFIG_CHOICE, "dry_run", HOOK(dry_run), "false", 0, 0, sl_config_bools,
	 false, NULL, "Only says what it would run: log, timeline of the incident, audit trail."},
};

const struct sl_config_key_table sl_config_keys_alert = SL_CONFIG_KEY_TABLE(keys);

/* ---- checks ---------------------------------------------------------------------------------- */

static void check_call(const struct sl_config_call *call, const struct sl_config_item *item,
		       const char *where, struct sl_report *report)
{
	if (!call->pool == !call->exec.count)
		sl_report_add(report, item->line, item->column,
			      "%s.%s: %s (expected \"pool\" or \"exec\")", where, item->name,
			      call->pool ? "calls a pool and runs a program" : "calls nobody");
	if (call->exec.count && call->exec.names[0][0] != '/')
		sl_report_add(report, item->line, item->column,
			      "%s.%s.exec: \"%.64s\" is not absolute (there is no shell and no "
			      "search)",
			      where, item->name, call->exec.names[0]);
	if (call->hmac && call->exec.count)
		sl_report_add(report, item->line, item->column,
			      "%s.%s.hmac_secret: a program is not signed to", where, item->name);
}

void sl_config_check_alert(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_receiver *receivers = config->alerts.receivers.items;
	const struct sl_config_recovery_hook *hooks = config->recovery.hooks.items;

	for (uint32_t i = 0; i < config->alerts.receivers.count; i++)
		check_call(&receivers[i].call, &receivers[i].item, "alerts.receivers", report);
	for (uint32_t i = 0; i < config->recovery.hooks.count; i++)
		check_call(&hooks[i].call, &hooks[i].item, "recovery.hooks", report);
}
