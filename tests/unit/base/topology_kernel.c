/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only the kernel plane reads, applied to maps in plain memory: modes, spills, families,
 * services and their guard rows, endpoints of both protocols, server ids, beacon keys, prefixes;
 * and that tables are the same after any history.
 */
#include "tests/unit/base/topology_fake.h"

static struct sl_endpoint udp(struct sl_endpoint endpoint)
{
	endpoint.proto = IPPROTO_UDP;
	return endpoint;
}

static struct sl_config_service service_at(unsigned port, uint32_t pool, bool is_udp, bool is_quic)
{
	struct sl_endpoint endpoint = address(200, port);

	return (struct sl_config_service){
		.endpoint = is_udp ? udp(endpoint) : endpoint,
		.text = "service",
		.lane = SL_LANE_FAST,
		.pool = pool,
		.protocol = is_udp ? SL_CONFIG_PROTOCOL_UDP : SL_CONFIG_PROTOCOL_TCP,
		.quic = is_quic,
	};
}

static const struct sl_service *service_of(struct fake *f, unsigned port, bool is_udp)
{
	struct sl_endpoint endpoint = address(200, port);
	struct entry *entry;

	if (is_udp)
		endpoint = udp(endpoint);
	entry = find_key(&f->services, &endpoint);
	return entry ? &entry->service : NULL;
}

/* Two pools, the second one the fallback of the first; one service of each kind. */
static void full_file(struct file *file)
{
	struct sl_config *c = &file->config;

	file_init(file, "chat:1,2,3 more:4,5");
	file->pools[0].mode = SL_MODE_GUE;
	file->pools[0].spill = 1;
	file->nodes[0][0].server_id = 7;
	file->nodes[0][1].weight = 5;
	file->nodes[0][2].server_id = 65535;
	file->services[0] = service_at(8000, 0, false, false);
	file->services[1] = service_at(8000, 0, true, true);
	file->services[2] = service_at(80, 1, false, false);
	c->service_count = 3;
	c->role = SL_ROLE_NODE;
	c->gue_port = 6080;
	c->quic_config = 5;
	c->beacon.port = 7946;
	c->beacon.keys[0] = (struct sl_config_beacon_key){.id = 3, .key = {11, 12}};
	c->beacon.key_count = 1;
	file->prefixes[0] = (struct sl_config_prefix){.rule = SL_PREFIX_ALLOW};
	file->prefixes[1] = (struct sl_config_prefix){.rule = SL_PREFIX_DENY};
	assert_int_equal(sl_prefix_parse("10.0.0.0/8", &file->prefixes[0].prefix, NULL), 0);
	assert_int_equal(sl_prefix_parse("fd00::/8", &file->prefixes[1].prefix, NULL), 0);
	c->prefix_count = 2;
}

static void apply_file(struct fake *f, struct file *file)
{
	struct sl_topology t;

	apply(f, file, &t);
	sl_topology_fini(&t);
}

/* ---- fields -------------------------------------------------------------------------------- */

static void test_fields(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	f->settings.flow_sets = 1001; /* the loader's, when it makes the maps */
	f->settings.syn_count = 1002;
	f->settings.cpu_count = 1003;
	f->settings.guard_key[1] = 1004;
	full_file(&file);
	apply_file(f, &file);
	assert_int_equal(f->settings.role, SL_ROLE_NODE);
	assert_int_equal(ntohs(f->settings.gue_port), 6080);
	assert_int_equal(ntohs(f->settings.beacon_port), 7946);
	assert_int_equal(f->settings.quic, 5);
	assert_int_equal(f->settings.flow_sets, 1001);
	assert_int_equal(f->settings.syn_count, 1002);
	assert_int_equal(f->settings.cpu_count, 1003);
	assert_int_equal(f->settings.guard_key[1], 1004);
	assert_int_equal(f->pools[1].mode, SL_MODE_GUE);
	assert_int_equal(f->pools[1].spill, 2);
	assert_int_equal(f->pools[1].weight_sum, 7);
	assert_int_equal(f->pools[1].ip_v6, 0);
	assert_int_equal(f->pools[2].mode, SL_MODE_NAT);
	assert_int_equal(f->pools[2].spill, 0);
	assert_int_equal(f->pools[2].weight_sum, 2);
	assert_int_equal(f->nodes[1].mode, SL_MODE_GUE);
	assert_int_equal(f->nodes[1].server_id, 7);
	assert_int_equal(f->nodes[2].server_id, 0);
	assert_int_equal(f->nodes[3].server_id, 65535);
	assert_int_equal(f->nodes[4].mode, SL_MODE_NAT);
	assert_int_equal(f->nodes[1].endpoint.proto, IPPROTO_TCP);
	assert_int_equal(f->beacon_keys[0].id, 3);
	assert_int_equal(f->beacon_keys[0].key[1], 12);
	assert_int_equal(f->beacon_keys[1].key[0] + f->beacon_keys[1].key[1], 0);
	assert_int_equal(service_of(f, 8000, false)->flags, 0);
	assert_int_equal(service_of(f, 8000, true)->flags, SL_SERVICE_QUIC);
	assert_int_equal(service_of(f, 80, false)->pool, 2);
	/* Other values for the same nodes, then none. */
	file.pools[0].mode = SL_MODE_L2;
	file.pools[0].spill = UINT32_MAX;
	file.nodes[0][1].weight = 1;
	file.config.beacon = (struct sl_config_beacon){0};
	file.config.role = SL_ROLE_BALANCER;
	apply_file(f, &file);
	assert_int_equal(f->nodes[1].mode, SL_MODE_L2);
	assert_int_equal(f->pools[1].mode, SL_MODE_L2);
	assert_int_equal(f->pools[1].spill, 0);
	assert_int_equal(f->pools[1].weight_sum, 3);
	assert_int_equal(f->settings.beacon_port + f->settings.role, 0);
	assert_int_equal(f->beacon_keys[0].key[0] + f->beacon_keys[0].key[1], 0);
	fake_close(f);
}

static void test_family(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	file_init(&file, "chat:1,2 mixed:3,4 four:5");
	for (int n = 0; n < 2; n++)
		file.nodes[0][n].endpoint.addr.w[0] = htonl(0xfd000000);
	file.nodes[1][1].endpoint.addr.w[0] = htonl(0xfd000000);
	file.services[0].pool = 2;
	apply_file(f, &file);
	assert_int_equal(f->pools[1].ip_v6, 1);
	assert_int_equal(f->pools[2].ip_v6, 0);
	assert_int_equal(f->pools[3].ip_v6, 0);
	fake_close(f);
}

static void test_idempotent(void **unused)
{
	struct fake *f = fake_open(), *before = malloc(sizeof(*before));
	struct file file;

	(void)unused;
	full_file(&file);
	apply_file(f, &file);
	f->loads[2].accepted = 9;
	f->latencies[2].connect[3] = 9;
	f->services_guard[1].limited = 9;
	*before = *f;
	apply_file(f, &file);
	assert_memory_equal(before, f, offsetof(struct fake, endpoints));
	assert_memory_equal(&before->endpoints, &f->endpoints, sizeof(f->endpoints));
	assert_memory_equal(&before->services, &f->services, sizeof(f->services));
	free(before);
	fake_close(f);
}

/* ---- services ------------------------------------------------------------------------------ */

static void test_service_rows(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	file_init(&file, "chat:1");
	for (unsigned i = 0; i < 4; i++) {
		file.services[i] = service_at(i + 1, 0, false, false);
		f->services_guard[i].limited = 99; /* of a service long gone */
	}
	file.config.service_count = 4;
	apply_file(f, &file);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(service_of(f, i + 1, false)->index, i);
		assert_int_equal(f->services_guard[i].limited, 0);
		f->services_guard[i].limited = 10 + i;
	}
	/* The second and third leave, two come; a row is not taken over in the same call. */
	file.services[0] = service_at(9, 0, true, false);
	file.services[1] = service_at(4, 0, false, false);
	file.services[2] = service_at(1, 0, false, false);
	file.services[3] = service_at(8, 0, false, false);
	apply_file(f, &file);
	assert_int_equal(service_of(f, 4, false)->index, 3);
	assert_int_equal(service_of(f, 1, false)->index, 0);
	assert_int_equal(service_of(f, 9, true)->index, 4);
	assert_int_equal(service_of(f, 8, false)->index, 5);
	assert_null(service_of(f, 2, false));
	assert_int_equal(f->services_guard[0].limited, 10);
	assert_int_equal(f->services_guard[3].limited, 13);
	/* Now they are free. */
	file.services[4] = service_at(2, 0, false, false);
	file.config.service_count = 5;
	apply_file(f, &file);
	assert_int_equal(service_of(f, 2, false)->index, 1);
	assert_int_equal(f->services_guard[1].limited, 0);
	/* Two in one row, and one beyond the map, are put right. */
	f->services.entries[0].service.index = f->services.entries[1].service.index;
	f->services.entries[2].service.index = SL_SERVICES_MAX;
	apply_file(f, &file);
	for (uint32_t i = 0; i < f->services.count; i++) {
		assert_true(f->services.entries[i].service.index < SL_SERVICES_MAX);
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(f->services.entries[i].service.index,
					     f->services.entries[j].service.index);
	}
	fake_close(f);
}

/* A map that is full as long as the old services are there. */
static void test_services_full(void **unused)
{
	struct fake *f = fake_open(), *before = malloc(sizeof(*before));
	struct sl_error error = {0};
	struct sl_topology t;
	struct file file;

	(void)unused;
	file_init(&file, "chat:1");
	for (unsigned i = 0; i < SL_SERVICES_MAX; i++)
		file.services[i] = service_at(i + 1, 0, false, false);
	file.config.service_count = SL_SERVICES_MAX - 1;
	apply_file(f, &file);
	/* One of 511 becomes another: the last row, then the one that is free. */
	file.services[100] = service_at(1000, 0, false, false);
	apply_file(f, &file);
	assert_int_equal(service_of(f, 1000, false)->index, SL_SERVICES_MAX - 1);
	file.services[101] = service_at(1001, 0, false, false);
	apply_file(f, &file);
	assert_int_equal(service_of(f, 1001, false)->index, 100);
	file.config.service_count = SL_SERVICES_MAX;
	apply_file(f, &file);
	assert_int_equal(f->services.count, SL_SERVICES_MAX);
	*before = *f;
	file.services[102] = service_at(1002, 0, false, false);
	assert_int_equal(sl_topology_apply(&f->view, &file.config, &t, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "512 services, and 1 that leave: at most 512 fit"));
	assert_memory_equal(before, f, sizeof(*f)); /* nothing was written */
	free(before);
	fake_close(f);
}

/* ---- endpoints ----------------------------------------------------------------------------- */

static uint32_t slot_of(struct fake *f, unsigned last, bool is_udp)
{
	struct sl_endpoint endpoint = address(last, 8000);
	struct entry *entry;

	if (is_udp)
		endpoint = udp(endpoint);
	entry = find_key(&f->endpoints, &endpoint);
	return entry ? entry->slot : 0;
}

static void test_endpoints(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	file_init(&file, "chat:1,2 more:3 tcp:4");
	file.pools[0].spill = 1;
	file.services[1] = service_at(80, 0, true, false);
	file.services[2] = service_at(81, 2, false, false);
	file.config.service_count = 3;
	apply_file(f, &file);
	assert_int_equal(f->endpoints.count, 7);
	for (unsigned n = 1; n <= 4; n++) {
		assert_int_equal(slot_of(f, n, false), n);
		assert_int_equal(slot_of(f, n, true), n == 4 ? 0 : n);
	}
	/* Spills no longer; then no UDP service. */
	file.pools[0].spill = UINT32_MAX;
	apply_file(f, &file);
	assert_int_equal(slot_of(f, 1, true), 1);
	assert_int_equal(slot_of(f, 3, true), 0);
	assert_int_equal(slot_of(f, 3, false), 3);
	file.services[1] = file.services[2];
	file.config.service_count = 2;
	apply_file(f, &file);
	assert_int_equal(f->endpoints.count, 4);
	assert_int_equal(slot_of(f, 1, false), 1);
	/* A node that goes takes both along. */
	file.services[1] = service_at(80, 0, true, false);
	apply_file(f, &file);
	assert_int_equal(slot_of(f, 2, true), 2);
	file.pools[0].node_count = 1;
	apply_file(f, &file);
	assert_int_equal(slot_of(f, 2, true) + slot_of(f, 2, false), 0);
	fake_close(f);
}

/* ---- nodes --------------------------------------------------------------------------------- */

static void test_server_ids(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	full_file(&file);
	f->server_ids[9].node = 1; /* left over */
	apply_file(f, &file);
	assert_int_equal(f->server_ids[7].node, 1);
	assert_int_equal(f->server_ids[65535].node, 3);
	assert_int_equal(f->server_ids[9].node + f->server_ids[0].node, 0);
	/* One id goes to another node, one leaves with its node. */
	file.nodes[0][0].server_id = 0;
	file.nodes[0][1].server_id = 7;
	file.pools[0].node_count = 2;
	apply_file(f, &file);
	assert_int_equal(f->server_ids[7].node, 2);
	assert_int_equal(f->server_ids[65535].node, 0);
	fake_close(f);
}

static void test_new_node_starts_clean(void **unused)
{
	struct fake *f = fake_open();
	struct sl_topology t;

	(void)unused;
	apply_spec(f, "chat:1,2", &t);
	sl_topology_fini(&t);
	for (uint32_t slot = 1; slot <= 2; slot++) {
		f->loads[slot].sequence = 5;
		f->latencies[slot].first_byte[1] = 6;
		f->nodes[slot].admin |= SL_NODE_RETIRED;
	}
	f->nodes[2].incarnation = 0xffff;
	apply_spec(f, "chat:1", &t);
	sl_topology_fini(&t);
	assert_int_equal(f->nodes[2].admin, 0);
	for (uint32_t slot = 3; slot < NODES; slot++)
		f->nodes[slot].incarnation = 1; /* no untouched slot is left */
	apply_spec(f, "chat:1,9", &t);
	assert_int_equal(t.node_slots[0][1], 2);
	sl_topology_fini(&t);
	assert_int_equal(f->nodes[2].incarnation, 0x10001); /* flows keep 16 bits, 0 is none */
	assert_int_equal(f->nodes[2].admin, SL_NODE_PRESENT);
	assert_int_equal(f->loads[2].sequence + f->latencies[2].first_byte[1], 0);
	assert_int_equal(f->loads[1].sequence + f->latencies[1].first_byte[1], 11);
	fake_close(f);
}

/* ---- prefixes ------------------------------------------------------------------------------ */

static uint32_t rule_of(struct fake *f, const char *text)
{
	struct sl_prefix prefix;
	const struct fake_prefix *entry;

	assert_int_equal(sl_prefix_parse(text, &prefix, NULL), 0);
	entry = find_prefix(f, &prefix);
	return entry ? entry->value : 0;
}

static void put_by_hand(struct fake *f, const char *text, enum sl_prefix_rule rule)
{
	struct sl_prefix prefix;

	assert_int_equal(sl_prefix_parse(text, &prefix, NULL), 0);
	assert_int_equal(put_prefix(f, &prefix, rule), 0);
}

static void test_prefixes(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	full_file(&file);
	put_by_hand(f, "192.0.2.0/24", SL_PREFIX_DENY);
	put_by_hand(f, "10.0.0.0/8", SL_PREFIX_DENY);
	apply_file(f, &file);
	assert_int_equal(rule_of(f, "10.0.0.0/8"), SL_PREFIX_ALLOW | SL_PREFIX_OF_FILE);
	assert_int_equal(rule_of(f, "fd00::/8"), SL_PREFIX_DENY | SL_PREFIX_OF_FILE);
	assert_int_equal(rule_of(f, "192.0.2.0/24"), SL_PREFIX_DENY);
	/* The file's leaves with it, also where it once replaced one; the operator's stay. */
	put_by_hand(f, "192.0.2.7", SL_PREFIX_ALLOW);
	put_by_hand(f, "fd00::/8", SL_PREFIX_ALLOW);
	file.config.prefix_count = 0;
	apply_file(f, &file);
	assert_int_equal(f->prefix_count, 3);
	assert_int_equal(rule_of(f, "10.0.0.0/8"), 0);
	assert_int_equal(rule_of(f, "fd00::/8"), SL_PREFIX_ALLOW);
	assert_int_equal(rule_of(f, "192.0.2.0/24"), SL_PREFIX_DENY);
	assert_int_equal(rule_of(f, "192.0.2.7"), SL_PREFIX_ALLOW);
	fake_close(f);
}

static void test_prefixes_full(void **unused)
{
	struct fake *f = fake_open();
	struct sl_error error = {0};
	struct sl_topology t;
	struct file file;
	char text[32];

	(void)unused;
	file_init(&file, "chat:1");
	for (unsigned round = 0; round < 2; round++) {
		/* In the second round every entry is another one: room has to be made first. */
		for (unsigned i = 0; i < PREFIXES; i++) {
			snprintf(text, sizeof(text), "10.%u.%u.0/24", round, i);
			assert_int_equal(sl_prefix_parse(text, &file.prefixes[i].prefix, NULL), 0);
			file.prefixes[i].rule = SL_PREFIX_DENY;
		}
		file.config.prefix_count = PREFIXES;
		apply_file(f, &file);
		assert_int_equal(f->prefix_count, PREFIXES);
		assert_int_equal(rule_of(f, text), SL_PREFIX_DENY | SL_PREFIX_OF_FILE);
	}
	f->prefixes[3].value = SL_PREFIX_DENY; /* now by hand */
	assert_int_equal(sl_prefix_parse("fd00::/8", &file.prefixes[3].prefix, NULL), 0);
	assert_int_equal(sl_topology_apply(&f->view, &file.config, &t, &error), -ENOSPC);
	assert_non_null(strstr(error.text, "kernel.deny: "));
	assert_non_null(strstr(error.text, "with those made by hand"));
	fake_close(f);
}

/* ---- the same everywhere ------------------------------------------------------------------- */

static const char *entry_text(const struct fake *f, uint32_t pool, uint32_t i, char *out)
{
	return sl_address_format(&f->nodes[f->tables[pool][i]].endpoint, out);
}

/* Hosts that came to one configuration on different ways choose alike: the node role relies on it.
 */
static void test_history_does_not_matter(void **unused)
{
	static const char *const histories[][4] = {
		{"chat:1,2,3,4,5 more:6,7"},
		{"more:6 chat:9,8,5", "other:3,2", "more:7 chat:5,4,3"},
		{"chat:7,6,5,4,3,2,1", "more:1,2,3 chat:6",
		 "x:11,12,13,14,15,16,17,18,19,20,21,22"},
	};
	struct fake *hosts[3];
	uint32_t pools[3][2];
	char a[SL_ADDRESS_TEXT_SIZE], b[SL_ADDRESS_TEXT_SIZE];
	bool slots_differ = false;

	(void)unused;
	for (unsigned h = 0; h < 3; h++) {
		struct sl_topology t;
		struct file file;

		hosts[h] = fake_open();
		for (unsigned i = 0; i < 4 && histories[h][i]; i++) {
			apply_spec(hosts[h], histories[h][i], &t);
			sl_topology_fini(&t);
		}
		/* One host has its file in another order. */
		file_init(&file, h == 1 ? "more:7,6 chat:5,3,1,2,4" : "chat:1,2,3,4,5 more:6,7");
		for (unsigned n = 0; n < 5; n++) {
			struct sl_config_node *node = &file.nodes[h == 1 ? 1 : 0][n];

			node->weight = node->line == 3 ? 7 : 1;
		}
		apply(hosts[h], &file, &t);
		pools[h][h == 1 ? 1 : 0] = t.pool_slots[0];
		pools[h][h == 1 ? 0 : 1] = t.pool_slots[1];
		sl_topology_fini(&t);
	}
	for (unsigned h = 1; h < 3; h++) {
		for (unsigned p = 0; p < 2; p++) {
			uint32_t size = hosts[0]->table_sizes[pools[0][p]];

			assert_int_equal(hosts[h]->table_sizes[pools[h][p]], size);
			for (uint32_t i = 0; i < size; i++) {
				assert_string_equal(entry_text(hosts[0], pools[0][p], i, a),
						    entry_text(hosts[h], pools[h][p], i, b));
				slots_differ |= hosts[0]->tables[pools[0][p]][i] !=
						hosts[h]->tables[pools[h][p]][i];
			}
		}
	}
	assert_true(slots_differ); /* else the histories were none */
	for (unsigned h = 0; h < 3; h++)
		fake_close(hosts[h]);
}

/* A failure at any write leaves maps that hold together, and the next call finishes. */
static void test_cut_short(void **unused)
{
	(void)unused;
	for (uint32_t at = 1;; at++) {
		struct fake *f = fake_open();
		struct sl_error error = {0};
		struct sl_topology t;
		struct file file;
		int code;

		file_init(&file, "chat:1,9 gone:4,8");
		file.pools[0].spill = 1;
		file.nodes[1][0].server_id = 65535;
		file.services[0] = service_at(8000, 1, true, false);
		apply_file(f, &file);
		put_by_hand(f, "192.0.2.0/24", SL_PREFIX_DENY);
		f->writes = 0;
		f->fail_at = at;
		full_file(&file);
		code = sl_topology_apply(&f->view, &file.config, &t, &error);
		check_maps(f);
		if (code == 0) {
			assert_true(at > 20);
			sl_topology_fini(&t);
			fake_close(f);
			return;
		}
		assert_int_equal(code, -ENOMEM);
		assert_true(error.text[0] != 0);
		f->fail_at = 0;
		apply_file(f, &file);
		assert_int_equal(f->services.count, 3);
		assert_int_equal(f->endpoints.count, 10);
		assert_int_equal(f->prefix_count, 3);
		assert_int_equal(f->server_ids[65535].node, slot_of(f, 3, false));
		fake_close(f);
	}
}

/* Without kernel plane nobody looks: the daemon's memory takes the same configuration. */
static void test_alone(void **unused)
{
	struct fake *f = fake_open();
	struct file file;

	(void)unused;
	f->view.loads = NULL;
	f->view.latencies = NULL;
	f->view.server_ids = NULL;
	f->view.services_guard = NULL;
	f->view.get_service = NULL;
	f->view.put_beacon_key = NULL;
	f->view.put_prefix = NULL;
	f->view.del_prefix = NULL;
	f->view.next_prefix = NULL;
	full_file(&file);
	apply_file(f, &file);
	assert_int_equal(f->nodes[1].mode, SL_MODE_GUE);
	assert_int_equal(f->server_ids[7].node + f->prefix_count + f->beacon_keys[0].id, 0);
	fake_close(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_idempotent),
		cmocka_unit_test(test_service_rows),
		cmocka_unit_test(test_services_full),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_server_ids),
		cmocka_unit_test(test_new_node_starts_clean),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_prefixes_full),
		cmocka_unit_test(test_history_does_not_matter),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
