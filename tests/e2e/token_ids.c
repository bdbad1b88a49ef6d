/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * token_ids TOKENIZER.JSON - the daemon's own tokenizer, for tests/e2e/tokens.mjs. Reads texts from stdin,
 * each behind its length in four bytes (little end first); prints a line of ids for each, "bad" where the
 * text is refused. A count that is not the number of ids ends it with status 3, a file that is refused
 * with status 1 and the reason.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/store/tokenizer.h"

#define TEXT_MAX (4u << 20)

int main(int argc, char **argv)
{
	struct sl_tokenizer *tokenizer = NULL;
	struct sl_error error = {""};
	char *text = malloc(TEXT_MAX);
	uint32_t *ids = malloc(TEXT_MAX * sizeof(*ids)), len;

	if (argc != 2 || !text || !ids)
		return 2;
	if (sl_tokenizer_read(argv[1], &tokenizer, &error)) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	while (fread(&len, sizeof(len), 1, stdin) == 1) {
		struct sl_span span = sl_span_make(text, len);
		int64_t count;

		if (len > TEXT_MAX || fread(text, 1, len, stdin) != len)
			return 2;
		count = sl_tokenizer_encode(tokenizer, span, ids, TEXT_MAX);
		/* the second one finds its pieces known */
		if (sl_tokenizer_count(tokenizer, span) != count ||
		    sl_tokenizer_count(tokenizer, span) != count)
			return 3;
		for (int64_t i = 0; i < count; i++)
			printf("%s%u", i ? " " : "", ids[i]);
		printf("%s\n", count < 0 ? "bad" : "");
	}
	sl_tokenizer_close(&tokenizer);
	free(ids);
	free(text);
	return 0;
}
