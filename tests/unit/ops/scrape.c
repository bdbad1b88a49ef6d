/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics pages of inference servers: what is read from them, however they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "user/ops/scrape.h"

#define SAYS(r, w, kv)                                              \
	{                                                           \
		.running = (r), .waiting = (w), .kv_permille = (kv) \
	}

struct page {
	const char *description;
	const char *text;
	bool known;
	struct sl_load_reading load;
};

static const struct page pages[] = {
	{"empty", "", false, SAYS(0, 0, 0)},
	{"vLLM",
	 "# HELP vllm:num_requests_running Number of requests in model execution batches.\n"
	 "# TYPE vllm:num_requests_running gauge\n"
	 "vllm:num_requests_running{engine=\"0\",model_name=\"org/model\"} 7.0\n"
	 "# TYPE vllm:num_requests_waiting gauge\n"
	 "vllm:num_requests_waiting{engine=\"0\",model_name=\"org/model\"} 12.0\n"
	 "vllm:kv_cache_usage_perc{engine=\"0\",model_name=\"org/model\"} 0.8275\n",
	 true, SAYS(7, 12, 828)},
	{"vLLM with several engines",
	 "vllm:num_requests_running{engine=\"0\"} 7.0\n"
	 "vllm:num_requests_running{engine=\"1\"} 5.0\n"
	 "vllm:num_requests_waiting{engine=\"0\"} 0.0\n"
	 "vllm:num_requests_waiting{engine=\"1\"} 3.0\n"
	 "vllm:kv_cache_usage_perc{engine=\"0\"} 0.25\n"
	 "vllm:kv_cache_usage_perc{engine=\"1\"} 0.125\n",
	 true, SAYS(12, 3, 250)},
	{"vLLM: the size of the KV cache, of all engines",
	 "vllm:cache_config_info{block_size=\"16\",engine=\"0\",num_gpu_blocks=\"1000\"} 1.0\n"
	 "vllm:cache_config_info{block_size=\"16\",engine=\"1\",num_gpu_blocks=\"500\"} 1.0\n"
	 "vllm:cache_config_info{block_size=\"None\",num_gpu_blocks=\"-3\"} 1.0\n",
	 true,
	 {.kv_tokens = 24000}},
	{"SGLang: the same",
	 "sglang:max_total_num_tokens{name=\"m\"} 4096\n",
	 true,
	 {.kv_tokens = 4096}},
	{"older vLLM", "vllm:gpu_cache_usage_perc 0.5\n", true, SAYS(0, 0, 500)},
	{"SGLang",
	 "sglang:num_running_reqs{name=\"m\"} 4\nsglang:num_queue_reqs{name=\"m\"} 1\n"
	 "sglang:token_usage{name=\"m\"} 0.28\n",
	 true, SAYS(4, 1, 280)},
	{"SGLang: adapters, of which it tells how many",
	 "sglang:lora_pool_slots_used{dp_rank=\"0\"} 3\nsglang:lora_pool_slots_used{dp_rank=\"1\"} "
	 "1\n"
	 "sglang:lora_pool_slots_total{dp_rank=\"0\"} "
	 "4\nsglang:lora_pool_slots_total{dp_rank=\"1\"} 4\n"
	 "sglang:lora_pool_utilization{dp_rank=\"0\"} 0.75\n",
	 true,
	 {.adapter_max = 8, .adapters_used = 4}},
	{"TGI", "tgi_batch_current_size 3\ntgi_queue_size 9\n", true, SAYS(3, 9, 0)},
	{"llama.cpp",
	 "llamacpp:requests_processing 2\nllamacpp:requests_deferred 6\n"
	 "llamacpp:kv_cache_usage_ratio 0.1\n",
	 true, SAYS(2, 6, 100)},
	{"TensorRT-LLM",
	 "trtllm_num_requests_running{engine_type=\"trt\"} 3.0\ntrtllm_num_requests_waiting 2\n"
	 "trtllm_kv_cache_utilization 0.62\n",
	 true, SAYS(3, 2, 620)},
	{"names that only begin like one", "tgi_queue_size_total 9\ntgi_queue 3\n", false,
	 SAYS(0, 0, 0)},
	{"no line end at the end", "tgi_queue_size 9", true, SAYS(0, 9, 0)},
	{"CRLF, blanks, a timestamp",
	 "  tgi_queue_size\t 9 1700000000000\r\ntgi_batch_current_size 1\r\n", true, SAYS(1, 9, 0)},
	{"exponents", "tgi_queue_size 1.5e+01\n", true, SAYS(0, 15, 0)},
	{"labels with braces, quotes and blanks",
	 "vllm:num_requests_running{model_name=\"a } b \\\" } c\\\\\",x=\"{\"} 4\n", true,
	 SAYS(4, 0, 0)},
	{"labels that do not end", "vllm:num_requests_running{model_name=\"a} 4\n", false,
	 SAYS(0, 0, 0)},
	{"not a number", "tgi_queue_size NaN\ntgi_batch_current_size x\n", false, SAYS(0, 0, 0)},
	{"negative", "tgi_queue_size -4\n", false, SAYS(0, 0, 0)},
	{"more than there can be", "tgi_queue_size +Inf\nvllm:kv_cache_usage_perc 97\n", true,
	 SAYS(0, UINT32_MAX, 1000)},
	{"no value", "tgi_queue_size\ntgi_queue_size{a=\"b\"}\n", false, SAYS(0, 0, 0)},
	{"comments", "#tgi_queue_size 9\n# tgi_queue_size 9\n\n\n", false, SAYS(0, 0, 0)},
};

/* Fed in pieces of `size` bytes, each at the end of memory that may be read. */
static void feed(struct sl_scrape *scrape, const char *text, size_t size)
{
	size_t len = strlen(text);

	for (size_t at = 0; at < len; at += size) {
		size_t part = len - at < size ? len - at : size;
		char *copy = malloc(part);

		assert_non_null(copy);
		memcpy(copy, text + at, part);
		sl_scrape_feed(scrape, copy, part);
		free(copy);
	}
}

static void check(const struct page *page, struct sl_scrape *scrape)
{
	struct sl_load_reading load;
	bool known;

	memset(&load, 99, sizeof(load));
	known = sl_scrape_end(scrape, &load);

	if (known != page->known || memcmp(&load, &page->load, sizeof(load)) != 0)
		fail_msg("%s: known %d running %u waiting %u kv %u", page->description, known,
			 load.running, load.waiting, load.kv_permille);
}

static void test_pages(void **unused)
{
	struct sl_scrape scrape;

	(void)unused;
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		for (size_t size = 1; size <= strlen(pages[i].text) + 1; size++) {
			sl_scrape_begin(&scrape);
			feed(&scrape, pages[i].text, size);
			check(&pages[i], &scrape);
		}
	}
}

/* A line longer than fits is skipped whole; the next one counts. */
static void test_long_line(void **unused)
{
	static char text[3 * SL_SCRAPE_LINE_MAX];
	struct page page = {"long line", text, true, SAYS(0, 5, 0)};
	struct sl_scrape scrape;
	int len;

	(void)unused;
	len = snprintf(text, sizeof(text), "tgi_queue_size{a=\"%0*d\"} 7\ntgi_queue_size 5\n",
		       (int)SL_SCRAPE_LINE_MAX, 1);
	for (size_t size = 1; size <= (size_t)len; size += 7) {
		sl_scrape_begin(&scrape);
		feed(&scrape, text, size);
		check(&page, &scrape);
	}
}

/* Adapters by name, once each, of the line with the latest time. */
static const struct lora {
	const char *text;
	uint32_t max, count;
	const char *names[3];
} loras[] = {
	{"vllm:lora_requests_info{max_lora=\"4\",running_lora_adapters=\"sql,org/chat\","
	 "waiting_lora_adapters=\"\"} 1.75e9\n",
	 4,
	 2,
	 {"sql", "org/chat"}},
	{"vllm:lora_requests_info{max_lora=\"2\",running_lora_adapters=\"new\","
	 "waiting_lora_adapters=\"new, other\"} 1.750000002e9\n"
	 "vllm:lora_requests_info{max_lora=\"2\",running_lora_adapters=\"old\","
	 "waiting_lora_adapters=\"\"} 1.750000001e9\n",
	 2,
	 2,
	 {"new", "other"}},
	{"vllm:lora_requests_info{running_lora_adapters=\"\",waiting_lora_adapters=\"\"} 3\n",
	 0,
	 0,
	 {0}},
	{"vllm:lora_requests_info 3\n", 0, 0, {0}},
	{"vllm:lora_requests_info{running_lora_adapters=sql} 3\n", 0, 0, {0}},
	{"vllm:lora_requests_info{x=\"a\\\"b,running_lora_adapters=\",running_lora_adapters=\",a,,"
	 "\"} 3\n",
	 0,
	 1,
	 {"a"}},
};

static void test_adapters(void **unused)
{
	struct sl_load_reading load;
	struct sl_scrape scrape;

	(void)unused;
	for (size_t i = 0; i < sizeof(loras) / sizeof(loras[0]); i++) {
		sl_scrape_begin(&scrape);
		feed(&scrape, loras[i].text, 7);
		sl_scrape_end(&scrape, &load);
		if (load.adapter_max != loras[i].max || load.adapter_count != loras[i].count)
			fail_msg("%s: max %u count %u", loras[i].text, load.adapter_max,
				 load.adapter_count);
		for (uint32_t k = 0; k < load.adapter_count; k++)
			assert_int_equal(
				load.adapters[k],
				sl_load_adapter(loras[i].names[k], strlen(loras[i].names[k])));
	}
}

/* More than are kept: the first ones. */
static void test_many_adapters(void **unused)
{
	char text[SL_SCRAPE_LINE_MAX];
	struct sl_load_reading load;
	struct sl_scrape scrape;
	size_t len;

	(void)unused;
	len = (size_t)snprintf(
		text, sizeof(text),
		"vllm:lora_requests_info{max_lora=\"100\",running_lora_adapters=\"a0");
	for (int i = 1; i < 40; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",a%d", i);
	snprintf(text + len, sizeof(text) - len, "\"} 1\n");
	sl_scrape_begin(&scrape);
	feed(&scrape, text, 100);
	assert_true(sl_scrape_end(&scrape, &load));
	assert_int_equal(load.adapter_count, SL_LOAD_ADAPTERS_MAX);
	assert_int_equal(load.adapters[SL_LOAD_ADAPTERS_MAX - 1], sl_load_adapter("a15", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_adapters),
		cmocka_unit_test(test_many_adapters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
