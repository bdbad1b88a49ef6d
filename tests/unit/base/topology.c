/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations applied to maps in plain memory: slots, order of writes, reload, removal, repair.
 * The fake callbacks check at each write that a packet at that moment would meet whole pools only.
 */
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
#include "user/base/topology.h"
#include "user/base/tunables.h"

#define NODES	 32u /* few slots, so that they run out */
#define KEYS_MAX 64u

struct entry {
	struct sl_endpoint endpoint;
	uint32_t slot;
	struct sl_service service;
};

struct keys {
	struct entry entries[KEYS_MAX];
	uint32_t count;
};

struct fake {
	struct sl_settings settings;
	struct sl_node_state nodes[NODES];
	struct sl_pool_state pools[SL_POOLS_MAX];
	uint64_t tunables[SL_TUNABLES_SIZE];
	struct keys endpoints, services;
	uint32_t *tables[SL_POOLS_MAX];
	uint32_t table_sizes[SL_POOLS_MAX];
	uint32_t writes;
	uint32_t fail_at; /* the write that fails; 0 none */
	struct sl_topology_view view;
};

/* What a packet relies on at any moment. */
static void check_maps(const struct fake *f)
{
	for (uint32_t p = 1; p < SL_POOLS_MAX; p++) {
		if (!f->tables[p])
			continue;
		assert_true(f->pools[p].maglev_size <= f->table_sizes[p]);
		for (uint32_t i = 0; f->pools[p].present && i < f->table_sizes[p]; i++)
			assert_true(f->tables[p][i] < f->settings.node_count);
	}
	for (uint32_t i = 0; i < f->services.count; i++) {
		uint32_t pool = f->services.entries[i].service.pool;

		if (f->services.entries[i].service.lane != SL_LANE_FAST)
			continue;
		assert_true(f->tables[pool] != NULL && f->pools[pool].present);
		for (uint32_t n = 0; n < f->table_sizes[pool]; n++)
			if (f->tables[pool][n] != 0)
				assert_true(f->nodes[f->tables[pool][n]].admin & SL_NODE_PRESENT);
	}
}

static int count_write(struct fake *f)
{
	check_maps(f);
	return ++f->writes == f->fail_at ? -ENOMEM : 0;
}

static struct entry *find_key(struct keys *keys, const struct sl_endpoint *endpoint)
{
	for (uint32_t i = 0; i < keys->count; i++)
		if (sl_address_equal(&keys->entries[i].endpoint, endpoint))
			return &keys->entries[i];
	return NULL;
}

static struct entry *put_key(struct keys *keys, const struct sl_endpoint *endpoint)
{
	struct entry *entry = find_key(keys, endpoint);

	if (entry)
		return entry;
	assert_true(keys->count < KEYS_MAX);
	entry = &keys->entries[keys->count++];
	entry->endpoint = *endpoint;
	return entry;
}

static int del_key(struct fake *f, struct keys *keys, const struct sl_endpoint *endpoint)
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

static int next_key(struct keys *keys, const struct sl_endpoint *previous, struct sl_endpoint *ret)
{
	struct entry *entry = previous ? find_key(keys, previous) + 1 : keys->entries;

	if (entry == keys->entries + keys->count)
		return -ENOENT;
	*ret = entry->endpoint;
	return 0;
}

static int put_endpoint(void *ctx, const struct sl_endpoint *endpoint, uint32_t slot)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code == 0) {
		/* The state must be there before the way to it. */
		assert_true(f->nodes[slot].admin & SL_NODE_PRESENT);
		assert_true(sl_address_equal(&f->nodes[slot].endpoint, endpoint));
		put_key(&f->endpoints, endpoint)->slot = slot;
	}
	return code;
}

static int del_endpoint(void *ctx, const struct sl_endpoint *endpoint)
{
	struct fake *f = ctx;

	return del_key(f, &f->endpoints, endpoint);
}

static int next_endpoint(void *ctx, const struct sl_endpoint *previous, struct sl_endpoint *ret)
{
	return next_key(&((struct fake *)ctx)->endpoints, previous, ret);
}

static int put_service(void *ctx, const struct sl_endpoint *endpoint,
		       const struct sl_service *service)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code == 0)
		put_key(&f->services, endpoint)->service = *service;
	return code;
}

static int del_service(void *ctx, const struct sl_endpoint *endpoint)
{
	struct fake *f = ctx;

	return del_key(f, &f->services, endpoint);
}

static int next_service(void *ctx, const struct sl_endpoint *previous, struct sl_endpoint *ret)
{
	return next_key(&((struct fake *)ctx)->services, previous, ret);
}

static int put_maglev(void *ctx, uint32_t slot, const uint32_t *table, uint32_t size)
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

static int del_maglev(void *ctx, uint32_t slot)
{
	struct fake *f = ctx;
	int code = count_write(f);

	if (code < 0)
		return code;
	free(f->tables[slot]);
	f->tables[slot] = NULL;
	f->table_sizes[slot] = 0;
	return 0;
}

static int source(void *ctx, const struct sl_endpoint *endpoint, struct sl_addr *ret_addr)
{
	(void)ctx;
	*ret_addr = endpoint->addr;
	ret_addr->w[3] = htonl(0x0a0000fe);
	return 0;
}

static struct fake *fake_open(void)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->view = (struct sl_topology_view){
		.settings = &f->settings,
		.nodes = f->nodes,
		.nodes_max = NODES,
		.pools = f->pools,
		.tunables = f->tunables,
		.ctx = f,
		.put_endpoint = put_endpoint,
		.del_endpoint = del_endpoint,
		.next_endpoint = next_endpoint,
		.put_service = put_service,
		.del_service = del_service,
		.next_service = next_service,
		.put_maglev = put_maglev,
		.del_maglev = del_maglev,
		.source = source,
	};
	return f;
}

static void fake_close(struct fake *f)
{
	for (uint32_t p = 0; p < SL_POOLS_MAX; p++)
		free(f->tables[p]);
	free(f);
}

/* ---- configurations ------------------------------------------------------------------------ */

static struct sl_endpoint address(unsigned last, unsigned port)
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
	struct sl_config_service services[2];
};

/* spec: "chat:1,2,3 embed:4" is two pools of nodes 10.0.0.N:8000. */
static void file_init(struct file *file, const char *spec)
{
	static char names[POOL_MAX][32];
	struct sl_config *c = &file->config;
	char *copy = strdup(spec), *save, *part;

	memset(file, 0, sizeof(*file));
	c->pools = file->pools;
	c->services = file->services;
	c->seed = 42;
	for (int id = 0; id < SL_TUNABLE_COUNT; id++)
		c->tunables[id] = sl_tunable_info[id].initial;
	for (part = strtok_r(copy, " ", &save); part; part = strtok_r(NULL, " ", &save)) {
		struct sl_config_pool *pool = &file->pools[c->pool_count];
		char *colon = strchr(part, ':'), *more, *n;

		*colon = 0;
		strcpy(names[c->pool_count], part);
		pool->name = names[c->pool_count];
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

static void apply(struct fake *f, struct file *file, struct sl_topology *topology)
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

static void apply_spec(struct fake *f, const char *spec, struct sl_topology *topology)
{
	struct file file;

	file_init(&file, spec);
	apply(f, &file, topology);
}

static struct sl_breaker_config numbers(const struct fake *f)
{
	struct sl_breaker_config config;

	sl_breaker_config_fill(f->tunables, 0, &config);
	return config;
}

static void trip(struct fake *f, uint32_t slot)
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

/* ---- tests --------------------------------------------------------------------------------- */

static void test_idempotent(void **unused)
{
	struct fake *f = fake_open();
	struct fake before;
	struct sl_topology t;

	(void)unused;
	apply_spec(f, "chat:1,2,3,4 embed:5,6", &t);
	assert_int_equal(t.nodes_added, 6);
	assert_int_equal(t.node_slots[0][0], 1);
	assert_int_equal(f->endpoints.count, 6);
	assert_int_equal(f->services.count, 1);
	assert_int_equal(f->settings.node_count, 7);
	assert_int_equal(f->settings.pool_count, 3);
	assert_int_equal(f->settings.abi_version, SL_ABI_VERSION);
	sl_topology_fini(&t);
	trip(f, 2);
	f->nodes[3].admin |= SL_NODE_DRAINING;
	before = *f;
	apply_spec(f, "chat:1,2,3,4 embed:5,6", &t);
	assert_int_equal(t.nodes_added + t.nodes_removed + t.repaired, 0);
	assert_memory_equal(before.nodes, f->nodes, sizeof(f->nodes));
	assert_memory_equal(before.pools, f->pools, sizeof(f->pools));
	assert_memory_equal(before.tunables, f->tunables, sizeof(f->tunables));
	assert_memory_equal(&before.settings, &f->settings, sizeof(f->settings));
	assert_memory_equal(&before.endpoints, &f->endpoints, sizeof(f->endpoints));
	sl_topology_fini(&t);
	fake_close(f);
}

static void test_reload(void **unused)
{
	struct fake *f = fake_open();
	struct sl_topology t;
	uint32_t generation;

	(void)unused;
	apply_spec(f, "chat:1,2,3,4 embed:5,6", &t);
	sl_topology_fini(&t);
	trip(f, 2);
	trip(f, 3);
	generation = f->pools[1].generation;
	/* Pools and nodes in another order, one node gone, one new, one more pool. */
	apply_spec(f, "third:9 embed:6,5 chat:8,4,3,1", &t);
	assert_int_equal(t.nodes_added, 2);
	assert_int_equal(t.nodes_removed, 1);
	assert_int_equal(t.repaired, 0); /* the removal itself gave the place back */
	assert_int_equal(t.pool_slots[2], 1);
	assert_int_equal(t.node_slots[2][2], 3);
	assert_int_equal(sl_breaker_state(f->nodes[3].breaker), SL_BREAKER_OPEN);
	assert_true(f->pools[1].generation > generation);
	/* Node 2 was open: its place is free again, its endpoint is gone, its slot is not reused. */
	assert_int_equal(f->nodes[2].admin, 0);
	assert_int_equal(f->nodes[2].ejected, 0);
	assert_int_equal(f->pools[1].ejected, 1);
	assert_int_equal(f->endpoints.count, 7);
	for (uint32_t i = 0; i < f->table_sizes[1]; i++)
		assert_int_not_equal(f->tables[1][i], 2);
	sl_topology_fini(&t);
	/* A pool goes. */
	apply_spec(f, "chat:8,4,3,1", &t);
	assert_int_equal(f->pools[2].present, 0);
	assert_null(f->tables[2]);
	assert_int_equal(f->endpoints.count, 4);
	assert_int_equal(f->settings.pool_count, 2);
	sl_topology_fini(&t);
	apply_spec(f, "", &t);
	assert_int_equal(f->endpoints.count + f->services.count, 0);
	assert_int_equal(f->settings.node_count, 1);
	assert_int_equal(f->settings.pool_count, 1);
	sl_topology_fini(&t);
	fake_close(f);
}

static void test_slot_reuse(void **unused)
{
	struct fake *f = fake_open();
	struct sl_topology t;
	uint32_t ticket;

	(void)unused;
	apply_spec(f, "chat:1,2,3", &t);
	sl_topology_fini(&t);
	trip(f, 2);
	ticket = sl_breaker_ticket(f->nodes[2].breaker, 0);
	apply_spec(f, "chat:1,3", &t);
	sl_topology_fini(&t);
	/* 29 untouched slots are used before slot 2 is. */
	apply_spec(f,
		   "chat:1,3,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,"
		   "34,35,36,37",
		   &t);
	assert_int_equal(f->nodes[2].admin, 0);
	assert_int_equal(f->nodes[2].incarnation, 1);
	sl_topology_fini(&t);
	apply_spec(f,
		   "chat:1,3,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,"
		   "34,35,36,37,38,39",
		   &t);
	assert_int_equal(f->nodes[2].admin, SL_NODE_PRESENT);
	assert_int_equal(f->nodes[2].incarnation, 2);
	assert_int_equal(f->nodes[2].trips, 0);
	assert_int_equal(f->nodes[2].signals[SL_SIGNAL_RESET], 0);
	assert_int_not_equal(sl_breaker_generation(f->nodes[2].breaker), ticket >> 1);
	sl_topology_fini(&t);
	fake_close(f);
}

static void test_errors(void **unused)
{
	struct fake *f = fake_open();
	struct fake before;
	struct file file;
	struct sl_topology t;
	struct sl_error error = {0};
	char many[256] = "chat:1";

	(void)unused;
	before = *f;
	file_init(&file, "chat:1,2 embed:3,2");
	assert_int_equal(sl_topology_apply(&f->view, &file.config, &t, &error), -EEXIST);
	assert_non_null(strstr(error.text, "10.0.0.2:8000"));
	assert_non_null(strstr(error.text, "\"chat\""));
	assert_non_null(strstr(error.text, "\"embed\""));
	file_init(&file, "chat:1,2,1");
	assert_int_equal(sl_topology_apply(&f->view, &file.config, &t, &error), -EEXIST);
	for (unsigned i = 2; i <= NODES; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), ",%u", i);
	file_init(&file, many);
	assert_int_equal(sl_topology_apply(&f->view, &file.config, &t, &error), -ENOSPC);
	assert_memory_equal(&before, f, sizeof(before)); /* nothing was written */
	fake_close(f);
}

/* A failure at any write leaves maps that hold together, and the next call finishes. */
static void test_cut_short(void **unused)
{
	(void)unused;
	for (uint32_t at = 1;; at++) {
		struct fake *f = fake_open();
		struct file file;
		struct sl_topology t;
		struct sl_error error = {0};
		int code;

		apply_spec(f, "chat:1,2,3,4 embed:5,6", &t);
		sl_topology_fini(&t);
		trip(f, 2);
		f->writes = 0;
		f->fail_at = at;
		file_init(&file, "embed:6,7,1 more:8");
		code = sl_topology_apply(&f->view, &file.config, &t, &error);
		check_maps(f);
		if (code == 0) {
			assert_true(at > 10);
			sl_topology_fini(&t);
			fake_close(f);
			return;
		}
		assert_int_equal(code, -ENOMEM);
		assert_true(error.text[0] != 0);
		f->fail_at = 0;
		apply(f, &file, &t);
		assert_int_equal(f->endpoints.count, 4);
		assert_int_equal(f->pools[1].present, 0);
		sl_topology_fini(&t);
		fake_close(f);
	}
}

static void test_repair(void **unused)
{
	struct fake *f = fake_open();
	struct sl_topology t;

	(void)unused;
	apply_spec(f, "chat:1,2,3,4", &t);
	sl_topology_fini(&t);
	trip(f, 1);
	f->nodes[2].ejected = 1; /* killed after it took the mark, before the count */
	f->pools[1].ejected = 7; /* and others in other places */
	f->nodes[1].ejected = 0;
	assert_int_equal(sl_topology_repair(&f->view), 3);
	assert_int_equal(f->nodes[1].ejected, 1);
	assert_int_equal(f->nodes[2].ejected, 0);
	assert_int_equal(f->pools[1].ejected, 1);
	assert_int_equal(sl_topology_repair(&f->view), 0);
	f->pools[1].ejected = 0;
	apply_spec(f, "chat:1,2,3,4", &t);
	assert_int_equal(t.repaired, 1);
	assert_int_equal(f->pools[1].ejected, 1);
	sl_topology_fini(&t);
	fake_close(f);
}

static void test_move_between_pools(void **unused)
{
	struct fake *f = fake_open();
	struct sl_topology t;

	(void)unused;
	apply_spec(f, "chat:1,2,3 embed:4,5", &t);
	sl_topology_fini(&t);
	trip(f, 3);
	apply_spec(f, "chat:1,2 embed:4,5,3", &t);
	assert_int_equal(t.nodes_added + t.nodes_removed + t.repaired, 0);
	assert_int_equal(sl_breaker_state(f->nodes[3].breaker), SL_BREAKER_OPEN);
	assert_int_equal(f->pools[1].ejected, 0);
	assert_int_equal(f->pools[2].ejected, 1);
	sl_topology_fini(&t);
	fake_close(f);
}

static void test_tunables_survive(void **unused)
{
	struct fake *f = fake_open();
	struct file file;
	struct sl_topology t;
	const uint64_t *row = &f->tunables[1 * SL_TUNABLE_KEYS];

	(void)unused;
	file_init(&file, "chat:1,2");
	file.config.tunables[SL_TUNABLE_STALL_MS] = 12345;
	file.pools[0].tunables[SL_TUNABLE_BREAKER_OPEN_MS] = 777;
	apply(f, &file, &t);
	sl_topology_fini(&t);
	assert_int_equal(f->tunables[SL_TUNABLE_STALL_MS], 12345);
	assert_int_equal(f->tunables[SL_TUNABLE_FAST_LANE], 1);
	assert_int_equal(row[SL_TUNABLE_BREAKER_OPEN_MS], 777);
	assert_true(row[SL_TUNABLE_STALL_MS] == SL_TUNABLE_INHERIT);
	/* An operator's numbers. */
	f->tunables[SL_TUNABLE_STALL_MS] = 1;
	f->tunables[SL_TUNABLE_FAST_LANE] = 0;
	f->tunables[SL_TUNABLE_PANIC_PERCENT] = 77;
	f->tunables[SL_TUNABLE_KEYS + SL_TUNABLE_PANIC_PERCENT] = 5;
	apply(f, &file, &t);
	sl_topology_fini(&t);
	assert_int_equal(f->tunables[SL_TUNABLE_STALL_MS], 12345); /* the file names it */
	assert_int_equal(f->tunables[SL_TUNABLE_FAST_LANE], 0);
	assert_int_equal(f->tunables[SL_TUNABLE_PANIC_PERCENT], 77);
	assert_int_equal(row[SL_TUNABLE_PANIC_PERCENT], 5);
	fake_close(f);
}

static void test_source(void **unused)
{
	struct sl_endpoint loopback = address(0, 9);
	struct sl_addr found;

	(void)unused;
	loopback.addr.w[3] = htonl(INADDR_LOOPBACK);
	assert_int_equal(sl_topology_source(&loopback, &found), 0);
	assert_int_equal(ntohl(found.w[3]), INADDR_LOOPBACK);
	assert_int_equal(ntohl(found.w[2]), 0xffff);
	loopback.addr = (struct sl_addr){{0, 0, 0, htonl(1)}};
	if (sl_topology_source(&loopback, &found) == 0) /* a host may have no IPv6 at all */
		assert_int_equal(ntohl(found.w[3]), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_idempotent),
		cmocka_unit_test(test_reload),
		cmocka_unit_test(test_slot_reuse),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_repair),
		cmocka_unit_test(test_move_between_pools),
		cmocka_unit_test(test_tunables_survive),
		cmocka_unit_test(test_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
