/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/topology_work.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/address.h"
#include "user/base/config_profile.h"
#include "user/base/maglev.h"
#include "user/base/tunables.h"

/* The global row's default of a number: the profile's, else its own. */
static uint64_t default_of(uint32_t profile, int id)
{
	uint64_t value = sl_tunable_info[id].initial;

	if (profile < SL_PROFILES)
		sl_profile_tunable((enum sl_profile)profile, id, &value);
	return value;
}

/* A live number below the range was never written: a fresh map is all 0, keys of later builds are all ones. */
static bool was_written(int id, uint64_t live)
{
	return live != SL_TUNABLE_INHERIT && live >= sl_tunable_info[id].min;
}

/*
 * The global row, which a configuration fills: a number that its file does not name stays what an
 * operator made of it. One that is still the default of the profile before becomes that of this one.
 */
static void write_global(const struct sl_config *config, uint64_t *row, uint32_t profile_before,
			 bool is_fresh)
{
	for (int id = 0; id < (int)SL_TUNABLE_KEYS; id++) {
		uint64_t value = SL_TUNABLE_INHERIT, preset;

		if (id < SL_TUNABLE_COUNT) {
			value = config->tunables[id];
			preset = default_of((uint32_t)config->profile, id);
			if (value == preset && !is_fresh && was_written(id, row[id]) &&
			    row[id] != default_of(profile_before, id))
				continue;
		}
		__atomic_store_n(&row[id], value, __ATOMIC_RELAXED);
	}
}

/* A pool's row: what the file does not name stays, or inherits where it was never written. */
static void write_row(uint64_t *row, const uint64_t *wanted, bool is_fresh)
{
	for (int id = 0; id < (int)SL_TUNABLE_KEYS; id++) {
		bool is_known = id < SL_TUNABLE_COUNT;
		uint64_t value = is_known ? wanted[id] : SL_TUNABLE_INHERIT;

		if (value == SL_TUNABLE_INHERIT && !is_fresh && is_known &&
		    was_written(id, row[id]))
			continue;
		__atomic_store_n(&row[id], value, __ATOMIC_RELAXED);
	}
}

static void write_settings(const struct sl_topology_work *work)
{
	struct sl_settings *settings = work->view->settings;
	uint64_t *tunables = work->view->tunables;

	/* The first key is never 0 once it was written. */
	write_global(work->config, tunables, settings->profile, tunables[0] == 0);
	settings->profile = (uint32_t)work->config->profile;
	settings->abi_version = SL_ABI_VERSION;
	settings->tunable_count = SL_TUNABLE_COUNT;
	settings->counter_count = SL_COUNTER_COUNT;
	if (work->config->seed) /* 0: keep the one that was drawn, so that choices stay stable */
		settings->seed = work->config->seed;
	settings->nat_port_min = work->config->nat_port_min;
	settings->nat_port_max = work->config->nat_port_max;
	__atomic_store_n(&settings->gue_port, htons((uint16_t)work->config->gue_port),
			 __ATOMIC_RELEASE);
	sl_topology_store32(&settings->quic, work->config->quic_config);
	sl_topology_store32(&settings->role, (uint32_t)work->config->role);
}

static void write_pools(const struct sl_topology_work *work)
{
	const struct sl_topology_view *view = work->view;

	for (uint32_t p = 0; p < work->config->pool_count; p++) {
		const struct sl_config_pool *wanted = &work->config->pools[p];
		uint32_t slot = work->topology.pool_slots[p];
		struct sl_pool_state *pool = &view->pools[slot];
		bool is_fresh = !pool->present;

		write_row(&view->tunables[slot * SL_TUNABLE_KEYS], wanted->tunables, is_fresh);
		if (!is_fresh)
			continue;
		memset(pool, 0, sizeof(*pool));
		strncpy(pool->name, wanted->name, sizeof(pool->name) - 1);
		sl_topology_store32(&pool->present, 1);
	}
}

/* Flows keep the low half alone, and take 0 for none. */
static uint32_t next_incarnation(uint32_t incarnation)
{
	incarnation++;
	return (uint16_t)incarnation == 0 ? incarnation + 1 : incarnation;
}

/* The slot's first node, or another one than before; nothing leads to it yet. */
static void start_node(const struct sl_topology_view *view, uint32_t slot,
		       const struct sl_endpoint *endpoint)
{
	struct sl_node_state *node = &view->nodes[slot];
	uint32_t incarnation = next_incarnation(node->incarnation);
	uint64_t word =
		sl_breaker_pack(SL_BREAKER_CLOSED, 0, sl_breaker_generation(node->breaker) + 1, 0);

	memset(node, 0, sizeof(*node));
	node->breaker = word;
	node->incarnation = incarnation;
	node->endpoint = *endpoint;
	if (view->loads != NULL)
		memset(&view->loads[slot], 0, sizeof(view->loads[slot]));
	if (view->latencies != NULL)
		memset(&view->latencies[slot], 0, sizeof(view->latencies[slot]));
}

/* A node is one for both protocols: two ways to one slot. */
static int put_endpoints(struct sl_topology_work *work, const struct sl_topology_wanted *wanted)
{
	const struct sl_topology_view *view = work->view;
	struct sl_endpoint endpoint = wanted->node->endpoint;
	char text[SL_ADDRESS_TEXT_SIZE];
	int code = view->put_endpoint(view->ctx, &endpoint, wanted->slot);

	endpoint.proto = IPPROTO_UDP;
	if (code == 0 && work->pool_is_udp[wanted->pool])
		code = view->put_endpoint(view->ctx, &endpoint, wanted->slot);
	if (code < 0)
		return sl_error_set_errno(work->error, code, "node %s: cannot write its endpoint",
					  sl_address_format(&endpoint, text));
	return 0;
}

static int write_node(struct sl_topology_work *work, const struct sl_topology_wanted *wanted)
{
	const struct sl_topology_view *view = work->view;
	const struct sl_endpoint *endpoint = &wanted->node->endpoint;
	struct sl_node_state *node = &view->nodes[wanted->slot];
	uint32_t pool_slot = work->topology.pool_slots[wanted->pool];
	bool is_new = !sl_topology_is_present(node);
	struct sl_addr source;
	int code;

	if (is_new) {
		start_node(view, wanted->slot, endpoint);
		work->topology.nodes_added++;
	} else if (node->pool != pool_slot && sl_breaker_load32(&node->ejected)) {
		/* Its place moves with it; a race with its closing is put right by repair. */
		__atomic_fetch_add(&view->pools[pool_slot].ejected, 1, __ATOMIC_ACQ_REL);
		__atomic_fetch_sub(&view->pools[node->pool].ejected, 1, __ATOMIC_ACQ_REL);
	}
	if (is_new || node->pool != pool_slot || node->weight != wanted->node->weight)
		work->pool_marks[pool_slot] = SL_TOPOLOGY_CHANGED;
	if (!is_new && node->pool != pool_slot && work->pool_marks[node->pool] != SL_TOPOLOGY_GONE)
		work->pool_marks[node->pool] = SL_TOPOLOGY_CHANGED;
	code = view->source ? view->source(view->ctx, endpoint, &source)
			    : sl_topology_source(endpoint, &source);
	if (code == 0)
		node->snat_addr = source;
	else if (!wanted->node->host)
		work->topology.nodes_unroutable++;
	sl_topology_store32(&node->pool, pool_slot);
	sl_topology_store32(&node->weight, wanted->node->weight);
	sl_topology_store32(&node->index, wanted->index);
	__atomic_store_n(&node->mode, (uint8_t)work->config->pools[wanted->pool].mode,
			 __ATOMIC_RELEASE);
	__atomic_store_n(&node->server_id, (uint16_t)wanted->node->server_id, __ATOMIC_RELEASE);
	__atomic_fetch_or(&node->admin, SL_NODE_PRESENT, __ATOMIC_RELEASE);
	return put_endpoints(work, wanted);
}

/*
 * The nodes of a pool in the order of their endpoints: what the table holds must not depend on the
 * order of the file or on what this host's slots have gone through. Returns the sum of weights.
 */
static uint32_t list_nodes(const struct sl_topology_work *work, uint32_t p,
			   struct sl_maglev_node *ret_nodes)
{
	uint32_t count = 0, weight_sum = 0;

	for (uint32_t i = 0; i < work->wanted_count; i++) {
		const struct sl_topology_wanted *wanted = &work->wanted[i];

		if (wanted->pool != p)
			continue;
		ret_nodes[count++] = (struct sl_maglev_node){
			.key = sl_topology_node_key(&wanted->node->endpoint),
			.weight = wanted->node->weight,
			.value = wanted->slot,
		};
		weight_sum += wanted->node->weight;
	}
	return weight_sum;
}

/* A pool of both families is the daemon's alone: no service of the fast lane may lead there. */
static bool is_v6(const struct sl_config_pool *pool)
{
	for (uint32_t n = 0; n < pool->node_count; n++)
		if (sl_address_is_v4(&pool->nodes[n].endpoint.addr))
			return false;
	return pool->node_count > 0;
}

/* This host's slot in the pool, which then has its own address as the one towards it; 0: none. */
static uint32_t local_slot(const struct sl_topology_work *work, uint32_t p)
{
	for (uint32_t i = 0; i < work->wanted_count; i++) {
		const struct sl_node_state *node = &work->view->nodes[work->wanted[i].slot];

		if (work->wanted[i].pool == p &&
		    !memcmp(&node->snat_addr, &node->endpoint.addr, sizeof(node->snat_addr)))
			return work->wanted[i].slot;
	}
	return 0;
}

/* The table as it is becomes a former one. Nothing to do where there is none. */
static int keep_table(struct sl_topology_work *work, uint32_t pool_slot, uint32_t size)
{
	struct sl_pool_state *pool = &work->view->pools[pool_slot];
	uint32_t *old_size = &pool->old_size[pool->generation % SL_OLD_TABLES];
	int code;

	/* A reader must never use a size beyond the table it looks into. */
	if (size < *old_size)
		sl_topology_store32(old_size, size);
	code = work->view->keep_maglev(work->view->ctx, pool_slot, pool->generation);
	if (code == 0)
		sl_topology_store32(old_size, size);
	return code == -ENOENT ? 0 : code;
}

/* The table of a pool that this host, its node in slot `local`, was not in yet: a former one. */
static int write_table_without(struct sl_topology_work *work, uint32_t pool_slot, uint32_t local,
			       const struct sl_maglev_node *nodes, uint32_t count)
{
	struct sl_maglev_node *others = calloc(count, sizeof(*others));
	uint32_t *table = calloc(SL_MAGLEV_SIZE_MAX, sizeof(*table));
	uint32_t size = sl_maglev_size(count - 1), used = 0;
	int code = others == NULL || table == NULL ? -ENOMEM : 0;

	for (uint32_t i = 0; code == 0 && i < count; i++) {
		if (nodes[i].value != local)
			others[used++] = nodes[i];
	}
	if (code == 0)
		code = sl_maglev_build(others, used, size, table);
	if (code == 0)
		code = work->view->put_maglev(work->view->ctx, pool_slot, table, size);
	if (code == 0)
		code = keep_table(work, pool_slot, size);
	free(table);
	free(others);
	return code;
}

/* Before a pool's table changes: those that were opened by it must be found again. */
static int write_former(struct sl_topology_work *work, uint32_t pool_slot,
			const struct sl_maglev_node *nodes, uint32_t count)
{
	const struct sl_pool_state *pool = &work->view->pools[pool_slot];

	if (work->view->keep_maglev == NULL)
		return 0;
	if (pool->maglev_size != 0)
		return keep_table(work, pool_slot, pool->maglev_size);
	if (pool->local == 0 || count < 2 || work->config->role != SL_ROLE_NODE)
		return 0;
	return write_table_without(work, pool_slot, pool->local, nodes, count);
}

static int write_table(struct sl_topology_work *work, uint32_t p, struct sl_maglev_node *nodes,
		       uint32_t *table)
{
	const struct sl_topology_view *view = work->view;
	const struct sl_config_pool *wanted = &work->config->pools[p];
	uint32_t slot = work->topology.pool_slots[p];
	struct sl_pool_state *pool = &view->pools[slot];
	uint32_t size = sl_maglev_size(wanted->node_count);
	bool is_changed = work->pool_marks[slot] == SL_TOPOLOGY_CHANGED ||
			  pool->maglev_size != size || pool->node_count != wanted->node_count;
	uint32_t weight_sum = list_nodes(work, p, nodes);
	int code;

	/* Before the table: a flow of the other family must not meet the new nodes. */
	__atomic_store_n(&pool->ip_v6, is_v6(wanted), __ATOMIC_RELEASE);
	__atomic_store_n(&pool->mode, (uint8_t)wanted->mode, __ATOMIC_RELEASE);
	sl_topology_store32(&pool->local, local_slot(work, p));
	code = sl_maglev_build(nodes, wanted->node_count, size, table);
	if (code == 0 && is_changed)
		code = write_former(work, slot, nodes, wanted->node_count);
	/* A reader must never use a size beyond the table it looks into. */
	if (code == 0 && size < pool->maglev_size)
		sl_topology_store32(&pool->maglev_size, size);
	if (code == 0)
		code = view->put_maglev(view->ctx, slot, table, size);
	if (code < 0)
		return sl_error_set_errno(work->error, code,
					  "pool \"%s\": cannot write its lookup table",
					  wanted->name);
	sl_topology_store32(&pool->maglev_size, size);
	sl_topology_store32(&pool->node_count, wanted->node_count);
	sl_topology_store32(&pool->weight_sum, weight_sum);
	if (is_changed)
		__atomic_fetch_add(&pool->generation, 1, __ATOMIC_RELEASE);
	return 0;
}

static int write_tables(struct sl_topology_work *work)
{
	struct sl_maglev_node *nodes = calloc(SL_POOL_NODES_MAX, sizeof(*nodes));
	uint32_t *table = calloc(SL_MAGLEV_SIZE_MAX, sizeof(*table));
	int code = nodes == NULL || table == NULL ? -ENOMEM : 0;

	for (uint32_t p = 0; code == 0 && p < work->config->pool_count; p++)
		code = write_table(work, p, nodes, table);
	free(table);
	free(nodes);
	return code;
}

/* When every pool has its table. */
static void write_spills(const struct sl_topology_work *work)
{
	const struct sl_config *config = work->config;

	for (uint32_t p = 0; p < config->pool_count; p++) {
		uint32_t spill = config->pools[p].spill;

		sl_topology_store32(&work->view->pools[work->topology.pool_slots[p]].spill,
				    spill < config->pool_count ? work->topology.pool_slots[spill]
							       : 0);
	}
}

/* All of them, so that an id whose node leaves leads nowhere before the node does. */
static int write_server_ids(const struct sl_topology_work *work)
{
	struct sl_server_id *server_ids = work->view->server_ids;
	uint32_t *wanted;

	if (server_ids == NULL)
		return 0;
	wanted = calloc(SL_SERVER_IDS_MAX, sizeof(*wanted));
	if (wanted == NULL)
		return sl_error_set(work->error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < work->wanted_count; i++)
		wanted[(uint16_t)work->wanted[i].node->server_id] = work->wanted[i].slot;
	wanted[0] = 0; /* no id */
	for (uint32_t id = 0; id < SL_SERVER_IDS_MAX; id++) {
		if (server_ids[id].node != wanted[id])
			sl_topology_store32(&server_ids[id].node, wanted[id]);
	}
	free(wanted);
	return 0;
}

void sl_topology_write_bounds(const struct sl_topology_view *view, bool may_shrink)
{
	uint32_t nodes = view->nodes_max, pools = SL_POOLS_MAX;

	while (nodes > 1 && !sl_topology_is_present(&view->nodes[nodes - 1]))
		nodes--;
	while (pools > 1 && !view->pools[pools - 1].present)
		pools--;
	if (may_shrink || nodes > view->settings->node_count)
		sl_topology_store32(&view->settings->node_count, nodes);
	if (may_shrink || pools > view->settings->pool_count)
		sl_topology_store32(&view->settings->pool_count, pools);
}

int sl_topology_write_state(struct sl_topology_work *work)
{
	int code = 0;

	write_settings(work);
	write_pools(work);
	for (uint32_t i = 0; code == 0 && i < work->wanted_count; i++)
		code = write_node(work, &work->wanted[i]);
	if (code < 0)
		return code;
	sl_topology_write_bounds(work->view, false);
	code = write_tables(work);
	if (code < 0)
		return code;
	write_spills(work);
	return write_server_ids(work);
}
