/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/text.h"

#define CUT_MARK    "..."
#define SUFFIX_SIZE 32u

static const char *const level_names[] = {"error", "warn", "info", "debug"};

atomic_int sl_log_level_now = SL_LOG_INFO;

void sl_log_set_level(enum sl_log_level level)
{
	atomic_store_explicit(&sl_log_level_now, (int)level, memory_order_relaxed);
}

int sl_log_parse_level(const char *name, enum sl_log_level *ret_level)
{
	for (unsigned i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*ret_level = (enum sl_log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

/* One character of the message, harmless on a terminal and within one line. */
static size_t append_visible(struct sl_text *line, const char *data, size_t len)
{
	unsigned char byte = (unsigned char)data[0];
	size_t step = sl_text_utf8_len(data, len);

	/* C1 controls (U+0080..U+009F) steer some terminals too. */
	if (step == 2 && byte == 0xc2 && (unsigned char)data[1] < 0xa0)
		step = 0;
	if (byte == '\n')
		sl_text_append(line, "\\n", 2);
	else if (step == 0 || byte < 0x20 || byte == 0x7f)
		sl_text_printf(line, "\\x%02x", byte);
	else
		sl_text_append(line, data, step);
	return step == 0 ? 1 : step;
}

static void write_record(enum sl_log_level level, const char *suffix, const char *format,
			 va_list args)
{
	char message[SL_LOG_RECORD_BYTES_MAX];
	char record[SL_LOG_RECORD_BYTES_MAX + 1];
	char now[SL_CLOCK_ISO_SIZE];
	/* Room for the cut mark, the suffix and the line feed is kept free. */
	size_t room = SL_LOG_RECORD_BYTES_MAX - sizeof(CUT_MARK) - SUFFIX_SIZE;
	struct sl_text line;
	size_t len;
	size_t at = 0;
	int saved = errno;
	int wanted = vsnprintf(message, sizeof(message), format, args);

	len = wanted < 0 ? 0 : (size_t)wanted;
	if (len >= sizeof(message))
		len = sizeof(message) - 1;
	sl_text_init_fixed(&line, record, sizeof(record));
	sl_clock_format_iso(sl_clock_wall_ms(), now);
	sl_text_printf(&line, "time=%s level=%s ", now, level_names[level]);
	while (at < len && line.len + 4 <= room)
		at += append_visible(&line, message + at, len - at);
	if (at < len || wanted >= (int)sizeof(message))
		sl_text_append_string(&line, CUT_MARK);
	sl_text_append_string(&line, suffix);
	sl_text_append_char(&line, '\n');
	/* A log that cannot be written has nowhere to complain. */
	if (write(STDERR_FILENO, line.data, line.len) < 0)
		errno = saved;
	errno = saved;
}

void sl_log_write(enum sl_log_level level, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	write_record(level, "", format, args);
	va_end(args);
}

bool sl_log_limit_pass(struct sl_log_limit *limit, uint64_t now_ms, uint32_t *ret_suppressed)
{
	uint64_t start = atomic_load_explicit(&limit->period_start_ms, memory_order_relaxed);

	if (now_ms - start >= SL_LOG_LIMIT_PERIOD_MS || start == 0) {
		if (atomic_compare_exchange_strong(&limit->period_start_ms, &start,
						   now_ms != 0 ? now_ms : 1))
			atomic_store(&limit->records, 0);
	}
	if (atomic_fetch_add(&limit->records, 1) < SL_LOG_LIMIT_RECORDS) {
		*ret_suppressed = atomic_exchange(&limit->suppressed, 0);
		return true;
	}
	/* Stay at the bound: the count must not wrap in a long period. */
	atomic_store(&limit->records, SL_LOG_LIMIT_RECORDS);
	atomic_fetch_add(&limit->suppressed, 1);
	return false;
}

void sl_log_write_limited(struct sl_log_limit *limit, enum sl_log_level level, const char *format,
			  ...)
{
	char suffix[SUFFIX_SIZE] = "";
	uint32_t suppressed;
	va_list args;

	if (!sl_log_limit_pass(limit, sl_clock_ms(), &suppressed))
		return;
	if (suppressed > 0)
		snprintf(suffix, sizeof(suffix), " suppressed=%u", suppressed);
	va_start(args, format);
	write_record(level, suffix, format, args);
	va_end(args);
}
