/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's page of metrics: in pieces as whole, and never out of range. */
#include <string.h>
#include "tests/fuzz/fuzz.h"
#include "user/ops/scrape.h"

#define CUTS 4

static bool read_page(const uint8_t *data, size_t size, struct fuzz_chance *chance,
		      struct sl_load_reading *ret_load)
{
	struct sl_scrape scrape;
	size_t at = 0;

	sl_scrape_begin(&scrape);
	while (at < size) {
		size_t piece = chance ? fuzz_piece(chance, size - at) : size;
		char *copy = fuzz_copy(data + at, piece);

		sl_scrape_feed(&scrape, copy, piece);
		free(copy);
		at += piece;
	}
	return sl_scrape_end(&scrape, ret_load);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_chance chance = fuzz_chance_of(data, size);
	struct sl_load_reading whole, load;
	bool known = read_page(data, size, NULL, &whole);

	CHECK(whole.kv_permille <= 1000);
	CHECK(whole.adapter_count <= SL_LOAD_ADAPTERS_MAX);
	CHECK(known || (!whole.running && !whole.waiting && !whole.kv_permille));
	for (int i = 0; i < CUTS; i++) {
		CHECK(read_page(data, size, &chance, &load) == known);
		CHECK(load.running == whole.running && load.waiting == whole.waiting);
		CHECK(load.kv_permille == whole.kv_permille);
		CHECK(!memcmp(&load, &whole, sizeof(load)));
	}
	return 0;
}
