/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/rings.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/tunables.h"
#include "user/policy/choose.h"

#define NO_PLACE SL_RINGS_PLACES_MAX
#define LOAD(x)	 __atomic_load_n(&(x), __ATOMIC_RELAXED)

struct place {
	enum sl_notice_of of;
	char name[SL_NOTICE_NAME_BYTES];
	uint32_t region;     /* of a zone; NO_PLACE: none */
	const char *pool;    /* of its nodes; NULL: of several */
	uint32_t nodes, out; /* as seen last */
	bool lost;	     /* told */
	uint64_t out_ms;     /* since when all of them are; 0: they are not */
};

struct part {
	pthread_mutex_t lock;
	struct sl_watch_place watch;
	struct sl_routes *routes; /* a reference */
	struct place places[SL_RINGS_PLACES_MAX];
	uint32_t place_count;
	uint8_t zone_of[SL_NODES_MAX], region_of[SL_NODES_MAX]; /* by slot: index, or NO_PLACE */
	uint64_t looked_ms;
};

static_assert(NO_PLACE <= UINT8_MAX, "a place's index is a byte");

/* ---- the places of a configuration ----------------------------------------------------------- */

static uint32_t find_place(const struct place *places, uint32_t count, enum sl_notice_of of,
			   const char *name)
{
	char cut[SL_NOTICE_NAME_BYTES];

	sl_notice_set(cut, sizeof(cut), name);
	for (uint32_t i = 0; i < count; i++) {
		if (places[i].of == of && !strcmp(places[i].name, cut))
			return i;
	}
	return NO_PLACE;
}

static uint8_t put_place(struct part *part, enum sl_notice_of of, const char *name,
			 const char *pool)
{
	uint32_t at = name ? find_place(part->places, part->place_count, of, name) : NO_PLACE;
	struct place *place;

	if (at < NO_PLACE) {
		place = &part->places[at];
		if (place->pool && strcmp(place->pool, pool) != 0)
			place->pool = NULL;
		return (uint8_t)at;
	}
	if (!name || part->place_count == SL_RINGS_PLACES_MAX)
		return NO_PLACE;
	place = &part->places[part->place_count];
	*place = (struct place){.of = of, .region = NO_PLACE, .pool = pool};
	sl_notice_set(place->name, sizeof(place->name), name);
	return (uint8_t)part->place_count++;
}

static void tell(const struct place *place)
{
	struct sl_notice notice = {.kind = place->of == SL_NOTICE_OF_ZONE ? SL_NOTICE_ZONE_LOST
									  : SL_NOTICE_REGION_LOST,
				   .level = !place->lost		     ? SL_NOTICE_INFO
					    : place->of == SL_NOTICE_OF_ZONE ? SL_NOTICE_WARN
									     : SL_NOTICE_BAD,
				   .of = place->of,
				   .over = !place->lost,
				   .who = "daemon"};

	sl_notice_set(notice.name, sizeof(notice.name), place->name);
	sl_notice_set(notice.pool, sizeof(notice.pool), place->pool);
	sl_notice_tell(&notice, "%u of %u nodes are out", place->out, place->nodes);
	sl_log(SL_LOG_WARN, "%s \"%s\": %s: %u of %u nodes are out (see: sluice status)",
	       sl_notice_of_name(place->of), place->name, place->lost ? "lost" : "is back",
	       place->out, place->nodes);
}

/* What was lost stays so under its name; what is gone from the configuration is over. */
static void keep_lost(struct part *part, const struct place *old, uint32_t old_count)
{
	for (uint32_t i = 0; i < old_count; i++) {
		uint32_t at = find_place(part->places, part->place_count, old[i].of, old[i].name);

		if (!old[i].lost)
			continue;
		if (at < NO_PLACE) {
			part->places[at].lost = true;
		} else {
			struct place gone = old[i];

			gone.lost = false;
			gone.pool = NULL;
			gone.nodes = gone.out = 0;
			tell(&gone);
		}
	}
}

static void list_places(struct part *part)
{
	const struct sl_config *config = part->routes->config;

	memset(part->zone_of, NO_PLACE, sizeof(part->zone_of));
	memset(part->region_of, NO_PLACE, sizeof(part->region_of));
	part->place_count = 0;
	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];

		for (uint32_t j = 0; j < pool->node_count; j++) {
			const struct sl_config_node *node = &pool->nodes[j];
			uint32_t slot = part->routes->topology.node_slots[i][j];
			uint8_t region =
				put_place(part, SL_NOTICE_OF_REGION, node->region, pool->name);
			uint8_t zone = put_place(part, SL_NOTICE_OF_ZONE, node->zone, pool->name);

			part->zone_of[slot] = zone;
			part->region_of[slot] = region;
			if (zone < NO_PLACE)
				part->places[zone].region = region;
		}
	}
}

/* ---- looking --------------------------------------------------------------------------------- */

static bool is_meant_to_serve(const struct sl_node_state *node)
{
	uint32_t admin = LOAD(node->admin);

	return (admin & (SL_NODE_PRESENT | SL_NODE_DRAINING)) == SL_NODE_PRESENT &&
	       sl_breaker_state(sl_breaker_load(&node->breaker)) != SL_BREAKER_FORCED_OPEN;
}

static struct sl_choose question(const struct part *part, const struct sl_upstream_pool *pool,
				 uint64_t now_ms)
{
	const struct sl_upstream_state *state = &part->watch.state;

	return (struct sl_choose){
		.nodes = state->nodes,
		.slots = pool->node_slots,
		.slot_count = pool->node_count,
		.holds = state->retries->holds,
		.rings = &pool->rings,
		.random = 1, /* nobody in doubt is taken for fit */
		.doubtful = (uint32_t)sl_tunable_get(state->tunables, pool->slot,
						     SL_TUNABLE_BREAKER_CONSECUTIVE),
		.now_ms = now_ms,
	};
}

static void count_in(struct part *part, uint8_t at, bool out)
{
	if (at >= part->place_count)
		return;
	part->places[at].nodes++;
	part->places[at].out += out;
}

static void look_at_nodes(struct part *part, uint64_t now_ms)
{
	struct sl_upstream_retries *retries = part->watch.state.retries;

	for (uint32_t i = 0; i < part->place_count; i++)
		part->places[i].nodes = part->places[i].out = 0;
	for (uint32_t p = 0; p < part->routes->config->pool_count; p++) {
		const struct sl_upstream_pool *pool = &part->routes->pools[p];
		struct sl_choose in = question(part, pool, now_ms);

		sl_upstream_look_at_rings(retries, &in, pool);
		for (uint32_t i = 0; i < pool->node_count; i++) {
			uint32_t slot = pool->node_slots[i];
			const struct sl_node_state *node = &in.nodes[slot];
			bool out;

			if (!is_meant_to_serve(node))
				continue;
			out = sl_choose_is_out(&in, node) || LOAD(retries->failing[slot]);
			count_in(part, part->zone_of[slot], out);
			count_in(part, part->region_of[slot], out);
		}
	}
}

/* Long enough to be told? Zones fall one after the other: the region's loss is to be known before theirs. */
static bool is_gone(struct place *place, uint64_t now_ms)
{
	if (!place->nodes || place->out < place->nodes)
		place->out_ms = 0;
	else if (!place->out_ms)
		place->out_ms = now_ms;
	return place->out_ms &&
	       (place->of == SL_NOTICE_OF_REGION || now_ms - place->out_ms >= SL_RINGS_ZONE_MS);
}

/* Regions before zones: of one that is lost its zones are not told. */
static void judge(struct part *part, enum sl_notice_of of, uint64_t now_ms)
{
	for (uint32_t i = 0; i < part->place_count; i++) {
		struct place *place = &part->places[i];
		bool known = place->region < part->place_count && part->places[place->region].lost;

		if (place->of != of)
			continue;
		if (is_gone(place, now_ms) && !place->lost && !known)
			place->lost = true;
		else if (place->lost && place->out * 2 <= place->nodes)
			place->lost = false;
		else
			continue;
		tell(place);
	}
}

static void poll(void *owner, uint64_t now_ms)
{
	struct part *part = owner;

	if (now_ms - part->looked_ms < SL_RINGS_LOOK_MS)
		return;
	part->looked_ms = now_ms;
	pthread_mutex_lock(&part->lock);
	look_at_nodes(part, now_ms);
	judge(part, SL_NOTICE_OF_REGION, now_ms);
	judge(part, SL_NOTICE_OF_ZONE, now_ms);
	pthread_mutex_unlock(&part->lock);
}

/* ---- what is told ---------------------------------------------------------------------------- */

struct view {
	const struct sl_upstream_pool *pool;
	const struct sl_rings *rings;
	uint32_t fit[SL_RINGS];
	uint64_t now_ms;
};

/* The next pool whose nodes are in several rings, from position *at on. */
static bool next_view(struct part *part, uint32_t *at, struct view *view)
{
	for (; *at < part->routes->config->pool_count; (*at)++) {
		struct sl_choose in;

		view->pool = &part->routes->pools[*at];
		if (!view->pool->rings.of)
			continue;
		view->now_ms = sl_clock_ms();
		view->rings = &part->watch.state.retries->rings[view->pool->slot];
		in = question(part, view->pool, view->now_ms);
		sl_choose_count_rings(&in, view->fit);
		(*at)++;
		return true;
	}
	return false;
}

static const char *const border_names[SL_RING_BORDERS] = {"zone", "region"};

static void write_ring(const struct view *view, const char *name, enum sl_ring ring, uint64_t value,
		       unsigned digits, struct sl_text *text)
{
	sl_text_printf(text, "%s{pool=\"%s\",ring=\"%s\"} ", name, view->pool->name,
		       sl_ring_name(ring));
	sl_text_append_scaled(text, value, digits);
	sl_text_append_char(text, '\n');
}

static uint64_t ring_value(const struct view *view, unsigned which, uint32_t ring)
{
	switch (which) {
	case 0:
		return sl_ring_size(&view->pool->rings, ring);
	case 1:
		return view->fit[ring];
	default:
		return sl_ring_percent(&view->rings->shares[ring]);
	}
}

static void write_rings(struct part *part, struct sl_text *text)
{
	static const struct {
		const char *name, *help;
		unsigned digits;
	} gauges[] = {
		{"sluice_ring_nodes",
		 "Nodes of the pool in this zone (local), region, and elsewhere.", 0},
		{"sluice_ring_nodes_fit", "Of these, the ones that take new work.", 0},
		{"sluice_ring_share_ratio",
		 "Part of the pool's requests that the ring may have: less while it is lost, or "
		 "comes back slowly.",
		 2},
	};

	for (unsigned g = 0; g < sizeof(gauges) / sizeof(gauges[0]); g++) {
		struct view view;
		uint32_t at = 0;

		sl_text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n", gauges[g].name,
			       gauges[g].help, gauges[g].name);
		while (next_view(part, &at, &view)) {
			for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
				if (sl_ring_size(&view.pool->rings, ring))
					write_ring(&view, gauges[g].name, (enum sl_ring)ring,
						   ring_value(&view, g, ring), gauges[g].digits,
						   text);
			}
		}
	}
}

static void write_borders(struct part *part, struct sl_text *text)
{
	static const char *const names[] = {"load", "loss", "kept"};

	sl_text_append_string(text,
			      "# HELP sluice_ring_left_total Attempts that left this host's zone "
			      "or region, by load "
			      "or by loss of its nodes; kept: too full, and no more might leave.\n"
			      "# TYPE sluice_ring_left_total counter\n");
	for (unsigned why = 0; why < 3; why++) {
		struct view view;
		uint32_t at = 0;

		while (next_view(part, &at, &view)) {
			for (uint32_t b = 0; b < SL_RING_BORDERS; b++) {
				const uint64_t *counts = why == 0   ? view.rings->passed_load
							 : why == 1 ? view.rings->passed_loss
								    : view.rings->kept;

				sl_text_printf(text,
					       "sluice_ring_left_total{pool=\"%s\",border=\"%s\","
					       "why=\"%s\"} %" PRIu64 "\n",
					       view.pool->name, border_names[b], names[why],
					       LOAD(counts[b]));
			}
		}
	}
}

static void write_places(const struct part *part, struct sl_text *text)
{
	static const struct {
		enum sl_notice_of of;
		const char *name, *help;
	} families[] = {
		{SL_NOTICE_OF_ZONE, "sluice_zone_lost", "1: all nodes of the zone are out."},
		{SL_NOTICE_OF_REGION, "sluice_region_lost", "1: all nodes of the region are out."},
	};

	for (unsigned f = 0; f < 2; f++) {
		sl_text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n", families[f].name,
			       families[f].help, families[f].name);
		for (uint32_t i = 0; i < part->place_count; i++) {
			const struct place *place = &part->places[i];

			if (place->of == families[f].of)
				sl_text_printf(text, "%s{%s=\"%s\"} %d\n", families[f].name,
					       sl_notice_of_name(place->of), place->name,
					       place->nodes && place->out == place->nodes);
		}
	}
}

static void write_metrics(void *owner, struct sl_text *text)
{
	struct part *part = owner;

	pthread_mutex_lock(&part->lock);
	write_rings(part, text);
	write_borders(part, text);
	write_places(part, text);
	pthread_mutex_unlock(&part->lock);
}

static void say_view(const struct view *view, bool json, struct sl_text *text)
{
	const char *between = "";

	sl_text_append_string(text, json ? "{\"pool\":" : "pool ");
	sl_text_append_json_string(text, view->pool->name);
	sl_text_append_string(text, json ? ",\"rings\":[" : "\n");
	for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
		const struct sl_ring_share *share = &view->rings->shares[ring];
		uint32_t size = sl_ring_size(&view->pool->rings, ring);
		const char *state = sl_ring_state_name(
			sl_ring_state_of(share, view->pool->rings.return_ms, view->now_ms));

		if (!size)
			continue;
		sl_text_printf(text,
			       json ? "%s{\"ring\":\"%s\",\"nodes\":%u,\"fit\":%u,\"share\":%u,"
				      "\"state\":\"%s\"}"
				    : "%s  %-7s %u nodes, %u fit, up to %u %% of the requests "
				      "(%s)\n",
			       between, sl_ring_name((enum sl_ring)ring), size, view->fit[ring],
			       sl_ring_percent(share), state);
		between = json ? "," : "";
	}
	for (uint32_t b = 0; b < SL_RING_BORDERS; b++)
		sl_text_printf(text,
			       json ? "%s\"%s\":{\"cap\":%u,\"left_by_load\":%" PRIu64
				      ",\"left_by_loss\":%" PRIu64 ",\"kept\":%" PRIu64 "}"
				    : "%s  left the %s (by load %u %% at most): %" PRIu64
				      " by load, %" PRIu64 " by loss, %" PRIu64 " kept\n",
			       json ? b ? "," : "]," : "", border_names[b],
			       view->pool->rings.caps[b], LOAD(view->rings->passed_load[b]),
			       LOAD(view->rings->passed_loss[b]), LOAD(view->rings->kept[b]));
	sl_text_append_string(text, json ? "}" : "");
}

static void say_places(const struct part *part, bool json, struct sl_text *text)
{
	for (uint32_t i = 0; i < part->place_count; i++) {
		const struct place *place = &part->places[i];

		sl_text_printf(text, json ? "%s{\"of\":\"%s\",\"name\":" : "%s%s ",
			       json && i ? "," : "", sl_notice_of_name(place->of));
		sl_text_append_json_string(text, place->name);
		sl_text_printf(text,
			       json ? ",\"nodes\":%u,\"out\":%u,\"lost\":%s}"
				    : ": %u nodes, %u out%s\n",
			       place->nodes, place->out,
			       json	     ? place->lost ? "true" : "false"
			       : place->lost ? ": lost"
					     : "");
	}
}

static void say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct part *part = owner;
	bool json = !strncmp(ask->words, "json", 4);
	struct view view;
	uint32_t at = 0, said = 0;

	pthread_mutex_lock(&part->lock);
	sl_text_append_string(text, json ? "{\"pools\":[" : "");
	while (next_view(part, &at, &view)) {
		sl_text_append_string(text, json && said++ ? "," : "");
		say_view(&view, json, text);
	}
	sl_text_append_string(text, json ? "],\"places\":[" : "");
	say_places(part, json, text);
	sl_text_append_string(text, json ? "]}\n" : "");
	pthread_mutex_unlock(&part->lock);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void apply(void *owner, struct sl_routes *routes)
{
	static struct place old[SL_RINGS_PLACES_MAX]; /* of the control thread alone */
	struct part *part = owner;
	struct sl_routes *before;
	uint32_t old_count;

	pthread_mutex_lock(&part->lock);
	before = part->routes;
	old_count = part->place_count;
	memcpy(old, part->places, sizeof(old));
	part->routes = sl_routes_get(routes);
	list_places(part);
	keep_lost(part, old, old_count);
	pthread_mutex_unlock(&part->lock);
	if (before)
		sl_routes_put(&before);
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct part *part = calloc(1, sizeof(*part));

	if (!part)
		return -ENOMEM;
	pthread_mutex_init(&part->lock, NULL);
	part->watch = *place;
	apply(part, routes);
	*ret_part = part;
	return 0;
}

static void close_part(void *owner)
{
	struct part *part = owner;

	sl_routes_put(&part->routes);
	pthread_mutex_destroy(&part->lock);
	free(part);
}

const struct sl_watch_part sl_rings_part = {
	.word = "rings",
	.open = open_part,
	.apply = apply,
	.poll = poll,
	.write_metrics = write_metrics,
	.say = say,
	.close = close_part,
};
