/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prefix.h - "10.0.0.0/8" and "fd00::/8" as keys of the allow and deny lists.
 *
 * Both families share one trie (IPv4 is v4-mapped, its bits count from 96). Pure functions, any
 * thread.
 */
#ifndef SL_BASE_PREFIX_H
#define SL_BASE_PREFIX_H

#include <stdbool.h>
#include "bpf/abi.h"
#include "user/base/error.h"

#define SL_PREFIX_TEXT_SIZE 64u

/*
 * Without a length it is that one address. Refused: bits set beyond the length (the error shows the
 * prefix that was probably meant), and an IPv6 prefix so short that it covers the IPv4 addresses
 * too, as ::/0 does. 0 or -EINVAL.
 */
int sl_prefix_parse(const char *text, struct sl_prefix *ret_prefix, struct sl_error *error);

/* The shortest form that the parser reads back: no length where it is one address. Returns out. */
const char *sl_prefix_format(const struct sl_prefix *prefix, char out[SL_PREFIX_TEXT_SIZE]);

/* An order of all prefixes: 0 only for equal ones. */
int sl_prefix_compare(const struct sl_prefix *a, const struct sl_prefix *b);

#endif
