/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/short.h"

#include <stdio.h>

const char *sl_short_count(double value, char out[SL_SHORT_BYTES])
{
	static const char units[] = " kMGTPE";
	unsigned unit = 0;
	int digits;

	while (value >= (unit ? 999.5 : 9999.5) && unit + 2 < sizeof(units)) {
		value /= 1000;
		unit++;
	}
	digits = value < 9.95 && (unit || value != (double)(uint64_t)value);
	snprintf(out, SL_SHORT_BYTES, "%.*f%.*s", digits, value, unit ? 1 : 0, &units[unit]);
	return out;
}

const char *sl_short_time(uint64_t us, char out[SL_SHORT_BYTES])
{
	double ms = (double)us / 1e3;

	if (us < 1000)
		snprintf(out, SL_SHORT_BYTES, "%uus", (unsigned)us);
	else if (ms < 999.5)
		snprintf(out, SL_SHORT_BYTES, ms < 9.95 ? "%.1fms" : "%.0fms", ms);
	else if (ms < 99.5e3)
		snprintf(out, SL_SHORT_BYTES, ms < 9.95e3 ? "%.1fs" : "%.0fs", ms / 1e3);
	else if (ms < 99.5 * 60e3)
		snprintf(out, SL_SHORT_BYTES, "%.0fm", ms / 60e3);
	else
		snprintf(out, SL_SHORT_BYTES, "%.0fh", ms / 3600e3 < 9999 ? ms / 3600e3 : 9999.0);
	return out;
}
