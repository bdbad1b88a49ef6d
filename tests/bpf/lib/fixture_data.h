/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_data.h - the files of fixtures, each a list of tables; fixture_tables.c joins them.
 */
#ifndef SL_TESTS_BPF_FIXTURE_DATA_H
#define SL_TESTS_BPF_FIXTURE_DATA_H

#include "tests/bpf/lib/fixture.h"

#define TABLE(text, rows_)                                  \
	{                                                   \
		text, rows_, sizeof(rows_) / sizeof(*rows_) \
	}
#define TABLE_END             \
	{                     \
		NULL, NULL, 0 \
	}

extern const struct sl_fixture_table sl_fixture_life[]; /* TCP over IPv4, mode nat */
extern const struct sl_fixture_table sl_fixture_ways[]; /* IPv6, VLANs, ways out, mode l2 */
extern const struct sl_fixture_table sl_fixture_udp[];
extern const struct sl_fixture_table sl_fixture_odd[]; /* what is not ours; lies; sums; services */

#endif
