/* See metrics.h. */
#include "tests/standin/metrics.h"

uint64_t sl_metrics_sum(const struct sl_server *server, size_t offset)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < server->options.threads; i++) {
		const char *base = (const char *)&server->workers[i].counters;

		sum += atomic_load_explicit((const sl_counter *)(base + offset),
					    memory_order_relaxed);
	}
	return sum;
}

#define SUM(server, member) sl_metrics_sum((server), offsetof(struct sl_counters, member))

static void put_type(struct sl_buf *out, const char *name, const char *type, const char *help)
{
	sl_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* One metric of vLLM, which labels each with the model. */
static void put_model_metric(struct sl_server *server, struct sl_buf *out, const char *name,
			     const char *type, const char *help, double value)
{
	struct sl_options *options = &server->options;

	put_type(out, name, type, help);
	sl_buf_printf(out, "%s{model_name=\"%s\"} %.15g\n", name,
		      options->model_count ? options->models[0] : "standin", value);
}

static void put_requests(struct sl_server *server, struct sl_buf *out)
{
	static const char *const paths[SL_PATH_COUNT] = {
		[SL_PATH_OTHER] = "other",
		[SL_PATH_CHAT] = "/v1/chat/completions",
		[SL_PATH_COMPLETIONS] = "/v1/completions",
		[SL_PATH_EMBEDDINGS] = "/v1/embeddings",
		[SL_PATH_TOKENIZE] = "/tokenize",
		[SL_PATH_MESSAGES] = "/v1/messages",
		[SL_PATH_MODELS] = "/v1/models",
		[SL_PATH_HEALTH] = "/health",
		[SL_PATH_METRICS] = "/metrics",
	};
	static const int statuses[SL_STATUS_INDEX_COUNT] = {
#define X(status, reason) status,
		SL_STATUSES(X)
#undef X
	};

	put_type(out, "standin_requests_total", "counter",
		 "Requests by path and status; status 0 got no answer.");
	for (int path = 0; path < SL_PATH_COUNT; path++) {
		for (int i = 0; i < SL_STATUS_INDEX_COUNT; i++) {
			size_t at = (size_t)path * SL_STATUS_INDEX_COUNT + (size_t)i;
			uint64_t count =
				sl_metrics_sum(server, offsetof(struct sl_counters, requests) +
							       at * sizeof(sl_counter));

			if (count || statuses[i] == 200)
				sl_buf_printf(
					out,
					"standin_requests_total{path=\"%s\",status=\"%d\"} %llu\n",
					paths[path], statuses[i], (unsigned long long)count);
		}
	}
}

static void put_faults(struct sl_server *server, struct sl_buf *out)
{
	put_type(out, "standin_faults_total", "counter", "Faults that struck, by name.");
	for (int kind = 1; kind < SL_FAULT_KIND_COUNT; kind++)
		sl_buf_printf(out, "standin_faults_total{fault=\"%s\"} %llu\n",
			      sl_fault_name((enum sl_fault_kind)kind),
			      (unsigned long long)atomic_load(&server->faults.hits[kind]));
}

void sl_metrics_render(struct sl_server *server, struct sl_buf *out)
{
	struct sl_model *model = &server->model;
	uint64_t opened = SUM(server, connections), closed = SUM(server, connections_closed);
	const char *name = "vllm:request_success_total";

	put_model_metric(server, out, "vllm:num_requests_running", "gauge",
			 "Requests that hold a slot.", (double)atomic_load(&model->running));
	put_model_metric(server, out, "vllm:num_requests_waiting", "gauge",
			 "Requests that wait for a slot.", (double)atomic_load(&model->waiting));
	put_model_metric(server, out, "vllm:kv_cache_usage_perc", "gauge",
			 "Share of the KV cache in use, 1 is all.", sl_model_kv_usage(model));
	put_model_metric(server, out, "vllm:prompt_tokens_total", "counter",
			 "Prompt tokens processed.", (double)SUM(server, prompt_tokens));
	put_model_metric(server, out, "vllm:generation_tokens_total", "counter",
			 "Tokens generated.", (double)SUM(server, generation_tokens));
	put_type(out, name, "counter", "Requests that were answered to the end.");
	sl_buf_printf(out,
		      "%s{finished_reason=\"stop\"} %llu\n%s{finished_reason=\"length\"} %llu\n",
		      name, (unsigned long long)SUM(server, finished_stop), name,
		      (unsigned long long)SUM(server, finished_length));
	put_requests(server, out);
	put_faults(server, out);
	put_type(out, "standin_connections_total", "counter", "Connections accepted.");
	sl_buf_printf(out, "standin_connections_total %llu\n", (unsigned long long)opened);
	put_type(out, "standin_connections_open", "gauge", "Connections that are open.");
	sl_buf_printf(out, "standin_connections_open %lld\n", (long long)(opened - closed));
	put_type(out, "standin_client_gone_total", "counter",
		 "Answers that their client left before the end.");
	sl_buf_printf(out, "standin_client_gone_total %llu\n",
		      (unsigned long long)SUM(server, client_gone));
}
