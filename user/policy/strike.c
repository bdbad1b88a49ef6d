/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/strike.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "bpf/hash.h"
#include "user/base/unit.h"

#define STATUS_DEFAULT	 503u
#define DELAY_MS_DEFAULT 1000u
#define PARTS_MAX	 1000000ull /* of a share, as it is written */

static const char *const kind_names[SL_STRIKE_COUNT] = {[SL_STRIKE_NONE] = "none",
#define X(id, name) [SL_STRIKE_##id] = name,
							SL_STRIKE_KINDS(X)
#undef X
};

static const char *const store_names[SL_STRIKE_STORES] = {
	[SL_STRIKE_STORE_NONE] = "",
	[SL_STRIKE_STORE_CACHE] = "cache",
	[SL_STRIKE_STORE_SEMANTIC] = "semantic",
	[SL_STRIKE_STORE_DOCUMENTS] = "documents",
};

const char *sl_strike_kind_name(enum sl_strike_kind kind)
{
	return kind < SL_STRIKE_COUNT ? kind_names[kind] : kind_names[SL_STRIKE_NONE];
}

const char *sl_strike_store_name(enum sl_strike_store store)
{
	return store < SL_STRIKE_STORES ? store_names[store] : "";
}

/* ---- values ---------------------------------------------------------------------------------- */

typedef bool (*read_fn)(struct sl_span value, struct sl_strike_order *order);

static bool read_number(struct sl_span value, uint64_t least, uint64_t most, uint32_t *ret)
{
	uint64_t number;

	if (sl_span_u64(value, &number) || number < least || number > most)
		return false;
	*ret = (uint32_t)number;
	return true;
}

static bool read_ms(struct sl_span value, uint64_t least, uint64_t most, uint32_t *ret)
{
	uint64_t ms;

	if (sl_unit_parse_ms(value.data, value.len, &ms) || ms < least || ms > most)
		return false;
	*ret = (uint32_t)ms;
	return true;
}

/* "30%", "0.5%", "0.3": exactly, without floating point. */
static bool read_share(struct sl_span value, struct sl_strike_order *order)
{
	uint64_t whole = 0, parts = 0, scale = PARTS_MAX;
	bool percent = value.len && value.data[value.len - 1] == '%';
	struct sl_span rest = sl_span_make(value.data, value.len - percent);
	struct sl_span before = sl_span_cut(&rest, '.');

	if (sl_span_u64(before, &whole) || whole > 100 || (rest.data && !rest.len))
		return false;
	for (size_t i = 0; i < rest.len; i++) {
		if (rest.data[i] < '0' || rest.data[i] > '9' || scale == 1)
			return false;
		scale /= 10;
		parts += (uint64_t)(rest.data[i] - '0') * scale;
	}
	parts += whole * PARTS_MAX;
	if (!percent)
		parts *= 100;
	if (!parts || parts > 100 * PARTS_MAX)
		return false;
	order->share = (uint32_t)(parts * SL_STRIKE_ALL / (100 * PARTS_MAX));
	order->share += !order->share;
	return true;
}

static bool read_aim(struct sl_span value, enum sl_strike_aim aim, struct sl_strike_order *order)
{
	if (order->aim || !value.len || value.len >= sizeof(order->at))
		return false;
	order->aim = aim;
	snprintf(order->at, sizeof(order->at), "%.*s", (int)value.len, value.data);
	return true;
}

static bool read_node(struct sl_span value, struct sl_strike_order *order)
{
	return read_aim(value, SL_STRIKE_AIM_NODE, order);
}

static bool read_pool(struct sl_span value, struct sl_strike_order *order)
{
	return read_aim(value, SL_STRIKE_AIM_POOL, order);
}

static bool read_zone(struct sl_span value, struct sl_strike_order *order)
{
	return read_aim(value, SL_STRIKE_AIM_ZONE, order);
}

static bool read_region(struct sl_span value, struct sl_strike_order *order)
{
	return read_aim(value, SL_STRIKE_AIM_REGION, order);
}

static bool read_store(struct sl_span value, struct sl_strike_order *order)
{
	for (uint32_t i = SL_STRIKE_STORE_CACHE; i < SL_STRIKE_STORES; i++) {
		if (sl_span_equal(value, sl_span_string(store_names[i])))
			order->store = (enum sl_strike_store)i;
	}
	return order->store && read_aim(value, SL_STRIKE_AIM_STORE, order);
}

static bool read_status(struct sl_span value, struct sl_strike_order *order)
{
	return read_number(value, 400, 599, &order->strike.status);
}

static bool read_delay(struct sl_span value, struct sl_strike_order *order)
{
	return read_ms(value, 1, SL_STRIKE_DELAY_MS_MAX, &order->strike.delay_ms);
}

static bool read_jitter(struct sl_span value, struct sl_strike_order *order)
{
	return read_ms(value, 0, SL_STRIKE_DELAY_MS_MAX, &order->strike.jitter_ms);
}

static bool read_after(struct sl_span value, struct sl_strike_order *order)
{
	order->strike.after_bytes = value.len && value.data[value.len - 1] == 'b';
	value.len -= order->strike.after_bytes;
	return read_number(value, 0, SL_STRIKE_AFTER_MAX, &order->strike.after);
}

static bool read_how(struct sl_span value, struct sl_strike_order *order)
{
	order->strike.bad_chunk = sl_span_equal(value, SL_SPAN("chunk"));
	return order->strike.bad_chunk || sl_span_equal(value, SL_SPAN("json"));
}

static bool read_yes(struct sl_span value, bool *ret)
{
	*ret = sl_span_equal(value, SL_SPAN("yes"));
	return *ret || sl_span_equal(value, SL_SPAN("no"));
}

static bool read_checks(struct sl_span value, struct sl_strike_order *order)
{
	return read_yes(value, &order->checks);
}

static bool read_burn(struct sl_span value, struct sl_strike_order *order)
{
	return read_yes(value, &order->despite_burn);
}

static bool read_hits(struct sl_span value, struct sl_strike_order *order)
{
	return !sl_span_u64(value, &order->hits_max) && order->hits_max;
}

static bool read_time(struct sl_span value, struct sl_strike_order *order)
{
	return read_ms(value, 1, SL_STRIKE_TIME_MS_MAX, &order->time_ms);
}

static bool read_lease(struct sl_span value, struct sl_strike_order *order)
{
	return read_ms(value, 1, SL_STRIKE_TIME_MS_MAX, &order->lease_ms);
}

static bool read_limit(struct sl_span value, struct sl_strike_order *order)
{
	value.len -= value.len && value.data[value.len - 1] == '%';
	return read_number(value, 1, 100, &order->limit_percent);
}

static bool read_nodes(struct sl_span value, struct sl_strike_order *order)
{
	return read_number(value, 1, UINT32_MAX, &order->limit_nodes);
}

#define BIT(kind)  (1u << SL_STRIKE_##kind)
#define ANY	   UINT32_MAX
#define OF_ANSWERS (BIT(CUT) | BIT(MALFORMED))

static const struct {
	const char *key;
	read_fn read;
	uint32_t kinds; /* that know it */
	const char *expected;
} keys[] = {
	{"node", read_node, ANY, "one aim: a node, as 10.0.0.7:8000 or chat/0"},
	{"pool", read_pool, ANY, "one aim: the name of a pool"},
	{"zone", read_zone, ANY, "one aim: the name of a zone"},
	{"region", read_region, ANY, "one aim: the name of a region"},
	{"store", read_store, BIT(DOWN), "one aim: cache, semantic or documents"},
	{"share", read_share, ANY, "a share of the requests, as 30% or 0.3"},
	{"status", read_status, BIT(ERROR), "a status from 400 to 599"},
	{"delay", read_delay, BIT(DELAY) | BIT(SLOW), "a time from 1ms to 10m"},
	{"jitter", read_jitter, BIT(DELAY), "a time up to 10m"},
	{"after", read_after, OF_ANSWERS, "a number of events, or of bytes as 200b"},
	{"how", read_how, BIT(MALFORMED), "json or chunk"},
	{"checks", read_checks, ANY & ~BIT(DOWN), "yes or no"},
	{"despite_burn", read_burn, ANY, "yes or no"},
	{"hits", read_hits, ANY, "a number from 1 on"},
	{"for", read_time, ANY, "a time up to an hour, as 30s"},
	{"lease", read_lease, ANY, "a time up to an hour, as 5s"},
	{"limit", read_limit, ANY, "a share of a pool's nodes from 1% to 100%"},
	{"nodes", read_nodes, ANY, "a number of nodes from 1 on"},
};

/* ---- words ----------------------------------------------------------------------------------- */

static int take_pair(struct sl_span word, struct sl_strike_order *order, struct sl_error *error)
{
	struct sl_span value = word, key = sl_span_cut(&value, '=');
	const char *kind = sl_strike_kind_name(order->strike.kind);

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!sl_span_equal(key, sl_span_string(keys[i].key)))
			continue;
		if (!(keys[i].kinds >> order->strike.kind & 1))
			return sl_error_set(error, -EINVAL, "an experiment of kind %s has no %s",
					    kind, keys[i].key);
		if (!value.data || !keys[i].read(value, order))
			return sl_error_set(error, -EINVAL, "%s \"%.*s\": expected %s", keys[i].key,
					    (int)value.len, value.data ? value.data : "",
					    keys[i].expected);
		return 0;
	}
	return sl_error_set(error, -EINVAL, "\"%.*s\" is no word of an experiment", (int)word.len,
			    word.data);
}

static enum sl_strike_kind find_kind(struct sl_span word)
{
	for (uint32_t i = SL_STRIKE_NONE + 1; i < SL_STRIKE_COUNT; i++) {
		if (sl_span_equal(word, sl_span_string(kind_names[i])))
			return (enum sl_strike_kind)i;
	}
	return SL_STRIKE_NONE;
}

static void make_name(struct sl_strike_order *order)
{
	static const char *const words[] = {
		[SL_STRIKE_AIM_NONE] = "",	   [SL_STRIKE_AIM_NODE] = "node",
		[SL_STRIKE_AIM_POOL] = "pool",	   [SL_STRIKE_AIM_ZONE] = "zone",
		[SL_STRIKE_AIM_REGION] = "region", [SL_STRIKE_AIM_STORE] = "store",
	};

	if (!order->name[0])
		snprintf(order->name, sizeof(order->name), "%s %s %.100s",
			 sl_strike_kind_name(order->strike.kind), words[order->aim], order->at);
}

static int finish(struct sl_strike_order *order, struct sl_error *error)
{
	bool down = order->strike.kind == SL_STRIKE_DOWN;

	if (!order->aim || down != (order->aim == SL_STRIKE_AIM_STORE))
		return sl_error_set(error, -EINVAL, "%s",
				    down ? "down needs store=cache, semantic or "
					   "documents; a pool's nodes can refuse"
					 : "whom? say one of node, pool, zone, region");
	if (!order->lease_ms || order->lease_ms > order->time_ms)
		order->lease_ms = order->time_ms;
	make_name(order);
	return 0;
}

int sl_strike_read(const char *words, struct sl_strike_order *ret_order, struct sl_error *error)
{
	struct sl_span rest = sl_span_string(words);
	struct sl_span kind = sl_span_cut(&rest, ' ');
	struct sl_strike_order order = {
		.strike = {.kind = find_kind(kind),
			   .status = STATUS_DEFAULT,
			   .delay_ms = DELAY_MS_DEFAULT},
		.share = SL_STRIKE_ALL,
		.hits_max = UINT64_MAX,
		.time_ms = SL_STRIKE_TIME_MS,
		.limit_percent = SL_STRIKE_LIMIT_PERCENT,
	};
	int rc = 0;

	if (!order.strike.kind)
		return sl_error_set(error, -EINVAL, "\"%.*s\" is no kind of experiment on requests",
				    (int)kind.len, kind.data);
	while (!rc && rest.data) {
		struct sl_span word;

		if (sl_span_starts(rest, SL_SPAN("name="))) {
			snprintf(order.name, sizeof(order.name), "%.*s", (int)(rest.len - 5),
				 rest.data + 5);
			break;
		}
		word = sl_span_cut(&rest, ' ');
		if (word.len)
			rc = take_pair(word, &order, error);
	}
	if (!rc)
		rc = finish(&order, error);
	if (!rc)
		*ret_order = order;
	return rc;
}

/* ---- who is struck --------------------------------------------------------------------------- */

uint64_t sl_strike_key(const char *id)
{
	uint64_t key = 0;

	for (; *id; id++)
		key = sl_mix64(key ^ (unsigned char)*id);
	return key;
}

static uint32_t chance(uint32_t number, uint64_t key)
{
	return (uint32_t)(sl_mix64(sl_hash_combine(sl_mix64(number), key)) >> 32);
}

bool sl_strike_takes(uint32_t number, uint64_t key, uint32_t share)
{
	return chance(number, key) % SL_STRIKE_ALL < share;
}

uint32_t sl_strike_delay_ms(const struct sl_strike *strike, uint64_t key)
{
	uint32_t span = 2 * strike->jitter_ms + 1;
	uint32_t delay_ms = strike->delay_ms + chance(~strike->number, key) % span;

	return delay_ms > strike->jitter_ms ? delay_ms - strike->jitter_ms : 0;
}

int sl_strike_limit(const char *pool, uint32_t struck, uint32_t nodes, uint32_t limit_percent,
		    struct sl_error *error)
{
	uint32_t most = (uint32_t)((uint64_t)nodes * limit_percent / 100);

	if (!most && nodes > 1)
		most = 1;
	if (struck <= most)
		return 0;
	return sl_error_set(
		error, -EPERM,
		"%u of the %u nodes of pool \"%s\" would be struck, the limit is %u%% (%u)", struck,
		nodes, pool, limit_percent, most);
}
