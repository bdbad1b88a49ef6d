/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration reader: values, every complaint with its place, golden error output, damage,
 * and docs/configuration.md against the table of keys. Run from the top of the tree.
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

/* A valid file around the line under test. */
#define POOLS  "pools: {p: {nodes: [10.0.0.7:80]}}\n"
#define ROUTES "routes: [{model: m, pools: p}]\n"

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

/* ---- complaints ---------------------------------------------------------------------------- */

struct complaint {
	const char *text;
	const char *place; /* "LINE:COLUMN: " or "" for the whole file */
	const char *said;
};

static const struct complaint complaints[] = {
	/* keys */
	{POOLS ROUTES "lisen: 1.2.3.4:80\n",
	 "3:1: ", "lisen: unknown key (did you mean \"listen\"?)"},
	{POOLS ROUTES "limits: {bdoy: 1k}\n",
	 "3:10: ", "limits.bdoy: unknown key (did you mean \"body\"?)"},
	{POOLS ROUTES "zzzzzzzz: 1\n", "3:1: ", "zzzzzzzz: unknown key; known here: listen, "},
	{POOLS ROUTES "Threads: 1\n", "3:1: ", "Threads: unknown key (did you mean \"threads\"?)"},
	{POOLS ROUTES "threads: 1\nthreads: 2\n", "4:1: ",
	 "threads: the key is here twice (first in "
	 "line 3)"},
	{"pools: {p: {nodes: [10.0.0.7:80], nodes: [10.0.0.8:80]}}\n" ROUTES,
	 "1:35: ", "nodes: the key is here twice"},
	/* scalars */
	{POOLS ROUTES "threads: many\n",
	 "3:10: ", "threads: \"many\" is not a number (expected 0 to"},
	{POOLS ROUTES "threads: -1\n", "3:10: ", "threads: \"-1\" is not a number"},
	{POOLS ROUTES "threads: 257\n",
	 "3:10: ", "threads: \"257\" is too large (expected 0 to 256)"},
	{POOLS ROUTES "threads: 99999999999999999999\n", "3:10: ", "is too large"},
	{POOLS ROUTES "threads: [1]\n", "3:10: ", "threads: a list here (expected 0 to 256)"},
	{POOLS ROUTES "io: uring\n",
	 "3:5: ", "io: \"uring\" is not known here (expected auto, io_uring or epoll)"},
	{POOLS ROUTES "limits: {body: 4x}\n",
	 "3:16: ", "limits.body: \"4x\" is not a size (expected 1KiB to 1GiB"},
	{POOLS ROUTES "limits: {body: 2g}\n", "3:16: ", "is too large"},
	{POOLS ROUTES "limits: 7\n", "3:9: ", "limits: a scalar here (expected a map)"},
	{POOLS ROUTES "timeouts:\n  header: 1.5s\n",
	 "4:11: ", "timeouts.header: \"1.5s\" is not a duration (expected 10ms to 1h, like"},
	{POOLS ROUTES "timeouts: {header: 10500us}\n", "3:20: ", "finer than a millisecond"},
	{POOLS ROUTES "timeouts: {header: 9ms}\n", "3:20: ", "is too small"},
	{POOLS ROUTES "admin_socket: run/x\n", "3:15: ", "\"run/x\" is not absolute"},
	{POOLS ROUTES
	 "admin_socket: /a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	 "3:15: ", "is too long (at most 107 bytes)"},
	{POOLS ROUTES "listen: 8080\n", "3:9: ", "listen: \"8080\" has no port"},
	{POOLS ROUTES "listen: [1.2.3.4:80, 1.2.3.4:80]\n", "3:22: ", "is here twice"},
	{"pools: {p: {nodes: ['https://a.b/v1']}}\n" ROUTES, "1:22: ",
	 "pools.p.nodes[0]: \"https://a.b/v1\" has a path, which belongs into the pool's key"},
	{"pools: {p: {nodes: ['https://a.b:70000']}}\n" ROUTES, "1:22: ", "has no port between 1"},
	{"pools: {p: {nodes: ['https://']}}\n" ROUTES, "1:22: ", "has no valid name"},
	{"pools: {p: {nodes: ['https://a_b!']}}\n" ROUTES, "1:22: ", "has no valid name"},
	{"pools: {p: {nodes: ['https://0.0.0.0:443']}}\n" ROUTES, "1:22: ", "is every address"},
	{"pools: {p: {nodes: ['https://a', 'http://A:443']}}\n" ROUTES,
	 "1:35: ", "node http://A:443 is already in pool \"p\""},
	{"pools: {p: {nodes: ['http://a'], ca: /ca}}\n" ROUTES,
	 "1:9: ", "pools.p.ca: none of its nodes is reached by TLS"},
	{"pools: {p: {nodes: ['http://a'], server_name: a}}\n" ROUTES,
	 "1:9: ", "pools.p.server_name: none of its nodes is reached by TLS"},
	{"pools:\n  p:\n    nodes: ['http://a']\n    api_key: 'sk one'\n" ROUTES,
	 "4:15: ", "pools.p.api_key: the value is no key"},
	{"pools: {p: {nodes: ['http://a']}}\n" ROUTES
	 "services: [{address: '10.0.0.1:80', lane: fast, pool: p}]\n",
	 "3:23: ",
	 "the fast lane cannot lead to node http://a of pool \"p\", line 1, which has a name"},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', a: b}\n",
	 "3:33: ", "listen[0].a: unknown key"},
	{POOLS ROUTES "listen: {tls: {key: /k, certificate: /c}}\n",
	 "3:9: ", "listen[0]: needs the key \"address\""},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', tls: {certificate: /c}}\n",
	 "3:38: ", "listen[0].tls: needs the key \"key\""},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', tls: {certificate: c, key: /k}}\n",
	 "3:52: ", "listen[0].tls.certificate: \"c\" is not absolute"},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', tls: {certificate: /c, key: [/k, /l]}}\n",
	 "3:38: ", "listen[0]: 1 certificates and 2 keys"},
	{POOLS ROUTES
	 "listen: {address: '1.2.3.4:80', tls: {certificate: /c, key: /k, client: optional}}\n",
	 "3:38: ", "there is no \"client_ca\" to check them"},
	{POOLS ROUTES "listen: [1.2.3.4:80, {address: '1.2.3.4:80'}]\n",
	 "3:22: ", "\"1.2.3.4:80\" is here twice"},
	{POOLS ROUTES "listen: [[1.2.3.4:80]]\n", "3:10: ", "listen: a list here"},
	/* kernel */
	{POOLS ROUTES "kernel: {nat_ports: 70-90}\n", "3:21: ", "\"70-90\" leaves the range"},
	{POOLS ROUTES "kernel: {nat_ports: 6000}\n", "3:21: ", "is not a range of ports"},
	{POOLS ROUTES "kernel: {nat_ports: 65000-61000}\n", "3:21: ", "ends before it starts"},
	{POOLS ROUTES "kernel: {nat_ports: 61000-61010}\n", "3:21: ", "holds too few ports"},
	{POOLS ROUTES "kernel: {nat_ports: 61000-65536}\n", "3:21: ", "leaves the range"},
	{POOLS ROUTES "kernel: {devices: [eth0, eth0]}\n", "3:26: ", "\"eth0\" is here twice"},
	{POOLS ROUTES "kernel: {devices: a/b}\n", "3:19: ", "no name may have"},
	{POOLS ROUTES "kernel: {devices: abcdefghijklmnop}\n", "3:19: ", "is too long"},
	{POOLS ROUTES "kernel: {seed: abc}\n", "3:16: ", "is not a number (expected a number)"},
	/* tunables */
	{POOLS ROUTES "tunables: {breaker.open: 3}\n",
	 "3:12: ", "tunables.breaker.open: unknown tunable (did you mean \"breaker.open_ms\"?)"},
	{POOLS ROUTES "tunables: {breaker.open_ms: 5}\n",
	 "3:29: ", "\"5\" is out of place (expected 10 to 600000, unit: ms)"},
	{POOLS ROUTES "tunables: {breaker.open_ms: 5m}\n",
	 "3:1: ", "tunables: breaker.open_ms 300000 is over breaker.open_max_ms 120000"},
	{"pools: {p: {nodes: [10.0.0.7:80], tunables: {breaker.open_max_ms: 20}}}\n" ROUTES,
	 "1:35: ", "pools.p.tunables: breaker.open_ms 5000 is over breaker.open_max_ms 20"},
	{POOLS ROUTES "tunables: {fast_lane.enabled: maybe}\n", "3:31: ", "unit: bool"},
	/* pools */
	{"pools: {\"a b\": {nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:10: ", "the pool's name has a character that no name may have"},
	{"pools: {p: {nodes: []}}\n" ROUTES, "1:20: ", "pools.p.nodes: no node at all"},
	{"pools: {p: {model: x}}\n" ROUTES, "1:12: ", "pools.p: needs the key \"nodes\""},
	{"pools:\n  p:\n" ROUTES, "", "pools.p: needs the key \"nodes\""},
	{"pools: {p: {model: \"a b\", nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:21: ", "pools.p.model: \"a b\" has a character"},
	{"pools: {p: {adapters: [m, n], nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:9: ", "pools.p.adapters: \"n\" is the model of no route with this pool"},
	{"pools: {p: {nodes: [10.0.0.7:80]}, q: {adapters: m, nodes: [10.0.0.8:80]}}\n" ROUTES, "",
	 "pools.q.adapters: \"m\" is the model of no route with this pool"},
	{"pools: {p: {adapters: [\"a b\"], nodes: [10.0.0.7:80]}}\n" ROUTES, "",
	 "letters, digits and . _ - : / @ +"},
	{"pools: {p: {nodes: [gpu7:8000]}}\n" ROUTES, "1:21: ",
	 "pools.p.nodes[0]: \"gpu7:8000\" is a name; sluice takes numeric addresses only"},
	{"pools: {p: {nodes: [0.0.0.0:80]}}\n" ROUTES, "1:21: ", "is every address, not one"},
	{"pools: {p: {nodes: [{weight: 2}]}}\n" ROUTES,
	 "1:21: ", "pools.p.nodes[0]: needs the key \"address\""},
	{"pools: {p: {nodes: [{address: 10.0.0.7:80, weight: 0}]}}\n" ROUTES,
	 "1:52: ", "pools.p.nodes[0].weight: \"0\" is too small (expected 1 to 1000)"},
	{"pools:\n  p:\n    nodes:\n      - 10.0.0.7:80\n      - '[::ffff:10.0.0.7]:80'\n" ROUTES,
	 "5:10: ", "pool \"p\": node [::ffff:10.0.0.7]:80 is already in pool \"p\", line 4"},
	{"pools: {p: {nodes: [10.0.0.7:80]}, q: {nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:48: ", "pool \"q\": node 10.0.0.7:80 is already in pool \"p\", line 1"},
	{"pools: {p: {nodes: [10.0.0.7:80, 10.0.0.8:80, 10.0.0.8:80]}}\n" ROUTES,
	 "1:47: ", "node 10.0.0.8:80 is already in pool \"p\", line 1"},
	/* services */
	{POOLS "services: [{address: 10.0.0.1:80, lane: fast, pool: q}]\n",
	 "2:53: ", "services[0].pool: no pool \"q\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: fast}]\n",
	 "2:22: ", "needs the key \"pool\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: fast, pool: ~}]\n",
	 "2:22: ", "needs the key \"pool\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: smart, pool: p}]\n",
	 "2:48: ", "services[0].pool: the smart lane leads to the daemon"},
	{POOLS "services: [{address: 10.0.0.1:80}]\n",
	 "2:12: ", "services[0]: needs the key \"lane\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: quick}]\n",
	 "2:41: ", "services[0].lane: \"quick\" is not known here (expected smart or fast)"},
	{POOLS
	 "services: [{address: 10.0.0.1:80, lane: smart}, {address: 10.0.0.1:80, lane: smart}]",
	 "2:59: ", "service 10.0.0.1:80 is already in line 2"},
	{POOLS "services: [{address: 10.0.0.7:80, lane: smart}]\n",
	 "2:22: ", "10.0.0.7:80 is a node and a service (see line 1)"},
	{"pools: {p: {nodes: ['[fd00::7]:80']}}\n"
	 "services: [{address: 10.0.0.1:80, lane: fast, pool: p}]\n",
	 "2:22: ", "the fast lane cannot lead to node [fd00::7]:80 of pool \"p\", line 1"},
	{POOLS "services: [{address: '[fd00::1]:80', lane: fast, pool: p}]\n",
	 "2:23: ", "use the smart lane, or a pool of IPv6 nodes"},
	{POOLS "services: {a: b}\n",
	 "2:11: ", "services: a map here (expected a list of services)"},
	/* routes */
	{POOLS "routes: [{model: m, pools: [p, nope]}]\n",
	 "2:32: ", "routes[0].pools: no pool \"nope\""},
	{POOLS "routes: [{model: m, pools: [p, p]}]\n", "2:32: ", "\"p\" is here twice"},
	{POOLS "routes: [{model: m, pools: p, fallbacks: {ttft: q}}]\n",
	 "2:49: ", "routes[0].fallbacks.ttft: "},
	{POOLS "routes: [{model: m, pools: p, fallbacks: {quota: p}}]\n",
	 "2:18: ", "routes[0].fallbacks: model \"m\": pool \"p\" is the route's first pool"},
	{POOLS "routes: [{model: m, pools: p, fallbacks: {error: p}}]\n", "2:43: ",
	 "unknown key; known here: ttft, total, context_length, content_policy, quota, "
	 "breaker_open"},
	{POOLS "routes: [{model: m, pools: []}]\n", "2:28: ", "no pool at all"},
	{POOLS "routes: [{pools: p}]\n", "2:10: ", "routes[0]: needs the key \"model\""},
	{POOLS "routes:\n  - {model: m, pools: p}\n  - {model: m, pools: p}\n",
	 "4:13: ", "routes[1].model: model \"m\" already has a route in line 3"},
	{POOLS "routes: [{model: m, pools: p, backoff: 2s}]\n",
	 "2:18: ", "backoff 2000ms is over backoff_max 1000ms"},
	{POOLS "routes: [{model: m, pools: p, attempts: 0}]\n",
	 "2:41: ", "attempts: \"0\" is too small"},
	{POOLS "routes: [{model: m, pools: p, timeouts: {tft: 1s}}]\n",
	 "2:42: ", "routes[0].timeouts.tft: unknown key (did you mean \"ttft\"?)"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{load: 9, model: nope}]}}]\n", "",
	 "routes[0].degrade.rules[0].model: no pool \"nope\""},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{load: 9, classes: [x]}]}}]\n", "",
	 "classes: \"x\" is not known here (expected batch, standard, interactive or critical)"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{max_tokens: 9}]}}]\n", "",
	 "degrade.rules[0]: nothing would ever bring it into force"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{wait: 1s}]}}]\n", "",
	 "degrade.rules[0]: it saves nothing"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{load: 9, model: p}]}}]\n", "",
	 "\"p\" is the pool that is asked first anyway"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: {load: 9}}}]\n", "",
	 "rules: a map here (expected a list of up to 8 rules)"},
	{POOLS "routes: [{model: m, pools: p, degrade: {tools: {t: {}}}}]\n", "",
	 "degrade.tools.t: needs the key \"pool\""},
	{POOLS "routes: [{model: m, pools: p, degrade: {tools: {\"t t\": {pool: p}}}}]\n", "",
	 "the name "},
	{POOLS "routes: [{model: m, pools: p, sampling: {temperature: 2.5}}]\n", "2:",
	 "route \"m\": sampling.temperature: \"2.5\" is not right (expected a number from 0 to 2)"},
	{POOLS "routes: [{model: m, pools: p, sampling: {seed: 1.0}}]\n", "2:",
	 "sampling.seed: \"1.0\" is not right (expected an integer from 0 to 9007199254740991)"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: 01}}]\n",
	 "2:", "sampling.top_p: \"01\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: .5}}]\n",
	 "2:", "sampling.top_p: \".5\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: 1.}}]\n",
	 "2:", "sampling.top_p: \"1.\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: \"\"}}]\n",
	 "2:", "sampling.top_p: \"\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: 0.5, mode: force}}]\n",
	 "2:", "mode: \"force\" is not known here (expected pin, default or refuse)"},
	{POOLS "routes: [7]\n", "2:10: ", "routes[0]: a scalar here (expected a map)"},
	{"routes: [{model: m, pools: p}]\n", "1:28: ", "no pool \"p\" (the file has no pools)"},
	{POOLS, "", "nothing to do: at least one entry under \"routes\" or \"services\""},
	{"", "", "nothing to do"},
	{"# nothing\n", "", "nothing to do"},
	{"just words\n", "1:1: ", "a scalar here (expected a map of keys)"},
	{"- a\n", "1:1: ", "a list here (expected a map of keys)"},
	/* YAML */
	{POOLS "routes: [{model: m\n", "3:1: ", "not YAML: "},
	{POOLS "routes: \"m\n", "2:10: ", "not YAML: "},
	{"a: 1\n b: 2\n", "1:4: ", "not YAML: "},
	{"\tpools: 1\n", "1:1: ", "not YAML: "},
	{POOLS ROUTES "---\nthreads: 1\n", "3:1: ", "a second document (---) starts here"},
	{POOLS ROUTES "threads: *t\n", "3:11: ", "*t: no anchor &t before this line"},
	{POOLS ROUTES "threads: !!int 3\n", "", "tags (!...) have no meaning here"},
	{POOLS ROUTES "? [a]\n: b\n", "3:3: ", "a key cannot be a list"},
	{POOLS ROUTES "<<: 3\n", "3:1: ", "<<: cannot merge a scalar"},
	{POOLS ROUTES "x: \x01\n", "3:4: ", "byte 0x01 is not text (expected UTF-8)"},
	{POOLS ROUTES "x: \xff\n", "3:4: ", "byte 0xff is not text"},
	{POOLS ROUTES "admin_socket: \"/a\\0b\"\n", "3:16: ", "control character 0x00 in a value"},
	{POOLS ROUTES "a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n",
	 "3:19: ", "nested deeper than 16"},
	/* environment */
	{POOLS ROUTES "listen: ${SLUICE_TEST_UNSET}\n",
	 "3:9: ", "${SLUICE_TEST_UNSET} is not set in the environment"},
	{POOLS ROUTES "listen: ${7}\n", "3:9: ", "\"${\" starts no variable"},
	{POOLS ROUTES "listen: \"${A\"\n", "3:10: ", "\"${\" starts no variable"},
};

static void every_complaint_has_its_place(void **state)
{
	char expected[64];
	unsigned wrong = 0;

	(void)state;
	unsetenv("SLUICE_TEST_UNSET");
	for (size_t i = 0; i < COUNT(complaints); i++) {
		const struct complaint *c = &complaints[i];
		size_t len = strlen(c->text);
		char *text = sl_guard_copy(c->text, len);
		struct sl_config *config = NULL;
		char *errors = NULL;
		int rc = sl_config_parse("t.yaml", text, len, &config, &errors);

		snprintf(expected, sizeof(expected), "t.yaml:%s", c->place);
		if (rc != -EINVAL || config != NULL || errors == NULL ||
		    strncmp(errors, expected, strlen(expected)) != 0 ||
		    strstr(errors, "error: ") == NULL || strstr(errors, c->said) == NULL) {
			print_error("case %zu: %d\n%s--\n%s--\nexpected %s%s\n", i, rc, c->text,
				    errors != NULL ? errors : "(null)\n", expected, c->said);
			wrong++;
		}
		free(errors);
		sl_guard_free(text, len);
	}
	assert_int_equal(wrong, 0);
}

static void output_is_golden(void **state)
{
	static const char text[] = "x:\ttrue # \xc3\xa9\nlimits: {\tbody:\t4x}\n";
	static const char several[] = "listen: [0.0.0.0:8080]\n"
				      "pools:\n"
				      "  chat: {nodes: [10.0.0.7:8000]}\n"
				      "routes:\n"
				      "  - {model: größe, pools: [caht]} # é\n"
				      "limits: {body: 4x}\n";
	static const char expected[] =
		"t.yaml:5:13: error: routes[0].model: \"größe\" has a character that no name may "
		"have (expected up to 127 letters, digits and . _ - : / @ +)\n"
		"    5 |   - {model: größe, pools: [caht]} # é\n"
		"      |             ^\n"
		"t.yaml:5:28: error: routes[0].pools: no pool \"caht\" (did you mean \"chat\"?)\n"
		"    5 |   - {model: größe, pools: [caht]} # é\n"
		"      |                            ^\n"
		"t.yaml:6:16: error: limits.body: \"4x\" is not a size (expected 1KiB to 1GiB, "
		"like "
		"64KiB or 4MiB)\n"
		"    6 | limits: {body: 4x}\n"
		"      |                ^\n";
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	assert_int_equal(sl_config_parse("t.yaml", several, strlen(several), &config, &errors),
			 -EINVAL);
	assert_string_equal(errors, expected);
	free(errors);
	assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors), -EINVAL);
	/* A tab is as wide below as above. */
	assert_non_null(strstr(errors, "\n    2 | limits: {\tbody:\t4x}\n"
				       "      |          \t     \t^\n"));
	free(errors);
}

static void long_lines_are_cut_around_the_caret(void **state)
{
	char text[2000] = "threads: 1 #";
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	strcpy(text, "limits: {");
	for (unsigned i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "key%u: 1, ", i);
	strcat(text, "}\n");
	assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors), -EINVAL);
	for (char *line = strtok(errors, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char *next = line + strlen(line) + 1;

		if (strstr(line, "| ...") == NULL)
			continue;
		assert_true(strlen(line) < 130);
		/* The caret stands below the key. */
		assert_int_equal(strncmp(line + (strchr(next, '^') - next), "key", 3), 0);
	}
	free(errors);
}

static void secrets_of_the_environment_are_not_shown(void **state)
{
	static const char *const lines[] = {
		"listen: ${SLUICE_TEST_SECRET}\n",
		"threads: ${SLUICE_TEST_SECRET}\n",
		"io: ${SLUICE_TEST_SECRET}\n",
		"admin_socket: ${SLUICE_TEST_SECRET}\n",
		"timeouts: {idle: '${SLUICE_TEST_SECRET}'}\n",
		"kernel: {devices: ['${SLUICE_TEST_SECRET}']}\n",
		"tunables: {breaker.open_ms: '${SLUICE_TEST_SECRET}'}\n",
		"services: [{address: 10.0.0.1:80, lane: fast, pool: '${SLUICE_TEST_SECRET}'}]\n",
		"services: [{address: '${SLUICE_TEST_SECRET}', lane: smart}]\n",
		"kernel: {nat_ports: '${SLUICE_TEST_SECRET}', seed: '${SLUICE_TEST_SECRET}'}\n",
	};
	/* Instead of the routes. */
	static const char *const routes[] = {
		"routes: [{model: '${SLUICE_TEST_SECRET}', pools: p}]\n",
		"routes: [{model: m, pools: '${SLUICE_TEST_SECRET}'}]\n",
	};

	(void)state;
	setenv("SLUICE_TEST_SECRET", "sk hunter2/", 1);
	for (size_t i = 0; i < COUNT(lines) + COUNT(routes); i++) {
		bool line = i < COUNT(lines);
		struct sl_config *config = NULL;
		char *errors = NULL;
		char text[256];

		snprintf(text, sizeof(text), POOLS "%s%s", line ? ROUTES : "",
			 line ? lines[i] : routes[i - COUNT(lines)]);
		assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors),
				 -EINVAL);
		if (strstr(errors, "hunter2") != NULL)
			fail_msg("%s", errors);
		free(errors);
	}
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
		cmocka_unit_test(pools_services_routes_arrive),
		cmocka_unit_test(defaults_fill_in),
		cmocka_unit_test(forms_that_people_write),
		cmocka_unit_test(listeners_speak_tls),
		cmocka_unit_test(nodes_have_names),
		cmocka_unit_test(providers_have_many_pools),
		cmocka_unit_test(environment_is_inserted),
		cmocka_unit_test(every_complaint_has_its_place),
		cmocka_unit_test(output_is_golden),
		cmocka_unit_test(long_lines_are_cut_around_the_caret),
		cmocka_unit_test(secrets_of_the_environment_are_not_shown),
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
