/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/io/loop.h"

#define PROGRESS_STEPS 2000 /* of SQLite's machine between two looks at the clock */

struct sl_db {
	sqlite3 *handle;
	uint64_t deadline_ns;
	char *path;
	const char *kind;
};

struct sl_db_statement {
	sqlite3_stmt *handle;
	struct sl_db *db;
	int bind_rc; /* the first bind that failed since the last reset */
};

/* A call here may wait for the disk, and a loop that waits stops every request of its thread. */
static void assert_worker(void)
{
	assert(!sl_loop_is_here());
}

static int code_of(const struct sl_db *db, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
		return 0;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return -EBADMSG;
	case SQLITE_CONSTRAINT:
		return -EEXIST;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_INTERRUPT:
		return db->deadline_ns != 0 && sl_clock_ns() >= db->deadline_ns ? -ETIMEDOUT
										: -EINTR;
	case SQLITE_CANTOPEN: {
		int cause = db->handle != NULL ? sqlite3_system_errno(db->handle) : 0;

		return cause != 0 ? -cause : -ENOENT;
	}
	case SQLITE_IOERR:
		return -EIO;
	default:
		return -EINVAL;
	}
}

static int failed(const struct sl_db *db, int rc, struct sl_error *error)
{
	int code = code_of(db, rc);

	if (code == -ETIMEDOUT)
		return sl_error_set(error, code, "%s \"%s\": took longer than its time", db->kind,
				    db->path);
	return sl_error_set(error, code, "%s \"%s\": %s", db->kind, db->path,
			    db->handle != NULL ? sqlite3_errmsg(db->handle) : sqlite3_errstr(rc));
}

static int look_at_clock(void *arg)
{
	const struct sl_db *db = arg;

	return sl_clock_ns() >= db->deadline_ns;
}

void sl_db_set_deadline(struct sl_db *db, uint64_t deadline_ns)
{
	db->deadline_ns = deadline_ns;
	sqlite3_progress_handler(db->handle, PROGRESS_STEPS,
				 deadline_ns != 0 ? look_at_clock : NULL, db);
}

void sl_db_interrupt(struct sl_db *db)
{
	sqlite3_interrupt(db->handle);
}

/* ---- open ------------------------------------------------------------------------------------ */

int sl_db_run(struct sl_db *db, const char *sql, struct sl_error *error)
{
	int rc;

	assert_worker();
	rc = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : failed(db, rc, error);
}

__attribute__((format(printf, 3, 4))) static int
run_format(struct sl_db *db, struct sl_error *error, const char *format, ...)
{
	char memory[256];
	struct sl_text sql;
	va_list args;

	sl_text_init_fixed(&sql, memory, sizeof(memory));
	va_start(args, format);
	sl_text_vprintf(&sql, format, args);
	va_end(args);
	assert(!sql.error);
	return sl_db_run(db, sl_text_string(&sql), error);
}

static int ask_number(struct sl_db *db, const char *sql, int64_t *ret_value, struct sl_error *error)
{
	struct sl_db_statement *statement;
	int rc = sl_db_prepare(db, sql, &statement, error);

	if (rc)
		return rc;
	rc = sl_db_step(statement, error);
	if (rc == 1) {
		*ret_value = sl_db_i64(statement, 0);
		rc = 0;
	}
	sl_db_finish(&statement);
	return rc;
}

struct form {
	int64_t application_id;
	int64_t version;
	int64_t tables;
};

static int read_form(struct sl_db *db, struct form *ret_form, struct sl_error *error)
{
	int rc = ask_number(db, "PRAGMA application_id", &ret_form->application_id, error);

	if (!rc)
		rc = ask_number(db, "PRAGMA user_version", &ret_form->version, error);
	if (!rc)
		rc = ask_number(db, "SELECT count(*) FROM sqlite_schema", &ret_form->tables, error);
	return rc;
}

static bool is_empty(const struct form *form)
{
	return form->application_id == 0 && form->version == 0 && form->tables == 0;
}

/* Whether the file is ours to read; *ret_first is the first step that it lacks. */
static int judge_form(struct sl_db *db, const struct sl_db_options *options,
		      const struct form *form, uint32_t *ret_first, struct sl_error *error)
{
	*ret_first = 0;
	if (is_empty(form))
		return options->read_only ? sl_error_set(error, -EBADMSG, "%s \"%s\": is empty",
							 db->kind, db->path)
					  : 0;
	if (form->application_id != (int64_t)options->application_id)
		return sl_error_set(error, -EPROTO,
				    "%s \"%s\": is a database of another kind (application_id "
				    "%" PRId64 ", expected %" PRIu32 "); give another path",
				    db->kind, db->path, form->application_id,
				    options->application_id);
	if (form->version > (int64_t)options->step_count || form->version < 1)
		return sl_error_set(error, -EPROTO,
				    "%s \"%s\": was written by another sluice (form %" PRId64
				    ", this one knows up to %" PRIu32
				    "); upgrade sluice or make it "
				    "anew",
				    db->kind, db->path, form->version, options->step_count);
	if (options->read_only && form->version < (int64_t)options->step_count)
		return sl_error_set(error, -EPROTO,
				    "%s \"%s\": has the older form %" PRId64 " (this sluice reads "
				    "%" PRIu32 "); make it anew",
				    db->kind, db->path, form->version, options->step_count);
	*ret_first = (uint32_t)form->version;
	return 0;
}

/* Runs the steps that the file lacks. Its form is read again under the lock: another may be first. */
static int bring_up(struct sl_db *db, const struct sl_db_options *options, struct sl_error *error)
{
	struct form form;
	uint32_t first = 0;
	int rc = read_form(db, &form, error);

	if (!rc)
		rc = judge_form(db, options, &form, &first, error);
	if (rc || options->read_only || first == options->step_count)
		return rc;
	rc = sl_db_begin(db, error);
	if (rc)
		return rc;
	rc = read_form(db, &form, error);
	if (!rc)
		rc = judge_form(db, options, &form, &first, error);
	for (uint32_t i = first; !rc && i < options->step_count; i++)
		rc = sl_db_run(db, options->steps[i], error);
	if (!rc)
		rc = run_format(db, error,
				"PRAGMA application_id=%" PRIu32 ";PRAGMA user_version=%" PRIu32,
				options->application_id, options->step_count);
	if (rc) {
		sl_db_rollback(db);
		return rc;
	}
	return sl_db_commit(db, error);
}

static int set_up(struct sl_db *db, const struct sl_db_options *options, struct sl_error *error)
{
	static const char *const syncs[] = {[SL_DB_SYNC_FULL] = "FULL",
					    [SL_DB_SYNC_NORMAL] = "NORMAL",
					    [SL_DB_SYNC_OFF] = "OFF"};
	uint32_t busy_ms = options->busy_ms ? options->busy_ms : SL_DB_BUSY_MS_DEFAULT;
	int rc;

	sqlite3_extended_result_codes(db->handle, 1);
	sqlite3_busy_timeout(db->handle, (int)busy_ms);
	sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, (int)SL_DB_VALUE_BYTES_MAX);
	sqlite3_limit(db->handle, SQLITE_LIMIT_ATTACHED, 0);
	/* What a file brings with it (triggers, views) must not do more than tables do. */
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	rc = sl_db_run(db,
		       "PRAGMA cell_size_check=ON;PRAGMA foreign_keys=ON;PRAGMA temp_store=MEMORY",
		       error);
	if (!rc && options->cache_bytes)
		rc = run_format(db, error, "PRAGMA cache_size=-%" PRIu64,
				options->cache_bytes / 1024 + 1);
	if (!rc && options->mmap_bytes)
		rc = run_format(db, error, "PRAGMA mmap_size=%" PRIu64, options->mmap_bytes);
	if (rc || options->read_only)
		return rc;
	return run_format(db, error, "PRAGMA synchronous=%s", syncs[options->sync]);
}

/* Only once the file is known to be ours: it is written to the file's head. */
static int set_journal(struct sl_db *db, const struct sl_db_options *options,
		       struct sl_error *error)
{
	if (options->read_only)
		return 0;
	return sl_db_run(db,
			 options->journal == SL_DB_JOURNAL_WAL ? "PRAGMA journal_mode=WAL"
							       : "PRAGMA journal_mode=DELETE",
			 error);
}

/* The file exists with mode 0600 before SQLite would make it for everybody to read. */
static int make_file(const char *path, const char *kind, struct sl_error *error)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return sl_error_set_errno(error, -errno, "%s \"%s\": cannot be opened", kind, path);
	close(fd);
	return 0;
}

int sl_db_open(const char *path, const struct sl_db_options *options, struct sl_db **ret_db,
	       struct sl_error *error)
{
	struct sl_db *db;
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE |
		    (options->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	int rc;

	assert_worker();
	assert(options->application_id != 0 && options->step_count >= 1);
	rc = options->read_only ? 0 : make_file(path, options->kind, error);
	if (rc)
		return rc;
	db = calloc(1, sizeof(*db));
	if (db == NULL)
		return sl_error_set_errno(error, -ENOMEM, "%s \"%s\"", options->kind, path);
	db->kind = options->kind;
	db->path = strdup(path);
	if (db->path == NULL) {
		free(db);
		return sl_error_set_errno(error, -ENOMEM, "%s \"%s\"", options->kind, path);
	}
	rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
	if (rc != SQLITE_OK)
		rc = failed(db, rc, error);
	if (!rc)
		rc = set_up(db, options, error);
	if (!rc)
		rc = bring_up(db, options, error);
	if (!rc)
		rc = set_journal(db, options, error);
	if (rc) {
		sl_db_close(&db);
		return rc;
	}
	*ret_db = db;
	return 0;
}

void sl_db_close(struct sl_db **db)
{
	int rc;

	if (*db == NULL)
		return;
	assert_worker();
	rc = sqlite3_close((*db)->handle);
	assert(rc == SQLITE_OK); /* else a statement is still open: a bug of the caller */
	free((*db)->path);
	free(*db);
	*db = NULL;
}

/* ---- transactions ---------------------------------------------------------------------------- */

int sl_db_begin(struct sl_db *db, struct sl_error *error)
{
	assert(sqlite3_get_autocommit(db->handle));
	return sl_db_run(db, "BEGIN IMMEDIATE", error);
}

int sl_db_commit(struct sl_db *db, struct sl_error *error)
{
	int rc = sl_db_run(db, "COMMIT", error);

	if (rc)
		sl_db_rollback(db);
	return rc;
}

void sl_db_rollback(struct sl_db *db)
{
	uint64_t deadline_ns = db->deadline_ns;

	if (sqlite3_get_autocommit(db->handle))
		return;
	sl_db_set_deadline(db, 0); /* whatever made the caller give up must not end this too */
	sl_db_run(db, "ROLLBACK", NULL);
	sl_db_set_deadline(db, deadline_ns);
}

int64_t sl_db_last_id(const struct sl_db *db)
{
	return sqlite3_last_insert_rowid(db->handle);
}

uint64_t sl_db_changes(const struct sl_db *db)
{
	return (uint64_t)sqlite3_changes64(db->handle);
}

int sl_db_check(struct sl_db *db, struct sl_error *error)
{
	struct sl_db_statement *statement;
	struct sl_span first;
	int rc = sl_db_prepare(db, "PRAGMA integrity_check(1)", &statement, error);

	if (rc)
		return rc;
	rc = sl_db_step(statement, error);
	if (rc == 1) {
		first = sl_db_text(statement, 0);
		rc = sl_span_equal(first, SL_SPAN("ok"))
			     ? 0
			     : sl_error_set(error, -EBADMSG, "%s \"%s\": is damaged: %.*s",
					    db->kind, db->path, (int)first.len, first.data);
	} else if (rc == 0) {
		rc = sl_error_set(error, -EBADMSG, "%s \"%s\": cannot be checked", db->kind,
				  db->path);
	}
	sl_db_finish(&statement);
	return rc;
}

/* ---- statements ------------------------------------------------------------------------------ */

int sl_db_prepare(struct sl_db *db, const char *sql, struct sl_db_statement **ret_statement,
		  struct sl_error *error)
{
	struct sl_db_statement *statement = calloc(1, sizeof(*statement));
	int rc;

	assert_worker();
	if (statement == NULL)
		return sl_error_set_errno(error, -ENOMEM, "%s \"%s\"", db->kind, db->path);
	statement->db = db;
	rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement->handle,
				NULL);
	if (rc != SQLITE_OK) {
		free(statement);
		return failed(db, rc, error);
	}
	*ret_statement = statement;
	return 0;
}

void sl_db_finish(struct sl_db_statement **statement)
{
	if (*statement == NULL)
		return;
	sqlite3_finalize((*statement)->handle);
	free(*statement);
	*statement = NULL;
}

static void bound(struct sl_db_statement *statement, int rc)
{
	assert(rc != SQLITE_RANGE && rc != SQLITE_MISUSE);
	if (rc != SQLITE_OK && statement->bind_rc == SQLITE_OK)
		statement->bind_rc = rc;
}

void sl_db_bind_i64(struct sl_db_statement *statement, int index, int64_t value)
{
	bound(statement, sqlite3_bind_int64(statement->handle, index, value));
}

void sl_db_bind_real(struct sl_db_statement *statement, int index, double value)
{
	bound(statement, sqlite3_bind_double(statement->handle, index, value));
}

void sl_db_bind_text(struct sl_db_statement *statement, int index, struct sl_span text)
{
	bound(statement, sqlite3_bind_text64(statement->handle, index, text.data ? text.data : "",
					     text.len, SQLITE_TRANSIENT, SQLITE_UTF8));
}

void sl_db_bind_blob(struct sl_db_statement *statement, int index, const void *data, size_t len)
{
	bound(statement, sqlite3_bind_blob64(statement->handle, index, len ? data : "", len,
					     SQLITE_TRANSIENT));
}

void sl_db_bind_blob_borrow(struct sl_db_statement *statement, int index, const void *data,
			    size_t len)
{
	bound(statement,
	      sqlite3_bind_blob64(statement->handle, index, len ? data : "", len, SQLITE_STATIC));
}

void sl_db_bind_null(struct sl_db_statement *statement, int index)
{
	bound(statement, sqlite3_bind_null(statement->handle, index));
}

int sl_db_step(struct sl_db_statement *statement, struct sl_error *error)
{
	struct sl_db *db = statement->db;
	int rc = statement->bind_rc, code;

	assert_worker();
	if (rc != SQLITE_OK)
		return sl_error_set(error, code_of(db, rc),
				    "%s \"%s\": a value cannot be stored: %s", db->kind, db->path,
				    sqlite3_errstr(rc));
	rc = sqlite3_step(statement->handle);
	if (rc == SQLITE_ROW)
		return 1;
	code = rc == SQLITE_DONE ? 0 : failed(db, rc, error);
	sqlite3_reset(statement->handle);
	return code;
}

int sl_db_once(struct sl_db_statement *statement, struct sl_error *error)
{
	int rc = sl_db_step(statement, error);

	sl_db_reset(statement);
	return rc < 0 ? rc : 0;
}

void sl_db_reset(struct sl_db_statement *statement)
{
	sqlite3_reset(statement->handle);
	sqlite3_clear_bindings(statement->handle);
	statement->bind_rc = SQLITE_OK;
}

int64_t sl_db_i64(struct sl_db_statement *statement, int column)
{
	return sqlite3_column_int64(statement->handle, column);
}

double sl_db_real(struct sl_db_statement *statement, int column)
{
	return sqlite3_column_double(statement->handle, column);
}

struct sl_span sl_db_text(struct sl_db_statement *statement, int column)
{
	const char *data = (const char *)sqlite3_column_text(statement->handle, column);
	int len = sqlite3_column_bytes(statement->handle, column);

	return data != NULL ? sl_span_make(data, (size_t)len) : sl_span_make("", 0);
}

struct sl_span sl_db_blob(struct sl_db_statement *statement, int column)
{
	const char *data = sqlite3_column_blob(statement->handle, column);
	int len = sqlite3_column_bytes(statement->handle, column);

	return data != NULL ? sl_span_make(data, (size_t)len) : sl_span_make("", 0);
}

bool sl_db_is_null(struct sl_db_statement *statement, int column)
{
	return sqlite3_column_type(statement->handle, column) == SQLITE_NULL;
}
