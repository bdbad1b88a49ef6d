/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys are those of LiteLLM's own reference ("All settings", "Config.yaml", "Fallbacks",
 * "Timeouts"); a key that is not here is named as unknown.
 */
#include "loader/litellm.h"

#include <string.h>

#define PARAM(member) offsetof(struct sl_litellm_deployment, member)
#define SET(member)   offsetof(struct sl_litellm_settings, member)

#define RETRIES_MAX 31u /* one attempt more: the bound of routes[].attempts */
#define DAY_MS	    86400000u

#define HOSTED "it belongs to the API of one provider, which sluice does not speak"
#define KEYS   "write the key into each deployment: api_key: os.environ/NAME"
#define CALLS  "sluice calls no logging service; scrape /metrics and read the daemon's log"
#define STORE  "sluice keeps nothing in a database"
#define REDIS  "each daemon counts in its own memory; divide limits by the number of daemons"
#define CACHE \
	"write it anew: cache, and routes[].cache; answers are kept in memory, exact ones alone"
#define SPEND                                                                                    \
	"write it anew: prices, and budget_day, budget_month or budget_total of keys, tenants, " \
	"routes[].limits"
#define REQUEST "sluice does not change requests; let the client send it, or set it at the server"
#define GUARDS	"sluice looks at no content"
#define ALERTS	"sluice sends no alerts; make a rule on its /metrics"
#define USERS	"sluice has no users or interface; make keys: sluice key create NAME --tenant TENANT"
#define AGENTS	"sluice serves models only"
#define FIXED	"sluice chooses by weight and by what each node has under way"
#define LOGGING "sluice's log needs no setting"
#define PROBING "write it anew: pools.NAME.health; real traffic judges nodes beside it"
#define BREAKER "sluice's breaker has its own rules; see tunables.md"
#define LOCKED	"make a key (sluice key create NAME) and give it to the client instead"

#define NO(section, name, text)                                       \
	{                                                             \
		SL_LITELLM_##section, SL_LITELLM_NO, name, 0, 0, text \
	}
#define IDLE(section, name, text)                                       \
	{                                                               \
		SL_LITELLM_##section, SL_LITELLM_IDLE, name, 0, 0, text \
	}
#define OWN(section, name)                                                   \
	{                                                                    \
		SL_LITELLM_##section, SL_LITELLM_ELSEWHERE, name, 0, 0, NULL \
	}

const struct sl_litellm_key sl_litellm_keys[] = {
	OWN(ROOT, "model_list"),
	OWN(ROOT, "litellm_settings"),
	OWN(ROOT, "router_settings"),
	OWN(ROOT, "general_settings"),
	IDLE(ROOT, "environment_variables", "looked at for os.environ/NAME; sluice sets none"),
	NO(ROOT, "include", "import the files that it names one by one"),
	NO(ROOT, "callback_settings", CALLS),
	NO(ROOT, "credential_list", KEYS),
	NO(ROOT, "guardrails", GUARDS),
	NO(ROOT, "policies", GUARDS),
	NO(ROOT, "prompts", REQUEST),
	NO(ROOT, "mcp_servers", AGENTS),
	NO(ROOT, "mcp_tools", AGENTS),
	NO(ROOT, "agent_list", AGENTS),
	NO(ROOT, "search_tools", AGENTS),
	NO(ROOT, "vector_store_registry", AGENTS),
	NO(ROOT, "assistant_settings", AGENTS),
	NO(ROOT, "files_settings", AGENTS),
	NO(ROOT, "finetune_settings", AGENTS),
	NO(ROOT, "default_vertex_config", HOSTED),

	OWN(ENTRY, "model_name"),
	OWN(ENTRY, "litellm_params"),
	OWN(ENTRY, "model_info"),

	OWN(PARAMS, "model"),
	OWN(PARAMS, "api_base"),
	OWN(PARAMS, "base_url"),
	OWN(PARAMS, "api_key"),
	OWN(PARAMS, "custom_llm_provider"),
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "weight", PARAM(weight), SL_RATE_MAX,
	 "the node's weight"},
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "rpm", PARAM(requests_per_minute), SL_RATE_MAX,
	 "the node's share, and routes[].limits where LiteLLM would refuse by it"},
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "tpm", PARAM(tokens_per_minute), SL_RATE_MAX,
	 "the node's share, and routes[].limits where LiteLLM would refuse by it"},
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "max_parallel_requests", PARAM(parallel), SL_RATE_MAX,
	 "routes[].limits.concurrent, where every deployment has it"},
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "order", PARAM(order), SL_RATE_MAX,
	 "the order of pools"},
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "num_retries", PARAM(retries), RETRIES_MAX,
	 "routes[].attempts"},
	{SL_LITELLM_PARAMS, SL_LITELLM_COUNT, "max_retries", PARAM(client_retries), RETRIES_MAX,
	 "routes[].attempts"},
	{SL_LITELLM_PARAMS, SL_LITELLM_SECONDS, "timeout", PARAM(timeout_ms), DAY_MS,
	 "routes[].timeouts.attempt and total"},
	{SL_LITELLM_PARAMS, SL_LITELLM_SECONDS, "stream_timeout", PARAM(stream_timeout_ms), DAY_MS,
	 "routes[].timeouts.ttft"},
	NO(PARAMS, "cooldown_time", "set breaker.open_ms in the pool's tunables"),
	NO(PARAMS, "api_version", HOSTED),
	NO(PARAMS, "organization", HOSTED),
	NO(PARAMS, "region_name", HOSTED),
	NO(PARAMS, "litellm_credential_name", KEYS),
	NO(PARAMS, "headers", REQUEST),
	NO(PARAMS, "extra_headers", REQUEST),
	NO(PARAMS, "extra_body", REQUEST),
	NO(PARAMS, "temperature", REQUEST),
	NO(PARAMS, "top_p", REQUEST),
	NO(PARAMS, "top_k", REQUEST),
	NO(PARAMS, "n", REQUEST),
	NO(PARAMS, "seed", REQUEST),
	NO(PARAMS, "stop", REQUEST),
	NO(PARAMS, "stream", REQUEST),
	NO(PARAMS, "max_tokens", REQUEST),
	NO(PARAMS, "max_completion_tokens", REQUEST),
	NO(PARAMS, "presence_penalty", REQUEST),
	NO(PARAMS, "frequency_penalty", REQUEST),
	NO(PARAMS, "logit_bias", REQUEST),
	NO(PARAMS, "response_format", REQUEST),
	NO(PARAMS, "tools", REQUEST),
	NO(PARAMS, "tool_choice", REQUEST),
	NO(PARAMS, "user", REQUEST),
	NO(PARAMS, "metadata", REQUEST),
	NO(PARAMS, "reasoning_effort", REQUEST),
	NO(PARAMS, "thinking", REQUEST),
	NO(PARAMS, "keep_alive", REQUEST),
	NO(PARAMS, "drop_params", REQUEST),
	NO(PARAMS, "additional_drop_params", REQUEST),
	NO(PARAMS, "allowed_openai_params", REQUEST),
	NO(PARAMS, "modify_params", REQUEST),
	NO(PARAMS, "merge_reasoning_content_in_choices", REQUEST),
	NO(PARAMS, "cache_control_injection_points", REQUEST),
	NO(PARAMS, "prompt_id", REQUEST),
	NO(PARAMS, "guardrails", GUARDS),
	NO(PARAMS, "tags", "sluice does not route by tags; give the group a model_name of its own"),
	NO(PARAMS, "input_cost_per_token", SPEND),
	NO(PARAMS, "output_cost_per_token", SPEND),
	NO(PARAMS, "input_cost_per_second", SPEND),
	NO(PARAMS, "output_cost_per_second", SPEND),
	NO(PARAMS, "max_budget", SPEND),
	NO(PARAMS, "budget_duration", SPEND),
	NO(PARAMS, "mock_response", "sluice makes up no answers"),
	NO(PARAMS, "fallbacks", "name them in router_settings.fallbacks and import again"),
	NO(PARAMS, "use_in_pass_through", "requests reach nodes by their routes alone"),
	NO(PARAMS, "configurable_clientside_auth_params", LOCKED),
	NO(PARAMS, "ssl_verify", "sluice speaks plain http to nodes yet"),

	OWN(INFO, "mode"),
	IDLE(INFO, "id", "nodes are known by their addresses"),
	IDLE(INFO, "version", "it only describes the model"),
	IDLE(INFO, "description", "it only describes the model"),
	IDLE(INFO, "base_model", "it only names prices"),
	IDLE(INFO, "metadata", "it only describes the model"),
	IDLE(INFO, "max_tokens", "the server knows its bounds; see fallbacks.context_length"),
	IDLE(INFO, "max_input_tokens", "the server knows its bounds; see fallbacks.context_length"),
	IDLE(INFO, "max_output_tokens", "the server knows its bounds"),
	NO(INFO, "access_groups", "name the models of a key: sluice key create NAME --routes"),
	NO(INFO, "team_id", USERS),
	NO(INFO, "input_cost_per_token", SPEND),
	NO(INFO, "output_cost_per_token", SPEND),
	NO(INFO, "input_cost_per_second", SPEND),
	NO(INFO, "health_check_model", PROBING),
	NO(INFO, "health_check_timeout", PROBING),
	NO(INFO, "disable_background_health_check", PROBING),

	NO(SETTINGS, "success_callback", CALLS),
	NO(SETTINGS, "failure_callback", CALLS),
	NO(SETTINGS, "callbacks", CALLS),
	NO(SETTINGS, "service_callbacks", CALLS),
	NO(SETTINGS, "langfuse_default_tags", CALLS),
	IDLE(SETTINGS, "turn_off_message_logging", "sluice never logs what messages say"),
	IDLE(SETTINGS, "redact_user_api_key_info", "sluice never logs keys"),
	IDLE(SETTINGS, "set_verbose", LOGGING),
	IDLE(SETTINGS, "json_logs", LOGGING),
	IDLE(SETTINGS, "suppress_debug_info", LOGGING),
	IDLE(SETTINGS, "force_ipv4", "nodes are numeric addresses"),
	NO(SETTINGS, "drop_params", REQUEST),
	NO(SETTINGS, "modify_params", REQUEST),
	NO(SETTINGS, "enable_preview_features", REQUEST),
	NO(SETTINGS, "enable_json_schema_validation", "let the server hold to the schema"),
	IDLE(SETTINGS, "use_chat_completions_url_for_anthropic_messages",
	     "sluice always does so for /v1/messages"),
	NO(SETTINGS, "disable_add_transform_inline_image_block", HOSTED),
	NO(SETTINGS, "disable_copilot_system_to_assistant", HOSTED),
	IDLE(SETTINGS, "disable_hf_tokenizer_download", "sluice loads no tokenizer"),
	NO(SETTINGS, "cache", CACHE),
	NO(SETTINGS, "cache_params", CACHE),
	NO(SETTINGS, "mcp_aliases", AGENTS),
	NO(SETTINGS, "ssl_verify", "sluice speaks plain http to nodes yet"),
	NO(SETTINGS, "max_budget", SPEND),
	NO(SETTINGS, "budget_duration", SPEND),
	NO(SETTINGS, "max_internal_user_budget", SPEND),
	NO(SETTINGS, "internal_user_budget_duration", SPEND),
	NO(SETTINGS, "max_end_user_budget", SPEND),
	NO(SETTINGS, "cost_discount_config", SPEND),
	NO(SETTINGS, "disable_end_user_cost_tracking", SPEND),
	NO(SETTINGS, "disable_end_user_cost_tracking_prometheus_only", SPEND),
	NO(SETTINGS, "key_generation_settings", USERS),
	NO(SETTINGS, "upperbound_key_generate_params", USERS),
	NO(SETTINGS, "default_key_generate_params", USERS),
	NO(SETTINGS, "default_internal_user_params", USERS),
	NO(SETTINGS, "default_team_params", USERS),
	NO(SETTINGS, "default_team_settings", USERS),
	NO(SETTINGS, "enable_key_alias_format_validation", USERS),
	NO(SETTINGS, "public_model_groups", USERS),
	NO(SETTINGS, "max_parallel_requests", "set keys.concurrent or routes[].limits.concurrent"),
	NO(SETTINGS, "default_max_parallel_requests", "set it in router_settings"),
	NO(SETTINGS, "custom_provider_map", HOSTED),
	NO(SETTINGS, "api_base", "set it in litellm_params of each deployment and import again"),
	{SL_LITELLM_SETTINGS, SL_LITELLM_SECONDS, "request_timeout", SET(timeout_ms), DAY_MS,
	 "routes[].timeouts.attempt and total"},

	{SL_LITELLM_ROUTER, SL_LITELLM_COUNT, "num_retries", SET(retries), RETRIES_MAX,
	 "routes[].attempts"},
	{SL_LITELLM_ROUTER, SL_LITELLM_SECONDS, "timeout", SET(timeout_ms), DAY_MS,
	 "routes[].timeouts.attempt and total"},
	{SL_LITELLM_ROUTER, SL_LITELLM_SECONDS, "stream_timeout", SET(stream_timeout_ms), DAY_MS,
	 "routes[].timeouts.ttft"},
	{SL_LITELLM_ROUTER, SL_LITELLM_SECONDS, "retry_after", SET(retry_after_ms), 60000,
	 "routes[].backoff"},
	{SL_LITELLM_ROUTER, SL_LITELLM_SECONDS, "cooldown_time", SET(cooldown_ms), 600000,
	 "the tunable breaker.open_ms"},
	{SL_LITELLM_ROUTER, SL_LITELLM_COUNT, "allowed_fails", SET(allowed_fails), 999,
	 "the tunable breaker.consecutive_failures, one more; in a row, not in a minute"},
	{SL_LITELLM_ROUTER, SL_LITELLM_COUNT, "max_fallbacks", SET(fallbacks_max), SL_RATE_MAX,
	 "the length of routes[].pools"},
	{SL_LITELLM_ROUTER, SL_LITELLM_COUNT, "default_max_parallel_requests", SET(parallel),
	 SL_RATE_MAX, "routes[].limits.concurrent, times the group's nodes"},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "fallbacks", SET(fallbacks), 0, "routes[].pools"},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "default_fallbacks", SET(default_fallbacks), 0,
	 "routes[].pools of groups that have no fallbacks of their own"},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "context_window_fallbacks", SET(context_fallbacks), 0,
	 "routes[].fallbacks.context_length"},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "content_policy_fallbacks", SET(content_fallbacks), 0,
	 "routes[].fallbacks.content_policy"},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "model_group_alias", SET(aliases), 0, "routes"},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "routing_strategy", SET(strategy), 0, NULL},
	{SL_LITELLM_ROUTER, SL_LITELLM_TREE, "optional_pre_call_checks", SET(checks), 0, NULL},
	NO(ROUTER, "routing_strategy_args", FIXED),
	NO(ROUTER, "retry_policy", "sluice decides by the kind of error itself: failure-modes.md"),
	NO(ROUTER, "model_group_retry_policy",
	   "sluice decides by the kind of error itself: failure-modes.md"),
	NO(ROUTER, "allowed_fails_policy", BREAKER),
	NO(ROUTER, "disable_cooldowns", "set the tunable breaker.mode to 1, which only measures"),
	NO(ROUTER, "enable_pre_call_check", "the server says what is too long: context_length"),
	NO(ROUTER, "enable_pre_call_checks", "the server says what is too long: context_length"),
	NO(ROUTER, "enable_tag_filtering", "sluice does not route by tags"),
	NO(ROUTER, "tag_filtering_match_any", "sluice does not route by tags"),
	NO(ROUTER, "enable_weighted_failover", FIXED),
	NO(ROUTER, "deployment_affinity_ttl_seconds", FIXED),
	NO(ROUTER, "default_litellm_params", REQUEST),
	NO(ROUTER, "default_priority", "the class is the key's: sluice key create NAME --class"),
	NO(ROUTER, "polling_interval", "sluice waits for events, it does not poll"),
	NO(ROUTER, "redis_host", REDIS),
	NO(ROUTER, "redis_password", REDIS),
	NO(ROUTER, "redis_port", REDIS),
	NO(ROUTER, "redis_db", REDIS),
	NO(ROUTER, "redis_url", REDIS),
	NO(ROUTER, "cache_kwargs", CACHE),
	NO(ROUTER, "cache_responses", CACHE),
	NO(ROUTER, "caching_groups", CACHE),
	IDLE(ROUTER, "client_ttl", "idle connections have timeouts.upstream_idle"),
	IDLE(ROUTER, "debug_level", LOGGING),
	IDLE(ROUTER, "set_verbose", LOGGING),
	IDLE(ROUTER, "ignore_invalid_deployments", "sluice names what it cannot use"),
	NO(ROUTER, "alerting_config", ALERTS),
	NO(ROUTER, "assistants_config", AGENTS),
	NO(ROUTER, "provider_budget_config", SPEND),
	NO(ROUTER, "router_general_settings", "it is for LiteLLM's own library"),
	NO(ROUTER, "search_tools", AGENTS),
	NO(ROUTER, "guardrail_list", GUARDS),

	{SL_LITELLM_GENERAL, SL_LITELLM_LOCK, "master_key", SET(locked), 0, LOCKED},
	{SL_LITELLM_GENERAL, SL_LITELLM_LOCK, "custom_auth", SET(locked), 0, LOCKED},
	{SL_LITELLM_GENERAL, SL_LITELLM_LOCK, "enable_jwt_auth", SET(locked), 0, LOCKED},
	{SL_LITELLM_GENERAL, SL_LITELLM_LOCK, "enable_oauth2_auth", SET(locked), 0, LOCKED},
	{SL_LITELLM_GENERAL, SL_LITELLM_LOCK, "enable_oauth2_proxy_auth", SET(locked), 0, LOCKED},
	{SL_LITELLM_GENERAL, SL_LITELLM_LOCK, "allow_user_auth", SET(locked), 0, LOCKED},
	{SL_LITELLM_GENERAL, SL_LITELLM_COUNT, "max_request_size_mb", SET(body_mib), 1024,
	 "limits.body"},
	NO(GENERAL, "litellm_jwtauth", LOCKED),
	NO(GENERAL, "oauth2_config_mappings", LOCKED),
	NO(GENERAL, "service_account_settings", LOCKED),
	NO(GENERAL, "litellm_key_header_name", "keys come in Authorization or x-api-key"),
	NO(GENERAL, "completion_model", "a request must name its model"),
	NO(GENERAL, "embedding_model", "a request must name its model"),
	NO(GENERAL, "image_generation_model", "a request must name its model"),
	NO(GENERAL, "moderation_model", "a request must name its model"),
	NO(GENERAL, "infer_model_from_keys", "a request must name its model"),
	NO(GENERAL, "max_response_size_mb", "answers are relayed as they come, without a bound"),
	NO(GENERAL, "max_parallel_requests", "set routes[].limits.concurrent"),
	NO(GENERAL, "global_max_parallel_requests", "set limits.requests, for each thread"),
	NO(GENERAL, "allowed_ips", "filter with the firewall; kernel.deny drops networks"),
	NO(GENERAL, "use_x_forwarded_for", "sluice does not judge by client address"),
	NO(GENERAL, "allowed_routes", "name the models of a key: sluice key create NAME --routes"),
	NO(GENERAL, "public_routes", "/health, /ready and /metrics are open, all else needs a key"),
	NO(GENERAL, "admin_only_routes", "operators use the admin socket"),
	NO(GENERAL, "enforce_user_param", REQUEST),
	NO(GENERAL, "enforced_params", REQUEST),
	NO(GENERAL, "reject_clientside_metadata_tags", REQUEST),
	NO(GENERAL, "forward_openai_org_id",
	   "the daemon passes client headers on by its own rules"),
	NO(GENERAL, "forward_client_headers_to_llm_api",
	   "the daemon passes client headers on by its own rules"),
	NO(GENERAL, "pass_through_endpoints", "requests reach nodes by their routes alone"),
	NO(GENERAL, "use_client_credentials_pass_through_routes",
	   "requests reach nodes by their routes alone"),
	NO(GENERAL, "allow_client_side_credentials", LOCKED),
	NO(GENERAL, "background_health_checks", PROBING),
	NO(GENERAL, "health_check_interval", PROBING),
	NO(GENERAL, "health_check_details", PROBING),
	NO(GENERAL, "alerting", ALERTS),
	NO(GENERAL, "alerting_threshold", ALERTS),
	NO(GENERAL, "alerting_args", ALERTS),
	NO(GENERAL, "alert_types", ALERTS),
	NO(GENERAL, "alert_to_webhook_url", ALERTS),
	NO(GENERAL, "spend_report_frequency", SPEND),
	NO(GENERAL, "database_url", STORE),
	NO(GENERAL, "database_connection_pool_limit", STORE),
	NO(GENERAL, "database_connection_timeout", STORE),
	NO(GENERAL, "allow_requests_on_db_unavailable", STORE),
	NO(GENERAL, "store_model_in_db", STORE),
	NO(GENERAL, "supported_db_objects", STORE),
	NO(GENERAL, "store_prompts_in_spend_logs", STORE),
	NO(GENERAL, "maximum_spend_logs_retention_period", STORE),
	NO(GENERAL, "maximum_spend_logs_retention_interval", STORE),
	NO(GENERAL, "proxy_budget_rescheduler_min_time", STORE),
	NO(GENERAL, "proxy_budget_rescheduler_max_time", STORE),
	NO(GENERAL, "proxy_batch_write_at", STORE),
	NO(GENERAL, "proxy_batch_polling_interval", STORE),
	IDLE(GENERAL, "disable_spend_logs", STORE),
	IDLE(GENERAL, "disable_spend_updates", STORE),
	IDLE(GENERAL, "disable_reset_budget", STORE),
	IDLE(GENERAL, "disable_prisma_schema_update", STORE),
	IDLE(GENERAL, "disable_adding_master_key_hash_to_db", STORE),
	IDLE(GENERAL, "user_api_key_cache_ttl", "a changed file of keys is in force in a second"),
	NO(GENERAL, "disable_retry_on_max_parallel_request_limit_error",
	   "a refusal by a limit is never retried"),
	NO(GENERAL, "disable_responses_id_security", "answers are the server's to keep"),
	NO(GENERAL, "disable_master_key_return", USERS),
	NO(GENERAL, "default_team_disabled", USERS),
	NO(GENERAL, "custom_key_generate", USERS),
	NO(GENERAL, "custom_sso", USERS),
	NO(GENERAL, "ui_access_mode", USERS),
	NO(GENERAL, "user_mcp_management_mode", USERS),
	NO(GENERAL, "litellm_license", USERS),
	NO(GENERAL, "key_management_system", "take secrets from the environment: ${NAME}"),
	NO(GENERAL, "key_management_settings", "take secrets from the environment: ${NAME}"),
	NO(GENERAL, "use_azure_key_vault", "take secrets from the environment: ${NAME}"),
	NO(GENERAL, "use_google_kms", "take secrets from the environment: ${NAME}"),
};

const size_t sl_litellm_key_count = sizeof(sl_litellm_keys) / sizeof(sl_litellm_keys[0]);

/* Families of keys of one provider each; the list of their members grows with every release. */
static const char *const hosted_prefixes[] = {"aws_", "azure_", "vertex_", "watsonx_",
					      "s3_",  "gcs_",	"oci_",	   "sagemaker_"};

static const struct sl_litellm_key hosted_key = NO(PARAMS, "", HOSTED);

const struct sl_litellm_key *sl_litellm_key_find(enum sl_litellm_section section, const char *name)
{
	for (size_t i = 0; i < sl_litellm_key_count; i++) {
		const struct sl_litellm_key *key = &sl_litellm_keys[i];

		if (key->section == section && !strcmp(key->name, name))
			return key;
	}
	if (section == SL_LITELLM_SETTINGS)
		return sl_litellm_key_find(SL_LITELLM_ROUTER, name);
	for (size_t i = 0; section == SL_LITELLM_PARAMS &&
			   i < sizeof(hosted_prefixes) / sizeof(hosted_prefixes[0]);
	     i++)
		if (!strncmp(name, hosted_prefixes[i], strlen(hosted_prefixes[i])))
			return &hosted_key;
	return NULL;
}

const char *sl_litellm_section_name(enum sl_litellm_section section)
{
	static const char *const names[SL_LITELLM_SECTIONS] = {
		[SL_LITELLM_ROOT] = "the top level",	    [SL_LITELLM_ENTRY] = "model_list[]",
		[SL_LITELLM_PARAMS] = "litellm_params",	    [SL_LITELLM_INFO] = "model_info",
		[SL_LITELLM_SETTINGS] = "litellm_settings", [SL_LITELLM_ROUTER] = "router_settings",
		[SL_LITELLM_GENERAL] = "general_settings",
	};

	return names[section];
}
