/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/spend_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/base/replace.h"
#include "user/base/text.h"

#define HEADER	   "sluice-spend 1"
#define READ_BYTES 65536u
#define ROWS_MORE  64u
#define DATE_MIN   19700101u
#define DATE_MAX   99991231u

static const char *const kind_names[SL_SPEND_KINDS] = {"key", "tenant", "model"};

const char *sl_spend_kind_name(enum sl_spend_kind kind)
{
	return (unsigned)kind < SL_SPEND_KINDS ? kind_names[kind] : "";
}

struct sl_spend_row *sl_spend_file_add(struct sl_spend_file *file)
{
	if (file->count == SL_SPEND_ROWS_MAX)
		return NULL;
	if (file->count == file->size) {
		uint32_t size = file->size + file->size / 2 + ROWS_MORE;
		struct sl_spend_row *rows = realloc(file->rows, size * sizeof(*rows));

		if (!rows)
			return NULL;
		file->rows = rows;
		file->size = size;
	}
	return memset(&file->rows[file->count++], 0, sizeof(*file->rows));
}

const struct sl_spend_row *sl_spend_file_find(const struct sl_spend_file *file,
					      enum sl_spend_kind kind, const char *name)
{
	for (uint32_t i = 0; i < file->count; i++)
		if (file->rows[i].kind == kind && !strcmp(file->rows[i].name, name))
			return &file->rows[i];
	return NULL;
}

void sl_spend_file_fini(struct sl_spend_file *file)
{
	free(file->rows);
	*file = (struct sl_spend_file){0};
}

/* ---- read ---------------------------------------------------------------------------------- */

static bool take_kind(struct sl_span word, enum sl_spend_kind *ret_kind)
{
	for (unsigned i = 0; i < SL_SPEND_KINDS; i++) {
		if (!sl_span_equal(word, sl_span_string(kind_names[i])))
			continue;
		*ret_kind = (enum sl_spend_kind)i;
		return true;
	}
	return false;
}

/* "key NAME DAY MONTH TOTAL". 0, -EINVAL, -E2BIG, -ENOMEM. */
static int take_row(struct sl_spend_file *file, struct sl_span line)
{
	struct sl_span kind = sl_span_cut(&line, ' '), name = sl_span_cut(&line, ' ');
	uint64_t amounts[3];
	struct sl_spend_row *row;
	enum sl_spend_kind of;

	if (!take_kind(kind, &of) || !name.len || name.len > SL_SPEND_NAME_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < 3; i++) {
		struct sl_span word = sl_span_cut(&line, ' ');

		if (sl_money_parse(word.data, word.len, &amounts[i]))
			return -EINVAL;
	}
	if (line.data)
		return -EINVAL;
	if (file->count == SL_SPEND_ROWS_MAX)
		return -E2BIG;
	row = sl_spend_file_add(file);
	if (!row)
		return -ENOMEM;
	row->kind = of;
	memcpy(row->name, name.data, name.len);
	row->day = amounts[0];
	row->month = amounts[1];
	row->total = amounts[2];
	return 0;
}

static int take_date(struct sl_spend_file *file, struct sl_span line)
{
	const struct sl_span word = SL_SPAN("date ");
	uint64_t date;

	if (!sl_span_starts(line, word) ||
	    sl_span_u64(sl_span_make(line.data + word.len, line.len - word.len), &date) ||
	    date < DATE_MIN || date > DATE_MAX)
		return -EINVAL;
	file->date = (uint32_t)date;
	return 0;
}

/* What a line is wrong about, by its number. */
static int take_lines(struct sl_spend_file *file, struct sl_span rest, unsigned *ret_line)
{
	bool header = false, end = false;
	int rc = 0;

	for (*ret_line = 1; rest.data && !rc; ++*ret_line) {
		struct sl_span line = sl_span_cut(&rest, '\n');

		if (!line.len || line.data[0] == '#')
			continue;
		if (end)
			rc = -EINVAL;
		else if (!header)
			rc = sl_span_equal(line, SL_SPAN(HEADER)) ? 0 : -EINVAL;
		else if (!file->date)
			rc = take_date(file, line);
		else if (sl_span_equal(line, SL_SPAN("end")))
			end = true;
		else
			rc = take_row(file, line);
		header = true;
	}
	--*ret_line;
	return rc || end ? rc : -EINVAL;
}

/* What belongs to a day or month that is over. */
static void turn(struct sl_spend_file *file, uint32_t today)
{
	for (uint32_t i = 0; i < file->count && file->date != today; i++) {
		file->rows[i].day = 0;
		if (file->date / 100u != today / 100u)
			file->rows[i].month = 0;
	}
	file->date = today;
}

int sl_spend_file_parse(const char *name, const char *text, size_t text_len, uint32_t today,
			struct sl_spend_file *ret_file, struct sl_error *error)
{
	struct sl_spend_file file = {0};
	unsigned line;
	int rc = take_lines(&file, sl_span_make(text, text_len), &line);

	if (rc) {
		sl_spend_file_fini(&file);
		if (rc != -EINVAL)
			return sl_error_set_errno(error, rc, "%s:%u", name, line);
		return sl_error_set(error, rc,
				    "%s:%u: no line of a file of what was spent (expected KIND "
				    "NAME DAY MONTH TOTAL, and `end` at the end; take it from a "
				    "copy, or delete it to begin at 0)",
				    name, line);
	}
	turn(&file, today);
	*ret_file = file;
	return 0;
}

static int read_all(int fd, struct sl_text *text)
{
	ssize_t got = 1;

	while (got != 0) {
		int rc = sl_text_reserve(text, READ_BYTES);

		if (rc)
			return rc;
		got = read(fd, text->data + text->len, READ_BYTES);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			text->len += (size_t)got;
	}
	return 0;
}

int sl_spend_file_read(const char *path, uint32_t today, struct sl_spend_file *ret_file,
		       struct sl_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct sl_text text;
	int rc;

	if (fd < 0)
		return sl_error_set_errno(error, -errno, "%s: cannot be opened", path);
	sl_text_init(&text, SL_SPEND_FILE_BYTES_MAX);
	rc = read_all(fd, &text);
	close(fd);
	if (rc)
		sl_error_set_errno(error, rc, "%s: cannot be read", path);
	else
		rc = sl_spend_file_parse(path, sl_text_string(&text), text.len, today, ret_file,
					 error);
	sl_text_fini(&text);
	return rc;
}

/* ---- write --------------------------------------------------------------------------------- */

int sl_spend_file_write(const char *path, const struct sl_spend_file *file, struct sl_error *error)
{
	char day[SL_MONEY_TEXT_SIZE], month[SL_MONEY_TEXT_SIZE], total[SL_MONEY_TEXT_SIZE];
	struct sl_text text;
	int rc;

	sl_text_init(&text, SL_SPEND_FILE_BYTES_MAX);
	sl_text_printf(&text,
		       HEADER "\n"
			      "# what was spent in the day, in the month, and ever: written by "
			      "sluiced\n"
			      "date %u\n",
		       file->date);
	for (uint32_t i = 0; i < file->count; i++) {
		const struct sl_spend_row *row = &file->rows[i];

		if (row->total)
			sl_text_printf(&text, "%s %s %s %s %s\n", kind_names[row->kind], row->name,
				       sl_money_format(row->day, day),
				       sl_money_format(row->month, month),
				       sl_money_format(row->total, total));
	}
	rc = sl_text_append_string(&text, "end\n");
	if (!rc)
		rc = sl_replace_file(path, &text);
	if (rc)
		sl_error_set_errno(error, rc, "%s: cannot be written", path);
	sl_text_fini(&text);
	return rc;
}
