/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/packet/crowd.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENT_SEQ   1000u
#define NODE_SEQ     9000u
#define TABLE_SIZE   65537u
#define NODE_PORT    8000u
#define OPEN_AT_A_GO 1000000u /* packets of one test run */

/* ---- nodes --------------------------------------------------------------------------------- */

static void node_text(bool ip_v6, uint32_t number, char text[INET6_ADDRSTRLEN])
{
	if (ip_v6)
		snprintf(text, INET6_ADDRSTRLEN, "fd04::%x", number);
	else
		snprintf(text, INET6_ADDRSTRLEN, "10.4.%u.%u", number >> 8, number & 255);
}

/* One process for all of them: `ip -batch`. */
static void neighbours_add(bool ip_v6, uint32_t count)
{
	FILE *pipe = popen("ip -batch -", "w");
	char text[INET6_ADDRSTRLEN];

	if (!pipe)
		sl_lab_die("ip -batch");
	if (ip_v6)
		fprintf(pipe, "address replace fd04::ffff/64 dev rig0 nodad\n");
	else
		fprintf(pipe, "address replace 10.4.255.1/16 dev rig0\n");
	for (uint32_t number = 1; number <= count; number++) {
		node_text(ip_v6, number, text);
		fprintf(pipe,
			"neigh replace %s lladdr 02:00:00:01:%02x:%02x dev rig0 nud permanent\n",
			text, number >> 8, number & 255);
	}
	if (pclose(pipe))
		sl_lab_die("ip -batch: the neighbours were refused");
}

/* As sl_rig_node(), which knows few slots. The lab never resets the rig. */
static void node_put(struct sl_rig *rig, uint32_t slot, uint32_t pool, const char *addr,
		     const char *snat)
{
	struct sl_node_state *node = &rig->nodes[slot];

	memset(node, 0, sizeof(*node));
	node->endpoint.addr = sl_frame_addr(addr);
	node->endpoint.port = htons(NODE_PORT);
	node->endpoint.proto = IPPROTO_TCP;
	node->snat_addr = sl_frame_addr(snat);
	node->pool = pool;
	node->weight = 1;
	node->incarnation = slot + 100;
	node->admin = SL_NODE_PRESENT;
	if (bpf_map_update_elem(rig->endpoints_fd, &node->endpoint, &slot, BPF_ANY))
		sl_lab_die("endpoints");
}

void sl_crowd_table(struct sl_lab *lab, uint32_t pool, uint32_t first, uint32_t count)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", 4, 4, TABLE_SIZE, &options);

	if (fd < 0)
		sl_lab_die("inner map");
	for (uint32_t i = 0; i < TABLE_SIZE; i++) {
		/* spread over the table as Maglev's permutations are */
		uint32_t slot = first + (uint32_t)((uint64_t)(i * 0x9e3779b1u) * count >> 32);

		if (bpf_map_update_elem(fd, &i, &slot, BPF_ANY))
			sl_lab_die("inner map");
	}
	if (bpf_map_update_elem(lab->rig.maglev_fd, &pool, &fd, BPF_ANY))
		sl_lab_die("maglev");
	close(fd);
	lab->rig.pools[pool].maglev_size = TABLE_SIZE;
	lab->rig.pools[pool].node_count = count;
	lab->rig.pools[pool].weight_sum = count;
}

void sl_crowd_nodes(struct sl_lab *lab, bool ip_v6, uint32_t first, uint32_t count)
{
	struct sl_rig *rig = &lab->rig;
	uint32_t pool = ip_v6 ? SL_RIG_POOL6 : SL_RIG_POOL4;
	char text[INET6_ADDRSTRLEN];

	neighbours_add(ip_v6, count);
	for (uint32_t i = 0; i < count; i++) {
		node_text(ip_v6, i + 1, text);
		node_put(rig, first + i, pool, text, ip_v6 ? "fd00::2" : "10.0.0.2");
	}
	if (rig->settings->node_count < first + count)
		rig->settings->node_count = first + count;
	rig->settings->cpu_count = 1; /* shares of the ports: all packets come on one CPU */
	rig->settings->nat_port_min = 1024;
	rig->settings->nat_port_max = 65535;
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SOURCE_RATE, SL_TUNABLE_MAX_GUARD_SOURCE_RATE);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SOURCE_BURST, SL_TUNABLE_MAX_GUARD_SOURCE_BURST);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SERVICE_RATE, SL_TUNABLE_MAX_GUARD_SERVICE_RATE);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_SERVICE_BURST, SL_TUNABLE_MAX_GUARD_SERVICE_BURST);
	sl_rig_tune(rig, SL_TUNABLE_GUARD_PENDING, SL_TUNABLE_MAX_GUARD_PENDING);
	sl_rig_tune(rig, SL_TUNABLE_FLOW_SYN_MS, SL_TUNABLE_MAX_FLOW_SYN_MS);
	sl_crowd_table(lab, pool, first, count);
}

/* ---- templates ----------------------------------------------------------------------------- */

uint16_t sl_crowd_room(bool ip_v6)
{
	return ip_v6 ? SL_ROTOR_FRAME - 74 : SL_ROTOR_FRAME - 54;
}

struct sl_frame_spec sl_crowd_client(bool ip_v6, uint8_t flags, uint16_t payload)
{
	return (struct sl_frame_spec){
		.src = ip_v6 ? "2001:db8::1" : "100.64.0.0",
		.dst = ip_v6 ? "2001:db8::100" : "192.0.2.100",
		.sport = 1,
		.dport = 80,
		.seq = CLIENT_SEQ + !(flags & SL_FRAME_SYN),
		.ack = flags & SL_FRAME_ACK ? NODE_SEQ + 1 : 0,
		.flags = flags,
		.payload_len = payload,
		.pad_len = sl_crowd_room(ip_v6) - payload,
	};
}

struct sl_frame_spec sl_crowd_node(bool ip_v6, uint8_t flags, uint16_t payload)
{
	return (struct sl_frame_spec){
		.src = ip_v6 ? "fd04::" : "10.4.0.0",
		.dst = ip_v6 ? "fd00::2" : "10.0.0.2",
		.sport = NODE_PORT,
		.dport = 1,
		.seq = NODE_SEQ + !(flags & SL_FRAME_SYN),
		.ack = CLIENT_SEQ + 1,
		.flags = flags,
		.payload_len = payload,
		.pad_len = sl_crowd_room(ip_v6) - payload,
	};
}

/* ---- flows --------------------------------------------------------------------------------- */

/* Runs all packets of the subject, in pieces that can be interrupted. */
static void send_all(struct sl_lab *lab, struct sl_lab_subject *subject, uint32_t count)
{
	while (count) {
		uint32_t go = count < OPEN_AT_A_GO ? count : OPEN_AT_A_GO;

		sl_lab_run(lab, subject, go);
		count -= go;
	}
}

void sl_crowd_open(struct sl_lab *lab, bool ip_v6, uint32_t base, uint32_t count)
{
	struct sl_lab_subject subject = {
		.name = "open flows",
		.fd = lab->rig.xdp_fd,
		.spec = sl_crowd_client(ip_v6, SL_FRAME_SYN, 0),
		.kind = ip_v6 ? SL_ROTOR_CLIENT6 : SL_ROTOR_CLIENT4,
		.base = base,
		.flows = count,
		.in_turn = 1,
		.verdict = SL_LAB_ANY_VERDICT,
	};
	uint32_t room = sl_rig_flow_sets * SL_FLOW_WAYS;
	uint64_t opened, evicted;

	sl_rig_count_mark(&lab->rig);
	send_all(lab, &subject, count);
	opened = sl_rig_counted(&lab->rig, SL_COUNTER_FLOW_OPENED);
	evicted = sl_rig_counted(&lab->rig, SL_COUNTER_FLOW_EVICTED);
	errno = 0;
	if (opened < count / 2)
		sl_lab_die("of %u flows %llu were opened", count, (unsigned long long)opened);
	if (opened < count || (evicted && count <= room))
		printf("  (of %u SYNs %llu opened a flow, %llu found no port; %llu flows were "
		       "evicted)\n",
		       count, (unsigned long long)opened,
		       (unsigned long long)sl_rig_counted(&lab->rig, SL_COUNTER_DROP_NO_PORT),
		       (unsigned long long)evicted);
}

static void shuffle(struct sl_rotor_record *records, uint32_t count)
{
	uint64_t random = 0x9e3779b97f4a7c15ull;

	for (uint32_t i = count; i > 1; i--) {
		struct sl_rotor_record swap = records[i - 1];
		uint32_t other;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		other = (uint32_t)((random >> 32) * i >> 32);
		records[i - 1] = records[other];
		records[other] = swap;
	}
}

/* The node's packets of every flow in state SYN_SENT of that family. Returns how many. */
static uint32_t records_fill(struct sl_lab *lab, bool ip_v6, uint32_t base)
{
	const struct sl_flow_set *sets = lab->rig.flows;
	uint32_t count = base;

	for (uint32_t i = 0; i < sl_rig_flow_sets * SL_FLOW_WAYS; i++) {
		const struct sl_flow *flow = &sets[i / SL_FLOW_WAYS].flow[i % SL_FLOW_WAYS];
		const struct sl_node_state *node = &lab->rig.nodes[flow->conn.node];

		if (!(sets[i / SL_FLOW_WAYS].way[i % SL_FLOW_WAYS] >> 16 & 0xffff) ||
		    flow->conn.state != SL_TCP_SYN_SENT || !flow->vip.w[0] == ip_v6)
			continue;
		if (count >= lab->record_count)
			sl_lab_die("more flows than records");
		lab->records[count++] = (struct sl_rotor_record){
			node->endpoint.addr.w[3], node->endpoint.port, flow->nat_port};
	}
	shuffle(lab->records + base, count - base);
	return count - base;
}

uint32_t sl_crowd_answer(struct sl_lab *lab, bool ip_v6, uint32_t base)
{
	uint32_t count = records_fill(lab, ip_v6, base);
	struct sl_lab_subject subject = {
		.name = "answer flows",
		.fd = lab->rig.xdp_fd,
		.spec = sl_crowd_node(ip_v6, SL_FRAME_SYN | SL_FRAME_ACK, 0),
		.kind = ip_v6 ? SL_ROTOR_NODE6 : SL_ROTOR_NODE4,
		.base = base,
		.flows = count,
		.verdict = XDP_TX,
	};
	uint64_t forwarded;

	sl_rig_count_mark(&lab->rig);
	send_all(lab, &subject, count);
	forwarded = sl_rig_counted(&lab->rig, SL_COUNTER_FORWARD_TO_CLIENT);
	errno = 0;
	if (forwarded != count)
		sl_lab_die("of %u answers %llu were forwarded", count,
			   (unsigned long long)forwarded);
	return count;
}

void sl_crowd_forget(struct sl_lab *lab)
{
	struct sl_rig *rig = &lab->rig;

	memset(rig->flows, 0, sl_rig_flow_sets * sizeof(*rig->flows));
	memset(rig->ports, 0, SL_PORT_SETS(sl_rig_flow_sets) * sizeof(*rig->ports));
	for (uint32_t slot = 1; slot < SL_NODES_MAX; slot++) {
		struct sl_node_state *node = &rig->nodes[slot];
		uint8_t *measured = (uint8_t *)&node->breaker;

		memset(measured, 0, sizeof(*node) - offsetof(struct sl_node_state, breaker));
	}
	for (uint32_t pool = 0; pool < SL_POOLS_MAX; pool++)
		memset(rig->pools[pool].flow_epochs, 0, sizeof(rig->pools[pool].flow_epochs));
}
