/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configurations applied to maps in plain memory: slots, order of writes, reload, removal, repair.
 * Kernel-only maps are in topology_kernel.c.
 */
#include "tests/unit/base/topology_fake.h"

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

/* A profile as the reader fills it in. */
static void take_profile(struct file *file, enum sl_profile profile)
{
	file->config.profile = profile;
	for (int id = 0; id < SL_TUNABLE_COUNT; id++) {
		file->config.tunables[id] = sl_tunable_info[id].initial;
		sl_profile_tunable(profile, id, &file->config.tunables[id]);
	}
}

struct profile_case {
	const char *description;
	enum sl_profile before, after;
	uint64_t live;	/* breaker.open_ms that an operator gives in between; 0: none */
	uint64_t named; /* by the second file; 0: it does not */
	uint64_t expected;
};

static const struct profile_case profile_cases[] = {
	{"the default goes along to a profile", SL_PROFILE_NONE, SL_PROFILE_CRITICAL, 0, 0, 2000},
	{"a profile's goes along to another", SL_PROFILE_CRITICAL, SL_PROFILE_MVP, 0, 0, 5000},
	{"and to none", SL_PROFILE_CRITICAL, SL_PROFILE_NONE, 0, 0, 5000},
	{"tuned live stays, the profile too", SL_PROFILE_CRITICAL, SL_PROFILE_CRITICAL, 777, 0,
	 777},
	{"tuned live stays when a profile comes", SL_PROFILE_NONE, SL_PROFILE_CRITICAL, 777, 0,
	 777},
	{"and when it goes", SL_PROFILE_CRITICAL, SL_PROFILE_NONE, 777, 0, 777},
	{"back to the key's own default, live, stays", SL_PROFILE_CRITICAL, SL_PROFILE_CRITICAL,
	 5000, 0, 5000},
	{"a profile's number given live without a profile stays", SL_PROFILE_NONE, SL_PROFILE_NONE,
	 2000, 0, 2000},
	{"what the file names counts", SL_PROFILE_CRITICAL, SL_PROFILE_CRITICAL, 777, 4000, 4000},
};

static void test_profile_numbers(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(profile_cases) / sizeof(profile_cases[0]); i++) {
		const struct profile_case *c = &profile_cases[i];
		struct fake *f = fake_open();
		struct file file;
		struct sl_topology t;

		file_init(&file, "chat:1,2");
		take_profile(&file, c->before);
		apply(f, &file, &t);
		sl_topology_fini(&t);
		if (c->live)
			f->tunables[SL_TUNABLE_BREAKER_OPEN_MS] = c->live;
		take_profile(&file, c->after);
		if (c->named)
			file.config.tunables[SL_TUNABLE_BREAKER_OPEN_MS] = c->named;
		apply(f, &file, &t);
		sl_topology_fini(&t);
		if (f->tunables[SL_TUNABLE_BREAKER_OPEN_MS] != c->expected)
			fail_msg("%s: %llu, expected %llu", c->description,
				 (unsigned long long)f->tunables[SL_TUNABLE_BREAKER_OPEN_MS],
				 (unsigned long long)c->expected);
		fake_close(f);
	}
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
		cmocka_unit_test(test_idempotent),	   cmocka_unit_test(test_reload),
		cmocka_unit_test(test_slot_reuse),	   cmocka_unit_test(test_errors),
		cmocka_unit_test(test_cut_short),	   cmocka_unit_test(test_repair),
		cmocka_unit_test(test_move_between_pools), cmocka_unit_test(test_tunables_survive),
		cmocka_unit_test(test_profile_numbers),	   cmocka_unit_test(test_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
