/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a deployment's requests go: provider, model, address, path and key.
 *
 * A provider that sluice can speak to has OpenAI's interface below some path, or Anthropic's Messages
 * API. Hosted ones have an address and a variable for their key by convention, as LiteLLM's own
 * reference names them ("Providers"); servers of one's own need api_base.
 */
#include "loader/litellm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/address.h"

#define HOST_MAX     SL_CONFIG_HOST_MAX
#define VARIABLE_MAX 127u
#define MODEL_OTHERS "._-:/@+"
#define HTTP_PORT    80u
#define HTTPS_PORT   443u
#define REFERENCE    "os.environ/"
#define NOT_SET	     "the variable is not set; set it as LiteLLM has it and import again"

#define REFUSE(import, line, key, ...) \
	sl_litellm_note(import, SL_LITELLM_UNSUPPORTED, line, key, __VA_ARGS__)

struct provider {
	const char *name;
	const char *base; /* where api_base is not said; NULL: it must be */
	const char *key;  /* variable of the key where api_key is not said; NULL: none is sent */
	bool messages;
};

static const struct provider providers[] = {
	{"openai", "https://api.openai.com/v1", "OPENAI_API_KEY", false},
	{"text-completion-openai", "https://api.openai.com/v1", "OPENAI_API_KEY", false},
	{"anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", true},
	{"groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", false},
	{"mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", false},
	{"deepseek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", false},
	{"xai", "https://api.x.ai/v1", "XAI_API_KEY", false},
	{"openrouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", false},
	{"together_ai", "https://api.together.xyz/v1", "TOGETHERAI_API_KEY", false},
	{"fireworks_ai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_AI_API_KEY", false},
	{"deepinfra", "https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", false},
	{"cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", false},
	{"nvidia_nim", "https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY", false},
	/* servers of one's own */
	{"hosted_vllm", NULL, NULL, false},
	{"vllm", NULL, NULL, false},
	{"openai_like", NULL, NULL, false},
	{"custom_openai", NULL, NULL, false},
	{"litellm_proxy", NULL, NULL, false},
	{"xinference", NULL, NULL, false},
	{"infinity", NULL, NULL, false},
	{"lm_studio", NULL, NULL, false},
	{"llamafile", NULL, NULL, false},
	{"lemonade", NULL, NULL, false},
	{"ollama", NULL, NULL, false},
	{"ollama_chat", NULL, NULL, false},
	{"huggingface", NULL, NULL, false},
	{"docker_model_runner", NULL, NULL, false},
};

/* Providers that speak something else, or whose addresses are made of more than a base. */
static const char *const others[] = {
	"ai21",		  "aiohttp_openai", "anyscale",
	"azure",	  "azure_ai",	    "azure_text",
	"baseten",	  "bedrock",	    "clarifai",
	"cloudflare",	  "codestral",	    "cohere",
	"cohere_chat",	  "databricks",	    "deepgram",
	"featherless_ai", "friendliai",	    "gemini",
	"github",	  "github_copilot", "jina_ai",
	"langgraph",	  "moonshot",	    "nebius",
	"nlp_cloud",	  "novita",	    "palm",
	"perplexity",	  "petals",	    "predibase",
	"replicate",	  "sagemaker",	    "sambanova",
	"sagemaker_chat", "snowflake",	    "topaz",
	"triton",	  "vertex_ai",	    "vercel_ai_gateway",
	"vertex_ai_beta", "volcengine",	    "voyage",
	"watsonx",	  "watsonx_text",
};

bool sl_litellm_is_one_of(struct sl_span word, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sl_span_equal(word, sl_span_string(words[i])))
			return true;
	return false;
}

#define IS_ONE_OF(word, words) sl_litellm_is_one_of(word, words, sizeof(words) / sizeof((words)[0]))

static const struct provider *find_provider(struct sl_span name)
{
	for (size_t i = 0; i < sizeof(providers) / sizeof(providers[0]); i++)
		if (sl_span_equal(name, sl_span_string(providers[i].name)))
			return &providers[i];
	return NULL;
}

bool sl_litellm_is_model(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > SL_CONFIG_MODEL_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		char folded = (char)(name[i] | 0x20);
		bool plain = (folded >= 'a' && folded <= 'z') || (name[i] >= '0' && name[i] <= '9');

		if (!plain && (!i || !strchr(MODEL_OTHERS, name[i])))
			return false;
	}
	return true;
}

/*
 * Provider, and the name behind it. Returns why it cannot be taken, or NULL. A prefix that is no
 * provider's is part of the model's name: meta-llama/Llama-3.1-8B. Without any, LiteLLM asks OpenAI,
 * and Anthropic for names that begin with claude.
 */
static const char *split_model(const char *custom, const char *text,
			       const struct provider **ret_provider, const char **ret_model)
{
	struct sl_span rest = sl_span_string(text);
	struct sl_span first = sl_span_cut(&rest, '/');
	const char *model = rest.data ? rest.data : text;

	if (!rest.data || (!find_provider(first) && !IS_ONE_OF(first, others))) {
		bool claude = sl_span_starts(sl_span_string(text), SL_SPAN("claude-"));

		first = sl_span_string(custom ? custom : claude ? "anthropic" : "openai");
		model = text;
	} else if (custom) {
		first = sl_span_string(custom);
	}
	*ret_provider = find_provider(first);
	if (!*ret_provider)
		return "the provider speaks neither OpenAI's interface below one address nor "
		       "Anthropic's Messages API; put a server that does before it";
	if (strchr(model, '*'))
		return "sluice matches whole names; list each model on its own";
	if (!sl_litellm_is_model(model))
		return "the model's name has characters that sluice does not take";
	*ret_model = model;
	return NULL;
}

/* ---- address and path ---------------------------------------------------------------------- */

static bool is_path(struct sl_span path)
{
	for (size_t i = 0; i < path.len; i++)
		if (!isalnum((unsigned char)path.data[i]) && !strchr("/._-~", path.data[i]))
			return false;
	return path.len < SL_CONFIG_URL_MAX - 4 && !memmem(path.data, path.len, "//", 2);
}

/* What stands for /v1. LiteLLM appends /v1/messages to the base of the Messages API. */
static const char *take_path(struct sl_litellm *import, struct sl_span path, bool messages,
			     const char **ret_path)
{
	const struct sl_span v1 = SL_SPAN("/v1");
	bool has_v1;

	*ret_path = NULL;
	while (path.len && path.data[path.len - 1] == '/')
		path.len--;
	has_v1 = path.len >= v1.len && !memcmp(path.data + path.len - v1.len, v1.data, v1.len);
	if (!path.len || sl_span_equal(path, v1))
		return NULL;
	if (!is_path(path))
		return "the path has characters that sluice does not take";
	*ret_path = sl_arena_printf(&import->arena, "%.*s%s", (int)path.len, path.data,
				    messages && !has_v1 ? "/v1" : "");
	import->no_memory |= !*ret_path;
	return NULL;
}

/* NAME[:PORT]; the address is written without the scheme's own port. Returns why not, or NULL. */
static const char *take_name(struct sl_litellm *import, const char *text, bool tls,
			     struct sl_litellm_deployment *deployment)
{
	struct sl_span rest = sl_span_string(text);
	struct sl_span host = sl_span_cut(&rest, ':');
	uint64_t port = tls ? HTTPS_PORT : HTTP_PORT;
	char name[HOST_MAX + 1];

	if (rest.data && (sl_span_u64(rest, &port) || port < 1 || port > 65535))
		return "expected a port between 1 and 65535";
	if (!host.len || host.len > HOST_MAX)
		return "expected http://ADDRESS:PORT/v1 or https://NAME/v1";
	for (size_t i = 0; i < host.len; i++) {
		if (!isalnum((unsigned char)host.data[i]) && !strchr(".-_", host.data[i]))
			return "expected http://ADDRESS:PORT/v1 or https://NAME/v1";
		name[i] = (char)tolower((unsigned char)host.data[i]);
	}
	name[host.len] = '\0';
	sl_address_from_name("", name, (uint16_t)port, &deployment->endpoint);
	deployment->address =
		port == (tls ? HTTPS_PORT : HTTP_PORT)
			? sl_arena_printf(&import->arena, "%s://%s", tls ? "https" : "http", name)
			: sl_arena_printf(&import->arena, "%s://%s:%u", tls ? "https" : "http",
					  name, (unsigned)port);
	return NULL;
}

/* A numeric ADDRESS[:PORT]; false: it is none. */
static bool take_number(struct sl_litellm *import, const char *text, bool tls,
			struct sl_litellm_deployment *deployment)
{
	char address[HOST_MAX + 8];
	size_t len = (size_t)snprintf(address, sizeof(address), "%s", text);

	if (!strchr(address, ':') || (len && address[len - 1] == ']'))
		snprintf(address + len, sizeof(address) - len, ":%u", tls ? HTTPS_PORT : HTTP_PORT);
	if (sl_address_parse(address, &deployment->endpoint, NULL) ||
	    sl_address_is_any(&deployment->endpoint.addr))
		return false;
	deployment->address =
		sl_arena_printf(&import->arena, "%s%s", tls ? "https://" : "", address);
	return true;
}

/*
 * SCHEME://HOST[:PORT][/PATH]. Returns why not, or NULL. 0.0.0.0 and localhost are this host, as
 * connect() takes them.
 */
static const char *split_base(struct sl_litellm *import, const char *text, bool messages,
			      struct sl_litellm_deployment *deployment)
{
	struct sl_span rest = sl_span_string(text);
	bool tls = sl_span_starts(rest, SL_SPAN("https://"));
	size_t skip = tls ? 8 : 7, len;
	char host[HOST_MAX + 8];
	const char *why;

	if (!tls && !sl_span_starts(rest, SL_SPAN("http://")))
		return "expected http://ADDRESS:PORT/v1 or https://NAME/v1";
	rest = sl_span_make(rest.data + skip, rest.len - skip);
	len = sl_span_find(rest, '/');
	if (len > HOST_MAX || memchr(rest.data, '@', len) || memchr(rest.data, '?', len))
		return "expected http://ADDRESS:PORT/v1 or https://NAME/v1, without a user";
	snprintf(host, sizeof(host), "%.*s", (int)len, rest.data);
	why = take_path(import, sl_span_make(rest.data + len, rest.len - len), messages,
			&deployment->manner.path);
	if (why)
		return why;
	if (!tls && !strncmp(host, "localhost", 9) && (!host[9] || host[9] == ':'))
		snprintf(host, sizeof(host), "127.0.0.1%.*s", (int)(len - 9), rest.data + 9);
	else if (!strncmp(host, "0.0.0.0", 7) && (!host[7] || host[7] == ':'))
		snprintf(host, sizeof(host), "127.0.0.1%.*s", (int)(len - 7), rest.data + 7);
	why = take_number(import, host, tls, deployment) ? NULL
							 : take_name(import, host, tls, deployment);
	import->no_memory |= !why && !deployment->address;
	return why;
}

/* ---- key ----------------------------------------------------------------------------------- */

/* Words that people write where a server wants no key. */
static bool is_no_key(const struct sl_yaml *node)
{
	static const char *const words[] = {
		"none",	  "None",	    "EMPTY", "empty", "fake-key", "fake",
		"dummy",  "not-needed",	    "na",    "NA",    "anything", "sk-no-key-required",
		"no-key", "os.environ/NONE"};

	return node->kind == SL_YAML_NULL ||
	       (node->kind == SL_YAML_SCALAR &&
		(!node->text_len || IS_ONE_OF(sl_span_string(node->text), words)));
}

/* Can sluice read the key from that variable? */
static bool is_variable(const char *name)
{
	const char *value = *name ? getenv(name) : NULL;
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && name[i] != '_')
			return false;
	if (len > VARIABLE_MAX || isdigit((unsigned char)*name) || !value || !*value)
		return false;
	for (len = 0; value[len]; len++)
		if (value[len] <= ' ' || value[len] > '~' || len == SL_CONFIG_TOKEN_MAX)
			return false;
	return true;
}

static bool take_key(struct sl_litellm *import, const struct sl_yaml_pair *key, unsigned line,
		     const char *path, const char *preset, struct sl_litellm_manner *manner)
{
	const char *full = sl_arena_printf(&import->arena, "%s.litellm_params.api_key", path);
	const char *text = key && key->value->kind == SL_YAML_SCALAR ? key->value->text : preset;

	if (key && is_no_key(key->value)) {
		sl_litellm_note(import, SL_LITELLM_NOT_NEEDED, key->mark.line, full,
				"the server wants no key");
		return true;
	}
	if (!text)
		return true;
	if (key && strncmp(text, REFERENCE, sizeof(REFERENCE) - 1) != 0) {
		REFUSE(import, key->mark.line, full,
		       "a key is not copied into the file that is made; put it into a variable, "
		       "write os.environ/NAME and import again");
		return false;
	}
	text += key ? sizeof(REFERENCE) - 1 : 0;
	if (!is_variable(text)) {
		REFUSE(import, key ? key->mark.line : line, full, "%s%s",
		       key ? "" : "the provider's key is looked for in the environment; ", NOT_SET);
		return false;
	}
	manner->api_key = sl_arena_printf(&import->arena, "${%s}", text);
	import->no_memory |= !manner->api_key;
	if (key)
		sl_litellm_note(import, SL_LITELLM_TAKEN, key->mark.line, full, "pools.api_key");
	return true;
}

/* ---- all ----------------------------------------------------------------------------------- */

bool sl_litellm_target(struct sl_litellm *import, const struct sl_yaml *params, const char *path,
		       struct sl_litellm_deployment *deployment)
{
	const struct sl_yaml_pair *model = sl_yaml_find(params, "model");
	const struct sl_yaml_pair *base = sl_yaml_find(params, "api_base");
	const struct sl_yaml_pair *custom = sl_yaml_find(params, "custom_llm_provider");
	const char *name = model ? sl_litellm_value(import, model->value) : NULL;
	const struct provider *provider = NULL;
	const char *why, *text;

	if (!base)
		base = sl_yaml_find(params, "base_url");
	if (!name) {
		REFUSE(import, model ? model->mark.line : params->mark.line,
		       sl_arena_printf(&import->arena, "%s.litellm_params.model", path),
		       "the deployment names no model");
		return false;
	}
	why = split_model(custom ? sl_litellm_value(import, custom->value) : NULL, name, &provider,
			  &deployment->model);
	if (!why && !base && !provider->base)
		why = "without api_base nobody knows where the server is";
	if (why) {
		REFUSE(import, model->mark.line,
		       sl_arena_printf(&import->arena, "%s.litellm_params.model", path), "%s", why);
		return false;
	}
	text = base ? sl_litellm_value(import, base->value) : provider->base;
	deployment->manner = (struct sl_litellm_manner){.messages = provider->messages};
	why = text ? split_base(import, text, provider->messages, deployment) : NOT_SET;
	if (why) {
		REFUSE(import, base->mark.line,
		       sl_arena_printf(&import->arena, "%s.litellm_params.%s", path, base->key),
		       "%s", why);
		return false;
	}
	/* a server of one's own that speaks like a provider is sent no key of the provider's */
	return take_key(import, sl_yaml_find(params, "api_key"), model->mark.line, path,
			base ? NULL : provider->key, &deployment->manner);
}
