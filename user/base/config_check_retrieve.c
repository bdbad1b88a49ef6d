/* SPDX-License-Identifier: BSD-2-Clause */
/* What no single key of retrieval can say. */
#include <string.h>

#include "user/base/config_check.h"

static const struct sl_config_item *find(const struct sl_config_items *items, size_t size,
					 const char *name)
{
	for (uint32_t i = 0; i < items->count; i++) {
		const struct sl_config_item *item =
			(const void *)((const char *)items->items + i * size);

		if (item->name != NULL && strcmp(item->name, name) == 0)
			return item;
	}
	return NULL;
}

static bool has_pool(const struct sl_config *config, const char *name)
{
	for (uint32_t i = 0; i < config->pool_count; i++)
		if (config->pools[i].name != NULL && strcmp(config->pools[i].name, name) == 0)
			return true;
	return false;
}

static void check_pool(const struct sl_config *config, const struct sl_config_item *item,
		       const char *what, const char *pool, struct sl_report *report)
{
	if (pool != NULL && !has_pool(config, pool))
		sl_report_add(report, item->line, item->column,
			      "%s.%s.pool: there is no pool \"%s\" (add it to pools)", what,
			      item->name, pool);
}

/* An index or source and the name of its embedder. */
static void check_embedding(const struct sl_config *config, const struct sl_config_item *item,
			    const char *what, const char *name, struct sl_report *report)
{
	if (name != NULL &&
	    find(&config->embedders, sizeof(struct sl_config_embedder), name) == NULL)
		sl_report_add(report, item->line, item->column,
			      "%s.%s.embedding: there is no \"%s\" in embedders", what, item->name,
			      name);
}

static void check_vectors(const struct sl_config *config, const struct sl_config_index *index,
			  struct sl_report *report)
{
	bool by_pool = index->vectors == SL_CONFIG_VECTORS_POOL ||
		       index->vectors == SL_CONFIG_VECTORS_BOTH;

	check_embedding(config, &index->item, "indexes", index->embedding, report);
	if (by_pool && index->embedding == NULL)
		sl_report_add(report, index->item.line, index->item.column,
			      "indexes.%s: vectors: %s needs an embedding (a name of embedders)",
			      index->item.name,
			      index->vectors == SL_CONFIG_VECTORS_POOL ? "pool" : "both");
	if (!by_pool && index->embedding != NULL)
		sl_report_add(report, index->item.line, index->item.column,
			      "indexes.%s: embedding \"%s\" is not used (vectors: pool, or both)",
			      index->item.name, index->embedding);
}

static void check_indexes(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_index *indexes = config->indexes.items;

	for (uint32_t i = 0; i < config->indexes.count; i++) {
		const struct sl_config_index *index = &indexes[i];

		check_vectors(config, index, report);
		if (index->overlap_bytes > index->chunk_bytes / 2)
			sl_report_add(report, index->item.line, index->item.column,
				      "indexes.%s: overlap %u is over half of chunk %u",
				      index->item.name, index->overlap_bytes, index->chunk_bytes);
		for (uint32_t j = 0; j < i && index->directory != NULL; j++)
			if (indexes[j].directory != NULL &&
			    strcmp(indexes[j].directory, index->directory) == 0)
				sl_report_add(report, index->item.line, index->item.column,
					      "indexes.%s: directory %s is that of \"%s\" (each "
					      "needs its own)",
					      index->item.name, index->directory,
					      indexes[j].item.name);
	}
}

static void check_sources(const struct sl_config *config, struct sl_report *report)
{
	const struct sl_config_source *sources = config->sources.items;
	const struct sl_config_reranker *rerankers = config->rerankers.items;
	const struct sl_config_embedder *embedders = config->embedders.items;

	for (uint32_t i = 0; i < config->embedders.count; i++)
		check_pool(config, &embedders[i].item, "embedders", embedders[i].pool, report);
	for (uint32_t i = 0; i < config->sources.count; i++) {
		check_pool(config, &sources[i].item, "sources", sources[i].pool, report);
		check_embedding(config, &sources[i].item, "sources", sources[i].embedding, report);
	}
	for (uint32_t i = 0; i < config->rerankers.count; i++)
		check_pool(config, &rerankers[i].item, "rerankers", rerankers[i].pool, report);
}

static void check_name(const struct sl_config_route *route, const struct sl_config_items *items,
		       size_t size, const char *key, const char *section, const char *name,
		       struct sl_report *report)
{
	if (name != NULL && find(items, size, name) == NULL)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.%s: there is no \"%s\" in %s",
			      route->model != NULL ? route->model : "", key, name, section);
}

static void check_route(const struct sl_config *config, const struct sl_config_route *route,
			struct sl_report *report)
{
	const struct sl_config_retrieve *r = &route->retrieve;
	const char *model = route->model != NULL ? route->model : "";

	check_name(route, &config->sources, sizeof(struct sl_config_source), "source", "sources",
		   r->source, report);
	check_name(route, &config->indexes, sizeof(struct sl_config_index), "index", "indexes",
		   r->index, report);
	check_name(route, &config->indexes, sizeof(struct sl_config_index), "backup", "indexes",
		   r->backup, report);
	check_name(route, &config->rerankers, sizeof(struct sl_config_reranker), "rerank",
		   "rerankers", r->rerank, report);
	if ((r->rerank != NULL || r->backup != NULL) && r->source == NULL && r->index == NULL)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve needs a source or an index", model);
	if (r->source == NULL && r->index == NULL)
		return;
	if (r->template_text != NULL && strstr(r->template_text, "{context}") == NULL)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.template has no {context} for the documents",
			      model);
	if (r->candidates < r->top_k)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.candidates %u is less than top_k %u", model,
			      r->candidates, r->top_k);
	if (r->judge != NULL && !has_pool(config, r->judge))
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.judge: there is no pool \"%s\" (add it to "
			      "pools)",
			      model, r->judge);
	if (r->grounded_poor != 0 && r->grounded_back >= r->grounded_poor)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.grounded_back must be less than "
			      "grounded_poor",
			      model);
	if (r->grounded_poor != 0 && r->grounded_sample == 0)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.grounded_poor needs a grounded_sample over 0",
			      model);
	if (r->flat != 0 && r->poor_share == 0)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.flat needs a poor over 0, whose share it "
			      "counts for",
			      model);
	if (r->poor_share != 0 && r->poor_back_share >= r->poor_share)
		sl_report_add(report, route->line, route->column,
			      "route \"%s\": retrieve.poor_back must be less than poor", model);
}

void sl_config_check_retrieve(const struct sl_config *config, const struct sl_yaml *root,
			      struct sl_report *report)
{
	(void)root;
	check_indexes(config, report);
	check_sources(config, report);
	for (uint32_t i = 0; i < config->route_count; i++)
		check_route(config, &config->routes[i], report);
}
