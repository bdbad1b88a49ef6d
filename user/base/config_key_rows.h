/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_key_rows.h - what the tables of keys (config_key_*.c) are written with. Internal to them.
 *
 * A row: section, type, name, offset, default, min, max, choices, required, expected, help
 */
#ifndef SL_BASE_CONFIG_KEY_ROWS_H
#define SL_BASE_CONFIG_KEY_ROWS_H

#include "user/base/config.h"
#include "user/base/config_key.h"

#define HOUR_MS		3600000ull
#define DAY_MS		86400000ull
#define SOCKET_PATH_MAX 107u /* sun_path without its terminator */
#define PATH_LEN_MAX	255u

#define MONEY_EXPECTED "an amount like 0.075 or 12, with up to nine decimal places"

/* What may be spent, of the sections that have limits. */
#define BUDGETS(section, at)                                                                     \
	{section,                                                                                \
	 SL_CONFIG_MONEY,                                                                        \
	 "budget_day",                                                                           \
	 at(day),                                                                                \
	 "0",                                                                                    \
	 0,                                                                                      \
	 SL_MONEY_MAX,                                                                           \
	 NULL,                                                                                   \
	 false,                                                                                  \
	 MONEY_EXPECTED,                                                                         \
	 "What may be spent in a day of UTC, in the currency of `prices`; over it: 429 "         \
	 "`insufficient_quota`. 0: no bound."},                                                  \
		{section,                                                                        \
		 SL_CONFIG_MONEY,                                                                \
		 "budget_month",                                                                 \
		 at(month),                                                                      \
		 "0",                                                                            \
		 0,                                                                              \
		 SL_MONEY_MAX,                                                                   \
		 NULL,                                                                           \
		 false,                                                                          \
		 MONEY_EXPECTED,                                                                 \
		 "The same for a month of the calendar."},                                       \
	{                                                                                        \
		section, SL_CONFIG_MONEY, "budget_total", at(total), "0", 0, SL_MONEY_MAX, NULL, \
			false, MONEY_EXPECTED, "The same for all time."                          \
	}

/* "false", "true" */
extern const char *const sl_config_bools[];

#define SL_CONFIG_KEY_TABLE(rows)                      \
	{                                              \
		rows, sizeof(rows) / sizeof((rows)[0]) \
	}

#endif
