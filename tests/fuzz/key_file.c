/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of API keys: a bad one is refused by name and line without showing the line; a good one,
 * written and read again, is the same.
 */
#include <fcntl.h>
#include <unistd.h>
#include "tests/fuzz/fuzz.h"
#include "user/base/key_file.h"

static void check_same(const struct sl_key_file *a, const struct sl_key_file *b)
{
	CHECK(a->count == b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		const struct sl_key_record *x = &a->records[i], *y = &b->records[i];

		CHECK(!strcmp(x->id, y->id) && !strcmp(x->name, y->name));
		CHECK(!strcmp(x->tenant, y->tenant) && x->priority == y->priority);
		CHECK(!memcmp(&x->hash, &y->hash, sizeof(x->hash)));
		CHECK(!memcmp(&x->rates, &y->rates, sizeof(x->rates)));
		CHECK(x->created_s == y->created_s && x->expires_s == y->expires_s);
		CHECK(x->revoked_s == y->revoked_s && x->route_count == y->route_count);
		for (uint32_t r = 0; r < x->route_count; r++)
			CHECK(!strcmp(x->routes[r], y->routes[r]));
	}
}

static void check_written(const struct sl_key_file *file)
{
	char path[64];
	struct sl_key_file *again = NULL;
	struct sl_error error;

	snprintf(path, sizeof(path), "/dev/shm/sluice-fuzz-keys.%ld", (long)getpid());
	CHECK(!sl_key_file_write(path, file, &error));
	CHECK(!sl_key_file_read(path, &again, &error));
	unlink(path);
	check_same(file, again);
	sl_key_file_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_copy(data, size);
	struct sl_key_file *file = NULL;
	struct sl_error error = {0};
	int rc = sl_key_file_parse("keys", text, size, &file, &error);

	if (rc) {
		CHECK(!file && !strncmp(error.text, "keys", 4));
	} else {
		CHECK(file->count <= SL_KEYS_MAX);
		check_written(file);
		sl_key_file_close(&file);
	}
	free(text);
	return 0;
}
