/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/alerts_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"

#define SAVED_VERSION 2u
#define FIRST_VERSION 1u /* ends where the zone begins now */

/* One that is under way. Its receiver is found by who it is: a reload may move it, or take it away. */
struct message {
	struct sl_alerts_part *part;
	uint64_t who;
	char name[SL_CONFIG_NAME_MAX + 1];
	struct sl_alert_group group;
};

/* As it is on disk, under its fingerprint; without bytes: forgotten. */
struct record {
	uint32_t version, size;
	struct sl_alert alert;
};

/* ---- what is kept ---------------------------------------------------------------------------- */

static void keep(void *owner, uint64_t fingerprint, const void *bytes, size_t len)
{
	struct sl_alerts_part *part = owner;
	char name[24];

	snprintf(name, sizeof(name), "%016" PRIx64, fingerprint);
	sl_journal_keep(part->journal, name, bytes, len);
}

static void on_changed(void *owner, const struct sl_alert *alert)
{
	struct record record = {.version = SAVED_VERSION, .size = sizeof(record)};

	record.alert = *alert;
	keep(owner, alert->fingerprint, &record, sizeof(record));
}

static void on_forgotten(void *owner, uint64_t fingerprint)
{
	keep(owner, fingerprint, "", 0);
}

static void on_value(void *owner, struct sl_span name, struct sl_span bytes)
{
	struct sl_alerts_part *part = owner;
	const size_t first_size = offsetof(struct record, alert) + offsetof(struct sl_alert, zone);
	struct record record = {0};
	uint32_t i = 0;

	(void)name;
	if (bytes.len != sizeof(record) && bytes.len != first_size)
		return;
	memcpy(&record, bytes.data, bytes.len);
	if (record.version != (bytes.len == first_size ? FIRST_VERSION : SAVED_VERSION) ||
	    record.size != bytes.len)
		return;
	while (i < SL_ALERTS_MAX && part->book.list[i].fingerprint)
		i++;
	if (i == SL_ALERTS_MAX)
		return;
	part->book.list[i] = record.alert;
	part->book.list[i].confirmed = false;
}

/* Is the pool asked for a route's requests? What stages call alone is a dependency of theirs. */
static bool is_of_routes(const struct sl_routes *routes, const char *pool)
{
	for (uint32_t i = 0; i < routes->route_count; i++) {
		for (int cause = 0; cause < SL_CAUSES; cause++) {
			const struct sl_route_chain *chain = &routes->routes[i].chains[cause];

			for (uint32_t k = 0; k < chain->len; k++) {
				if (!strcmp(chain->pools[k]->name, pool))
					return true;
			}
		}
	}
	return false;
}

/* By the configuration of now: a node may move to another zone while its alert fires, that one stays. */
static void place_alert(void *owner, struct sl_alert *alert)
{
	struct sl_alerts_part *part = owner;
	const struct sl_config *config = part->routes->config;

	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];

		if (strcmp(pool->name, alert->pool) != 0)
			continue;
		if (alert->kind == SL_NOTICE_DEPENDENCY || !is_of_routes(part->routes, alert->pool))
			sl_notice_set(alert->dependency, sizeof(alert->dependency), alert->pool);
		for (uint32_t k = 0; alert->of == SL_NOTICE_OF_NODE && k < pool->node_count; k++) {
			if (pool->nodes[k].zone && !strcmp(pool->nodes[k].text, alert->name))
				sl_notice_set(alert->zone, sizeof(alert->zone),
					      pool->nodes[k].zone);
		}
	}
}

/* ---- configuration --------------------------------------------------------------------------- */

static void fit_receiver(struct sl_alerts_part *part, struct sl_alerts_receiver *receiver,
			 const struct sl_config_alerts *alerts,
			 const struct sl_config_receiver *config)
{
	receiver->part = part;
	receiver->config = config;
	snprintf(receiver->name, sizeof(receiver->name), "%s", config->item.name);
	receiver->state.who = sl_alert_who(config->item.name);
	receiver->state.severities = config->severities ? config->severities : 3u;
	receiver->state.kinds = config->kinds;
	receiver->state.pools = config->pools.names;
	receiver->state.pool_count = config->pools.count;
	receiver->state.group_by = config->group_by ? config->group_by : alerts->group_by;
	receiver->state.group_ms = alerts->group_ms;
	receiver->state.repeat_ms = alerts->repeat_ms;
	receiver->state.per_hour = config->per_hour;
}

/* NULL: there is none of that name, any more. */
static struct sl_alerts_receiver *find_receiver(struct sl_alerts_receiver *receivers,
						uint32_t count, uint64_t who)
{
	for (uint32_t i = 0; i < count; i++) {
		if (receivers[i].state.who == who)
			return &receivers[i];
	}
	return NULL;
}

/* Each has what it had under its name, wherever it stood. */
static void fit_receivers(struct sl_alerts_part *part, const struct sl_config_alerts *alerts)
{
	const struct sl_config_receiver *configs = alerts->receivers.items;
	struct sl_alerts_receiver former[SL_ALERT_RECEIVERS_MAX];
	uint32_t count = part->receiver_count;

	memcpy(former, part->receivers, sizeof(former));
	memset(part->receivers, 0, sizeof(part->receivers));
	part->receiver_count = alerts->receivers.count;
	for (uint32_t i = 0; i < part->receiver_count; i++) {
		const struct sl_alerts_receiver *same =
			find_receiver(former, count, sl_alert_who(configs[i].item.name));

		if (same)
			part->receivers[i] = *same;
		fit_receiver(part, &part->receivers[i], alerts, &configs[i]);
	}
}

static void apply(void *owner, struct sl_routes *routes)
{
	struct sl_alerts_part *part = owner;
	struct sl_routes *old = part->routes;

	pthread_mutex_lock(&part->lock);
	part->routes = sl_routes_get(routes);
	fit_receivers(part, &routes->config->alerts);
	pthread_mutex_unlock(&part->lock);
	if (old)
		sl_routes_put(&old);
}

/* ---- notices --------------------------------------------------------------------------------- */

static void note_burn(struct sl_alerts_part *part, const struct sl_notice *notice)
{
	for (uint32_t severity = 0; severity < SL_ALERT_SEVERITIES; severity++) {
		enum sl_notice_level level =
			severity == SL_ALERT_PAGE ? SL_NOTICE_BAD : SL_NOTICE_WARN;

		if (notice->level == level && !notice->over)
			sl_alert_fire(&part->book, notice, SL_NOTICE_BURN,
				      (enum sl_alert_severity)severity, 0, notice->wall_ms);
		else if (!(notice->number >> severity & 1))
			sl_alert_end(&part->book, notice, SL_NOTICE_BURN,
				     (enum sl_alert_severity)severity, notice->wall_ms);
	}
}

/* One that was opened for a budget that burns has its alerts from there. */
static void note_incident(struct sl_alerts_part *part, const struct sl_notice *notice)
{
	enum sl_alert_severity severity =
		notice->level == SL_NOTICE_BAD ? SL_ALERT_PAGE : SL_ALERT_TICKET;

	if (notice->about == SL_NOTICE_BURN)
		return;
	if (notice->over) {
		sl_alert_end_incident(&part->book, notice->number, SL_ALERT_SEVERITIES,
				      notice->wall_ms);
		return;
	}
	if (severity == SL_ALERT_PAGE) /* it was a ticket until now */
		sl_alert_end_incident(&part->book, notice->number, SL_ALERT_TICKET,
				      notice->wall_ms);
	sl_alert_fire(&part->book, notice, notice->about, severity, notice->number,
		      notice->wall_ms);
}

static void note_notice(void *owner, const struct sl_notice *notice)
{
	struct sl_alerts_part *part = owner;

	pthread_mutex_lock(&part->lock);
	if (notice->kind == SL_NOTICE_BURN)
		note_burn(part, notice);
	else if (notice->kind == SL_NOTICE_INCIDENT)
		note_incident(part, notice);
	pthread_mutex_unlock(&part->lock);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void on_called(void *owner, const struct sl_call_result *result)
{
	struct message *message = owner;
	struct sl_alerts_part *part = message->part;
	struct sl_alerts_receiver *receiver;

	pthread_mutex_lock(&part->lock);
	receiver = find_receiver(part->receivers, part->receiver_count, message->who);
	if (receiver) {
		receiver->calls = false;
		/* one that was cut off by our end is no failure; one that was taken counts to the last */
		if (result->ok || !part->stopped)
			sl_alert_made(&part->book, &receiver->state, &message->group, result->ok,
				      sl_clock_wall_ms(), sl_random_u32(&part->random));
		snprintf(receiver->last, sizeof(receiver->last), "%s", result->text);
	}
	pthread_mutex_unlock(&part->lock);
	if (result->ok)
		sl_log(SL_LOG_INFO, "alerts: receiver \"%s\" told of %u (%s, %u ms)", message->name,
		       message->group.count, result->text, result->took_ms);
	else if (!part->stopped)
		sl_log_limited(SL_LOG_WARN,
			       "alerts: receiver \"%s\" not told: %s (tried again; see: sluice "
			       "alerts)",
			       message->name, result->text);
	free(message);
}

static const char *const group_env[SL_ALERT_LABELS] = {
	[SL_ALERT_POOL] = "SLUICE_POOL",	 [SL_ALERT_NODE] = "SLUICE_NODE",
	[SL_ALERT_ROUTE] = "SLUICE_ROUTE",	 [SL_ALERT_DEPENDENCY] = "SLUICE_DEPENDENCY",
	[SL_ALERT_ZONE] = "SLUICE_ZONE",	 [SL_ALERT_KIND] = "SLUICE_KIND",
	[SL_ALERT_SEVERITY] = "SLUICE_SEVERITY",
};

static void call(struct sl_alerts_part *part, struct sl_alerts_receiver *receiver)
{
	struct message *message = malloc(sizeof(*message));
	struct sl_call_env env = {.len = 0};
	struct sl_text body;
	char count[16];

	if (!message)
		return; /* the next look tries again */
	*message = (struct message){
		.part = part, .who = receiver->state.who, .group = receiver->group};
	memcpy(message->name, receiver->name, sizeof(message->name));

	sl_text_init(&body, 0);
	sl_alerts_write_message(part, receiver, &body);
	snprintf(count, sizeof(count), "%u", receiver->group.count);
	sl_call_env_add(&env, "SLUICE_RECEIVER", receiver->name);
	for (int label = 0; label < SL_ALERT_LABELS; label++) {
		if (receiver->group.by >> label & 1)
			sl_call_env_add(&env, group_env[label], receiver->group.labels[label]);
	}
	sl_call_env_add(&env, "SLUICE_ALERTS", count);
	receiver->calls =
		!body.error && !sl_calls_start(part->calls, part->routes, &receiver->config->call,
					       sl_text_span(&body), &env, on_called, message);
	sl_text_fini(&body);
	if (receiver->calls)
		sl_alert_begun(&part->book, &receiver->state, &receiver->group, sl_clock_wall_ms());
	else
		free(message);
}

static void poll(void *owner, uint64_t now_ms)
{
	struct sl_alerts_part *part = owner;
	struct sl_alert_receiver states[SL_ALERT_RECEIVERS_MAX];
	uint64_t wall_ms = sl_clock_wall_ms();

	if (part->stopped)
		return;
	pthread_mutex_lock(&part->lock);
	if (part->opened_ms && now_ms - part->opened_ms >= SL_ALERTS_CONFIRM_MS) {
		part->opened_ms = 0;
		sl_alert_end_unconfirmed(&part->book, wall_ms);
	}
	for (uint32_t i = 0; i < part->receiver_count; i++) {
		struct sl_alerts_receiver *receiver = &part->receivers[i];

		if (!receiver->calls &&
		    sl_alert_due(&part->book, &receiver->state, wall_ms, &receiver->group))
			call(part, receiver);
		if (!receiver->calls)
			sl_alert_settle(&part->book, &receiver->state, wall_ms);
		states[i] = receiver->state;
	}
	sl_alert_sweep(&part->book, states, part->receiver_count, wall_ms);
	pthread_mutex_unlock(&part->lock);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void write_metrics(void *owner, struct sl_text *text)
{
	struct sl_alerts_part *part = owner;

	pthread_mutex_lock(&part->lock);
	sl_alerts_write_metrics(part, text);
	pthread_mutex_unlock(&part->lock);
}

static void say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_alerts_part *part = owner;

	pthread_mutex_lock(&part->lock);
	sl_alerts_say(part, ask->words, text);
	pthread_mutex_unlock(&part->lock);
}

static void destroy(struct sl_alerts_part *part)
{
	sl_calls_close(&part->calls);
	if (part->routes)
		sl_routes_put(&part->routes);
	pthread_mutex_destroy(&part->lock);
	free(part);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_alerts_part *part = calloc(1, sizeof(*part));
	struct sl_journal_reader reader = {.owner = part, .value = on_value};
	int rc;

	if (!part)
		return -ENOMEM;
	pthread_mutex_init(&part->lock, NULL);
	sl_random_init(&part->random);
	rc = sl_calls_open(place->loop, &place->state, &part->calls);
	if (!rc)
		rc = sl_journal_open(routes->config->alerts.path, "alerts", 0, &reader,
				     &part->journal);
	if (rc) {
		destroy(part);
		return rc;
	}
	part->book.owner = part;
	part->book.changed = on_changed;
	part->book.forgotten = on_forgotten;
	part->book.place = place_alert;
	part->opened_ms = sl_clock_ms();
	apply(part, routes);
	*ret_part = part;
	return 0;
}

static void stop_part(void *owner, bool leaving)
{
	struct sl_alerts_part *part = owner;

	(void)leaving;
	part->stopped = true;
	sl_calls_stop(part->calls);
}

static void close_part(void *owner)
{
	struct sl_alerts_part *part = owner;

	sl_journal_close(&part->journal);
	destroy(part);
}

const struct sl_watch_part sl_watch_alerts = {
	.word = "alerts",
	.open = open_part,
	.apply = apply,
	.notice = note_notice,
	.poll = poll,
	.write_metrics = write_metrics,
	.say = say,
	.stop = stop_part,
	.close = close_part,
};
