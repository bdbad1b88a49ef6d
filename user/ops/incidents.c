/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/incidents_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/log.h"

#define COUNT_MS  60000u
#define STREAK_MS 60000u /* without harm for so long: a streak is over */
#define ROW_BYTES 4096u
#define POOLS_MAX (SL_CAUSES * SL_CONFIG_CHAIN_MAX)

/* ---- what it knows beside the notices -------------------------------------------------------- */

static uint32_t pools_of(const struct sl_route *route, const char *pools[POOLS_MAX])
{
	uint32_t count = 0;

	for (uint32_t cause = 0; cause < SL_CAUSES; cause++) {
		for (uint32_t i = 0; i < route->chains[cause].len; i++)
			pools[count++] = route->chains[cause].pools[i]->name;
	}
	return count;
}

static bool is_place(enum sl_notice_of of)
{
	return of == SL_NOTICE_OF_ZONE || of == SL_NOTICE_OF_REGION;
}

/* Is the node in that zone or region? Names in notices are cut. */
static bool is_in(const struct sl_config_node *node, enum sl_notice_of of, const char *name)
{
	const char *place = of == SL_NOTICE_OF_ZONE ? node->zone : node->region;
	char cut[SL_NOTICE_NAME_BYTES];

	sl_notice_set(cut, sizeof(cut), place);
	return place && !strcmp(cut, name);
}

/* The pools with nodes in a zone or region. */
static uint32_t pools_in(const struct sl_incident_part *part, enum sl_notice_of of,
			 const char *name, const char *pools[POOLS_MAX])
{
	const struct sl_config *config = part->routes->config;
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->pool_count && count < POOLS_MAX; i++) {
		uint32_t j = 0;

		while (j < config->pools[i].node_count &&
		       !is_in(&config->pools[i].nodes[j], of, name))
			j++;
		if (j < config->pools[i].node_count)
			pools[count++] = config->pools[i].name;
	}
	return count;
}

static bool is_among(const char *const *pools, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++) {
		if (!strcmp(pools[i], name))
			return true;
	}
	return false;
}

/* When requests that the notice has to do with began to be harmed; 0: none are. places: the pools of its zone
 * or region. */
static uint64_t harmed_at(const struct sl_incident_part *part, const struct sl_notice *notice,
			  const char *const *places, uint32_t place_count)
{
	const char *pools[POOLS_MAX];
	uint64_t first_ms = 0;

	for (uint32_t i = 0; i < part->routes->route_count; i++) {
		const struct sl_route *route = &part->routes->routes[i];
		const struct sl_incident_harm *harm =
			&part->harms[route->stats_index % SL_INCIDENTS_ROUTES_MAX];
		uint32_t count = pools_of(route, pools);
		bool concerned =
			notice->of == SL_NOTICE_OF_ROUTE && !strcmp(route->model, notice->name);

		for (uint32_t k = 0; k < count && !concerned; k++)
			concerned =
				!strcmp(pools[k], notice->of == SL_NOTICE_OF_POOL ? notice->name
										  : notice->pool) ||
				is_among(places, place_count, pools[k]);
		if (concerned && harm->first_ms && harm->last_ms + STREAK_MS >= notice->wall_ms &&
		    (!first_ms || harm->first_ms < first_ms))
			first_ms = harm->first_ms;
	}
	return first_ms;
}

static const struct sl_route *route_at(const struct sl_incident_part *part, uint32_t stats_index)
{
	for (uint32_t i = 0; i < part->routes->route_count; i++) {
		if (part->routes->routes[i].stats_index == stats_index)
			return &part->routes->routes[i];
	}
	return NULL;
}

/* ---- notices and records --------------------------------------------------------------------- */

/* For those who act on incidents: alerts, hooks. */
static void tell_incident(const struct sl_incident *incident, enum sl_notice_kind about,
			  enum sl_notice_level level, const char *text, bool opens)
{
	struct sl_notice notice = {.kind = SL_NOTICE_INCIDENT,
				   .level = level,
				   .of = incident->of,
				   .over = !incident->open,
				   .opens = opens,
				   .about = about,
				   .number = incident->id,
				   .who = "daemon"};

	sl_notice_set(notice.name, sizeof(notice.name), incident->name);
	sl_notice_set(notice.pool, sizeof(notice.pool), incident->pool);
	sl_notice_tell(&notice, "%s", text);
}

/*
 * What its alert fires for: the last that opened it or made it worse, but for budgets that burn, which have
 * alerts of their own. NULL: its events do not say.
 */
static const struct sl_incident_event *cause_of(const struct sl_incident *incident)
{
	const struct sl_incident_event *cause = NULL;

	for (uint32_t k = 0; k < incident->event_count; k++) {
		const struct sl_incident_event *event = &incident->events[k];

		if ((event->what == SL_INCIDENT_OPENED || event->what == SL_INCIDENT_WORSE) &&
		    (!cause || event->kind != SL_NOTICE_BURN))
			cause = event;
	}
	return cause;
}

/* An alert of an earlier process goes on with it. */
static void tell_open_ones(const struct sl_incident_part *part)
{
	for (uint32_t i = 0; i < part->book.count; i++) {
		const struct sl_incident *incident = part->book.list[i];
		const struct sl_incident_event *cause = cause_of(incident);

		if (incident->open)
			tell_incident(incident, cause ? cause->kind : SL_NOTICE_BREAKER,
				      cause ? cause->level : incident->level,
				      "goes on after a restart", false);
	}
}

static void on_event(void *owner, const struct sl_incident *incident,
		     const struct sl_incident_event *event)
{
	struct sl_incident_part *part = owner;
	char memory[ROW_BYTES];
	struct sl_text row;

	sl_text_init_fixed(&row, memory, sizeof(memory));
	sl_incidents_write_row(incident, event, &row);
	sl_journal_add(part->journal, incident->id, event->at_ms, sl_text_span(&row));
	if (event->what == SL_INCIDENT_OPENED || event->what == SL_INCIDENT_WORSE ||
	    event->what == SL_INCIDENT_CLOSED)
		tell_incident(incident, event->kind, incident->level, event->text,
			      event->what == SL_INCIDENT_OPENED);
	if (event->what == SL_INCIDENT_OPENED || event->what == SL_INCIDENT_CLOSED)
		sl_log(SL_LOG_WARN,
		       "incident %" PRIu64 " %s: %s %s: %s (sluice incidents show %" PRIu64 ")",
		       incident->id, sl_incident_what_name(event->what),
		       sl_notice_of_name(incident->of), incident->name, event->text, incident->id);
}

static void note_notice(void *owner, const struct sl_notice *notice)
{
	struct sl_incident_part *part = owner;
	struct sl_incident_facts facts = {0};
	const char *pools[POOLS_MAX];
	const struct sl_route *route =
		notice->of == SL_NOTICE_OF_ROUTE
			? sl_routes_find(part->routes, notice->name, strlen(notice->name))
			: NULL;

	pthread_mutex_lock(&part->lock);
	facts.pools = pools;
	facts.pool_count = route ? pools_of(route, pools) : 0;
	if (is_place(notice->of))
		facts.pool_count = pools_in(part, notice->of, notice->name, pools);
	facts.harmed_ms =
		harmed_at(part, notice, pools, is_place(notice->of) ? facts.pool_count : 0);
	sl_incidents_notice(&part->book, notice, &facts);
	pthread_mutex_unlock(&part->lock);
}

static void note_record(void *owner, const struct sl_feed_record *record)
{
	struct sl_incident_part *part = owner;
	bool harmed = record->outcome == SL_FEED_FAILED || record->outcome == SL_FEED_BROKEN;
	struct sl_incident_harm *harm;
	const struct sl_route *route;
	const char *pools[POOLS_MAX];
	uint32_t count;

	if (record->route >= SL_INCIDENTS_ROUTES_MAX)
		return;
	harm = &part->harms[record->route];
	pthread_mutex_lock(&part->lock);
	if (harmed || record->attempts > 1) {
		uint64_t began_ms = record->end_wall_ms - record->duration_us / 1000u;

		if (!harm->first_ms || harm->last_ms + STREAK_MS < began_ms)
			harm->first_ms = began_ms;
		harm->last_ms = record->end_wall_ms;
	}
	route = part->book.open_count ? route_at(part, record->route) : NULL;
	count = route ? pools_of(route, pools) : 0;
	for (uint32_t i = 0; i < part->book.count && route; i++) {
		struct sl_incident *incident = part->book.list[i];

		if (incident->open && sl_incident_concerns(incident, route->model, pools, count))
			sl_incident_count(incident, harmed, record->attempts, record->fallback != 0,
					  record->key_id);
	}
	pthread_mutex_unlock(&part->lock);
}

static bool wants_records(const void *owner)
{
	(void)owner;
	return true;
}

/* ---- looking itself -------------------------------------------------------------------------- */

/* Nodes with a host are called by it where requests tell, by their address where the kernel plane does. */
static bool is_called(const struct sl_incident_part *part, const struct sl_config_node *node,
		      uint32_t slot, const char *name)
{
	char text[SL_PEER_TEXT_SIZE], cut[SL_NOTICE_NAME_BYTES];

	if (!strcmp(sl_address_format(&part->plane->nodes[slot].endpoint, text), name))
		return true;
	if (!node->host)
		return false;
	snprintf(text, sizeof(text), "%s:%u", node->host, sl_address_port(&node->endpoint));
	sl_notice_set(cut, sizeof(cut), text);
	return !strcmp(cut, name);
}

/* The slot of a node of that name in the configuration; 0: there is none. */
static uint32_t slot_of(const struct sl_incident_part *part, const char *name)
{
	for (uint32_t p = 0; p < part->routes->config->pool_count; p++) {
		const struct sl_upstream_pool *pool = &part->routes->pools[p];

		for (uint32_t i = 0; i < pool->node_count; i++) {
			uint32_t slot = pool->node_slots[i];

			if (is_called(part, &part->routes->config->pools[p].nodes[i], slot, name))
				return slot;
		}
	}
	return 0;
}

/* It refuses nobody. */
static bool is_closed(const struct sl_incident_part *part, uint32_t slot)
{
	uint32_t state = sl_breaker_state(
		__atomic_load_n(&part->plane->nodes[slot].breaker, __ATOMIC_RELAXED));

	return state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY;
}

static bool has_pool(const struct sl_incident_part *part, const char *name)
{
	for (uint32_t p = 0; p < part->routes->config->pool_count; p++) {
		if (!strcmp(part->routes->pools[p].name, name))
			return true;
	}
	return false;
}

static bool lasts_after_restart(void *owner, const struct sl_incident_cause *cause)
{
	const struct sl_incident_part *part = owner;
	uint32_t slot = cause->kind == SL_NOTICE_BREAKER ? slot_of(part, cause->name) : 0;

	return slot && !is_closed(part, slot);
}

/* A notice may have been lost; and of what left the configuration nobody tells the end. */
static bool lasts(void *owner, const struct sl_incident_cause *cause)
{
	const struct sl_incident_part *part = owner;
	uint32_t slot;

	if (cause->of == SL_NOTICE_OF_POOL)
		return has_pool(part, cause->name);
	if (is_place(cause->of)) {
		const char *pools[POOLS_MAX];

		return pools_in(part, cause->of, cause->name, pools) != 0;
	}
	if (cause->of != SL_NOTICE_OF_NODE)
		return true;
	slot = slot_of(part, cause->name);
	return slot && (cause->kind != SL_NOTICE_BREAKER || !is_closed(part, slot));
}

static void look_at_pools(struct sl_incident_part *part)
{
	uint64_t now_ms = sl_clock_ms();

	for (uint32_t p = 0; p < part->routes->config->pool_count; p++) {
		const struct sl_upstream_pool *pool = &part->routes->pools[p];
		struct sl_notice notice = {
			.kind = SL_NOTICE_NO_NODE, .of = SL_NOTICE_OF_POOL, .who = "daemon"};
		uint32_t available = 0;

		for (uint32_t i = 0; i < pool->node_count; i++)
			available += sl_breaker_available(&part->plane->nodes[pool->node_slots[i]],
							  now_ms) != 0;
		if (!pool->node_count || part->no_node[pool->slot] == !available)
			continue;
		part->no_node[pool->slot] = !available;
		notice.over = available != 0;
		notice.level = available ? SL_NOTICE_INFO : SL_NOTICE_BAD;
		sl_notice_set(notice.name, sizeof(notice.name), pool->name);
		sl_notice_tell(&notice, "%u of %u nodes may be asked", available, pool->node_count);
	}
}

static void poll(void *owner, uint64_t now_ms)
{
	struct sl_incident_part *part = owner;
	uint64_t wall_ms = sl_clock_wall_ms();

	pthread_mutex_lock(&part->lock);
	if (now_ms - part->looked_ms >= SL_INCIDENTS_LOOK_MS) {
		part->looked_ms = now_ms;
		look_at_pools(part);
		sl_incidents_recheck(&part->book, wall_ms, "closed, or not configured any more",
				     lasts, part);
	}
	sl_incidents_poll(&part->book, wall_ms);
	pthread_mutex_unlock(&part->lock);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_row(void *owner, uint64_t number, uint64_t at_ms, struct sl_span text)
{
	struct sl_incident_part *part = owner;

	sl_incidents_read_row(&part->book, number, at_ms, text);
}

static void on_value(void *owner, struct sl_span name, struct sl_span bytes)
{
	struct sl_incident_part *part = owner;

	if (sl_span_equal(name, SL_SPAN("begun")))
		sl_span_u64(bytes, &part->begun_ms);
}

/* What was told of a pool is not true of another one that has its slot now. */
static void forget_pools(struct sl_incident_part *part, const struct sl_routes *routes)
{
	for (uint32_t slot = 0; slot < SL_POOLS_MAX; slot++) {
		const struct sl_upstream_pool *was = part->routes->pool_of_slot[slot];
		const struct sl_upstream_pool *is = routes->pool_of_slot[slot];

		if (!was || !is || strcmp(was->name, is->name) != 0)
			part->no_node[slot] = false;
	}
}

static void apply(void *owner, struct sl_routes *routes)
{
	struct sl_incident_part *part = owner;
	const struct sl_config_incidents *config = &routes->config->incidents;
	struct sl_routes *old;

	pthread_mutex_lock(&part->lock);
	old = part->routes;
	if (old)
		forget_pools(part, routes);
	part->routes = sl_routes_get(routes);
	part->book.limits = (struct sl_incident_limits){
		.join_ms = config->join_ms, .hold_ms = config->hold_ms, .count_ms = COUNT_MS};
	pthread_mutex_unlock(&part->lock);
	if (old)
		sl_routes_put(&old);
}

static void keep_begun(struct sl_incident_part *part)
{
	char memory[24];
	struct sl_text text;

	if (part->begun_ms)
		return;
	part->begun_ms = sl_clock_wall_ms();
	sl_text_init_fixed(&text, memory, sizeof(memory));
	sl_text_append_u64(&text, part->begun_ms);
	sl_journal_keep(part->journal, "begun", text.data, text.len);
}

static void destroy(struct sl_incident_part *part)
{
	sl_incidents_fini(&part->book);
	if (part->routes)
		sl_routes_put(&part->routes);
	pthread_mutex_destroy(&part->lock);
	free(part);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_incident_part *part = calloc(1, sizeof(*part));
	struct sl_journal_reader reader = {.owner = part, .row = on_row, .value = on_value};
	const struct sl_config_incidents *config = &routes->config->incidents;
	struct sl_incident_limits none = {0};
	uint64_t wall_ms = sl_clock_wall_ms();
	int rc;

	if (!part)
		return -ENOMEM;
	pthread_mutex_init(&part->lock, NULL);
	sl_incidents_init(&part->book, &none);
	part->plane = place->plane;
	part->names = place->names;
	rc = sl_journal_open(config->path, "incidents", wall_ms - config->keep_days * 86400000ull,
			     &reader, &part->journal);
	if (rc) {
		destroy(part);
		return rc;
	}
	keep_begun(part);
	part->book.owner = part;
	part->book.on_event = on_event;
	apply(part, routes);
	tell_open_ones(part);
	sl_incidents_recheck(&part->book, wall_ms, "over, or not known, after a restart",
			     lasts_after_restart, part);
	*ret_part = part;
	return 0;
}

static void write_metrics(void *owner, struct sl_text *text)
{
	struct sl_incident_part *part = owner;

	sl_incidents_write_metrics(part, sl_clock_wall_ms(), text);
}

static void say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_incident_part *part = owner;

	pthread_mutex_lock(&part->lock);
	sl_incidents_say(part, ask->words, text);
	pthread_mutex_unlock(&part->lock);
}

static void close_part(void *owner)
{
	struct sl_incident_part *part = owner;

	part->book.limits.count_ms = 0; /* what was counted is told now */
	sl_incidents_poll(&part->book, sl_clock_wall_ms());
	sl_journal_close(&part->journal);
	destroy(part);
}

static void add_facts(void *owner, struct sl_page_facts *facts)
{
	struct sl_incident_part *part = owner;

	pthread_mutex_lock(&part->lock);
	for (uint32_t i = 0; i < part->book.count; i++)
		facts->incidents += part->book.list[i]->open;
	pthread_mutex_unlock(&part->lock);
}

const struct sl_watch_part sl_watch_incidents = {
	.word = "incidents",
	.open = open_part,
	.apply = apply,
	.wants_records = wants_records,
	.record = note_record,
	.notice = note_notice,
	.poll = poll,
	.write_metrics = write_metrics,
	.add_facts = add_facts,
	.say = say,
	.close = close_part,
};
