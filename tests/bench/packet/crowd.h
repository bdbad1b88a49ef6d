/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crowd.h - many nodes and many open flows in the lab.
 *
 * Nodes are neighbours of rig0 with addresses of their own, 10.4.0.1 and fd04::1 onwards, so each
 * has a route and a neighbour entry of its own. Flows are opened by the program under test itself:
 * a SYN of each client, then a SYN-ACK of each node, so the table holds what real traffic would
 * have put there, in state established.
 */
#ifndef SL_TESTS_BENCH_CROWD_H
#define SL_TESTS_BENCH_CROWD_H

#include "tests/bench/packet/lab.h"

#define SL_CROWD_NODES_MAX (SL_NODES_MAX - 1) /* slot 0 is never used */

/*
 * Makes the neighbours, `count` nodes of one family in slots first.., of pool SL_RIG_POOL4 or
 * SL_RIG_POOL6, and lets the pool choose among all of them by a table of 65,537 entries.
 * Limits of the guard are raised out of the way: it works, but refuses nothing.
 */
void sl_crowd_nodes(struct sl_lab *lab, bool ip_v6, uint32_t first, uint32_t count);

/* The pool's table again, from these slots alone. */
void sl_crowd_table(struct sl_lab *lab, uint32_t pool, uint32_t first, uint32_t count);

/* Forgets all flows, counts and measurements; nodes stay. */
void sl_crowd_forget(struct sl_lab *lab);

/*
 * Sends the SYN of flows base..base+count-1. Says so when not all were opened, or when flows were
 * evicted that the table had room for.
 */
void sl_crowd_open(struct sl_lab *lab, bool ip_v6, uint32_t base, uint32_t count);

/*
 * Answers every flow that awaits it, and leaves its node's packets in records [base, base + the
 * number returned), shuffled.
 */
uint32_t sl_crowd_answer(struct sl_lab *lab, bool ip_v6, uint32_t base);

/* Templates: an ACK of the client with `payload` bytes, its SYN, and a packet of the node. */
struct sl_frame_spec sl_crowd_client(bool ip_v6, uint8_t flags, uint16_t payload);
struct sl_frame_spec sl_crowd_node(bool ip_v6, uint8_t flags, uint16_t payload);

/* Bytes behind the TCP header of a frame of SL_ROTOR_FRAME bytes. */
uint16_t sl_crowd_room(bool ip_v6);

#endif
