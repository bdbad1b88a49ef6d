/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * topology_fake.h - maps in plain memory and configurations for the tests of topology.h. Header
 * only. The callbacks check at each write that a packet at that moment would meet whole pools only.
 */
#ifndef SL_TESTS_UNIT_BASE_TOPOLOGY_FAKE_H
#define SL_TESTS_UNIT_BASE_TOPOLOGY_FAKE_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"
#include "user/base/address.h"
#include "user/base/maglev.h"
#include "user/base/prefix.h"
#include "user/base/topology.h"
#include "user/base/tunables.h"

#define NODES	 32u /* few slots, so that they run out */
#define KEYS_MAX (SL_SERVICES_MAX + 1u)
#define PREFIXES 16u

struct entry {
	struct sl_endpoint endpoint;
	uint32_t slot;
	struct sl_service service;
};

struct keys {
	struct entry entries[KEYS_MAX];
	uint32_t count;
};

struct fake_prefix {
	struct sl_prefix prefix;
	uint32_t value;
};

struct fake {
	struct sl_settings settings;
	struct sl_node_state nodes[NODES];
	struct sl_node_load loads[NODES];
	struct sl_node_latency latencies[NODES];
	struct sl_service_guard services_guard[SL_SERVICES_MAX];
	struct sl_server_id server_ids[SL_SERVER_IDS_MAX];
	struct sl_beacon_key beacon_keys[SL_BEACON_KEYS_MAX];
	struct fake_prefix prefixes[PREFIXES]; /* full is -ENOSPC */
	uint32_t prefix_count;
	struct sl_pool_state pools[SL_POOLS_MAX];
	uint64_t tunables[SL_TUNABLES_SIZE];
	struct keys endpoints, services;
	uint32_t *tables[SL_POOLS_MAX];
	uint32_t table_sizes[SL_POOLS_MAX];
	uint32_t *former[SL_POOLS_MAX * SL_OLD_TABLES]; /* as sl_old_table() says */
	uint32_t former_sizes[SL_POOLS_MAX * SL_OLD_TABLES];
	uint32_t writes;
	uint32_t fail_at; /* the write that fails; 0 none */
	struct sl_topology_view view;
};

/* What a packet relies on at any moment. */
static inline void check_maps(const struct fake *f)
{
	for (uint32_t p = 1; p < SL_POOLS_MAX; p++) {
		if (!f->tables[p])
			continue;
		assert_true(f->pools[p].maglev_size <= f->table_sizes[p]);
		for (uint32_t i = 0; f->pools[p].present && i < f->table_sizes[p]; i++)
			assert_true(f->tables[p][i] < f->settings.node_count);
		for (uint32_t i = 0; i < SL_OLD_TABLES; i++)
			assert_true(f->pools[p].old_size[i] <= f->former_sizes[sl_old_table(p, i)]);
	}
	for (uint32_t i = 0; i < f->services.count; i++) {
		uint32_t pool = f->services.entries[i].service.pool;

		if (f->services.entries[i].service.lane != SL_LANE_FAST)
			continue;
		assert_true(f->tables[pool] != NULL && f->pools[pool].present);
		for (uint32_t n = 0; n < f->table_sizes[pool]; n++)
			if (f->tables[pool][n] != 0)
				assert_true(f->nodes[f->tables[pool][n]].admin & SL_NODE_PRESENT);
		assert_true(f->pools[pool].spill == 0 || f->tables[f->pools[pool].spill] != NULL);
	}
	for (uint32_t id = 0; id < SL_SERVER_IDS_MAX; id++)
		if (f->server_ids[id].node != 0)
			assert_true(f->nodes[f->server_ids[id].node].admin & SL_NODE_PRESENT);
}

static inline int count_write(struct fake *f)
{
	check_maps(f);
	return ++f->writes == f->fail_at ? -ENOMEM : 0;
}

static inline struct entry *find_key(struct keys *keys, const struct sl_endpoint *endpoint)
{
	for (uint32_t i = 0; i < keys->count; i++)
		if (sl_address_equal(&keys->entries[i].endpoint, endpoint))
			return &keys->entries[i];
	return NULL;
}

static inline struct entry *put_key(struct keys *keys, const struct sl_endpoint *endpoint)
{
	struct entry *entry = find_key(keys, endpoint);

	if (entry)
		return entry;
	assert_true(keys->count < KEYS_MAX);
	entry = &keys->entries[keys->count++];
	entry->endpoint = *endpoint;
	return entry;
}

static inline int del_key(struct fake *f, struct keys *keys, const struct sl_endpoint *endpoint)
{
	struct entry *entry = find_key(keys, endpoint);
	int code = count_write(f);

	if (code < 0)
		return code;
	if (!entry)
		return -ENOENT;
	*entry = keys->entries[--keys->count];
	return 0;
}

static inline int next_key(struct keys *keys, const struct sl_endpoint *previous,
			   struct sl_endpoint *ret)
{
	struct entry *entry = previous ? find_key(keys, previous) + 1 : keys->entries;

	if (entry == keys->entries + keys->count)
		return -ENOENT;
	*ret = entry->endpoint;
	return 0;
}

static inline int put_endpoint(void *ctx, const struct sl_endpoint *endpoint, uint32_t slot)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code == 0) {
		struct sl_endpoint tcp = *endpoint;

		/* The state must be there before the way to it. */
		tcp.proto = IPPROTO_TCP;
		assert_true(f->nodes[slot].admin & SL_NODE_PRESENT);
		assert_true(sl_address_equal(&f->nodes[slot].endpoint, &tcp));
		put_key(&f->endpoints, endpoint)->slot = slot;
	}
	return code;
}

static inline int del_endpoint(void *ctx, const struct sl_endpoint *endpoint)
{
	struct fake *f = ctx;

	return del_key(f, &f->endpoints, endpoint);
}

static inline int next_endpoint(void *ctx, const struct sl_endpoint *previous,
				struct sl_endpoint *ret)
{
	return next_key(&((struct fake *)ctx)->endpoints, previous, ret);
}

static inline int put_service(void *ctx, const struct sl_endpoint *endpoint,
			      const struct sl_service *service)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code == 0)
		put_key(&f->services, endpoint)->service = *service;
	return code;
}

static inline int get_service(void *ctx, const struct sl_endpoint *endpoint,
			      struct sl_service *ret_service)
{
	const struct entry *entry = find_key(&((struct fake *)ctx)->services, endpoint);

	if (!entry)
		return -ENOENT;
	*ret_service = entry->service;
	return 0;
}

static inline int del_service(void *ctx, const struct sl_endpoint *endpoint)
{
	struct fake *f = ctx;

	return del_key(f, &f->services, endpoint);
}

static inline int next_service(void *ctx, const struct sl_endpoint *previous,
			       struct sl_endpoint *ret)
{
	return next_key(&((struct fake *)ctx)->services, previous, ret);
}

static inline int put_maglev(void *ctx, uint32_t slot, const uint32_t *table, uint32_t size)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code < 0)
		return code;
	for (uint32_t i = 0; i < size; i++) { /* whole pools only */
		assert_true(table[i] < NODES);
		if (table[i] != 0) {
			assert_true(f->nodes[table[i]].admin & SL_NODE_PRESENT);
			assert_int_equal(f->nodes[table[i]].pool, slot);
			assert_non_null(find_key(&f->endpoints, &f->nodes[table[i]].endpoint));
		}
	}
	free(f->tables[slot]);
	f->tables[slot] = malloc(size * sizeof(*table));
	memcpy(f->tables[slot], table, size * sizeof(*table));
	f->table_sizes[slot] = size;
	return 0;
}

static inline int keep_maglev(void *ctx, uint32_t slot, uint32_t generation)
{
	uint32_t key = sl_old_table(slot, generation);
	struct fake *f = ctx;
	int code = count_write(f);

	if (code < 0 || !f->tables[slot])
		return code < 0 ? code : -ENOENT;
	free(f->former[key]);
	f->former[key] = malloc(f->table_sizes[slot] * sizeof(*f->tables[slot]));
	memcpy(f->former[key], f->tables[slot], f->table_sizes[slot] * sizeof(*f->tables[slot]));
	f->former_sizes[key] = f->table_sizes[slot];
	return 0;
}

static inline int del_maglev(void *ctx, uint32_t slot)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code < 0)
		return code;
	for (uint32_t i = 0; i < SL_OLD_TABLES; i++) {
		free(f->former[sl_old_table(slot, i)]);
		f->former[sl_old_table(slot, i)] = NULL;
		f->former_sizes[sl_old_table(slot, i)] = 0;
	}
	free(f->tables[slot]);
	f->tables[slot] = NULL;
	f->table_sizes[slot] = 0;
	return 0;
}

static inline int put_beacon_key(void *ctx, uint32_t index, const struct sl_beacon_key *key)
{
	struct fake *f = ctx;
	int code = count_write(f);

	assert_true(index < SL_BEACON_KEYS_MAX);
	if (code == 0)
		f->beacon_keys[index] = *key;
	return code;
}

static inline struct fake_prefix *find_prefix(struct fake *f, const struct sl_prefix *prefix)
{
	for (uint32_t i = 0; i < f->prefix_count; i++)
		if (sl_prefix_compare(&f->prefixes[i].prefix, prefix) == 0)
			return &f->prefixes[i];
	return NULL;
}

static inline int put_prefix(void *ctx, const struct sl_prefix *prefix, uint32_t value)
{
	struct fake *f = ctx;
	struct fake_prefix *entry = find_prefix(f, prefix);
	int code = count_write(f);

	if (code < 0)
		return code;
	if (!entry && f->prefix_count == PREFIXES)
		return -ENOSPC;
	if (!entry)
		entry = &f->prefixes[f->prefix_count++];
	*entry = (struct fake_prefix){*prefix, value};
	return 0;
}

static inline int del_prefix(void *ctx, const struct sl_prefix *prefix)
{
	struct fake *f = ctx;
	struct fake_prefix *entry = find_prefix(f, prefix);
	int code = count_write(f);

	if (code == 0 && entry)
		*entry = f->prefixes[--f->prefix_count];
	return code < 0 ? code : entry ? 0 : -ENOENT;
}

static inline int next_prefix(void *ctx, const struct sl_prefix *previous,
			      struct sl_prefix *ret_prefix, uint32_t *ret_value)
{
	struct fake *f = ctx;
	struct fake_prefix *entry = previous ? find_prefix(f, previous) + 1 : f->prefixes;

	if (entry == f->prefixes + f->prefix_count)
		return -ENOENT;
	*ret_prefix = entry->prefix;
	*ret_value = entry->value;
	return 0;
}

static inline int source(void *ctx, const struct sl_endpoint *endpoint, struct sl_addr *ret_addr)
{
	(void)ctx;
	*ret_addr = endpoint->addr;
	ret_addr->w[3] = htonl(0x0a0000fe);
	return 0;
}

static inline struct fake *fake_open(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->view = (struct sl_topology_view){
		.settings = &f->settings,
		.nodes = f->nodes,
		.nodes_max = NODES,
		.pools = f->pools,
		.tunables = f->tunables,
		.loads = f->loads,
		.latencies = f->latencies,
		.server_ids = f->server_ids,
		.services_guard = f->services_guard,
		.ctx = f,
		.put_endpoint = put_endpoint,
		.del_endpoint = del_endpoint,
		.next_endpoint = next_endpoint,
		.put_service = put_service,
		.del_service = del_service,
		.next_service = next_service,
		.get_service = get_service,
		.put_beacon_key = put_beacon_key,
		.put_prefix = put_prefix,
		.del_prefix = del_prefix,
		.next_prefix = next_prefix,
		.put_maglev = put_maglev,
		.keep_maglev = keep_maglev,
		.del_maglev = del_maglev,
		.source = source,
	};
	return f;
}

static inline void fake_close(struct fake *f)
{
	for (uint32_t p = 0; p < SL_POOLS_MAX; p++)
		free(f->tables[p]);
	for (uint32_t i = 0; i < SL_POOLS_MAX * SL_OLD_TABLES; i++)
		free(f->former[i]);
	free(f);
}

/* ---- configurations ------------------------------------------------------------------------ */

static inline struct sl_endpoint address(unsigned last, unsigned port)
{
	struct sl_endpoint e = {.port = htons((uint16_t)port), .proto = IPPROTO_TCP};

	e.addr.w[2] = htonl(0xffff);
	e.addr.w[3] = htonl(0x0a000000 + last);
	return e;
}

#define POOL_MAX 3

struct file {
	struct sl_config config;
	struct sl_config_pool pools[POOL_MAX];
	struct sl_config_node nodes[POOL_MAX][NODES + 8];
	struct sl_config_service services[SL_SERVICES_MAX + 1];
	struct sl_config_prefix prefixes[PREFIXES + 1];
};

/* spec: "chat:1,2,3 embed:4" is two pools of nodes 10.0.0.N:8000. */
static inline void file_init(struct file *file, const char *spec)
{
	static char names[POOL_MAX][32];
	struct sl_config *c = &file->config;
	char *copy = strdup(spec), *save, *part;

	memset(file, 0, sizeof(*file));
	c->pools = file->pools;
	c->services = file->services;
	c->prefixes = file->prefixes;
	c->seed = 42;
	for (int id = 0; id < SL_TUNABLE_COUNT; id++)
		c->tunables[id] = sl_tunable_info[id].initial;
	for (part = strtok_r(copy, " ", &save); part; part = strtok_r(NULL, " ", &save)) {
		struct sl_config_pool *pool = &file->pools[c->pool_count];
		char *colon = strchr(part, ':'), *more, *n;

		*colon = 0;
		strcpy(names[c->pool_count], part);
		pool->name = names[c->pool_count];
		pool->spill = UINT32_MAX;
		pool->nodes = file->nodes[c->pool_count++];
		memset(pool->tunables, 0xff, sizeof(pool->tunables));
		for (n = strtok_r(colon + 1, ",", &more); n; n = strtok_r(NULL, ",", &more))
			pool->nodes[pool->node_count++] = (struct sl_config_node){
				.endpoint = address((unsigned)atoi(n), 8000),
				.text = "node",
				.weight = 1,
				.line = (unsigned)atoi(n)};
	}
	free(copy);
	c->service_count = c->pool_count != 0;
	file->services[0] = (struct sl_config_service){.endpoint = address(200, 80),
						       .text = "10.0.0.200:80",
						       .lane = SL_LANE_FAST,
						       .pool = 0};
}

static inline void apply(struct fake *f, struct file *file, struct sl_topology *topology)
{
	struct sl_error error = {0};
	int code = sl_topology_apply(&f->view, &file->config, topology, &error);

	if (code != 0)
		fail_msg("apply: %d %s", code, error.text);
	check_maps(f);
	assert_int_equal(topology->pool_count, file->config.pool_count);
	for (uint32_t p = 0; p < topology->pool_count; p++) {
		uint32_t slot = topology->pool_slots[p];

		assert_string_equal(f->pools[slot].name, file->pools[p].name);
		assert_int_equal(f->pools[slot].node_count, file->pools[p].node_count);
		assert_int_equal(f->pools[slot].maglev_size, f->table_sizes[slot]);
		for (uint32_t n = 0; n < file->pools[p].node_count; n++) {
			const struct sl_node_state *node = &f->nodes[topology->node_slots[p][n]];

			assert_true(sl_address_equal(&node->endpoint,
						     &file->pools[p].nodes[n].endpoint));
			assert_int_equal(node->pool, slot);
			assert_int_equal(node->index, n);
			assert_int_equal(node->weight, file->pools[p].nodes[n].weight);
			assert_int_equal(ntohl(node->snat_addr.w[3]), 0x0a0000fe);
		}
	}
}

static inline void apply_spec(struct fake *f, const char *spec, struct sl_topology *topology)
{
	struct file file;

	file_init(&file, spec);
	apply(f, &file, topology);
}

static inline struct sl_breaker_config numbers(const struct fake *f)
{
	struct sl_breaker_config config;

	sl_breaker_config_fill(f->tunables, 0, &config);
	return config;
}

static inline void trip(struct fake *f, uint32_t slot)
{
	struct sl_breaker_config config = numbers(f);
	struct sl_node_state *node = &f->nodes[slot];
	struct sl_breaker_change change;

	for (int i = 0; i < 5; i++)
		sl_breaker_report(node, &f->pools[node->pool], &config, 1000000, 0,
				  sl_breaker_ticket(node->breaker, 0), SL_OUTCOME_FAILURE,
				  SL_SIGNAL_RESET, SL_PLANE_KERNEL, &change);
	assert_int_equal(sl_breaker_state(node->breaker), SL_BREAKER_OPEN);
}

#endif
