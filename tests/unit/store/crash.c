/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that is killed before any one change of a file: while a version of an index is built, while one
 * is promoted, and while an answer is written to the semantic cache. Each moment is its own: the calls that
 * change files are this program's, also SQLite's, and the kill comes from the one it is the turn of.
 */
#include "user/store/indexes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/store/scratch.h"
#include "user/store/semantic.h"

#define STEPS_MAX  2000 /* of one piece of work */
#define DIMENSIONS 8u
#define POLL_US	   1000

/* ---- the calls ------------------------------------------------------------------------------- */

static atomic_int left = -1; /* changes until the kill; below 0: none comes */

static void change(void)
{
	if (atomic_load(&left) >= 0 && atomic_fetch_sub(&left, 1) == 0)
		kill(getpid(), SIGKILL);
}

/* By their names in the C library: SQLite finds these before those. A kill loses nothing that was written,
 * so nothing waits for the disk. */
#define IN_PLACE_OF(name) __asm__(#name)

ssize_t put_at(int fd, const void *data, size_t len, off_t at) IN_PLACE_OF(pwrite64);
ssize_t put_next(int fd, const void *data, size_t len) IN_PLACE_OF(write);
int cut(int fd, off_t len) IN_PLACE_OF(ftruncate64);
int sync_data(int fd) IN_PLACE_OF(fdatasync);
int sync_all(int fd) IN_PLACE_OF(fsync);
int take_away(const char *path) IN_PLACE_OF(unlink);
int move(const char *from, const char *to) IN_PLACE_OF(rename);
int point(const char *target, const char *path) IN_PLACE_OF(symlink);

ssize_t put_at(int fd, const void *data, size_t len, off_t at)
{
	change();
	return syscall(SYS_pwrite64, fd, data, len, at);
}
ssize_t put_next(int fd, const void *data, size_t len)
{
	if (fd > STDERR_FILENO)
		change();
	return syscall(SYS_write, fd, data, len);
}
int cut(int fd, off_t len)
{
	change();
	return (int)syscall(SYS_ftruncate, fd, len);
}
int sync_data(int fd)
{
	(void)fd;
	change();
	return 0;
}
int sync_all(int fd)
{
	(void)fd;
	change();
	return 0;
}
int take_away(const char *path)
{
	change();
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
int move(const char *from, const char *to)
{
	change();
	return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}
int point(const char *target, const char *path)
{
	change();
	return (int)syscall(SYS_symlinkat, target, AT_FDCWD, path);
}

/* In a process of its own that is killed before change `step`. False when it came to its end. */
static bool killed(int step, int (*work)(const char *directory), const char *directory)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		atomic_store(&left, step);
		_exit(work(directory));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	else
		assert_int_equal(WTERMSIG(status), SIGKILL);
	return WIFSIGNALED(status);
}

static int set_up(void **state)
{
	char path[] = "/tmp/sl-crash-XXXXXX";

	assert_non_null(mkdtemp(path));
	*state = strdup(path);
	return 0;
}

static int tear_down(void **state)
{
	scratch_remove(*state);
	free(*state);
	return 0;
}

/* ---- an index -------------------------------------------------------------------------------- */

static void write_file(const char *directory, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* Of words alone, of the documents in DIRECTORY/docs; the config is read before it returns. */
static struct sl_indexes *open_indexes(const char *directory)
{
	char shelf[128], documents[128];
	struct sl_config_index index = {.item = {.name = "handbook"},
					.directory = shelf,
					.documents = documents,
					.vectors = SL_CONFIG_VECTORS_NONE,
					.chunk_bytes = 400,
					.keep = 2};
	struct sl_config config = {.indexes = {.items = &index, .count = 1}};
	struct sl_indexes *all = NULL;

	snprintf(shelf, sizeof(shelf), "%s/shelf", directory);
	snprintf(documents, sizeof(documents), "%s/docs", directory);
	return sl_indexes_open(&config, NULL, &all) ? NULL : all;
}

/* What came of it, when the builder has done it. */
static int order(struct sl_indexes *all, enum sl_indexes_order what, uint32_t version)
{
	struct sl_indexes_status status;
	uint64_t ticket;
	int rc = sl_indexes_order(all, "handbook", what, version, &ticket, NULL);

	if (rc)
		return rc;
	do {
		usleep(POLL_US);
		sl_indexes_read(all, 0, &status);
	} while (status.orders_done < ticket);
	return status.order_rc;
}

static int build_next(const char *directory)
{
	struct sl_indexes *all = open_indexes(directory);
	int rc = all ? order(all, SL_INDEXES_BUILD, 0) : 1;

	sl_indexes_close(&all);
	return rc ? 1 : 0;
}

static int append_next(const char *directory)
{
	struct sl_indexes *all = open_indexes(directory);
	int rc = all ? order(all, SL_INDEXES_APPEND, 0) : 1;

	sl_indexes_close(&all);
	return rc ? 1 : 0;
}

static uint32_t newest(const char *directory, uint32_t *ret_current)
{
	struct sl_shelf_list list;
	char shelf[128];

	snprintf(shelf, sizeof(shelf), "%s/shelf", directory);
	assert_int_equal(sl_shelf_read(shelf, &list, NULL), 0);
	*ret_current = list.current;
	return list.count ? list.versions[list.count - 1] : 0;
}

/* There and back, so that it ends as it began. */
static int promote_both(const char *directory)
{
	struct sl_indexes *all = open_indexes(directory);
	int rc = all ? 0 : 1;

	if (!rc)
		rc = order(all, SL_INDEXES_PROMOTE, 2);
	if (!rc)
		rc = order(all, SL_INDEXES_ROLLBACK, 0);
	sl_indexes_close(&all);
	return rc ? 1 : 0;
}

/* A daemon that starts now serves that version, whole, with the text that it should have. */
static void check_served(const char *directory, uint32_t version, const char *word)
{
	struct sl_indexes *all = open_indexes(directory);
	struct sl_documents *documents = NULL;
	struct sl_documents_hits hits;
	uint32_t got = 0;

	assert_non_null(all);
	/* Verify is done behind the first load. */
	assert_int_equal(order(all, SL_INDEXES_VERIFY, version), 0);
	documents = sl_indexes_get(all, "handbook", SL_INDEXES_CURRENT, &got);
	assert_non_null(documents);
	assert_int_equal(got, version);
	assert_int_equal(sl_documents_words(documents, sl_span_string(word), 4, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 1);
	sl_documents_hits_fini(&hits);
	sl_documents_put_away(&documents);
	sl_indexes_close(&all);
}

static void make_first(const char *directory)
{
	char documents[128];
	struct sl_indexes *all;

	snprintf(documents, sizeof(documents), "%s/docs", directory);
	assert_int_equal(mkdir(documents, 0700), 0);
	write_file(documents, "a.md", "# Fruit\nApples are red.\n");
	write_file(documents, "b.md", "# Metal\nIron rusts.\n");
	all = open_indexes(directory);
	assert_non_null(all);
	assert_int_equal(order(all, SL_INDEXES_BUILD, 0), 0);
	assert_int_equal(order(all, SL_INDEXES_PROMOTE, 1), 0);
	sl_indexes_close(&all);
	write_file(documents, "a.md", "# Fruit\nPears are green.\n");
}

/* Until one comes to its end. What is served is the old version, whole; the rest is not in the way. */
static void cut_builds(const char *directory, int (*work)(const char *directory))
{
	uint32_t current, before = newest(directory, &current), after = before;
	bool more = true;
	int step;

	for (step = 0; more && step < STEPS_MAX; step++) {
		more = killed(step, work, directory);
		after = newest(directory, &current);
		assert_int_equal(current, 1);
		assert_true(after == before || after == before + 1);
		check_served(directory, 1, "apples");
		if (after > before) { /* it has a number, so it is whole */
			struct sl_documents_facts facts;
			char path[160];

			snprintf(path, sizeof(path), "%s/shelf/v%06u.db", directory, after);
			assert_int_equal(sl_documents_verify(path, &facts, NULL), 0);
			assert_int_equal(facts.document_count, 2);
			before = after;
		}
	}
	assert_false(more);
	assert_true(step > 20);
	assert_true(after >= 2);
}

static void test_build(void **state)
{
	char building[128];

	make_first(*state);
	cut_builds(*state, build_next);
	snprintf(building, sizeof(building), "%s/shelf/building.db", (char *)*state);
	assert_int_not_equal(access(building, F_OK), 0);
}

static void test_append(void **state)
{
	make_first(*state);
	cut_builds(*state, append_next);
}

static void test_promote(void **state)
{
	bool more = true, seen[3] = {false};
	uint32_t current;
	int step;

	make_first(*state);
	assert_int_equal(build_next(*state), 0);
	for (step = 0; more && step < STEPS_MAX; step++) {
		more = killed(step, promote_both, *state);
		assert_int_equal(newest(*state, &current), 2);
		assert_true(current == 1 || current == 2);
		seen[current] = true;
		check_served(*state, current, current == 1 ? "apples" : "pears");
	}
	assert_false(more);
	assert_true(seen[1] && seen[2]); /* it was killed on both sides of the change */
	assert_true(step > 5);
}

/* ---- the semantic cache ---------------------------------------------------------------------- */

static struct sl_semantic *open_cache(const char *directory)
{
	char path[128];
	struct sl_semantic_options options = {path, 3, 1 << 20};
	struct sl_semantic *cache = NULL;

	snprintf(path, sizeof(path), "%s/cache.db", directory);
	if (sl_semantic_open(&options, &cache))
		return NULL;
	sl_semantic_load(cache);
	return cache;
}

static int insert(struct sl_semantic *cache, uint8_t group, const char *answer)
{
	float vector[DIMENSIONS] = {1};
	struct sl_semantic_entry entry = {.fingerprint = {group},
					  .vector = vector,
					  .dimensions = DIMENSIONS,
					  .question = SL_SPAN("reset my password"),
					  .answer = sl_span_string(answer),
					  .tenant = "t",
					  .route = "r",
					  .model = "m:1",
					  .now_ms = 1000};

	return sl_semantic_insert(cache, &entry);
}

/* Whether it is there; then it is what was kept. */
static bool has(struct sl_semantic *cache, uint8_t group, const char *answer)
{
	float vector[DIMENSIONS] = {1};
	struct sl_semantic_query query = {.fingerprint = {group},
					  .vector = vector,
					  .dimensions = DIMENSIONS,
					  .question = SL_SPAN("reset my password"),
					  .threshold = 0.9f,
					  .ttl_ms = 100000,
					  .now_ms = 1001};
	struct sl_semantic_found found;

	assert_int_equal(sl_semantic_find(cache, &query, &found), 0);
	if (found.verdict != SL_SEMANTIC_HIT)
		return false;
	assert_string_equal(found.answer, answer);
	free(found.answer);
	return true;
}

static int insert_more(const char *directory)
{
	struct sl_semantic *cache = open_cache(directory);
	char *large = malloc(20001); /* over several pages */
	int rc = cache && large ? 0 : 1;

	if (!rc) {
		memset(large, 'x', 20000);
		large[20000] = '\0';
		rc = insert(cache, 1, large);
	}
	if (!rc)
		rc = insert(cache, 2, "short");
	free(large);
	sl_semantic_close(&cache);
	return rc ? 1 : 0;
}

static void test_cache(void **state)
{
	bool more = true, lost = false;
	char path[128], large[20001];
	int step;

	memset(large, 'x', 20000);
	large[20000] = '\0';
	for (step = 0; more && step < STEPS_MAX; step++) {
		struct sl_semantic *cache = open_cache(*state);
		bool first, second;

		assert_non_null(cache);
		assert_int_equal(insert(cache, 0, "kept before"), 0);
		sl_semantic_close(&cache);
		more = killed(step, insert_more, *state);
		cache = open_cache(*state);
		assert_true(has(cache, 0, "kept before"));
		first = has(cache, 1, large);
		second = has(cache, 2, "short");
		assert_true(first || !second); /* in their order */
		assert_true(more || second);
		lost |= !second;
		assert_int_equal(insert(cache, 2, "short"), 0);
		assert_true(has(cache, 2, "short"));
		sl_semantic_close(&cache);
		for (size_t i = 0; i < 3; i++) {
			snprintf(path, sizeof(path), "%s/cache.db%s", (char *)*state,
				 (const char *[]){"", "-wal", "-shm"}[i]);
			take_away(path);
		}
	}
	assert_false(more);
	assert_true(lost && step > 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_build, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_append, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_promote, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_cache, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
