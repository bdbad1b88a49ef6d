/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * suite.c - all test-run programs of tests/bpf in one, with the BPF object loaded once.
 *
 *   bpf-suite [NAME...]      all but those that are for the host only, or the named ones
 *
 * Loading takes most of a test's time where the verifier is emulated (vmtest). Each test runs in a
 * process of its own that inherits the loaded object; before it, every map is emptied, so it sees
 * what a fresh load would show. A test that wants another size of the flow table loads for itself.
 *
 * Output: that of the tests, a line "# NAME" before each. Exit status: 1 when any failed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bpf/lib/rig.h"

/* main() of each test, renamed by the linker's list (see the Makefile). */
#define TEST(name) int test_##name(void);
#include "bpf-tests.def"
#undef TEST

static const struct test {
	const char *name;
	int (*run)(void);
} tests[] = {
#define TEST(name) {#name, test_##name},
#include "bpf-tests.def"
#undef TEST
};

#define TEST_COUNT (sizeof(tests) / sizeof(*tests))

/* Packets cut at every byte and flipped at every bit: hours in emulation, and no other kernel's
 * business. */
static const char *const host_only[] = {"fixtures_cut", "fixtures_flip"};

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void delete_all(const struct bpf_map *map)
{
	int fd = bpf_map__fd(map);
	void *key = calloc(1, bpf_map__key_size(map));

	if (!key)
		die("memory");
	while (!bpf_map_get_next_key(fd, NULL, key)) {
		if (bpf_map_delete_elem(fd, key))
			die(bpf_map__name(map));
	}
	free(key);
}

static void zero_each(const struct bpf_map *map)
{
	size_t size = (bpf_map__value_size(map) + 7u) / 8u * 8u;
	void *value;

	if (bpf_map__type(map) == BPF_MAP_TYPE_PERCPU_ARRAY)
		size *= (size_t)libbpf_num_possible_cpus();
	value = calloc(1, size);
	if (!value)
		die("memory");
	for (uint32_t key = 0; key < bpf_map__max_entries(map); key++) {
		if (bpf_map_update_elem(bpf_map__fd(map), &key, value, BPF_ANY))
			die(bpf_map__name(map));
	}
	free(value);
}

static void zero_memory(const struct bpf_map *map)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE),
	       value = (bpf_map__value_size(map) + 7u) / 8u * 8u;
	size_t len = (value * bpf_map__max_entries(map) + page - 1) / page * page;
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);

	if (at == MAP_FAILED)
		die(bpf_map__name(map));
	memset(at, 0, len);
	munmap(at, len);
}

/* Maps as they are after a load. Rings are emptied by who reads them, programs' arrays stay. */
static void empty_maps(const struct bpf_object *object)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		if (bpf_map__is_internal(map))
			continue;
		switch (bpf_map__type(map)) {
		case BPF_MAP_TYPE_HASH:
		case BPF_MAP_TYPE_LRU_HASH:
		case BPF_MAP_TYPE_LPM_TRIE:
			delete_all(map);
			break;
		case BPF_MAP_TYPE_ARRAY:
			if (bpf_map__map_flags(map) & BPF_F_MMAPABLE)
				zero_memory(map);
			else
				zero_each(map);
			break;
		case BPF_MAP_TYPE_PERCPU_ARRAY:
			zero_each(map);
			break;
		default:
			break;
		}
	}
}

static bool named(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!strcmp(name, names[i]))
			return true;
	}
	return false;
}

static bool run(const struct test *test)
{
	int status;
	pid_t pid;

	printf("# %s\n", test->name);
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		exit(test->run());
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	if (!WIFEXITED(status))
		printf("not ok %s: ended by signal %d\n", test->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) > 1)
		printf("not ok %s: exit status %d\n", test->name, WEXITSTATUS(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	const char *const *wanted = (const char *const *)argv + 1;
	size_t count = (size_t)argc - 1;
	struct sl_rig rig;
	bool good = true;

	sl_rig_preload(&rig);
	for (size_t i = 0; i < TEST_COUNT; i++) {
		if (count ? !named(tests[i].name, wanted, count)
			  : named(tests[i].name, host_only, sizeof(host_only) / sizeof(*host_only)))
			continue;
		empty_maps(rig.object);
		good = run(&tests[i]) && good;
	}
	return !good;
}
