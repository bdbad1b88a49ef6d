/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The wrapper of SQLite: whose files it opens and whose it refuses untouched, steps of form, values,
 * errors, deadlines, and a process that is killed at any step of a transaction.
 */
#include "user/store/db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/io/loop.h"

#define KIND 0x736c7431u

static const char *const one[] = {"CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT UNIQUE, "
				  "data BLOB, score REAL)"};
static const char *const two[] = {"CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT UNIQUE, "
				  "data BLOB, score REAL)",
				  "ALTER TABLE note ADD COLUMN label TEXT"};
static const char *const two_bad[] = {"CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT UNIQUE, "
				      "data BLOB, score REAL)",
				      "CREATE TABLE half(id INTEGER);SELECT nonsense FROM nowhere"};

static const struct sl_db_options form_one = {
	.application_id = KIND, .kind = "test", .steps = one, .step_count = 1, .busy_ms = 20};
static const struct sl_db_options form_two = {
	.application_id = KIND, .kind = "test", .steps = two, .step_count = 2, .busy_ms = 20};

struct fixture {
	char directory[64];
	char path[96];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/sl-db-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/file.db", f->directory);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char path[128];
	static const char *const tails[] = {"", "-wal", "-shm", "-journal"};

	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", f->path, tails[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(f->directory), 0);
	free(f);
	return 0;
}

static struct sl_db *open_ok(const char *path, const struct sl_db_options *options)
{
	struct sl_db *db = NULL;
	struct sl_error error = {0};
	int rc = sl_db_open(path, options, &db, &error);

	if (rc)
		print_message("%s\n", error.text);
	assert_int_equal(rc, 0);
	return db;
}

static void run_ok(struct sl_db *db, const char *sql)
{
	struct sl_error error = {0};
	int rc = sl_db_run(db, sql, &error);

	if (rc)
		print_message("%s\n", error.text);
	assert_int_equal(rc, 0);
}

static int64_t ask(struct sl_db *db, const char *sql)
{
	struct sl_db_statement *statement;
	int64_t value;

	assert_int_equal(sl_db_prepare(db, sql, &statement, NULL), 0);
	assert_int_equal(sl_db_step(statement, NULL), 1);
	value = sl_db_i64(statement, 0);
	assert_int_equal(sl_db_step(statement, NULL), 0);
	sl_db_finish(&statement);
	return value;
}

static uint64_t file_sum(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint64_t sum = 1469598103934665603ull;
	int byte;

	assert_non_null(file);
	while ((byte = fgetc(file)) != EOF)
		sum = (sum ^ (uint64_t)byte) * 1099511628211ull;
	fclose(file);
	return sum;
}

static void test_values(void **state)
{
	struct fixture *f = *state;
	struct sl_db *db = open_ok(f->path, &form_one);
	struct sl_db_statement *put, *get;
	struct stat info;
	static const char blob[] = {0, 1, (char)0xff, 0, 7};

	assert_int_equal(stat(f->path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	assert_int_equal(
		sl_db_prepare(db, "INSERT INTO note(body,data,score) VALUES(?1,?2,?3)", &put, NULL),
		0);
	sl_db_bind_text(put, 1, SL_SPAN("a\0b"));
	sl_db_bind_blob(put, 2, blob, sizeof(blob));
	sl_db_bind_real(put, 3, 0.25);
	assert_int_equal(sl_db_once(put, NULL), 0);
	assert_int_equal(sl_db_last_id(db), 1);
	sl_db_bind_text(put, 1, sl_span_make(NULL, 0));
	sl_db_bind_blob_borrow(put, 2, NULL, 0);
	sl_db_bind_null(put, 3);
	assert_int_equal(sl_db_once(put, NULL), 0);
	assert_int_equal(sl_db_changes(db), 1);
	sl_db_finish(&put);
	assert_null(put);

	assert_int_equal(
		sl_db_prepare(db, "SELECT id,body,data,score FROM note ORDER BY id", &get, NULL),
		0);
	assert_int_equal(sl_db_step(get, NULL), 1);
	assert_int_equal(sl_db_i64(get, 0), 1);
	assert_true(sl_span_equal(sl_db_text(get, 1), SL_SPAN("a\0b")));
	assert_int_equal(sl_db_blob(get, 2).len, sizeof(blob));
	assert_memory_equal(sl_db_blob(get, 2).data, blob, sizeof(blob));
	assert_true(sl_db_real(get, 3) == 0.25);
	assert_int_equal(sl_db_step(get, NULL), 1);
	assert_int_equal(sl_db_text(get, 1).len, 0);
	assert_false(sl_db_is_null(get, 1));
	assert_int_equal(sl_db_blob(get, 2).len, 0);
	assert_true(sl_db_is_null(get, 3));
	assert_int_equal(sl_db_step(get, NULL), 0);
	sl_db_finish(&get);
	sl_db_close(&db);
	assert_null(db);
	sl_db_close(&db);
}

static void test_errors(void **state)
{
	struct fixture *f = *state;
	struct sl_db *db = open_ok(f->path, &form_one);
	struct sl_db_statement *put;
	struct sl_error error = {0};
	char *huge = calloc(1, SL_DB_VALUE_BYTES_MAX + 1);

	assert_int_equal(sl_db_prepare(db, "SELEKT 1", &put, &error), -EINVAL);
	assert_non_null(strstr(error.text, "SELEKT"));
	assert_non_null(strstr(error.text, f->path));
	assert_int_equal(sl_db_prepare(db, "INSERT INTO note(body,data) VALUES(?1,?2)", &put, NULL),
			 0);
	sl_db_bind_text(put, 1, SL_SPAN("same"));
	assert_int_equal(sl_db_once(put, NULL), 0);
	sl_db_bind_text(put, 1, SL_SPAN("same"));
	assert_int_equal(sl_db_once(put, &error), -EEXIST);
	assert_non_null(strstr(error.text, "note.body"));
	/* A value that is too large is said at the step, and forgotten with the reset. */
	sl_db_bind_text(put, 1, SL_SPAN("other"));
	sl_db_bind_blob_borrow(put, 2, huge, SL_DB_VALUE_BYTES_MAX + 1);
	assert_int_equal(sl_db_once(put, &error), -E2BIG);
	sl_db_bind_text(put, 1, SL_SPAN("other"));
	assert_int_equal(sl_db_once(put, NULL), 0);
	assert_int_equal(ask(db, "SELECT count(*) FROM note"), 2);
	sl_db_finish(&put);
	sl_db_close(&db);
	free(huge);

	assert_int_equal(sl_db_open("/nowhere/at/all.db", &form_one, &db, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/nowhere/at/all.db"));
	assert_null(db);
}

/* Files that are not ours are refused, and not one byte of them changes. */
static void test_foreign(void **state)
{
	struct fixture *f = *state;
	struct sl_db_options other = form_one, reader = form_one;
	struct sl_db *db;
	struct sl_error error = {0};
	uint64_t sum;
	FILE *file;

	other.application_id = KIND + 1;
	other.journal = SL_DB_JOURNAL_FILE;
	reader.read_only = true;
	assert_int_equal(sl_db_open(f->path, &reader, &db, &error), -ENOENT);
	db = open_ok(f->path, &other);
	sl_db_close(&db);
	sum = file_sum(f->path);
	assert_int_equal(sl_db_open(f->path, &form_one, &db, &error), -EPROTO);
	assert_non_null(strstr(error.text, "another kind"));
	assert_int_equal(sl_db_open(f->path, &reader, &db, &error), -EPROTO);
	assert_int_equal(file_sum(f->path), sum);

	/* A database without any mark, but with tables. */
	unlink(f->path);
	db = open_ok(f->path, &other);
	run_ok(db, "PRAGMA application_id=0;PRAGMA user_version=0");
	sl_db_close(&db);
	sum = file_sum(f->path);
	assert_int_equal(sl_db_open(f->path, &form_one, &db, &error), -EPROTO);
	assert_int_equal(file_sum(f->path), sum);

	file = fopen(f->path, "wb");
	for (int i = 0; i < 500; i++)
		fputs("this is no database at all\n", file);
	fclose(file);
	sum = file_sum(f->path);
	assert_int_equal(sl_db_open(f->path, &form_one, &db, &error), -EBADMSG);
	assert_int_equal(file_sum(f->path), sum);

	file = fopen(f->path, "wb");
	fclose(file);
	assert_int_equal(sl_db_open(f->path, &reader, &db, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "empty"));
}

static void test_forms(void **state)
{
	struct fixture *f = *state;
	struct sl_db_options reader = form_two, bad = form_two;
	struct sl_db *db = open_ok(f->path, &form_one);
	struct sl_error error = {0};

	bad.steps = two_bad;
	reader.read_only = true;
	run_ok(db, "INSERT INTO note(body) VALUES('kept')");
	sl_db_close(&db);
	assert_int_equal(sl_db_open(f->path, &reader, &db, &error), -EPROTO);
	assert_non_null(strstr(error.text, "older form 1"));
	/* A step that fails half-way leaves the old form, whole. */
	assert_int_equal(sl_db_open(f->path, &bad, &db, &error), -EINVAL);
	db = open_ok(f->path, &form_one);
	assert_int_equal(ask(db, "SELECT count(*) FROM sqlite_schema WHERE name='half'"), 0);
	sl_db_close(&db);
	db = open_ok(f->path, &form_two);
	assert_int_equal(ask(db, "SELECT count(*) FROM note WHERE body='kept' AND label IS NULL"),
			 1);
	assert_int_equal(ask(db, "PRAGMA user_version"), 2);
	sl_db_close(&db);
	assert_int_equal(sl_db_open(f->path, &form_one, &db, &error), -EPROTO);
	assert_non_null(strstr(error.text, "form 2"));
	db = open_ok(f->path, &reader);
	assert_int_equal(sl_db_run(db, "INSERT INTO note(body) VALUES('x')", &error), -EROFS);
	sl_db_close(&db);
}

static void test_busy(void **state)
{
	struct fixture *f = *state;
	struct sl_db *first = open_ok(f->path, &form_one), *second = open_ok(f->path, &form_one);
	struct sl_error error = {0};

	assert_int_equal(sl_db_begin(first, NULL), 0);
	run_ok(first, "INSERT INTO note(body) VALUES('x')");
	assert_int_equal(sl_db_begin(second, &error), -EBUSY);
	/* A reader does not wait, and does not see what is not committed. */
	assert_int_equal(ask(second, "SELECT count(*) FROM note"), 0);
	assert_int_equal(sl_db_commit(first, NULL), 0);
	assert_int_equal(sl_db_begin(second, NULL), 0);
	assert_int_equal(ask(second, "SELECT count(*) FROM note"), 1);
	run_ok(second, "DELETE FROM note");
	sl_db_rollback(second);
	sl_db_rollback(second);
	assert_int_equal(ask(first, "SELECT count(*) FROM note"), 1);
	sl_db_close(&second);
	sl_db_close(&first);
}

#define ENDLESS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT max(i) FROM n"

struct interrupter {
	struct sl_db *db;
	atomic_bool over;
};

static void *interrupt_until_over(void *arg)
{
	struct interrupter *i = arg;

	while (!atomic_load(&i->over)) {
		usleep(5000);
		sl_db_interrupt(i->db);
	}
	return NULL;
}

static void test_endless(void **state)
{
	struct fixture *f = *state;
	struct sl_db *db = open_ok(f->path, &form_one);
	struct sl_db_statement *statement;
	struct sl_error error = {0};
	struct interrupter interrupter = {.db = db};
	pthread_t thread;

	assert_int_equal(sl_db_prepare(db, ENDLESS, &statement, NULL), 0);
	sl_db_set_deadline(db, sl_clock_ns() + 20 * SL_NS_PER_MS);
	assert_int_equal(sl_db_step(statement, &error), -ETIMEDOUT);
	assert_non_null(strstr(error.text, "longer than its time"));
	sl_db_set_deadline(db, 0);
	assert_int_equal(pthread_create(&thread, NULL, interrupt_until_over, &interrupter), 0);
	assert_int_equal(sl_db_step(statement, &error), -EINTR);
	atomic_store(&interrupter.over, true);
	pthread_join(thread, NULL);
	sl_db_finish(&statement);
	assert_int_equal(ask(db, "SELECT 7"), 7);
	/* Giving up within a transaction undoes it even though the deadline is over. */
	assert_int_equal(sl_db_begin(db, NULL), 0);
	run_ok(db, "INSERT INTO note(body) VALUES('x')");
	sl_db_set_deadline(db, 1);
	sl_db_rollback(db);
	sl_db_set_deadline(db, 0);
	assert_int_equal(ask(db, "SELECT count(*) FROM note"), 0);
	sl_db_close(&db);
}

static void test_torn(void **state)
{
	struct fixture *f = *state;
	struct sl_db_options single = form_one, reader = form_one;
	struct sl_db *db;
	struct sl_error error = {0};
	struct stat info;
	int fd;

	single.journal = SL_DB_JOURNAL_FILE;
	reader.read_only = true;
	db = open_ok(f->path, &single);
	run_ok(db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<3000) "
		   "INSERT INTO note(body,data) SELECT 'body '||i, zeroblob(40) FROM n");
	assert_int_equal(sl_db_check(db, NULL), 0);
	sl_db_close(&db);
	assert_int_equal(stat(f->path, &info), 0);
	fd = open(f->path, O_RDWR);
	for (off_t at = info.st_size / 2; at < info.st_size / 2 + 16384; at += 8)
		assert_int_equal(pwrite(fd, "\xa5\x5a\xa5\x5a\xa5\x5a\xa5\x5a", 8, at), 8);
	close(fd);
	db = open_ok(f->path, &reader);
	assert_int_equal(sl_db_check(db, &error), -EBADMSG);
	sl_db_close(&db);
	assert_int_equal(truncate(f->path, info.st_size / 3), 0);
	if (sl_db_open(f->path, &reader, &db, &error) == 0) {
		assert_int_equal(sl_db_check(db, &error), -EBADMSG);
		sl_db_close(&db);
	}
}

/* The child writes ten rows a transaction and says each commit; it is killed at some moment. */
static void write_until_killed(const char *path, int report)
{
	struct sl_db *db;

	if (sl_db_open(path, &form_one, &db, NULL))
		_exit(1);
	for (unsigned round = 0;; round++) {
		char byte = 1;

		if (sl_db_begin(db, NULL))
			_exit(1);
		for (unsigned i = 0; i < 10; i++)
			if (sl_db_run(db, "INSERT INTO note(score) VALUES(1)", NULL))
				_exit(1);
		if (sl_db_commit(db, NULL) || write(report, &byte, 1) != 1)
			_exit(1);
	}
}

static void test_killed(void **state)
{
	struct fixture *f = *state;
	uint64_t told_before = 0;

	for (unsigned round = 0; round < 12; round++) {
		int pipes[2], status;
		uint64_t told = 0;
		char bytes[512];
		ssize_t n;
		pid_t child;
		struct sl_db *db;
		int64_t rows;

		assert_int_equal(pipe(pipes), 0);
		child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(pipes[0]);
			write_until_killed(f->path, pipes[1]);
		}
		close(pipes[1]);
		while (told < 1 + round && (n = read(pipes[0], bytes, 1)) > 0)
			told += (uint64_t)n;
		usleep(150 * round); /* anywhere within the next transaction */
		kill(child, SIGKILL);
		while ((n = read(pipes[0], bytes, sizeof(bytes))) > 0)
			told += (uint64_t)n;
		close(pipes[0]);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		db = open_ok(f->path, &form_one);
		rows = ask(db, "SELECT count(*) FROM note");
		assert_int_equal(rows % 10, 0);
		/* One commit may be done but not told. */
		assert_true((uint64_t)rows / 10 >= told_before + told);
		assert_true((uint64_t)rows / 10 <= told_before + told + 1);
		assert_int_equal(sl_db_check(db, NULL), 0);
		sl_db_close(&db);
		told_before = (uint64_t)rows / 10;
	}
}

static bool seen_here;

static void look_here(void *arg)
{
	(void)arg;
	seen_here = sl_loop_is_here();
}

/* Within a loop's turn it says so, and any call there is a bug that ends the process. */
static void open_in_loop(void *arg)
{
	struct sl_db *db;

	sl_db_open(arg, &form_one, &db, NULL);
	_exit(0);
}

static void test_never_on_a_loop(void **state)
{
	struct fixture *f = *state;
	struct sl_loop_options options = {.backend = SL_IO_EPOLL};
	struct sl_loop *loop;
	int status;
	pid_t child;

	assert_int_equal(sl_loop_open(&options, &loop), 0);
	assert_false(sl_loop_is_here());
	assert_int_equal(sl_loop_post(loop, look_here, NULL), 0);
	assert_int_equal(sl_loop_turn(loop, 1000), 0);
	assert_true(seen_here);
	assert_false(sl_loop_is_here());
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		freopen("/dev/null", "w", stderr);
		sl_loop_post(loop, open_in_loop, f->path);
		sl_loop_turn(loop, 1000);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	sl_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_values, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_foreign, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_forms, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_busy, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_endless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_never_on_a_loop, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
