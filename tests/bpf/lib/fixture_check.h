/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_check.h - what must hold for any packet, however it was mangled: for variants of fixtures
 * that no row describes.
 *
 *   every packet       exactly one end is counted; a verdict that the hooks know; the maps hold
 *   not forwarded      not one byte and not the length has changed
 *   forwarded          its headers are whole and do not lie; no fragment, no options
 *   forwarded (nat)    addresses, ports, hop limit, link header and checksums are those of its flow's
 *                      other side; nothing else has changed, to the last byte behind the packet; a
 *                      checksum is wrong by exactly as much as it was
 *   forwarded (l2)     the link header alone has changed
 */
#ifndef SL_TESTS_BPF_FIXTURE_CHECK_H
#define SL_TESTS_BPF_FIXTURE_CHECK_H

#include "tests/bpf/lib/fixture.h"

/*
 * Runs `in`, from the state as it is. Returns NULL, or what does not hold, in a static buffer.
 * *ret_out is the frame afterwards (without our mark), *ret_verdict FORWARD also for what XDP hands
 * to TC to be sent. A frame that TC is not to look at (another host's) has no end.
 */
const char *sl_fixture_check(struct sl_rig *rig, const struct sl_fixture *fixture,
			     enum sl_rig_hook hook, const struct sl_frame *in,
			     struct sl_frame *ret_out, enum sl_rig_verdict *ret_verdict);

#endif
