/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * json_plain.h - steps over the long plain stretches of JSON strings, which are most of a prompt.
 *
 * Pure; any thread. Reads nothing at or behind end.
 */
#ifndef SL_WIRE_JSON_PLAIN_H
#define SL_WIRE_JSON_PLAIN_H

#define SL_JSON_PLAIN_BLOCK_BYTES 128

/*
 * The first whole block of SL_JSON_PLAIN_BLOCK_BYTES from at on in which a byte needs a closer look
 * (a quote, a backslash, a control, a byte that is not ASCII), or the last place from which less
 * than a block is left before end.
 */
const char *sl_json_skip_plain_blocks(const char *at, const char *end);

/* The same on a processor without AVX2; for tests. */
const char *sl_json_skip_plain_blocks_narrow(const char *at, const char *end);

#endif
