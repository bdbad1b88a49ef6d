/* SPDX-License-Identifier: BSD-2-Clause */
/* The layout of the memory that stands in for the maps, and what is refused as such memory. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include "user/base/shared_state.h"
#include "user/base/tunables.h"

struct layout_case {
	uint64_t page_bytes;
	uint64_t offsets[SL_SHARED_PARTS];
	uint64_t size_bytes;
};

/* Worked out by hand: 128 | 4096 x 512 | 256 x 192 | 256 x 64 x 8 bytes, each from a page on. */
static const struct layout_case layouts[] = {
	{4096, {0, 4096, 2101248, 2150400}, 2281472},
	{16384, {0, 16384, 2113536, 2162688}, 2293760},
	{65536, {0, 65536, 2162688, 2228224}, 2359296},
};

static void test_layout(void **unused)
{
	static const uint32_t entries[SL_SHARED_PARTS] = {1, SL_NODES_MAX, SL_POOLS_MAX,
							  SL_TUNABLES_SIZE};
	static const uint64_t value_bytes[SL_SHARED_PARTS] = {
		sizeof(struct sl_settings), sizeof(struct sl_node_state),
		sizeof(struct sl_pool_state), sizeof(uint64_t)};

	(void)unused;
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		const struct layout_case *expected = &layouts[i];
		struct sl_shared_layout layout;
		uint64_t at = 0;

		sl_shared_state_layout(expected->page_bytes, &layout);
		for (unsigned part = 0; part < SL_SHARED_PARTS; part++) {
			const struct sl_shared_range *range = &layout.parts[part];

			assert_int_equal(range->offset_bytes, expected->offsets[part]);
			assert_int_equal(range->offset_bytes, at);
			assert_int_equal(range->size_bytes % expected->page_bytes, 0);
			assert_int_equal(range->entries, entries[part]);
			assert_true(range->size_bytes >= entries[part] * value_bytes[part]);
			assert_true(range->size_bytes <
				    entries[part] * value_bytes[part] + expected->page_bytes);
			at += range->size_bytes;
		}
		assert_int_equal(layout.size_bytes, expected->size_bytes);
		assert_int_equal(layout.size_bytes, at);
	}
}

/* Two who map the same descriptor see each other's writes, up to the last entry of each part. */
static void test_share(void **unused)
{
	void *mine[SL_SHARED_PARTS], *theirs[SL_SHARED_PARTS];
	struct sl_shared_layout layout;
	uint64_t *tunables;
	int fd;

	(void)unused;
	assert_int_equal(sl_shared_state_create(&fd), 0);
	assert_int_equal(sl_shared_state_check(fd), 0);
	sl_shared_state_layout_here(&layout);
	for (unsigned part = 0; part < SL_SHARED_PARTS; part++) {
		assert_int_equal(sl_shared_state_map(fd, &layout, part, &mine[part]), 0);
		assert_int_equal(sl_shared_state_map(fd, &layout, part, &theirs[part]), 0);
	}
	close(fd);
	((struct sl_settings *)mine[SL_SHARED_SETTINGS])->abi_version = 7;
	((struct sl_node_state *)mine[SL_SHARED_NODES])[SL_NODES_MAX - 1].signals[23] = 8;
	((struct sl_pool_state *)mine[SL_SHARED_POOLS])[SL_POOLS_MAX - 1].name[63] = 9;
	tunables = mine[SL_SHARED_TUNABLES];
	tunables[0] = 10;
	tunables[SL_TUNABLES_SIZE - 1] = 11;
	tunables = theirs[SL_SHARED_TUNABLES];
	assert_int_equal(((struct sl_settings *)theirs[SL_SHARED_SETTINGS])->abi_version, 7);
	assert_int_equal(
		((struct sl_node_state *)theirs[SL_SHARED_NODES])[SL_NODES_MAX - 1].signals[23], 8);
	assert_int_equal(
		((struct sl_pool_state *)theirs[SL_SHARED_POOLS])[SL_POOLS_MAX - 1].name[63], 9);
	assert_int_equal(tunables[0], 10);
	assert_int_equal(tunables[SL_TUNABLES_SIZE - 1], 11);
	for (unsigned part = 0; part < SL_SHARED_PARTS; part++) {
		munmap(mine[part], layout.parts[part].size_bytes);
		munmap(theirs[part], layout.parts[part].size_bytes);
	}
}

/* Its maker cannot pull a page away under a reader. */
static void test_sealed(void **unused)
{
	struct sl_shared_layout layout;
	int fd;

	(void)unused;
	sl_shared_state_layout_here(&layout);
	assert_int_equal(sl_shared_state_create(&fd), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), layout.size_bytes);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(ftruncate(fd, (off_t)layout.size_bytes + 1), -1);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	close(fd);
}

static void test_refuse(void **unused)
{
	struct sl_shared_layout layout;
	int fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	(void)unused;
	sl_shared_state_layout_here(&layout);
	assert_true(fd >= 0);
	assert_int_equal(sl_shared_state_check(fd), -EPROTO); /* empty */
	assert_int_equal(ftruncate(fd, (off_t)layout.size_bytes - 1), 0);
	assert_int_equal(sl_shared_state_check(fd), -EPROTO);
	assert_int_equal(ftruncate(fd, (off_t)layout.size_bytes), 0);
	assert_int_equal(sl_shared_state_check(fd), -EPERM); /* may shrink */
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(sl_shared_state_check(fd), -EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	assert_int_equal(sl_shared_state_check(fd), 0);
	close(fd);
	assert_int_equal(sl_shared_state_check(fd), -EBADF);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(sl_shared_state_check(fd), -EPROTO);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
