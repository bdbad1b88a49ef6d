/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * db.h - an embedded database file: the only wrapper of SQLite.
 *
 * A file carries whose it is (application_id) and which form its tables have (user_version). A file
 * of somebody else or of a newer sluice is refused before anything is written to it; one of an older
 * form is brought up by the steps it lacks, in one transaction: a crash leaves the old form or the
 * new one.
 *
 *	file                            read-write             read-only
 *	absent or empty                 made, all steps        -ENOENT, -EBADMSG
 *	application_id of another       -EPROTO                -EPROTO
 *	user_version over step_count    -EPROTO                -EPROTO
 *	user_version under step_count   the steps it lacks     -EPROTO
 *	not a database, torn            -EBADMSG               -EBADMSG
 *
 * Threads: a database and its statements belong to one thread at a time, and never to one that runs
 * a loop: every call may wait for the disk. That is asserted. Text and blobs that a row gives are
 * borrowed until the statement's next step, reset or close.
 */
#ifndef SL_STORE_DB_H
#define SL_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/error.h"
#include "user/base/text.h"

#define SL_DB_BUSY_MS_DEFAULT 2000u
#define SL_DB_VALUE_BYTES_MAX (64u << 20) /* of one text or blob; more is refused with -E2BIG */

struct sl_db;
struct sl_db_statement;

/* What a commit waits for. A crash of the daemon loses nothing with any of them. */
enum sl_db_sync {
	SL_DB_SYNC_FULL = 0, /* a commit survives a loss of power */
	SL_DB_SYNC_NORMAL,   /* a loss of power may undo the last commits, whole; nothing is torn */
	SL_DB_SYNC_OFF	     /* a loss of power may tear the file: only for what is made anew */
};

/* How changes reach the file. */
enum sl_db_journal {
	SL_DB_JOURNAL_WAL = 0, /* readers do not wait for the writer; two more files beside it */
	SL_DB_JOURNAL_FILE     /* one file once it is closed, which may then be moved or copied */
};

struct sl_db_options {
	uint32_t application_id;  /* not 0 */
	const char *kind;	  /* for errors: "index" */
	const char *const *steps; /* SQL; steps[i] takes form i to form i + 1 */
	uint32_t step_count;	  /* the form this program writes; >= 1 */
	enum sl_db_sync sync;
	enum sl_db_journal journal;
	bool read_only;	      /* the file is opened as it is; sync and journal have no effect */
	uint32_t busy_ms;     /* longest wait for another's lock; 0: SL_DB_BUSY_MS_DEFAULT */
	uint64_t cache_bytes; /* pages kept in memory; 0: SQLite's default (2 MB) */
	uint64_t mmap_bytes;  /* of the file read through a mapping; 0: none */
};

/*
 * Opens and, unless read-only, makes (mode 0600) the file. Returns 0 or a negative code of the table
 * above, -EBUSY (locked longer than busy_ms), -ENOSPC, -EROFS, -EACCES, -EIO, -ENOMEM.
 */
int sl_db_open(const char *path, const struct sl_db_options *options, struct sl_db **ret_db,
	       struct sl_error *error);

/* Statements must be closed before. An open transaction is rolled back. Nulls *db; NULL is fine. */
void sl_db_close(struct sl_db **db);

/*
 * Calls that run longer than this moment end with -ETIMEDOUT (looked at every few thousand steps of
 * SQLite's machine, about 0.1 ms). 0: no deadline, the state after open.
 */
void sl_db_set_deadline(struct sl_db *db, uint64_t deadline_ns);

/* Any thread: the call that runs now on the database ends soon with -EINTR. */
void sl_db_interrupt(struct sl_db *db);

/* Runs one or more statements that give no rows. Codes as of sl_db_step(). */
int sl_db_run(struct sl_db *db, const char *sql, struct sl_error *error);

/* Immediate (takes the write lock, waits busy_ms). Not nested. */
int sl_db_begin(struct sl_db *db, struct sl_error *error);
/* On failure the transaction is rolled back. */
int sl_db_commit(struct sl_db *db, struct sl_error *error);
/* No effect outside of a transaction. */
void sl_db_rollback(struct sl_db *db);

/* Of the last insertion; rows changed by the last statement. */
int64_t sl_db_last_id(const struct sl_db *db);
uint64_t sl_db_changes(const struct sl_db *db);

/*
 * Reads every page and index. 0, or -EBADMSG with the first thing that is wrong. Time grows with the
 * file: about 1 s for 500 MB.
 */
int sl_db_check(struct sl_db *db, struct sl_error *error);

/* ---- statements ------------------------------------------------------------------------------ */

/* -EINVAL: the SQL is wrong, which is a bug here, or a table is not what it should be. */
int sl_db_prepare(struct sl_db *db, const char *sql, struct sl_db_statement **ret_statement,
		  struct sl_error *error);
void sl_db_finish(struct sl_db_statement **statement); /* nulls it; NULL is fine */

/*
 * Values of the ?1, ?2, ... The bytes are copied, but for _borrow, whose bytes must live until the
 * next reset. A failure (-E2BIG, -ENOMEM) is kept and returned by the next step.
 */
void sl_db_bind_i64(struct sl_db_statement *statement, int index, int64_t value);
void sl_db_bind_real(struct sl_db_statement *statement, int index, double value);
void sl_db_bind_text(struct sl_db_statement *statement, int index, struct sl_span text);
void sl_db_bind_blob(struct sl_db_statement *statement, int index, const void *data, size_t len);
void sl_db_bind_blob_borrow(struct sl_db_statement *statement, int index, const void *data,
			    size_t len);
void sl_db_bind_null(struct sl_db_statement *statement, int index);

/*
 * 1: a row is there. 0: done. -EEXIST (a constraint), -EBUSY, -ENOSPC, -EROFS, -EBADMSG, -EIO,
 * -ETIMEDOUT, -EINTR, -E2BIG, -ENOMEM, -EINVAL (the statement cannot run, e.g. a malformed query of
 * the full-text search). After anything but 1 the statement is reset; its values stay bound.
 */
int sl_db_step(struct sl_db_statement *statement, struct sl_error *error);

/* Steps once and resets: for what gives no row. 0 or as sl_db_step(). */
int sl_db_once(struct sl_db_statement *statement, struct sl_error *error);

/* Ready for a new step; the values are cleared. */
void sl_db_reset(struct sl_db_statement *statement);

/* Of the row, columns from 0. Borrowed (see above). NULL reads as 0, or as an empty span. */
int64_t sl_db_i64(struct sl_db_statement *statement, int column);
double sl_db_real(struct sl_db_statement *statement, int column);
struct sl_span sl_db_text(struct sl_db_statement *statement, int column);
struct sl_span sl_db_blob(struct sl_db_statement *statement, int column);
bool sl_db_is_null(struct sl_db_statement *statement, int column);

#endif
