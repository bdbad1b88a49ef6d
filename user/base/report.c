/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "user/base/mask.h"

#define MARGIN "      | "

void sl_report_init(struct sl_report *report, const char *name, const char *source,
		    size_t source_len)
{
	memset(report, 0, sizeof(*report));
	report->name = name;
	report->source = sl_span_make(source, source_len);
	sl_text_init(&report->secrets, 0);
}

static unsigned kept(const struct sl_report *report)
{
	return report->count < SL_REPORT_MAX ? report->count : SL_REPORT_MAX;
}

void sl_report_fini(struct sl_report *report)
{
	for (unsigned i = 0; i < kept(report); i++)
		free(report->entries[i].text);
	sl_text_fini(&report->secrets);
	memset(report, 0, sizeof(*report));
}

void sl_report_add(struct sl_report *report, unsigned line, unsigned column, const char *format,
		   ...)
{
	struct sl_report_entry *entry;
	va_list args;

	if (report->count >= SL_REPORT_MAX) {
		report->count++;
		return;
	}
	entry = &report->entries[report->count];
	*entry = (struct sl_report_entry){line, column, report->count, NULL};
	report->count++;
	va_start(args, format);
	if (vasprintf(&entry->text, format, args) < 0)
		entry->text = NULL;
	va_end(args);
}

void sl_report_hide(struct sl_report *report, const char *value)
{
	sl_text_append(&report->secrets, value, strlen(value) + 1);
}

static void hide_secrets(const struct sl_report *report, char *text, size_t text_len)
{
	const char *value = sl_text_string(&report->secrets);
	const char *end = value + report->secrets.len;

	for (; value < end; value += strlen(value) + 1)
		sl_mask_value(text, text_len, value);
}

/* The source as it may be shown. Without memory nothing of it is: better no line than a secret. */
static void mask_source(const struct sl_report *report, struct sl_text *masked)
{
	sl_text_init(masked, 0);
	if (sl_mask_source(report->source, masked) != 0 || report->secrets.error != 0)
		sl_text_reset(masked);
	else if (masked->len > 0)
		hide_secrets(report, masked->data, masked->len);
}

static int compare(const void *left, const void *right)
{
	const struct sl_report_entry *a = left;
	const struct sl_report_entry *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	if (a->column != b->column)
		return a->column < b->column ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

static struct sl_span source_line(struct sl_span source, unsigned line)
{
	struct sl_span found = {NULL, 0};

	for (unsigned i = 0; i < line && source.data != NULL; i++)
		found = sl_span_cut(&source, '\n');
	if (found.len > 0 && found.data[found.len - 1] == '\r')
		found.len--;
	return found;
}

/* Length of the character at the start of rest: a UTF-8 sequence or one byte. */
static size_t character_len(struct sl_span rest)
{
	size_t len = sl_text_utf8_len(rest.data, rest.len);

	return len > 0 ? len : 1;
}

static void append_source(struct sl_text *text, const struct sl_report_entry *entry,
			  struct sl_span line)
{
	/* The first column that is shown. */
	unsigned from = entry->column > SL_REPORT_COLUMNS_MAX
				? entry->column - SL_REPORT_COLUMNS_MAX / 2
				: 1;
	unsigned column = 1;
	struct sl_text caret;

	sl_text_init(&caret, 0);
	sl_text_printf(text, "%5u | %s", entry->line, from > 1 ? "..." : "");
	sl_text_append_string(&caret, from > 1 ? "   " : "");
	for (; line.len > 0 && column < from + SL_REPORT_COLUMNS_MAX; column++) {
		size_t len = character_len(line);
		unsigned char byte = (unsigned char)line.data[0];

		if (column >= from) {
			bool odd = (byte < 0x20 && byte != '\t') || byte == 0x7f ||
				   (byte >= 0x80 && len == 1);

			sl_text_append(text, odd ? "?" : line.data, odd ? 1 : len);
			/* A tab before the caret is repeated: it is as wide as above. */
			if (column < entry->column)
				sl_text_append_char(&caret, byte == '\t' ? '\t' : ' ');
		}
		line.data += len;
		line.len -= len;
	}
	sl_text_printf(text, "%s\n" MARGIN "%s^\n", line.len > 0 ? "..." : "",
		       sl_text_string(&caret));
	sl_text_fini(&caret);
}

char *sl_report_render(struct sl_report *report)
{
	struct sl_text text, masked;
	char *out;

	mask_source(report, &masked);
	qsort(report->entries, kept(report), sizeof(report->entries[0]), compare);
	sl_text_init(&text, 0);
	for (unsigned i = 0; i < kept(report); i++) {
		const struct sl_report_entry *entry = &report->entries[i];
		const char *said = entry->text != NULL ? entry->text : "out of memory";

		if (entry->text != NULL)
			hide_secrets(report, entry->text, strlen(entry->text));
		if (entry->line == 0) {
			sl_text_printf(&text, "%s: error: %s\n", report->name, said);
			continue;
		}
		sl_text_printf(&text, "%s:%u:%u: error: %s\n", report->name, entry->line,
			       entry->column, said);
		append_source(&text, entry, source_line(sl_text_span(&masked), entry->line));
	}
	if (report->count > SL_REPORT_MAX)
		sl_text_printf(&text, "%s: %u more errors are not shown\n", report->name,
			       report->count - SL_REPORT_MAX);
	out = sl_text_take(&text);
	sl_text_fini(&text);
	sl_text_fini(&masked);
	return out;
}
