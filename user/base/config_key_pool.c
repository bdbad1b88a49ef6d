/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of pools, their nodes, and services. */
#include "user/base/config_key_rows.h"

#define POOL(member)  offsetof(struct sl_config_pool, member)
#define NODE(member)  offsetof(struct sl_config_node, member)
#define SERVE(member) offsetof(struct sl_config_service, member)

static const char *const lane_choices[] = {"", "smart", "fast", NULL};	      /* enum sl_lane */
static const char *const mode_choices[] = {"nat", "l2", "ipip", "gue", NULL}; /* enum sl_mode */
static const char *const protocol_choices[] = {"tcp", "udp", NULL};
static const char *const live_choices[] = {"none", "tcp", "http", NULL}; /* enum sl_config_live */
static const char *const generate_choices[] = {"chat", "completions", "embeddings", NULL};
static const char *const rest_choices[] = {"none", "prefill", NULL}; /* enum sl_config_rest */
static const char *const affinity_choices[] = {"none", "session", "prefix", NULL};
static const char *const concurrency_choices[] = {"off", "busy", "gap", NULL};
static const char *const scrape_choices[] = {"auto", "always", "never",
					     NULL};			/* enum sl_config_scrape */
static const char *const api_choices[] = {"openai", "anthropic", NULL}; /* enum sl_config_api */

static const char *const expect_choices[] = {"warn", "strict", "off", NULL};

/* enum sl_config_key_header */
const char *const sl_config_key_headers[] = {"auto", "authorization", "x-api-key", "api-key", NULL};

/* enum sl_config_tokenize */
static const char *const tokenize_choices[] = {"off", "vllm", "llama_cpp", NULL};

static const struct sl_config_key keys[] = {
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
	 "(vLLM, SGLang) or, with `api: anthropic`, in that message alone, which not every model "
	 "of such a provider takes: one that refuses it is asked no further. `none`, because a "
	 "server that does not know it would begin a second answer behind the first half."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "api", POOL(api), "openai", 0, 0, api_choices, false,
	 NULL,
	 "What the nodes speak. `openai`: chat completions, completions, embeddings. `anthropic`: "
	 "the "
	 "Messages API alone; chat completions and responses are translated to it and back, and "
	 "what "
	 "cannot be said in it goes to the next pool of the route."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "context_tokens", POOL(context_tokens), "0", 0, 1000000000,
	 NULL, false, NULL,
	 "Longest context of its model, prompt and answer together, for `routes[].context`. 0: "
	 "what "
	 "its servers tell (`max_model_len` in /v1/models, or llama.cpp's /props), asked when a "
	 "request needs it; where they do not, nothing is made to fit."},
	{SL_CONFIG_POOL, SL_CONFIG_PATH, "tokenizer", POOL(tokenizer), NULL, 0, PATH_LEN_MAX, NULL,
	 false, "an absolute path",
	 "The `tokenizer.json` of its model, by which prompts near the limit are counted. Read "
	 "beside the requests at start, and at a reload that names it first; what it has that is "
	 "not understood is named in the log, and prompts are estimated."},
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "tokenize", POOL(tokenize), "off", 0, 0,
	 tokenize_choices, false, NULL,
	 "Whether its nodes count the tokens of a chat when asked: `vllm` (POST /tokenize with "
	 "`messages`), `llama_cpp` (POST /apply-template, then /tokenize). They are asked near the "
	 "limit, where a conversation may not fit."},
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
	{SL_CONFIG_POOL, SL_CONFIG_CHOICE, "expect_model", POOL(expect), "warn", 0, 0,
	 expect_choices, false, NULL,
	 "What an answer means whose model is another one than the node was asked for. `warn`: "
	 "where "
	 "the node said something else before, it is told, and prompts are not promoted to the "
	 "pool "
	 "until that is accepted. `strict`: that, and the attempt has failed, as a broken answer "
	 "has. "
	 "`off`: names in answers are not looked at. `warn`, because hosted providers answer with "
	 "the "
	 "version that they chose."},
	{SL_CONFIG_POOL, SL_CONFIG_NAMES, "expect_model_name", POOL(expect_names), NULL,
	 SL_CONFIG_TEXT, SL_CONFIG_ADAPTER_MAX, NULL, false, "a list of models' names",
	 "Names that are as right as the one asked for, for servers that answer with the path of "
	 "their model, or its version. Any further name is then wrong from the first answer on."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "zone_load", POOL(zone_load), "80", 1, 1000, NULL, false,
	 NULL,
	 "Percent full that the least loaded node of this host's zone may be; above it requests "
	 "go to the least loaded of all. Full are its `slots` (256 where nobody knows them), its "
	 "KV cache, or 5 requests in its queue."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "far_load", POOL(far_load), "100", 1, 1000, NULL, false,
	 NULL,
	 "Percent full that a node may be which takes what nearer nodes should have had, because "
	 "these are out or too full. What finds none waits in the pool's queue or falls back, so "
	 "that the loss of a zone does not take the next one with it."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "zone_spill", POOL(zone_spill), "100", 0, 100, NULL, false,
	 NULL,
	 "Percent of the pool's requests that may leave this host's zone because its nodes are too "
	 "full. Of any N in a row it is this share of N + 100 at most; further ones take a fuller "
	 "node of the zone, or wait for one. What its lost nodes cannot take leaves whatever this "
	 "says: with all of them out, everything."},
	{SL_CONFIG_POOL, SL_CONFIG_U32, "region_spill", POOL(region_spill), "100", 0, 100, NULL,
	 false, NULL, "The same of those that may leave this host's region."},
	{SL_CONFIG_POOL, SL_CONFIG_MS, "zone_return", POOL(zone_return_ms), "30s", 0, HOUR_MS, NULL,
	 false, NULL,
	 "How slowly a zone or region that was lost takes up its share again: from nothing to all "
	 "of it, after a tenth of this without another loss. That tenth doubles each time it is "
	 "lost again meanwhile, up to 32 times. 0: at once."},
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
	 "a list of ADDRESS:PORT, https://NAME[:PORT] or {address, weight, slots, zone, region, "
	 "server_id}",
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
	 SL_CONFIG_URL_MAX, NULL, false, "the path of an URL",
	 "Where it is; `/prometheus/metrics` of TensorRT-LLM (`trtllm-serve`)."},
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
	{SL_CONFIG_NODE, SL_CONFIG_MODEL, "region", NODE(region), NULL, 0, SL_CONFIG_MODEL_MAX,
	 NULL, false, "a region's name",
	 "Where its zone is; see `region` at the top. Said for one node of a zone it holds for "
	 "all."},
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
	{SL_CONFIG_SERVICE, SL_CONFIG_CHOICE, "quic", SERVE(quic), "false", 0, 0, sl_config_bools,
	 false, NULL,
	 "UDP: a packet whose connection id carries a `server_id` of the pool goes to that node, "
	 "wherever the client has moved; all others by address and port."},
};

const struct sl_config_key_table sl_config_keys_pool = SL_CONFIG_KEY_TABLE(keys);
