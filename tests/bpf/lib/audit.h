/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * audit.h - what must hold in the maps of a rig whenever no packet is under way.
 *
 *   table     a way is free or has the tag of its row; the row lies in one of the two sets of its
 *             key, and where it is the second, the first says so by its overflow bit
 *   ports     a flow of mode nat has exactly one entry, and there is no other entry
 *   ends      flows opened - closed - expired - evicted are the flows in the table: of each node,
 *             and of the counters since sl_rig_reset()
 *   load      (exact) flows alive and flows that await a byte are what the rows say, of each node
 *             and pool; a way's kind is that of its flow's state. Several CPUs at once may be off
 *             by a lost race here, which bpf/conn.h and inflight.h allow.
 */
#ifndef SL_TESTS_BPF_AUDIT_H
#define SL_TESTS_BPF_AUDIT_H

#include "tests/bpf/lib/rig.h"

/* How sets and tags are derived of a hash; see bpf/table.h. */
uint32_t sl_audit_first_set(uint64_t hash, uint32_t sets);
uint32_t sl_audit_second_set(uint64_t hash, uint32_t sets);
uint32_t sl_audit_tag(uint64_t hash);

/* The hash of a key as the client's packets carry it; ports in network order. */
uint64_t sl_audit_key_hash(const struct sl_rig *rig, const struct sl_addr *client,
			   const struct sl_addr *vip, __be16 client_port, __be16 vip_port,
			   uint8_t proto);

/*
 * The hash of what a node sends to a source port of ours, which is what `ports` is looked up by; the
 * eight ports of a block have one hash and a way each.
 */
uint64_t sl_audit_answer_hash(const struct sl_rig *rig, uint32_t slot, __be16 nat_port,
			      uint8_t proto);

/* NULL when all holds, else what does not, in a static buffer. */
const char *sl_audit(const struct sl_rig *rig, bool exact);

#endif
