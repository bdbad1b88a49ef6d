/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/scrape.h"

#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 4294967295.0

enum what {
	RUNNING,
	WAITING,
	KV_SHARE,
	KV_TOKENS,
	CACHE_CONFIG,
	ADAPTERS,
	ADAPTERS_USED,
	ADAPTERS_MAX
};

static const struct metric {
	const char *name;
	enum what what;
} metrics[] = {
	{"vllm:num_requests_running", RUNNING},
	{"vllm:num_requests_waiting", WAITING},
	{"vllm:kv_cache_usage_perc", KV_SHARE},
	{"vllm:gpu_cache_usage_perc", KV_SHARE}, /* before 0.9 */
	{"vllm:cache_config_info", CACHE_CONFIG},
	{"vllm:lora_requests_info", ADAPTERS},
	{"sglang:num_running_reqs", RUNNING},
	{"sglang:num_queue_reqs", WAITING},
	{"sglang:token_usage", KV_SHARE},
	{"sglang:max_total_num_tokens", KV_TOKENS},
	/* how many adapters it holds, not which */
	{"sglang:lora_pool_slots_used", ADAPTERS_USED},
	{"sglang:lora_pool_slots_total", ADAPTERS_MAX},
	{"tgi_batch_current_size", RUNNING},
	{"tgi_queue_size", WAITING},
	{"llamacpp:requests_processing", RUNNING},
	{"llamacpp:requests_deferred", WAITING},
	{"llamacpp:kv_cache_usage_ratio", KV_SHARE},
	{"trtllm_num_requests_running", RUNNING},
	{"trtllm_num_requests_waiting", WAITING},
	{"trtllm_kv_cache_utilization", KV_SHARE},
};

void sl_scrape_begin(struct sl_scrape *scrape)
{
	scrape->running = scrape->waiting = scrape->kv_share = 0;
	scrape->kv_tokens = scrape->adapters_s = 0;
	scrape->known = 0;
	scrape->adapter_count = scrape->adapter_max = 0;
	scrape->adapters_used = scrape->adapters_most = 0;
	scrape->line_len = 0;
	scrape->too_long = false;
}

static const struct metric *find(const char *name, size_t name_len)
{
	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++)
		if (strlen(metrics[i].name) == name_len &&
		    memcmp(metrics[i].name, name, name_len) == 0)
			return &metrics[i];
	return NULL;
}

static uint32_t requests(double value)
{
	return value < REQUESTS_MAX ? (uint32_t)value : (uint32_t)REQUESTS_MAX;
}

/* Steps over {labels}, whose quoted values may hold braces. Returns NULL when they do not end. */
static const char *skip_labels(const char *at)
{
	bool quoted = false;

	if (*at != '{')
		return at;
	for (at++; *at != '\0'; at++) {
		if (quoted && *at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (*at == '}' && !quoted)
			return at + 1;
	}
	return NULL;
}

/* ---- what is said in labels ------------------------------------------------------------------ */

/* The value of the label as it is written; *ret_len 0: there is none. labels: "{...}", whole. */
static const char *label_of(const char *labels, const char *name, size_t *ret_len)
{
	size_t name_len = strlen(name);
	const char *at = labels + 1, *end;

	*ret_len = 0;
	while (*at && *at != '}') {
		const char *key = at += strspn(at, ", \t");
		size_t key_len = strcspn(key, "=\"}");

		if (key[key_len] != '=' || key[key_len + 1] != '"')
			return NULL;
		at = end = key + key_len + 2;
		while (*end && *end != '"')
			end += *end == '\\' && end[1] ? 2 : 1;
		if (key_len == name_len && memcmp(key, name, name_len) == 0) {
			*ret_len = (size_t)(end - at);
			return at;
		}
		at = *end ? end + 1 : end;
	}
	return NULL;
}

/* A whole number in a label; 0: none. */
static double number_of(const char *labels, const char *name)
{
	size_t len;
	const char *text = label_of(labels, name, &len);
	double value = text && len ? strtod(text, NULL) : 0;

	return value > 0 ? value : 0; /* NaN fails too */
}

static bool has_adapter(const struct sl_scrape *scrape, uint64_t adapter)
{
	for (uint32_t i = 0; i < scrape->adapter_count; i++)
		if (scrape->adapters[i] == adapter)
			return true;
	return false;
}

/* "one,two" */
static void add_adapters(struct sl_scrape *scrape, const char *labels, const char *name)
{
	size_t len;
	const char *at = label_of(labels, name, &len);

	while (at != NULL && len > 0 && scrape->adapter_count < SL_LOAD_ADAPTERS_MAX) {
		const char *comma = memchr(at, ',', len);
		size_t part = comma == NULL ? len : (size_t)(comma - at);
		size_t step = comma == NULL ? len : part + 1;
		uint64_t adapter;

		while (part > 0 && *at == ' ') {
			at++;
			part--;
			step--;
			len--;
		}
		adapter = sl_load_adapter(at, part);
		if (part > 0 && !has_adapter(scrape, adapter))
			scrape->adapters[scrape->adapter_count++] = adapter;
		at += step;
		len -= step;
	}
}

static void take_adapters(struct sl_scrape *scrape, const char *labels, double when_s)
{
	if (*labels != '{' || when_s < scrape->adapters_s)
		return;
	scrape->adapters_s = when_s;
	scrape->adapter_count = 0;
	scrape->adapter_max = requests(number_of(labels, "max_lora"));
	add_adapters(scrape, labels, "running_lora_adapters");
	add_adapters(scrape, labels, "waiting_lora_adapters");
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void take(struct sl_scrape *scrape, enum what what, const char *labels, double value)
{
	scrape->known++;
	switch (what) {
	case KV_TOKENS:
		scrape->kv_tokens += value;
		break;
	case CACHE_CONFIG:
		if (*labels == '{')
			scrape->kv_tokens += number_of(labels, "num_gpu_blocks") *
					     number_of(labels, "block_size");
		break;
	case ADAPTERS:
		take_adapters(scrape, labels, value);
		break;
	case ADAPTERS_USED:
		scrape->adapters_used += value;
		break;
	case ADAPTERS_MAX:
		scrape->adapters_most += value;
		break;
	case RUNNING:
		scrape->running += value;
		break;
	case WAITING:
		scrape->waiting += value;
		break;
	case KV_SHARE:
		if (value > scrape->kv_share)
			scrape->kv_share = value;
		break;
	}
}

/* One whole line, NUL-terminated: NAME{LABELS} VALUE [TIMESTAMP]. */
static void take_line(struct sl_scrape *scrape)
{
	const char *name = scrape->line + strspn(scrape->line, " \t");
	size_t name_len = strcspn(name, "{ \t\r");
	const struct metric *metric = find(name, name_len);
	const char *number;
	double value;
	char *end;

	if (metric == NULL)
		return;
	number = skip_labels(name + name_len);
	if (number == NULL)
		return;
	value = strtod(number, &end);
	/* NaN fails the comparison too */
	if (end == number || !(value >= 0))
		return;
	take(scrape, metric->what, name + name_len, value);
}

static void end_line(struct sl_scrape *scrape)
{
	scrape->line[scrape->line_len] = '\0';
	if (!scrape->too_long && scrape->line_len > 0 && scrape->line[0] != '#')
		take_line(scrape);
	scrape->line_len = 0;
	scrape->too_long = false;
}

void sl_scrape_feed(struct sl_scrape *scrape, const char *data, size_t len)
{
	while (len > 0) {
		const char *end = memchr(data, '\n', len);
		size_t part = end == NULL ? len : (size_t)(end - data);

		if (part > sizeof(scrape->line) - 1 - scrape->line_len) {
			scrape->too_long = true;
		} else if (!scrape->too_long) {
			memcpy(scrape->line + scrape->line_len, data, part);
			scrape->line_len += part;
		}
		if (end == NULL)
			return;
		end_line(scrape);
		data += part + 1;
		len -= part + 1;
	}
}

bool sl_scrape_end(struct sl_scrape *scrape, struct sl_load_reading *ret_load)
{
	double share;

	end_line(scrape);
	share = scrape->kv_share < 1 ? scrape->kv_share : 1;
	memset(ret_load, 0, sizeof(*ret_load));
	ret_load->running = requests(scrape->running);
	ret_load->waiting = requests(scrape->waiting);
	ret_load->kv_permille = (uint32_t)(share * 1000 + 0.5);
	ret_load->kv_tokens = requests(scrape->kv_tokens);
	ret_load->adapter_max =
		scrape->adapter_max ? scrape->adapter_max : requests(scrape->adapters_most);
	ret_load->adapters_used = requests(scrape->adapters_used);
	ret_load->adapter_count = scrape->adapter_count;
	memcpy(ret_load->adapters, scrape->adapters,
	       scrape->adapter_count * sizeof(scrape->adapters[0]));
	return scrape->known > 0;
}
