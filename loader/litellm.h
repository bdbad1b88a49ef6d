/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * litellm.h - a LiteLLM proxy's config.yaml as a configuration of sluice.
 *
 *	litellm_keys.c   the keys that LiteLLM documents, and what becomes of each: a table
 *	litellm_read.c   the YAML tree -> deployments, groups of them and settings
 *	litellm_target.c one deployment's provider, model, address and key
 *	litellm_build.c  groups -> pools and chains
 *	litellm_write.c  pools and chains -> text; findings -> text or JSON
 *
 * Each key of the file gets one finding: it was taken, it is not needed here, or it is not
 * supported. Values are never part of a finding where they may be secret. Group means what LiteLLM
 * calls a model group: all deployments of one model_name. All memory is the import's arena and
 * lives until sl_litellm_fini(). One thread.
 */
#ifndef SL_LOADER_LITELLM_H
#define SL_LOADER_LITELLM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/abi.h"
#include "user/base/arena.h"
#include "user/base/config.h"
#include "user/base/text.h"
#include "user/base/yaml.h"

#define SL_LITELLM_FINDINGS_MAX	   20000u
#define SL_LITELLM_DEPLOYMENTS_MAX (SL_NODES_MAX - 1u)
#define SL_LITELLM_GROUPS_MAX	   SL_CONFIG_ROUTES_MAX
#define SL_LITELLM_POOLS_MAX	   (SL_POOLS_MAX - 1u)
#define SL_LITELLM_ARENA_MAX	   (256u << 20)
#define SL_LITELLM_NONE		   UINT64_MAX /* a number that the file does not say */

enum sl_litellm_verdict {
	SL_LITELLM_UNSUPPORTED = 0,
	SL_LITELLM_TAKEN,
	SL_LITELLM_NOT_NEEDED,
};

struct sl_litellm_finding {
	enum sl_litellm_verdict verdict;
	unsigned line; /* 0: the whole file */
	uint32_t order;
	const char *key;
	const char *text; /* as what it was taken, or why not and what to do */
};

/* ---- keys ---------------------------------------------------------------------------------- */

enum sl_litellm_section {
	SL_LITELLM_ROOT = 0,
	SL_LITELLM_ENTRY,  /* model_list[] */
	SL_LITELLM_PARAMS, /* model_list[].litellm_params */
	SL_LITELLM_INFO,   /* model_list[].model_info */
	SL_LITELLM_SETTINGS,
	SL_LITELLM_ROUTER,
	SL_LITELLM_GENERAL,
	SL_LITELLM_SECTIONS
};

enum sl_litellm_how {
	SL_LITELLM_NO = 0,    /* not supported; `text` says why and what to do */
	SL_LITELLM_IDLE,      /* sluice needs nothing for it */
	SL_LITELLM_ELSEWHERE, /* read by code of its own, which makes the finding */
	SL_LITELLM_COUNT,     /* a whole number at `offset` */
	SL_LITELLM_SECONDS,   /* seconds, into milliseconds at `offset` */
	SL_LITELLM_TREE,      /* the tree itself at `offset` */
	SL_LITELLM_LOCK,      /* wants clients to show a key */
};

struct sl_litellm_key {
	enum sl_litellm_section section;
	enum sl_litellm_how how;
	const char *name;
	size_t offset; /* in struct sl_litellm_deployment (PARAMS) or sl_litellm_settings */
	uint32_t max;  /* of a number: what sluice takes; in ms for seconds */
	const char *text;
};

extern const struct sl_litellm_key sl_litellm_keys[];
extern const size_t sl_litellm_key_count;

/* The key, or NULL where LiteLLM documents none. Settings know the router's keys too. */
const struct sl_litellm_key *sl_litellm_key_find(enum sl_litellm_section section, const char *name);

/* How the section is called in the file: "router_settings". */
const char *sl_litellm_section_name(enum sl_litellm_section section);

/* ---- what was read ------------------------------------------------------------------------- */

/* How a deployment is spoken to. Deployments of one pool have the same. */
struct sl_litellm_manner {
	bool messages;	     /* Anthropic's Messages API, else OpenAI's */
	const char *api_key; /* as sluice writes it: "${NAME}"; NULL: none */
	const char *path;    /* that stands for /v1; NULL: /v1 */
};

struct sl_litellm_deployment {
	const char *address;	     /* "10.0.0.7:8000" or "https://api.example.com" */
	struct sl_endpoint endpoint; /* of a name: sl_address_from_name() without a pool */
	const char *model;	     /* as the node knows it */
	struct sl_litellm_manner manner;
	unsigned line;
	unsigned index; /* in model_list */
	uint32_t group;
	uint32_t pool;
	uint64_t weight; /* each of these may be SL_LITELLM_NONE */
	uint64_t requests_per_minute;
	uint64_t tokens_per_minute;
	uint64_t parallel;
	uint64_t timeout_ms;
	uint64_t stream_timeout_ms;
	uint64_t retries;
	uint64_t client_retries;
	uint64_t order;
	uint32_t share; /* the node's weight for sluice; 0: the node was left out */
};

struct sl_litellm_pool {
	const char *name;
	const char *model; /* NULL: the name that the client said */
	struct sl_litellm_manner manner;
	uint32_t group;	  /* the first that uses it */
	uint64_t order;	  /* of its deployments */
	bool renames;	  /* a group of another name than `model` uses it too */
	uint32_t same_as; /* another pool that has the same nodes, or its own index */
	uint32_t nodes;
};

struct sl_litellm_group {
	const char *name;
	unsigned line;
	struct sl_config_chain own; /* its pools, in the order of the deployments' `order` */
	struct sl_config_chain chains[SL_CAUSES];
};

struct sl_litellm_alias {
	const char *name;
	uint32_t group;
};

struct sl_litellm_settings {
	uint64_t retries;
	uint64_t timeout_ms;
	uint64_t stream_timeout_ms;
	uint64_t retry_after_ms;
	uint64_t cooldown_ms;
	uint64_t allowed_fails;
	uint64_t fallbacks_max;
	uint64_t parallel;
	uint64_t body_mib;
	const struct sl_yaml_pair *fallbacks;
	const struct sl_yaml_pair *default_fallbacks;
	const struct sl_yaml_pair *context_fallbacks;
	const struct sl_yaml_pair *content_fallbacks;
	const struct sl_yaml_pair *aliases;
	const struct sl_yaml_pair *strategy;
	const struct sl_yaml_pair *checks;
	bool locked;	       /* clients must show a key */
	bool rates_are_limits; /* rpm and tpm refuse; else they only share out the load */
};

struct sl_litellm {
	const char *file;
	const char *listen;
	struct sl_arena arena;
	const struct sl_yaml *environment;
	struct sl_litellm_settings settings;
	struct sl_litellm_deployment *deployments;
	uint32_t deployment_count;
	struct sl_litellm_group *groups;
	uint32_t group_count;
	struct sl_litellm_pool *pools;
	uint32_t pool_count;
	struct sl_litellm_alias *aliases;
	uint32_t alias_count;
	struct sl_litellm_finding *findings; /* malloc'ed */
	uint32_t finding_count;
	uint32_t finding_size;
	uint32_t findings_lost; /* over SL_LITELLM_FINDINGS_MAX, or without memory */
	uint32_t counts[3];	/* of findings, by verdict, those lost included */
	bool no_memory;
};

/* Strings are borrowed. */
void sl_litellm_init(struct sl_litellm *import, const char *file, const char *listen);
void sl_litellm_fini(struct sl_litellm *import);

/* `format` makes the text; the key is copied. */
void sl_litellm_note(struct sl_litellm *import, enum sl_litellm_verdict verdict, unsigned line,
		     const char *key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * The text of a scalar; `os.environ/NAME` is looked up in the file's environment_variables, then in
 * the environment, as LiteLLM does. NULL: not a scalar, or the variable is not set.
 */
const char *sl_litellm_value(const struct sl_litellm *import, const struct sl_yaml *node);

/* UINT32_MAX: no such group. */
uint32_t sl_litellm_group_find(const struct sl_litellm *import, const char *name);

bool sl_litellm_is_one_of(struct sl_span word, const char *const *words, size_t count);

/* May it be the name of a model in sluice? */
bool sl_litellm_is_model(const char *name);

/* Model, address and manner of one deployment. False after a finding. */
bool sl_litellm_target(struct sl_litellm *import, const struct sl_yaml *params, const char *path,
		       struct sl_litellm_deployment *deployment);

/* Deployments, groups, settings. Complaints become findings. 0 or -ENOMEM. */
int sl_litellm_read(struct sl_litellm *import, const struct sl_yaml *root);

/* Pools, chains, aliases from what was read. 0 or -ENOMEM. */
int sl_litellm_build(struct sl_litellm *import);

/* Number of routes that the configuration will have. */
uint32_t sl_litellm_routes(const struct sl_litellm *import);

/* Appends the configuration, with what is not supported as comments at its end. */
void sl_litellm_write(struct sl_litellm *import, struct sl_text *text);

/* Appends FILE:LINE: KEY: not supported: TEXT, a line each, in the order of the file. */
void sl_litellm_write_findings(const struct sl_litellm *import, const char *prefix,
			       struct sl_text *text);

/* Appends one JSON object: counts, findings, and the configuration (NULL: none was made). */
void sl_litellm_write_json(const struct sl_litellm *import, const char *output,
			   const char *configuration, struct sl_text *text);

#endif
