/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/diff.h"

#include <errno.h>
#include <stdlib.h>

#define ROW (2 * SL_DIFF_EDITS_MAX + 3)

struct lines {
	struct sl_span *at;
	uint32_t count;
};

/* Both texts, and which of their lines do not stay. */
struct diff {
	struct lines from, to;
	bool *gone, *fresh; /* a line of `from` that is taken out, of `to` that is put in */
};

static int split(struct sl_span text, struct lines *lines)
{
	uint32_t size = 1;

	for (size_t i = 0; i < text.len; i++)
		size += text.data[i] == '\n';
	if (size > SL_DIFF_LINES_MAX)
		size = SL_DIFF_LINES_MAX;
	lines->at = calloc(size, sizeof(*lines->at));
	if (!lines->at)
		return -ENOMEM;
	while (text.len) {
		if (lines->count + 1 == size) {
			if (text.data[text.len - 1] == '\n')
				text.len--;
			lines->at[lines->count++] = text;
			break;
		}
		lines->at[lines->count++] = sl_span_cut(&text, '\n');
	}
	return 0;
}

/* ---- the shortest edit ----------------------------------------------------------------------- */

/* How far each diagonal has come after so many edits: one row an edit, for the way back. */
struct search {
	const struct sl_span *a, *b;
	int a_len, b_len;
	int *rows;
};

static int *row_of(const struct search *s, int edits)
{
	return s->rows + (size_t)edits * ROW + SL_DIFF_EDITS_MAX + 1;
}

static int slide(const struct search *s, int x, int diagonal)
{
	while (x < s->a_len && x - diagonal < s->b_len &&
	       sl_span_equal(s->a[x], s->b[x - diagonal]))
		x++;
	return x;
}

/* Where a path with one more edit begins on the diagonal: down (a line of b) or right (one of a). */
static bool goes_down(const int *before, int diagonal, int edits)
{
	return diagonal == -edits ||
	       (diagonal != edits && before[diagonal - 1] < before[diagonal + 1]);
}

/* The number of edits, or -1 where there are more than the bound. */
static int search(const struct search *s)
{
	row_of(s, 0)[0] = slide(s, 0, 0);
	if (s->a_len == s->b_len && row_of(s, 0)[0] == s->a_len)
		return 0;
	for (int edits = 1; edits <= (int)SL_DIFF_EDITS_MAX; edits++) {
		const int *before = row_of(s, edits - 1);
		int *now = row_of(s, edits);

		for (int k = -edits; k <= edits; k += 2) {
			int x = goes_down(before, k, edits) ? before[k + 1] : before[k - 1] + 1;

			now[k] = slide(s, x, k);
			if (now[k] == s->a_len && now[k] - k == s->b_len)
				return edits;
		}
	}
	return -1;
}

/* From the end back: each edit's line is marked. */
static void mark(const struct search *s, int edits, bool *gone, bool *fresh)
{
	int x = s->a_len, y = s->b_len;

	for (; edits > 0; edits--) {
		const int *before = row_of(s, edits - 1);
		int k = x - y;

		if (goes_down(before, k, edits)) {
			x = before[k + 1];
			y = x - (k + 1);
			fresh[y] = true;
		} else {
			x = before[k - 1];
			y = x - (k - 1);
			gone[x] = true;
		}
	}
}

static int compare(struct diff *diff)
{
	struct search s = {.a = diff->from.at,
			   .b = diff->to.at,
			   .a_len = (int)diff->from.count,
			   .b_len = (int)diff->to.count};
	int same = 0, edits;

	while (s.a_len && s.b_len && sl_span_equal(*s.a, *s.b))
		s.a++, s.b++, s.a_len--, s.b_len--, same++;
	while (s.a_len && s.b_len && sl_span_equal(s.a[s.a_len - 1], s.b[s.b_len - 1]))
		s.a_len--, s.b_len--;
	s.rows = calloc((size_t)(SL_DIFF_EDITS_MAX + 1) * ROW, sizeof(*s.rows));
	if (!s.rows)
		return -ENOMEM;
	edits = search(&s);
	if (edits >= 0) {
		mark(&s, edits, diff->gone + same, diff->fresh + same);
	} else {
		for (int i = 0; i < s.a_len; i++)
			diff->gone[same + i] = true;
		for (int i = 0; i < s.b_len; i++)
			diff->fresh[same + i] = true;
	}
	free(s.rows);
	return 0;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* A part that is shown: lines [a, a_end) of from, [b, b_end) of to. */
struct hunk {
	uint32_t a, a_end, b, b_end;
};

static bool is_equal_at(const struct diff *diff, uint32_t a, uint32_t b)
{
	return (a == diff->from.count || !diff->gone[a]) &&
	       (b == diff->to.count || !diff->fresh[b]);
}

/* The next one from *a, *b on, which go to its end. False: there is none. */
static bool next_hunk(const struct diff *diff, uint32_t *a, uint32_t *b, struct hunk *hunk)
{
	uint32_t quiet = 0, before;

	while (*a < diff->from.count && is_equal_at(diff, *a, *b))
		(*a)++, (*b)++;
	if (is_equal_at(diff, *a, *b) && *a == diff->from.count && *b == diff->to.count)
		return false;
	before = *a < SL_DIFF_CONTEXT ? *a : SL_DIFF_CONTEXT;
	if (*b < before)
		before = *b;
	hunk->a = *a - before;
	hunk->b = *b - before;
	while ((*a < diff->from.count || *b < diff->to.count) && quiet <= 2 * SL_DIFF_CONTEXT) {
		if (is_equal_at(diff, *a, *b)) {
			(*a)++, (*b)++, quiet++;
			continue;
		}
		quiet = 0;
		while (*a < diff->from.count && diff->gone[*a])
			(*a)++;
		while (*b < diff->to.count && diff->fresh[*b])
			(*b)++;
	}
	before = quiet > SL_DIFF_CONTEXT ? quiet - SL_DIFF_CONTEXT : 0;
	hunk->a_end = *a - before;
	hunk->b_end = *b - before;
	return true;
}

static void put_line(struct sl_text *out, char mark, struct sl_span line)
{
	sl_text_append_char(out, mark);
	sl_text_append_span(out, line);
	sl_text_append_char(out, '\n');
}

static void put_range(struct sl_text *out, char mark, uint32_t begin, uint32_t end)
{
	sl_text_printf(out, "%c%u", mark, end > begin ? begin + 1 : begin);
	if (end - begin != 1)
		sl_text_printf(out, ",%u", end - begin);
}

static void put_hunk(const struct diff *diff, const struct hunk *hunk, struct sl_text *out)
{
	uint32_t a = hunk->a, b = hunk->b;

	sl_text_append_string(out, "@@ ");
	put_range(out, '-', hunk->a, hunk->a_end);
	sl_text_append_char(out, ' ');
	put_range(out, '+', hunk->b, hunk->b_end);
	sl_text_append_string(out, " @@\n");
	while (a < hunk->a_end || b < hunk->b_end) {
		if (a < hunk->a_end && diff->gone[a]) {
			put_line(out, '-', diff->from.at[a++]);
		} else if (b < hunk->b_end && diff->fresh[b]) {
			put_line(out, '+', diff->to.at[b++]);
		} else {
			put_line(out, ' ', diff->from.at[a++]);
			b++;
		}
	}
}

static void write_all(const struct diff *diff, const char *from_name, const char *to_name,
		      struct sl_text *out)
{
	uint32_t a = 0, b = 0;
	bool any = false;
	struct hunk hunk;

	while (next_hunk(diff, &a, &b, &hunk)) {
		if (!any)
			sl_text_printf(out, "--- %s\n+++ %s\n", from_name, to_name);
		any = true;
		put_hunk(diff, &hunk, out);
	}
}

int sl_diff_write(struct sl_span from, const char *from_name, struct sl_span to,
		  const char *to_name, struct sl_text *out)
{
	struct diff diff = {0};
	int rc = split(from, &diff.from);

	if (rc == 0)
		rc = split(to, &diff.to);
	if (rc == 0) {
		diff.gone = calloc(diff.from.count + 1, sizeof(bool));
		diff.fresh = calloc(diff.to.count + 1, sizeof(bool));
		rc = diff.gone && diff.fresh ? compare(&diff) : -ENOMEM;
	}
	if (rc == 0) {
		write_all(&diff, from_name, to_name, out);
		rc = out->error;
	}
	free(diff.from.at);
	free(diff.to.at);
	free(diff.gone);
	free(diff.fresh);
	return rc;
}
