/* SPDX-License-Identifier: BSD-2-Clause */
/* short.h - numbers and times in the few characters that a column of a screen has. */
#ifndef SL_LOADER_SHORT_H
#define SL_LOADER_SHORT_H

#include <stdint.h>

#define SL_SHORT_BYTES 16u

/* "0", "7.5", "1234", "12k", "1.2M": at most four characters. Returns `out`. */
const char *sl_short_count(double value, char out[SL_SHORT_BYTES]);

/* "85us", "1.2ms", "350ms", "12s", "5m", "3h": at most five characters. Returns `out`. */
const char *sl_short_time(uint64_t us, char out[SL_SHORT_BYTES]);

#endif
