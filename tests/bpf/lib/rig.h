/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * rig.h - the BPF object loaded in a network of its own, with two pools of two nodes.
 *
 *   clients ---(router)--- rig0 ------- rig1 (peer)        one arm: out where it came in
 *                           | `rigv`   stands for VLAN 100 of rig0 (`devices` says so)
 *                          rig2 ------- rig3 (peer)        another way out
 *
 *   198.51.100.0/24, 2001:db8:c::/64   clients, by the router 10.0.0.1, fd00::1 on rig0
 *   10.0.0.0/24, fd00::/64             rig0: this host .2, nodes .11 .12 (v6 ::11 ::12)
 *   10.0.2.0/24, fd00:2::/64           rig2: this host .2, node .11
 *   10.0.100.0/24, fd00:100::/64       rigv: this host .2, node .11
 *   192.0.2.100, 2001:db8::100         services: TCP 80 and UDP 443 fast, TCP 8080 smart
 *
 * All neighbours are static; 10.0.0.99 and fd00::99 have none, to 10.0.9.0/24 and fd00:9::/64 there
 * is no route. The network lives in a
 * namespace of the calling process and goes with it. Maps are not pinned. One rig a process.
 */
#ifndef SL_TESTS_BPF_RIG_H
#define SL_TESTS_BPF_RIG_H

#include <stdarg.h>
#include "bpf/abi.h"
#include "bpf/breaker.h"
#include "tests/bpf/lib/frame.h"

#define SL_RIG_POOL4	   1u
#define SL_RIG_POOL6	   2u
#define SL_RIG_NODE_A	   1u /* 10.0.0.11:8000 */
#define SL_RIG_NODE_B	   2u /* 10.0.0.12:8000 */
#define SL_RIG_NODE6_A	   3u
#define SL_RIG_NODE6_B	   4u
#define SL_RIG_PORT_MIN	   40000
#define SL_RIG_PORT_MAX	   49999
#define SL_RIG_MAGLEV_SIZE 251u
#define SL_RIG_FLOW_SETS   1024u /* small, so that clearing and counting is cheap */
#define SL_RIG_NODES_MAX   64u	 /* slots below this are cleared by sl_rig_reset() */
#define SL_RIG_POOLS_MAX   16u
#define SL_RIG_MARK_BYTES  24 /* struct sl_neighbour_mark, in front of what XDP hands to TC */

enum sl_rig_hook { SL_RIG_XDP = 0, SL_RIG_TC, SL_RIG_HOOKS };

#define SL_RIG_REFUSED (-1000) /* sl_rig_tc(), and last_verdict */

/* What became of a packet, whichever the hook. */
enum sl_rig_verdict {
	SL_RIG_NO_VERDICT = 0, /* an exception: never right */
	SL_RIG_PASS,
	SL_RIG_DROP,
	SL_RIG_FORWARD,
};

struct sl_rig_way {
	uint8_t smac[6]; /* of the device */
	uint32_t ifindex;
};

struct sl_rig {
	struct bpf_object *object;
	int xdp_fd;
	int egress_fd;
	int ingress_fd;
	int lane_fd; /* sluice_tc_lane */
	int conns_fd;
	int services_fd;
	int endpoints_fd;
	int devices_fd;
	int maglev_fd;
	int events_fd;
	struct sl_settings *settings; /* memory of the maps */
	uint64_t *tunables;
	struct sl_node_state *nodes;
	struct sl_pool_state *pools;
	struct sl_counters *counters;
	struct sl_flow_set *flows;
	struct sl_port_set *ports;
	struct sl_node_load *loads;
	struct sl_node_latency *latencies;
	uint64_t counters_before[SL_COUNTER_SLOTS]; /* at the last mark */
	uint64_t counters_at_reset[SL_COUNTER_SLOTS];
	struct sl_rig_way one_arm;
	struct sl_rig_way other;
	struct sl_rig_way vlan;
	int table_fds[SL_RIG_POOLS_MAX]; /* inner maps of `maglev`; 0: none yet */
	struct ring_buffer *event_ring;	 /* opened when it is needed first */
	struct sl_event last_event;
	uint32_t cpu_count;
	int last_verdict; /* of the hook, as sl_rig_run() saw it */
	unsigned int failed;
	unsigned int passed;
};

/* MAC addresses in the static neighbour tables: of the router, of a node by its last byte. */
#define SL_RIG_MAC_ROUTER              \
	{                              \
		0x02, 0, 0, 0, 0, 0x01 \
	}
#define SL_RIG_MAC_NODE(last)            \
	{                                \
		0x02, 0, 0, 0, 0, (last) \
	}

/* Sets of the flow table; what needs another size sets it before sl_rig_open(). */
extern uint32_t sl_rig_flow_sets;

/* Only loads the object; sl_rig_open() of a child process then takes it. */
void sl_rig_preload(struct sl_rig *rig);

/* Builds the network, loads the object ($SLUICE_BPF_OBJECT), fills the maps. Exits on failure. */
void sl_rig_open(struct sl_rig *rig);

/* Prints the totals; returns the exit status of the program. */
int sl_rig_close(struct sl_rig *rig);

/*
 * Nodes, pools, flows, connections, tunables, counters as sl_rig_open() left them. A test may lower
 * settings->flow_sets afterwards: the table is then as small as that.
 */
void sl_rig_reset(struct sl_rig *rig);

/* Sets a tunable of the global row. */
void sl_rig_tune(struct sl_rig *rig, enum sl_tunable id, uint64_t value);

/* Puts a node into a slot, present and closed. */
void sl_rig_node(struct sl_rig *rig, uint32_t slot, uint32_t pool, const char *addr, uint16_t port,
		 const char *snat);

/* Makes the pool's Maglev table from these slots, evenly: entry i holds slots[i % count]. */
void sl_rig_table(struct sl_rig *rig, uint32_t pool, const uint32_t *slots, uint32_t count);

/* The same in an order without a period, as real tables have: for a walk over many entries. */
void sl_rig_table_mixed(struct sl_rig *rig, uint32_t pool, const uint32_t *slots, uint32_t count);

/*
 * Runs sluice_xdp once on `in` as if it had come in on rig0. Returns the verdict (XDP_*); *ret_out
 * is the frame afterwards. Aborts when the kernel refuses the test run.
 */
int sl_rig_xdp(struct sl_rig *rig, const struct sl_frame *in, struct sl_frame *ret_out);

/*
 * The same for sluice_tc_lane (TC_ACT_*), or SL_RIG_REFUSED: the kernel takes no test run of a frame
 * without network header (6.18: without a whole one).
 */
int sl_rig_tc(struct sl_rig *rig, const struct sl_frame *in, struct sl_frame *ret_out);

/* Either of the two. */
enum sl_rig_verdict sl_rig_run(struct sl_rig *rig, enum sl_rig_hook hook, const struct sl_frame *in,
			       struct sl_frame *ret_out);

/* Runs the TC program; the frame does not change. Returns the verdict. */
int sl_rig_egress(struct sl_rig *rig, const struct sl_frame_spec *spec);
int sl_rig_ingress(struct sl_rig *rig, const struct sl_frame_spec *spec);
int sl_rig_ingress_frame(struct sl_rig *rig, const struct sl_frame *frame);

/* Runs one line of words; no shell, whose built-in `ip` may be another. Exits on failure. */
void sl_rig_command(const char *line);

/* Sum over all CPUs since the last sl_rig_reset() or sl_rig_count_mark(). */
uint64_t sl_rig_counted(const struct sl_rig *rig, enum sl_counter id);
uint64_t sl_rig_counted_since_reset(const struct sl_rig *rig, enum sl_counter id);
void sl_rig_count_mark(struct sl_rig *rig);
const char *sl_rig_counter_name(enum sl_counter id);

/* The living flow of the client's port, in the mapped table. NULL when there is none. */
struct sl_flow *sl_rig_flow(const struct sl_rig *rig, uint16_t sport);

/* Moves what a flow remembers of time into the past. */
void sl_rig_flow_age(const struct sl_rig *rig, struct sl_flow *flow, uint64_t age_ms);

/* Flows in the table; entries in the table of ports. */
uint32_t sl_rig_flow_count(const struct sl_rig *rig);
uint32_t sl_rig_port_count(const struct sl_rig *rig);

/* Entries in a hash map. */
uint32_t sl_rig_entries(int map_fd);

/* Flows alive at a node now. */
uint64_t sl_rig_flows(const struct sl_rig *rig, uint32_t slot);

/* Puts `flows` living flows onto a node, as if they had just been seen. */
void sl_rig_load(struct sl_rig *rig, uint32_t slot, uint32_t flows);

/* Takes all events out of the ring; the last one into *ret_last. Returns how many. */
uint32_t sl_rig_events(struct sl_rig *rig, struct sl_event *ret_last);

/* Prints the TAP line of one case. `why` is a format, used when !ok. */
void sl_rig_check(struct sl_rig *rig, bool ok, const char *name, const char *why, ...)
	__attribute__((format(printf, 4, 5)));

uint64_t sl_rig_now_ns(void);

#endif
