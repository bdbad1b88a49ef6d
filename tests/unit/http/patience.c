/* SPDX-License-Identifier: BSD-2-Clause */
/* How long a slow peer is waited for: a table, and that each byte only ever earns time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "user/http/patience.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define S	 (1000 * SL_NS_PER_MS)

static const struct {
	const char *what;
	uint64_t from_ns;
	uint32_t timeout_ms;
	uint64_t bytes;
	uint32_t rate;
	uint64_t due_ns;
} rows[] = {
	{"no rate: never", 7, 1000, 5, 0, UINT64_MAX},
	{"nothing: the time-out", 7, 1000, 0, 512, 7 + S},
	{"one byte earns its part", 0, 1000, 1, 512, S + S / 512},
	{"a second of bytes earns a second", 0, 1000, 512, 512, 2 * S},
	{"all but one", 0, 0, 1023, 512, S + 511 * S / 512},
	{"the largest body at the lowest rate", 0, 0, UINT64_C(1) << 30, 1,
	 (UINT64_C(1) << 30) * S},
	{"the largest rate", 0, 30000, UINT64_C(1) << 30, 1u << 30, 31 * S},
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint64_t due_ns = sl_patience_due_ns(rows[i].from_ns, rows[i].timeout_ms,
						     rows[i].bytes, rows[i].rate);

		if (due_ns != rows[i].due_ns)
			fail_msg("%s: %llu", rows[i].what, (unsigned long long)due_ns);
	}
}

static void test_rises(void **state)
{
	(void)state;
	for (uint32_t rate = 1; rate < 2000; rate += 7) {
		uint64_t last_ns = 0;

		for (uint64_t bytes = 0; bytes < 5000; bytes += 13) {
			uint64_t due_ns = sl_patience_due_ns(0, 1, bytes, rate);

			assert_true(due_ns >= last_ns);
			last_ns = due_ns;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_rises),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
