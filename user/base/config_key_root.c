/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of the top level, the daemon and those who use it. */
#include "user/base/config_key_rows.h"

#define ROOT(member)	      offsetof(struct sl_config, member)
#define TENANT(member)	      offsetof(struct sl_config_tenant, member)
#define PRICE(member)	      offsetof(struct sl_config_price, price.member)
#define LISTEN(member)	      offsetof(struct sl_config_listen, member)
#define KEY_BUDGET(period)    ROOT(key_budget.period)
#define TENANT_BUDGET(period) TENANT(budget.period)

static const char *const io_choices[] = {"auto", "io_uring", "epoll", NULL};
static const char *const client_choices[] = {"required", "optional",
					     NULL}; /* enum sl_config_client */

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_CHOICE, "profile", ROOT(profile), NULL, SL_PROFILE_PERSONAL, 0,
	 sl_profile_names, false, NULL,
	 "Whose defaults all other keys have, by what an outage costs: see profiles.md. A key of "
	 "the file overrides, and `sluice check --explain` shows what it set and why."},
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
	{SL_CONFIG_ROOT, SL_CONFIG_MODEL, "region", ROOT(region), NULL, 0, SL_CONFIG_MODEL_MAX,
	 NULL, false, "a region's name",
	 "Region of this host. Behind the nodes of its `zone` pools prefer those of the same "
	 "`region`, then those anywhere else. A zone is in one region: who says one of them for a "
	 "zone need not repeat it."},
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
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "rollouts", 0, NULL, SL_CONFIG_ROLLOUTS, 0, NULL,
	 false, "a map", "Roll-outs of models, prompts, indexes and of the configuration."},
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "audit", 0, NULL, SL_CONFIG_AUDIT, 0, NULL, false,
	 "a map", "The trail of what was done, by whom."},
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
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "autoscale", 0, NULL, SL_CONFIG_AUTOSCALE, 0, NULL,
	 false, "a map", "Who is called when a pool is too small, or no more."},

	{SL_CONFIG_ROOT, SL_CONFIG_U32, "gather_us", ROOT(gather_us), "0", 0, 1000, NULL, false,
	 NULL,
	 "Of streams that begin while a thread has 128 or more, relay the tokens that come within "
	 "this many microseconds together: less CPU for each token, at the price of at most that "
	 "much latency for tokens after the first. Requests, connects and first tokens never "
	 "wait. 0: always at once."},
	{SL_CONFIG_ROOT, SL_CONFIG_CHOICE, "measure_turns", ROOT(measure_turns), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "For measurements: how long each turn of each thread's loop takes, and by which stage "
	 "(sluice_turn_cpu_seconds). Costs some microseconds a request. Read when the daemon "
	 "starts."},

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
	 sl_config_bools, false, NULL,
	 "Whole answers say what they cost, in `x-sluice-cost`; streams in a trailer of that name, "
	 "to clients that send `te: trailers`."},

	{SL_CONFIG_AUDIT, SL_CONFIG_PATH, "file", ROOT(audit_file), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "Where it is written, like /var/lib/sluice/audit.log: reloads, tunables, drains, forced "
	 "breakers, keys, prompts, each line bound to the one before by its hash. See `sluice "
	 "audit`."},

	{SL_CONFIG_PRICE, SL_CONFIG_MONEY, "input", PRICE(input), "0", 0, SL_PRICE_MAX, NULL, false,
	 MONEY_EXPECTED, "For a million tokens of prompts."},
	{SL_CONFIG_PRICE, SL_CONFIG_MONEY, "cached_input", PRICE(cached_input), NULL, 0,
	 SL_PRICE_MAX, NULL, false, MONEY_EXPECTED,
	 "The same for those that the server had in its prefix cache, where it tells "
	 "(`cached_tokens`). As `input` where not set."},
	{SL_CONFIG_PRICE, SL_CONFIG_MONEY, "output", PRICE(output), "0", 0, SL_PRICE_MAX, NULL,
	 false, MONEY_EXPECTED, "For a million tokens of answers."},

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

const struct sl_config_key_table sl_config_keys_root = SL_CONFIG_KEY_TABLE(keys);
