/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The documents on the disk beside those of a version: what is new, changed, gone; that one which cannot
 * be read is known and does not make a new version at every look; links.
 */
#include "user/store/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store/scratch.h"

struct fixture {
	char directory[64];
	char docs[96];
	char index[96];
	struct sl_documents *documents;
};

static void write_file(const struct fixture *f, const char *name, const char *text)
{
	char path[192];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->docs, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
	const struct sl_documents_facts facts = {.chunks = {.bytes = 400, .overlap = 40}};
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->directory, sizeof(f->directory), "/tmp/sl-scan-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->docs, sizeof(f->docs), "%s/docs", f->directory);
	snprintf(f->index, sizeof(f->index), "%s/index.db", f->directory);
	assert_int_equal(mkdir(f->docs, 0700), 0);
	assert_int_equal(sl_documents_create(f->index, &facts, &f->documents, NULL), 0);
	write_file(f, "a.txt", "Apples grow on trees.\n");
	write_file(f, "b.txt", "Iron rusts.\n");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	sl_documents_put_away(&f->documents);
	scratch_remove(f->directory);
	free(f);
	return 0;
}

/* What a builder does with a file. */
static void put(struct fixture *f, const char *path, struct sl_scan_file *file)
{
	struct sl_chunk_report report;
	struct sl_text text;

	sl_text_init(&text, SL_CHUNK_SOURCE_BYTES_MAX);
	assert_int_equal(sl_scan_read(path, file, &text, NULL), 0);
	assert_int_equal(sl_documents_put(f->documents, file->name, &file->print,
					  sl_text_span(&text), SL_CHUNK_TEXT, &report, NULL),
			 0);
	sl_text_fini(&text);
}

static uint32_t changed(struct fixture *f, const char *path, enum sl_scan_change first)
{
	struct sl_scan scan;
	uint32_t count;

	assert_int_equal(sl_scan_run(path, f->documents, &scan, NULL), 0);
	assert_true(scan.count > 0);
	assert_int_equal(scan.files[0].change, first);
	count = scan.changed;
	sl_scan_fini(&scan);
	return count;
}

static void tells_what_changed(void **state)
{
	struct fixture *f = *state;
	struct sl_scan scan;

	assert_int_equal(changed(f, f->docs, SL_SCAN_NEW), 2);
	assert_int_equal(sl_scan_run(f->docs, f->documents, &scan, NULL), 0);
	for (uint32_t i = 0; i < scan.count; i++)
		put(f, f->docs, &scan.files[i]);
	sl_scan_fini(&scan);
	assert_int_equal(changed(f, f->docs, SL_SCAN_SAME), 0);
	write_file(f, "a.txt", "Pears grow on trees, too.\n");
	assert_int_equal(changed(f, f->docs, SL_SCAN_CHANGED), 1);
	write_file(f, "c.txt", "Gold does not.\n");
	assert_int_equal(changed(f, f->docs, SL_SCAN_CHANGED), 2);
}

/* Without a row it would be new at every look, and every look would make a version. */
static void knows_what_was_left_out(void **state)
{
	struct fixture *f = *state;
	struct sl_documents_print none = {0};
	struct sl_scan scan;

	assert_int_equal(sl_scan_run(f->docs, f->documents, &scan, NULL), 0);
	put(f, f->docs, &scan.files[1]);
	assert_int_equal(sl_documents_leave_out(f->documents, "a.txt", &scan.files[0].print, NULL),
			 0);
	sl_scan_fini(&scan);
	assert_int_equal(changed(f, f->docs, SL_SCAN_SAME), 0);
	write_file(f, "a.txt", "It is short enough now.\n");
	assert_int_equal(changed(f, f->docs, SL_SCAN_CHANGED), 1);
	/* One that could not be read has no print: once it can be, it is a change. */
	assert_int_equal(sl_documents_leave_out(f->documents, "a.txt", &none, NULL), 0);
	assert_int_equal(changed(f, f->docs, SL_SCAN_CHANGED), 1);
}

static void follows_the_one_file_only(void **state)
{
	struct fixture *f = *state;
	char link[192];
	struct sl_scan scan;

	snprintf(link, sizeof(link), "%s/link.txt", f->directory);
	assert_int_equal(symlink("docs/a.txt", link), 0);
	assert_int_equal(sl_scan_run(link, f->documents, &scan, NULL), 0);
	assert_int_equal(scan.count, 1);
	put(f, link, &scan.files[0]);
	sl_scan_fini(&scan);
	assert_int_equal(changed(f, link, SL_SCAN_SAME), 0);
	snprintf(link, sizeof(link), "%s/link.txt", f->docs);
	assert_int_equal(symlink("a.txt", link), 0);
	assert_int_equal(sl_scan_run(f->docs, NULL, &scan, NULL), 0);
	assert_int_equal(scan.count, 2);
	sl_scan_fini(&scan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tells_what_changed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(knows_what_was_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(follows_the_one_file_only, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
