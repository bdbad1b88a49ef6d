/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/config_check.h"

#include <stdlib.h>
#include <string.h>

/* Somebody in a zone: this host, or a node. */
struct member {
	const char *zone;
	const char **region;
	unsigned line, column;
};

/* By zone; who says a region first; then as in the file. */
static int compare_members(const void *left, const void *right)
{
	const struct member *a = left, *b = right;
	int order = strcmp(a->zone, b->zone);

	if (order)
		return order;
	if (!*a->region != !*b->region)
		return *a->region ? -1 : 1;
	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return a->column < b->column ? -1 : a->column > b->column;
}

static size_t collect(struct sl_config *config, struct member *members)
{
	size_t count = 0;

	if (config->zone)
		members[count++] = (struct member){config->zone, &config->region, 0, 0};
	for (uint32_t i = 0; i < config->pool_count; i++) {
		for (uint32_t j = 0; j < config->pools[i].node_count; j++) {
			struct sl_config_node *node = &config->pools[i].nodes[j];

			if (node->zone)
				members[count++] = (struct member){node->zone, &node->region,
								   node->line, node->column};
		}
	}
	return count;
}

/* Members of one zone, the first of which says the region if any does. */
static void join(const struct member *first, struct member *member, struct sl_report *report)
{
	if (!*first->region)
		return;
	if (!*member->region) {
		*member->region = *first->region;
		return;
	}
	if (!strcmp(*member->region, *first->region))
		return;
	if (first->line)
		sl_report_add(
			report, member->line, member->column,
			"zone \"%s\" is in region \"%s\" here and in region \"%s\" in line %u "
			"(a zone is in one region)",
			member->zone, *member->region, *first->region, first->line);
	else
		sl_report_add(report, member->line, member->column,
			      "zone \"%s\" is in region \"%s\" here, and in region \"%s\" for this "
			      "host (a zone is in one region)",
			      member->zone, *member->region, *first->region);
}

/* A cap on what leaves nothing is a mistake about where this host is. */
static void check_caps(const struct sl_config *config, struct sl_report *report)
{
	for (uint32_t i = 0; i < config->pool_count; i++) {
		const struct sl_config_pool *pool = &config->pools[i];

		if (pool->zone_spill < 100 && !config->zone)
			sl_report_add(
				report, pool->line, pool->column,
				"pools.%s.zone_spill: this host is in no zone (expected \"zone\" "
				"at the top)",
				pool->name);
		if (pool->region_spill < 100 && !config->region)
			sl_report_add(report, pool->line, pool->column,
				      "pools.%s.region_spill: this host is in no region (expected "
				      "\"region\" at the top)",
				      pool->name);
	}
}

void sl_config_join_regions(struct sl_config *config, struct sl_report *report)
{
	size_t nodes = 1, first = 0, count;
	struct member *members;

	for (uint32_t i = 0; i < config->pool_count; i++)
		nodes += config->pools[i].node_count;
	members = calloc(nodes, sizeof(*members));
	if (!members) {
		sl_report_add(report, 0, 0, "out of memory");
		return;
	}
	count = collect(config, members);
	qsort(members, count, sizeof(*members), compare_members);
	for (size_t i = 1; i < count; i++) {
		if (!strcmp(members[i].zone, members[first].zone))
			join(&members[first], &members[i], report);
		else
			first = i;
	}
	free(members);
	check_caps(config, report);
}
