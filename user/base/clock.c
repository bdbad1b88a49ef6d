/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/clock.h"

#include <string.h>

#define YEAR_MAX 9999

/* Writes exactly `digits` decimal digits of value at `at`. */
static void put_digits(char *at, unsigned value, unsigned digits)
{
	while (digits > 0) {
		at[--digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void sl_clock_format_iso(uint64_t wall_ms, char out[SL_CLOCK_ISO_SIZE])
{
	static const char shape[] = "0000-00-00T00:00:00.000Z";
	time_t seconds = (time_t)(wall_ms / 1000u);
	struct tm tm = {0};
	int year;

	if (gmtime_r(&seconds, &tm) == NULL)
		tm.tm_year = YEAR_MAX - 1900;
	year = tm.tm_year > YEAR_MAX - 1900 ? YEAR_MAX : tm.tm_year + 1900;
	memcpy(out, shape, sizeof(shape));
	put_digits(out, (unsigned)year, 4);
	put_digits(out + 5, (unsigned)tm.tm_mon + 1, 2);
	put_digits(out + 8, (unsigned)tm.tm_mday, 2);
	put_digits(out + 11, (unsigned)tm.tm_hour, 2);
	put_digits(out + 14, (unsigned)tm.tm_min, 2);
	put_digits(out + 17, (unsigned)tm.tm_sec, 2);
	put_digits(out + 20, (unsigned)(wall_ms % 1000u), 3);
}
