/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/suggest.h"

#include <limits.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static char fold(char byte)
{
	if (byte >= 'A' && byte <= 'Z')
		return (char)(byte | 0x20);
	return byte == '-' ? '_' : byte; /* the usual slip */
}

unsigned sl_suggest_distance(const char *a, const char *b)
{
	unsigned rows[3][SL_SUGGEST_LEN_MAX + 1];
	size_t a_len = strlen(a);
	size_t b_len = strlen(b);

	if (a_len > SL_SUGGEST_LEN_MAX || b_len > SL_SUGGEST_LEN_MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a_len; i++) {
		unsigned *row = rows[i % 3];
		unsigned *above = rows[(i - 1) % 3];
		unsigned *twice = rows[(i + 1) % 3]; /* i - 2 */

		row[0] = i;
		for (unsigned j = 1; j <= b_len; j++) {
			char x = fold(a[i - 1]);
			char y = fold(b[j - 1]);

			row[j] = least(above[j] + 1, row[j - 1] + 1);
			row[j] = least(row[j], above[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == fold(b[j - 2]) && fold(a[i - 2]) == y)
				row[j] = least(row[j], twice[j - 2] + 1);
		}
	}
	return rows[a_len % 3][b_len];
}

const char *sl_suggest(const char *word, const char *const *names, size_t name_count)
{
	size_t len = strlen(word);
	unsigned bound = len < 3 ? 1 : (unsigned)((len + 2) / 3);
	const char *best = NULL;

	for (size_t i = 0; i < name_count; i++) {
		unsigned distance = sl_suggest_distance(word, names[i]);

		/* As many edits as the name has letters would make anything of anything. */
		if (distance > bound || distance >= strlen(names[i]))
			continue;
		if (best == NULL || distance < bound)
			best = names[i];
		if (distance < bound)
			bound = distance;
	}
	return best;
}
