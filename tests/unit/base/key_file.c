/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of API keys: what is read, each complaint with its line, times, and safe replacement. */
#include "user/base/key_file.h"

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
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(array)   (sizeof(array) / sizeof((array)[0]))
#define SALT	       "000102030405060708090a0b0c0d0e0f"
#define HASH	       "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define SECRETS	       " salt=" SALT " hash=" HASH
#define CREATED	       " created=2026-01-31T12:00:00Z"
#define KEY(id, more)  "key id=" id " name=web" CREATED more SECRETS "\n"
#define FILE_OF(lines) "sluice-keys 1\n" lines "end\n"

#define WRITERS	      4
#define KEYS_A_WRITER 6

static void values_arrive(void **state)
{
	static const char text[] = FILE_OF(
		"# a comment\n\n"
		"key hash=" HASH " salt=" SALT " routes=a,meta/b:1 class=critical "
		"revoked=2026-03-01T00:00:00Z expires=2027-01-01T00:00:00Z "
		"concurrent=3 budget_month=20.5 tokens_per_minute=2 requests_per_minute=1000000000 "
		"created=2026-01-31T12:00:00Z tenant=acme name=web.1 id=AAAAAAAAA1\n" KEY(
			"AAAAAAAAA2", ""));
	struct sl_key_file *file = NULL;
	const struct sl_key_record *key;
	struct sl_error error;

	(void)state;
	assert_int_equal(sl_key_file_parse("f", text, sizeof(text) - 1, &file, &error), 0);
	assert_int_equal(file->count, 2);
	key = &file->records[0];
	assert_string_equal(key->id, "AAAAAAAAA1");
	assert_string_equal(key->name, "web.1");
	assert_string_equal(key->tenant, "acme");
	assert_int_equal(key->priority, SL_KEY_CLASS_CRITICAL);
	assert_int_equal(key->created_s, 1769860800);
	assert_int_equal(key->expires_s, 1798761600);
	assert_int_equal(key->revoked_s, 1772323200);
	assert_int_equal(key->rates.requests_per_minute, 1000000000);
	assert_int_equal(key->rates.tokens_per_minute, 2);
	assert_int_equal(key->rates.concurrent, 3);
	assert_int_equal(key->budget.month, 20500000000);
	assert_int_equal(key->budget.day, 0);
	assert_int_equal(key->route_count, 2);
	assert_string_equal(key->routes[1], "meta/b:1");
	for (unsigned i = 0; i < SL_DIGEST_BYTES; i++)
		assert_int_equal(key->hash.digest[i], i);
	assert_int_equal(sl_key_record_state(key, 0), SL_KEY_REVOKED);
	key = &file->records[1];
	assert_string_equal(key->tenant, "default");
	assert_int_equal(key->priority, SL_KEY_CLASS_STANDARD);
	assert_int_equal(sl_key_record_state(key, UINT32_MAX), SL_KEY_ACTIVE);
	sl_key_file_close(&file);
	assert_null(file);
}

struct bad {
	const char *text;
	const char *error;
};

static const struct bad bads[] = {
	{"", "f:1: this is no file of sluice's keys (expected \"sluice-keys 1\")"},
	{"sluice-keys 2\nend\n",
	 "f:1: this is no file of sluice's keys (expected \"sluice-keys 1\")"},
	{"sluice-keys 1\n", "f:2: the file is cut: it has no line \"end\""},
	{FILE_OF("") KEY("AAAAAAAAA1", ""), "f:3: there is more behind the line \"end\""},
	{FILE_OF("kei x\n"), "f:2: expected \"key ...\" or \"end\""},
	{FILE_OF("key id=AAAAAAAAA1 name=web" CREATED " salt=" SALT "\n"),
	 "f:2: the field \"hash\" is missing"},
	{FILE_OF(KEY("AAAAAAAAA1", " name=b")), "f:2: the field \"name\" is there twice"},
	{FILE_OF(KEY("AAAAAAAAA1", " color=red")), "f:2: \"color\" is no field of a key"},
	{FILE_OF(KEY("AAAAAAAAA1", "  tenant=a")), "f:2: \"\" is no field of a key"},
	{FILE_OF(KEY("AAAAAAAA", "")),
	 "f:2: the value of \"id\" is wrong (expected 10 letters and digits)"},
	{FILE_OF(KEY("AAAAAAAAA1", " tenant=a/b")),
	 "f:2: the value of \"tenant\" is wrong (expected up to 63 letters, digits and . _ - @)"},
	{FILE_OF(KEY("AAAAAAAAA1", " class=vip")), "f:2: the value of \"class\" is wrong (expected "
						   "batch, standard, interactive or critical)"},
	{FILE_OF(KEY("AAAAAAAAA1", " expires=2026-02-31T00:00:00Z")),
	 "f:2: the value of \"expires\" is wrong (expected a time like 2026-01-31T12:00:00Z)"},
	{FILE_OF(KEY("AAAAAAAAA1", " budget_day=0")),
	 "f:2: the value of \"budget_day\" is wrong (expected an amount over 0 like 0.075 or 12)"},
	{FILE_OF(KEY("AAAAAAAAA1", " concurrent=0")),
	 "f:2: the value of \"concurrent\" is wrong (expected 1 to 1000000000)"},
	{FILE_OF(KEY("AAAAAAAAA1", " tokens_per_minute=1000000001")),
	 "f:2: the value of \"tokens_per_minute\" is wrong (expected 1 to 1000000000)"},
	{FILE_OF(KEY("AAAAAAAAA1", " routes=a,,b")),
	 "f:2: routes: \"\" is no model's name (expected names with commas between them)"},
	{FILE_OF(KEY("AAAAAAAAA1", " routes=a,a")), "f:2: routes: \"a\" is there twice"},
	{FILE_OF(KEY("AAAAAAAAA1", "") "\n" KEY("AAAAAAAAA1", "")),
	 "f: the key \"AAAAAAAAA1\" is there twice"},
	{FILE_OF("key id=AAAAAAAAA1 name=web" CREATED " hash=" HASH " salt=00\n"),
	 "f:2: the value of \"salt\" is wrong (expected 32 hexadecimal digits)"},
};

static void complaints(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bads); i++) {
		struct sl_key_file *file = NULL;
		struct sl_error error;

		assert_int_equal(
			sl_key_file_parse("f", bads[i].text, strlen(bads[i].text), &file, &error),
			-EINVAL);
		assert_null(file);
		assert_string_equal(error.text, bads[i].error);
	}
}

/* A file cut anywhere is refused, but for its last line end. */
static void cuts_are_seen(void **state)
{
	static const char text[] = FILE_OF(KEY("AAAAAAAAA1", "") KEY("AAAAAAAAA2", " routes=a,b"));

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 2; len++) {
		char *copy = malloc(len + 1); /* the sanitizer sees a read behind it */
		struct sl_key_file *file = NULL;
		struct sl_error error;

		assert_non_null(copy);
		memcpy(copy, text, len);
		assert_int_equal(sl_key_file_parse("f", copy, len, &file, &error), -EINVAL);
		free(copy);
	}
}

static void times(void **state)
{
	static const char *const wrong[] = {"",
					    "2026-01-31",
					    "2026-01-31T12:00:00",
					    "2026-01-31T12:00:00+00:00",
					    "2026-1-31T12:00:00Z",
					    "2026-13-01T00:00:00Z",
					    "2026-01-31T25:00:00Z",
					    " 2026-01-31T12:00:00Z",
					    "2026-01-31T12:00:00Zx"};
	char text[SL_KEY_TIME_SIZE];
	uint64_t time_s;

	(void)state;
	for (uint64_t at = 1; at < 4102444800ull; at += 86399 * 31) {
		sl_key_time_format(at, text);
		assert_int_equal(sl_key_time_parse(text, strlen(text), &time_s), 0);
		assert_int_equal(time_s, at);
	}
	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_int_equal(sl_key_time_parse(wrong[i], strlen(wrong[i]), &time_s), -EINVAL);
}

static void states(void **state)
{
	struct sl_key_record key = {.created_s = 100, .expires_s = 200};

	(void)state;
	assert_int_equal(sl_key_record_state(&key, 199), SL_KEY_ACTIVE);
	assert_int_equal(sl_key_record_state(&key, 200), SL_KEY_EXPIRED);
	key.revoked_s = 150;
	assert_int_equal(sl_key_record_state(&key, 100), SL_KEY_REVOKED);
}

/* ---- on the disk --------------------------------------------------------------------------- */

static void add_one(const char *path, unsigned number)
{
	struct sl_key_file *file = NULL;
	struct sl_key_record *record;
	char key[SL_API_KEY_LEN + 1];
	struct sl_error error;
	int lock;

	if (sl_key_file_lock(path, &lock, &error))
		_exit(1);
	if (sl_key_file_read(path, &file, &error) == -ENOENT)
		file = sl_key_file_new();
	if (file == NULL || sl_key_file_add(file, &record) ||
	    sl_api_key_generate(key, &record->hash))
		_exit(2);
	memcpy(record->id, key + SL_API_KEY_PREFIX_LEN, SL_API_KEY_ID_LEN);
	snprintf(record->name, sizeof(record->name), "n%u", number);
	snprintf(record->tenant, sizeof(record->tenant), "t");
	record->created_s = 1 + number;
	record->rates = (struct sl_rates){1, 2, 3};
	record->budget = (struct sl_budget){1, 2000000000, 3500000000};
	if (sl_key_record_set_routes(file, record, "a,b", 3, &error) ||
	    sl_key_file_write(path, file, &error))
		_exit(3);
	sl_key_file_close(&file);
	close(lock);
}

/* Processes that add keys at once lose none, while a reader never sees a broken file. */
static void replacement_is_atomic(void **state)
{
	char directory[] = "/tmp/sluice-key-file.XXXXXX";
	char path[64], lock_path[80];
	struct sl_key_file *file = NULL;
	struct sl_error error;
	struct stat st;
	int running = WRITERS, status, rc;

	(void)state;
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/keys", directory);
	snprintf(lock_path, sizeof(lock_path), "%s.lock", path);
	for (unsigned w = 0; w < WRITERS; w++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid > 0)
			continue;
		for (unsigned i = 0; i < KEYS_A_WRITER; i++)
			add_one(path, w * KEYS_A_WRITER + i);
		_exit(0);
	}
	while (running > 0) {
		rc = sl_key_file_read(path, &file, &error);
		if (rc != 0 && rc != -ENOENT)
			fail_msg("%s", error.text);
		sl_key_file_close(&file);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			assert_int_equal(status, 0);
			running--;
		}
	}
	assert_int_equal(sl_key_file_read(path, &file, &error), 0);
	assert_int_equal(file->count, WRITERS * KEYS_A_WRITER);
	assert_string_equal(file->records[0].routes[1], "b");
	assert_int_equal(file->records[0].rates.requests_per_minute, 1);
	assert_int_equal(file->records[0].rates.tokens_per_minute, 2);
	assert_int_equal(file->records[0].rates.concurrent, 3);
	assert_int_equal(file->records[0].budget.day, 1);
	assert_int_equal(file->records[0].budget.month, 2000000000);
	assert_int_equal(file->records[0].budget.total, 3500000000);
	sl_key_file_close(&file);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	unlink(path);
	unlink(lock_path);
	assert_int_equal(rmdir(directory), 0); /* no temporary file is left */
}

static void failures_leave_the_old_file(void **state)
{
	struct sl_key_file *file = sl_key_file_new();
	struct sl_error error;
	int lock;

	(void)state;
	assert_int_equal(sl_key_file_write("/nonexistent/keys", file, &error), -ENOENT);
	assert_non_null(strstr(error.text, "/nonexistent/keys: cannot be written"));
	assert_int_equal(sl_key_file_lock("/nonexistent/keys", &lock, &error), -ENOENT);
	sl_key_file_close(&file);
	assert_int_equal(sl_key_file_read("/nonexistent/keys", &file, &error), -ENOENT);
	assert_int_equal(sl_key_file_read("/", &file, &error), -EISDIR);
	assert_int_equal(sl_key_file_read("/dev/zero", &file, &error), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(complaints),
		cmocka_unit_test(cuts_are_seen),
		cmocka_unit_test(times),
		cmocka_unit_test(states),
		cmocka_unit_test(replacement_is_atomic),
		cmocka_unit_test(failures_leave_the_old_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
