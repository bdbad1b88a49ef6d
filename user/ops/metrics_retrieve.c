/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/metrics_retrieve.h"

#include <inttypes.h>
#include <string.h>
#include "user/stage/stage.h"
#include "user/store/retrieval.h"

struct family {
	const char *name;
	const char *type;
	const char *help;
	uint64_t (*value)(const void *of);
};

static uint64_t version_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->current;
}
static uint64_t documents_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->documents;
}
static uint64_t chunks_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->chunks;
}
static uint64_t stale_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->stale;
}
static uint64_t stale_chunks_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->stale_chunks;
}
static uint64_t made_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->made_ms / 1000;
}
static uint64_t building_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->building;
}
static uint64_t builds_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->builds;
}
static uint64_t failures_of(const void *of)
{
	return ((const struct sl_indexes_status *)of)->failures;
}
static uint64_t questions_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->questions;
}
static uint64_t missed_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->missed;
}
static uint64_t given_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->chunks;
}
static uint64_t spread_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->spread_ppm;
}
static uint64_t flat_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->flat;
}
static uint64_t shared_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->vectors_shared;
}
static uint64_t empty_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->empty;
}
static uint64_t poor_of(const void *of)
{
	return ((const struct sl_retrieval_counts *)of)->poor;
}

static const struct family of_index[] = {
	{"sluice_index_version", "gauge", "Version that is served; 0: none.", version_of},
	{"sluice_index_documents", "gauge", "Documents in it.", documents_of},
	{"sluice_index_chunks", "gauge", "Chunks in it.", chunks_of},
	{"sluice_index_stale_documents", "gauge",
	 "Documents that differ from it, at the last look; see indexes.NAME.refresh.", stale_of},
	{"sluice_index_stale_chunks", "gauge",
	 "Chunks that are served of documents that have changed or gone since.", stale_chunks_of},
	{"sluice_index_made_timestamp_seconds", "gauge", "When it was made.", made_of},
	{"sluice_index_building", "gauge", "1: another one is being made.", building_of},
	{"sluice_index_builds_total", "counter", "Versions made.", builds_of},
	{"sluice_index_failures_total", "counter", "Looks, builds and orders that failed.",
	 failures_of},
};

static const struct family of_route[] = {
	{"sluice_retrieve_questions_total", "counter", "Questions that were looked up.",
	 questions_of},
	{"sluice_retrieve_missed_total", "counter", "Those that found no good chunk.", missed_of},
	{"sluice_retrieve_chunks_total", "counter", "Good chunks found.", given_of},
	{"sluice_retrieve_spread_ppm_total", "counter",
	 "Sum over the questions of the best good score less the worst, in millionths.", spread_of},
	{"sluice_retrieve_flat_total", "counter",
	 "Questions of whose candidates none stood out (routes[].retrieve.flat).", flat_of},
	{"sluice_retrieve_shared_vectors_total", "counter",
	 "Questions that the semantic cache had embedded already.", shared_of},
	{"sluice_retrieve_empty_total", "counter",
	 "Times that a source or an index was found to have no chunk at all.", empty_of},
	{"sluice_retrieve_poor", "gauge",
	 "1: the documents do not answer the questions, and the route goes on without them.",
	 poor_of},
};

static void write_sample(struct sl_text *text, const struct family *family, const char *label,
			 const char *name, uint64_t value)
{
	sl_text_printf(text, "%s{%s=\"", family->name, label);
	sl_text_append_json(text, name, strlen(name));
	sl_text_printf(text, "\"} %" PRIu64 "\n", value);
}

static void write_head(struct sl_text *text, const struct family *family)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help,
		       family->name, family->type);
}

void sl_metrics_write_retrieve(const struct sl_metrics_source *source, struct sl_text *text)
{
	const struct sl_stores *stores = source->workers[0]->stores;
	struct sl_retrieval *retrieval = stores ? stores->retrieval : NULL;
	struct sl_indexes_status index;
	struct sl_retrieval_counts route;

	if (!retrieval)
		return;
	for (size_t i = 0; i < sizeof(of_index) / sizeof(of_index[0]); i++) {
		write_head(text, &of_index[i]);
		for (uint32_t n = 0; sl_indexes_read(retrieval->indexes, n, &index); n++)
			write_sample(text, &of_index[i], "index", index.name,
				     of_index[i].value(&index));
	}
	for (size_t i = 0; i < sizeof(of_route) / sizeof(of_route[0]); i++) {
		write_head(text, &of_route[i]);
		for (uint32_t n = 0; sl_retrieval_read(retrieval, n, &route); n++)
			write_sample(text, &of_route[i], "route", route.model,
				     of_route[i].value(&route));
	}
}
