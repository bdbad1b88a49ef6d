/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/chaos.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/chaos_parts.h"

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	struct sl_chaos_part *part = calloc(1, sizeof(*part));

	if (!part)
		return -ENOMEM;
	part->place = *place;
	part->board = place->state.retries->strikes;
	part->routes = sl_routes_get(routes);
	*ret_part = part;
	return 0;
}

/* ---- who is told ----------------------------------------------------------------------------- */

/* why: "" or how it ended, in words. */
static void tell(const char *name, const char *who, bool over, const char *why)
{
	struct sl_notice notice = {
		.kind = SL_NOTICE_CHAOS,
		.level = SL_NOTICE_INFO,
		.of = SL_NOTICE_OF_DAEMON,
		.over = over,
		.audit = true,
	};
	const char *colon = *why ? ": " : "";

	sl_notice_set(notice.name, sizeof(notice.name), name);
	sl_notice_set(notice.who, sizeof(notice.who), who);
	sl_notice_tell(&notice, "experiment %s: %s%s%s", over ? "ended" : "began", name, colon,
		       why);
	sl_log(SL_LOG_WARN, "chaos: experiment %s: %s%s%s (%s)", over ? "ended" : "began", name,
	       colon, why, who);
}

static void take_verdict(struct sl_chaos_part *part, const struct sl_admin_ask *ask,
			 const char *verdict)
{
	struct sl_notice notice = {.kind = SL_NOTICE_CHAOS,
				   .of = SL_NOTICE_OF_DAEMON,
				   .over = true, /* it is */
				   .audit = true};
	uint32_t i = part->verdict_count++ % SL_CHAOS_VERDICTS_MAX;

	part->verdicts[i].wall_ms = sl_clock_wall_ms();
	snprintf(part->verdicts[i].text, sizeof(part->verdicts[i].text), "%s", verdict);
	sl_notice_set(notice.who, sizeof(notice.who), ask->who);
	sl_notice_tell(&notice, "experiment judged: %s", verdict);
}

/* ---- whom an order means --------------------------------------------------------------------- */

struct aim {
	uint64_t nodes[SL_STRIKE_WORDS];
	uint32_t count;
};

static bool is_in(const uint64_t *nodes, uint32_t slot)
{
	return nodes[slot / 64] >> slot % 64 & 1;
}

static bool is_index(struct sl_span text, const char *pool, uint32_t index)
{
	struct sl_span rest = text, name = sl_span_cut(&rest, '/');
	uint64_t number;

	return rest.data && sl_span_equal(name, sl_span_string(pool)) &&
	       !sl_span_u64(rest, &number) && number == index;
}

static bool means(const struct sl_strike_order *order, const struct sl_config_pool *pool,
		  uint32_t j)
{
	const struct sl_config_node *node = &pool->nodes[j];
	char address[SL_ADDRESS_TEXT_SIZE];

	switch (order->aim) {
	case SL_STRIKE_AIM_POOL:
		return !strcmp(order->at, pool->name);
	case SL_STRIKE_AIM_ZONE:
		return node->zone && !strcmp(order->at, node->zone);
	case SL_STRIKE_AIM_REGION:
		return node->region && !strcmp(order->at, node->region);
	case SL_STRIKE_AIM_NODE:
		return !strcmp(order->at, node->text) ||
		       (!node->host &&
			!strcmp(order->at, sl_address_format(&node->endpoint, address))) ||
		       is_index(sl_span_string(order->at), pool->name, j);
	default:
		return false;
	}
}

static void take_aim(const struct sl_routes *routes, const struct sl_strike_order *order,
		     struct aim *aim)
{
	const struct sl_config *config = routes->config;

	*aim = (struct aim){.count = 0};
	for (uint32_t i = 0; i < config->pool_count; i++) {
		for (uint32_t j = 0; j < config->pools[i].node_count; j++) {
			uint32_t slot = routes->topology.node_slots[i][j];

			if (!means(order, &config->pools[i], j) || is_in(aim->nodes, slot))
				continue;
			aim->nodes[slot / 64] |= 1ull << slot % 64;
			aim->count++;
		}
	}
}

/* By this order or one that runs. */
static bool is_struck(const struct sl_chaos_part *part, const struct aim *aim, uint32_t slot)
{
	if (is_in(aim->nodes, slot))
		return true;
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		if (part->board->rows[i].runs && is_in(part->board->rows[i].nodes, slot))
			return true;
	}
	return false;
}

static int keep_limits(const struct sl_chaos_part *part, const struct sl_strike_order *order,
		       const struct aim *aim, struct sl_error *error)
{
	const struct sl_config *config = part->routes->config;

	if (order->limit_nodes && aim->count > order->limit_nodes)
		return sl_error_set(error, -EPERM, "%u nodes would be struck, the limit is %u",
				    aim->count, order->limit_nodes);
	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];
		uint32_t struck = 0, ours = 0;
		int rc;

		for (uint32_t j = 0; j < pool->node_count; j++) {
			uint32_t slot = part->routes->topology.node_slots[i][j];

			struck += is_struck(part, aim, slot);
			ours += is_in(aim->nodes, slot);
		}
		rc = ours ? sl_strike_limit(pool->name, struck, pool->node_count,
					    order->limit_percent, error)
			  : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* ---- begin and end --------------------------------------------------------------------------- */

static const char *end_text(enum sl_strike_end end)
{
	switch (end) {
	case SL_STRIKE_ORPHANED:
		return "who ordered it is gone";
	case SL_STRIKE_SPENT:
		return "its hits are spent";
	case SL_STRIKE_BURNED:
		return "an objective burns its budget";
	default:
		return "";
	}
}

/* Those that are over are over for the limits, too. */
static void sweep(struct sl_chaos_part *part)
{
	struct sl_strike_order order;
	enum sl_strike_end end;

	while ((end = sl_strike_board_sweep(part->board, sl_clock_ms(), &order)) != SL_STRIKE_RUNS)
		tell(order.name, "daemon", true, end_text(end));
}

static void start(struct sl_chaos_part *part, const struct sl_admin_ask *ask, const char *words,
		  struct sl_text *text)
{
	struct sl_error error = {{0}};
	struct sl_strike_order order;
	struct aim aim = {.count = 0};
	uint32_t number;
	int rc = sl_strike_read(words, &order, &error);

	sweep(part);
	if (!rc && order.aim != SL_STRIKE_AIM_STORE) {
		take_aim(part->routes, &order, &aim);
		rc = aim.count ? keep_limits(part, &order, &aim, &error)
			       : sl_error_set(&error, -ENOENT, "\"%s\" means no node", order.at);
	}
	if (rc) {
		sl_text_printf(text, "!%s", error.text);
		return;
	}
	number = sl_strike_board_begin(part->board, &order, aim.nodes, sl_clock_ms());
	if (!number) {
		sl_text_printf(text, "!%u experiments run: there is no room for another",
			       SL_STRIKES_MAX);
		return;
	}
	tell(order.name, ask->who, false, "");
	sl_text_printf(text, "%u", number);
	for (uint32_t slot = 0; slot < SL_NODES_MAX; slot++) {
		if (is_in(aim.nodes, slot))
			sl_text_printf(text, " %u", slot);
	}
	sl_text_append_char(text, '\n');
}

static struct sl_strike_row *find(struct sl_chaos_part *part, const char *word)
{
	uint64_t number;

	if (sl_span_u64(sl_span_string(word), &number) || number > UINT32_MAX)
		return NULL;
	return sl_strike_board_find(part->board, (uint32_t)number);
}

static void renew(struct sl_chaos_part *part, const char *word, struct sl_text *text)
{
	struct sl_strike_row *row;

	sweep(part);
	row = find(part, word);
	if (!row) {
		sl_text_printf(text, "!there is no experiment %s", word);
		return;
	}
	if (row->runs)
		sl_strike_board_renew(row, sl_clock_ms());
	sl_text_printf(text, "%s %llu %llu\n",
		       sl_chaos_end_word(row->runs ? SL_STRIKE_RUNS : row->ended),
		       (unsigned long long)__atomic_load_n(&row->seen, __ATOMIC_RELAXED),
		       (unsigned long long)__atomic_load_n(&row->hits, __ATOMIC_RELAXED));
}

static void end(struct sl_chaos_part *part, struct sl_strike_row *row, enum sl_strike_end how,
		const char *who)
{
	sl_strike_board_end(part->board, row, how);
	tell(row->order.name, who, true, end_text(how));
}

/* Ends all that run; those that are to go on despite a burn do where that is the reason. */
static uint32_t end_all(struct sl_chaos_part *part, enum sl_strike_end how, const char *who)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		struct sl_strike_row *row = &part->board->rows[i];

		if (!row->runs || (how == SL_STRIKE_BURNED && row->order.despite_burn))
			continue;
		end(part, row, how, who);
		count++;
	}
	return count;
}

static void stop_some(struct sl_chaos_part *part, const struct sl_admin_ask *ask, const char *word,
		      struct sl_text *text)
{
	struct sl_strike_row *row;

	sweep(part);
	if (!strcmp(word, "all")) {
		sl_text_printf(text, "%u stopped\n", end_all(part, SL_STRIKE_STOPPED, ask->who));
		return;
	}
	row = find(part, word);
	if (!row || !row->runs) {
		sl_text_printf(text, "!no experiment %s runs", word);
		return;
	}
	end(part, row, SL_STRIKE_STOPPED, ask->who);
	sl_text_append_string(text, "1 stopped\n");
}

/* Of its nodes, those stay struck that are there and meant yet; none is added. Its limits hold for them, too. */
static void aim_anew(struct sl_chaos_part *part, struct sl_strike_row *row)
{
	struct sl_error error = {{0}};
	struct aim aim;

	take_aim(part->routes, &row->order, &aim);
	if (!sl_strike_board_narrow(row, aim.nodes)) {
		sl_error_set(&error, -ENOENT, "none of its nodes is configured any more");
	} else {
		memcpy(aim.nodes, row->nodes, sizeof(aim.nodes));
		aim.count = 0;
		for (uint32_t i = 0; i < SL_STRIKE_WORDS; i++)
			aim.count += (uint32_t)__builtin_popcountll(aim.nodes[i]);
		if (!keep_limits(part, &row->order, &aim, &error))
			return;
	}
	sl_strike_board_end(part->board, row, SL_STRIKE_STOPPED);
	tell(row->order.name, "daemon", true, error.text);
}

/* ---- the part -------------------------------------------------------------------------------- */

static void apply(void *owner, struct sl_routes *routes)
{
	struct sl_chaos_part *part = owner;
	struct sl_routes *old = part->routes;

	part->routes = sl_routes_get(routes);
	sl_routes_put(&old);
	sweep(part);
	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++) {
		struct sl_strike_row *row = &part->board->rows[i];

		if (row->runs && row->order.aim != SL_STRIKE_AIM_STORE)
			aim_anew(part, row);
	}
}

static void take_notice(void *owner, const struct sl_notice *notice)
{
	struct sl_chaos_part *part = owner;

	if (notice->kind != SL_NOTICE_BURN || notice->over || notice->level != SL_NOTICE_BAD)
		return;
	part->burns++;
	end_all(part, SL_STRIKE_BURNED, "daemon");
}

static void poll_part(void *owner, uint64_t now_ms)
{
	struct sl_chaos_part *part = owner;

	(void)now_ms;
	if (sl_strike_board_is_on(part->board))
		sweep(part);
}

static void stop_part(void *owner, bool leaving)
{
	(void)leaving; /* the process that takes over knows of none */
	end_all(owner, SL_STRIKE_STOPPED, "daemon");
}

/* What is behind the word, or NULL: it is another one. */
static const char *behind(const char *words, const char *word)
{
	size_t len = strlen(word);

	return !strncmp(words, word, len) && words[len] == ' ' ? words + len + 1 : NULL;
}

static void say(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_chaos_part *part = owner;
	const char *verb = strchr(ask->words, ' '), *rest;

	verb = verb ? verb + 1 : "";
	if (!strcmp(verb, "facts"))
		sl_chaos_say_facts(part, text);
	else if (!strcmp(verb, "list")) {
		sweep(part);
		sl_chaos_say_list(part, !strncmp(ask->words, "json ", 5), text);
	} else if (!strcmp(verb, "report"))
		sl_chaos_say_report(part, !strncmp(ask->words, "json ", 5), text);
	else if ((rest = behind(verb, "verdict")))
		take_verdict(part, ask, rest);
	else if ((rest = behind(verb, "began")))
		tell(rest, ask->who, false, "");
	else if ((rest = behind(verb, "ended")))
		tell(rest, ask->who, true, "");
	else if ((rest = behind(verb, "start")))
		start(part, ask, rest, text);
	else if ((rest = behind(verb, "renew")))
		renew(part, rest, text);
	else if ((rest = behind(verb, "stop")))
		stop_some(part, ask, rest, text);
	else
		sl_text_append_string(text,
				      "!expected: chaos FORMAT facts|list|report|start ORDER|renew "
				      "NUMBER|stop NUMBER|began NAME|ended NAME|verdict TEXT");
}

static void write_metrics(void *owner, struct sl_text *text)
{
	sl_chaos_write_metrics(owner, text);
}

static void close_part(void *owner)
{
	struct sl_chaos_part *part = owner;

	sl_routes_put(&part->routes);
	free(part);
}

static void add_facts(void *owner, struct sl_page_facts *facts)
{
	const struct sl_chaos_part *part = owner;

	for (uint32_t i = 0; i < SL_STRIKES_MAX; i++)
		facts->experiments += part->board->rows[i].runs;
}

const struct sl_watch_part sl_chaos_part = {
	.word = "chaos",
	.open = open_part,
	.apply = apply,
	.notice = take_notice,
	.poll = poll_part,
	.write_metrics = write_metrics,
	.add_facts = add_facts,
	.say = say,
	.stop = stop_part,
	.close = close_part,
};
