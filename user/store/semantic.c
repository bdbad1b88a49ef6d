/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/semantic.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/clock.h"
#include "user/store/semantic_parts.h"

#define BYTES_EACH  256u		/* of an entry besides its texts and its vector */
#define BYTES_ONE   (sizeof(float) + 1) /* of a number: itself, and in the graph */
#define LARGE_SHARE 10u			/* one entry may have one part in so many */

/* ---- tables ---------------------------------------------------------------------------------- */

static struct sl_semantic_item **item_bucket(struct sl_semantic *cache, uint64_t id)
{
	return &cache->items[(id * 0x9e3779b97f4a7c15u >> 32) & cache->mask];
}

static struct sl_semantic_group **group_bucket(struct sl_semantic *cache,
					       const uint8_t *fingerprint)
{
	uint32_t hash;

	memcpy(&hash, fingerprint, sizeof(hash));
	return &cache->groups[hash & cache->mask];
}

static struct sl_semantic_group *find_group(struct sl_semantic *cache, const uint8_t *fingerprint)
{
	struct sl_semantic_group *group = *group_bucket(cache, fingerprint);

	while (group && memcmp(group->fingerprint, fingerprint, SL_DIGEST_BYTES) != 0)
		group = group->next;
	return group;
}

static struct sl_semantic_item *find_item(struct sl_semantic *cache, uint64_t id)
{
	struct sl_semantic_item *item = *item_bucket(cache, id);

	while (item && item->id != id)
		item = item->next;
	return item;
}

bool sl_semantic_has(struct sl_semantic *cache, uint64_t id)
{
	bool has;

	pthread_mutex_lock(&cache->lock);
	has = find_item(cache, id) != NULL;
	pthread_mutex_unlock(&cache->lock);
	return has;
}

/* ---- life ------------------------------------------------------------------------------------ */

int sl_semantic_open(const struct sl_semantic_options *options, struct sl_semantic **ret_cache)
{
	struct sl_semantic *cache;
	uint32_t buckets = 64;

	if (!options->entries_max || !options->bytes_max)
		return -EINVAL;
	cache = calloc(1, sizeof(*cache));
	if (!cache)
		return -ENOMEM;
	while (buckets < options->entries_max && buckets < 1u << 20)
		buckets *= 2;
	cache->mask = buckets - 1;
	cache->items = calloc(buckets, sizeof(*cache->items));
	cache->groups = calloc(buckets, sizeof(*cache->groups));
	cache->path = options->path ? strdup(options->path) : NULL;
	if (!cache->items || !cache->groups || (options->path && !cache->path) ||
	    sl_gates_lexicon_open(&cache->lexicon) < 0) {
		free(cache->path);
		free(cache->groups);
		free(cache->items);
		free(cache);
		return -ENOMEM;
	}
	cache->entries_max = options->entries_max;
	cache->bytes_max = options->bytes_max;
	cache->next_id = sl_clock_wall_ms() << 10; /* behind those of the database, still unread */
	pthread_mutex_init(&cache->lock, NULL);
	pthread_mutex_init(&cache->disk_lock, NULL);
	*ret_cache = cache;
	return 0;
}

static void unlink_use(struct sl_semantic *cache, struct sl_semantic_item *item)
{
	*(item->older ? &item->older->newer : &cache->oldest) = item->newer;
	*(item->newer ? &item->newer->older : &cache->newest) = item->older;
}

static void link_newest(struct sl_semantic *cache, struct sl_semantic_item *item)
{
	item->newer = NULL;
	item->older = cache->newest;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = item;
	cache->newest = item;
}

static void drop_group(struct sl_semantic *cache, struct sl_semantic_group *group)
{
	struct sl_semantic_group **at = group_bucket(cache, group->fingerprint);

	while (*at != group)
		at = &(*at)->next;
	*at = group->next;
	sl_vectors_close(&group->vectors);
	free(group);
}

static void remove_item(struct sl_semantic *cache, struct sl_semantic_item *item)
{
	struct sl_semantic_item **at = item_bucket(cache, item->id);

	while (*at != item)
		at = &(*at)->next;
	*at = item->next;
	unlink_use(cache, item);
	sl_vectors_remove(item->group->vectors, item->id);
	cache->counts.entries--;
	cache->counts.bytes -= item->bytes;
	if (--item->group->count == 0)
		drop_group(cache, item->group);
	free(item);
}

void sl_semantic_close(struct sl_semantic **cache)
{
	struct sl_semantic *gone = *cache;

	*cache = NULL;
	if (!gone)
		return;
	sl_semantic_disk_close(gone);
	while (gone->oldest)
		remove_item(gone, gone->oldest);
	pthread_mutex_destroy(&gone->disk_lock);
	pthread_mutex_destroy(&gone->lock);
	sl_gates_lexicon_close(&gone->lexicon);
	free(gone->path);
	free(gone->groups);
	free(gone->items);
	free(gone);
}

/* ---- finding --------------------------------------------------------------------------------- */

static int give(struct sl_semantic *cache, struct sl_semantic_item *item, uint64_t now_ms,
		struct sl_semantic_found *found)
{
	found->answer = malloc(item->answer_len + 1);
	if (!found->answer)
		return -ENOMEM;
	memcpy(found->answer, sl_semantic_answer(item).data, item->answer_len);
	found->answer[item->answer_len] = '\0';
	found->answer_len = item->answer_len;
	found->id = item->id;
	found->age_ms = now_ms > item->born_ms ? now_ms - item->born_ms : 0;
	found->verdict = SL_SEMANTIC_HIT;
	item->uses++;
	unlink_use(cache, item);
	link_newest(cache, item);
	return 0;
}

/* Of the candidates, nearest first. */
static int choose(struct sl_semantic *cache, const struct sl_semantic_query *query,
		  const struct sl_vectors_result *results, int count,
		  struct sl_semantic_found *found)
{
	for (int i = 0; i < count; i++) {
		struct sl_semantic_item *item = find_item(cache, results[i].id);
		enum sl_gate gate;

		if (!item || item->born_ms + query->ttl_ms < query->now_ms)
			continue;
		if (results[i].score < query->threshold) {
			if (found->verdict == SL_SEMANTIC_NONE) {
				found->verdict = SL_SEMANTIC_FAR;
				found->score = results[i].score;
			}
			return 0;
		}
		gate = sl_gates_check(cache->lexicon, query->question, sl_semantic_question(item));
		if (gate == SL_GATE_PASSED) {
			found->score = results[i].score;
			return give(cache, item, query->now_ms, found);
		}
		if (found->verdict != SL_SEMANTIC_GATED) {
			found->verdict = SL_SEMANTIC_GATED;
			found->score = results[i].score;
			found->gate = gate;
		}
	}
	return 0;
}

int sl_semantic_find(struct sl_semantic *cache, const struct sl_semantic_query *query,
		     struct sl_semantic_found *ret_found)
{
	struct sl_vectors_result results[SL_SEMANTIC_NEAR_MAX];
	struct sl_semantic_group *group;
	int rc = 0;

	*ret_found = (struct sl_semantic_found){0};
	pthread_mutex_lock(&cache->lock);
	group = find_group(cache, query->fingerprint);
	if (group && group->dimensions == query->dimensions)
		rc = sl_vectors_search(group->vectors, query->vector, SL_SEMANTIC_NEAR_MAX,
				       results);
	if (rc > 0)
		rc = choose(cache, query, results, rc, ret_found);
	cache->counts.found[ret_found->verdict]++;
	if (ret_found->verdict == SL_SEMANTIC_GATED)
		cache->counts.gated[ret_found->gate]++;
	pthread_mutex_unlock(&cache->lock);
	return rc;
}

/* ---- inserting ------------------------------------------------------------------------------- */

static struct sl_semantic_group *take_group(struct sl_semantic *cache,
					    const struct sl_semantic_entry *entry)
{
	struct sl_semantic_group *group = find_group(cache, entry->fingerprint), **bucket;
	struct sl_vectors_options options = {.dimensions = entry->dimensions,
					     .entries_max = cache->entries_max + 1,
					     .model = entry->model};

	if (group)
		return group->dimensions == entry->dimensions ? group : NULL;
	group = calloc(1, sizeof(*group));
	if (!group || sl_vectors_open(&options, &group->vectors) < 0) {
		free(group);
		return NULL;
	}
	memcpy(group->fingerprint, entry->fingerprint, sizeof(group->fingerprint));
	group->dimensions = entry->dimensions;
	bucket = group_bucket(cache, entry->fingerprint);
	group->next = *bucket;
	*bucket = group;
	return group;
}

static struct sl_semantic_item *new_item(const struct sl_semantic_entry *entry, uint64_t id)
{
	struct sl_semantic_item *item =
		malloc(sizeof(*item) + entry->question.len + entry->answer.len);

	if (!item)
		return NULL;
	*item = (struct sl_semantic_item){
		.id = id,
		.born_ms = entry->now_ms,
		.version = entry->version,
		.question_len = (uint32_t)entry->question.len,
		.answer_len = entry->answer.len,
		.bytes = BYTES_EACH + sizeof(*item) + entry->question.len + entry->answer.len +
			 entry->dimensions * BYTES_ONE,
	};
	snprintf(item->tenant, sizeof(item->tenant), "%s", entry->tenant);
	snprintf(item->route, sizeof(item->route), "%s", entry->route);
	memcpy(item->text, entry->question.data, entry->question.len);
	memcpy(item->text + entry->question.len, entry->answer.data, entry->answer.len);
	return item;
}

/* The entry of the same question; its vector is the nearest. */
static struct sl_semantic_item *find_same(struct sl_semantic *cache,
					  struct sl_semantic_group *group,
					  const struct sl_semantic_entry *entry)
{
	struct sl_vectors_result nearest;
	struct sl_semantic_item *item;

	if (sl_vectors_search(group->vectors, entry->vector, 1, &nearest) != 1)
		return NULL;
	item = find_item(cache, nearest.id);
	return item && sl_span_equal(sl_semantic_question(item), entry->question) ? item : NULL;
}

static void make_room(struct sl_semantic *cache, struct sl_semantic_gone *gone)
{
	while (cache->oldest != cache->newest && gone->count < SL_SEMANTIC_GONE_MAX &&
	       (cache->counts.entries > cache->entries_max ||
		cache->counts.bytes > cache->bytes_max)) {
		gone->ids[gone->count++] = cache->oldest->id;
		remove_item(cache, cache->oldest);
		cache->counts.evicted++;
	}
}

/* Under the lock. id 0: a new one. */
int sl_semantic_put(struct sl_semantic *cache, const struct sl_semantic_entry *entry, uint64_t id,
		    struct sl_semantic_gone *gone, uint64_t *ret_id)
{
	struct sl_semantic_group *group;
	struct sl_semantic_item *item, *same;
	int rc;

	if (!id)
		id = cache->next_id++;
	else if (id >= cache->next_id)
		cache->next_id = id + 1;
	item = new_item(entry, id);
	group = item ? take_group(cache, entry) : NULL;
	if (!group) {
		free(item);
		return -ENOMEM;
	}
	same = group->count ? find_same(cache, group, entry) : NULL;
	if (same && same->id > id) { /* read from the disk, and answered anew meanwhile */
		free(item);
		*ret_id = id;
		return 0;
	}
	rc = sl_vectors_add(group->vectors, id, entry->vector);
	if (rc < 0) {
		free(item);
		if (!group->count)
			drop_group(cache, group);
		return rc;
	}
	item->group = group;
	item->next = *item_bucket(cache, id);
	*item_bucket(cache, id) = item;
	link_newest(cache, item);
	group->count++;
	cache->counts.entries++;
	cache->counts.bytes += item->bytes;
	if (same) {
		gone->ids[gone->count++] = same->id;
		remove_item(cache, same);
	}
	make_room(cache, gone);
	*ret_id = id;
	return 0;
}

int sl_semantic_insert(struct sl_semantic *cache, const struct sl_semantic_entry *entry)
{
	struct sl_semantic_gone gone = {0};
	uint64_t id = 0;
	int rc = -E2BIG;

	pthread_mutex_lock(&cache->lock);
	if (entry->question.len <= SL_SEMANTIC_QUESTION_BYTES &&
	    (entry->answer.len + entry->dimensions * sizeof(float)) <
		    cache->bytes_max / LARGE_SHARE)
		rc = sl_semantic_put(cache, entry, 0, &gone, &id);
	if (rc == 0)
		cache->counts.inserted++;
	else
		cache->counts.refused++;
	pthread_mutex_unlock(&cache->lock);
	if (rc == 0)
		sl_semantic_disk_write(cache, entry, id, &gone);
	return rc;
}

/* ---- looking and purging --------------------------------------------------------------------- */

static bool fits(const struct sl_semantic_item *item, const struct sl_semantic_selector *selector)
{
	return (!selector->id || selector->id == item->id) &&
	       (!selector->tenant || !strcmp(selector->tenant, item->tenant)) &&
	       (!selector->route || !strcmp(selector->route, item->route)) &&
	       (!selector->version || selector->version == item->version) &&
	       (!selector->prefix ||
		sl_span_starts(sl_semantic_question(item), sl_span_string(selector->prefix)));
}

uint32_t sl_semantic_purge(struct sl_semantic *cache, const struct sl_semantic_selector *selector)
{
	struct sl_semantic_item *item, *newer;
	struct sl_semantic_gone gone;
	uint32_t purged = 0;

	do {
		gone.count = 0;
		pthread_mutex_lock(&cache->lock);
		for (item = cache->oldest; item && gone.count < SL_SEMANTIC_GONE_MAX;
		     item = newer) {
			newer = item->newer;
			if (!fits(item, selector))
				continue;
			gone.ids[gone.count++] = item->id;
			remove_item(cache, item);
		}
		cache->counts.purged += gone.count;
		pthread_mutex_unlock(&cache->lock);
		sl_semantic_disk_write(cache, NULL, 0, &gone);
		purged += gone.count;
	} while (gone.count == SL_SEMANTIC_GONE_MAX);
	return purged;
}

uint32_t sl_semantic_list(struct sl_semantic *cache, const struct sl_semantic_selector *selector,
			  uint64_t now_ms, bool answers, struct sl_text *out)
{
	const struct sl_semantic_item *item;
	uint32_t count = 0;

	pthread_mutex_lock(&cache->lock);
	for (item = cache->newest; item && count < SL_SEMANTIC_LIST_MAX; item = item->older) {
		struct sl_span question = sl_semantic_question(item);
		size_t before = out->len;

		if (!fits(item, selector))
			continue;
		sl_text_printf(out,
			       "{\"key\":\"s-%" PRIu64 "\",\"cache\":\"semantic\",\"tenant\":\"",
			       item->id);
		sl_text_append_json(out, item->tenant, strlen(item->tenant));
		sl_text_append_string(out, "\",\"route\":\"");
		sl_text_append_json(out, item->route, strlen(item->route));
		sl_text_printf(out,
			       "\",\"version\":\"%016" PRIx64 "\",\"age_s\":%" PRIu64
			       ",\"uses\":%u,\"question\":\"",
			       item->version,
			       (now_ms > item->born_ms ? now_ms - item->born_ms : 0) / 1000,
			       item->uses);
		sl_text_append_json(out, question.data, question.len);
		if (answers) {
			sl_text_append_string(out, "\",\"answer\":\"");
			sl_text_append_json(out, sl_semantic_answer(item).data,
					    sl_semantic_answer(item).len);
		}
		if (sl_text_append_string(out, "\"}\n")) {
			out->error = 0; /* the list ends at the last whole line */
			sl_text_truncate(out, before);
			break;
		}
		count++;
	}
	pthread_mutex_unlock(&cache->lock);
	return count;
}

void sl_semantic_count(struct sl_semantic *cache, struct sl_semantic_counts *ret_counts)
{
	pthread_mutex_lock(&cache->lock);
	*ret_counts = cache->counts;
	ret_counts->disk_errors = __atomic_load_n(&cache->disk_errors, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&cache->lock);
}
