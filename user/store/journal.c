/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/base/random.h"
#include "user/store/db.h"

#define APPLICATION_ID 0x736c6a6eu /* "sljn" */

static const char *const steps[] = {
	"CREATE TABLE rows (seq INTEGER PRIMARY KEY AUTOINCREMENT, number INTEGER NOT NULL,"
	" at INTEGER NOT NULL, text TEXT NOT NULL);"
	"CREATE INDEX rows_number ON rows (number);"
	/* history is not rewritten; what is too old goes as a whole */
	"CREATE TRIGGER rows_stay BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'rows are only"
	" added'); END;"
	"CREATE TABLE kept (name TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL);",
};

/* What waits. */
struct item {
	struct item *next;
	uint64_t number, at_ms;
	bool is_value; /* name, 0, bytes; else the text */
	size_t name_len, len;
	char data[];
};

struct sl_journal {
	char *path; /* NULL: nothing is kept */
	const char *what;
	uint64_t before_ms;
	const struct sl_journal_reader *reader; /* until it has been read */
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake, was_read;
	struct item *first, **end;
	size_t bytes;
	struct sl_journal_stats stats;
	bool stop, read;

	/* of its thread alone */
	struct sl_db *db;
	struct sl_db_statement *add, *keep, *mine;
	int64_t token;
};

/* ---- the file, on its thread ----------------------------------------------------------------- */

static void close_file(struct sl_journal *journal)
{
	sl_db_finish(&journal->add);
	sl_db_finish(&journal->keep);
	sl_db_finish(&journal->mine);
	sl_db_close(&journal->db);
}

static int prune(struct sl_journal *journal, struct sl_error *error)
{
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(journal->db,
			       "DELETE FROM rows WHERE number IN (SELECT number FROM rows GROUP BY "
			       "number HAVING max(at) < ?1)",
			       &statement, error);

	if (rc)
		return rc;
	sl_db_bind_i64(statement, 1, (int64_t)journal->before_ms);
	rc = sl_db_once(statement, error);
	sl_db_finish(&statement);
	return rc;
}

static int own(struct sl_journal *journal, struct sl_error *error)
{
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(journal->db,
			       "INSERT OR REPLACE INTO owner (one, token) VALUES (1, ?1)",
			       &statement, error);

	if (rc)
		return rc;
	sl_db_bind_i64(statement, 1, journal->token);
	rc = sl_db_once(statement, error);
	sl_db_finish(&statement);
	return rc;
}

static int open_file(struct sl_journal *journal, struct sl_error *error)
{
	const struct sl_db_options options = {
		.application_id = APPLICATION_ID,
		.kind = journal->what,
		.steps = steps,
		.step_count = sizeof(steps) / sizeof(steps[0]),
		.sync = SL_DB_SYNC_NORMAL,
	};
	int rc = sl_db_open(journal->path, &options, &journal->db, error);

	if (!rc)
		rc = own(journal, error);
	if (!rc)
		rc = sl_db_prepare(journal->db,
				   "INSERT INTO rows (number, at, text) VALUES (?1, ?2, ?3)",
				   &journal->add, error);
	if (!rc)
		rc = sl_db_prepare(journal->db,
				   "INSERT OR REPLACE INTO kept (name, bytes) VALUES (?1, ?2)",
				   &journal->keep, error);
	if (!rc)
		rc = sl_db_prepare(journal->db, "SELECT 1 FROM owner WHERE token = ?1",
				   &journal->mine, error);
	if (rc)
		close_file(journal);
	return rc;
}

static int read_rows(struct sl_journal *journal, struct sl_error *error)
{
	const struct sl_journal_reader *reader = journal->reader;
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(journal->db,
			       "SELECT number, at, text FROM rows WHERE seq > (SELECT "
			       "coalesce(max(seq), 0) FROM rows) - ?1 ORDER BY seq",
			       &statement, error);

	if (rc)
		return rc;
	sl_db_bind_i64(statement, 1, SL_JOURNAL_ROWS_MAX);
	while ((rc = sl_db_step(statement, error)) == 1)
		reader->row(reader->owner, (uint64_t)sl_db_i64(statement, 0),
			    (uint64_t)sl_db_i64(statement, 1), sl_db_text(statement, 2));
	sl_db_finish(&statement);
	return rc;
}

static int read_values(struct sl_journal *journal, struct sl_error *error)
{
	const struct sl_journal_reader *reader = journal->reader;
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(journal->db, "SELECT name, bytes FROM kept ORDER BY name",
			       &statement, error);

	if (rc)
		return rc;
	while ((rc = sl_db_step(statement, error)) == 1)
		reader->value(reader->owner, sl_db_text(statement, 0), sl_db_blob(statement, 1));
	sl_db_finish(&statement);
	return rc;
}

static int read_file(struct sl_journal *journal, struct sl_error *error)
{
	int rc = open_file(journal, error);

	if (!rc && journal->before_ms)
		rc = prune(journal, error);
	if (!rc && journal->reader->row)
		rc = read_rows(journal, error);
	if (!rc && journal->reader->value)
		rc = read_values(journal, error);
	if (rc)
		close_file(journal);
	return rc;
}

static int write_item(struct sl_journal *journal, const struct item *item, struct sl_error *error)
{
	struct sl_db_statement *statement = item->is_value ? journal->keep : journal->add;
	int rc;

	if (item->is_value) {
		sl_db_bind_text(statement, 1, sl_span_make(item->data, item->name_len));
		sl_db_bind_blob(statement, 2, item->data + item->name_len + 1, item->len);
	} else {
		sl_db_bind_i64(statement, 1, (int64_t)item->number);
		sl_db_bind_i64(statement, 2, (int64_t)item->at_ms);
		sl_db_bind_text(statement, 3, sl_span_make(item->data, item->len));
	}
	rc = sl_db_once(statement, error);
	sl_db_reset(statement);
	return rc;
}

/* All of it, or nothing. */
static int write_items(struct sl_journal *journal, const struct item *items, struct sl_error *error)
{
	int rc = journal->db ? 0 : open_file(journal, error);
	bool mine;

	if (rc)
		return rc;
	rc = sl_db_begin(journal->db, error);
	if (rc)
		return rc;
	sl_db_bind_i64(journal->mine, 1, journal->token);
	rc = sl_db_step(journal->mine, error);
	mine = rc == 1;
	sl_db_reset(journal->mine);
	for (rc = rc < 0 ? rc : 0; items && mine && !rc; items = items->next)
		rc = write_item(journal, items, error);
	if (rc) {
		sl_db_rollback(journal->db);
		return rc;
	}
	return sl_db_commit(journal->db, error);
}

/* ---- its thread ------------------------------------------------------------------------------ */

static void say(struct sl_journal *journal, int rc, const struct sl_error *error)
{
	bool was_failing = journal->stats.failing; /* which this thread alone sets */

	if ((rc != 0) != was_failing)
		sl_notice_tell_store(journal->what, rc != 0,
				     !rc	      ? ""
				     : error->text[0] ? error->text
						      : strerror(-rc));
	pthread_mutex_lock(&journal->lock);
	journal->stats.failing = rc != 0;
	journal->stats.failures += rc != 0;
	pthread_mutex_unlock(&journal->lock);
	if (rc && !was_failing)
		sl_log(SL_LOG_ERROR, "%s: NOT KEPT: %s: %s: it stays in memory, and is tried again",
		       journal->what, journal->path, error->text[0] ? error->text : strerror(-rc));
	else if (!rc && was_failing)
		sl_log(SL_LOG_WARN, "%s: %s is written again", journal->what, journal->path);
}

static size_t free_items(struct item *item)
{
	size_t count = 0;

	while (item) {
		struct item *next = item->next;

		free(item);
		item = next;
		count++;
	}
	return count;
}

/* Waits for work, or for the time of a new try. Returns what waits; NULL with stop: the end. */
static struct item *take(struct sl_journal *journal, bool after_failure)
{
	struct timespec until;
	struct item *items;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += SL_JOURNAL_RETRY_MS / 1000u;
	pthread_mutex_lock(&journal->lock);
	while (after_failure && !journal->stop &&
	       pthread_cond_timedwait(&journal->wake, &journal->lock, &until) != ETIMEDOUT)
		;
	while (!journal->first && !journal->stop)
		pthread_cond_wait(&journal->wake, &journal->lock);
	items = journal->first;
	journal->first = NULL;
	journal->end = &journal->first;
	pthread_mutex_unlock(&journal->lock);
	return items;
}

/* Behind what has come meanwhile there is only what is newer. */
static void put_back(struct sl_journal *journal, struct item *items)
{
	struct item **end = &items;

	while (*end)
		end = &(*end)->next;
	pthread_mutex_lock(&journal->lock);
	*end = journal->first;
	if (!journal->first)
		journal->end = end;
	journal->first = items;
	pthread_mutex_unlock(&journal->lock);
}

static void count_done(struct sl_journal *journal, struct item *items, bool written)
{
	size_t bytes = 0, count;

	for (const struct item *item = items; item; item = item->next)
		bytes += item->len;
	count = free_items(items);
	pthread_mutex_lock(&journal->lock);
	journal->bytes -= bytes;
	journal->stats.pending -= (uint32_t)count;
	journal->stats.written += written ? count : 0;
	journal->stats.lost += written ? 0 : count;
	pthread_mutex_unlock(&journal->lock);
	if (!written)
		sl_log(SL_LOG_ERROR, "%s: %zu changes are lost: the daemon ends", journal->what,
		       count);
}

static bool is_stopped(struct sl_journal *journal)
{
	bool stop;

	pthread_mutex_lock(&journal->lock);
	stop = journal->stop;
	pthread_mutex_unlock(&journal->lock);
	return stop;
}

static void *run(void *arg)
{
	struct sl_journal *journal = arg;
	struct sl_error error = {{0}};
	struct item *items;
	bool failed = false;
	int rc = read_file(journal, &error);

	say(journal, rc, &error);
	pthread_mutex_lock(&journal->lock);
	journal->read = true;
	journal->reader = NULL;
	pthread_cond_signal(&journal->was_read);
	pthread_mutex_unlock(&journal->lock);
	while ((items = take(journal, failed))) {
		error.text[0] = 0;
		rc = write_items(journal, items, &error);
		failed = rc != 0;
		say(journal, rc, &error);
		if (!failed)
			count_done(journal, items, true);
		else if (is_stopped(journal))
			count_done(journal, items, false);
		else
			put_back(journal, items);
	}
	close_file(journal);
	return NULL;
}

/* ---- who writes ------------------------------------------------------------------------------ */

/* Under the lock. The item of that name that waits, unlinked. */
static struct item *unlink_value(struct sl_journal *journal, const char *name)
{
	struct item **at = &journal->first;

	while (*at && !((*at)->is_value && !strcmp((*at)->data, name)))
		at = &(*at)->next;
	if (*at) {
		struct item *item = *at;

		*at = item->next;
		if (!*at)
			journal->end = at;
		return item;
	}
	return NULL;
}

static void put(struct sl_journal *journal, struct item *item)
{
	struct item *old;

	pthread_mutex_lock(&journal->lock);
	old = item->is_value ? unlink_value(journal, item->data) : NULL;
	if (old) {
		journal->bytes -= old->len;
		journal->stats.pending--;
		free(old);
	}
	if (journal->stats.pending >= SL_JOURNAL_PENDING_MAX ||
	    journal->bytes + item->len > SL_JOURNAL_BYTES_MAX) {
		journal->stats.lost++;
		pthread_mutex_unlock(&journal->lock);
		free(item);
		return;
	}
	journal->bytes += item->len;
	journal->stats.pending++;
	*journal->end = item;
	journal->end = &item->next;
	pthread_cond_signal(&journal->wake);
	pthread_mutex_unlock(&journal->lock);
}

static struct item *make(struct sl_journal *journal, size_t name_len, size_t len)
{
	struct item *item = calloc(1, sizeof(*item) + name_len + 1 + len);

	if (item) {
		item->name_len = name_len;
		item->len = len;
		return item;
	}
	pthread_mutex_lock(&journal->lock);
	journal->stats.lost++;
	pthread_mutex_unlock(&journal->lock);
	return NULL;
}

void sl_journal_add(struct sl_journal *journal, uint64_t number, uint64_t at_ms,
		    struct sl_span text)
{
	struct item *item;

	if (!journal || !journal->path)
		return;
	item = make(journal, 0, text.len);
	if (!item)
		return;
	item->number = number;
	item->at_ms = at_ms;
	memcpy(item->data, text.data, text.len);
	put(journal, item);
}

void sl_journal_keep(struct sl_journal *journal, const char *name, const void *bytes, size_t len)
{
	struct item *item;

	if (!journal || !journal->path)
		return;
	item = make(journal, strlen(name), len);
	if (!item)
		return;
	item->is_value = true;
	memcpy(item->data, name, item->name_len);
	memcpy(item->data + item->name_len + 1, bytes, len);
	put(journal, item);
}

void sl_journal_read_stats(struct sl_journal *journal, struct sl_journal_stats *ret_stats)
{
	memset(ret_stats, 0, sizeof(*ret_stats));
	if (!journal)
		return;
	pthread_mutex_lock(&journal->lock);
	*ret_stats = journal->stats;
	pthread_mutex_unlock(&journal->lock);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void init(struct sl_journal *journal)
{
	pthread_condattr_t attributes;

	journal->end = &journal->first;
	pthread_mutex_init(&journal->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&journal->wake, &attributes);
	pthread_cond_init(&journal->was_read, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void destroy(struct sl_journal *journal)
{
	free_items(journal->first);
	pthread_cond_destroy(&journal->wake);
	pthread_cond_destroy(&journal->was_read);
	pthread_mutex_destroy(&journal->lock);
	free(journal->path);
	free(journal);
}

int sl_journal_open(const char *path, const char *what, uint64_t before_ms,
		    const struct sl_journal_reader *reader, struct sl_journal **ret_journal)
{
	struct sl_journal *journal = calloc(1, sizeof(*journal));
	sigset_t all, before;
	int rc;

	if (!journal)
		return -ENOMEM;
	init(journal);
	journal->what = what;
	journal->before_ms = before_ms;
	journal->reader = reader;
	journal->path = path ? strdup(path) : NULL;
	rc = path && !journal->path ? -ENOMEM : 0;
	if (!rc)
		rc = sl_random_secure(&journal->token, sizeof(journal->token));
	if (!rc && path) {
		sigfillset(&all); /* signals are the control thread's */
		pthread_sigmask(SIG_SETMASK, &all, &before);
		rc = -pthread_create(&journal->thread, NULL, run, journal);
		pthread_sigmask(SIG_SETMASK, &before, NULL);
	}
	if (rc) {
		destroy(journal);
		return rc;
	}
	pthread_mutex_lock(&journal->lock);
	while (path && !journal->read)
		pthread_cond_wait(&journal->was_read, &journal->lock);
	pthread_mutex_unlock(&journal->lock);
	*ret_journal = journal;
	return 0;
}

void sl_journal_close(struct sl_journal **journal_ref)
{
	struct sl_journal *journal = *journal_ref;

	*journal_ref = NULL;
	if (!journal)
		return;
	if (journal->path) {
		pthread_mutex_lock(&journal->lock);
		journal->stop = true;
		pthread_cond_signal(&journal->wake);
		pthread_mutex_unlock(&journal->lock);
		pthread_join(journal->thread, NULL);
	}
	destroy(journal);
}
