/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/indexes.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/store/indexes_parts.h"

#define BUILDER_NICE 10
#define LOOK_LATE_MS 86400000u /* where no look is due */
#define RETRY_MS     2000u     /* after a failure, at the earliest */

struct sl_indexes {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	struct sl_index_lent lent;
	_Atomic(const struct sl_encoder *) encoder; /* set once, maybe later */
	struct sl_index *items[SL_CONFIG_INDEXES_MAX];
	uint32_t count;
	struct sl_index *dead;
	bool stop;
};

/* ---- one index ------------------------------------------------------------------------------- */

static const char *keep_string(char **at, const char *string)
{
	char *begin = *at;

	if (string == NULL)
		return NULL;
	*at = stpcpy(begin, string) + 1;
	return begin;
}

/* As it is configured now; NULL: none. */
static const struct sl_config_embedder *embedder_of(const struct sl_config *config,
						    const struct sl_config_index *index)
{
	const struct sl_config_embedder *items = config->embedders.items;

	for (uint32_t i = 0; index->embedding != NULL && i < config->embedders.count; i++)
		if (strcmp(items[i].item.name, index->embedding) == 0)
			return &items[i];
	return NULL;
}

static size_t bytes_of(const char *string)
{
	return string != NULL ? strlen(string) + 1 : 0;
}

static struct sl_index *new_index(struct sl_indexes *all, const struct sl_config_index *config,
				  const struct sl_config_embedder *embedder)
{
	struct sl_index *index = calloc(1, sizeof(*index));
	size_t bytes = bytes_of(config->item.name) + bytes_of(config->directory) +
		       bytes_of(config->documents) + bytes_of(config->questions) +
		       bytes_of(config->embedding);
	char *at;

	if (index == NULL)
		return NULL;
	if (embedder != NULL)
		bytes += bytes_of(embedder->pool) + bytes_of(embedder->model);
	index->strings = at = malloc(bytes);
	if (at == NULL) {
		free(index);
		return NULL;
	}
	index->config = *config;
	index->config.item.name = keep_string(&at, config->item.name);
	index->config.directory = keep_string(&at, config->directory);
	index->config.documents = keep_string(&at, config->documents);
	index->config.questions = keep_string(&at, config->questions);
	index->config.embedding = keep_string(&at, config->embedding);
	if (embedder != NULL) {
		index->embedder = *embedder;
		index->embedder.pool = keep_string(&at, embedder->pool);
		index->embedder.model = keep_string(&at, embedder->model);
	}
	index->encoder = all->encoder;
	index->lock = &all->lock;
	index->lent = &all->lent;
	snprintf(index->status.name, sizeof(index->status.name), "%s", config->item.name);
	return index;
}

/* On the builder's thread: files are closed, which no loop may wait for. */
static void free_index(struct sl_index *index)
{
	sl_documents_put_away(&index->current);
	sl_documents_put_away(&index->before);
	sl_documents_put_away(&index->candidate);
	free(index->strings);
	free(index);
}

static bool same_string(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_config(const struct sl_config_index *a, const struct sl_config_index *b)
{
	return same_string(a->item.name, b->item.name) && same_string(a->directory, b->directory) &&
	       same_string(a->documents, b->documents) && same_string(a->questions, b->questions) &&
	       a->vectors == b->vectors && a->chunk_bytes == b->chunk_bytes &&
	       a->overlap_bytes == b->overlap_bytes && a->refresh_ms == b->refresh_ms &&
	       a->keep == b->keep && same_string(a->embedding, b->embedding);
}

/* b: NULL where none is configured. */
static bool same_embedder(const struct sl_config_embedder *a, const struct sl_config_embedder *b)
{
	if (b == NULL)
		return a->pool == NULL;
	return same_string(a->pool, b->pool) && same_string(a->model, b->model) &&
	       a->dimensions == b->dimensions && a->build_ms == b->build_ms;
}

/* ---- the builder ----------------------------------------------------------------------------- */

static void note(struct sl_index *index, int rc, const struct sl_error *error)
{
	bool news = rc != 0 && strcmp(index->said.text, error->text) != 0;

	if (rc == -ECANCELED)
		return;
	pthread_mutex_lock(index->lock);
	index->status.failures += rc != 0;
	snprintf(index->status.error, sizeof(index->status.error), "%s", rc ? error->text : "");
	pthread_mutex_unlock(index->lock);
	index->said = rc ? *error : (struct sl_error){""};
	if (news)
		sl_log(SL_LOG_ERROR, "index \"%s\": %s", index->status.name, error->text);
}

static int make(struct sl_index *index, bool all, struct sl_text *said, struct sl_error *error)
{
	uint32_t version;
	int rc = sl_index_refresh(index, all, false, &version, error);

	if (!rc && version)
		sl_text_printf(said,
			       "version %" PRIu32 " is made and checked, not served yet: "
			       "sluice index promote %s %" PRIu32,
			       version, index->status.name, version);
	else if (!rc)
		sl_text_printf(said, "no document has changed since version %" PRIu32,
			       index->status.current);
	return rc;
}

static bool looks_itself(const struct sl_index *index)
{
	return index->config.documents != NULL && index->config.refresh_ms != 0;
}

/* Serves what `current` points to by now. hold: see enum sl_indexes_order. */
static int serve_chosen(struct sl_index *index, bool hold, struct sl_text *said,
			struct sl_error *error)
{
	int rc = sl_index_load(index, error);

	if (rc)
		return rc;
	sl_index_look(index);
	hold = hold && looks_itself(index);
	pthread_mutex_lock(index->lock);
	index->status.held = hold;
	pthread_mutex_unlock(index->lock);
	index->look_due_ms = hold || !looks_itself(index)
				     ? UINT64_MAX
				     : sl_clock_ms() + index->config.refresh_ms;
	sl_text_printf(said, "version %" PRIu32 " is served%s", index->status.current,
		       hold ? "; changes of the documents wait until the newest is promoted" : "");
	return 0;
}

static int promote(struct sl_index *index, uint32_t version, struct sl_text *said,
		   struct sl_error *error)
{
	struct sl_shelf_list list;
	int rc = sl_index_try(index, version, error);

	if (!rc)
		rc = sl_shelf_promote(index->config.directory, version, error);
	if (!rc)
		rc = sl_shelf_read(index->config.directory, &list, error);
	return rc ? rc : serve_chosen(index, version != list.versions[list.count - 1], said, error);
}

static int roll_back(struct sl_index *index, struct sl_text *said, struct sl_error *error)
{
	struct sl_shelf_list list;
	uint32_t version = 0;
	int rc = sl_shelf_read(index->config.directory, &list, error);

	for (uint32_t i = 0; !rc && i < list.count && list.versions[i] < list.current; i++)
		version = list.versions[i];
	if (!rc && version)
		rc = sl_index_try(index, version, error);
	if (!rc)
		rc = sl_shelf_rollback(index->config.directory, &version, error);
	return rc ? rc : serve_chosen(index, true, said, error);
}

static int verify(const struct sl_index *index, uint32_t version, struct sl_text *said,
		  struct sl_error *error)
{
	struct sl_index_checked checked;
	char path[SL_SHELF_PATH_SIZE];
	int rc = version == 0 ? sl_error_set(error, -ENOENT, "index \"%s\": none is served",
					     index->status.name)
			      : sl_shelf_path(index->config.directory, version, path, error);

	if (!rc)
		rc = sl_index_check(index, path, &checked, error);
	if (!rc)
		sl_text_printf(said,
			       "version %" PRIu32 " is whole: documents=%" PRIu64 " chunks=%" PRIu64
			       " samples=%" PRIu32 "/%" PRIu32 " questions=%" PRIu32,
			       version, checked.facts.document_count, checked.facts.chunk_count,
			       checked.samples_found, checked.samples, checked.questions);
	return rc;
}

static int obey(struct sl_index *index, enum sl_indexes_order order, uint32_t version,
		struct sl_text *said, struct sl_error *error)
{
	switch (order) {
	case SL_INDEXES_APPEND:
	case SL_INDEXES_BUILD:
		return make(index, order == SL_INDEXES_BUILD, said, error);
	case SL_INDEXES_PROMOTE:
		return promote(index, version, said, error);
	case SL_INDEXES_ROLLBACK:
		return roll_back(index, said, error);
	default:
		return verify(index, version ? version : index->status.current, said, error);
	}
}

/* Without somebody who asks its pool nothing is made. */
static bool can_build(const struct sl_index *index)
{
	return !sl_index_is_by_pool(index) || atomic_load(&index->lent->asker) != NULL;
}

/* Is a look due by itself? Not while a candidate is compared. */
static bool may_look(const struct sl_index *index, uint64_t now_ms)
{
	return now_ms >= index->look_due_ms && !index->candidate_wanted && can_build(index);
}

/* One turn over one index; the lock is not held. */
static void work_on(struct sl_index *index)
{
	struct sl_error error = {""};
	enum sl_indexes_order order;
	char memory[SL_ERROR_TEXT_SIZE];
	struct sl_text said;
	uint32_t version;
	bool ordered;
	int rc = 0;

	if (!index->loaded) {
		rc = sl_index_load(index, &error);
		note(index, rc, &error);
		index->loaded = true;
		index->look_due_ms = looks_itself(index) ? sl_clock_ms() : UINT64_MAX;
	}
	if (index->candidate_tried != index->candidate_wanted)
		sl_index_open_candidate(index);
	pthread_mutex_lock(index->lock);
	ordered = index->ordered;
	order = index->order;
	version = index->order_version;
	pthread_mutex_unlock(index->lock);
	if (ordered) {
		sl_text_init_fixed(&said, memory, sizeof(memory));
		rc = obey(index, order, version, &said, &error);
		if (order !=
		    SL_INDEXES_VERIFY) /* what is wrong with a version may be of no account */
			note(index, rc, &error);
		pthread_mutex_lock(index->lock);
		index->ordered = false;
		index->status.order_rc = rc;
		snprintf(index->status.said, sizeof(index->status.said), "%s",
			 rc ? error.text : sl_text_string(&said));
		index->status.orders_done++;
		pthread_mutex_unlock(index->lock);
	} else if (may_look(index, sl_clock_ms())) {
		rc = sl_index_refresh(index, false, true, &version, &error);
		note(index, rc, &error);
		index->look_due_ms = sl_clock_ms() + (rc && index->config.refresh_ms < RETRY_MS
							      ? RETRY_MS
							      : index->config.refresh_ms);
	}
}

static bool is_due(const struct sl_index *index, uint64_t now_ms)
{
	return !index->loaded || index->candidate_tried != index->candidate_wanted ||
	       (index->ordered && can_build(index)) || may_look(index, now_ms);
}

/* Under the lock: one that has something to do, or NULL and how long there is none. */
static struct sl_index *next_due(struct sl_indexes *all, uint64_t *ret_wait_ms)
{
	uint64_t now_ms = sl_clock_ms(), due_ms = now_ms + LOOK_LATE_MS;

	for (uint32_t i = 0; i < all->count; i++) {
		if (is_due(all->items[i], now_ms))
			return all->items[i];
		if (all->items[i]->look_due_ms < due_ms && !all->items[i]->candidate_wanted &&
		    can_build(all->items[i]))
			due_ms = all->items[i]->look_due_ms;
	}
	*ret_wait_ms = due_ms - now_ms;
	return NULL;
}

static void wait_for(struct sl_indexes *all, uint64_t wait_ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(wait_ms / 1000);
	until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&all->wake, &all->lock, &until);
}

static void free_dead(struct sl_indexes *all)
{
	struct sl_index *index, *next;

	pthread_mutex_lock(&all->lock);
	index = all->dead;
	all->dead = NULL;
	pthread_mutex_unlock(&all->lock);
	for (; index != NULL; index = next) {
		next = index->next_dead;
		free_index(index);
	}
}

static void *build(void *arg)
{
	struct sl_indexes *all = arg;

	/* Of this thread alone on Linux: requests come first. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), BUILDER_NICE);
	pthread_mutex_lock(&all->lock);
	while (!all->stop) {
		uint64_t wait_ms = 0;
		struct sl_index *index = next_due(all, &wait_ms);

		if (index == NULL && all->dead == NULL) {
			wait_for(all, wait_ms + 1);
			continue;
		}
		pthread_mutex_unlock(&all->lock);
		if (index != NULL)
			work_on(index); /* dropped meanwhile, it is among the dead, which wait */
		free_dead(all);
		pthread_mutex_lock(&all->lock);
	}
	pthread_mutex_unlock(&all->lock);
	free_dead(all);
	for (uint32_t i = 0; i < all->count; i++)
		free_index(all->items[i]);
	return NULL;
}

/* ---- the set --------------------------------------------------------------------------------- */

/* Under the lock: takes the one of equal settings out of the old set, or makes one. */
static struct sl_index *take_or_make(struct sl_indexes *all, const struct sl_config_index *config,
				     const struct sl_config_embedder *embedder)
{
	for (uint32_t i = 0; i < all->count; i++) {
		struct sl_index *index = all->items[i];

		if (index != NULL && index->encoder == all->encoder &&
		    same_config(&index->config, config) &&
		    same_embedder(&index->embedder, embedder)) {
			all->items[i] = NULL;
			return index;
		}
	}
	return new_index(all, config, embedder);
}

void sl_indexes_apply(struct sl_indexes *indexes, const struct sl_config *config,
		      const struct sl_encoder *encoder)
{
	const struct sl_config_index *wanted = config->indexes.items;
	struct sl_index *next[SL_CONFIG_INDEXES_MAX];
	uint32_t count = 0;

	if (indexes == NULL)
		return;
	pthread_mutex_lock(&indexes->lock);
	if (indexes->encoder == NULL)
		atomic_store(&indexes->encoder, encoder);
	for (uint32_t i = 0; i < config->indexes.count && i < SL_CONFIG_INDEXES_MAX; i++) {
		next[count] = take_or_make(indexes, &wanted[i], embedder_of(config, &wanted[i]));
		if (next[count] != NULL)
			count++;
		else
			sl_log(SL_LOG_ERROR, "index \"%s\": no memory", wanted[i].item.name);
	}
	for (uint32_t i = 0; i < indexes->count; i++) {
		if (indexes->items[i] == NULL)
			continue;
		atomic_store(&indexes->items[i]->gone, true);
		indexes->items[i]->next_dead = indexes->dead;
		indexes->dead = indexes->items[i];
	}
	memcpy(indexes->items, next, count * sizeof(next[0]));
	indexes->count = count;
	pthread_cond_signal(&indexes->wake);
	pthread_mutex_unlock(&indexes->lock);
}

int sl_indexes_open(const struct sl_config *config, const struct sl_encoder *encoder,
		    struct sl_indexes **ret_indexes)
{
	struct sl_indexes *all = calloc(1, sizeof(*all));
	pthread_condattr_t attributes;
	int rc;

	if (all == NULL)
		return -ENOMEM;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&all->lock, NULL);
	pthread_mutex_init(&all->lent.lock, NULL);
	pthread_cond_init(&all->wake, &attributes);
	pthread_condattr_destroy(&attributes);
	sl_indexes_apply(all, config, encoder);
	rc = pthread_create(&all->thread, NULL, build, all);
	if (rc) {
		for (uint32_t i = 0; i < all->count; i++)
			free_index(all->items[i]);
		free(all);
		return -rc;
	}
	*ret_indexes = all;
	return 0;
}

void sl_indexes_close(struct sl_indexes **indexes)
{
	struct sl_indexes *all = *indexes;

	*indexes = NULL;
	if (all == NULL)
		return;
	pthread_mutex_lock(&all->lock);
	all->stop = true;
	for (uint32_t i = 0; i < all->count; i++)
		atomic_store(&all->items[i]->gone, true);
	pthread_cond_signal(&all->wake);
	pthread_mutex_unlock(&all->lock);
	pthread_join(all->thread, NULL);
	pthread_cond_destroy(&all->wake);
	pthread_mutex_destroy(&all->lock);
	pthread_mutex_destroy(&all->lent.lock);
	free(all);
}

void sl_indexes_lend(struct sl_indexes *indexes, const struct sl_indexes_asker *asker)
{
	if (indexes == NULL)
		return;
	pthread_mutex_lock(&indexes->lent.lock);
	atomic_store(&indexes->lent.asker, asker);
	pthread_mutex_unlock(&indexes->lent.lock);
	pthread_mutex_lock(&indexes->lock);
	pthread_cond_signal(&indexes->wake);
	pthread_mutex_unlock(&indexes->lock);
}

static struct sl_index *find(struct sl_indexes *indexes, const char *name)
{
	for (uint32_t i = 0; i < indexes->count; i++)
		if (strcmp(indexes->items[i]->status.name, name) == 0)
			return indexes->items[i];
	return NULL;
}

struct sl_documents *sl_indexes_get(struct sl_indexes *indexes, const char *name,
				    enum sl_indexes_which which, uint32_t *ret_version)
{
	struct sl_documents *documents = NULL;
	struct sl_index *index;

	if (indexes == NULL)
		return NULL;
	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, name);
	if (index != NULL) {
		documents = which == SL_INDEXES_CURRENT	 ? index->current
			    : which == SL_INDEXES_BEFORE ? index->before
							 : index->candidate;
		if (ret_version != NULL)
			*ret_version = which == SL_INDEXES_CURRENT  ? index->status.current
				       : which == SL_INDEXES_BEFORE ? index->status.before
								    : index->status.candidate;
	}
	if (documents != NULL)
		sl_documents_get(documents);
	pthread_mutex_unlock(&indexes->lock);
	return documents;
}

uint32_t sl_indexes_version(struct sl_indexes *indexes, const char *name)
{
	struct sl_index *index;
	uint32_t version;

	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, name);
	version = index != NULL ? index->status.current : 0;
	pthread_mutex_unlock(&indexes->lock);
	return version;
}

bool sl_indexes_set_candidate(struct sl_indexes *indexes, const char *name, uint32_t version)
{
	struct sl_index *index;

	if (indexes == NULL)
		return false;
	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, name);
	if (index != NULL && index->candidate_wanted != version) {
		index->candidate_wanted = version;
		index->status.candidate_error[0] = '\0';
		pthread_cond_signal(&indexes->wake);
	}
	pthread_mutex_unlock(&indexes->lock);
	return index != NULL;
}

uint32_t sl_indexes_candidate(struct sl_indexes *indexes, const char *name)
{
	const struct sl_index *index;
	uint32_t version;

	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, name);
	version = index != NULL ? index->status.candidate : 0;
	pthread_mutex_unlock(&indexes->lock);
	return version;
}

const struct sl_encoder *sl_indexes_encoder(const struct sl_indexes *indexes)
{
	return indexes != NULL ? atomic_load(&indexes->encoder) : NULL;
}

int sl_indexes_order(struct sl_indexes *indexes, const char *name, enum sl_indexes_order order,
		     uint32_t version, uint64_t *ret_ticket, struct sl_error *error)
{
	struct sl_index *index;
	int rc = 0;

	if (indexes == NULL)
		return sl_error_set(error, -ENOENT, "no index is configured (see: indexes)");
	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, name);
	if (index == NULL) {
		rc = sl_error_set(error, -ENOENT, "index \"%s\": is not configured", name);
	} else if (index->ordered) {
		rc = sl_error_set(error, -EBUSY, "index \"%s\": another order is under way", name);
	} else {
		index->ordered = true;
		index->order = order;
		index->order_version = version;
		*ret_ticket = index->status.orders_done + 1;
		pthread_cond_signal(&indexes->wake);
	}
	pthread_mutex_unlock(&indexes->lock);
	return rc;
}

uint32_t sl_indexes_count(struct sl_indexes *indexes)
{
	uint32_t count;

	if (indexes == NULL)
		return 0;
	pthread_mutex_lock(&indexes->lock);
	count = indexes->count;
	pthread_mutex_unlock(&indexes->lock);
	return count;
}

bool sl_indexes_read(struct sl_indexes *indexes, uint32_t number,
		     struct sl_indexes_status *ret_status)
{
	bool found;

	if (indexes == NULL)
		return false;
	pthread_mutex_lock(&indexes->lock);
	found = number < indexes->count;
	if (found)
		*ret_status = indexes->items[number]->status;
	pthread_mutex_unlock(&indexes->lock);
	return found;
}

bool sl_indexes_find(struct sl_indexes *indexes, const char *name,
		     struct sl_indexes_status *ret_status, char ret_directory[SL_SHELF_PATH_SIZE])
{
	struct sl_index *index;

	if (indexes == NULL)
		return false;
	pthread_mutex_lock(&indexes->lock);
	index = find(indexes, name);
	if (index != NULL)
		*ret_status = index->status;
	if (index != NULL && ret_directory != NULL)
		snprintf(ret_directory, SL_SHELF_PATH_SIZE, "%s", index->config.directory);
	pthread_mutex_unlock(&indexes->lock);
	return index != NULL;
}
