/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_key.h"

#include <stdio.h>
#include <string.h>

#include "user/base/config.h"
#include "user/base/text.h"
#include "user/base/unit.h"

#define HOUR_MS		3600000ull
#define DAY_MS		86400000ull
#define SOCKET_PATH_MAX 107u /* sun_path without its terminator */
#define PATH_LEN_MAX	255u

#define ROOT(member)   offsetof(struct sl_config, member)
#define POOL(member)   offsetof(struct sl_config_pool, member)
#define NODE(member)   offsetof(struct sl_config_node, member)
#define SERVE(member)  offsetof(struct sl_config_service, member)
#define ROUTE(member)  offsetof(struct sl_config_route, member)
#define TENANT(member) offsetof(struct sl_config_tenant, member)
#define PRICE(member)  offsetof(struct sl_config_price, price.member)
#define CAUSE(cause)   offsetof(struct sl_config_route, chains[SL_CAUSE_##cause])

#define CHAIN_EXPECTED "a pool's name, or a list of up to 8"
#define BKEY(member)   offsetof(struct sl_config_beacon_key, member)
#define LISTEN(member) offsetof(struct sl_config_listen, member)
#define BNODE(member)  offsetof(struct sl_config_report, member)

static const char *const io_choices[] = {"auto", "io_uring", "epoll", NULL};
static const char *const lane_choices[] = {"", "smart", "fast", NULL}; /* enum sl_lane */
static const char *const hook_choices[] = {"auto", "native", "generic", "tc", NULL};
static const char *const role_choices[] = {"balancer", "node", NULL};	      /* enum sl_role */
static const char *const mode_choices[] = {"nat", "l2", "ipip", "gue", NULL}; /* enum sl_mode */
static const char *const protocol_choices[] = {"tcp", "udp", NULL};
static const char *const live_choices[] = {"none", "tcp", "http", NULL}; /* enum sl_config_live */
static const char *const generate_choices[] = {"chat", "completions", "embeddings", NULL};
static const char *const rest_choices[] = {"none", "prefill", NULL}; /* enum sl_config_rest */
/* enum sl_config_affinity */
static const char *const affinity_choices[] = {"none", "session", "prefix", NULL};
/* enum sl_config_concurrency */
static const char *const concurrency_choices[] = {"off", "busy", "gap", NULL};
static const char *const scrape_choices[] = {"auto", "always", "never",
					     NULL}; /* enum sl_config_scrape */
static const char *const resume_choices[] = {"off", "auto", NULL};
static const char *const client_choices[] = {"required", "optional",
					     NULL}; /* enum sl_config_client */
static const char *const bool_choices[] = {"false", "true", NULL};
/* enum sl_config_hedge */
static const char *const hedge_choices[] = {"off", "p50", "p75", "p90", "p95", "p98", "p99", NULL};

static const char *const api_choices[] = {"openai", "anthropic", NULL}; /* enum sl_config_api */

/* enum sl_config_key_header */
const char *const sl_config_key_headers[] = {"auto", "authorization", "x-api-key", "api-key", NULL};

/* section, type, name, offset, default, min, max, choices, required, expected, help */
#define MONEY_EXPECTED "an amount like 0.075 or 12, with up to nine decimal places"

/* What may be spent, of the sections that have limits. */
#define BUDGETS(section, at)                                                                     \
	{section,                                                                                \
	 SL_CONFIG_MONEY,                                                                        \
	 "budget_day",                                                                           \
	 at(day),                                                                                \
	 "0",                                                                                    \
	 0,                                                                                      \
	 SL_MONEY_MAX,                                                                           \
	 NULL,                                                                                   \
	 false,                                                                                  \
	 MONEY_EXPECTED,                                                                         \
	 "What may be spent in a day of UTC, in the currency of `prices`; over it: 429 "         \
	 "`insufficient_quota`. 0: no bound."},                                                  \
		{section,                                                                        \
		 SL_CONFIG_MONEY,                                                                \
		 "budget_month",                                                                 \
		 at(month),                                                                      \
		 "0",                                                                            \
		 0,                                                                              \
		 SL_MONEY_MAX,                                                                   \
		 NULL,                                                                           \
		 false,                                                                          \
		 MONEY_EXPECTED,                                                                 \
		 "The same for a month of the calendar."},                                       \
	{                                                                                        \
		section, SL_CONFIG_MONEY, "budget_total", at(total), "0", 0, SL_MONEY_MAX, NULL, \
			false, MONEY_EXPECTED, "The same for all time."                          \
	}
#define KEY_BUDGET(period)    ROOT(key_budget.period)
#define TENANT_BUDGET(period) TENANT(budget.period)
#define ROUTE_BUDGET(period)  ROUTE(budget.period)

const struct sl_config_key sl_config_keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_LISTEN_LIST, "listen", ROOT(listen), NULL, 0,
	 SL_CONFIG_LISTEN_MAX, NULL, false, "ADDRESS:PORT or {address, tls}, or a list of them",
	 "Where the daemon takes requests. Every thread listens on each (SO_REUSEPORT). No "
	 "default: "
	 "a gateway must not open a port that nobody asked for."},
	{SL_CONFIG_ROOT, SL_CONFIG_PATH, "admin_socket", ROOT(admin_socket),
	 "/run/sluice/admin.sock", 0, SOCKET_PATH_MAX, NULL, false, "an absolute path, or none",
	 "Unix socket through which the `sluice` command talks to the daemon. `none`: no socket."},
	{SL_CONFIG_ROOT, SL_CONFIG_U32, "threads", ROOT(threads), "0", 0, SL_CPUS_MAX, NULL, false,
	 NULL,
	 "Threads of the daemon, each with a ring of its own. 0: one for each CPU that the "
	 "process may use, which is right unless the host serves models too."},
	{SL_CONFIG_ROOT, SL_CONFIG_CHOICE, "io", ROOT(io_backend), "auto", 0, 0, io_choices, false,
	 NULL,
	 "Event back end. `auto` takes io_uring and falls back to epoll where a container "
	 "profile or an old kernel forbids it."},
	{SL_CONFIG_ROOT, SL_CONFIG_MODEL, "zone", ROOT(zone), NULL, 0, SL_CONFIG_MODEL_MAX, NULL,
	 false, "a zone's name",
	 "Zone of this host. Pools prefer their nodes with the same `zone`, while these are "
	 "healthy and below `zone_load`. Without it zones do not count."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "limits", 0, NULL, SL_CONFIG_LIMITS, 0, NULL, false,
	 "a map", "What the daemon takes before it says no."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "timeouts", 0, NULL, SL_CONFIG_TIMEOUTS, 0, NULL,
	 false, "a map",
	 "How long the daemon waits for its clients; routes have their own for nodes."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "cache", 0, NULL, SL_CONFIG_CACHE, 0, NULL, false,
	 "a map", "The cache of answers, for the routes that have `cache.ttl`."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "log", 0, NULL, SL_CONFIG_LOG, 0, NULL, false,
	 "a map", "The log of requests."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "keys", 0, NULL, SL_CONFIG_KEYS, 0, NULL, false,
	 "a map",
	 "API keys of the clients. Without it anyone who reaches `listen` may use every route."},
	{SL_CONFIG_ROOT, SL_CONFIG_TENANT_MAP, "tenants", ROOT(tenants), NULL, 0,
	 SL_CONFIG_TENANTS_MAX, NULL, false, "a map of NAME: LIMITS",
	 "Limits of tenants, by the name that `sluice key create --tenant` gave. A tenant that is "
	 "not "
	 "here has none but those of its keys."},
	{SL_CONFIG_ROOT, SL_CONFIG_PRICE_MAP, "prices", ROOT(prices), NULL, 0, SL_CONFIG_PRICES_MAX,
	 NULL, false, "a map of MODEL: PRICES",
	 "What models cost, by `pools.NAME.model` or a route's `model`; the former counts where "
	 "both are here. One that is not here costs nothing."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "spend", 0, NULL, SL_CONFIG_SPEND, 0, NULL, false,
	 "a map", "How what was spent is kept and shown."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "kernel", 0, NULL, SL_CONFIG_KERNEL, 0, NULL, false,
	 "a map", "The kernel plane, for `sluice up`."},
	{SL_CONFIG_ROOT, SL_CONFIG_TUNABLE_MAP, "tunables", ROOT(tunables), NULL, 0, 0, NULL, false,
	 "a map of NAME: VALUE",
	 "Numbers of the breaker and its signals, for every pool; names, bounds and defaults are "
	 "in "
	 "tunables.md. A value may carry its unit (`breaker.open_ms: 2s`)."},
	{SL_CONFIG_ROOT, SL_CONFIG_POOL_MAP, "pools", ROOT(pools), NULL, 0, SL_POOLS_MAX - 1, NULL,
	 false, "a map of NAME: POOL",
	 "Pools of nodes that serve the same model. Names: letters, digits, `.`, `_`, `-`."},
	{SL_CONFIG_ROOT, SL_CONFIG_SERVICE_LIST, "services", ROOT(services), NULL, 0,
	 SL_SERVICES_MAX, NULL, false, "a list of services",
	 "Virtual addresses that the kernel plane answers for."},
	{SL_CONFIG_ROOT, SL_CONFIG_ROUTE_LIST, "routes", ROOT(routes), NULL, 0,
	 SL_CONFIG_ROUTES_MAX, NULL, false, "a list of routes",
	 "Public model names of the daemon. At least one route or one service must be there."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "autoscale", 0, NULL, SL_CONFIG_AUTOSCALE, 0, NULL,
	 false, "a map", "Who is called when a pool is too small, or no more."},

	{SL_CONFIG_ROOT, SL_CONFIG_U32, "gather_us", ROOT(gather_us), "1000", 0, 1000, NULL, false,
	 NULL,
	 "With 128 streams or more on a thread, wait up to this many microseconds for further "
	 "tokens before relaying those that came: less CPU for each token, at the price of at "
	 "most that much latency, which is small beside the gap between two tokens. Fewer "
	 "streams are relayed at once. 0: always at once."},

	{SL_CONFIG_LISTEN, SL_CONFIG_ENDPOINT, "address", LISTEN(endpoint), NULL, 0, 0, NULL, true,
	 "ADDRESS:PORT, numeric", "The address and port."},
	{SL_CONFIG_LISTEN, SL_CONFIG_SECTION_MAP, "tls", 0, NULL, SL_CONFIG_LISTEN_TLS, 0, NULL,
	 false, "a map",
	 "TLS 1.2 or 1.3 instead of plain HTTP. Files are read again at each reload (SIGHUP), for "
	 "new connections; one that cannot be used fails the reload and the old ones stay."},

	{SL_CONFIG_LISTEN_TLS, SL_CONFIG_PATHS, "certificate", LISTEN(tls.certificates), NULL, 0,
	 SL_CONFIG_PATHS_MAX, NULL, true, "an absolute path, or a list of up to 16",
	 "PEM files: the certificate, then those of its authorities. Of several, the one made for "
	 "the name that the client asks for (SNI) is shown, else the first."},
	{SL_CONFIG_LISTEN_TLS, SL_CONFIG_PATHS, "key", LISTEN(tls.keys), NULL, 0,
	 SL_CONFIG_PATHS_MAX, NULL, true, "an absolute path, or a list of up to 16",
	 "PEM files of the private keys without a password, in the order of the certificates."},
	{SL_CONFIG_LISTEN_TLS, SL_CONFIG_PATH, "client_ca", LISTEN(tls.client_ca), NULL, 0,
	 PATH_LEN_MAX, NULL, false, "an absolute path",
	 "PEM file of the authorities whose certificates clients show (mutual TLS). Without it "
	 "clients are not asked for any."},
	{SL_CONFIG_LISTEN_TLS, SL_CONFIG_CHOICE, "client", LISTEN(tls.client), "required", 0, 0,
	 client_choices, false, NULL,
	 "With `client_ca`: whether a client may come without a certificate (`optional`). One that "
	 "is not trusted is refused either way."},

	{SL_CONFIG_LIMITS, SL_CONFIG_BYTES, "body", ROOT(body_bytes_max), "4MiB", 1024, 1u << 30,
	 NULL, false, NULL,
	 "Largest request body; more is answered 413. 4MiB holds about a million tokens of text; "
	 "raise it for images in prompts."},
	{SL_CONFIG_LIMITS, SL_CONFIG_U32, "connections", ROOT(connections_max), "20000", 1, 1000000,
	 NULL, false, NULL,
	 "Client connections of one thread; over it new ones are closed. High, because agents keep "
	 "many idle connections."},
	{SL_CONFIG_LIMITS, SL_CONFIG_U32, "requests", ROOT(requests_max), "8192", 1, 1000000, NULL,
	 false, NULL,
	 "Requests in flight of one thread; over it the answer is 503 with Retry-After. Far above "
	 "what the nodes of one thread work on, so it only stops a flood."},
	{SL_CONFIG_LIMITS, SL_CONFIG_U32, "http2_streams", ROOT(http2_streams_max), "100", 0, 10000,
	 NULL, false, NULL,
	 "Requests that one HTTP/2 connection may have under way; clients are told and wait. 100 "
	 "is "
	 "what RFC 9113 recommends at least. 0: HTTP/2 is not spoken, neither over TLS nor with "
	 "prior knowledge."},
	{SL_CONFIG_LIMITS, SL_CONFIG_U32, "answer_tokens", ROOT(answer_tokens), "256", 1, 1000000,
	 NULL, false, NULL,
	 "Tokens that are reserved for an answer whose request names no max_tokens, where a limit "
	 "of tokens counts. What was used is charged at the end."},
	{SL_CONFIG_LIMITS, SL_CONFIG_BYTES, "stream_buffer", ROOT(stream_buffer_bytes_max),
	 "256KiB", 4096, 64u << 20, NULL, false, NULL,
	 "Bytes kept for a client that reads slower than its node writes; then the node is paused. "
	 "256KiB is about 1,000 streamed tokens, so that a short stall of a phone does not hold up "
	 "a GPU slot."},
	{SL_CONFIG_LIMITS, SL_CONFIG_BYTES, "client_rate", ROOT(client_rate_min), "512", 0,
	 1u << 30, NULL, false, NULL,
	 "Bytes a second that a client must send of a body on average, once `timeouts.header` and "
	 "`timeouts.body` have passed (else 408), and take of an answer while more than 4KiB of it "
	 "waits, once `timeouts.send` has passed (else it is cut). So a byte now and then holds "
	 "nothing for long. 0: no such bound."},
	{SL_CONFIG_LIMITS, SL_CONFIG_U32, "upstream_idle", ROOT(upstream_idle_max), "64", 0, 65536,
	 NULL, false, NULL,
	 "Idle connections kept for one node and thread. 64 covers the slots of a common server."},

	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "header", ROOT(header_timeout_ms), "10s", 10, HOUR_MS,
	 NULL, false, NULL, "A request head must be complete by then (slowloris)."},
	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "body", ROOT(body_timeout_ms), "30s", 10, HOUR_MS, NULL,
	 false, NULL, "A body that brings no byte for this long ends the request with 408."},
	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "idle", ROOT(idle_timeout_ms), "60s", 10, DAY_MS, NULL,
	 false, NULL, "An idle keep-alive connection of a client is closed after this."},
	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "send", ROOT(send_timeout_ms), "30s", 10, HOUR_MS, NULL,
	 false, NULL,
	 "A client that takes no byte of its answer for this long is cut and its node's work "
	 "cancelled."},
	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "drain", ROOT(drain_ms), "30s", 0, DAY_MS, NULL, false,
	 NULL,
	 "Longest wait for open requests at SIGTERM. 30s is what common supervisors allow; "
	 "raise both for long generations."},
	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "upgrade", ROOT(upgrade_ms), "10m", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest life of a process that another one has replaced (`sluiced --takeover`): its "
	 "streams end by themselves until then. No supervisor waits for it, so it may be long."},
	{SL_CONFIG_TIMEOUTS, SL_CONFIG_MS, "upstream_idle", ROOT(upstream_idle_ms), "30s", 10,
	 DAY_MS, NULL, false, NULL,
	 "An idle connection to a node is closed after this. Keep it below the server's own "
	 "keep-alive time-out where that is known, so that the server never closes first."},

	{SL_CONFIG_CACHE, SL_CONFIG_BYTES, "memory", ROOT(cache_bytes_max), "64MiB", 0,
	 2147483648ull, NULL, false, NULL,
	 "Memory of all answers kept; what was asked for least goes first. 64MiB holds some 60,000 "
	 "answers of 900 bytes. 0: none are kept, identical requests still share a call. Counts at "
	 "start."},

	{SL_CONFIG_LOG, SL_CONFIG_PATH, "requests", ROOT(log_requests), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "One JSON object a line for each request that has ended: who, which model and node, how "
	 "often, how long, how it ended. Never a prompt, an answer or a key, only a key's public "
	 "id. A reload opens the file anew, for logrotate. Without it none is written."},
	{SL_CONFIG_LOG, SL_CONFIG_U32, "sample", ROOT(log_sample), "1", 1, 1000000, NULL, false,
	 NULL,
	 "Write one in so many of the requests that went well; those that failed, were refused or "
	 "cut are always written."},

	{SL_CONFIG_KEYS, SL_CONFIG_PATH, "file", ROOT(keys_file), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "The file that `sluice key` writes: salted hashes, one key a line. From then on inference "
	 "and the list of models need a key. Read at start, at reload and within a second of a "
	 "change."},

	{SL_CONFIG_KEYS, SL_CONFIG_U32, "requests_per_minute", ROOT(key_rates.requests_per_minute),
	 "0", 0, SL_RATE_MAX, NULL, false, NULL,
	 "Requests in a minute, for each key that has no limit of its own. As many may come at "
	 "once; from then on they come one by one. 0: no limit."},
	{SL_CONFIG_KEYS, SL_CONFIG_U32, "tokens_per_minute", ROOT(key_rates.tokens_per_minute), "0",
	 0, SL_RATE_MAX, NULL, false, NULL,
	 "Tokens in a minute, of prompts and answers. 0: no limit."},
	{SL_CONFIG_KEYS, SL_CONFIG_U32, "concurrent", ROOT(key_rates.concurrent), "0", 0,
	 SL_RATE_MAX, NULL, false, NULL, "Requests and streams under way at once. 0: no limit."},
	BUDGETS(SL_CONFIG_KEYS, KEY_BUDGET),

	{SL_CONFIG_TENANT, SL_CONFIG_U32, "requests_per_minute", TENANT(rates.requests_per_minute),
	 "0", 0, SL_RATE_MAX, NULL, false, NULL,
	 "Requests in a minute, of all keys of the tenant together. As many may come at once; from "
	 "then on they come one by one. 0: no limit."},
	{SL_CONFIG_TENANT, SL_CONFIG_U32, "tokens_per_minute", TENANT(rates.tokens_per_minute), "0",
	 0, SL_RATE_MAX, NULL, false, NULL,
	 "Tokens in a minute, of prompts and answers. 0: no limit."},
	{SL_CONFIG_TENANT, SL_CONFIG_U32, "concurrent", TENANT(rates.concurrent), "0", 0,
	 SL_RATE_MAX, NULL, false, NULL, "Requests and streams under way at once. 0: no limit."},
	BUDGETS(SL_CONFIG_TENANT, TENANT_BUDGET),

	{SL_CONFIG_SPEND, SL_CONFIG_PATH, "file", ROOT(spend_file), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "Where what was spent is kept, like /var/lib/sluice/spend: written within a second, "
	 "beside the requests. Without it a restart forgets. Takes effect at the next start."},
	{SL_CONFIG_SPEND, SL_CONFIG_WORD, "currency", ROOT(currency), "USD", 0,
	 SL_CONFIG_CURRENCY_MAX, NULL, false, "up to 15 letters and digits",
	 "A word for messages and lists; nothing is converted."},
	{SL_CONFIG_SPEND, SL_CONFIG_CHOICE, "header", ROOT(cost_header), "false", 0, 0,
	 bool_choices, false, NULL,
	 "Whole answers say what they cost, in `x-sluice-cost`; of a stream it is not known when "
	 "its head is sent."},

	{SL_CONFIG_PRICE, SL_CONFIG_MONEY, "input", PRICE(input), "0", 0, SL_PRICE_MAX, NULL, false,
	 MONEY_EXPECTED, "For a million tokens of prompts."},
	{SL_CONFIG_PRICE, SL_CONFIG_MONEY, "cached_input", PRICE(cached_input), NULL, 0,
	 SL_PRICE_MAX, NULL, false, MONEY_EXPECTED,
	 "The same for those that the server had in its prefix cache, where it tells "
	 "(`cached_tokens`). As `input` where not set."},
	{SL_CONFIG_PRICE, SL_CONFIG_MONEY, "output", PRICE(output), "0", 0, SL_PRICE_MAX, NULL,
	 false, MONEY_EXPECTED, "For a million tokens of answers."},

	{SL_CONFIG_KERNEL, SL_CONFIG_DEVICE_LIST, "devices", ROOT(devices), NULL, 0,
	 SL_CONFIG_DEVICES_MAX, NULL, false, "a list of network device names",
	 "Where `sluice up` attaches: the devices towards the clients and towards the nodes."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PATH, "pin_dir", ROOT(pin_dir), SL_PIN_DIR, 0, PATH_LEN_MAX,
	 NULL, false, "an absolute path on a bpffs", "Where maps and links are pinned."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PORTS, "nat_ports", ROOT(nat_port_min), "10240-32767", 1024,
	 65535, NULL, false, "FIRST-LAST, within 1024 to 65535, at least 256 ports",
	 "Source ports towards the nodes, for each node apart. They must lie outside "
	 "net.ipv4.ip_local_port_range (32768-60999 by default), else the host's own connections "
	 "collide with them."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "flows", ROOT(flows_max), "262144", 1024, SL_FLOWS_MAX,
	 NULL, false, NULL,
	 "Flows of the fast lane that are known at the same time; each takes about 141 bytes of "
	 "kernel memory. Where there is no room, the flow that was silent for longest gives way. "
	 "Counts when the maps are made: `sluice down`, then `sluice up`."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "conns", ROOT(conns_max), "65536", 1024, SL_FLOWS_MAX,
	 NULL, false, NULL,
	 "Connections of this host itself (the daemon's) to nodes that are watched at the same "
	 "time; each takes about 130 bytes of kernel memory. As `flows` otherwise."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U64, "seed", ROOT(seed), "0", 0, UINT64_MAX, NULL, false,
	 "a number",
	 "Seed of the flow hashes. Balancers behind one ECMP group need the same value; 0 lets "
	 "`sluice up` draw one."},
	{SL_CONFIG_KERNEL, SL_CONFIG_CHOICE, "hook", ROOT(hook), "auto", 0, 0, hook_choices, false,
	 NULL,
	 "Where the fast lane attaches: XDP in the driver (`native`), XDP behind it (`generic`) or "
	 "TC (`tc`). `auto` chooses for each device and says why; `sluice up --hook` overrides."},
	{SL_CONFIG_KERNEL, SL_CONFIG_CHOICE, "role", ROOT(role), "balancer", 0, 0, role_choices,
	 false, NULL,
	 "`balancer` spreads flows over nodes. `node` is for an inference host behind balancers of "
	 "the modes ipip and gue: it takes tunnels apart and passes a packet of a connection that "
	 "it does not hold on to the second candidate, so give it the balancers' pools, services "
	 "and seed."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "gue_port", ROOT(gue_port), "6080", 1, 65535, NULL, false,
	 NULL,
	 "UDP port of the tunnels of mode gue, equal on balancers and nodes. 6080 is registered "
	 "for it."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "quic_config", ROOT(quic_config), "0", 0, 6, NULL, false,
	 NULL,
	 "Config rotation bits of connection ids that carry a server id of ours, for services with "
	 "`quic: true`. 7 is not possible: it marks ids that carry none."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PREFIXES, "allow", 0, NULL, SL_PREFIX_ALLOW, SL_PREFIXES_MAX,
	 NULL, false, "a list of prefixes, like 10.0.0.0/8 or fd00::/8",
	 "Clients that the guard never limits. The longest prefix that matches counts."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PREFIXES, "deny", 0, NULL, SL_PREFIX_DENY, SL_PREFIXES_MAX,
	 NULL, false, "a list of prefixes, like 10.0.0.0/8 or fd00::/8",
	 "Clients whose new flows are dropped; those that they have go on."},
	{SL_CONFIG_KERNEL, SL_CONFIG_SECTION_MAP, "beacon", 0, NULL, SL_CONFIG_BEACON, 0, NULL,
	 false, "a map",
	 "Load beacons: inference hosts tell balancers how busy their servers are."},

	{SL_CONFIG_BEACON, SL_CONFIG_U32, "listen", ROOT(beacon.port), "0", 0, 65535, NULL, false,
	 NULL,
	 "Balancers: UDP port on which beacons arrive; the kernel plane takes them before the "
	 "stack sees them. 0: none are taken."},
	{SL_CONFIG_BEACON, SL_CONFIG_BEACON_KEYS, "keys", 0, NULL, 0, SL_BEACON_KEYS_MAX, NULL,
	 false, "a list of up to 2 {id, key}",
	 "Keys of the beacons. Both are taken, the first one signs. To change a key, add the new "
	 "one behind the old one everywhere, then put it first, then take the old one away."},
	{SL_CONFIG_BEACON, SL_CONFIG_BEACON_TARGETS, "send_to", 0, NULL, 0, SL_CONFIG_TARGETS_MAX,
	 NULL, false, "ADDRESS:PORT, or a list of them",
	 "Inference hosts: the balancers that the daemon sends beacons to."},
	{SL_CONFIG_BEACON, SL_CONFIG_U32, "every_ms", ROOT(beacon.every_ms), "200", 10, 60000, NULL,
	 false, NULL,
	 "Time between two beacons of a node, in ms. Well below the tunable beacon.stale_ms of the "
	 "balancers, so that one lost packet is no signal."},
	{SL_CONFIG_BEACON, SL_CONFIG_BEACON_NODES, "nodes", 0, NULL, 0, SL_CONFIG_REPORTS_MAX, NULL,
	 false, "a list of {node, metrics}",
	 "Inference hosts: the servers of this host, each under the address by which the balancers "
	 "know it."},

	{SL_CONFIG_BEACON_KEY, SL_CONFIG_U32, "id", BKEY(id), NULL, 0, UINT32_MAX, NULL, true, NULL,
	 "Names the key in the beacon."},
	{SL_CONFIG_BEACON_KEY, SL_CONFIG_SECRET, "key", BKEY(key), NULL, 0, 0, NULL, true,
	 "32 hexadecimal digits, like `openssl rand -hex 16` prints",
	 "The secret, best as `${NAME}` from the environment."},

	{SL_CONFIG_BEACON_NODE, SL_CONFIG_ENDPOINT, "node", BNODE(node), NULL, 0, 0, NULL, true,
	 "ADDRESS:PORT, numeric", "The node as the balancers' pools name it."},
	{SL_CONFIG_BEACON_NODE, SL_CONFIG_URL, "metrics", 0, NULL, 0, SL_CONFIG_URL_MAX, NULL,
	 false, "http://ADDRESS:PORT/PATH, numeric",
	 "Where its server shows its Prometheus metrics. Without it the beacons tell only that the "
	 "host lives."},

	{SL_CONFIG_POOL, SL_CONFIG_MODEL, "model", POOL(model), NULL, 0, SL_CONFIG_MODEL_MAX, NULL,
	 false, "a model's name",
	 "Name under which the nodes know the model; requests are rewritten to it. Without it they "
	 "get the name that the client said."},
	{SL_CONFIG_POOL, SL_CONFIG_TUNABLE_MAP, "tunables", POOL(tunables), NULL, 0, 0, NULL, false,
	 "a map of NAME: VALUE", "As at the top, for this pool alone."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "mode", POOL(mode), "nat", 0, 0, mode_choices, false,
	 NULL,
	 "How the fast lane reaches the nodes. `nat`: through this host both ways, on any network. "
	 "The others leave the packet as it is, and the node answers the client itself: `l2` by "
	 "the node's MAC (same segment), `ipip` and `gue` in a tunnel; the node then has the "
	 "service's address on its loopback and listens on the service's port."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "continue", POOL(rest), "none", 0, 0, rest_choices,
	 false, NULL,
	 "Whether the nodes take the beginning of an answer and write the rest, for streams that "
	 "break: `prefill`, in a last message of the assistant with `continue_final_message` "
	 "(vLLM, "
	 "SGLang). `none`, because a server that does not know it would begin a second answer "
	 "behind "
	 "the first half."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "api", POOL(api), "openai", 0, 0, api_choices, false,
	 NULL,
	 "What the nodes speak. `openai`: chat completions, completions, embeddings. `anthropic`: "
	 "the "
	 "Messages API alone; chat completions and responses are translated to it and back, and "
	 "what "
	 "cannot be said in it goes to the next pool of the route."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "max_tokens", POOL(max_tokens), "4096", 1, 10000000, NULL,
	 false, NULL,
	 "With `api: anthropic`: `max_tokens` of a request that names none; that API wants one. "
	 "4096, "
	 "because each of its models takes as much."},
	{SL_CONFIG_POOL, SL_CONFIG_PATH, "ca", POOL(ca), NULL, 0, PATH_LEN_MAX, NULL, false,
	 "an absolute path",
	 "PEM file of the authorities that sign the certificates of https:// nodes. Without it "
	 "those of the system are trusted."},
	{SL_CONFIG_POOL, SL_CONFIG_MODEL, "server_name", POOL(server_name), NULL, 0,
	 SL_CONFIG_MODEL_MAX, NULL, false, "a DNS name",
	 "Name that the certificates of https:// nodes are made for, where it is not the one in "
	 "the node's address."},
	{SL_CONFIG_POOL, SL_CONFIG_TOKEN, "api_key", POOL(api_key), NULL, 0, SL_CONFIG_TOKEN_MAX,
	 NULL, false, "visible ASCII, best as `${NAME}` from the environment",
	 "Key of a hosted provider. Sent to the nodes; the client's own key, cookies and "
	 "forwarding fields never are. Not shown anywhere."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "api_key_header", POOL(api_key_header), "auto", 0, 0,
	 sl_config_key_headers, false, NULL,
	 "Field that carries it; `authorization` as `Bearer KEY`. `auto`: that, and `x-api-key` "
	 "with `api: anthropic`."},
	{SL_CONFIG_POOL, SL_CONFIG_TARGET, "path", POOL(path), NULL, 0, SL_CONFIG_URL_MAX, NULL,
	 false, "the path of an URL, like /openai/v1",
	 "What stands for `/v1` in requests to the nodes: providers have their API below other "
	 "paths."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "affinity", POOL(affinity), "prefix", 0, 0,
	 affinity_choices, false, NULL,
	 "What beside load decides which node is asked. `prefix`: the one that was asked last for "
	 "the longest beginning of the prompt, in blocks of 1 KiB, as its KV cache has that; for a "
	 "prompt that nobody knows, the node of its session (header `x-session-id`, else the "
	 "body's `prompt_cache_key`). `session`: the node of the session alone, where `user` names "
	 "one too. `none`: load alone. `prefix`, because the servers keep prefixes by default, and "
	 "`affinity_excess` bounds what it may cost where they do not."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "affinity_excess", POOL(affinity_excess), "25", 0, 1000,
	 NULL, false, NULL,
	 "Percent that a node may have in flight above its share of the pool's load to get a "
	 "request for affinity; above that, load decides."},
	{SL_CONFIG_POOL, SL_CONFIG_NAMES, "adapters", POOL(adapters), NULL, 0,
	 SL_CONFIG_ADAPTER_MAX, NULL, false, "a list of models' names",
	 "LoRA adapters that the nodes load beside their model when asked: models of routes with "
	 "this pool. They are asked for under that name (`model` is not put in its place), first "
	 "of nodes that say they have it in use (metrics of vLLM), else of few, by the name, "
	 "within `affinity_excess`."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "zone_load", POOL(zone_load), "80", 1, 1000, NULL, false,
	 NULL,
	 "Percent full that the least loaded node of this host's zone may be; above it requests "
	 "go to the least loaded of all. Full are its `slots` (256 where nobody knows them), its "
	 "KV cache, or 5 requests in its queue."},
	{SL_CONFIG_POOL, SL_CONFIG_SECTION_MAP, "metrics", 0, NULL, SL_CONFIG_POOL_METRICS, 0, NULL,
	 false, "a map",
	 "What the nodes say of their load, on the page of their metrics. Nodes whose beacons "
	 "arrive are not asked."},
	{SL_CONFIG_POOL, SL_CONFIG_SPILL, "spill", 0, NULL, 0, 0, NULL, false,
	 "the name of another pool",
	 "Takes new flows of the fast lane when no node here does (tunable pool.spill). Its nodes "
	 "are of the same family, IPv4 or IPv6."},
	{SL_CONFIG_POOL, SL_CONFIG_SECTION_MAP, "health", 0, NULL, SL_CONFIG_POOL_HEALTH, 0, NULL,
	 false, "a map",
	 "Checks that the daemon makes by itself. None of them brings a node back that was "
	 "ejected: "
	 "that does a request, by the half-open breaker."},
	{SL_CONFIG_POOL, SL_CONFIG_NODE_LIST, "nodes", POOL(nodes), NULL, 0, SL_POOL_NODES_MAX,
	 NULL, true,
	 "a list of ADDRESS:PORT, https://NAME[:PORT] or {address, weight, slots, zone, server_id}",
	 "The inference servers. An address belongs to one pool; a name may be in several, each "
	 "with its own breaker."},

	{SL_CONFIG_POOL, SL_CONFIG_U32, "slots", POOL(slots), "0", 0, 100000, NULL, false, NULL,
	 "Requests and streams that one node takes at once from this daemon; further ones wait in "
	 "the "
	 "pool's queue. Best what the server works on at once (vLLM: --max-num-seqs, llama.cpp: "
	 "--parallel): then order and shares are decided here, not by the server. 0: no limit, and "
	 "nobody waits while a node is there."},
	{SL_CONFIG_POOL, SL_CONFIG_SECTION_MAP, "queue", 0, NULL, SL_CONFIG_POOL_QUEUE, 0, NULL,
	 false, "a map", "Bounds of the pool's queue."},
	{SL_CONFIG_POOL, SL_CONFIG_SECTION_MAP, "concurrency", 0, NULL, SL_CONFIG_POOL_AT_ONCE, 0,
	 NULL, false, "a map",
	 "How many requests each node is given at once, by what it shows itself; `slots` stays the "
	 "highest."},

	{SL_CONFIG_POOL_QUEUE, SL_CONFIG_U32, "requests", POOL(queue_count_max), "1000", 0, 1000000,
	 NULL, false, NULL,
	 "Requests that wait at once, of all threads. A further one takes the place of one of a "
	 "lower "
	 "class, or is answered 503 at once. 0: nobody waits."},
	{SL_CONFIG_POOL_QUEUE, SL_CONFIG_BYTES, "memory", POOL(queue_bytes_max), "64MiB", 0,
	 2147483648ull, NULL, false, NULL, "Memory of those that wait, bodies included."},
	{SL_CONFIG_POOL_QUEUE, SL_CONFIG_MS, "target", POOL(queue_target_ms), "5s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Overloaded is a pool whose next in turn has waited longer than this at every grant of an "
	 "`interval`, while at least as many came as were granted. Then the newest go first, and "
	 "the "
	 "lowest class that waits loses those older than this. 0: never."},
	{SL_CONFIG_POOL_QUEUE, SL_CONFIG_MS, "interval", POOL(queue_interval_ms), "10s", 1, DAY_MS,
	 NULL, false, NULL, "How long that must last. Longer than an answer takes."},

	{SL_CONFIG_POOL_AT_ONCE, SL_CONFIG_CHOICE, "mode", POOL(concurrency), "busy", 0, 0,
	 concurrency_choices, false, NULL,
	 "What lowers the limit of a node. `busy`: its answers 429, and 503 with Retry-After; a "
	 "node that never gives one has no limit but `slots`. `gap`: these, and a gap between "
	 "tokens above concurrency.gap_percent of the best that the node has shown; it begins with "
	 "4 requests. `off`: nothing. `busy`, because a server says so only when it has enough, "
	 "while a longer gap may be worth its throughput: that is for who runs it to decide."},
	{SL_CONFIG_POOL_AT_ONCE, SL_CONFIG_U32, "min", POOL(concurrency_min), "1", 1, 100000, NULL,
	 false, NULL, "No limit is lowered below this."},
	{SL_CONFIG_POOL_AT_ONCE, SL_CONFIG_U32, "max", POOL(concurrency_max), "0", 0, 100000, NULL,
	 false, NULL,
	 "None grows above this. 0: `slots` or, without, 1024 in mode gap and no limit in mode "
	 "busy."},
	{SL_CONFIG_POOL_AT_ONCE, SL_CONFIG_U32, "tokens", POOL(concurrency_tokens), "0", 0,
	 4000000000ull, NULL, false, NULL,
	 "Tokens that the KV cache of one node holds (vLLM logs it at its start). While the "
	 "requests in flight make up as many, each counted as its prompt and its longest answer, "
	 "further ones wait. Not in mode `off`. 0: any."},
	{SL_CONFIG_POOL_METRICS, SL_CONFIG_CHOICE, "scrape", POOL(metrics.scrape), "auto", 0, 0,
	 scrape_choices, false, NULL,
	 "Whether the page is read. `auto`: of nodes on plain HTTP, in pools without `api_key`; "
	 "hosted providers have none."},
	{SL_CONFIG_POOL_METRICS, SL_CONFIG_TARGET, "path", POOL(metrics.path), "/metrics", 0,
	 SL_CONFIG_URL_MAX, NULL, false, "the path of an URL", "Where it is."},
	{SL_CONFIG_POOL_METRICS, SL_CONFIG_MS, "every", POOL(metrics.every_ms), "1s", 100, HOUR_MS,
	 NULL, false, NULL,
	 "How often, a quarter earlier or later. A node that answers without anything of use three "
	 "times is asked once a minute."},
	{SL_CONFIG_POOL_METRICS, SL_CONFIG_MS, "stale", POOL(metrics.stale_ms), "5s", 100, HOUR_MS,
	 NULL, false, NULL,
	 "What is older is not trusted: only what this host has in flight counts then. Above "
	 "`every`, so that one lost page changes nothing."},

	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_CHOICE, "live", POOL(health.live), "none", 0, 0,
	 live_choices, false, NULL,
	 "Liveness: a connection (`tcp`), or GET of `path` (`http`). An answer 503 means not "
	 "ready, "
	 "as a server says that is loading its model: no new requests, no failure. Other 5xx, "
	 "silence and refused connections are failures; any other answer is a sign of life."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_TARGET, "path", POOL(health.live_path), "/health", 0,
	 SL_CONFIG_URL_MAX, NULL, false, "a path, like /health",
	 "What liveness asks for. vLLM, SGLang, TGI and llama.cpp have /health."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_TARGET, "ready", POOL(health.ready_path), NULL, 0,
	 SL_CONFIG_URL_MAX, NULL, false, "a path, like /v2/health/ready",
	 "Readiness: any answer but 2xx means not ready. Without it none is asked for."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_MS, "every", POOL(health.every_ms), "5s", 50, HOUR_MS,
	 NULL, false, NULL,
	 "Time between two checks of a node, a quarter more or less by chance, so that hosts and "
	 "nodes do not fall into step."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_MS, "timeout", POOL(health.timeout_ms), "2s", 10, HOUR_MS,
	 NULL, false, NULL, "Liveness and readiness must be answered by then, each."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_MS, "generate", POOL(health.generate_every_ms), "0", 0,
	 DAY_MS, NULL, false, NULL,
	 "Time between two generation probes of a node: one token, which finds an engine that is "
	 "frozen behind a /health that answers. Left out while the node answers requests, so a "
	 "busy node pays nothing. 0: none. 30s suits most."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_MS, "generate_timeout", POOL(health.generate_timeout_ms),
	 "10s", 10, HOUR_MS, NULL, false, NULL,
	 "The token must come by then. A node that answered somebody meanwhile has not failed."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_CHOICE, "generate_as", POOL(health.generate_as), "chat",
	 0, 0, generate_choices, false, NULL,
	 "How the probe asks: `chat` for models that talk (those that reason too), `completions` "
	 "for those without a chat template, `embeddings`. With `api: anthropic`, `chat` is a "
	 "message."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_U32, "failures", POOL(health.failures), "3", 1, 100, NULL,
	 false, NULL,
	 "Failed checks in a row that open the node's breaker, unless it has answered a request "
	 "meanwhile. One lost packet is none."},
	{SL_CONFIG_POOL_HEALTH, SL_CONFIG_MS, "silence", POOL(health.silence_ms), "30s", 0, DAY_MS,
	 NULL, false, NULL,
	 "A node with two or more open streams and no token on any of them for this long serves "
	 "nobody: its breaker opens and its streams end as stalled, whatever their `inter_token`. "
	 "(A single silent stream is judged by that alone.) 0: never."},

	{SL_CONFIG_NODE, SL_CONFIG_ENDPOINT, "address", NODE(endpoint), NULL, 0, 0, NULL, true,
	 "ADDRESS:PORT, numeric, or https://NAME[:PORT], http://NAME[:PORT]",
	 "The server's address and port. A name is resolved by the system, again every 30s; it is "
	 "for the smart lane alone."},
	{SL_CONFIG_NODE, SL_CONFIG_U32, "weight", NODE(weight), "1", 1, 1000, NULL, false, NULL,
	 "Share of the traffic relative to the other nodes of the pool that have as many slots."},
	{SL_CONFIG_NODE, SL_CONFIG_U32, "slots", NODE(slots), "0", 0, 100000, NULL, false, NULL,
	 "Requests that this node takes at once. 0: as many as the pool says."},
	{SL_CONFIG_NODE, SL_CONFIG_MODEL, "zone", NODE(zone), NULL, 0, SL_CONFIG_MODEL_MAX, NULL,
	 false, "a zone's name", "Where the server is; see `zone` at the top."},
	{SL_CONFIG_NODE, SL_CONFIG_U32, "server_id", NODE(server_id), NULL, 1, 65535, NULL, false,
	 NULL,
	 "The id that this server puts into its QUIC connection ids (two bytes behind the first); "
	 "no two nodes of the file have the same."},

	{SL_CONFIG_SERVICE, SL_CONFIG_ENDPOINT, "address", SERVE(endpoint), NULL, 0, 0, NULL, true,
	 "ADDRESS:PORT, numeric", "The virtual address and port."},
	{SL_CONFIG_SERVICE, SL_CONFIG_CHOICE, "lane", SERVE(lane), NULL, SL_LANE_SMART, 0,
	 lane_choices, true, NULL,
	 "`fast`: the kernel sends each connection straight to a node of `pool`. `smart`: to the "
	 "daemon on this host."},
	{SL_CONFIG_SERVICE, SL_CONFIG_POOL_NAME, "pool", SERVE(pool), NULL, 0, 0, NULL, false,
	 "the name of a pool", "The pool of a fast service; nothing for a smart one."},
	{SL_CONFIG_SERVICE, SL_CONFIG_CHOICE, "protocol", SERVE(protocol), "tcp", 0, 0,
	 protocol_choices, false, NULL,
	 "`udp` is for the fast lane alone. The same address may be a TCP and a UDP service, of "
	 "one pool or of two."},
	{SL_CONFIG_SERVICE, SL_CONFIG_CHOICE, "quic", SERVE(quic), "false", 0, 0, bool_choices,
	 false, NULL,
	 "UDP: a packet whose connection id carries a `server_id` of the pool goes to that node, "
	 "wherever the client has moved; all others by address and port."},

	{SL_CONFIG_ROUTE, SL_CONFIG_MODEL, "model", ROUTE(model), NULL, 0, SL_CONFIG_MODEL_MAX,
	 NULL, true, "a model's name", "The name clients ask for, listed by `GET /v1/models`."},
	{SL_CONFIG_ROUTE, SL_CONFIG_CHAIN, "pools", ROUTE(chains), NULL, 1, SL_CONFIG_CHAIN_MAX,
	 NULL, true, "a pool's name, or a list of up to 8",
	 "The pool that serves the model, then its fallbacks in order."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "fallbacks", 0, NULL, SL_CONFIG_ROUTE_FALLBACKS, 0,
	 NULL, false, "a map",
	 "Pools to turn to for a certain cause, instead of the next one of `pools`."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "timeouts", 0, NULL, SL_CONFIG_ROUTE_TIMEOUTS, 0,
	 NULL, false, "a map", "How long nodes are waited for."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "limits", 0, NULL, SL_CONFIG_ROUTE_LIMITS, 0, NULL,
	 false, "a map",
	 "What all clients together may use of the model; over it the answer is 429."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "cache", 0, NULL, SL_CONFIG_ROUTE_CACHE, 0, NULL,
	 false, "a map", "Whether an answer may be given again to who asks the same."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "hedge", 0, NULL, SL_CONFIG_ROUTE_HEDGE, 0, NULL,
	 false, "a map", "Whether a second node is asked as well when the first one is slow."},
	{SL_CONFIG_ROUTE, SL_CONFIG_CHOICE, "resume", ROUTE(resume), "auto", 0, 0, resume_choices,
	 false, NULL,
	 "Streams that break after their first token. `auto`: they go on, on another node, where "
	 "the "
	 "client cannot tell (failure-modes.md says when). `off`: they end with an error event, "
	 "and "
	 "no stream keeps its text and request."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "buffer", 0, NULL, SL_CONFIG_ROUTE_BUFFER, 0, NULL,
	 false, "a map", "How much of a stream is held back, so that a break is not seen."},
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "queue", 0, NULL, SL_CONFIG_ROUTE_QUEUE, 0, NULL,
	 false, "a map", "How long requests wait for a place, or for a node to come back."},
	{SL_CONFIG_ROUTE, SL_CONFIG_U32, "attempts", ROUTE(attempts_max), "4", 1, 32, NULL, false,
	 NULL,
	 "Attempts over the whole chain, the first included. Four pass over a dead node and a "
	 "dead pool without multiplying an overload."},
	{SL_CONFIG_ROUTE, SL_CONFIG_MS, "backoff", ROUTE(backoff_ms), "25ms", 0, 60000, NULL, false,
	 NULL,
	 "Bound of the first wait before a retry; doubles each time, with full jitter. Short: "
	 "the retry goes to another node."},
	{SL_CONFIG_ROUTE, SL_CONFIG_MS, "backoff_max", ROUTE(backoff_max_ms), "1s", 0, 600000, NULL,
	 false, NULL, "Longest bound of that wait."},

	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "ttft", CAUSE(TTFT), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "A stream's first token did not come in time, on any node that was asked."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "total", CAUSE(TOTAL), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "A whole answer did not come within the time of an attempt (timeouts.attempt)."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "context_length", CAUSE(CONTEXT_LENGTH), NULL,
	 1, SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The server says that the prompt is too long: a model with a larger context. Without it "
	 "the client gets the server's 400."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "content_policy", CAUSE(CONTENT_POLICY), NULL,
	 1, SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The server refuses the content. Without it, as it should mostly be, the client gets "
	 "that refusal."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "quota", CAUSE(QUOTA), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The server says that its account is used up (402, insufficient_quota): without it that "
	 "is a busy server. Also where a budget of the caller's is too small for the first of "
	 "`pools` and large enough for the first of these: without it that is 429."},
	{SL_CONFIG_ROUTE_FALLBACKS, SL_CONFIG_CHAIN, "breaker_open", CAUSE(BREAKER_OPEN), NULL, 1,
	 SL_CONFIG_CHAIN_MAX, NULL, false, CHAIN_EXPECTED,
	 "The pool has no node that may be asked: breakers open, drained, left alone after "
	 "Retry-After, or without a place for as long as `queue` allows to wait."},

	{SL_CONFIG_ROUTE_LIMITS, SL_CONFIG_U32, "requests_per_minute",
	 ROUTE(rates.requests_per_minute), "0", 0, SL_RATE_MAX, NULL, false, NULL,
	 "Requests in a minute, of all clients of the route together. As many may come at once; "
	 "from then on they come one by one. 0: no limit."},
	{SL_CONFIG_ROUTE_LIMITS, SL_CONFIG_U32, "tokens_per_minute", ROUTE(rates.tokens_per_minute),
	 "0", 0, SL_RATE_MAX, NULL, false, NULL,
	 "Tokens in a minute, of prompts and answers. 0: no limit."},
	{SL_CONFIG_ROUTE_LIMITS, SL_CONFIG_U32, "concurrent", ROUTE(rates.concurrent), "0", 0,
	 SL_RATE_MAX, NULL, false, NULL, "Requests and streams under way at once. 0: no limit."},
	BUDGETS(SL_CONFIG_ROUTE_LIMITS, ROUTE_BUDGET),

	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_MS, "ttl", ROUTE(cache_ttl_ms), "0", 0, DAY_MS, NULL,
	 false, NULL,
	 "An answer is given again for this long. 0: no cache and no sharing, for a model may be "
	 "asked for something new."},
	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_CHOICE, "sampled", ROUTE(cache_sampled), "false", 0, 0,
	 bool_choices, false, NULL,
	 "Also requests that ask for chance: no `seed`, and a `temperature` other than 0 (none is "
	 "the server's own, so chance too). Who asks twice then gets one answer twice."},
	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_CHOICE, "length", ROUTE(cache_length), "false", 0, 0,
	 bool_choices, false, NULL,
	 "Also answers that ended at `max_tokens` (finish_reason `length`)."},
	{SL_CONFIG_ROUTE_CACHE, SL_CONFIG_BYTES, "answer", ROUTE(cache_answer_bytes_max), "256KiB",
	 1024, 64u << 20, NULL, false, NULL,
	 "Largest answer that is kept; each stream of the route holds up to as much while it "
	 "runs. At most a 64th of `cache.memory` counts."},

	{SL_CONFIG_ROUTE_HEDGE, SL_CONFIG_CHOICE, "after", ROUTE(hedge_after), "off", 0, 0,
	 hedge_choices, false, NULL,
	 "Once an attempt has taken longer than that percentile of the pool's times to the first "
	 "token, another node gets the request as well, and the first to answer counts. `off`: a "
	 "prompt that is worked on twice must be asked for."},
	{SL_CONFIG_ROUTE_HEDGE, SL_CONFIG_MS, "min", ROUTE(hedge_min_ms), "100ms", 0, HOUR_MS, NULL,
	 false, NULL, "Never before that: where all are fast nobody gains by it."},
	{SL_CONFIG_ROUTE_HEDGE, SL_CONFIG_CHOICE, "whole", ROUTE(hedge_whole), "true", 0, 0,
	 bool_choices, false, NULL,
	 "Also answers that are no streams, by the times of whole answers. These tell of their "
	 "length as well as of the node: with answers of very different lengths, `false` keeps "
	 "the budget for the streams."},

	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "wait", ROUTE(queue_wait_ms), "30s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest wait for a place, in all pools together (`pools.NAME.slots`); the request's "
	 "deadline counts too. Whose wait would be longer by the pool's pace is answered 503 at "
	 "once, "
	 "with the time in Retry-After. 0: no wait."},
	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "spill", ROUTE(queue_spill_ms), "1s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest wait for a place in a pool that has others behind it in the route; then the next "
	 "one is asked (cause breaker_open)."},
	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "hold", ROUTE(queue_hold_ms), "5s", 0, DAY_MS, NULL,
	 false, NULL,
	 "Longest wait for a node where no pool of the route has one: all breakers open, drained, "
	 "or "
	 "no connection could be made. Long enough for a server's quick restart. 0: the failure is "
	 "told at once."},
	{SL_CONFIG_ROUTE_QUEUE, SL_CONFIG_MS, "keepalive", ROUTE(queue_keepalive_ms), "0", 0,
	 DAY_MS, NULL, false, NULL,
	 "A streaming request that waits gets the head of its answer, status 200, after this long, "
	 "and "
	 "a comment as often, so that no proxy takes it for dead. A failure after that is an event "
	 "in "
	 "the stream. 0: none."},

	{SL_CONFIG_ROUTE_BUFFER, SL_CONFIG_BYTES, "bytes", ROUTE(buffer_bytes), "0", 0, 768u << 10,
	 NULL, false, NULL,
	 "A stream goes out with so many bytes of its events (some 200 a token), or when it is "
	 "whole; "
	 "one that breaks before is tried elsewhere like any request. 0: at once."},
	{SL_CONFIG_ROUTE_BUFFER, SL_CONFIG_MS, "time", ROUTE(buffer_ms), "1s", 1, DAY_MS, NULL,
	 false, NULL,
	 "Or so long after its first token, which is what it costs the client at most."},

	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "connect", ROUTE(connect_timeout_ms), "1s", 1,
	 60000, NULL, false, NULL,
	 "A TCP connection must stand by then. Nodes are near; one repeat of a lost SYN fits."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "ttft", ROUTE(ttft_timeout_ms), "30s", 1, DAY_MS,
	 NULL, false, NULL,
	 "First token of a stream: the server's queue and the prefill of a short prompt."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "ttft_per_1k_tokens", ROUTE(ttft_per_1k_tokens_ms),
	 "500ms", 0, DAY_MS, NULL, false, NULL,
	 "Added to ttft for every 1,000 tokens of the prompt (estimated from its length): prefill "
	 "takes time in proportion, and a long prompt must not look like a sick node."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "attempt", ROUTE(attempt_timeout_ms), "0", 0,
	 DAY_MS, NULL, false, NULL,
	 "One attempt at a whole answer (not a stream) while another could follow; 0: half of what "
	 "is left of total, so that one silent node does not spend it all."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "inter_token", ROUTE(inter_token_timeout_ms),
	 "10s", 1, DAY_MS, NULL, false, NULL,
	 "Longest gap between two tokens of a stream; keep-alive comments do not count. A healthy "
	 "server needs milliseconds, a preempted request seconds."},
	{SL_CONFIG_ROUTE_TIMEOUTS, SL_CONFIG_MS, "total", ROUTE(total_timeout_ms), "300s", 1,
	 DAY_MS, NULL, false, NULL,
	 "The request's deadline: queue, retries and fallbacks together. At 30 tokens a second it "
	 "allows an answer of 9,000."},

	{SL_CONFIG_AUTOSCALE, SL_CONFIG_POOL_NAME, "pool", ROOT(autoscale_pool), NULL, 0, 0, NULL,
	 false, "a pool's name",
	 "The autoscaler, as a pool like any other: address or https URL, `api_key`, breaker."},
	{SL_CONFIG_AUTOSCALE, SL_CONFIG_TARGET, "path", ROOT(autoscale_path), "/", 0,
	 SL_CONFIG_URL_MAX, NULL, false, "a path from its root", "Where it is asked by POST."},
	{SL_CONFIG_AUTOSCALE, SL_CONFIG_U32, "depth", ROOT(autoscale_depth), "5", 0, 1000000, NULL,
	 false, NULL, "A pool is too small when so many requests wait for it. 0: does not count."},
	{SL_CONFIG_AUTOSCALE, SL_CONFIG_MS, "wait", ROOT(autoscale_wait_ms), "2s", 0, DAY_MS, NULL,
	 false, NULL, "Or when the oldest has waited so long. 0: does not count."},
	{SL_CONFIG_AUTOSCALE, SL_CONFIG_MS, "calm", ROOT(autoscale_calm_ms), "1m", 0, DAY_MS, NULL,
	 false, NULL, "It is large enough again when both were at most half of that for so long."},
	{SL_CONFIG_AUTOSCALE, SL_CONFIG_MS, "every", ROOT(autoscale_every_ms), "30s", 1, DAY_MS,
	 NULL, false, NULL,
	 "While a pool is too small that is told again so often; two calls for a pool are never "
	 "closer."},
};

const size_t sl_config_key_count = sizeof(sl_config_keys) / sizeof(sl_config_keys[0]);

const struct sl_config_key *sl_config_key_find(enum sl_config_section section, const char *name)
{
	for (size_t i = 0; i < sl_config_key_count; i++)
		if (sl_config_keys[i].section == section &&
		    strcmp(sl_config_keys[i].name, name) == 0)
			return &sl_config_keys[i];
	return NULL;
}
