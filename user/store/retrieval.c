/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/retrieval.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/base/notice.h"

int sl_retrieval_open(const struct sl_config *config, const struct sl_encoder *encoder,
		      struct sl_retrieval **ret_retrieval)
{
	struct sl_retrieval *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -ENOMEM;
	pthread_mutex_init(&r->lock, NULL);
	rc = sl_cache_open(SL_RETRIEVAL_ANSWERS_BYTES, &r->answers);
	if (!rc)
		rc = sl_postgres_open(&r->postgres);
	if (!rc)
		rc = sl_indexes_open(config, encoder, &r->indexes);
	if (rc) {
		sl_retrieval_close(&r);
		return rc;
	}
	*ret_retrieval = r;
	return 0;
}

void sl_retrieval_apply(struct sl_retrieval *retrieval, const struct sl_config *config,
			const struct sl_encoder *encoder)
{
	if (retrieval != NULL)
		sl_indexes_apply(retrieval->indexes, config, encoder);
}

void sl_retrieval_close(struct sl_retrieval **retrieval)
{
	struct sl_retrieval *r = *retrieval;

	*retrieval = NULL;
	if (r == NULL)
		return;
	sl_indexes_close(&r->indexes);
	sl_cache_close(&r->answers);
	sl_postgres_close(&r->postgres);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Under the lock. NULL: more routes than are watched. */
static struct sl_retrieval_route *route_of(struct sl_retrieval *r, const char *model)
{
	struct sl_retrieval_route *route;

	for (uint32_t i = 0; i < r->route_count; i++)
		if (strcmp(r->routes[i].counts.model, model) == 0)
			return &r->routes[i];
	if (r->route_count == SL_RETRIEVAL_ROUTES_MAX)
		return NULL;
	route = &r->routes[r->route_count++];
	snprintf(route->counts.model, sizeof(route->counts.model), "%s", model);
	return route;
}

static void tell_quality(const char *model, bool poor, const struct sl_quality *quality)
{
	struct sl_notice notice = {.kind = SL_NOTICE_QUALITY,
				   .level = poor ? SL_NOTICE_WARN : SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_ROUTE,
				   .over = !poor,
				   .who = "retrieval"};

	sl_log(SL_LOG_WARN,
	       poor ? "route \"%s\": its documents do not answer its questions, it goes on "
		      "without them missed=%u of=%u"
		    : "route \"%s\": its documents answer its questions again missed=%u of=%u",
	       model, quality->misses, quality->count);
	sl_notice_set(notice.name, sizeof(notice.name), model);
	sl_notice_tell(&notice,
		       poor ? "its documents do not answer its questions: %u of %u"
			    : "its documents answer its questions again: %u of %u missed",
		       quality->misses, quality->count);
}

bool sl_retrieval_note(struct sl_retrieval *retrieval, const char *model,
		       const struct sl_quality_rule *rule,
		       const struct sl_retrieval_finding *finding)
{
	struct sl_retrieval_route *route;
	bool was, now = false;

	pthread_mutex_lock(&retrieval->lock);
	route = route_of(retrieval, model);
	if (route != NULL) {
		was = route->counts.poor;
		now = sl_quality_note(&route->quality, rule,
				      finding->good_chunks > 0 && !finding->flat);
		route->counts.questions++;
		route->counts.missed += finding->good_chunks == 0;
		route->counts.chunks += finding->good_chunks;
		route->counts.spread_ppm += finding->spread_ppm;
		route->counts.flat += finding->flat;
		route->counts.poor = now;
		if (was != now)
			tell_quality(model, now, &route->quality);
	}
	pthread_mutex_unlock(&retrieval->lock);
	return now;
}

void sl_retrieval_note_shared(struct sl_retrieval *retrieval, const char *model)
{
	struct sl_retrieval_route *route;

	pthread_mutex_lock(&retrieval->lock);
	route = route_of(retrieval, model);
	if (route != NULL)
		route->counts.vectors_shared++;
	pthread_mutex_unlock(&retrieval->lock);
}

void sl_retrieval_note_empty(struct sl_retrieval *retrieval, const char *model)
{
	struct sl_retrieval_route *route;

	pthread_mutex_lock(&retrieval->lock);
	route = route_of(retrieval, model);
	if (route != NULL)
		route->counts.empty++;
	pthread_mutex_unlock(&retrieval->lock);
}

bool sl_retrieval_read(struct sl_retrieval *retrieval, uint32_t number,
		       struct sl_retrieval_counts *ret_counts)
{
	bool found;

	if (retrieval == NULL)
		return false;
	pthread_mutex_lock(&retrieval->lock);
	found = number < retrieval->route_count;
	if (found)
		*ret_counts = retrieval->routes[number].counts;
	pthread_mutex_unlock(&retrieval->lock);
	return found;
}
