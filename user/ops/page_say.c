/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_say.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "bpf/breaker.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/health_line.h"
#include "user/ops/health_say.h"
#include "user/request/trail_text.h"
#include "user/stage/degrade.h"
#include "user/upstream/peer.h"

#define HOST_BYTES 65u

_Static_assert(SL_PAGE_NODE_BYTES >= SL_PEER_TEXT_SIZE, "a node's name");

static const char *const state_names[SL_BREAKER_STATES] = {"closed", "half_open", "open",
							   "forced_open", "metrics_only"};

static const char *signal_name(uint32_t signal)
{
	static const char *const names[SL_SIGNAL_COUNT] = {
#define X(id, name, help) name,
		SL_SIGNALS(X)
#undef X
	};

	return signal < SL_SIGNAL_COUNT ? names[signal] : "unknown";
}

/* ---- members --------------------------------------------------------------------------------- */

/* Each begins with its comma; the first one of an object is written by hand. */
static void put_number(struct sl_text *text, const char *name, uint64_t value)
{
	sl_text_printf(text, ",\"%s\":%" PRIu64, name, value);
}

static void put_rate(struct sl_text *text, const char *name, double value)
{
	sl_text_printf(text, ",\"%s\":%.1f", name, value);
}

static void put_bool(struct sl_text *text, const char *name, bool value)
{
	sl_text_printf(text, ",\"%s\":%s", name, value ? "true" : "false");
}

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

static void put_rates(struct sl_text *text, const struct sl_page_rates *rates)
{
	put_rate(text, "requests_per_s", rates->requests);
	put_rate(text, "errors_per_s", rates->errors);
	put_rate(text, "tokens_per_s", rates->tokens);
	put_rate(text, "retries_per_s", rates->retries);
	put_rate(text, "fallbacks_per_s", rates->fallbacks);
	put_number(text, "ttft_p50_us", rates->ttft_p50_us);
	put_number(text, "ttft_p95_us", rates->ttft_p95_us);
}

/* ---- nodes ----------------------------------------------------------------------------------- */

const char *sl_page_node_text(const struct sl_metrics_source *source, uint32_t slot,
			      char out[SL_PAGE_NODE_BYTES])
{
	if (!source->peers || !sl_peers_text(source->peers, slot, out))
		sl_address_format(&source->plane->nodes[slot].endpoint, out);
	return out;
}

/* Would a new request go there, as far as breaker, drain and checks say? */
static bool is_available(const struct sl_page_scene *scene, uint32_t slot)
{
	return sl_breaker_available(&scene->state.nodes[slot], scene->now_ns / SL_NS_PER_MS) &&
	       !__atomic_load_n(&scene->state.retries->failing[slot], __ATOMIC_RELAXED);
}

/* It takes nothing new, or is on trial, and nobody meant it to: the breaker or the checks. */
static bool is_out(const struct sl_page_scene *scene, uint32_t slot)
{
	const struct sl_node_state *node = &scene->state.nodes[slot];
	enum sl_breaker_state state = sl_breaker_state(sl_breaker_load(&node->breaker));

	if (__atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_DRAINING)
		return false;
	return (state != SL_BREAKER_CLOSED && state != SL_BREAKER_METRICS_ONLY) ||
	       __atomic_load_n(&scene->state.retries->failing[slot], __ATOMIC_RELAXED);
}

static void put_node(const struct sl_page_scene *scene, uint32_t slot, struct sl_text *text)
{
	const struct sl_node_state *node = &scene->state.nodes[slot];
	const struct sl_page_node *rates = &scene->counts->nodes[slot];
	char name[SL_PAGE_NODE_BYTES];
	uint64_t word = sl_breaker_load(&node->breaker);
	struct sl_health_line health;

	sl_health_look(&scene->state, scene->metrics->health, scene->routes, slot,
		       scene->now_ns / SL_NS_PER_MS, &health);
	sl_text_printf(text, "{\"slot\":%u", slot);
	put_number(text, "incarnation", node->incarnation);
	put_number(text, "index", node->index);
	put_string(text, "address", sl_page_node_text(scene->metrics, slot, name));
	put_string(text, "state", state_names[sl_breaker_state(word) % SL_BREAKER_STATES]);
	put_string(text, "last_signal", signal_name(node->last_signal));
	if (node->changed_ns && scene->now_ns > node->changed_ns)
		put_number(text, "changed_ms_ago",
			   (scene->now_ns - node->changed_ns) / SL_NS_PER_MS);
	if (sl_breaker_state(word) == SL_BREAKER_OPEN)
		put_number(text, "probe_in_ms",
			   sl_breaker_wait_ms(word, scene->now_ns / SL_NS_PER_MS));
	put_bool(text, "draining", node->admin & SL_NODE_DRAINING);
	put_bool(text, "available", is_available(scene, slot));
	put_bool(text, "out", is_out(scene, slot));
	put_string(text, "check", health.check);
	put_bool(text, "doubtful", health.doubtful);
	put_number(text, "held_ms", health.held_ms);
	put_number(text, "zombies", health.zombies);
	put_string(text, "zone", health.zone);
	put_string(text, "region", health.region);
	put_string(text, "ring", health.ring);
	put_number(text, "trips", node->trips);
	put_number(text, "requests", node->requests);
	put_number(text, "waiting", node->waiting);
	put_number(text, "flows", sl_node_flows(node, scene->now_ns));
	put_rate(text, "answers_per_s", rates->good_rate);
	put_rate(text, "failures_per_s", rates->bad_rate);
	put_number(text, "connect_us", node->connect_us);
	put_number(text, "first_byte_us", node->first_byte_us);
	sl_text_append_char(text, '}');
}

/* ---- pools ----------------------------------------------------------------------------------- */

struct pool_sum {
	uint32_t nodes, available, draining, out, worst;
};

static struct pool_sum sum_pool(const struct sl_page_scene *scene,
				const struct sl_upstream_pool *pool)
{
	struct pool_sum sum = {.nodes = pool->node_count};

	for (uint32_t i = 0; i < pool->node_count; i++) {
		uint32_t slot = pool->node_slots[i];
		const struct sl_node_state *node = &scene->state.nodes[slot];

		sum.available += is_available(scene, slot);
		sum.draining +=
			!!(__atomic_load_n(&node->admin, __ATOMIC_RELAXED) & SL_NODE_DRAINING);
		if (is_out(scene, slot) && !sum.out++)
			sum.worst = slot;
	}
	return sum;
}

/* Of each: its nodes, those that a request could go to, what share of the requests it may have. */
static void put_rings(const struct sl_page_scene *scene, const struct sl_upstream_pool *pool,
		      struct sl_text *text)
{
	const struct sl_rings *rings = &scene->state.retries->rings[pool->slot];
	uint32_t available[SL_RINGS] = {0};
	const char *between = "";

	for (uint32_t i = 0; i < pool->node_count; i++)
		available[pool->rings.of[i]] += is_available(scene, pool->node_slots[i]);
	sl_text_append_string(text, ",\"rings\":[");
	for (uint32_t ring = 0; ring < SL_RINGS; ring++) {
		const struct sl_ring_share *share = &rings->shares[ring];
		uint32_t size = sl_ring_size(&pool->rings, ring);

		if (!size)
			continue;
		sl_text_printf(text, "%s{\"nodes\":%u", between, size);
		put_string(text, "ring", sl_ring_name((enum sl_ring)ring));
		put_number(text, "available", available[ring]);
		put_number(text, "share", sl_ring_percent(share));
		put_string(text, "state",
			   sl_ring_state_name(sl_ring_state_of(share, pool->rings.return_ms,
							       scene->now_ns / SL_NS_PER_MS)));
		sl_text_append_char(text, '}');
		between = ",";
	}
	sl_text_append_char(text, ']');
}

static void put_pool(const struct sl_page_scene *scene, const struct sl_upstream_pool *pool,
		     const struct pool_sum *sum, struct sl_text *text)
{
	const struct sl_pool_state *state = &scene->state.pools[pool->slot];

	sl_text_append_string(text, "{\"name\":");
	sl_text_append_json_string(text, pool->name);
	put_number(text, "node_count", sum->nodes);
	put_number(text, "available", sum->available);
	put_number(text, "draining", sum->draining);
	put_number(text, "out", sum->out);
	put_number(text, "ejected", state->ejected);
	put_number(text, "panics", state->panics);
	put_number(text, "no_node", state->no_node);
	if (pool->rings.of)
		put_rings(scene, pool, text);
	sl_text_append_string(text, ",\"nodes\":[");
	for (uint32_t i = 0; i < pool->node_count; i++) {
		sl_text_append_string(text, i ? "," : "");
		put_node(scene, pool->node_slots[i], text);
	}
	sl_text_append_string(text, "]}");
}

static void note_pool(const struct sl_page_scene *scene, const char *name_of_pool,
		      const struct pool_sum *sum, struct sl_page_facts *facts)
{
	const struct sl_node_state *node = &scene->state.nodes[sum->worst];
	char name[SL_PAGE_NODE_BYTES];

	facts->pools++;
	facts->nodes += sum->nodes;
	facts->available += sum->available;
	facts->draining += sum->draining;
	if (sum->out && !facts->out) {
		enum sl_breaker_state state = sl_breaker_state(sl_breaker_load(&node->breaker));

		sl_page_node_text(scene->metrics, sum->worst, name);
		snprintf(facts->node, sizeof(facts->node), "%.*s", (int)sizeof(facts->node) - 1,
			 name);
		if (state == SL_BREAKER_CLOSED || state == SL_BREAKER_METRICS_ONLY)
			snprintf(facts->why, sizeof(facts->why), "its checks fail");
		else
			snprintf(facts->why, sizeof(facts->why), "breaker %s, %s",
				 state == SL_BREAKER_HALF_OPEN	   ? "half-open"
				 : state == SL_BREAKER_FORCED_OPEN ? "opened by hand"
								   : "open",
				 signal_name(node->last_signal));
	}
	facts->out += sum->out;
	if (sum->nodes && !sum->available && !facts->pools_down++)
		snprintf(facts->pool, sizeof(facts->pool), "%.63s", name_of_pool);
}

static void put_pools(const struct sl_page_scene *scene, struct sl_page_facts *facts,
		      struct sl_text *text)
{
	sl_text_append_string(text, ",\"pools\":[");
	for (uint32_t i = 0; i < scene->routes->config->pool_count; i++) {
		const struct sl_upstream_pool *pool = &scene->routes->pools[i];
		struct pool_sum sum = sum_pool(scene, pool);

		sl_text_append_string(text, i ? "," : "");
		put_pool(scene, pool, &sum, text);
		note_pool(scene, pool->name, &sum, facts);
	}
	sl_text_append_char(text, ']');
}

static void put_queues(const struct sl_page_scene *scene, struct sl_page_facts *facts,
		       struct sl_text *text)
{
	sl_text_append_string(text, ",\"queues\":[");
	for (uint32_t i = 0; i < scene->routes->config->pool_count; i++) {
		const struct sl_upstream_pool *pool = &scene->routes->pools[i];
		uint32_t by_class[SL_QUEUE_CLASSES] = {0};
		uint64_t estimate_ns = 0;
		bool overloaded = false;
		uint32_t count;

		count = sl_page_waiting(scene->metrics, pool->slot, by_class, &estimate_ns,
					&overloaded);
		facts->waiting += overloaded ? count : 0;
		sl_text_append_string(text, i ? ",{\"pool\":" : "{\"pool\":");
		sl_text_append_json_string(text, pool->name);
		put_number(text, "waiting", count);
		put_number(text, "estimate_ms", estimate_ns / SL_NS_PER_MS);
		put_bool(text, "overloaded", overloaded);
		for (int c = 0; c < SL_QUEUE_CLASSES; c++)
			put_number(text, sl_key_class_name((enum sl_key_class)c), by_class[c]);
		sl_text_append_char(text, '}');
	}
	sl_text_append_char(text, ']');
}

/* ---- routes and their ladders ---------------------------------------------------------------- */

/* How many nodes of the pool a request could go to. */
static uint32_t available_in(const struct sl_page_scene *scene, const struct sl_upstream_pool *pool)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < pool->node_count; i++)
		count += is_available(scene, pool->node_slots[i]);
	return count;
}

/* The chain of pools is a ladder too: where it stands is the first one that has a node. */
static void put_chain(const struct sl_page_scene *scene, const struct sl_route *route,
		      struct sl_page_facts *facts, struct sl_text *text)
{
	const struct sl_route_chain *chain = &route->chains[SL_CAUSE_ERROR];
	const char *now = NULL;

	sl_text_append_string(text, ",\"chain\":[");
	for (uint32_t i = 0; i < chain->len; i++) {
		uint32_t available = available_in(scene, chain->pools[i]);

		sl_text_append_string(text, i ? ",{\"pool\":" : "{\"pool\":");
		sl_text_append_json_string(text, chain->pools[i]->name);
		put_number(text, "nodes", chain->pools[i]->node_count);
		put_number(text, "available", available);
		sl_text_append_char(text, '}');
		now = !now && available ? chain->pools[i]->name : now;
	}
	sl_text_append_string(text, "],\"pool\":");
	if (now)
		sl_text_append_json_string(text, now);
	else
		sl_text_append_string(text, "null");
	if (!now && !facts->routes_down++)
		snprintf(facts->route, sizeof(facts->route), "%.*s", (int)sizeof(facts->route) - 1,
			 route->model);
}

/* Steps that were ever taken; `now`: within SL_PAGE_STEP_MS. */
static void put_steps(const struct sl_page_scene *scene, const struct sl_page_route *counts,
		      struct sl_text *text)
{
	const char *between = "";

	sl_text_append_string(text, ",\"steps\":[");
	for (int step = 0; counts && step < SL_STEPS; step++) {
		uint64_t then_ns = counts->stepped_ns[step];

		if (!counts->steps[step])
			continue;
		sl_text_printf(text, "%s{\"step\":\"%s\"", between, sl_steps[step].text);
		put_string(text, "means", sl_steps[step].help);
		put_number(text, "count", counts->steps[step]);
		put_bool(text, "now",
			 then_ns && scene->now_ns - then_ns < SL_PAGE_STEP_MS * SL_NS_PER_MS);
		sl_text_append_char(text, '}');
		between = ",";
	}
	sl_text_append_char(text, ']');
}

static void put_rules(const struct sl_page_scene *scene, const struct sl_route *route,
		      struct sl_page_facts *facts, struct sl_text *text)
{
	const struct sl_stores *stores = scene->metrics->workers[0]->stores;
	const char *between = "";

	sl_text_append_string(text, ",\"rules_in_force\":[");
	for (uint32_t rule = 0; stores && stores->degrade && rule < SL_CONFIG_DEGRADE_RULES_MAX;
	     rule++) {
		if (!sl_degrade_entered(stores->degrade, route->stats_index, rule) ||
		    !sl_degrade_is_in_force(stores->degrade, route->stats_index, rule))
			continue;
		sl_text_printf(text, "%s%u", between, rule);
		facts->rules++;
		between = ",";
	}
	sl_text_append_char(text, ']');
}

static void put_routes(const struct sl_page_scene *scene, struct sl_page_facts *facts,
		       struct sl_text *text)
{
	static const struct sl_page_rates none;

	facts->routes = scene->routes->route_count;
	sl_text_append_string(text, ",\"routes\":[");
	for (uint32_t i = 0; i < scene->routes->route_count; i++) {
		const struct sl_route *route = &scene->routes->routes[i];
		const struct sl_page_route *counts =
			scene->counts->routes[route->stats_index % SL_STATS_ROUTES_MAX];

		sl_text_append_string(text, i ? ",{\"model\":" : "{\"model\":");
		sl_text_append_json_string(text, route->model);
		put_number(text, "requests", counts ? counts->requests : 0);
		put_number(text, "errors", counts ? counts->errors : 0);
		put_number(text, "fallbacks", counts ? counts->fallbacks : 0);
		put_rates(text, counts ? &counts->rates : &none);
		put_chain(scene, route, facts, text);
		put_steps(scene, counts, text);
		put_rules(scene, route, facts, text);
		sl_text_append_char(text, '}');
	}
	sl_text_append_char(text, ']');
}

/* ---- decisions ------------------------------------------------------------------------------- */

static void keep(struct sl_page_decisions *decisions, const struct sl_trail *trail)
{
	uint32_t at = 0;

	while (at < decisions->count && decisions->list[at].start_ns > trail->start_ns)
		at++;
	if (at == SL_PAGE_DECISIONS_MAX)
		return;
	/* the same one, which has gone on since */
	if (at == decisions->count || decisions->list[at].start_ns != trail->start_ns ||
	    strcmp(decisions->list[at].id, trail->id) != 0) {
		if (decisions->count < SL_PAGE_DECISIONS_MAX)
			decisions->count++;
		memmove(&decisions->list[at + 1], &decisions->list[at],
			(decisions->count - 1 - at) * sizeof(*trail));
	}
	decisions->list[at] = *trail;
}

static void collect(const struct sl_page_scene *scene)
{
	struct sl_trail trail;

	for (uint32_t k = 0; k < scene->metrics->worker_count; k++) {
		for (uint32_t back = 0; back < SL_TRAIL_ENTRIES; back++) {
			if (sl_trails_recent(&scene->metrics->workers[k]->trails, back, &trail) &&
			    sl_trail_is_notable(&trail))
				keep(scene->decisions, &trail);
		}
	}
}

/* The brief as the inside of a JSON string. */
static void put_brief(const struct sl_page_scene *scene, const struct sl_trail *trail,
		      struct sl_text *text)
{
	struct sl_text brief;

	sl_text_init(&brief, 8192);
	sl_trail_write_brief(trail, &scene->state, &brief);
	sl_text_append_json(text, sl_text_string(&brief), brief.len);
	sl_text_fini(&brief);
}

static void put_decisions(const struct sl_page_scene *scene, struct sl_text *text)
{
	const struct sl_page_decisions *decisions = scene->decisions;

	collect(scene);
	sl_text_append_string(text, ",\"decisions\":[");
	for (uint32_t i = 0; i < decisions->count; i++) {
		sl_text_append_string(text, i ? ",{\"id\":" : "{\"id\":");
		sl_text_append_json_string(text, decisions->list[i].id);
		put_number(text, "started_ms", decisions->list[i].start_wall_ms);
		put_string(text, "model", decisions->list[i].model);
		sl_text_append_string(text, ",\"what\":\"");
		put_brief(scene, &decisions->list[i], text);
		sl_text_append_string(text, "\"}");
	}
	sl_text_append_char(text, ']');
}

/* ---- experiments ----------------------------------------------------------------------------- */

bool sl_page_chaos_runs(const struct sl_kernel_plane *plane, uint32_t row, uint64_t now_ns)
{
	return plane->chaos && row < SL_CHAOS_MAX &&
	       __atomic_load_n(&plane->settings->chaos, __ATOMIC_ACQUIRE) >> row & 1 &&
	       __atomic_load_n(&plane->chaos[row].until_ns, __ATOMIC_ACQUIRE) > now_ns;
}

static void put_chaos(const struct sl_page_scene *scene, struct sl_page_facts *facts,
		      struct sl_text *text)
{
	static const char *const kinds[SL_CHAOS_KINDS] = {"none",    "drop",   "reset",
							  "corrupt", "garble", "lag"};
	const struct sl_kernel_plane *plane = scene->metrics->plane;
	const char *between = "";

	sl_text_append_string(text, ",\"chaos\":[");
	for (uint32_t row = 0; row < SL_CHAOS_MAX; row++) {
		char name[sizeof(plane->chaos->name) + 1];
		uint64_t end_ns;

		if (!sl_page_chaos_runs(plane, row, scene->now_ns))
			continue;
		snprintf(name, sizeof(name), "%.64s", plane->chaos[row].name);
		end_ns = plane->chaos[row].end_ns;
		sl_text_printf(text, "%s{\"number\":%u", between, plane->chaos[row].number);
		put_string(text, "aim", name);
		put_string(text, "kind", kinds[plane->chaos[row].kind % SL_CHAOS_KINDS]);
		put_rate(text, "percent", 100.0 * plane->chaos[row].share / SL_CHAOS_ALL);
		put_number(text, "hits", plane->chaos[row].hits);
		put_number(text, "left_ms",
			   end_ns > scene->now_ns ? (end_ns - scene->now_ns) / SL_NS_PER_MS : 0);
		sl_text_append_char(text, '}');
		facts->experiments++;
		between = ",";
	}
	sl_text_append_char(text, ']');
}

/* ---- history --------------------------------------------------------------------------------- */

enum series { AT, REQUESTS, ERRORS, TTFT50, TTFT95, IN_FLIGHT, WAITING, SERIES };

static void put_value(struct sl_text *text, const struct sl_page_sample *sample, enum series series)
{
	const double values[SERIES] = {
		[REQUESTS] = sample->rates.requests,
		[ERRORS] = sample->rates.errors,
		[TTFT50] = (double)sample->rates.ttft_p50_us / 1000,
		[TTFT95] = (double)sample->rates.ttft_p95_us / 1000,
		[IN_FLIGHT] = (double)sample->in_flight,
		[WAITING] = (double)sample->waiting,
	};

	if (series == AT)
		sl_text_printf(text, "%" PRIu64, sample->wall_ms);
	else if ((series == TTFT50 || series == TTFT95) && values[series] == 0)
		sl_text_append_string(text, "null"); /* no stream began */
	else
		sl_text_printf(text, "%.4g", values[series]);
}

/* The oldest first. */
static void put_history(const struct sl_page_counts *counts, struct sl_text *text)
{
	static const char *const names[SERIES] = {"at_ms",	 "requests_per_s", "errors_per_s",
						  "ttft_p50_ms", "ttft_p95_ms",	   "in_flight",
						  "waiting"};
	uint64_t first =
		counts->sample_count > SL_PAGE_SAMPLES ? counts->sample_count - SL_PAGE_SAMPLES : 0;

	sl_text_append_string(text, ",\"history\":{");
	for (int series = 0; series < SERIES; series++) {
		sl_text_printf(text, "%s\"%s\":[", series ? "," : "", names[series]);
		for (uint64_t i = first; i < counts->sample_count; i++) {
			sl_text_append_string(text, i > first ? "," : "");
			put_value(text, &counts->samples[i % SL_PAGE_SAMPLES], (enum series)series);
		}
		sl_text_append_char(text, ']');
	}
	sl_text_append_char(text, '}');
}

/* ---- all ------------------------------------------------------------------------------------- */

static void put_head(const struct sl_page_scene *scene, const struct sl_page_facts *facts,
		     struct sl_text *text)
{
	const struct sl_metrics_source *metrics = scene->metrics;
	char time[SL_CLOCK_ISO_SIZE], host[HOST_BYTES] = "localhost", memory[2048];
	struct sl_text summary;
	enum sl_page_level level;

	sl_clock_format_iso(sl_clock_wall_ms(), time);
	(void)!gethostname(host, sizeof(host) - 1);
	sl_text_init_fixed(&summary, memory, sizeof(memory));
	level = sl_page_judge(facts, &summary);
	sl_text_append_string(text, "{\"time\":");
	sl_text_append_json_string(text, time);
	put_string(text, "host", host);
	put_number(text, "pid", (uint64_t)getpid());
	put_number(text, "started_ms", metrics->start_wall_ms);
	put_string(text, "kernel_plane", metrics->plane->bpf ? "bpf" : "memory");
	put_string(text, "io", metrics->io_backend);
	put_number(text, "interval_ms", scene->interval_ms);
	put_bool(text, "ends", facts->ends);
	put_bool(text, "well", level == SL_PAGE_WELL);
	put_string(text, "level", sl_page_level_name(level));
	put_string(text, "summary", sl_text_string(&summary));
}

static void put_totals(const struct sl_page_scene *scene, struct sl_text *text)
{
	const struct sl_page_counts *counts = scene->counts;
	const struct sl_page_sample *last =
		&counts->samples[(counts->sample_count + SL_PAGE_SAMPLES - 1) % SL_PAGE_SAMPLES];

	sl_text_printf(text, ",\"totals\":{\"in_flight\":%" PRIu64, last->in_flight);
	put_number(text, "waiting", last->waiting);
	put_rates(text, &counts->all);
	sl_text_append_char(text, '}');
}

void sl_page_say(const struct sl_page_scene *scene, struct sl_text *text)
{
	struct sl_page_facts facts = *scene->told;
	struct sl_text body;

	sl_text_init(&body, text->cap);
	put_totals(scene, &body);
	put_pools(scene, &facts, &body);
	put_routes(scene, &facts, &body);
	put_queues(scene, &facts, &body);
	put_decisions(scene, &body);
	put_chaos(scene, &facts, &body);
	put_history(scene->counts, &body);
	put_head(scene, &facts, text);
	sl_text_append_span(text, sl_text_span(&body));
	sl_text_append_span(text, scene->parts);
	sl_text_append_char(text, '}');
	if (body.error && !text->error)
		text->error = body.error;
	sl_text_fini(&body);
}
