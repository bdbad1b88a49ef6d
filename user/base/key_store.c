/* SPDX-License-Identifier: BSD-2-Clause */
/* The file of API keys on the disk: read, lock, replace. Declared in key_file.h. */
#include "user/base/key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/replace.h"

#define READ_BYTES   65536u
#define LOCK_POLL_MS 20u

/* ---- read ---------------------------------------------------------------------------------- */

static int read_all(int fd, struct sl_text *text)
{
	ssize_t got = 1;

	while (got != 0) {
		int rc = sl_text_reserve(text, READ_BYTES);

		if (rc != 0)
			return rc;
		got = read(fd, text->data + text->len, READ_BYTES);
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0)
			text->len += (size_t)got;
		if (text->len > SL_KEY_FILE_BYTES_MAX)
			return -E2BIG;
	}
	return 0;
}

int sl_key_file_read(const char *path, struct sl_key_file **ret_file, struct sl_error *error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct sl_text text;
	int rc;

	if (fd < 0)
		return sl_error_set_errno(error, -errno, "%s: cannot be opened", path);
	sl_text_init(&text, SL_KEY_FILE_BYTES_MAX + 2 * READ_BYTES);
	rc = read_all(fd, &text);
	close(fd);
	if (rc != 0)
		sl_error_set_errno(error, rc, "%s: cannot be read", path);
	else
		rc = sl_key_file_parse(path, text.data, text.len, ret_file, error);
	sl_text_fini(&text);
	return rc;
}

/* ---- lock ---------------------------------------------------------------------------------- */

int sl_key_file_lock(const char *path, int *ret_fd, struct sl_error *error)
{
	uint64_t until_ms = sl_clock_ms() + SL_KEY_LOCK_WAIT_MS;
	const struct timespec pause = {0, LOCK_POLL_MS * 1000000};
	char lock[PATH_MAX];
	int fd;

	if (snprintf(lock, sizeof(lock), "%s.lock", path) >= (int)sizeof(lock))
		return sl_error_set_errno(error, -ENAMETOOLONG, "%s.lock", path);
	fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return sl_error_set_errno(error, -errno, "%s: cannot be opened", lock);
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		int rc = -errno;

		if (rc != -EWOULDBLOCK && rc != -EINTR) {
			close(fd);
			return sl_error_set_errno(error, rc, "%s: cannot be locked", lock);
		}
		if (sl_clock_ms() >= until_ms) {
			close(fd);
			return sl_error_set(error, -EBUSY,
					    "%s: another command has held it for %u ms", lock,
					    SL_KEY_LOCK_WAIT_MS);
		}
		nanosleep(&pause, NULL);
	}
	*ret_fd = fd;
	return 0;
}

/* ---- write --------------------------------------------------------------------------------- */

static void append_hex(struct sl_text *text, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		sl_text_printf(text, "%02x", bytes[i]);
}

static void append_time(struct sl_text *text, const char *name, uint64_t time_s)
{
	char shown[SL_KEY_TIME_SIZE];

	if (time_s != 0)
		sl_text_printf(text, " %s=%s", name, sl_key_time_format(time_s, shown));
}

static void append_rate(struct sl_text *text, const char *name, uint32_t rate)
{
	if (rate != 0)
		sl_text_printf(text, " %s=%u", name, rate);
}

static void append_money(struct sl_text *text, const char *name, uint64_t nano)
{
	char shown[SL_MONEY_TEXT_SIZE];

	if (nano != 0)
		sl_text_printf(text, " %s=%s", name, sl_money_format(nano, shown));
}

static void append_record(struct sl_text *text, const struct sl_key_record *record)
{
	sl_text_printf(text, "key id=%s name=%s tenant=%s class=%s", record->id, record->name,
		       record->tenant, sl_key_class_name(record->priority));
	append_time(text, "created", record->created_s);
	append_time(text, "expires", record->expires_s);
	append_time(text, "revoked", record->revoked_s);
	for (uint32_t i = 0; i < record->route_count; i++)
		sl_text_printf(text, "%s%s", i == 0 ? " routes=" : ",", record->routes[i]);
	append_rate(text, "requests_per_minute", record->rates.requests_per_minute);
	append_rate(text, "tokens_per_minute", record->rates.tokens_per_minute);
	append_rate(text, "concurrent", record->rates.concurrent);
	append_money(text, "budget_day", record->budget.day);
	append_money(text, "budget_month", record->budget.month);
	append_money(text, "budget_total", record->budget.total);
	sl_text_append_string(text, " salt=");
	append_hex(text, record->hash.salt, sizeof(record->hash.salt));
	sl_text_append_string(text, " hash=");
	append_hex(text, record->hash.digest, sizeof(record->hash.digest));
	sl_text_append_char(text, '\n');
}

static int render(const struct sl_key_file *file, struct sl_text *text)
{
	sl_text_append_string(text, "sluice-keys 1\n"
				    "# API keys of sluiced, written by `sluice key`: one a line, "
				    "hashed\n");
	for (uint32_t i = 0; i < file->count; i++)
		append_record(text, &file->records[i]);
	return sl_text_append_string(text, "end\n");
}

int sl_key_file_write(const char *path, const struct sl_key_file *file, struct sl_error *error)
{
	struct sl_text text;
	int rc;

	sl_text_init(&text, SL_KEY_FILE_BYTES_MAX);
	rc = render(file, &text);
	if (rc == 0)
		rc = sl_replace_file(path, &text);
	if (rc != 0)
		sl_error_set_errno(error, rc, "%s: cannot be written", path);
	sl_text_fini(&text);
	return rc;
}
