/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/feedback_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/policy/rollout_board.h"
#include "user/wire/feedback.h"

#define WINDOW_NAME "window"
#define MS_OF_DAY   86400000ull

/* ---- names ----------------------------------------------------------------------------------- */

const char *sl_feedback_route(const struct sl_feedback_part *part, uint32_t route)
{
	const char *name =
		route < part->place.names->count ? part->place.names->names[route] : NULL;

	return name ? name : "";
}

const char *sl_feedback_pool(const struct sl_feedback_part *part, uint32_t pool)
{
	return pool && pool < SL_POOLS_MAX ? part->place.state.pools[pool].name : "";
}

const char *sl_feedback_prompt(uint64_t version, char room[SL_FEEDBACK_VERSION_BYTES])
{
	snprintf(room, SL_FEEDBACK_VERSION_BYTES, "%016" PRIx64, version);
	room[version ? 12 : 0] = '\0'; /* as everywhere else */
	return room;
}

/* The position of a name that was written down; 0: it is no route any more. */
static uint16_t find_route(const struct sl_feedback_part *part, const char *name)
{
	for (uint32_t i = 1; i < part->place.names->count; i++) {
		if (!strcmp(sl_feedback_route(part, i), name))
			return (uint16_t)i;
	}
	return 0;
}

static uint8_t find_pool(const struct sl_feedback_part *part, const char *name)
{
	for (uint32_t i = 1; i < SL_POOLS_MAX; i++) {
		if (part->place.state.pools[i].present &&
		    !strcmp(part->place.state.pools[i].name, name))
			return (uint8_t)i;
	}
	return 0;
}

/* ---- sums ------------------------------------------------------------------------------------ */

double sl_feedback_satisfaction(const struct sl_feedback_group *group)
{
	if (!group->scored)
		return -1;
	return ((double)group->score_sum / SL_FEEDBACK_ONE / group->scored + 1) / 2;
}

/* Beyond the last one all share it, under no name. */
static struct sl_feedback_group *group_of(struct sl_feedback_part *part, const struct sl_rated *of)
{
	struct sl_feedback_group wanted = {
		.route = of->route, .pool = of->pool, .prompt_version = of->prompt_version};
	uint32_t i;

	for (i = 0; i < part->group_count; i++) {
		const struct sl_feedback_group *group = &part->groups[i];

		if (group->route == wanted.route && group->pool == wanted.pool &&
		    group->prompt_version == wanted.prompt_version)
			return &part->groups[i];
	}
	if (part->group_count == SL_FEEDBACK_GROUPS_MAX)
		return &part->groups[SL_FEEDBACK_GROUPS_MAX - 1];
	if (part->group_count == SL_FEEDBACK_GROUPS_MAX - 1)
		wanted = (struct sl_feedback_group){0};
	part->groups[part->group_count] = wanted;
	return &part->groups[part->group_count++];
}

static void add_up(struct sl_feedback_part *part, const struct sl_rating *rating,
		   const struct sl_rating *before)
{
	struct sl_feedback_group *group;

	pthread_mutex_lock(&part->lock);
	group = group_of(part, &rating->of);
	if (before && before->has_score && group->scored) {
		group->score_sum -= before->score;
		group->scored--;
	}
	if (group->scored >= SL_FEEDBACK_MEMORY) {
		group->score_sum /= 2;
		group->scored /= 2;
	}
	if (rating->has_score) {
		group->score_sum += rating->score;
		group->scored++;
	}
	group->good += rating->has_score && rating->score > 0;
	group->bad += rating->has_score && rating->score < 0;
	group->neutral += !rating->has_score || !rating->score;
	pthread_mutex_unlock(&part->lock);
}

/* ---- the disk -------------------------------------------------------------------------------- */

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, ",\"%s\":", name);
	sl_text_append_json_string(text, value);
}

void sl_feedback_put_json(const struct sl_feedback_part *part, const struct sl_rating *rating,
			  struct sl_text *text)
{
	char version[SL_FEEDBACK_VERSION_BYTES];

	sl_text_append_string(text, "{\"request_id\":");
	sl_text_append_json_string(text, rating->of.id);
	put_string(text, "key", rating->key_id);
	sl_text_printf(text, ",\"at_ms\":%" PRIu64, rating->wall_ms);
	if (rating->has_score)
		sl_text_printf(text, ",\"score\":%g", (double)rating->score / SL_FEEDBACK_ONE);
	put_string(text, "label", rating->label);
	put_string(text, "comment", rating->comment);
	put_string(text, "route", sl_feedback_route(part, rating->of.route));
	put_string(text, "pool", sl_feedback_pool(part, rating->of.pool));
	snprintf(version, sizeof(version), "%016" PRIx64, rating->of.prompt_version);
	put_string(text, "prompt_version", rating->of.prompt_version ? version : "");
	sl_text_printf(text, ",\"index_version\":%u,\"node\":%u}", rating->of.index_version,
		       rating->of.node);
}

static uint64_t number_of(const struct sl_rating *rating)
{
	uint64_t hash = 14695981039346656037ull;

	for (const char *at = rating->of.id; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
	for (const char *at = rating->key_id; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
	return hash >> 1; /* the file's numbers have a sign */
}

enum { ID, KEY, AT, SCORE, LABEL, COMMENT, ROUTE, POOL, PROMPT, INDEX, NODE, FIELDS };

static bool read_row(const struct sl_feedback_part *part, struct sl_span text,
		     struct sl_rating *rating)
{
	struct sl_json_field f[FIELDS] = {
		[ID] = SL_JSON_FIELD("request_id"),
		[KEY] = SL_JSON_FIELD("key"),
		[AT] = SL_JSON_FIELD("at_ms"),
		[SCORE] = SL_JSON_FIELD("score"),
		[LABEL] = SL_JSON_FIELD("label"),
		[COMMENT] = SL_JSON_FIELD("comment"),
		[ROUTE] = SL_JSON_FIELD("route"),
		[POOL] = SL_JSON_FIELD("pool"),
		[PROMPT] = SL_JSON_FIELD("prompt_version"),
		[INDEX] = SL_JSON_FIELD("index_version"),
		[NODE] = SL_JSON_FIELD("node"),
	};
	char route[SL_CONFIG_MODEL_MAX + 1], pool[SL_CONFIG_NAME_MAX + 1];
	char version[SL_FEEDBACK_VERSION_BYTES];
	int64_t at, index;
	double score = 0;

	memset(rating, 0, sizeof(*rating));
	if (sl_json_scan(text.data, text.len, f, FIELDS) ||
	    sl_json_string(&f[ID], rating->of.id, sizeof(rating->of.id)) <= 0 ||
	    sl_json_string(&f[KEY], rating->key_id, sizeof(rating->key_id)) < 0 ||
	    sl_json_int(&f[AT], &at) || sl_json_int(&f[INDEX], &index) ||
	    sl_json_string(&f[LABEL], rating->label, sizeof(rating->label)) < 0 ||
	    sl_json_string(&f[COMMENT], rating->comment, sizeof(rating->comment)) < 0 ||
	    sl_json_string(&f[ROUTE], route, sizeof(route)) < 0 ||
	    sl_json_string(&f[POOL], pool, sizeof(pool)) < 0 ||
	    sl_json_string(&f[PROMPT], version, sizeof(version)) < 0)
		return false;
	rating->has_score = f[SCORE].type == SL_JSON_NUMBER;
	if (rating->has_score &&
	    (sl_json_double(&f[SCORE], &score) || !(score >= -1 && score <= 1)))
		return false;
	rating->score = (int32_t)(score * SL_FEEDBACK_ONE + (score < 0 ? -0.5 : 0.5));
	rating->wall_ms = (uint64_t)at;
	rating->of.index_version = (uint32_t)index;
	rating->of.prompt_version = strtoull(version, NULL, 16);
	rating->of.route = find_route(part, route);
	rating->of.pool = find_pool(part, pool);
	return true;
}

static void on_row(void *owner, uint64_t number, uint64_t at_ms, struct sl_span text)
{
	struct sl_feedback_part *part = owner;
	struct sl_rating rating, before;
	bool replaces;

	(void)number;
	(void)at_ms;
	if (!read_row(part, text, &rating))
		return;
	sl_ratings_restore(part->ratings, &rating, &before, &replaces);
	add_up(part, &rating, replaces ? &before : NULL);
}

/*
 * The answers that may be rated, as they are in memory: routes and pools are of this configuration's
 * numbers, so a start with other ones must not read them. The form is told by their size.
 */
struct window_head {
	uint32_t entry_bytes, count;
	uint64_t names; /* digest of all routes' and pools' names, in their order */
};

static uint64_t names_digest(const struct sl_feedback_part *part)
{
	uint64_t hash = 14695981039346656037ull;
	const char *at;

	for (uint32_t i = 0; i < part->place.names->count; i++) {
		for (at = sl_feedback_route(part, i); *at; at++)
			hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
		hash = (hash ^ '\n') * 1099511628211ull;
	}
	for (uint32_t i = 1; i < SL_POOLS_MAX; i++) {
		for (at = sl_feedback_pool(part, i); *at; at++)
			hash = (hash ^ (unsigned char)*at) * 1099511628211ull;
		hash = (hash ^ '\n') * 1099511628211ull;
	}
	return hash;
}

static void on_value(void *owner, struct sl_span name, struct sl_span bytes)
{
	struct sl_feedback_part *part = owner;
	struct window_head head;
	struct sl_rated rated;

	if (!sl_span_equal(name, SL_SPAN(WINDOW_NAME)) || bytes.len < sizeof(head))
		return;
	memcpy(&head, bytes.data, sizeof(head));
	if (head.entry_bytes != sizeof(rated) || head.names != names_digest(part) ||
	    bytes.len != sizeof(head) + (size_t)head.count * sizeof(rated))
		return;
	for (uint32_t i = 0; i < head.count; i++) {
		memcpy(&rated, bytes.data + sizeof(head) + i * sizeof(rated), sizeof(rated));
		rated.id[sizeof(rated.id) - 1] = '\0';
		rated.key_id[sizeof(rated.key_id) - 1] = '\0';
		memset(rated.rollouts, 0, sizeof(rated.rollouts)); /* their ids are given anew */
		sl_ratings_note(part->ratings, &rated);
	}
}

static void save_window(struct sl_feedback_part *part)
{
	size_t most = SL_FEEDBACK_SAVED * sizeof(struct sl_rated);
	struct window_head head = {.entry_bytes = sizeof(struct sl_rated)};
	char *bytes = malloc(sizeof(head) + most);
	struct sl_rated *list = malloc(most);

	if (bytes && list) {
		head.count = sl_ratings_copy(part->ratings, list, SL_FEEDBACK_SAVED);
		head.names = names_digest(part);
		memcpy(bytes, &head, sizeof(head));
		memcpy(bytes + sizeof(head), list, head.count * sizeof(*list));
		sl_journal_keep(part->journal, WINDOW_NAME, bytes,
				sizeof(head) + head.count * sizeof(*list));
	}
	free(list);
	free(bytes);
}

/* ---- the part -------------------------------------------------------------------------------- */

static void take_record(void *owner, const struct sl_feed_record *record)
{
	struct sl_feedback_part *part = owner;
	struct sl_rated rated = {
		.end_wall_ms = record->end_wall_ms,
		.prompt_version = record->prompt_version,
		.index_version = record->index_version,
		.route = record->route,
		.node = record->node,
		.pool = record->pool,
	};

	/* what was refused is no answer, and may be very many */
	if (!part->on || record->outcome == SL_FEED_REFUSED)
		return;
	memcpy(rated.rollouts, record->rollouts, sizeof(rated.rollouts));
	memcpy(rated.id, record->id, sizeof(rated.id));
	memcpy(rated.key_id, record->key_id, sizeof(rated.key_id));
	sl_ratings_note(part->ratings, &rated);
}

static void take_rating(struct sl_feedback_part *part, const struct sl_rating *rating,
			const struct sl_rating *before)
{
	struct sl_text text;

	add_up(part, rating, before);
	if (!before && rating->has_score && rating->score)
		sl_rollout_board_tell(part->place.stores->rollouts, rating->of.rollouts,
				      rating->score < 0);
	sl_text_init(&text, 16384);
	sl_feedback_put_json(part, rating, &text);
	if (!text.error && !part->stopped)
		sl_journal_add(part->journal, number_of(rating), rating->wall_ms,
			       sl_text_span(&text));
	sl_text_fini(&text);
}

static void poll_part(void *owner, uint64_t now_ms)
{
	struct sl_feedback_part *part = owner;
	struct sl_rating rating, before;
	bool replaces;

	for (uint32_t i = 0; i < SL_RATINGS_PENDING_MAX &&
			     sl_ratings_take(part->ratings, &rating, &before, &replaces);
	     i++)
		take_rating(part, &rating, replaces ? &before : NULL);
	if (part->on && !part->stopped && now_ms - part->saved_ms >= SL_FEEDBACK_SAVE_MS) {
		part->saved_ms = now_ms;
		save_window(part);
	}
}

static void apply_part(void *owner, struct sl_routes *routes)
{
	struct sl_feedback_part *part = owner;
	const struct sl_config_feedback *config = &routes->config->feedback;

	part->on = config->on;
	sl_ratings_apply(part->ratings, config->on, config->per_minute, config->comments);
}

static bool wants_records(const void *owner)
{
	return ((const struct sl_feedback_part *)owner)->on;
}

static int open_part(const struct sl_watch_place *place, struct sl_routes *routes, void **ret_part)
{
	const struct sl_config_feedback *config = &routes->config->feedback;
	struct sl_feedback_part *part = calloc(1, sizeof(*part));
	struct sl_journal_reader reader = {.owner = part, .row = on_row, .value = on_value};
	uint64_t now_ms = sl_clock_wall_ms(), age_ms = config->keep_days * MS_OF_DAY;
	int rc;

	if (!part)
		return -ENOMEM;
	part->place = *place;
	part->ratings = place->stores->ratings;
	part->saved_ms = sl_clock_ms();
	pthread_mutex_init(&part->lock, NULL);
	rc = sl_journal_open(config->path, "feedback", now_ms > age_ms ? now_ms - age_ms : 0,
			     &reader, &part->journal);
	if (rc) {
		pthread_mutex_destroy(&part->lock);
		free(part);
		return rc;
	}
	apply_part(part, routes);
	*ret_part = part;
	return 0;
}

static void stop_part(void *owner, bool leaving)
{
	struct sl_feedback_part *part = owner;

	if (part->on && !part->stopped)
		save_window(part);
	part->stopped |= leaving;
}

static void close_part(void *owner)
{
	struct sl_feedback_part *part = owner;

	if (part->on && !part->stopped)
		save_window(part);
	sl_ratings_apply(part->ratings, false, 0, false);
	sl_journal_close(&part->journal);
	pthread_mutex_destroy(&part->lock);
	free(part);
}

const struct sl_watch_part sl_feedback_part = {
	.word = "feedback",
	.open = open_part,
	.apply = apply_part,
	.wants_records = wants_records,
	.record = take_record,
	.poll = poll_part,
	.write_metrics = sl_feedback_write_metrics,
	.say = sl_feedback_say,
	.stop = stop_part,
	.close = close_part,
};
