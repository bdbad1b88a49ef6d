/* SPDX-License-Identifier: BSD-2-Clause */
/* semantic_disk.c - the semantic cache's entries in its database. See semantic.h. */
#include "user/store/semantic.h"

#include <errno.h>
#include <string.h>
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/store/semantic_parts.h"

#define APPLICATION_ID 0x534c5343u /* "SLSC" */
#define BATCH_ROWS     64	   /* that are read at once at the start */

static const char *const steps[] = {
	"CREATE TABLE entries (id INTEGER PRIMARY KEY, fingerprint BLOB NOT NULL, model TEXT NOT "
	"NULL,"
	" tenant TEXT NOT NULL, route TEXT NOT NULL, version INTEGER NOT NULL, born_ms INTEGER NOT "
	"NULL,"
	" question TEXT NOT NULL, answer BLOB NOT NULL, vector BLOB NOT NULL)",
};

static const struct sl_db_options options = {
	.application_id = APPLICATION_ID,
	.kind = "semantic cache",
	.steps = steps,
	.step_count = sizeof(steps) / sizeof(steps[0]),
	.sync = SL_DB_SYNC_NORMAL, /* a loss of power may forget the last answers */
};

/* Once said, the cache goes on in memory. Under disk_lock. */
static void give_up(struct sl_semantic *cache, const struct sl_error *error)
{
	__atomic_add_fetch(&cache->disk_errors, 1, __ATOMIC_RELAXED);
	sl_log(SL_LOG_WARN, "semantic cache: %s: %s; it goes on in memory until the next start",
	       cache->path, error->text);
	sl_notice_tell_store("semantic cache", true, error->text);
	sl_db_finish(&cache->insert);
	sl_db_finish(&cache->erase);
	sl_db_close(&cache->db);
}

/* ---- writing --------------------------------------------------------------------------------- */

static int erase_rows(struct sl_semantic *cache, const struct sl_semantic_gone *gone,
		      struct sl_error *error)
{
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < gone->count; i++) {
		sl_db_bind_i64(cache->erase, 1, (int64_t)gone->ids[i]);
		rc = sl_db_once(cache->erase, error);
	}
	return rc;
}

static int insert_row(struct sl_semantic *cache, const struct sl_semantic_entry *entry, uint64_t id,
		      struct sl_error *error)
{
	struct sl_db_statement *row = cache->insert;

	sl_db_bind_i64(row, 1, (int64_t)id);
	sl_db_bind_blob(row, 2, entry->fingerprint, sizeof(entry->fingerprint));
	sl_db_bind_text(row, 3, sl_span_string(entry->model));
	sl_db_bind_text(row, 4, sl_span_string(entry->tenant));
	sl_db_bind_text(row, 5, sl_span_string(entry->route));
	sl_db_bind_i64(row, 6, (int64_t)entry->version);
	sl_db_bind_i64(row, 7, (int64_t)entry->now_ms);
	sl_db_bind_text(row, 8, entry->question);
	sl_db_bind_blob_borrow(row, 9, entry->answer.data, entry->answer.len);
	sl_db_bind_blob_borrow(row, 10, entry->vector, entry->dimensions * sizeof(float));
	return sl_db_once(row, error);
}

void sl_semantic_disk_write(struct sl_semantic *cache, const struct sl_semantic_entry *entry,
			    uint64_t id, const struct sl_semantic_gone *gone)
{
	struct sl_error error = {""};
	int rc;

	if (!cache->path || (!entry && !gone->count))
		return;
	pthread_mutex_lock(&cache->disk_lock);
	if (cache->db) {
		/* Purged since: the row would come after its deletion. */
		if (entry && !sl_semantic_has(cache, id))
			entry = NULL;
		rc = sl_db_begin(cache->db, &error);
		if (rc == 0)
			rc = erase_rows(cache, gone, &error);
		if (rc == 0 && entry)
			rc = insert_row(cache, entry, id, &error);
		if (rc == 0)
			rc = sl_db_commit(cache->db, &error);
		else
			sl_db_rollback(cache->db);
		if (rc < 0)
			give_up(cache, &error);
	}
	pthread_mutex_unlock(&cache->disk_lock);
}

void sl_semantic_disk_close(struct sl_semantic *cache)
{
	pthread_mutex_lock(&cache->disk_lock);
	sl_db_finish(&cache->insert);
	sl_db_finish(&cache->erase);
	sl_db_close(&cache->db);
	pthread_mutex_unlock(&cache->disk_lock);
}

/* ---- reading --------------------------------------------------------------------------------- */

static void copy_name(struct sl_span from, char *to, size_t size)
{
	size_t len = from.len < size ? from.len : size - 1;

	memcpy(to, from.data, len);
	to[len] = '\0';
}

/* A row that makes no sense is left out; the bounds of this start may be narrower than the file's. */
static void take_row(struct sl_semantic *cache, struct sl_db_statement *rows,
		     struct sl_semantic_gone *gone)
{
	char model[SL_VECTORS_MODEL_BYTES], tenant[SL_SEMANTIC_NAME_BYTES],
		route[SL_SEMANTIC_NAME_BYTES];
	struct sl_span fingerprint = sl_db_blob(rows, 1), vector = sl_db_blob(rows, 9);
	struct sl_semantic_entry entry = {
		.vector = (const void *)vector.data,
		.dimensions = (uint32_t)(vector.len / sizeof(float)),
		.question = sl_db_text(rows, 7),
		.answer = sl_db_blob(rows, 8),
		.tenant = tenant,
		.route = route,
		.model = model,
		.version = (uint64_t)sl_db_i64(rows, 5),
		.now_ms = (uint64_t)sl_db_i64(rows, 6),
	};
	uint64_t id;

	if (fingerprint.len != sizeof(entry.fingerprint) || !entry.dimensions ||
	    vector.len % sizeof(float) || entry.question.len > SL_SEMANTIC_QUESTION_BYTES)
		return;
	memcpy(entry.fingerprint, fingerprint.data, fingerprint.len);
	copy_name(sl_db_text(rows, 2), model, sizeof(model));
	copy_name(sl_db_text(rows, 3), tenant, sizeof(tenant));
	copy_name(sl_db_text(rows, 4), route, sizeof(route));
	pthread_mutex_lock(&cache->lock);
	sl_semantic_put(cache, &entry, (uint64_t)sl_db_i64(rows, 0), gone, &id);
	pthread_mutex_unlock(&cache->lock);
}

/* What this start has no room for: the first ones that were read, so those before the oldest. */
static int erase_older(struct sl_semantic *cache, struct sl_error *error)
{
	const struct sl_semantic_item *item;
	struct sl_db_statement *erase;
	uint64_t oldest = 0;
	int rc;

	/* The list is in the order of use, for it is asked already. */
	pthread_mutex_lock(&cache->lock);
	for (item = cache->oldest; item; item = item->newer)
		oldest = !oldest || item->id < oldest ? item->id : oldest;
	pthread_mutex_unlock(&cache->lock);
	rc = sl_db_prepare(cache->db, "DELETE FROM entries WHERE id < ?1", &erase, error);
	if (rc < 0)
		return rc;
	sl_db_bind_i64(erase, 1, (int64_t)oldest);
	rc = sl_db_once(erase, error);
	sl_db_finish(&erase);
	return rc;
}

/*
 * The next rows behind *after, up to `last`: what is newer was written by this process and is in memory.
 * The lock is let go between two batches, so kept answers wait for one at most. Returns how many, or
 * -errno. Under disk_lock.
 */
static int read_batch(struct sl_semantic *cache, uint64_t *after, uint64_t last,
		      struct sl_error *error)
{
	struct sl_db_statement *rows;
	int count = 0, rc;

	rc = sl_db_prepare(cache->db,
			   "SELECT id, fingerprint, model, tenant, route, version, born_ms, "
			   "question, answer, vector FROM entries WHERE id > ?1 AND id <= ?2 "
			   "ORDER BY id LIMIT ?3",
			   &rows, error);
	if (rc < 0)
		return rc;
	sl_db_bind_i64(rows, 1, (int64_t)*after);
	sl_db_bind_i64(rows, 2, (int64_t)last);
	sl_db_bind_i64(rows, 3, BATCH_ROWS);
	while ((rc = sl_db_step(rows, error)) == 1) {
		struct sl_semantic_gone gone = {0};

		*after = (uint64_t)sl_db_i64(rows, 0);
		if (!sl_semantic_has(cache, *after))
			take_row(cache, rows, &gone);
		count++;
	}
	sl_db_finish(&rows);
	return rc < 0 ? rc : count;
}

/* Before anything is written: the last row that was there. Under disk_lock. */
static int find_last(struct sl_semantic *cache, uint64_t *ret_last, struct sl_error *error)
{
	struct sl_db_statement *row;
	int rc = sl_db_prepare(cache->db, "SELECT coalesce(max(id), 0) FROM entries", &row, error);

	if (rc < 0)
		return rc;
	rc = sl_db_step(row, error);
	if (rc == 1)
		*ret_last = (uint64_t)sl_db_i64(row, 0);
	sl_db_finish(&row);
	return rc < 0 ? rc : 0;
}

static void read_rows(struct sl_semantic *cache, uint64_t last)
{
	struct sl_error error = {""};
	uint64_t after = 0;
	int count;

	do {
		pthread_mutex_lock(&cache->disk_lock);
		count = cache->db ? read_batch(cache, &after, last, &error) : 0;
		if (count == 0 && cache->db)
			count = erase_older(cache, &error);
		if (count < 0)
			give_up(cache, &error);
		pthread_mutex_unlock(&cache->disk_lock);
	} while (count > 0);
}

void sl_semantic_load(struct sl_semantic *cache)
{
	struct sl_error error = {""};
	uint64_t last = 0;
	int rc;

	if (!cache->path)
		return;
	pthread_mutex_lock(&cache->disk_lock);
	rc = sl_db_open(cache->path, &options, &cache->db, &error);
	if (rc == 0)
		rc = sl_db_prepare(cache->db,
				   "INSERT OR REPLACE INTO entries VALUES "
				   "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
				   &cache->insert, &error);
	if (rc == 0)
		rc = sl_db_prepare(cache->db, "DELETE FROM entries WHERE id = ?1", &cache->erase,
				   &error);
	if (rc == 0)
		rc = find_last(cache, &last, &error);
	if (rc < 0)
		give_up(cache, &error);
	pthread_mutex_unlock(&cache->disk_lock);
	if (rc == 0)
		read_rows(cache, last);
}
