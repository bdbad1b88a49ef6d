/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon's indexes: versions that are ordered in the middle of a roll-out do not sweep its candidate away, nor
 * what is served beside it, however few are kept; once it is over they go as all others do.
 */
#include "user/store/indexes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/store/scratch.h"

#define POLL_US	  2000u
#define POLLS_MAX 60000u

static void write_document(const char *path)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs("The breaker opens after five failures and tries one request again.\n", file);
	assert_int_equal(fclose(file), 0);
}

static void obey(struct sl_indexes *indexes, enum sl_indexes_order order, uint32_t version)
{
	struct sl_indexes_status status;
	struct sl_error error = {""};
	uint64_t ticket = 0;

	assert_int_equal(sl_indexes_order(indexes, "docs", order, version, &ticket, &error), 0);
	for (uint32_t i = 0; i < POLLS_MAX; i++) {
		assert_true(sl_indexes_find(indexes, "docs", &status, NULL));
		if (status.orders_done >= ticket)
			break;
		usleep(POLL_US);
	}
	if (status.orders_done < ticket || status.order_rc)
		fail_msg("order %d of version %u: %s", order, version, status.said);
}

static void wait_for_candidate(struct sl_indexes *indexes, uint32_t version)
{
	for (uint32_t i = 0; i < POLLS_MAX && sl_indexes_candidate(indexes, "docs") != version; i++)
		usleep(POLL_US);
	assert_int_equal(sl_indexes_candidate(indexes, "docs"), version);
}

static void expect_shelf(const char *directory, const char *expected)
{
	struct sl_shelf_list list;
	char found[64] = "";

	assert_int_equal(sl_shelf_read(directory, &list, NULL), 0);
	for (uint32_t i = 0; i < list.count; i++)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%u%s ",
			 list.versions[i], list.versions[i] == list.current ? "*" : "");
	assert_string_equal(found, expected);
}

static void test_candidate_stays(void **unused)
{
	char scratch[64] = "/tmp/sl-indexes-XXXXXX", document[96], directory[96];
	struct sl_config_index index = {.item = {.name = "docs"},
					.directory = directory,
					.documents = document,
					.chunk_bytes = 1000,
					.overlap_bytes = 100,
					.keep = 2};
	struct sl_config *config = calloc(1, sizeof(*config));
	struct sl_indexes *indexes;

	(void)unused;
	assert_non_null(config);
	assert_non_null(mkdtemp(scratch));
	snprintf(document, sizeof(document), "%s/breaker.md", scratch);
	snprintf(directory, sizeof(directory), "%s/shelf", scratch);
	write_document(document);
	config->indexes.items = &index;
	config->indexes.count = 1;
	assert_int_equal(sl_indexes_open(config, NULL, &indexes), 0);

	obey(indexes, SL_INDEXES_BUILD, 0);
	obey(indexes, SL_INDEXES_PROMOTE, 1);
	obey(indexes, SL_INDEXES_BUILD, 0);
	assert_true(sl_indexes_set_candidate(indexes, "docs", 2));
	wait_for_candidate(indexes, 2);
	obey(indexes, SL_INDEXES_BUILD, 0);
	expect_shelf(directory, "1* 2 3 ");
	obey(indexes, SL_INDEXES_BUILD, 0);
	expect_shelf(directory, "1* 2 4 ");

	/* Full: it is promoted, and what was served before it is what a rollback goes to. */
	obey(indexes, SL_INDEXES_PROMOTE, 2);
	assert_true(sl_indexes_set_candidate(indexes, "docs", 0));
	wait_for_candidate(indexes, 0);
	obey(indexes, SL_INDEXES_BUILD, 0);
	expect_shelf(directory, "1 2* 5 ");
	obey(indexes, SL_INDEXES_PROMOTE, 5);
	obey(indexes, SL_INDEXES_BUILD, 0);
	expect_shelf(directory, "2 5* 6 ");

	sl_indexes_close(&indexes);
	scratch_remove(scratch);
	free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_candidate_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
