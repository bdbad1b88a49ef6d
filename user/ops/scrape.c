/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/scrape.h"

#include <stdlib.h>
#include <string.h>

#define REQUESTS_MAX 4294967295.0

enum what { RUNNING, WAITING, KV_SHARE };

static const struct metric {
	const char *name;
	enum what what;
} metrics[] = {
	{"vllm:num_requests_running", RUNNING},
	{"vllm:num_requests_waiting", WAITING},
	{"vllm:kv_cache_usage_perc", KV_SHARE},
	{"vllm:gpu_cache_usage_perc", KV_SHARE}, /* before 0.9 */
	{"sglang:num_running_reqs", RUNNING},
	{"sglang:num_queue_reqs", WAITING},
	{"sglang:token_usage", KV_SHARE},
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
	scrape->known = 0;
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

static void take(struct sl_scrape *scrape, enum what what, double value)
{
	scrape->known++;
	switch (what) {
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
	take(scrape, metric->what, value);
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

static uint32_t requests(double value)
{
	return value < REQUESTS_MAX ? (uint32_t)value : (uint32_t)REQUESTS_MAX;
}

bool sl_scrape_end(struct sl_scrape *scrape, struct sl_scrape_load *ret_load)
{
	double share;

	end_line(scrape);
	share = scrape->kv_share < 1 ? scrape->kv_share : 1;
	ret_load->running = requests(scrape->running);
	ret_load->waiting = requests(scrape->waiting);
	ret_load->kv_permille = (uint32_t)(share * 1000 + 0.5);
	return scrape->known > 0;
}
