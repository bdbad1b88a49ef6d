/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - the configuration file as both programs see it.
 *
 * One YAML file. A table of keys (config.c) drives parsing, defaults, range checks, the error texts
 * and docs/configuration.md. A struct sl_config is immutable once read: the daemon swaps whole
 * snapshots at reload. All strings and arrays belong to the config and live until
 * sl_config_close(). Not thread-safe while it is built; read-only afterwards.
 */
#ifndef SL_BASE_CONFIG_H
#define SL_BASE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "bpf/abi.h"
#include "user/base/config_paths.h"
#include "user/base/config_alert.h"
#include "user/base/config_canary.h"
#include "user/base/config_validate.h"
#include "user/base/config_degrade.h"
#include "user/base/config_eval.h"
#include "user/base/config_item.h"
#include "user/base/config_page.h"
#include "user/base/config_profile.h"
#include "user/base/config_prompt.h"
#include "user/base/config_retrieve.h"
#include "user/base/config_rollout.h"
#include "user/base/config_semantic.h"
#include "user/base/config_sampling.h"
#include "user/base/config_slo.h"
#include "user/base/config_otlp.h"
#include "user/base/money.h"
#include "user/base/rates.h"

struct sl_yaml;

#define SL_CONFIG_BYTES_MAX   (4u << 20)
#define SL_CONFIG_LISTEN_MAX  16u
#define SL_CONFIG_DEVICES_MAX 64u
#define SL_CONFIG_ROUTES_MAX  1024u
#define SL_CONFIG_CHAIN_MAX   8u   /* pools in the fallback chain of one route */
#define SL_CONFIG_NAME_MAX    63u  /* pools */
#define SL_CONFIG_MODEL_MAX   127u /* models: longer, they carry an organisation's name */
#define SL_CONFIG_URL_MAX     255u
#define SL_CONFIG_TARGETS_MAX 64u /* balancers that one host sends beacons to */
#define SL_CONFIG_TENANTS_MAX 1024u
#define SL_CONFIG_REPORTS_MAX 16u  /* nodes that one host sends beacons for */
#define SL_CONFIG_ADAPTER_MAX 64u  /* of one pool */
#define SL_CONFIG_HOST_MAX    253u /* a DNS name */
#define SL_CONFIG_TOKEN_MAX   512u /* a provider's key */

#define SL_CONFIG_PRICES_MAX   1024u
#define SL_CONFIG_CURRENCY_MAX 15u /* a word for messages */

enum sl_io_backend {
	SL_IO_AUTO = 0, /* io_uring where allowed, else epoll */
	SL_IO_URING = 1,
	SL_IO_EPOLL = 2,
};

/* Where the fast lane attaches; `sluice up --hook` overrides it. */
enum sl_config_hook {
	SL_CONFIG_HOOK_AUTO = 0, /* by device */
	SL_CONFIG_HOOK_NATIVE = 1,
	SL_CONFIG_HOOK_GENERIC = 2,
	SL_CONFIG_HOOK_TC = 3,
};

enum sl_config_protocol {
	SL_CONFIG_PROTOCOL_TCP = 0,
	SL_CONFIG_PROTOCOL_UDP = 1,
};

struct sl_config_node {
	struct sl_endpoint endpoint; /* proto is TCP; see topology.h for its UDP twin */
	const char *text;	     /* "10.0.0.7:8000" as written */
	const char *host;	     /* its DNS name, lower case; NULL: the address is numeric */
	bool tls;		     /* https:// */
	uint32_t weight;	     /* 1..1000, default 1 */
	uint32_t slots;		     /* requests at once; 0: as the pool's */
	const char *zone;	     /* NULL: none */
	const char *region;	     /* its own, or its zone's; NULL: none */
	uint32_t server_id;	     /* in QUIC connection ids, 1..65535; 0: none */
	unsigned line;		     /* in the file */
	unsigned column;
};

/* What a liveness check is. */
enum sl_config_live {
	SL_CONFIG_LIVE_NONE = 0,
	SL_CONFIG_LIVE_TCP,  /* a connection */
	SL_CONFIG_LIVE_HTTP, /* GET live_path */
};

/* How a generation probe asks. */
enum sl_config_generate {
	SL_CONFIG_GENERATE_CHAT = 0,
	SL_CONFIG_GENERATE_COMPLETIONS,
	SL_CONFIG_GENERATE_EMBEDDINGS,
};

/* Active health checks of a pool's nodes; ops/checks.h. */
struct sl_config_health {
	enum sl_config_live live;
	const char *live_path;
	const char *ready_path; /* NULL: none */
	uint32_t every_ms;
	uint32_t timeout_ms;
	uint32_t generate_every_ms; /* 0: none */
	uint32_t generate_timeout_ms;
	enum sl_config_generate generate_as;
	uint32_t failures;   /* in a row that open the breaker */
	uint32_t silence_ms; /* no byte on any of its streams for this long opens it; 0: never */
};

/* Whose pages of metrics are read. */
enum sl_config_scrape {
	SL_CONFIG_SCRAPE_AUTO = 0, /* of plain HTTP nodes that no provider's key goes to */
	SL_CONFIG_SCRAPE_ALWAYS,
	SL_CONFIG_SCRAPE_NEVER,
};

/* What a pool's nodes say of their load; ops/telemetry.h. */
struct sl_config_metrics {
	enum sl_config_scrape scrape;
	const char *path;
	uint32_t every_ms;
	uint32_t stale_ms; /* what is older is not trusted */
};

/* How the nodes of a pool go on with an answer that another one began. */
enum sl_config_rest {
	SL_CONFIG_REST_NONE = 0,
	SL_CONFIG_REST_PREFILL = 1,
};

/* What the nodes of a pool speak. */
enum sl_config_api {
	SL_CONFIG_API_OPENAI = 0,
	SL_CONFIG_API_ANTHROPIC,
};

/* What an answer means whose model is not the one that was asked; upstream/identity.h. */
enum sl_config_expect {
	SL_CONFIG_EXPECT_WARN = 0, /* told, where it is new */
	SL_CONFIG_EXPECT_STRICT,   /* a failure of the attempt */
	SL_CONFIG_EXPECT_OFF,	   /* nothing: names are not looked at */
};

/* What beside load decides which node of a pool is asked; policy/affinity.h. */
enum sl_config_affinity {
	SL_CONFIG_AFFINITY_NONE = 0,
	SL_CONFIG_AFFINITY_SESSION,
	SL_CONFIG_AFFINITY_PREFIX,
};

/* What moves the limit of a pool's nodes; policy/concurrency.h. */
enum sl_config_concurrency {
	SL_CONFIG_CONCURRENCY_OFF = 0,
	SL_CONFIG_CONCURRENCY_BUSY,
	SL_CONFIG_CONCURRENCY_GAP,
};

/* The field that carries a pool's key. */
enum sl_config_key_header {
	SL_CONFIG_KEY_HEADER_AUTO = 0, /* by the API */
	SL_CONFIG_KEY_HEADER_AUTHORIZATION,
	SL_CONFIG_KEY_HEADER_X_API_KEY,
	SL_CONFIG_KEY_HEADER_API_KEY,
};

struct sl_config_pool {
	const char *name;
	const char *model;	 /* name the nodes know the model by; NULL: as the client said */
	const char *ca;		 /* file of authorities for https nodes; NULL: the system's */
	const char *server_name; /* that their certificates are made for; NULL: the node's */
	const char *api_key;	 /* secret: sent to the nodes instead of the client's; or NULL */
	enum sl_config_key_header api_key_header;
	enum sl_config_api api;
	uint32_t context_tokens; /* prompt and answer; 0: not known */
	enum sl_config_tokenize tokenize;
	const char *tokenizer; /* tokenizer.json of its model; or NULL */
	uint32_t max_tokens;   /* api anthropic: where the request names no bound */
	const char *path;      /* stands for /v1 in requests to the nodes; or NULL */
	struct sl_config_node *nodes;
	uint32_t node_count;
	uint32_t slots;		  /* requests that one node takes at once; 0: any */
	uint32_t queue_count_max; /* requests that wait for a place */
	uint32_t queue_bytes_max;
	uint32_t queue_target_ms; /* see policy/queue.h */
	uint32_t queue_interval_ms;
	enum sl_config_concurrency concurrency;
	uint32_t concurrency_min, concurrency_max; /* 0: as slots, or SL_CONCURRENCY_MAX */
	uint32_t concurrency_tokens;		   /* in flight on a node; 0: any */
	enum sl_mode mode;			   /* of all its nodes */
	enum sl_config_rest rest;
	enum sl_config_affinity affinity;
	uint32_t affinity_excess; /* percent above its share that a node may have for affinity */
	uint32_t spill;		  /* index of its fallback pool; UINT32_MAX: none */
	uint64_t tunables[SL_TUNABLE_KEYS]; /* SL_TUNABLE_INHERIT where not set */
	struct sl_config_health health;
	struct sl_config_canary canary;
	struct sl_config_metrics metrics;
	enum sl_config_expect expect;
	struct sl_config_names expect_names; /* that stand for `model` in answers */
	struct sl_config_names adapters; /* LoRA: models of routes that its nodes load when asked */
	uint32_t zone_load;		 /* percent full that a node of this host's zone may be */
	uint32_t far_load;		 /* the same of one that takes what is nearer nodes' */
	uint32_t zone_spill, region_spill; /* percent of its requests that may leave by load */
	uint32_t zone_return_ms; /* from no share to all of a zone that is back; 0: at once */
	unsigned line;
	unsigned column;
};

struct sl_config_service {
	struct sl_endpoint endpoint; /* its proto says TCP or UDP */
	const char *text;
	enum sl_lane lane;
	enum sl_config_protocol protocol; /* as in endpoint.proto */
	uint32_t quic;			  /* 1: flows follow the server ids of connection ids */
	uint32_t pool;			  /* index into pools; UINT32_MAX for the smart lane */
	unsigned line;
	unsigned column;
};

/* Names by enum sl_config_key_header; "authorization" is sent as Bearer. */
extern const char *const sl_config_key_headers[];

enum sl_config_client {
	SL_CONFIG_CLIENT_REQUIRED = 0,
	SL_CONFIG_CLIENT_OPTIONAL = 1,
};

/* TLS of an entry of `listen`. */
struct sl_config_tls {
	struct sl_config_paths certificates;
	struct sl_config_paths keys; /* as many */
	const char *client_ca;	     /* NULL: clients are not asked for certificates */
	enum sl_config_client client;
};

/* An entry of `listen` while it is read. */
struct sl_config_listen {
	struct sl_endpoint endpoint;
	const char *text; /* NULL: was complained about */
	struct sl_config_tls tls;
	unsigned line;
	unsigned column;
};

/* Why a request leaves a pool for another one; each cause may have a chain of its own. */
enum sl_cause {
	SL_CAUSE_ERROR = 0, /* the chain `pools`: primary, then fallbacks */
	SL_CAUSE_TTFT,
	SL_CAUSE_TOTAL,
	SL_CAUSE_CONTEXT_LENGTH,
	SL_CAUSE_CONTENT_POLICY,
	SL_CAUSE_QUOTA,
	SL_CAUSE_BREAKER_OPEN,
	SL_CAUSES
};

struct sl_config_chain {
	uint32_t pools[SL_CONFIG_CHAIN_MAX]; /* indexes into the configuration's pools */
	uint32_t len;			     /* 0: none */
};

/* Which share of the others is to be faster than an attempt before it is hedged. */
enum sl_config_hedge {
	SL_CONFIG_HEDGE_OFF = 0,
	SL_CONFIG_HEDGE_P50,
	SL_CONFIG_HEDGE_P75,
	SL_CONFIG_HEDGE_P90,
	SL_CONFIG_HEDGE_P95,
	SL_CONFIG_HEDGE_P98,
	SL_CONFIG_HEDGE_P99,
};

/* One public model name. */
struct sl_config_route {
	const char *model;
	struct sl_config_chain chains[SL_CAUSES];
	uint32_t connect_timeout_ms;
	uint32_t ttft_timeout_ms;	 /* first token (streaming) */
	uint32_t ttft_per_1k_tokens_ms;	 /* added to it by the prompt's length */
	uint32_t attempt_timeout_ms;	 /* one attempt at a whole answer; 0: half of the rest */
	uint32_t inter_token_timeout_ms; /* between tokens; comments do not count */
	uint32_t total_timeout_ms;	 /* the request's deadline, all attempts together */
	uint32_t attempts_max;		 /* over the whole chain, the first included */
	uint32_t resume;		 /* 1: streams that break may go on elsewhere */
	uint32_t backoff_ms;		 /* first backoff; doubles, full jitter */
	uint32_t backoff_max_ms;
	struct sl_rates rates;	 /* of all its clients together */
	struct sl_budget budget; /* the same */
	uint32_t cache_ttl_ms;	 /* answers are given again for this long; 0: never */
	uint32_t cache_sampled;	 /* 1: also those that chance decided */
	uint32_t cache_length;	 /* 1: also those cut at max_tokens */
	uint32_t cache_answer_bytes_max;
	enum sl_config_hedge hedge_after;
	uint32_t hedge_min_ms;	 /* never before */
	uint32_t hedge_whole;	 /* 1: also answers that are no streams */
	uint32_t queue_wait_ms;	 /* longest wait for a place, all pools together */
	uint32_t queue_spill_ms; /* the same in a pool with others behind it */
	uint32_t queue_hold_ms;	 /* longest wait for a node, where no pool has one */
	uint32_t buffer_bytes;	 /* of a stream, held back before the first goes out; 0: none */
	uint32_t buffer_ms;	 /* and no longer than that after its first token */
	struct sl_config_degrade degrade;
	uint32_t queue_keepalive_ms; /* between comments to a stream that waits; 0: none */
	struct sl_config_sampling sampling;
	struct sl_config_validate validate;
	struct sl_config_route_prompt prompt;
	struct sl_config_route_context context;
	struct sl_config_route_semantic semantic;
	struct sl_config_retrieve retrieve;
	struct sl_config_route_slo slo;
	struct sl_config_route_evaluate evaluate;
	unsigned line;
	unsigned column;
};

/* Those who own keys; limits of all their keys together. */
struct sl_config_tenant {
	const char *name;
	struct sl_rates rates;
	struct sl_budget budget;
};

/* An entry of `prices`. */
struct sl_config_price {
	const char *model; /* as nodes or clients call it */
	struct sl_price price;
	unsigned line;
	unsigned column;
};

struct sl_config_beacon_key {
	uint32_t id;
	uint64_t key[2]; /* never both 0; secret */
	unsigned line;
	unsigned column;
};

/* A node of this host that its daemon sends beacons for. */
struct sl_config_report {
	struct sl_endpoint node;
	const char *text;	       /* NULL: was complained about */
	struct sl_endpoint metrics_at; /* where its server answers GET metrics_path over HTTP */
	const char *metrics_path;      /* NULL: nowhere; its beacons tell that the host lives */
	unsigned line;
	unsigned column;
};

struct sl_config_beacon {
	uint32_t port; /* balancers: UDP port on which beacons arrive; 0: none */
	struct sl_config_beacon_key keys[SL_BEACON_KEYS_MAX]; /* the sender uses the first */
	uint32_t key_count;
	struct sl_endpoint send_to[SL_CONFIG_TARGETS_MAX]; /* proto UDP */
	uint32_t send_count;				   /* 0: this host sends none */
	uint32_t every_ms;
	struct sl_config_report nodes[SL_CONFIG_REPORTS_MAX];
	uint32_t node_count;
};

/* An entry of kernel.allow or kernel.deny. */
struct sl_config_prefix {
	struct sl_prefix prefix;
	enum sl_prefix_rule rule;
	const char *text; /* as written */
	unsigned line;
	unsigned column;
};

struct sl_config {
	const char *path;
	enum sl_profile profile; /* whose defaults count */
	const char *zone;	 /* of this host; NULL: none */
	const char *region;	 /* the same; its zone's where only nodes say it */

	/* daemon */
	struct sl_endpoint listen[SL_CONFIG_LISTEN_MAX];
	struct sl_config_tls *listen_tls[SL_CONFIG_LISTEN_MAX]; /* NULL: plain */
	uint32_t listen_count;
	const char *admin_socket; /* Unix socket path; NULL: none */
	uint32_t threads;	  /* 0: one per available CPU */
	enum sl_io_backend io_backend;
	uint32_t gather_us;	 /* wait for more tokens when a thread has many streams; 0: never */
	uint32_t measure_turns;	 /* bool: io/turns.h */
	uint32_t body_bytes_max; /* request body */
	uint32_t header_timeout_ms;	  /* a request head must be complete by then */
	uint32_t body_timeout_ms;	  /* no byte of a body for this long ends the request */
	uint32_t idle_timeout_ms;	  /* idle keep-alive connections of clients */
	uint32_t drain_ms;		  /* at SIGTERM: longest wait for open requests */
	uint32_t upgrade_ms;		  /* replaced by a new process: the same */
	uint32_t connections_max;	  /* client connections a thread */
	uint32_t requests_max;		  /* requests in flight a thread; over it: 503 */
	uint32_t http2_streams_max;	  /* of one connection; 0: HTTP/2 is not spoken */
	uint32_t upstream_idle_ms;	  /* idle connections to nodes are closed after this */
	uint32_t upstream_idle_max;	  /* idle connections kept for one node a thread */
	uint32_t stream_buffer_bytes_max; /* behind a slow client before the node is paused */
	uint32_t send_timeout_ms;	  /* a client that takes no byte for this long is cut */
	uint32_t
		client_rate_min; /* bytes a second of a body, or of an answer that waits; 0: none */

	uint32_t answer_tokens;		  /* reserved where a request names no bound */
	struct sl_rates key_rates;	  /* of each key that has none of its own */
	struct sl_budget key_budget;	  /* the same */
	struct sl_config_tenant *tenants; /* by the name in the file of keys */
	uint32_t tenant_count;
	struct sl_config_price *prices; /* none: money is not counted */
	uint32_t price_count;
	const char *rollouts_file; /* NULL: nothing can be rolled out */
	const char *audit_file;	   /* of what was done; NULL: nobody writes it down */
	const char *spend_file;	   /* of what was spent; NULL: forgotten with the process */
	const char *currency;	   /* a word for messages */
	uint32_t cost_header;	   /* 1: answers say what they cost */
	const char *log_requests;  /* file of the request log; NULL: none */
	uint32_t log_sample;	   /* one in so many of those that went well */
	const char *keys_file;	   /* API keys; NULL: none are asked for */
	uint32_t cache_bytes_max;  /* of answers kept; 0: none */

	struct sl_config_embedding embedding;
	struct sl_config_semantic_store semantic;
	struct sl_config_slo slo;
	struct sl_config_incidents incidents;
	struct sl_config_page page;
	struct sl_config_alerts alerts;
	struct sl_config_recovery recovery;
	struct sl_config_items rollout_checks; /* struct sl_config_rollout_check */
	struct sl_config_feedback feedback;
	struct sl_config_evaluation evaluation;
	struct sl_config_otlp otlp;
	struct sl_config_tracing tracing;

	uint32_t autoscale_pool; /* that is told of pools too small, as index; UINT32_MAX: none */
	const char *autoscale_path;
	uint32_t autoscale_depth, autoscale_wait_ms; /* see policy/autoscale.h; these four */
	uint32_t autoscale_calm_ms, autoscale_every_ms;

	const char *canary_path; /* of baselines; NULL: kept in memory */
	struct sl_config_prompts prompts;

	/* kernel plane */
	const char *pin_dir; /* SL_PIN_DIR by default */
	const char *devices[SL_CONFIG_DEVICES_MAX];
	uint32_t device_count;
	uint16_t nat_port_min;
	uint16_t nat_port_max;
	uint32_t flows_max;
	uint32_t conns_max; /* connections of the local stack to nodes that are watched at once */
	uint64_t seed;
	enum sl_config_hook hook;
	enum sl_role role;
	uint32_t gue_port;
	uint32_t quic_config; /* config rotation bits of our QUIC connection ids */
	struct sl_config_beacon beacon;
	struct sl_config_prefix *prefixes; /* allow, then deny */
	uint32_t prefix_count;
	uint64_t tunables[SL_TUNABLE_KEYS]; /* global row: defaults filled in */
	uint64_t tunables_of_profile; /* bits of those that the profile set and not the file */

	struct sl_config_items embedders; /* struct sl_config_embedder */
	struct sl_config_items indexes;	  /* struct sl_config_index */
	struct sl_config_items sources;	  /* struct sl_config_source */
	struct sl_config_items rerankers; /* struct sl_config_reranker */

	struct sl_config_pool *pools;
	uint32_t pool_count;
	struct sl_config_service *services;
	uint32_t service_count;
	struct sl_config_route *routes;
	uint32_t route_count;

	uint8_t digest[32];	    /* SHA-256 of the file */
	const struct sl_yaml *said; /* the file as a tree: config_differ.h */
	void *arena;		    /* owner of every string and array above */
};

/*
 * Reads and checks the file. On failure writes every complaint, each as
 * `FILE:LINE:COLUMN: error: KEY: what is wrong (expected …)` with the source line and a caret, into
 * *ret_errors (malloc'ed, NUL-terminated, caller frees; NULL on success).
 * `${NAME}` in a scalar is replaced from the environment; an unset NAME is an error.
 * Returns 0, -ENOENT / -EACCES and the like when the file cannot be read, -EINVAL when it is wrong,
 * -E2BIG over a limit, -ENOMEM.
 */
int sl_config_read(const char *path, struct sl_config **ret_config, char **ret_errors);

/* The same from memory; `name` stands for the file's name in errors. */
int sl_config_parse(const char *name, const char *text, size_t text_len,
		    struct sl_config **ret_config, char **ret_errors);

/* The price of a model, by either name; NULL: it costs nothing. For start and reload. */
const struct sl_price *sl_config_find_price(const struct sl_config *config, const char *model);

/* Do requests have spans of their own? Else a client's trace context is passed on as it came. */
static inline bool sl_config_traces(const struct sl_config *config)
{
	return config->otlp.pool && config->otlp.traces;
}

/* Frees all and NULLs the pointer. */
void sl_config_close(struct sl_config **config);

/* The pool or route of that name, or NULL. Linear: for start, reload and the command only. */
const struct sl_config_pool *sl_config_find_pool(const struct sl_config *config, const char *name);
const struct sl_config_route *sl_config_find_route(const struct sl_config *config,
						   const char *model);

/* docs/configuration.md's table of keys, from the table that drives the parser. */
void sl_config_write_reference(FILE *file);

#endif
