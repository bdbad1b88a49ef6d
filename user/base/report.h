/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * report.h - complaints about a source text, each with its place:
 *
 *	sluice.yaml:12:15: error: limits.body: "4x" is not a size (expected 1KiB to 1GiB, ...)
 *	   12 | limits: {body: 4x}
 *	      |               ^
 *
 * Complaints may come in any order; they are written in the order of the text. At most
 * SL_REPORT_MAX are kept, the rest is counted. Control bytes of the source are shown as '?', secrets
 * as '*' (mask.h). The source is borrowed and must live as long as the report. One thread.
 */
#ifndef SL_BASE_REPORT_H
#define SL_BASE_REPORT_H

#include <stddef.h>
#include "user/base/text.h"

#define SL_REPORT_MAX	      50u
#define SL_REPORT_COLUMNS_MAX 100u /* of a source line; around the caret when it is longer */

struct sl_report_entry {
	unsigned line; /* from 1; 0: the whole file, no place */
	unsigned column;
	unsigned order;
	char *text;
};

struct sl_report {
	const char *name; /* of the file */
	struct sl_span source;
	struct sl_report_entry entries[SL_REPORT_MAX];
	unsigned count;		/* of all complaints, those not kept included */
	struct sl_text secrets; /* values that are hidden wherever they stand, each with its NUL */
};

void sl_report_init(struct sl_report *report, const char *name, const char *source,
		    size_t source_len);
void sl_report_fini(struct sl_report *report);

/* line and column from 1, column in characters. line 0: about the file as a whole. */
__attribute__((format(printf, 4, 5))) void sl_report_add(struct sl_report *report, unsigned line,
							 unsigned column, const char *format, ...);

/* The value, at least of SL_MASK_VALUE_MIN bytes, is shown nowhere: in no line, in no complaint. */
void sl_report_hide(struct sl_report *report, const char *value);

/* All of it as text; malloc'ed, the caller frees. NULL without memory. "" without complaints. */
char *sl_report_render(struct sl_report *report);

#endif
