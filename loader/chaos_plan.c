/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/say.h"
#include "user/base/address.h"
#include "user/base/config.h"
#include "user/base/text.h"
#include "user/base/unit.h"

#define NEXT	   "sluice chaos --help"
#define ZONE_BYTES 256u

/* ---- whom ---------------------------------------------------------------------------------- */

static uint32_t slot_of(const struct sl_view *view, const struct sl_endpoint *endpoint)
{
	for (uint32_t slot = 1; slot < sl_view_node_slots(view); slot++) {
		if ((view->nodes[slot].admin & SL_NODE_PRESENT) &&
		    sl_address_equal(&view->nodes[slot].endpoint, endpoint))
			return slot;
	}
	return 0;
}

/* The file that tells of zones and regions; `of` and `name` say which one is looked for. */
static int open_config(const char *of, const char *name, const char *path,
		       struct sl_config **ret_config)
{
	char *errors = NULL;

	if (!path)
		return sl_say_error("--config CONFIG",
				    "%s \"%s\": the kernel plane knows none, the configuration "
				    "file does",
				    of, name);
	if (sl_config_read(path, ret_config, &errors)) {
		free(errors);
		return sl_say_error("sluice check CONFIG", "configuration \"%s\" is refused", path);
	}
	return SL_EXIT_OK;
}

/* Those of the zone, or of the region where `of` says so. */
static void aim_nodes_in(const struct sl_view *view, const struct sl_config *config, const char *of,
			 const char *name, struct sl_chaos_plan *plan)
{
	for (uint32_t i = 0; i < config->pool_count; i++) {
		for (uint32_t j = 0; j < config->pools[i].node_count; j++) {
			const struct sl_config_node *node = &config->pools[i].nodes[j];
			const char *where = strcmp(of, "zone") != 0 ? node->region : node->zone;
			uint32_t slot =
				where && !strcmp(where, name) ? slot_of(view, &node->endpoint) : 0;

			if (slot)
				sl_chaos_aim_add(&plan->aim, slot);
		}
	}
}

/* The nodes of a zone, or of a region. */
static int aim_place(const struct sl_view *view, const struct sl_chaos_words_of *words,
		     struct sl_chaos_plan *plan)
{
	const char *name = words->zone ? words->zone : words->region;
	const char *of = words->zone ? "zone" : "region";
	struct sl_config *config;

	if (open_config(of, name, words->config, &config))
		return SL_EXIT_FAILED;
	aim_nodes_in(view, config, of, name, plan);
	sl_config_close(&config);
	snprintf(plan->aimed_at, sizeof(plan->aimed_at), "%s %.50s", of, name);
	return SL_EXIT_OK;
}

/* This host is on one side of what lies between the zones, the nodes are on the other one. */
static int aim_between(const struct sl_view *view, const char *zones, const char *path,
		       struct sl_chaos_plan *plan)
{
	const char *comma = strchr(zones, ',');
	char near[ZONE_BYTES], far[ZONE_BYTES];
	struct sl_config *config;
	const char *other = NULL;
	int exit_code = SL_EXIT_OK;

	if (!comma || comma == zones || !comma[1] || strchr(comma + 1, ',') ||
	    strlen(zones) >= ZONE_BYTES)
		return sl_say_error(NEXT, "between \"%s\" are not two zones, as east,west", zones);
	snprintf(near, sizeof(near), "%.*s", (int)(comma - zones), zones);
	snprintf(far, sizeof(far), "%s", comma + 1);
	if (open_config("zones", zones, path, &config))
		return SL_EXIT_FAILED;
	if (config->zone && strcmp(near, far) != 0)
		other = !strcmp(config->zone, near)  ? far
			: !strcmp(config->zone, far) ? near
						     : NULL;
	if (other)
		aim_nodes_in(view, config, "zone", other, plan);
	else
		exit_code = sl_say_error("run it on a host of one of them, with `zone` in its "
					 "configuration",
					 "between \"%s\": this host's zone is \"%s\", one of the "
					 "two must be, and not both",
					 zones, config->zone ? config->zone : "");
	sl_config_close(&config);
	snprintf(plan->aimed_at, sizeof(plan->aimed_at), "between %.54s", zones);
	return exit_code;
}

static int aim_node(const struct sl_view *view, const char *text, struct sl_chaos_plan *plan)
{
	char address[SL_ADDRESS_TEXT_SIZE];
	uint32_t slot = sl_view_find_node(view, text);

	if (!slot)
		return SL_EXIT_FAILED;
	sl_chaos_aim_add(&plan->aim, slot);
	snprintf(plan->aimed_at, sizeof(plan->aimed_at), "node %.58s",
		 sl_address_format(&view->nodes[slot].endpoint, address));
	return SL_EXIT_OK;
}

static int aim_pool(const struct sl_view *view, const char *name, struct sl_chaos_plan *plan)
{
	uint32_t pool = sl_view_find_pool(view, name);

	if (!pool)
		return sl_say_error("sluice status", "there is no pool \"%s\"", name);
	sl_chaos_aim_pool(view, pool, &plan->aim);
	snprintf(plan->aimed_at, sizeof(plan->aimed_at), "pool %.58s", name);
	return SL_EXIT_OK;
}

/* Of requests: whom it means is the daemon's to know. */
static void aim_requests(const struct sl_chaos_words_of *words, struct sl_chaos_plan *plan)
{
	const char *what = words->node	   ? "node"
			   : words->pool   ? "pool"
			   : words->zone   ? "zone"
			   : words->region ? "region"
					   : "store";
	const char *name = words->node	   ? words->node
			   : words->pool   ? words->pool
			   : words->zone   ? words->zone
			   : words->region ? words->region
					   : words->store;

	snprintf(plan->aimed_at, sizeof(plan->aimed_at), "%s %.50s", what, name ? name : "");
}

static int aim(const struct sl_view *view, const struct sl_chaos_words_of *words,
	       struct sl_chaos_plan *plan)
{
	uint32_t aims = !!words->node + !!words->pool + !!words->zone + !!words->region +
			!!words->between + !!words->store;

	if (aims > 1 || (!aims && plan->word->level != SL_CHAOS_COMMANDS))
		return sl_say_error(
			NEXT, "say one of --node, --pool, --zone, --region, --between, --store");
	if (plan->word->level == SL_CHAOS_REQUESTS && words->between)
		return sl_say_error("--zone ZONE",
				    "%s is of requests: what is between zones is packets",
				    plan->word->name);
	if (plan->word->level == SL_CHAOS_REQUESTS) {
		aim_requests(words, plan);
		return SL_EXIT_OK;
	}
	if (words->store)
		return sl_say_error("sluice chaos start down --store STORE",
				    "%s is of packets: a store has none", plan->word->name);
	if (!aims) { /* all nodes are watched */
		snprintf(plan->aimed_at, sizeof(plan->aimed_at), "commands");
		return SL_EXIT_OK;
	}
	if (words->node)
		return aim_node(view, words->node, plan);
	if (words->pool)
		return aim_pool(view, words->pool, plan);
	if (words->between)
		return aim_between(view, words->between, words->config, plan);
	return aim_place(view, words, plan);
}

/* ---- how ----------------------------------------------------------------------------------- */

static int read_time(const char *name, const char *text, uint64_t otherwise_us, uint64_t *ret_us)
{
	*ret_us = otherwise_us;
	if (text && (sl_unit_parse_us(text, strlen(text), 1000000u, ret_us) || !*ret_us ||
		     *ret_us > SL_CHAOS_DURATION_S_MAX * 1000000ull))
		return sl_say_error(NEXT, "%s \"%s\" is no time up to an hour, as 30s or 5m", name,
				    text);
	return SL_EXIT_OK;
}

static int read_number(const char *name, const char *text, uint64_t most, uint64_t *ret_number)
{
	struct sl_span span = sl_span_string(text);

	if (span.len && span.data[span.len - 1] == '%')
		span.len--;
	if (sl_span_u64(span, ret_number) || !*ret_number || *ret_number > most)
		return sl_say_error(NEXT, "%s \"%s\" is not a number from 1 to %llu", name, text,
				    (unsigned long long)most);
	return SL_EXIT_OK;
}

static int read_way(const char *text, uint8_t *ret_ways)
{
	if (!strcmp(text, "to"))
		*ret_ways = SL_CHAOS_TO_NODE;
	else if (!strcmp(text, "from"))
		*ret_ways = SL_CHAOS_FROM_NODE;
	else if (strcmp(text, "both") != 0)
		return sl_say_error(NEXT, "way \"%s\" is none of to, from, both", text);
	return SL_EXIT_OK;
}

/* The words that the daemon reads; it says what is wrong with them. */
static int write_order(const struct sl_chaos_words_of *words, struct sl_chaos_plan *plan)
{
	const struct {
		const char *key, *value;
	} pairs[] = {
		{"node", words->node},
		{"pool", words->pool},
		{"zone", words->zone},
		{"region", words->region},
		{"store", words->store},
		{"share", words->share},
		{"status", words->status},
		{"delay", words->delay},
		{"jitter", words->jitter},
		{"after", words->after},
		{"how", words->how},
		{"checks", words->checks},
		{"despite_burn", words->despite_burn},
		{"hits", words->hits},
		{"limit", words->limit},
		{"nodes", words->nodes},
	};
	struct sl_error error = {{0}};
	struct sl_text order;

	if (words->share) /* as it is told; the daemon says what is wrong with it */
		(void)sl_chaos_parse_share(words->share, &plan->share, &error);
	sl_text_init_fixed(&order, plan->order, sizeof(plan->order));
	sl_text_append_string(&order, plan->word->name);
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!pairs[i].value)
			continue;
		if (strpbrk(pairs[i].value, " \n"))
			return sl_say_error(NEXT, "%s \"%s\" has a blank", pairs[i].key,
					    pairs[i].value);
		sl_text_printf(&order, " %s=%s", pairs[i].key, pairs[i].value);
	}
	if (words->way)
		return sl_say_error(NEXT, "an experiment on requests has no way");
	return order.error ? sl_say_error(NEXT, "its words are too long") : SL_EXIT_OK;
}

/* Words that only experiments on requests know, said of another one. */
static int refuse_foreign(const struct sl_chaos_words_of *words, const struct sl_chaos_plan *plan)
{
	bool lag = plan->word->kind == SL_CHAOS_LAG;
	const char *const foreign[] = {words->status,
				       lag ? NULL : words->delay,
				       lag ? NULL : words->jitter,
				       words->after,
				       words->how,
				       words->checks,
				       words->nodes};

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		if (foreign[i])
			return sl_say_error(
				NEXT,
				"%s is not of requests: no status, %safter, how, checks, "
				"nodes",
				plan->word->name, lag ? "" : "delay, jitter, ");
	}
	return SL_EXIT_OK;
}

/* How long packets are held back. */
static int read_lag(const struct sl_chaos_words_of *words, struct sl_chaos_plan *plan)
{
	if (plan->word->kind != SL_CHAOS_LAG)
		return SL_EXIT_OK;
	if (read_time("delay", words->delay, SL_CHAOS_LAG_DEFAULT_US, &plan->delay_us) ||
	    read_time("jitter", words->jitter, 0, &plan->jitter_us))
		return SL_EXIT_FAILED;
	if (plan->delay_us > SL_CHAOS_LAG_MAX_US)
		return sl_say_error(NEXT, "delay \"%s\" is above %llu s: use blackhole",
				    words->delay, SL_CHAOS_LAG_MAX_US / 1000000u);
	if (plan->jitter_us > plan->delay_us)
		return sl_say_error(NEXT, "jitter \"%s\" is above the delay", words->jitter);
	return SL_EXIT_OK;
}

static int read_amounts(const struct sl_chaos_words_of *words, struct sl_chaos_plan *plan)
{
	struct sl_error error = {{0}};
	uint64_t limit = SL_CHAOS_LIMIT_PERCENT;
	int exit_code = SL_EXIT_OK;

	plan->share = SL_CHAOS_ALL;
	plan->ways = SL_CHAOS_TO_NODE | SL_CHAOS_FROM_NODE;
	plan->hits_max = UINT64_MAX;
	if (plan->word->level != SL_CHAOS_REQUESTS && refuse_foreign(words, plan))
		return SL_EXIT_FAILED;
	if (plan->word->level == SL_CHAOS_REQUESTS)
		return write_order(words, plan);
	if (plan->word->whole && (words->share || words->way))
		return sl_say_error("drop, with --share or --way",
				    "%s is every packet, both ways: no --share, no --way",
				    plan->word->name);
	if (words->share && sl_chaos_parse_share(words->share, &plan->share, &error))
		return sl_say_error(NEXT, "share %s", error.text);
	if (words->way)
		exit_code = read_way(words->way, &plan->ways);
	if (!exit_code && words->hits)
		exit_code = read_number("hits", words->hits, UINT32_MAX, &plan->hits_max);
	if (!exit_code && words->limit)
		exit_code = read_number("limit", words->limit, 100, &limit);
	plan->limit_percent = (uint32_t)limit;
	return exit_code ? exit_code : read_lag(words, plan);
}

int sl_chaos_plan_make(const struct sl_view *view, const struct sl_chaos_words_of *words,
		       struct sl_chaos_plan *ret_plan)
{
	struct sl_chaos_plan *plan = ret_plan;
	struct sl_error error = {{0}};

	memset(plan, 0, sizeof(*plan));
	plan->daemon_socket = words->daemon_socket;
	plan->word = words->kind ? sl_chaos_find(words->kind) : NULL;
	if (plan->word && plan->word->level == SL_CHAOS_COMMANDS && !words->begin)
		return sl_say_error("docs/chaos.md",
				    "exec is of a game day's file, and needs a command: begin");
	plan->begin = words->begin;
	plan->end = words->end;
	plan->despite_burn = words->despite_burn && !strcmp(words->despite_burn, "yes");
	if (!plan->word)
		return sl_say_error(NEXT, "\"%s\" is no kind of experiment",
				    words->kind ? words->kind : "");
	if (read_amounts(words, plan) || read_time("before", words->before, 0, &plan->before_us) ||
	    read_time("for", words->duration, SL_CHAOS_DURATION_DEFAULT_US, &plan->duration_us) ||
	    read_time("recover", words->recover, SL_CHAOS_RECOVER_DEFAULT_US, &plan->recover_us))
		return SL_EXIT_FAILED;
	if (sl_chaos_conditions_parse(words->hypothesis, &plan->hypothesis, &error))
		return sl_say_error(NEXT, "hypothesis: %s", error.text);
	if (sl_chaos_conditions_parse(words->abort, &plan->abort, &error))
		return sl_say_error(NEXT, "abort: %s", error.text);
	if (aim(view, words, plan))
		return SL_EXIT_FAILED;
	if (words->title)
		snprintf(plan->title, sizeof(plan->title), "%s", words->title);
	else
		snprintf(plan->title, sizeof(plan->title), "%s %s", plan->word->name,
			 plan->aimed_at);
	return SL_EXIT_OK;
}
