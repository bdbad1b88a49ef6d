/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration reader: values, bounds, damage, and docs/configuration.md against the table of
 * keys. Run from the top of the tree. What it says of faults: config_complaint.c.
 *
 *	build/unit/base/config --reference	prints the reference for docs/configuration.md
 */
#include "user/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/base/config_line.h"
#include "tests/unit/guard.h"
#include "user/base/address.h"
#include "user/base/random.h"

#define COUNT(array)	 (sizeof(array) / sizeof((array)[0]))
#define MUTATIONS	 2000u
#define MANUAL		 "docs/configuration.md"
#define MANUAL_BYTES_MAX (1u << 20)
#define REFERENCE_MARK	 "<!-- reference -->\n"

static const char good[] =
	"listen: [0.0.0.0:8080, \"[::1]:8080\"]\n"
	"admin_socket: /run/sluice/admin.sock\n"
	"threads: 2\n"
	"io: epoll\n"
	"limits: {body: 8MiB, connections: 20000, requests: 8192, stream_buffer: 256KiB}\n"
	"timeouts: {header: 5s, body: 30s, idle: 1m30s, send: 30s, drain: 0, upstream_idle: 30s}\n"
	"kernel:\n"
	"  devices: [eth0, eth1.7]\n"
	"  pin_dir: /sys/fs/bpf/sluice/v2\n"
	"  nat_ports: 62000-65000\n"
	"  flows: 131072\n"
	"  seed: 18446744073709551615\n"
	"tunables: {breaker.consecutive_failures: 7, signal.connect_slow_us: 2s,\n"
	"           breaker.failure_percent: 40%, fast_lane.enabled: false}\n"
	"pools:\n"
	"  chat:\n"
	"    model: meta-llama/Llama-3.1-70B\n"
	"    tunables: {breaker.open_ms: 2s}\n"
	"    nodes:\n"
	"      - 10.0.0.7:8000\n"
	"      - {address: 10.0.0.8:8000, weight: 2}\n"
	"  small: {nodes: [10.0.0.9:8000]}\n"
	"services:\n"
	"  - {address: 10.0.0.1:8000, lane: fast, pool: chat}\n"
	"  - {address: 10.0.0.1:8080, lane: smart}\n"
	"routes:\n"
	"  - model: chat-large\n"
	"    pools: [chat, small]\n"
	"    timeouts: {connect: 500ms, ttft: 20s}\n"
	"    attempts: 3\n"
	"    backoff: 50ms\n"
	"  - {model: tiny, pools: small}\n";

static struct sl_config *must_parse(const char *text)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_parse("t.yaml", text, strlen(text), &config, &errors);

	if (rc != 0)
		fail_msg("%d\n%s", rc, errors != NULL ? errors : "");
	assert_null(errors);
	return config;
}

/* ---- good files ---------------------------------------------------------------------------- */

static void all_values_arrive(void **state)
{
	struct sl_config *config = must_parse(good);
	char text[SL_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_string_equal(config->path, "t.yaml");
	assert_int_equal(config->listen_count, 2);
	assert_string_equal(sl_address_format(&config->listen[1], text), "[::1]:8080");
	assert_string_equal(config->admin_socket, "/run/sluice/admin.sock");
	assert_int_equal(config->threads, 2);
	assert_int_equal(config->io_backend, SL_IO_EPOLL);
	assert_int_equal(config->body_bytes_max, 8u << 20);
	assert_int_equal(config->header_timeout_ms, 5000);
	assert_int_equal(config->idle_timeout_ms, 90000);
	assert_int_equal(config->drain_ms, 0);
	assert_int_equal(config->device_count, 2);
	assert_string_equal(config->devices[1], "eth1.7");
	assert_int_equal(config->nat_port_min, 62000);
	assert_int_equal(config->nat_port_max, 65000);
	assert_int_equal(config->flows_max, 131072);
	assert_true(config->seed == UINT64_MAX);
	assert_int_equal(config->tunables[SL_TUNABLE_BREAKER_CONSECUTIVE], 7);
	assert_int_equal(config->tunables[SL_TUNABLE_CONNECT_SLOW_US], 2000000);
	assert_int_equal(config->tunables[SL_TUNABLE_BREAKER_RATIO], 40);
	assert_int_equal(config->tunables[SL_TUNABLE_FAST_LANE], 0);
	assert_int_equal(config->tunables[SL_TUNABLE_STALL_MS], 30000);
	sl_config_close(&config);
	assert_null(config);
	sl_config_close(&config);
}

static void fallbacks_arrive(void **state)
{
	struct sl_config *config =
		must_parse("pools: {a: {nodes: [10.0.0.7:80]}, b: {nodes: [10.0.0.8:80]},\n"
			   "        c: {nodes: [10.0.0.9:80]}}\n"
			   "routes: [{model: m, pools: [a, b], fallbacks: {ttft: b, total: [c],\n"
			   "          context_length: [c, b], quota: b, breaker_open: c}}]\n");
	static const struct sl_config_chain wanted[SL_CAUSES] = {
		[SL_CAUSE_ERROR] = {{0, 1}, 2}, [SL_CAUSE_TTFT] = {{1}, 1},
		[SL_CAUSE_TOTAL] = {{2}, 1},	[SL_CAUSE_CONTEXT_LENGTH] = {{2, 1}, 2},
		[SL_CAUSE_QUOTA] = {{1}, 1},	[SL_CAUSE_BREAKER_OPEN] = {{2}, 1},
	};

	(void)state;
	assert_memory_equal(config->routes[0].chains, wanted, sizeof(wanted));
	sl_config_close(&config);
}

static void keys_arrive(void **state)
{
	struct sl_config *config = must_parse("keys: {file: /etc/sluice/keys}\n" POOLS ROUTES);

	(void)state;
	assert_string_equal(config->keys_file, "/etc/sluice/keys");
	sl_config_close(&config);
	config = must_parse(POOLS ROUTES);
	assert_null(config->keys_file);
	sl_config_close(&config);
}

static void limits_arrive(void **state)
{
	struct sl_config *config = must_parse(
		"keys: {requests_per_minute: 60, concurrent: 4}\n"
		"tenants:\n"
		"  acme: {tokens_per_minute: 1000000}\n"
		"  b@c.d: {}\n"
		"limits: {answer_tokens: 99}\n" POOLS
		"routes: [{model: m, pools: p, limits: {concurrent: 7}}, {model: n, pools: p,\n"
		"          hedge: {after: p98, min: 2s, whole: false}}]\n");

	(void)state;
	assert_int_equal(config->answer_tokens, 99);
	assert_int_equal(config->key_rates.requests_per_minute, 60);
	assert_int_equal(config->key_rates.tokens_per_minute, 0);
	assert_int_equal(config->key_rates.concurrent, 4);
	assert_int_equal(config->tenant_count, 2);
	assert_string_equal(config->tenants[0].name, "acme");
	assert_int_equal(config->tenants[0].rates.tokens_per_minute, 1000000);
	assert_string_equal(config->tenants[1].name, "b@c.d");
	assert_false(sl_rates_any(&config->tenants[1].rates));
	assert_int_equal(config->routes[0].rates.concurrent, 7);
	assert_false(sl_rates_any(&config->routes[1].rates));
	assert_int_equal(config->routes[0].hedge_after, SL_CONFIG_HEDGE_OFF);
	assert_true(config->routes[0].hedge_min_ms == 100 && config->routes[0].hedge_whole);
	assert_int_equal(config->routes[1].hedge_after, SL_CONFIG_HEDGE_P98);
	assert_true(config->routes[1].hedge_min_ms == 2000 && !config->routes[1].hedge_whole);
	sl_config_close(&config);
}

static void zones_and_adapters_arrive(void **state)
{
	struct sl_config *config =
		must_parse("zone: east\n"
			   "pools: {p: {adapters: [x, org/y], zone_load: 60, nodes: [10.0.0.7:80,\n"
			   "        {address: 10.0.0.8:80, zone: west}]}, q: {adapters: z, nodes: "
			   "[10.0.0.9:80]}}\n"
			   "routes: [{model: x, pools: p}, {model: org/y, pools: [q, p]}, {model: "
			   "z, pools: q}]\n");
	const struct sl_config_pool *pool = &config->pools[0];

	(void)state;
	assert_string_equal(config->zone, "east");
	assert_null(pool->nodes[0].zone);
	assert_string_equal(pool->nodes[1].zone, "west");
	assert_int_equal(pool->zone_load, 60);
	assert_int_equal(config->pools[1].zone_load, 80);
	assert_int_equal(pool->adapters.count, 2);
	assert_string_equal(pool->adapters.names[1], "org/y");
	assert_int_equal(config->pools[1].adapters.count, 1);
	sl_config_close(&config);
}

static void regions_are_those_of_their_zones(void **state)
{
	struct sl_config *config =
		must_parse("zone: a\n"
			   "pools:\n"
			   "  p:\n"
			   "    zone_spill: 20\n"
			   "    region_spill: 5\n"
			   "    far_load: 90\n"
			   "    zone_return: 10s\n"
			   "    nodes:\n"
			   "      - {address: '10.0.0.1:80', zone: a}\n"
			   "      - {address: '10.0.0.2:80', zone: a, region: north}\n"
			   "      - {address: '10.0.0.3:80', zone: b}\n"
			   "      - {address: '10.0.0.4:80', region: south}\n"
			   "routes: [{model: x, pools: p}]\n");
	const struct sl_config_pool *pool = &config->pools[0];

	(void)state;
	assert_string_equal(config->region, "north"); /* a node said it for all of zone a */
	assert_string_equal(pool->nodes[0].region, "north");
	assert_string_equal(pool->nodes[1].region, "north");
	assert_null(pool->nodes[2].region);
	assert_string_equal(pool->nodes[3].region, "south");
	assert_int_equal(pool->zone_spill, 20);
	assert_int_equal(pool->region_spill, 5);
	assert_int_equal(pool->far_load, 90);
	assert_int_equal(pool->zone_return_ms, 10000);
	sl_config_close(&config);
}

static void pools_services_routes_arrive(void **state)
{
	struct sl_config *config = must_parse(good);
	const struct sl_config_pool *pool = sl_config_find_pool(config, "chat");
	const struct sl_config_route *route = sl_config_find_route(config, "chat-large");

	(void)state;
	assert_non_null(pool);
	assert_null(sl_config_find_pool(config, "chit"));
	assert_string_equal(pool->model, "meta-llama/Llama-3.1-70B");
	assert_int_equal(pool->node_count, 2);
	assert_string_equal(pool->nodes[0].text, "10.0.0.7:8000");
	assert_int_equal(pool->nodes[0].weight, 1);
	assert_int_equal(pool->nodes[1].weight, 2);
	assert_int_equal(pool->nodes[1].line, 21);
	assert_true(pool->tunables[SL_TUNABLE_BREAKER_OPEN_MS] == 2000);
	assert_true(pool->tunables[SL_TUNABLE_BREAKER_CONSECUTIVE] == SL_TUNABLE_INHERIT);
	assert_null(config->pools[1].model);
	assert_int_equal(config->service_count, 2);
	assert_int_equal(config->services[0].lane, SL_LANE_FAST);
	assert_int_equal(config->services[0].pool, 0);
	assert_int_equal(config->services[1].lane, SL_LANE_SMART);
	assert_true(config->services[1].pool == UINT32_MAX);
	assert_non_null(route);
	assert_int_equal(route->chains[SL_CAUSE_ERROR].len, 2);
	assert_int_equal(route->chains[SL_CAUSE_ERROR].pools[1], 1);
	assert_int_equal(route->connect_timeout_ms, 500);
	assert_int_equal(route->ttft_timeout_ms, 20000);
	assert_int_equal(route->inter_token_timeout_ms, 10000);
	assert_int_equal(route->total_timeout_ms, 300000);
	assert_int_equal(route->attempts_max, 3);
	assert_int_equal(route->backoff_ms, 50);
	assert_int_equal(route->backoff_max_ms, 1000);
	route = sl_config_find_route(config, "tiny");
	assert_int_equal(route->total_timeout_ms, 300000);
	assert_int_equal(route->attempts_max, 4);
	sl_config_close(&config);
}

static void defaults_fill_in(void **state)
{
	struct sl_config *config = must_parse(POOLS ROUTES "limits:\ntimeouts: {}\n");

	(void)state;
	assert_int_equal(config->listen_count, 0);
	assert_string_equal(config->admin_socket, "/run/sluice/admin.sock");
	assert_int_equal(config->io_backend, SL_IO_AUTO);
	assert_int_equal(config->body_bytes_max, 4u << 20);
	assert_int_equal(config->connections_max, 20000);
	assert_int_equal(config->requests_max, 8192);
	assert_int_equal(config->stream_buffer_bytes_max, 256u << 10);
	assert_int_equal(config->upstream_idle_max, 64);
	assert_int_equal(config->client_rate_min, 512);
	assert_int_equal(config->header_timeout_ms, 10000);
	assert_int_equal(config->send_timeout_ms, 30000);
	assert_int_equal(config->upstream_idle_ms, 30000);
	assert_string_equal(config->pin_dir, SL_PIN_DIR);
	assert_int_equal(config->nat_port_min, 10240);
	assert_int_equal(config->nat_port_max, 32767);
	assert_int_equal(config->flows_max, SL_FLOWS_MAX_DEFAULT);
	assert_true(config->seed == 0);
	sl_config_close(&config);
}

static void forms_that_people_write(void **state)
{
	static const char *const texts[] = {
		POOLS ROUTES "listen: 127.0.0.1:80\nadmin_socket: none\n",
		"{\"pools\": {\"p\": {\"nodes\": [\"10.0.0.7:80\"]}},"
		" \"routes\": [{\"model\": \"m\", \"pools\": [\"p\"]}]}",
		"\xef\xbb\xbf" POOLS ROUTES,
		"---\n" POOLS ROUTES "...\n",
		"# comment only first\r\npools:\r\n  p: {nodes: 10.0.0.7:80}\r\n" ROUTES,
		"services: [{address: 10.0.0.1:80, lane: smart}]",
		ROUTES POOLS, /* names before what they name */
		"pools: {p: {nodes: [10.0.0.7:80]}}\n"
		"routes:\n"
		"  - &base {model: a, pools: p, timeouts: &t {total: 5s}}\n"
		"  - {<<: *base, model: b}\n"
		"  - {model: c, pools: p, timeouts: *t}\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct sl_config *config = must_parse(texts[i]);

		if (i == 0)
			assert_null(config->admin_socket);
		for (uint32_t j = 0; i == COUNT(texts) - 1 && j < 3; j++)
			assert_int_equal(config->routes[j].total_timeout_ms, 5000);
		sl_config_close(&config);
	}
}

static void listeners_speak_tls(void **state)
{
	struct sl_config *config = must_parse(
		POOLS ROUTES
		"listen:\n"
		"  - 127.0.0.1:8080\n"
		"  - {address: '0.0.0.0:8443', tls: {certificate: /c.pem, key: /k.pem}}\n"
		"  - address: '[::1]:8444'\n"
		"    tls: {certificate: [/a, /b], key: [/c, /d], client_ca: /ca, client: "
		"optional}\n");

	(void)state;
	assert_int_equal(config->listen_count, 3);
	assert_null(config->listen_tls[0]);
	assert_int_equal(config->listen_tls[1]->certificates.count, 1);
	assert_string_equal(config->listen_tls[1]->certificates.paths[0], "/c.pem");
	assert_string_equal(config->listen_tls[1]->keys.paths[0], "/k.pem");
	assert_null(config->listen_tls[1]->client_ca);
	assert_int_equal(config->listen_tls[1]->client, SL_CONFIG_CLIENT_REQUIRED);
	assert_string_equal(config->listen_tls[2]->certificates.paths[1], "/b");
	assert_string_equal(config->listen_tls[2]->keys.paths[1], "/d");
	assert_string_equal(config->listen_tls[2]->client_ca, "/ca");
	assert_int_equal(config->listen_tls[2]->client, SL_CONFIG_CLIENT_OPTIONAL);
	sl_config_close(&config);
}

/* A provider serves many models: each may be a pool of its own. */
static void providers_have_many_pools(void **state)
{
	struct sl_config *config =
		must_parse("pools:\n"
			   "  a: {model: large, nodes: ['https://api.example.com']}\n"
			   "  b: {model: small, nodes: ['https://api.example.com']}\n"
			   "routes: [{model: large, pools: [a, b]}]\n");

	(void)state;
	assert_false(sl_address_equal(&config->pools[0].nodes[0].endpoint,
				      &config->pools[1].nodes[0].endpoint));
	assert_string_equal(config->pools[1].nodes[0].host, "api.example.com");
	sl_config_close(&config);
}

static void nodes_have_names(void **state)
{
	struct sl_config *config = must_parse("pools:\n"
					      "  p:\n"
					      "    nodes: ['https://API.Example.com', "
					      "'http://b.test:8080/', 'https://10.0.0.7:8443',\n"
					      "            'https://[fd00::7]:8443', 10.0.0.8:80, "
					      "{address: 'https://c', weight: 3}]\n"
					      "    ca: /ca.pem\n"
					      "    server_name: inner\n"
					      "    path: /openai/v1\n"
					      "    api_key: sk-1\n"
					      "    api_key_header: x-api-key\n" ROUTES);
	const struct sl_config_pool *pool = &config->pools[0];
	const struct {
		const char *host;
		bool tls;
		uint16_t port;
	} wanted[] = {{"api.example.com", true, 443},
		      {"b.test", false, 8080},
		      {NULL, true, 8443},
		      {NULL, true, 8443},
		      {NULL, false, 80},
		      {"c", true, 443}};
	struct sl_endpoint same;

	(void)state;
	assert_int_equal(pool->node_count, 6);
	for (uint32_t i = 0; i < 6; i++) {
		const struct sl_config_node *node = &pool->nodes[i];

		if (wanted[i].host)
			assert_string_equal(node->host, wanted[i].host);
		else
			assert_null(node->host);
		assert_int_equal(node->tls, wanted[i].tls);
		assert_int_equal(sl_address_port(&node->endpoint), wanted[i].port);
		assert_int_equal(sl_address_is_name(&node->endpoint.addr), wanted[i].host != NULL);
	}
	sl_address_from_name("p", "api.example.com", 443, &same);
	assert_true(sl_address_equal(&same, &pool->nodes[0].endpoint));
	sl_address_from_name("p", "api.example.con", 443, &same);
	assert_false(sl_address_equal(&same, &pool->nodes[0].endpoint));
	sl_address_from_name("pa", "pi.example.com", 443, &same);
	assert_false(sl_address_equal(&same, &pool->nodes[0].endpoint));
	assert_int_equal(pool->nodes[5].weight, 3);
	assert_string_equal(pool->ca, "/ca.pem");
	assert_string_equal(pool->server_name, "inner");
	assert_string_equal(pool->path, "/openai/v1");
	assert_string_equal(pool->api_key, "sk-1");
	assert_string_equal(sl_config_key_headers[pool->api_key_header], "x-api-key");
	sl_config_close(&config);
}

static void environment_is_inserted(void **state)
{
	struct sl_config *config;

	(void)state;
	setenv("SLUICE_TEST_NODE", "10.0.0.7", 1);
	setenv("SLUICE_TEST_NAME", "from env", 1);
	config = must_parse("pools: {p: {nodes: ['${SLUICE_TEST_NODE}:80']}}\n" ROUTES
			    "admin_socket: \"/a ${SLUICE_TEST_NAME}/$${x}$y\"\n");
	assert_string_equal(config->pools[0].nodes[0].text, "10.0.0.7:80");
	assert_string_equal(config->admin_socket, "/a from env/${x}$y");
	sl_config_close(&config);
}

/* ---- bounds and damage --------------------------------------------------------------------- */

static void laughs_are_refused(void **state)
{
	char text[4000] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	for (unsigned i = 1; i < 12; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "a%u: &a%u [", i, i);
		for (unsigned j = 0; j < 10; j++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "*a%u, ", i - 1);
		strcat(text, "]\n");
	}
	assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors), -EINVAL);
	assert_non_null(strstr(errors, "more than 200000 nodes once aliases are expanded"));
	free(errors);
}

static void parse_and_drop(const char *text, size_t len)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_parse("t.yaml", text, len, &config, &errors);

	assert_true((rc == 0) == (config != NULL));
	assert_true((rc == 0) == (errors == NULL));
	free(errors);
	sl_config_close(&config);
}

static void damage_never_crashes(void **state)
{
	static const char bytes[] = "{}[]:,-&*!|>'\"%@`#? \n\t\r$~<\\\0\x01\x80\xff\xc3\xa9"
				    "09az";
	size_t good_len = strlen(good);
	struct sl_random random;

	(void)state;
	for (size_t len = 0; len <= good_len; len++) {
		char *text = sl_guard_copy(good, len);

		parse_and_drop(text, len);
		sl_guard_free(text, len);
	}
	sl_random_seed(&random, 2024);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		char *text = sl_guard_copy(good, good_len);

		for (unsigned j = sl_random_below(&random, 8); j < 8; j++)
			text[sl_random_below(&random, (uint32_t)good_len)] =
				bytes[sl_random_below(&random, sizeof(bytes) - 1)];
		parse_and_drop(text, good_len);
		sl_guard_free(text, good_len);
	}
}

static void limits_hold(void **state)
{
	size_t size = SL_CONFIG_BYTES_MAX + 1;
	char *text = malloc(size);
	struct sl_config *config = NULL;
	char *errors = NULL;
	size_t len = 0;

	(void)state;
	memset(text, '#', size);
	assert_int_equal(sl_config_parse("t.yaml", text, size, &config, &errors), -E2BIG);
	assert_string_equal(errors, "t.yaml: error: larger than 4194304 bytes\n");
	free(errors);
	/* 4096 nodes in one pool are one too many for the map of nodes. */
	len += (size_t)sprintf(text, ROUTES "pools: {p: {nodes: [");
	for (unsigned i = 0; i < 4096; i++)
		len += (size_t)sprintf(text + len, "10.1.%u.%u:80,", i / 250, i % 250 + 1);
	len += (size_t)sprintf(text + len, "]}}\n");
	assert_int_equal(sl_config_parse("t.yaml", text, len, &config, &errors), -EINVAL);
	assert_string_equal(
		errors, "t.yaml: error: pools: 4096 nodes in all are too many (at most 4095)\n");
	free(errors);
	len = (size_t)sprintf(text, POOLS ROUTES "listen: [");
	for (unsigned i = 0; i < 17; i++)
		len += (size_t)sprintf(text + len, "1.2.3.4:%u,", i + 1);
	len += (size_t)sprintf(text + len, "]\n");
	assert_int_equal(sl_config_parse("t.yaml", text, len, &config, &errors), -EINVAL);
	assert_non_null(strstr(errors, "listen: 17 entries are too many (at most 16)"));
	free(errors);
	/* Shapes that are dear to parse: refused before. */
	memset(text, '[', 1u << 20);
	assert_int_equal(sl_config_parse("t.yaml", text, 1u << 20, &config, &errors), -EINVAL);
	assert_non_null(strstr(errors, "t.yaml:1:1001: error: too many open brackets\n"));
	free(errors);
	memset(text, '\n', 1u << 20);
	text[0] = '|';
	assert_int_equal(sl_config_parse("t.yaml", text, 1u << 20, &config, &errors), -EINVAL);
	assert_non_null(strstr(errors, "t.yaml:2002:1: error: too many blank lines in a row\n"));
	free(errors);
	len = 0;
	for (unsigned i = 0; i < 80; i++)
		len += (size_t)sprintf(text + len, "key%u: 1\n", i);
	assert_int_equal(sl_config_parse("t.yaml", text, len, &config, &errors), -EINVAL);
	assert_non_null(strstr(errors, "t.yaml: 30 more errors are not shown\n"));
	free(errors);
	free(text);
}

static void files_are_read(void **state)
{
	char path[] = "/tmp/sluice-config-XXXXXX";
	int fd = mkstemp(path);
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc;

	(void)state;
	assert_true(fd >= 0);
	assert_true(write(fd, good, strlen(good)) == (ssize_t)strlen(good));
	close(fd);
	rc = sl_config_read(path, &config, &errors);
	unlink(path);
	assert_int_equal(rc, 0);
	assert_string_equal(config->path, path);
	sl_config_close(&config);
	assert_int_equal(sl_config_read(path, &config, &errors), -ENOENT);
	assert_non_null(strstr(errors, "error: cannot read: No such file or directory\n"));
	free(errors);
	assert_int_equal(sl_config_read("/tmp", &config, &errors), -EISDIR);
	free(errors);
}

/* ---- manual -------------------------------------------------------------------------------- */

static char *read_manual(void)
{
	char *text = calloc(1, MANUAL_BYTES_MAX);
	FILE *file = fopen(MANUAL, "r");

	if (file == NULL)
		fail_msg("%s: %s (run from the top of the tree)", MANUAL, strerror(errno));
	assert_true(fread(text, 1, MANUAL_BYTES_MAX - 1, file) > 0);
	fclose(file);
	return text;
}

static void manual_is_up_to_date(void **state)
{
	char *manual = read_manual();
	char *reference = strstr(manual, REFERENCE_MARK);
	char *generated = NULL;
	size_t len = 0;
	FILE *memory = open_memstream(&generated, &len);

	(void)state;
	sl_config_write_reference(memory);
	fclose(memory);
	assert_non_null(reference);
	if (strcmp(reference + strlen(REFERENCE_MARK), generated) != 0)
		fail_msg("%s is not what the table of keys says; regenerate it as it describes",
			 MANUAL);
	free(generated);
	free(manual);
}

static void manual_examples_are_valid(void **state)
{
	char *manual = read_manual();
	char *at = manual;
	unsigned examples = 0;

	(void)state;
	setenv("NODE_A", "10.0.0.7", 1);
	setenv("OTEL_TOKEN", "x", 1);
	setenv("BEACON_KEY", "000102030405060708090a0b0c0d0e0f", 1);
	while ((at = strstr(at, "```yaml\n")) != NULL) {
		char *end = strstr(at + 8, "```");
		struct sl_config *config;

		assert_non_null(end);
		*end = '\0';
		config = must_parse(at + 8);
		sl_config_close(&config);
		at = end + 3;
		examples++;
	}
	assert_true(examples >= 2);
	free(manual);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_values_arrive),
		cmocka_unit_test(fallbacks_arrive),
		cmocka_unit_test(keys_arrive),
		cmocka_unit_test(limits_arrive),
		cmocka_unit_test(zones_and_adapters_arrive),
		cmocka_unit_test(regions_are_those_of_their_zones),
		cmocka_unit_test(pools_services_routes_arrive),
		cmocka_unit_test(defaults_fill_in),
		cmocka_unit_test(forms_that_people_write),
		cmocka_unit_test(listeners_speak_tls),
		cmocka_unit_test(nodes_have_names),
		cmocka_unit_test(providers_have_many_pools),
		cmocka_unit_test(environment_is_inserted),
		cmocka_unit_test(laughs_are_refused),
		cmocka_unit_test(damage_never_crashes),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(manual_is_up_to_date),
		cmocka_unit_test(manual_examples_are_valid),
	};

	if (argc == 2 && strcmp(argv[1], "--reference") == 0) {
		sl_config_write_reference(stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
