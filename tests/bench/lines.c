/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lines OBJECT PROGRAM - which line of the source an address of the compiled program belongs to.
 *
 * Reads lines "COUNT 0xOFFSET" (of perf, see profile.sh) and prints "COUNT FILE:LINE  TEXT", lines
 * of the same place together. The kernel compiles a program the same way each time, so the object is
 * loaded once more to be asked for its table of lines. Root is needed.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_NUMBER_SHIFT 10 /* of bpf_line_info.line_col */

struct table {
	struct bpf_line_info *lines;
	uint64_t *addresses; /* of the compiled code, one for each of the lines */
	uint64_t *counts;
	uint64_t start; /* of the main function */
	uint32_t length;
	uint32_t count;
};

__attribute__((noreturn)) static void die(const char *what)
{
	fprintf(stderr, "lines: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void table_read(int fd, struct table *table)
{
	struct bpf_prog_info info = {0}, ask = {0};
	uint32_t size = sizeof(info), *lengths, functions;
	uint64_t *starts;

	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		die("program");
	table->count = info.nr_jited_line_info;
	functions = info.nr_jited_ksyms;
	table->lines = calloc(info.nr_line_info + 1u, sizeof(*table->lines));
	table->addresses = calloc(table->count + 1u, sizeof(*table->addresses));
	table->counts = calloc(table->count + 1u, sizeof(*table->counts));
	starts = calloc(functions + 1u, sizeof(*starts));
	lengths = calloc(functions + 1u, sizeof(*lengths));
	if (!table->lines || !table->addresses || !table->counts || !starts || !lengths)
		die("memory");
	ask.nr_line_info = info.nr_line_info;
	ask.line_info = (uintptr_t)table->lines;
	ask.line_info_rec_size = sizeof(*table->lines);
	ask.nr_jited_line_info = table->count;
	ask.jited_line_info = (uintptr_t)table->addresses;
	ask.jited_line_info_rec_size = sizeof(*table->addresses);
	ask.nr_jited_ksyms = ask.nr_jited_func_lens = functions;
	ask.jited_ksyms = (uintptr_t)starts;
	ask.jited_func_lens = (uintptr_t)lengths;
	size = sizeof(ask);
	if (bpf_obj_get_info_by_fd(fd, &ask, &size) || !functions || !starts[0])
		die("table of lines (is net.core.bpf_jit_enable 1?)");
	table->start = starts[0];
	table->length = lengths[0];
	free(starts);
	free(lengths);
}

/* The last line that begins at or before the address, in the main function. */
static uint32_t table_find(const struct table *table, uint64_t address)
{
	uint32_t best = table->count;

	for (uint32_t i = 0; i < table->count; i++) {
		uint64_t at = table->addresses[i];

		if (at < table->start || at >= table->start + table->length || at > address)
			continue;
		if (best == table->count || at >= table->addresses[best])
			best = i;
	}
	return best;
}

static bool same_place(const struct bpf_line_info *a, const struct bpf_line_info *b)
{
	return a->file_name_off == b->file_name_off &&
	       a->line_col >> LINE_NUMBER_SHIFT == b->line_col >> LINE_NUMBER_SHIFT;
}

int main(int argc, char **argv)
{
	struct table table = {0};
	struct bpf_program *program;
	struct bpf_object *object;
	const struct btf *btf;
	unsigned long long count, offset;

	if (argc != 3) {
		fprintf(stderr, "usage: lines OBJECT PROGRAM <OFFSETS\n");
		return 2;
	}
	object = bpf_object__open(argv[1]);
	if (!object || bpf_object__load(object))
		die(argv[1]);
	program = bpf_object__find_program_by_name(object, argv[2]);
	if (!program)
		die(argv[2]);
	table_read(bpf_program__fd(program), &table);
	while (scanf("%llu %llx", &count, &offset) == 2)
		table.counts[table_find(&table, table.start + offset)] += count;
	btf = bpf_object__btf(object);
	for (uint32_t i = 0; i < table.count; i++) {
		for (uint32_t j = i + 1; j < table.count; j++) {
			if (!same_place(&table.lines[i], &table.lines[j]))
				continue;
			table.counts[i] += table.counts[j];
			table.counts[j] = 0;
		}
		if (!table.counts[i])
			continue;
		const char *text = btf__name_by_offset(btf, table.lines[i].line_off);

		printf("%llu %s:%u  %s\n", (unsigned long long)table.counts[i],
		       btf__name_by_offset(btf, table.lines[i].file_name_off),
		       table.lines[i].line_col >> LINE_NUMBER_SHIFT, text + strspn(text, " \t"));
	}
	bpf_object__close(object);
	return 0;
}
