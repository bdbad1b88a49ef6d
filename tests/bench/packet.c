/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.c - nanoseconds a packet of sluice_xdp, by test run, beside the baselines of
 * baseline.bpf.c measured in the same turns.
 *
 *   packet [CASE...]          default: all of `cases` below
 *
 * Frames of 80 bytes; each figure is what the program costs above an empty one (packet/lab.h). Each
 * case is a process and a network of its own with a table of the size that the case is about
 * (packet/crowd.h). Exit status 0 whether bars are reached or missed; 2 when something could not be
 * measured. Root is needed.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "tests/bench/packet/crowd.h"
#include "tests/bench/packet/report.h"

#define NODES	       256u
#define NODES_FEW      10u
#define FEW	       1000u
#define MIDDLE	       10000u
#define LARGE	       1000000u
#define MANY	       8000000u
#define NEW_PIECE      20000u /* new flows of a turn: few beside those in the table */
#define COUNT_OF(list) (sizeof(list) / sizeof(*(list)))

#define BAR_LRU_MIDDLE 1.5 /* established flow: of the LRU_HASH baseline */
#define BAR_LRU_LARGE  1.0
#define BAR_NEW	       0.45 /* new flow: of the LRU_HASH baseline's new flow */
#define BAR_IPV6       1.2
#define BAR_NODES      1.15
#define BAR_FLOWS      2.5

/* ---- subjects ------------------------------------------------------------------------------ */

/* ACKs to the node and data to the client, as a stream of tokens has them. */
static struct sl_lab_subject to_node(const struct sl_lab *lab, bool ip_v6, uint32_t base,
				     uint32_t flows)
{
	return (struct sl_lab_subject){
		.name = "sluice, to the node",
		.fd = lab->rig.xdp_fd,
		.spec = sl_crowd_client(ip_v6, SL_FRAME_ACK, 0),
		.kind = ip_v6 ? SL_ROTOR_CLIENT6 : SL_ROTOR_CLIENT4,
		.base = base,
		.flows = flows,
		.verdict = SL_LAB_ANY_VERDICT,
	};
}

static struct sl_lab_subject to_client(const struct sl_lab *lab, bool ip_v6, uint32_t base,
				       uint32_t flows)
{
	return (struct sl_lab_subject){
		.name = "sluice, to the client",
		.fd = lab->rig.xdp_fd,
		.spec = sl_crowd_node(ip_v6, SL_FRAME_ACK, sl_crowd_room(ip_v6)),
		.kind = ip_v6 ? SL_ROTOR_NODE6 : SL_ROTOR_NODE4,
		.base = base,
		.flows = flows,
		.verdict = SL_LAB_ANY_VERDICT, /* all packets are counted instead */
	};
}

/* SYNs of clients base, base + 1, ... */
static struct sl_lab_subject new_flows(const struct sl_lab *lab, bool ip_v6, uint32_t base)
{
	struct sl_lab_subject subject = to_node(lab, ip_v6, base, 1);

	subject.name = "sluice, new flow";
	subject.spec = sl_crowd_client(ip_v6, SL_FRAME_SYN, 0);
	subject.in_turn = 1;
	return subject;
}

static struct sl_lab_subject baseline(const struct sl_lab *lab, const char *program,
				      const char *name, struct sl_lab_subject like)
{
	like.name = name;
	like.fd = sl_lab_baseline(lab, program);
	return like;
}

static struct sl_lab_subject named(struct sl_lab_subject subject, const char *name)
{
	subject.name = name;
	return subject;
}

/* ---- checks -------------------------------------------------------------------------------- */

static uint64_t forwarded(const struct sl_lab *lab)
{
	return sl_rig_counted(&lab->rig, SL_COUNTER_FORWARD_TO_NODE) +
	       sl_rig_counted(&lab->rig, SL_COUNTER_FORWARD_TO_CLIENT);
}

/*
 * Measures, and looks whether every packet to sluice was forwarded: a drop is cheap. A baseline
 * that has forgotten flows measures insertions: that is said.
 */
static void measure(struct sl_lab *lab, struct sl_lab_subject *subjects, uint32_t count)
{
	uint64_t misses = sl_lab_baseline_misses(lab), packets;

	sl_rig_count_mark(&lab->rig);
	sl_lab_measure(lab, subjects, count, NULL);
	packets = sl_rig_counted(&lab->rig, SL_COUNTER_PACKETS);
	errno = 0;
	if (!packets || forwarded(lab) < packets / 100 * 90)
		sl_lab_die("of %llu packets %llu were forwarded", (unsigned long long)packets,
			   (unsigned long long)forwarded(lab));
	if (forwarded(lab) != packets)
		printf("  (%.2f %% of the packets were not forwarded)\n",
		       100 - 100.0 * (double)forwarded(lab) / (double)packets);
	misses = sl_lab_baseline_misses(lab) - misses;
	if (misses)
		printf("  (LRU_HASH had forgotten %llu flows that it had room for)\n",
		       (unsigned long long)misses);
}

/*
 * Flows that both tables hold, opened and answered. Returns how many: their nodes' packets are
 * records [0, that).
 */
static uint32_t flows_prepare(struct sl_lab *lab, uint32_t flows)
{
	struct sl_lab_subject fill = to_node(lab, false, 0, flows);
	uint32_t answered;

	sl_crowd_nodes(lab, false, 1, NODES);
	sl_crowd_open(lab, false, 0, flows);
	answered = sl_crowd_answer(lab, false, 0);
	fill.fd = sl_lab_baseline(lab, "base_lru");
	fill.in_turn = 1;
	sl_lab_run(lab, &fill, flows);
	return answered;
}

/* ---- cases --------------------------------------------------------------------------------- */

static void case_base(void)
{
	struct sl_lab lab;

	sl_lab_open(&lab, MIDDLE, 0);
	struct sl_lab_subject like = to_node(&lab, false, 0, MIDDLE);
	struct sl_lab_subject subjects[] = {
		baseline(&lab, "base_drop", "XDP_DROP", like),
		baseline(&lab, "base_tx", "XDP_TX, MAC addresses swapped", like),
		baseline(&lab, "base_maglev", "Maglev, no flow state", like),
		baseline(&lab, "base_maglev_nat", "Maglev, no flow state, NAT checksums", like),
	};

	subjects[0].verdict = XDP_DROP;
	sl_report_title("baselines that keep nothing");
	sl_lab_measure(&lab, subjects, COUNT_OF(subjects), NULL);
	for (uint32_t i = 0; i < COUNT_OF(subjects); i++)
		sl_report_ns(&subjects[i]);
	sl_lab_close(&lab);
}

static void established(uint32_t flows, double bar)
{
	uint32_t flows_max = flows > SL_FLOWS_MAX_DEFAULT ? flows : SL_FLOWS_MAX_DEFAULT;
	struct sl_lab lab;
	uint32_t records;

	sl_lab_open(&lab, flows_max, flows);
	sl_report_title("established, %u flow%s in a table for %u", flows, flows > 1 ? "s" : "",
			flows_max);
	records = flows_prepare(&lab, flows);
	struct sl_lab_subject like = to_node(&lab, false, 0, flows);
	struct sl_lab_subject subjects[] = {
		baseline(&lab, "base_lru", "LRU_HASH", like),
		baseline(&lab, "base_lru_nat", "LRU_HASH, NAT checksums", like),
		like,
		to_client(&lab, false, 0, records),
	};

	measure(&lab, subjects, COUNT_OF(subjects));
	sl_report_ns(&subjects[0]);
	sl_report_ratio(&lab, &subjects[1], &subjects[0], 0);
	sl_report_ratio(&lab, &subjects[2], &subjects[0], bar);
	sl_report_ratio(&lab, &subjects[3], &subjects[0], bar);
	sl_lab_close(&lab);
}

static void case_1(void)
{
	established(1, 0);
}

static void case_1k(void)
{
	established(FEW, 0);
}

static void case_10k(void)
{
	established(MIDDLE, BAR_LRU_MIDDLE);
}

static void case_1m(void)
{
	established(LARGE, BAR_LRU_LARGE);
}

/* The same table, packets of few of its flows beside packets of all: the cost of distance alone. */
static void case_8m(void)
{
	struct sl_lab lab;
	uint32_t records;

	sl_lab_open(&lab, MANY, MANY);
	sl_report_title("established, %u flows in a table for as many", MANY);
	records = flows_prepare(&lab, MANY);
	/* The newest: of the oldest the table may have lost some. */
	struct sl_lab_subject few_node = to_node(&lab, false, MANY - FEW, FEW);
	struct sl_lab_subject few_client = to_client(&lab, false, 0, FEW);
	struct sl_lab_subject subjects[] = {
		baseline(&lab, "base_lru", "LRU_HASH", to_node(&lab, false, 0, MANY)),
		named(few_node, "1,000 of them, to the node"),
		named(few_client, "1,000 of them, to the client"),
		named(to_node(&lab, false, 0, MANY), "all, to the node"),
		named(to_client(&lab, false, 0, records), "all, to the client"),
	};

	measure(&lab, subjects, COUNT_OF(subjects));
	sl_report_ns(&subjects[0]);
	sl_report_ns(&subjects[1]);
	sl_report_ns(&subjects[2]);
	sl_report_ratio(&lab, &subjects[3], &subjects[0], 0);
	sl_report_ratio(&lab, &subjects[3], &subjects[1], BAR_FLOWS);
	sl_report_ratio(&lab, &subjects[4], &subjects[2], BAR_FLOWS);
	sl_lab_close(&lab);
}

static void case_ipv6(void)
{
	struct sl_lab lab;
	uint32_t records;

	sl_lab_open(&lab, SL_FLOWS_MAX_DEFAULT, 2 * MIDDLE);
	sl_crowd_nodes(&lab, false, 1, NODES);
	sl_crowd_nodes(&lab, true, 1 + NODES, NODES);
	sl_crowd_open(&lab, false, 0, MIDDLE);
	records = sl_crowd_answer(&lab, false, 0);
	sl_crowd_open(&lab, true, 0, MIDDLE);
	sl_crowd_answer(&lab, true, records);
	struct sl_lab_subject subjects[] = {
		named(to_node(&lab, false, 0, MIDDLE), "IPv4, to the node"),
		named(to_client(&lab, false, 0, MIDDLE), "IPv4, to the client"),
		named(to_node(&lab, true, 0, MIDDLE), "IPv6, to the node"),
		named(to_client(&lab, true, records, MIDDLE), "IPv6, to the client"),
	};

	sl_report_title("IPv6, %u flows", MIDDLE);
	measure(&lab, subjects, COUNT_OF(subjects));
	sl_report_ns(&subjects[0]);
	sl_report_ns(&subjects[1]);
	sl_report_ratio(&lab, &subjects[2], &subjects[0], BAR_IPV6);
	sl_report_ratio(&lab, &subjects[3], &subjects[1], BAR_IPV6);
	sl_lab_close(&lab);
}

/* The first MIDDLE flows are at few nodes, the next at as many as there may be. */
static void case_nodes(void)
{
	struct sl_lab lab;
	uint32_t records;

	sl_lab_open(&lab, SL_FLOWS_MAX_DEFAULT, 2 * MIDDLE);
	sl_crowd_nodes(&lab, false, 1, SL_CROWD_NODES_MAX);
	sl_crowd_table(&lab, SL_RIG_POOL4, 1, NODES_FEW);
	sl_crowd_open(&lab, false, 0, MIDDLE);
	records = sl_crowd_answer(&lab, false, 0);
	sl_crowd_table(&lab, SL_RIG_POOL4, 1, SL_CROWD_NODES_MAX);
	sl_crowd_open(&lab, false, MIDDLE, MIDDLE);
	sl_crowd_answer(&lab, false, records);
	struct sl_lab_subject subjects[] = {
		named(to_node(&lab, false, 0, MIDDLE), "10 nodes, to the node"),
		named(to_client(&lab, false, 0, MIDDLE), "10 nodes, to the client"),
		named(to_node(&lab, false, MIDDLE, MIDDLE), "4,095 nodes, to the node"),
		named(to_client(&lab, false, records, MIDDLE), "4,095 nodes, to the client"),
	};

	sl_report_title("nodes, %u flows", MIDDLE);
	measure(&lab, subjects, COUNT_OF(subjects));
	sl_report_ns(&subjects[0]);
	sl_report_ns(&subjects[1]);
	sl_report_ratio(&lab, &subjects[2], &subjects[0], BAR_NODES);
	sl_report_ratio(&lab, &subjects[3], &subjects[1], BAR_NODES);
	sl_lab_close(&lab);
}

/* ---- new flows ----------------------------------------------------------------------------- */

/*
 * New flows make the table fuller, so each turn begins with the same one: what the last turns opened
 * is forgotten, and `occupancy` flows are there.
 */
static uint32_t occupancy;

static void occupancy_restore(struct sl_lab *lab, struct sl_lab_subject *subject)
{
	struct sl_lab_subject fill = to_node(lab, false, 0, occupancy);

	if (subject->fd == lab->rig.xdp_fd) {
		sl_crowd_forget(lab);
		sl_crowd_open(lab, false, 0, occupancy);
		return;
	}
	sl_lab_baseline_reload(lab);
	subject->fd = sl_lab_baseline(lab, "base_lru");
	fill.fd = subject->fd;
	fill.in_turn = 1;
	sl_lab_run(lab, &fill, occupancy);
}

static void new_turns(struct sl_lab *lab, uint32_t turns)
{
	lab->turns = turns;
	lab->piece = NEW_PIECE;
	lab->warm = 0;
	sl_rig_count_mark(&lab->rig);
}

static void report_new(struct sl_lab *lab, const struct sl_lab_subject *subjects)
{
	uint64_t packets = sl_rig_counted(&lab->rig, SL_COUNTER_PACKETS);
	uint64_t opened = sl_rig_counted(&lab->rig, SL_COUNTER_FLOW_OPENED);

	if (opened != packets)
		printf("  (%.2f %% of the SYNs opened no flow; for want of a port: %.2f %%)\n",
		       100 - 100.0 * (double)opened / (double)packets,
		       100.0 * (double)sl_rig_counted(&lab->rig, SL_COUNTER_DROP_NO_PORT) /
			       (double)packets);
	sl_report_ns(&subjects[0]);
	sl_report_ratio(lab, &subjects[1], &subjects[0], BAR_NEW);
	sl_lab_close(lab);
}

static void case_new_10k(void)
{
	struct sl_lab lab;

	sl_lab_open(&lab, SL_FLOWS_MAX_DEFAULT, 0);
	sl_crowd_nodes(&lab, false, 1, NODES);
	occupancy = MIDDLE;
	new_turns(&lab, 25);
	struct sl_lab_subject subjects[] = {
		baseline(&lab, "base_lru", "LRU_HASH, new flow", new_flows(&lab, false, MIDDLE)),
		new_flows(&lab, false, MIDDLE),
	};

	sl_report_title("new flow, table for %u, %u to %u in it", SL_FLOWS_MAX_DEFAULT, MIDDLE,
			MIDDLE + NEW_PIECE);
	sl_lab_measure(&lab, subjects, COUNT_OF(subjects), occupancy_restore);
	report_new(&lab, subjects);
}

/* Here the turns' new flows are few beside those in the table, and stay. */
static void case_new_1m(void)
{
	struct sl_lab lab;

	sl_lab_open(&lab, 2 * LARGE, LARGE);
	sl_report_title("new flow, table for %u, %u to %u in it", 2 * LARGE, LARGE,
			LARGE + 15 * NEW_PIECE);
	flows_prepare(&lab, LARGE);
	new_turns(&lab, 15);
	struct sl_lab_subject subjects[] = {
		baseline(&lab, "base_lru", "LRU_HASH, new flow", new_flows(&lab, false, LARGE)),
		new_flows(&lab, false, LARGE),
	};

	sl_lab_measure(&lab, subjects, COUNT_OF(subjects), NULL);
	report_new(&lab, subjects);
}

/* Both tables are full, as one of type LRU_HASH is in the long run: each new flow ends another. */
static void case_new_full(void)
{
	uint32_t filled = 2 * SL_FLOWS_MAX_DEFAULT;
	struct sl_lab lab;

	sl_lab_open(&lab, SL_FLOWS_MAX_DEFAULT, 0);
	sl_report_title("new flow, table for %u, full", SL_FLOWS_MAX_DEFAULT);
	sl_crowd_nodes(&lab, false, 1, NODES);
	sl_crowd_open(&lab, false, 0, filled);
	struct sl_lab_subject fill =
		baseline(&lab, "base_lru", "fill LRU_HASH", new_flows(&lab, false, 0));
	struct sl_lab_subject subjects[] = {
		baseline(&lab, "base_lru", "LRU_HASH, new flow", new_flows(&lab, false, filled)),
		new_flows(&lab, false, filled),
	};

	new_turns(&lab, 25);
	sl_lab_run(&lab, &fill, filled);
	sl_lab_measure(&lab, subjects, COUNT_OF(subjects), NULL);
	report_new(&lab, subjects);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void case_passed(void)
{
	struct sl_lab lab;

	sl_lab_open(&lab, SL_FLOWS_MAX_DEFAULT, 0);
	sl_crowd_nodes(&lab, false, 1, NODES);
	struct sl_lab_subject like = to_node(&lab, false, 0, MIDDLE);
	struct sl_lab_subject subjects[] = {
		named(like, "passed: smart lane"),
		named(like, "passed: not a service"),
		named(like, "passed: not TCP or UDP"),
	};

	subjects[0].spec.dport = 8080;
	subjects[1].spec.dport = 22;
	subjects[2].spec.protocol = 47;
	sl_report_title("left to the local stack");
	for (uint32_t i = 0; i < COUNT_OF(subjects); i++)
		subjects[i].verdict = XDP_PASS;
	sl_lab_measure(&lab, subjects, COUNT_OF(subjects), NULL);
	for (uint32_t i = 0; i < COUNT_OF(subjects); i++)
		sl_report_ns(&subjects[i]);
	sl_lab_close(&lab);
}

/* What the table takes by its formula, and what the kernel charges for it. */
static void case_memory(void)
{
	static const uint32_t sizes[] = {SL_FLOWS_MAX_DEFAULT, LARGE, MANY};

	sl_report_title("memory of the flow table (flows and ports)");
	for (uint32_t i = 0; i < COUNT_OF(sizes); i++) {
		struct bpf_object *object = bpf_object__open("build/sluice.bpf.o");
		uint64_t sets = SL_FLOW_SETS(sizes[i]), charged = 0;
		uint64_t stated = sets * sizeof(struct sl_flow_set) +
				  SL_PORT_SETS(sets) * sizeof(struct sl_port_set);
		struct bpf_map *flows = bpf_object__find_map_by_name(object, "flows");
		struct bpf_map *ports = bpf_object__find_map_by_name(object, "ports");

		if (!flows || !ports || bpf_map__set_max_entries(flows, (uint32_t)sets) ||
		    bpf_map__set_max_entries(ports, (uint32_t)SL_PORT_SETS(sets)) ||
		    bpf_object__load(object))
			sl_lab_die("sluice.bpf.o for %u flows", sizes[i]);
		charged =
			sl_lab_map_bytes(bpf_map__fd(flows)) + sl_lab_map_bytes(bpf_map__fd(ports));
		printf("  %-10u flows: stated %7.1f MiB, %.0f bytes a flow; kernel %7.1f MiB: %s\n",
		       sizes[i], (double)stated / (1 << 20), (double)stated / sizes[i],
		       (double)charged / (1 << 20),
		       (double)charged <= (double)stated * 1.01 ? "reached" : "missed");
		bpf_object__close(object);
	}
}

/* ---- running ------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
	{"base", case_base},	   {"1", case_1},	    {"1k", case_1k},
	{"10k", case_10k},	   {"1m", case_1m},	    {"8m", case_8m},
	{"new-10k", case_new_10k}, {"new-1m", case_new_1m}, {"new-full", case_new_full},
	{"ipv6", case_ipv6},	   {"nodes", case_nodes},   {"passed", case_passed},
	{"memory", case_memory},
};

/* In a child, because a network namespace and a table belong to a process. */
static int case_run(uint32_t number)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		cases[number].run();
		fflush(stdout);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		sl_lab_die("fork");
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	fprintf(stderr, "packet: case %s was not measured\n", cases[number].name);
	return 2;
}

static bool wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], name))
			return true;
	}
	return argc == 1;
}

int main(int argc, char **argv)
{
	int status = 0;

	for (uint32_t i = 0; i < COUNT_OF(cases); i++) {
		if (wanted(cases[i].name, argc, argv) && case_run(i))
			status = 2;
	}
	return status;
}
