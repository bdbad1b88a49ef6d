/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * diff.h - what is different between two texts, by lines, in the unified format of POSIX `diff -u`.
 *
 * The shortest edit (E. Myers, "An O(ND) Difference Algorithm and Its Variations", Algorithmica 1, 1986).
 * Its time and memory grow with the square of the number of differing lines: texts that differ in more
 * than SL_DIFF_EDITS_MAX are shown as one part taken out and one put in, which is right all the same.
 *
 * Pure; any thread.
 */
#ifndef SL_BASE_DIFF_H
#define SL_BASE_DIFF_H

#include "user/base/text.h"

#define SL_DIFF_EDITS_MAX 512u	 /* lines taken out and put in; 2 MiB of work memory */
#define SL_DIFF_CONTEXT	  3u	 /* equal lines shown around a difference */
#define SL_DIFF_LINES_MAX 65536u /* of one text; the rest of it counts as one line */

/*
 * Appends the differences: two head lines with the names, then hunks. Equal texts: nothing. Returns 0,
 * -ENOMEM, or out's error.
 */
int sl_diff_write(struct sl_span from, const char *from_name, struct sl_span to,
		  const char *to_name, struct sl_text *out);

#endif
