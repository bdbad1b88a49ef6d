/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/litellm.h"

#include <stdlib.h>
#include <string.h>
#include "user/base/key_file.h"
#include "user/base/unit.h"

#define ATTEMPTS_MAX	 32u
#define DAY_MS		 86400000ull
#define TOTAL_MS	 300000u /* the default of timeouts.total */
#define BACKOFF_MS_SOON	 1000u	 /* the default of backoff_max */
#define OPEN_MIN_MS	 10u
#define OPEN_BOUND_MS	 120000u /* the default of breaker.open_max_ms */
#define ATTEMPTS_DEFAULT 4u

/* ---- findings ------------------------------------------------------------------------------ */

static int compare_findings(const void *left, const void *right)
{
	const struct sl_litellm_finding *a = *(const struct sl_litellm_finding *const *)left;
	const struct sl_litellm_finding *b = *(const struct sl_litellm_finding *const *)right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* In the order of the file; malloc'ed. NULL without memory or findings. */
static const struct sl_litellm_finding **sort_findings(const struct sl_litellm *import)
{
	const struct sl_litellm_finding **sorted =
		calloc(import->finding_count + 1u, sizeof(*sorted));

	for (uint32_t i = 0; sorted && i < import->finding_count; i++)
		sorted[i] = &import->findings[i];
	if (sorted)
		qsort(sorted, import->finding_count, sizeof(*sorted), compare_findings);
	return sorted;
}

/* Keys are the file's: no byte of theirs may end a comment or steer a terminal. */
static void append_plain(struct sl_text *text, const char *string)
{
	for (; *string; string++)
		sl_text_append_char(
			text, (unsigned char)*string < ' ' || *string == 0x7f ? '?' : *string);
}

void sl_litellm_write_findings(const struct sl_litellm *import, const char *prefix,
			       struct sl_text *text)
{
	const struct sl_litellm_finding **sorted = sort_findings(import);

	for (uint32_t i = 0; sorted && i < import->finding_count; i++) {
		if (sorted[i]->verdict != SL_LITELLM_UNSUPPORTED)
			continue;
		sl_text_append_string(text, prefix);
		append_plain(text, import->file);
		if (sorted[i]->line)
			sl_text_printf(text, ":%u", sorted[i]->line);
		sl_text_append_string(text, ": ");
		append_plain(text, sorted[i]->key);
		sl_text_append_string(text, ": not supported: ");
		append_plain(text, sorted[i]->text);
		sl_text_append_char(text, '\n');
	}
	if (import->findings_lost)
		sl_text_printf(text, "%s%u more are not shown\n", prefix, import->findings_lost);
	free(sorted);
}

static void append_list(const struct sl_litellm *import, struct sl_text *text,
			enum sl_litellm_verdict verdict, const char *name)
{
	const struct sl_litellm_finding **sorted = sort_findings(import);
	const char *separator = "";

	sl_text_printf(text, ", \"%s\": [", name);
	for (uint32_t i = 0; sorted && i < import->finding_count; i++) {
		if (sorted[i]->verdict != verdict)
			continue;
		sl_text_printf(text, "%s\n  {\"line\": %u, \"key\": ", separator, sorted[i]->line);
		sl_text_append_json_string(text, sorted[i]->key);
		sl_text_append_string(text, ", \"text\": ");
		sl_text_append_json_string(text, sorted[i]->text);
		sl_text_append_char(text, '}');
		separator = ",";
	}
	sl_text_append_char(text, ']');
	free(sorted);
}

static void append_or_null(struct sl_text *text, const char *name, const char *string)
{
	sl_text_printf(text, ", \"%s\": ", name);
	if (string)
		sl_text_append_json_string(text, string);
	else
		sl_text_append_string(text, "null");
}

void sl_litellm_write_json(const struct sl_litellm *import, const char *output,
			   const char *configuration, struct sl_text *text)
{
	sl_text_append_string(text, "{\"file\": ");
	sl_text_append_json_string(text, import->file);
	append_or_null(text, "output", output);
	sl_text_printf(text, ", \"routes\": %u, \"findings_lost\": %u", sl_litellm_routes(import),
		       import->findings_lost);
	append_list(import, text, SL_LITELLM_TAKEN, "taken");
	append_list(import, text, SL_LITELLM_UNSUPPORTED, "unsupported");
	append_list(import, text, SL_LITELLM_NOT_NEEDED, "not_needed");
	append_or_null(text, "configuration", configuration);
	sl_text_append_string(text, "}\n");
}

/* ---- configuration ------------------------------------------------------------------------- */

static void append_ms(struct sl_text *text, const char *name, uint64_t ms)
{
	char shown[SL_UNIT_TEXT_SIZE];

	sl_text_printf(text, "%s%s", name, sl_unit_format_ms(ms, shown));
}

static void write_tunables(const struct sl_litellm *import, struct sl_text *text)
{
	uint64_t open_ms = import->settings.cooldown_ms;
	uint64_t fails = import->settings.allowed_fails;

	if (open_ms == SL_LITELLM_NONE && fails == SL_LITELLM_NONE)
		return;
	sl_text_append_string(text, "\ntunables:\n");
	if (fails != SL_LITELLM_NONE)
		sl_text_printf(text, "  breaker.consecutive_failures: %llu\n",
			       (unsigned long long)(fails + 1));
	if (open_ms == SL_LITELLM_NONE)
		return;
	open_ms = open_ms > OPEN_MIN_MS ? open_ms : OPEN_MIN_MS;
	append_ms(text, "  breaker.open_ms: ", open_ms);
	if (open_ms > OPEN_BOUND_MS)
		append_ms(text, "\n  breaker.open_max_ms: ", open_ms);
	sl_text_append_char(text, '\n');
}

static void write_pools(const struct sl_litellm *import, struct sl_text *text)
{
	sl_text_append_string(text, "\npools:\n");
	for (uint32_t i = 0; i < import->pool_count; i++) {
		const struct sl_litellm_pool *pool = &import->pools[i];

		if (pool->same_as != i || !pool->nodes)
			continue;
		sl_text_printf(text, "  \"%s\":\n", pool->name);
		if (pool->model)
			sl_text_printf(text, "    model: \"%s\"\n", pool->model);
		if (pool->manner.messages)
			sl_text_append_string(text, "    api: anthropic\n");
		if (pool->manner.api_key)
			sl_text_printf(text, "    api_key: \"%s\"\n", pool->manner.api_key);
		if (pool->manner.path)
			sl_text_printf(text, "    path: \"%s\"\n", pool->manner.path);
		sl_text_append_string(text, "    nodes:\n");
		for (uint32_t j = 0; j < import->deployment_count; j++) {
			const struct sl_litellm_deployment *node = &import->deployments[j];

			if (node->pool != i || !node->share)
				continue;
			if (node->share == 1)
				sl_text_printf(text, "      - \"%s\"", node->address);
			else
				sl_text_printf(text, "      - {address: \"%s\", weight: %u}",
					       node->address, node->share);
			sl_text_printf(text, "  # line %u\n", node->line);
		}
	}
}

static void write_chain(const struct sl_litellm *import, struct sl_text *text,
			const struct sl_config_chain *chain)
{
	sl_text_append_char(text, '[');
	for (uint32_t i = 0; i < chain->len; i++)
		sl_text_printf(text, "%s\"%s\"", i ? ", " : "",
			       import->pools[chain->pools[i]].name);
	sl_text_append_char(text, ']');
}

/* What the deployments of a group say together. */
struct sums {
	uint64_t timeout_ms; /* the longest, else the router's */
	uint64_t stream_timeout_ms;
	uint64_t retries;
	uint64_t requests; /* sums, where all have one; else 0 */
	uint64_t tokens;
	uint64_t parallel;
};

static void take_longest(uint64_t *longest, uint64_t value)
{
	if (value != SL_LITELLM_NONE && (*longest == SL_LITELLM_NONE || value > *longest))
		*longest = value;
}

/* A deployment without a bound leaves its group without one. */
static void add_bound(uint64_t *sum, uint64_t value)
{
	if (value == SL_LITELLM_NONE || *sum == SL_LITELLM_NONE)
		*sum = SL_LITELLM_NONE;
	else
		*sum = *sum + value < SL_RATE_MAX ? *sum + value : SL_RATE_MAX;
}

static struct sums sum_up(const struct sl_litellm *import, uint32_t group)
{
	const struct sl_litellm_settings *set = &import->settings;
	struct sums sums = {SL_LITELLM_NONE, SL_LITELLM_NONE, SL_LITELLM_NONE, 0, 0, 0};

	for (uint32_t i = 0; i < import->deployment_count; i++) {
		const struct sl_litellm_deployment *one = &import->deployments[i];

		if (one->group != group)
			continue;
		take_longest(&sums.timeout_ms, one->timeout_ms);
		take_longest(&sums.stream_timeout_ms, one->stream_timeout_ms);
		take_longest(&sums.retries,
			     one->retries != SL_LITELLM_NONE ? one->retries : one->client_retries);
		add_bound(&sums.requests, one->requests_per_minute);
		add_bound(&sums.tokens, one->tokens_per_minute);
		add_bound(&sums.parallel,
			  one->parallel != SL_LITELLM_NONE ? one->parallel : set->parallel);
	}
	if (sums.timeout_ms == SL_LITELLM_NONE)
		sums.timeout_ms = set->timeout_ms;
	if (sums.stream_timeout_ms == SL_LITELLM_NONE)
		sums.stream_timeout_ms = set->stream_timeout_ms;
	if (sums.retries == SL_LITELLM_NONE)
		sums.retries = set->retries;
	if (!set->rates_are_limits || sums.requests == SL_LITELLM_NONE)
		sums.requests = 0;
	if (!set->rates_are_limits || sums.tokens == SL_LITELLM_NONE)
		sums.tokens = 0;
	if (sums.parallel == SL_LITELLM_NONE)
		sums.parallel = 0;
	return sums;
}

static void write_limits(struct sl_text *text, const struct sums *sums)
{
	const char *separator = "";

	if (!sums->requests && !sums->tokens && !sums->parallel)
		return;
	sl_text_append_string(text, "    limits: {");
	if (sums->requests) {
		sl_text_printf(text, "requests_per_minute: %llu",
			       (unsigned long long)sums->requests);
		separator = ", ";
	}
	if (sums->tokens) {
		sl_text_printf(text, "%stokens_per_minute: %llu", separator,
			       (unsigned long long)sums->tokens);
		separator = ", ";
	}
	if (sums->parallel)
		sl_text_printf(text, "%sconcurrent: %llu", separator,
			       (unsigned long long)sums->parallel);
	sl_text_append_string(text, "}\n");
}

/*
 * LiteLLM bounds each attempt and nothing bounds the whole; sluice bounds the whole. So the whole
 * gets the time of all attempts. Streams are bounded to their first token.
 */
static void write_times(struct sl_text *text, const struct sums *sums, uint64_t attempts)
{
	uint64_t total_ms = sums->timeout_ms * attempts;
	uint64_t ttft_ms = sums->stream_timeout_ms;

	if (sums->timeout_ms == SL_LITELLM_NONE && ttft_ms == SL_LITELLM_NONE)
		return;
	sl_text_append_string(text, "    timeouts: {");
	if (sums->timeout_ms != SL_LITELLM_NONE) {
		append_ms(text, "attempt: ", sums->timeout_ms);
		append_ms(text, ", total: ", total_ms < DAY_MS ? total_ms : DAY_MS);
		ttft_ms = ttft_ms != SL_LITELLM_NONE ? ttft_ms : sums->timeout_ms;
		sl_text_append_string(text, ", ");
	} else if (ttft_ms * attempts > TOTAL_MS) { /* else the default ends it before */
		append_ms(text,
			  "total: ", ttft_ms * attempts < DAY_MS ? ttft_ms * attempts : DAY_MS);
		sl_text_append_string(text, ", ");
	}
	append_ms(text, "ttft: ", ttft_ms);
	sl_text_append_string(text, "}\n");
}

static void write_route(const struct sl_litellm *import, struct sl_text *text, const char *name,
			uint32_t index)
{
	const struct sl_litellm_group *group = &import->groups[index];
	const struct sl_config_chain *context = &group->chains[SL_CAUSE_CONTEXT_LENGTH];
	const struct sl_config_chain *content = &group->chains[SL_CAUSE_CONTENT_POLICY];
	uint64_t backoff_ms = import->settings.retry_after_ms;
	struct sums sums = sum_up(import, index);
	uint64_t attempts = ATTEMPTS_DEFAULT;

	sl_text_printf(text, "  - model: \"%s\"\n    pools: ", name);
	write_chain(import, text, &group->chains[SL_CAUSE_ERROR]);
	sl_text_append_char(text, '\n');
	if (context->len || content->len) {
		sl_text_append_string(text, "    fallbacks: {");
		if (context->len) {
			sl_text_append_string(text, "context_length: ");
			write_chain(import, text, context);
		}
		if (content->len) {
			sl_text_printf(text, "%scontent_policy: ", context->len ? ", " : "");
			write_chain(import, text, content);
		}
		sl_text_append_string(text, "}\n");
	}
	if (sums.retries != SL_LITELLM_NONE) {
		/* each model group is retried so often, then the next is asked */
		attempts = (sums.retries + 1) * group->chains[SL_CAUSE_ERROR].len;
		attempts = attempts < ATTEMPTS_MAX ? attempts : ATTEMPTS_MAX;
		sl_text_printf(text, "    attempts: %llu\n", (unsigned long long)attempts);
	}
	if (backoff_ms != SL_LITELLM_NONE) {
		append_ms(text, "    backoff: ", backoff_ms);
		if (backoff_ms > BACKOFF_MS_SOON)
			append_ms(text, "\n    backoff_max: ", backoff_ms);
		sl_text_append_char(text, '\n');
	}
	write_times(text, &sums, attempts);
	write_limits(text, &sums);
}

static void write_head(const struct sl_litellm *import, struct sl_text *text)
{
	uint64_t body_mib = import->settings.body_mib;

	sl_text_append_string(text, "# Made by `sluice import litellm` from ");
	append_plain(text, import->file);
	sl_text_printf(text, ".\n# Not supported: %u", import->counts[SL_LITELLM_UNSUPPORTED]);
	sl_text_append_string(text, import->counts[SL_LITELLM_UNSUPPORTED]
					    ? "; each is named at the end.\n\n"
					    : ".\n\n");
	sl_text_printf(text, "listen: \"%s\"\n", import->listen);
	if (import->settings.locked)
		sl_text_append_string(text, "\n# Make the first one: sluice key create NAME\n"
					    "keys: {file: " SL_KEY_FILE_DEFAULT "}\n");
	if (body_mib != SL_LITELLM_NONE)
		sl_text_printf(text, "\nlimits: {body: %lluMiB}\n",
			       (unsigned long long)(body_mib ? body_mib : 1));
}

void sl_litellm_write(struct sl_litellm *import, struct sl_text *text)
{
	write_head(import, text);
	write_tunables(import, text);
	write_pools(import, text);
	sl_text_append_string(text, "\nroutes:\n");
	for (uint32_t i = 0; i < import->group_count; i++)
		if (import->groups[i].own.len)
			write_route(import, text, import->groups[i].name, i);
	for (uint32_t i = 0; i < import->alias_count; i++)
		write_route(import, text, import->aliases[i].name, import->aliases[i].group);
	if (!import->counts[SL_LITELLM_UNSUPPORTED])
		return;
	sl_text_append_string(text, "\n# Not supported:\n");
	sl_litellm_write_findings(import, "#   ", text);
}
