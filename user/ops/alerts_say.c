/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to receivers, `sluice alerts`, metrics. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/ops/alerts_parts.h"

#define NEVER "0001-01-01T00:00:00Z"

const char *sl_alerts_name(enum sl_notice_kind kind, char out[SL_ALERTS_NAME_BYTES])
{
	const char *from = sl_notice_kind_name(kind);
	size_t len = (size_t)snprintf(out, SL_ALERTS_NAME_BYTES, "Sluice");
	bool begins = true;

	for (; *from && len + 1 < SL_ALERTS_NAME_BYTES; from++) {
		if (*from != '_')
			out[len++] =
				begins && *from >= 'a' && *from <= 'z' ? (char)(*from - 32) : *from;
		begins = *from == '_';
	}
	out[len] = 0;
	return out;
}

/* ---- messages -------------------------------------------------------------------------------- */

static void put_pair(struct sl_text *text, const char *separator, const char *name,
		     const char *value)
{
	sl_text_printf(text, "%s\"%s\":", separator, name);
	sl_text_append_json_string(text, value);
}

static void put_labels(const struct sl_alert *alert, struct sl_text *text)
{
	static const char *const subjects[SL_NOTICE_OFS] = {
		[SL_NOTICE_OF_NODE] = "node",	  [SL_NOTICE_OF_ROUTE] = "route",
		[SL_NOTICE_OF_PROMPT] = "prompt", [SL_NOTICE_OF_INDEX] = "index",
		[SL_NOTICE_OF_STORE] = "store",	  [SL_NOTICE_OF_KEY] = "key",
		[SL_NOTICE_OF_ZONE] = "zone",	  [SL_NOTICE_OF_REGION] = "region",
	};
	char name[SL_ALERTS_NAME_BYTES];

	put_pair(text, "{", "alertname", sl_alerts_name(alert->kind, name));
	put_pair(text, ",", "severity", sl_alert_severity_name(alert->severity));
	put_pair(text, ",", "kind", sl_notice_kind_name(alert->kind));
	if (alert->pool[0])
		put_pair(text, ",", "pool", alert->pool);
	if (alert->zone[0])
		put_pair(text, ",", "zone", alert->zone);
	if (alert->dependency[0])
		put_pair(text, ",", "dependency", alert->dependency);
	if (subjects[alert->of] && alert->name[0])
		put_pair(text, ",", subjects[alert->of], alert->name);
	sl_text_append_char(text, '}');
}

static void put_annotations(const struct sl_alerts_part *part, const struct sl_alert *alert,
			    struct sl_text *text)
{
	char name[SL_ALERTS_NAME_BYTES], line[2 * SL_NOTICE_TEXT_BYTES];

	snprintf(line, sizeof(line), "%s %s: %s", sl_notice_of_name(alert->of), alert->name,
		 alert->text);
	put_pair(text, "{", "summary", line);
	if (alert->number) {
		snprintf(line, sizeof(line), "sluice incidents show %" PRIu64, alert->number);
		put_pair(text, ",", "description", line);
		snprintf(line, sizeof(line), "%" PRIu64, alert->number);
		put_pair(text, ",", "incident", line);
	} else {
		snprintf(line, sizeof(line), "sluice slo %s", alert->name);
		put_pair(text, ",", "description", line);
	}
	snprintf(line, sizeof(line), "%.*s/%s.md", (int)SL_CONFIG_URL_MAX,
		 part->routes->config->alerts.runbooks, sl_alerts_name(alert->kind, name));
	put_pair(text, ",", "runbook_url", line);
	sl_text_append_char(text, '}');
}

/* An Alertmanager forgets what it does not hear of again; so it is told until when to believe. */
static void put_times(const struct sl_alerts_receiver *receiver, const struct sl_alert *alert,
		      struct sl_text *text)
{
	char time[SL_CLOCK_ISO_SIZE];
	bool manager = receiver->config->format == SL_CONFIG_ALERT_ALERTMANAGER;

	sl_clock_format_iso(alert->starts_ms, time);
	put_pair(text, ",", "startsAt", time);
	if (alert->ends_ms)
		sl_clock_format_iso(alert->ends_ms, time);
	else if (manager)
		sl_clock_format_iso(sl_clock_wall_ms() + 3ull * receiver->state.repeat_ms, time);
	put_pair(text, ",", "endsAt", alert->ends_ms || manager ? time : NEVER);
}

static void put_alert(const struct sl_alerts_part *part, const struct sl_alerts_receiver *receiver,
		      const struct sl_alert *alert, struct sl_text *text)
{
	bool manager = receiver->config->format == SL_CONFIG_ALERT_ALERTMANAGER;

	sl_text_append_char(text, '{');
	if (!manager)
		put_pair(text, "", "status", alert->ends_ms ? "resolved" : "firing");
	sl_text_append_string(text, manager ? "\"labels\":" : ",\"labels\":");
	put_labels(alert, text);
	sl_text_append_string(text, ",\"annotations\":");
	put_annotations(part, alert, text);
	put_times(receiver, alert, text);
	if (!manager)
		sl_text_printf(text, ",\"generatorURL\":\"\",\"fingerprint\":\"%016" PRIx64 "\"",
			       alert->fingerprint);
	sl_text_append_char(text, '}');
}

static void put_alerts(const struct sl_alerts_part *part, const struct sl_alerts_receiver *receiver,
		       struct sl_text *text)
{
	sl_text_append_char(text, '[');
	for (uint32_t i = 0; i < receiver->group.count; i++) {
		sl_text_append_string(text, i ? "," : "");
		put_alert(part, receiver, &part->book.list[receiver->group.alerts[i].index], text);
	}
	sl_text_append_char(text, ']');
}

/* As Alertmanager names a group: {}:{pool="gpu", zone="a"}. Its parts are in quotes, whatever they hold. */
static void put_group_key(const struct sl_alert_group *group, struct sl_text *text)
{
	struct sl_text key;
	bool any = false;

	sl_text_init(&key, 0);
	sl_text_append_string(&key, "{}:{");
	for (int label = 0; label < SL_ALERT_LABELS; label++) {
		if (!(group->by >> label & 1))
			continue;
		sl_text_printf(&key, "%s%s=", any ? ", " : "", sl_alert_label_names[label]);
		sl_text_append_json_string(&key, group->labels[label]);
		any = true;
	}
	sl_text_append_char(&key, '}');
	put_pair(text, ",", "groupKey", sl_text_string(&key));
	sl_text_fini(&key);
}

static void put_group_labels(const struct sl_alert_group *group, struct sl_text *text)
{
	bool any = false;

	sl_text_append_string(text, ",\"groupLabels\":{");
	for (int label = 0; label < SL_ALERT_LABELS; label++) {
		if (!(group->by >> label & 1))
			continue;
		put_pair(text, any ? "," : "", sl_alert_label_names[label], group->labels[label]);
		any = true;
	}
	sl_text_append_char(text, '}');
}

/* What all of its alerts have alike, which is more than they are grouped by. */
static void put_common_labels(const struct sl_alerts_part *part, const struct sl_alert_group *group,
			      struct sl_text *text)
{
	bool any = false;

	sl_text_append_string(text, ",\"commonLabels\":{");
	for (int label = 0; label < SL_ALERT_LABELS; label++) {
		const char *value = NULL;

		for (uint32_t i = 0; i < group->count; i++) {
			const struct sl_alert *alert = &part->book.list[group->alerts[i].index];
			const char *own = sl_alert_label(alert, (enum sl_alert_label)label);

			value = i == 0 || (value && !strcmp(value, own)) ? own : NULL;
		}
		if (!value || !value[0])
			continue;
		put_pair(text, any ? "," : "", sl_alert_label_names[label], value);
		any = true;
	}
	sl_text_append_char(text, '}');
}

void sl_alerts_write_message(const struct sl_alerts_part *part,
			     const struct sl_alerts_receiver *receiver, struct sl_text *text)
{
	const struct sl_alert_group *group = &receiver->group;
	bool fires = false;

	if (receiver->config->format == SL_CONFIG_ALERT_ALERTMANAGER) {
		put_alerts(part, receiver, text);
		return;
	}
	for (uint32_t i = 0; i < group->count; i++)
		fires |= group->alerts[i].state == SL_ALERT_FIRING;
	put_pair(text, "{", "version", "4");
	put_group_key(group, text);
	sl_text_append_string(text, ",\"truncatedAlerts\":0");
	put_pair(text, ",", "status", fires ? "firing" : "resolved");
	put_pair(text, ",", "receiver", receiver->name);
	put_group_labels(group, text);
	put_common_labels(part, group, text);
	sl_text_append_string(text, ",\"commonAnnotations\":{},\"externalURL\":\"\",\"alerts\":");
	put_alerts(part, receiver, text);
	sl_text_append_char(text, '}');
}

/* ---- sluice alerts --------------------------------------------------------------------------- */

static void say_json(const struct sl_alerts_part *part, struct sl_text *text)
{
	bool found = false;

	sl_text_append_string(text, "{\"alerts\":[");
	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		const struct sl_alert *alert = &part->book.list[i];

		if (!alert->fingerprint)
			continue;
		sl_text_printf(text, "%s{\"fingerprint\":\"%016" PRIx64 "\",\"state\":\"%s\"",
			       found ? "," : "", alert->fingerprint,
			       alert->ends_ms ? "resolved" : "firing");
		sl_text_append_string(text, ",\"labels\":");
		put_labels(alert, text);
		sl_text_append_string(text, ",\"annotations\":");
		put_annotations(part, alert, text);
		sl_text_printf(text, ",\"starts_ms\":%" PRIu64 ",\"ends_ms\":%" PRIu64 "}",
			       alert->starts_ms, alert->ends_ms);
		found = true;
	}
	sl_text_append_string(text, "],\"receivers\":[");
	for (uint32_t i = 0; i < part->receiver_count; i++) {
		const struct sl_alerts_receiver *receiver = &part->receivers[i];

		put_pair(text, i ? ",{" : "{", "name", receiver->name);
		sl_text_printf(text,
			       ",\"sent\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"held\":%" PRIu64
			       ",\"failures\":%u",
			       receiver->state.sent, receiver->state.failed, receiver->state.held,
			       receiver->state.failures);
		put_pair(text, ",", "last", receiver->last);
		sl_text_append_char(text, '}');
	}
	sl_text_append_string(text, "]}\n");
}

static void say_text(const struct sl_alerts_part *part, struct sl_text *text)
{
	char name[SL_ALERTS_NAME_BYTES], time[SL_CLOCK_ISO_SIZE];
	bool found = false;

	for (uint32_t i = 0; i < SL_ALERTS_MAX; i++) {
		const struct sl_alert *alert = &part->book.list[i];

		if (!alert->fingerprint)
			continue;
		sl_clock_format_iso(alert->starts_ms, time);
		sl_text_printf(text, "%s %s %s since %s: %s %s: %s\n",
			       alert->ends_ms ? "resolved" : "firing",
			       sl_alert_severity_name(alert->severity),
			       sl_alerts_name(alert->kind, name), time,
			       sl_notice_of_name(alert->of), alert->name, alert->text);
		found = true;
	}
	sl_text_append_string(text, found ? "" : "no alert\n");
	for (uint32_t i = 0; i < part->receiver_count; i++) {
		const struct sl_alerts_receiver *receiver = &part->receivers[i];

		sl_text_printf(
			text,
			"receiver %s sent=%" PRIu64 " failed=%" PRIu64 " held=%" PRIu64 " %s%s%s\n",
			receiver->name, receiver->state.sent, receiver->state.failed,
			receiver->state.held, receiver->state.failures ? "NOT REACHED" : "reached",
			receiver->last[0] ? ": " : "", receiver->last);
	}
}

void sl_alerts_say(const struct sl_alerts_part *part, const char *words, struct sl_text *text)
{
	if (!strncmp(words, "json", 4))
		say_json(part, text);
	else
		say_text(part, text);
}

/* ---- metrics --------------------------------------------------------------------------------- */

void sl_alerts_write_metrics(const struct sl_alerts_part *part, struct sl_text *text)
{
	sl_text_append_string(text, "# HELP sluice_alerts_firing Alerts that fire.\n"
				    "# TYPE sluice_alerts_firing gauge\n");
	for (uint32_t severity = 0; severity < SL_ALERT_SEVERITIES; severity++)
		sl_text_printf(text, "sluice_alerts_firing{severity=\"%s\"} %u\n",
			       sl_alert_severity_name((enum sl_alert_severity)severity),
			       sl_alert_count(&part->book, (enum sl_alert_severity)severity));
	sl_text_printf(text,
		       "# HELP sluice_alerts_refused_total Alerts that found no place.\n"
		       "# TYPE sluice_alerts_refused_total counter\n"
		       "sluice_alerts_refused_total %" PRIu64 "\n",
		       part->book.refused);
	sl_text_append_string(
		text, "# HELP sluice_alert_messages_total Messages to receivers; held: hours in "
		      "which some had to wait for the next one.\n"
		      "# TYPE sluice_alert_messages_total counter\n");
	for (uint32_t i = 0; i < part->receiver_count; i++) {
		const struct sl_alerts_receiver *receiver = &part->receivers[i];
		const uint64_t counts[] = {receiver->state.sent, receiver->state.failed,
					   receiver->state.held};
		static const char *const results[] = {"sent", "failed", "held"};

		for (uint32_t k = 0; k < 3; k++)
			sl_text_printf(text,
				       "sluice_alert_messages_total{receiver=\"%s\",result=\"%s\"} "
				       "%" PRIu64 "\n",
				       receiver->name, results[k], counts[k]);
	}
	sl_text_append_string(text,
			      "# HELP sluice_alert_receiver_up 0 while the last message could "
			      "not be given to it.\n# TYPE sluice_alert_receiver_up gauge\n");
	for (uint32_t i = 0; i < part->receiver_count; i++)
		sl_text_printf(text, "sluice_alert_receiver_up{receiver=\"%s\"} %d\n",
			       part->receivers[i].name, !part->receivers[i].state.failures);
}
