/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/upstream/identity.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/policy/drift.h"
#include "user/wire/json_scan.h"

#define WORD_CHANGED 1u
#define WORD_BLURRED 2u /* its fingerprint says nothing */
#define WORD_HASH    0xFFFFFFFCu
#define DECODE_BYTES 1024u
#define SHOWN_BYTES  (6u * SL_IDENTITY_TEXT_BYTES + 1u) /* of a name, escaped */

struct record {
	uint32_t tag;
	bool listed, blurred, model_changed, fingerprint_changed;
	uint64_t model_hash, accepted_hash, fingerprint_hash;
	uint64_t models[SL_IDENTITY_SEEN_MAX]; /* seen since they were accepted */
	uint32_t model_count;
	uint64_t fingerprints[SL_IDENTITY_SEEN_MAX]; /* the first of them accepted */
	uint32_t fingerprint_count, fingerprints_accepted;
	char asked[SL_IDENTITY_TEXT_BYTES];
	char model[SL_IDENTITY_TEXT_BYTES];
	char accepted[SL_IDENTITY_TEXT_BYTES];
	char fingerprint[SL_IDENTITY_TEXT_BYTES];
};

/* Under the lock. */
struct node {
	struct node *next;
	uint32_t slot, incarnation, pool_slot, count;
	char pool[SL_DRIFT_NAME_BYTES];
	char text[SL_PEER_TEXT_SIZE];
	struct record *records[SL_IDENTITY_ASKED_MAX];
};

/* The first line of it is what an answer looks at. */
struct cell {
	uint64_t words[SL_IDENTITY_ASKED_MAX]; /* of the records, in their order */
	uint64_t incarnation;		       /* of the words */
	uint64_t models, fingerprints, unwatched;
	uint32_t changed;
	struct node *node;
};

struct sl_identities {
	struct cell cells[SL_NODES_MAX];
	pthread_mutex_t lock;
	struct node *nodes;
	uint32_t changed[SL_POOLS_MAX]; /* records, by pool slot */
	struct sl_drift_board *board;
};

/* What is to be said when the lock is let go. */
struct news {
	bool model, fingerprint, back, fresh, blurred, differs;
	char was[SL_IDENTITY_TEXT_BYTES], now[SL_IDENTITY_TEXT_BYTES];
	char fingerprint_was[SL_IDENTITY_TEXT_BYTES], fingerprint_now[SL_IDENTITY_TEXT_BYTES];
};

static uint64_t hash_of(struct sl_span span)
{
	return XXH3_64bits(span.data, span.len);
}

static uint32_t tag_of(const struct sl_identity_said *said, uint32_t incarnation)
{
	uint64_t seed = (uint64_t)incarnation << 1 | said->listed;

	/* never 0: that is a word without a record */
	return (uint32_t)(XXH3_64bits_withSeed(said->asked.data, said->asked.len, seed) >> 32) | 1u;
}

/* Of the model alone where the fingerprint says nothing. */
static uint32_t hash_said(uint64_t model, uint64_t fingerprint, bool blurred)
{
	uint64_t hash = blurred ? model : model ^ (fingerprint * 0x9E3779B97F4A7C15ull);

	return (uint32_t)(hash >> 32) & WORD_HASH;
}

static uint64_t fingerprint_of(const struct sl_identity_said *said)
{
	return said->fingerprint.len ? hash_of(said->fingerprint) : 0;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* A JSON string becomes plain text, cut at a character. */
static void take_text(struct sl_span json, char out[SL_IDENTITY_TEXT_BYTES])
{
	struct sl_json_field field = {.type = SL_JSON_STRING,
				      .value = json.data,
				      .value_len = json.len,
				      .escaped = memchr(json.data, '\\', json.len) != NULL};
	char room[DECODE_BYTES];
	int len = sl_json_string(&field, room, sizeof(room));

	if (len < 0) {
		snprintf(out, SL_IDENTITY_TEXT_BYTES, "(%zu bytes)", json.len);
		return;
	}
	if ((uint32_t)len >= SL_IDENTITY_TEXT_BYTES)
		len = (int)sl_text_utf8_len(room, SL_IDENTITY_TEXT_BYTES - 1);
	memcpy(out, room, (size_t)len);
	out[len] = '\0';
}

static bool is_name(const struct sl_identity_said *said, struct sl_span name)
{
	char text[SL_IDENTITY_TEXT_BYTES];

	if (said->model.len == name.len + 2)
		return !memcmp(said->model.data + 1, name.data, name.len);
	if (!memchr(said->model.data, '\\', said->model.len))
		return false;
	take_text(said->model, text);
	return sl_span_equal(sl_span_string(text), name);
}

bool sl_identity_is_expected(const struct sl_upstream_pool *pool,
			     const struct sl_identity_said *said)
{
	if (is_name(said, said->asked))
		return true;
	for (uint32_t i = 0; pool->expect_names && i < pool->expect_names->count; i++) {
		if (is_name(said, sl_span_string(pool->expect_names->names[i])))
			return true;
	}
	return false;
}

/*
 * Another name than the one asked for is wrong by itself, where the pool says which are right. Lists may have
 * other names than answers (llama.cpp lists the file's and answers with the one asked for).
 */
static bool is_wrong(const struct sl_upstream_pool *pool, const struct sl_identity_said *said)
{
	return !sl_identity_is_expected(pool, said) &&
	       ((pool->expect == SL_CONFIG_EXPECT_STRICT && !said->listed) ||
		(pool->expect_names && pool->expect_names->count));
}

static const char *show(const char *text, char room[SHOWN_BYTES])
{
	int len = sl_json_escape(text, strlen(text), room, SHOWN_BYTES - 1);

	room[len < 0 ? 0 : len] = '\0';
	return room;
}

/* ---- records, under the lock ----------------------------------------------------------------- */

static void store_word(struct sl_identities *ids, const struct node *node, uint32_t place)
{
	const struct record *r = node->records[place];
	bool changed = r->model_changed || r->fingerprint_changed;
	uint64_t word = (uint64_t)r->tag << 32 |
			hash_said(r->model_hash, r->blurred ? 0 : r->fingerprint_hash, r->blurred) |
			(r->blurred ? WORD_BLURRED : 0) | (changed ? WORD_CHANGED : 0);

	__atomic_store_n(&ids->cells[node->slot].words[place], word, __ATOMIC_RELAXED);
}

static void count_changed(struct sl_identities *ids, const struct node *node, bool before, bool now)
{
	uint32_t *pool = &ids->changed[node->pool_slot];
	uint32_t *cell = &ids->cells[node->slot].changed;

	if (before == now)
		return;
	*pool += now ? 1 : (uint32_t)-1;
	__atomic_store_n(cell, *cell + (now ? 1 : (uint32_t)-1), __ATOMIC_RELAXED);
	if (*pool <= 1 && ids->board)
		sl_drift_set(ids->board, node->pool, SL_DRIFT_BY_ANSWERS, *pool != 0);
}

static void drop(struct sl_identities *ids, struct node *node)
{
	struct cell *cell = &ids->cells[node->slot];
	struct node **at = &ids->nodes;

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	cell->node = NULL;
	for (uint32_t i = 0; i < node->count; i++) {
		const struct record *r = node->records[i];

		count_changed(ids, node, r->model_changed || r->fingerprint_changed, false);
		__atomic_store_n(&cell->words[i], 0, __ATOMIC_RELAXED);
		free(node->records[i]);
	}
	free(node);
}

static struct node *node_of(struct sl_identities *ids, const struct sl_upstream_pool *pool,
			    const struct sl_upstream_node *from)
{
	struct cell *cell = &ids->cells[from->slot];
	struct node *node = cell->node;

	if (node && node->incarnation != from->incarnation) {
		drop(ids, node);
		node = NULL;
	}
	if (node)
		return node;
	node = calloc(1, sizeof(*node));
	if (!node)
		return NULL;
	node->slot = from->slot;
	node->incarnation = from->incarnation;
	node->pool_slot = pool->slot;
	snprintf(node->pool, sizeof(node->pool), "%s", pool->name);
	snprintf(node->text, sizeof(node->text), "%s", from->text);
	node->next = ids->nodes;
	ids->nodes = cell->node = node;
	__atomic_store_n(&cell->incarnation, from->incarnation, __ATOMIC_RELAXED);
	return node;
}

/* Says another node of the pool something else, asked for the same? */
static bool differs(const struct sl_identities *ids, const struct node *node,
		    const struct record *record)
{
	for (const struct node *other = ids->nodes; other; other = other->next) {
		if (other == node || other->pool_slot != node->pool_slot)
			continue;
		for (uint32_t i = 0; i < other->count; i++) {
			const struct record *r = other->records[i];

			if (r->listed == record->listed && !strcmp(r->asked, record->asked) &&
			    r->model_hash != record->model_hash)
				return true;
		}
	}
	return false;
}

/* True: it is new. Those beyond the room are taken for known: it is told of each once, not for ever. */
static bool add_seen(uint64_t seen[SL_IDENTITY_SEEN_MAX], uint32_t *count, uint64_t hash)
{
	for (uint32_t i = 0; i < *count; i++) {
		if (seen[i] == hash)
			return false;
	}
	if (*count == SL_IDENTITY_SEEN_MAX)
		return false;
	seen[(*count)++] = hash;
	return true;
}

static void take_model(struct record *r, const struct sl_identity_said *said,
		       const struct sl_upstream_pool *pool, struct news *news)
{
	uint64_t hash = hash_of(said->model);
	bool expected = sl_identity_is_expected(pool, said);

	if (hash != r->model_hash) {
		news->model = true;
		memcpy(news->was, r->model, sizeof(news->was));
		take_text(said->model, r->model);
		r->model_hash = hash;
		news->fresh |= add_seen(r->models, &r->model_count, hash);
	}
	r->model_changed = !expected && hash != r->accepted_hash;
	memcpy(news->now, r->model, sizeof(news->now));
}

static void take_fingerprint(struct record *r, const struct sl_identity_said *said,
			     struct news *news)
{
	uint64_t hash = fingerprint_of(said);
	uint32_t i;

	if (!hash || r->blurred || hash == r->fingerprint_hash)
		return;
	if (!r->fingerprint_hash) /* the first that it says */
		r->fingerprints_accepted = r->fingerprint_count + 1;
	else
		news->fingerprint = true;
	memcpy(news->fingerprint_was, r->fingerprint, sizeof(news->fingerprint_was));
	take_text(said->fingerprint, r->fingerprint);
	memcpy(news->fingerprint_now, r->fingerprint, sizeof(news->fingerprint_now));
	r->fingerprint_hash = hash;
	news->fresh |= add_seen(r->fingerprints, &r->fingerprint_count, hash);
	for (i = 0; i < r->fingerprint_count && r->fingerprints[i] != hash; i++)
		;
	news->blurred = r->blurred = i == SL_IDENTITY_SEEN_MAX;
	r->fingerprint_changed = !r->blurred && i >= r->fingerprints_accepted;
}

static struct record *add_record(struct node *node, const struct sl_identity_said *said,
				 uint32_t tag, const struct sl_upstream_pool *pool)
{
	struct record *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->tag = tag;
	r->listed = said->listed;
	snprintf(r->asked, sizeof(r->asked), "%.*s", (int)said->asked.len, said->asked.data);
	take_text(said->model, r->model);
	r->model_hash = hash_of(said->model);
	add_seen(r->models, &r->model_count, r->model_hash);
	if (!is_wrong(pool, said)) {
		r->accepted_hash = r->model_hash;
		memcpy(r->accepted, r->model, sizeof(r->accepted));
	} else {
		memcpy(r->accepted, r->asked, sizeof(r->accepted));
	}
	node->records[node->count++] = r;
	return r;
}

/* Returns whether it is changed. */
static bool take(struct sl_identities *ids, struct node *node, const struct sl_upstream_pool *pool,
		 const struct sl_identity_said *said, uint32_t tag, struct news *news)
{
	struct cell *cell = &ids->cells[node->slot];
	struct record *r = NULL;
	bool before, now, first;
	uint32_t place;

	for (place = 0; place < node->count && node->records[place]->tag != tag; place++)
		;
	first = place == node->count;
	if (first && place < SL_IDENTITY_ASKED_MAX)
		r = add_record(node, said, tag, pool);
	else if (!first)
		r = node->records[place];
	if (!r) {
		__atomic_fetch_add(&cell->unwatched, 1, __ATOMIC_RELAXED);
		return false;
	}
	before = r->model_changed || r->fingerprint_changed;
	take_model(r, said, pool, news);
	take_fingerprint(r, said, news);
	now = r->model_changed || r->fingerprint_changed;
	if (first && now) { /* wrong from the start */
		news->model = news->fresh = true;
		memcpy(news->was, r->accepted, sizeof(news->was));
	}
	news->differs =
		first && !now && !sl_identity_is_expected(pool, said) && differs(ids, node, r);
	news->back = before && !now;
	if (news->model)
		__atomic_fetch_add(&cell->models, 1, __ATOMIC_RELAXED);
	if (news->fingerprint)
		__atomic_fetch_add(&cell->fingerprints, 1, __ATOMIC_RELAXED);
	count_changed(ids, node, before, now);
	store_word(ids, node, place);
	return now;
}

/* ---- the log --------------------------------------------------------------------------------- */

/* For who keeps incidents: what is new, or as it was again. */
static void notify(const struct sl_upstream_pool *pool, const struct sl_upstream_node *node,
		   const struct news *news)
{
	struct sl_notice notice = {.kind = SL_NOTICE_MODEL,
				   .level = news->back ? SL_NOTICE_INFO : SL_NOTICE_WARN,
				   .of = SL_NOTICE_OF_NODE,
				   .over = news->back,
				   .who = "daemon"};
	char was[SHOWN_BYTES], now[SHOWN_BYTES];

	sl_notice_set(notice.name, sizeof(notice.name), node->text);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool->name);
	sl_notice_tell(&notice, "answers as \"%.80s\"%s, before \"%.80s\"", show(news->now, now),
		       news->back ? " again" : "", show(news->was, was));
}

/* A value that was told of before may come again with each answer: those are limited. */
static void tell(const struct sl_upstream_pool *pool, const struct sl_upstream_node *node,
		 const struct sl_identity_said *said, const struct news *news, bool changed)
{
	const char *how = said->listed ? "lists" : "answers as";
	char was[SHOWN_BYTES], now[SHOWN_BYTES];

	if (news->model && ((changed && news->fresh) || news->back))
		notify(pool, node, news);
	if (news->model && changed && news->fresh)
		sl_log(SL_LOG_WARN,
		       "pool \"%s\": node %s: %s model \"%s\", before \"%s\" (asked for \"%.*s\"; "
		       "if "
		       "that is right: sluice canary accept %s)",
		       pool->name, node->text, how, show(news->now, now), show(news->was, was),
		       (int)said->asked.len, said->asked.data, pool->name);
	else if (news->model)
		sl_log_limited(SL_LOG_INFO,
			       "pool \"%s\": node %s: %s model \"%s\"%s, before \"%s\"", pool->name,
			       node->text, how, show(news->now, now), news->back ? " again" : "",
			       show(news->was, was));
	if (news->blurred)
		sl_log(SL_LOG_INFO,
		       "pool \"%s\": node %s: has over %u fingerprints: they are not looked at",
		       pool->name, node->text, SL_IDENTITY_SEEN_MAX);
	else if (news->fingerprint && changed && news->fresh)
		sl_log(SL_LOG_WARN,
		       "pool \"%s\": node %s: %s fingerprint \"%s\", before \"%s\" (if that is "
		       "right: sluice canary accept %s)",
		       pool->name, node->text, how, show(news->fingerprint_now, now),
		       show(news->fingerprint_was, was), pool->name);
	if (news->differs)
		sl_log_limited(
			SL_LOG_WARN,
			"pool \"%s\": node %s: %s model \"%s\", others of the pool as another",
			pool->name, node->text, how, show(news->now, now));
}

/* ---- answers --------------------------------------------------------------------------------- */

static bool note_other(struct sl_identities *ids, const struct sl_upstream_pool *pool,
		       const struct sl_upstream_node *from, const struct sl_identity_said *said,
		       uint32_t tag)
{
	struct news news = {0};
	struct node *node;
	bool changed;

	pthread_mutex_lock(&ids->lock);
	node = node_of(ids, pool, from);
	changed = node && take(ids, node, pool, said, tag, &news);
	pthread_mutex_unlock(&ids->lock);
	tell(pool, from, said, &news, changed);
	return changed;
}

bool sl_identity_note(struct sl_identities *ids, const struct sl_upstream_pool *pool,
		      const struct sl_upstream_node *node, const struct sl_identity_said *said)
{
	uint32_t tag = tag_of(said, node->incarnation), i;
	struct cell *cell;

	if (!ids)
		return false;
	cell = &ids->cells[node->slot];
	for (i = 0; i < SL_IDENTITY_ASKED_MAX; i++) {
		uint64_t word = __atomic_load_n(&cell->words[i], __ATOMIC_RELAXED);

		if (!word)
			break;
		if (word >> 32 != tag)
			continue;
		if (((uint32_t)word & WORD_HASH) ==
		    hash_said(hash_of(said->model), fingerprint_of(said), word & WORD_BLURRED))
			return word & WORD_CHANGED;
		break;
	}
	if (i == SL_IDENTITY_ASKED_MAX &&
	    __atomic_load_n(&cell->incarnation, __ATOMIC_RELAXED) == node->incarnation) {
		__atomic_fetch_add(&cell->unwatched, 1, __ATOMIC_RELAXED);
		return false;
	}
	return note_other(ids, pool, node, said, tag);
}

/* ---- operators ------------------------------------------------------------------------------- */

void sl_identities_each(struct sl_identities *ids,
			void (*fn)(void *arg, const struct sl_identity_view *view), void *arg)
{
	if (!ids)
		return;
	pthread_mutex_lock(&ids->lock);
	for (const struct node *node = ids->nodes; node; node = node->next) {
		for (uint32_t i = 0; i < node->count; i++) {
			const struct record *r = node->records[i];
			const struct sl_identity_view view = {
				.slot = node->slot,
				.pool = node->pool,
				.node = node->text,
				.asked = r->asked,
				.listed = r->listed,
				.model = r->model,
				.accepted = r->accepted,
				.fingerprint = r->fingerprint,
				.model_changed = r->model_changed,
				.fingerprint_changed = r->fingerprint_changed,
				.differs = differs(ids, node, r),
			};

			fn(arg, &view);
		}
	}
	pthread_mutex_unlock(&ids->lock);
}

struct sl_identity_counts sl_identity_counts(const struct sl_identities *ids, uint32_t slot)
{
	const struct cell *cell = &ids->cells[slot];

	return (struct sl_identity_counts){
		.models = __atomic_load_n(&cell->models, __ATOMIC_RELAXED),
		.fingerprints = __atomic_load_n(&cell->fingerprints, __ATOMIC_RELAXED),
		.unwatched = __atomic_load_n(&cell->unwatched, __ATOMIC_RELAXED),
		.changed = __atomic_load_n(&cell->changed, __ATOMIC_RELAXED),
	};
}

static bool accept_record(struct sl_identities *ids, const struct node *node, uint32_t place)
{
	struct record *r = node->records[place];
	bool changed = r->model_changed || r->fingerprint_changed;

	r->accepted_hash = r->model_hash;
	memcpy(r->accepted, r->model, sizeof(r->accepted));
	r->models[0] = r->model_hash;
	r->model_count = 1;
	r->fingerprints_accepted = r->fingerprint_count;
	r->model_changed = r->fingerprint_changed = false;
	count_changed(ids, node, changed, false);
	store_word(ids, node, place);
	return changed;
}

uint32_t sl_identities_accept(struct sl_identities *ids, const char *pool)
{
	uint32_t count = 0;

	if (!ids)
		return 0;
	pthread_mutex_lock(&ids->lock);
	for (const struct node *node = ids->nodes; node; node = node->next) {
		for (uint32_t i = 0; i < node->count && !strcmp(node->pool, pool); i++)
			count += accept_record(ids, node, i);
	}
	pthread_mutex_unlock(&ids->lock);
	return count;
}

void sl_identities_sweep(struct sl_identities *ids,
			 bool (*keep)(void *arg, uint32_t slot, uint32_t incarnation,
				      const char *pool),
			 void *arg)
{
	struct node *node, *next;

	if (!ids)
		return;
	pthread_mutex_lock(&ids->lock);
	for (node = ids->nodes; node; node = next) {
		next = node->next;
		if (!keep(arg, node->slot, node->incarnation, node->pool))
			drop(ids, node);
	}
	pthread_mutex_unlock(&ids->lock);
}

int sl_identities_open(struct sl_drift_board *board, struct sl_identities **ret_ids)
{
	struct sl_identities *ids = calloc(1, sizeof(*ids));

	if (!ids)
		return -ENOMEM;
	ids->board = board;
	pthread_mutex_init(&ids->lock, NULL);
	*ret_ids = ids;
	return 0;
}

void sl_identities_close(struct sl_identities **ret_ids)
{
	struct sl_identities *ids = *ret_ids;

	*ret_ids = NULL;
	if (!ids)
		return;
	while (ids->nodes)
		drop(ids, ids->nodes);
	pthread_mutex_destroy(&ids->lock);
	free(ids);
}
