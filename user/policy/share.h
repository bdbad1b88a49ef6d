/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * share.h - which of many belong to a share of them, and stay there.
 *
 * A name falls into one of 10,000 buckets by its hash with a salt; the share is the first of them. So a name
 * has the same answer each time and on every host, a larger share holds all of a smaller one, and with
 * another salt (another prompt, another roll-out) others are in it.
 *
 * Pure; any thread.
 */
#ifndef SL_POLICY_SHARE_H
#define SL_POLICY_SHARE_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/text.h"

#define SL_SHARE_WHOLE 10000u

/* Is it among so many of 10,000? */
bool sl_share_takes(struct sl_span name, struct sl_span salt, uint32_t share);

#endif
