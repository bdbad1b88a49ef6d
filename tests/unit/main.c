/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - all tests of a layer in one program, each under its own name: build/unit/LAYER/NAME is a symbolic
 * link to build/unit-LAYER, which runs main() of tests/unit/LAYER/NAME.c, renamed by the compiler (see the
 * Makefile).
 */
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define TEST(name) int main_##name(void);
#include UNIT_TESTS
#undef TEST

static const struct test {
	const char *name;
	int (*run)(void);
} tests[] = {
#define TEST(name) {#name, main_##name},
#include UNIT_TESTS
#undef TEST
};

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? basename(argv[0]) : "";

	for (size_t i = 0; i < sizeof(tests) / sizeof(*tests); i++) {
		if (!strcmp(tests[i].name, name))
			return tests[i].run();
	}
	fprintf(stderr,
		"%s: not among the tests of this layer (of a test that is gone, remove the link)\n",
		name);
	return 2;
}
