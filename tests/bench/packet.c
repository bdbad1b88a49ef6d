/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet.c - nanoseconds per packet of sluice_xdp, by test run, beside a bare XDP_TX.
 *
 * A test run with a repeat count gives a program the same frame again as the last run left it, so a
 * program that rewrites would see its own output. Here a small program runs first: it copies the
 * next of many frames over the last output and tail-calls the program under test. Its cost is
 * measured by letting it call the bare XDP_TX, and taken off:
 *
 *   net = (rotor -> program) - (rotor -> XDP_TX)
 *
 * Printed per case: net, its ratio to XDP_TX alone, and the verdict that all packets must have had.
 * Medians of RUNS runs. The network of the BPF tests (tests/bpf/lib/rig.h), so root is needed.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "tests/bpf/lib/rig.h"

#define RUNS	    7
#define REPEAT	    1000000
#define REPEAT_NEW  200000
#define FLOWS_MANY  8192 /* a power of two */
#define NODES	    16
#define FRAME_BYTES 80 /* copied by the rotor; every frame is exactly as long */
#define SOURCE_AT   26 /* of an IPv4 source address in a frame */
#define CLIENT_SEQ  1000u
#define NODE_SEQ    9000u

struct frame_row {
	uint8_t bytes[FRAME_BYTES];
};

struct bench {
	struct sl_rig rig;
	int state_fd;  /* ARRAY: [0] counts packets */
	int frames_fd; /* ARRAY of struct frame_row */
	int next_fd;   /* PROG_ARRAY: [0] the program under test */
	int tx_fd;
	int drop_fd;
	double tx_ns;
};

static void die(const char *what)
{
	fprintf(stderr, "packet: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* ---- the rotor ----------------------------------------------------------------------------- */

struct code {
	struct bpf_insn insns[128];
	uint32_t count;
};

static void emit(struct code *code, uint8_t op, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
	struct bpf_insn insn = {op, dst & 15, src & 15, off, imm};

	if (code->count == sizeof(code->insns) / sizeof(*code->insns))
		abort();
	code->insns[code->count++] = insn;
}

static void emit_map(struct code *code, uint8_t dst, int fd)
{
	emit(code, BPF_LD | BPF_IMM | BPF_DW, dst, BPF_PSEUDO_MAP_FD, 0, fd);
	emit(code, 0, 0, 0, 0, 0);
}

/* r0 = element of the map whose key is in the word at fp-4; leaves the program when there is none. */
static void emit_lookup(struct code *code, int fd)
{
	emit(code, BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0);
	emit(code, BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4);
	emit_map(code, 1, fd);
	emit(code, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem);
	emit(code, BPF_JMP | BPF_JNE | BPF_K, 0, 0, 2, 0);
	emit(code, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_ABORTED);
	emit(code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/*
 * Copies frame number (count & (frames - 1)) into the packet and calls the program under test.
 * With `sources` the count also becomes the low 22 bits of the IPv4 source: each packet is of a
 * client not seen before.
 */
static int rotor_load(struct bench *bench, uint32_t frames, bool sources)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);
	struct code code = {.count = 0};
	int fd;

	emit(&code, BPF_ALU64 | BPF_MOV | BPF_X, 6, 1, 0, 0);
	emit(&code, BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0);
	emit_lookup(&code, bench->state_fd);
	emit(&code, BPF_LDX | BPF_MEM | BPF_DW, 7, 0, 0, 0);
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0);
	emit(&code, BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, 1);
	emit(&code, BPF_STX | BPF_MEM | BPF_DW, 0, 1, 0, 0);
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_X, 1, 7, 0, 0);
	emit(&code, BPF_ALU64 | BPF_AND | BPF_K, 1, 0, 0, (int32_t)(frames - 1));
	emit(&code, BPF_STX | BPF_MEM | BPF_W, 10, 1, -4, 0);
	emit_lookup(&code, bench->frames_fd);
	emit(&code, BPF_LDX | BPF_MEM | BPF_W, 8, 6, offsetof(struct xdp_md, data), 0);
	emit(&code, BPF_LDX | BPF_MEM | BPF_W, 2, 6, offsetof(struct xdp_md, data_end), 0);
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_X, 3, 8, 0, 0);
	emit(&code, BPF_ALU64 | BPF_ADD | BPF_K, 3, 0, 0, FRAME_BYTES);
	emit(&code, BPF_JMP | BPF_JLE | BPF_X, 3, 2, 2, 0);
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_ABORTED);
	emit(&code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	for (int16_t at = 0; at < FRAME_BYTES; at += 8) {
		emit(&code, BPF_LDX | BPF_MEM | BPF_DW, 1, 0, at, 0);
		emit(&code, BPF_STX | BPF_MEM | BPF_DW, 8, 1, at, 0);
	}
	if (sources) {
		emit(&code, BPF_ALU64 | BPF_AND | BPF_K, 7, 0, 0, 0x3fffff);
		emit(&code, BPF_ALU64 | BPF_OR | BPF_K, 7, 0, 0, 0x64400000);
		emit(&code, BPF_ALU | BPF_END | BPF_TO_BE, 7, 0, 0, 32);
		emit(&code, BPF_STX | BPF_MEM | BPF_W, 8, 7, SOURCE_AT, 0);
	}
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_X, 1, 6, 0, 0);
	emit_map(&code, 2, bench->next_fd);
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0);
	emit(&code, BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_tail_call);
	emit(&code, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_ABORTED);
	emit(&code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "rotor", "GPL", code.insns, code.count, &options);
	if (fd < 0)
		die("load the rotor");
	return fd;
}

static int bare_load(int verdict)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP);
	struct code code = {.count = 0};
	int fd;

	emit(&code, BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, verdict);
	emit(&code, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "bare", "GPL", code.insns, code.count, &options);
	if (fd < 0)
		die("load a bare program");
	return fd;
}

/* ---- measuring ----------------------------------------------------------------------------- */

static int order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Median ns of a program over RUNS test runs; exits when the last verdict is not the expected. */
static double measure(struct bench *bench, int fd, uint32_t repeat, int verdict)
{
	struct xdp_md context = {
		.data_end = FRAME_BYTES,
		.ingress_ifindex = bench->rig.one_arm.ifindex,
	};
	uint8_t in[FRAME_BYTES] = {0}, out[SL_FRAME_MAX];
	double ns[RUNS];

	for (int i = 0; i < RUNS; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in, .data_size_in = FRAME_BYTES,
			    .data_out = out, .data_size_out = sizeof(out), .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = (int)repeat);

		if (bpf_prog_test_run_opts(fd, &run))
			die("test run");
		if ((int)run.retval != verdict) {
			fprintf(stderr, "packet: verdict %u, expected %d\n", run.retval, verdict);
			exit(1);
		}
		ns[i] = run.duration;
	}
	qsort(ns, RUNS, sizeof(*ns), order);
	return ns[RUNS / 2];
}

static void next_set(struct bench *bench, int fd)
{
	uint32_t zero = 0;

	if (bpf_map_update_elem(bench->next_fd, &zero, &fd, BPF_ANY))
		die("program array");
}

static void frame_put(struct bench *bench, uint32_t index, const struct sl_frame *frame)
{
	struct frame_row row;

	if (frame->len != FRAME_BYTES)
		abort();
	memcpy(row.bytes, frame->bytes, FRAME_BYTES);
	if (bpf_map_update_elem(bench->frames_fd, &index, &row, BPF_ANY))
		die("frames");
}

/* Measures sluice_xdp over the frames 0..frames-1 and prints the line. */
static void compare(struct bench *bench, const char *name, uint32_t frames, bool sources,
		    uint32_t repeat, int verdict)
{
	int rotor = rotor_load(bench, frames, sources);
	uint64_t packets, counted;
	double base_ns, with_ns;

	next_set(bench, bench->tx_fd);
	base_ns = measure(bench, rotor, repeat, XDP_TX);
	next_set(bench, bench->rig.xdp_fd);
	sl_rig_count_mark(&bench->rig);
	with_ns = measure(bench, rotor, repeat, verdict);
	packets = sl_rig_counted(&bench->rig, SL_COUNTER_PACKETS);
	counted = verdict == XDP_TX
			  ? sl_rig_counted(&bench->rig, SL_COUNTER_FORWARD_TO_NODE) +
				    sl_rig_counted(&bench->rig, SL_COUNTER_FORWARD_TO_CLIENT)
			  : packets;
	printf("%-44s %7.0f ns  %6.1f x XDP_TX   (%5.1f %% forwarded or passed)\n", name,
	       with_ns - base_ns, (with_ns - base_ns) / bench->tx_ns,
	       packets ? 100.0 * (double)counted / (double)packets : 0.0);
	close(rotor);
}

/* ---- cases --------------------------------------------------------------------------------- */

static struct sl_frame_spec client_packet(uint32_t flow, uint8_t flags)
{
	static char text[8][32];
	static unsigned int next;
	char *src = text[next++ % 8];
	struct sl_frame_spec spec = {
		.src = src,
		.dst = "192.0.2.100",
		.sport = (uint16_t)(1024 + flow % 50000),
		.dport = 80,
		.seq = CLIENT_SEQ + !(flags & SL_FRAME_SYN),
		.ack = flags & SL_FRAME_ACK ? NODE_SEQ + 1 : 0,
		.flags = flags,
		.pad_len = FRAME_BYTES - 54,
	};

	snprintf(src, sizeof(text[0]), "198.51.%u.%u", 100 + flow / 250 % 100, 1 + flow % 250);
	return spec;
}

/* Opens `count` flows; their client and node packets become frames [0, count), [MANY, ...). */
static void flows_open(struct bench *bench, uint32_t count)
{
	struct sl_rig *rig = &bench->rig;
	struct sl_frame in, out;

	for (uint32_t i = 0; i < count; i++) {
		struct sl_frame_spec spec = client_packet(i, SL_FRAME_SYN), back = {0};

		sl_frame_build(&in, &spec);
		if (sl_rig_xdp(rig, &in, &out) != XDP_TX)
			die("open a flow");
		back.src = "10.0.0.11";
		back.dst = "10.0.0.2";
		back.sport = (uint16_t)(out.bytes[36] << 8 | out.bytes[37]);
		back.dport = sl_frame_sport(&out);
		back.seq = NODE_SEQ;
		back.ack = CLIENT_SEQ + 1;
		back.flags = SL_FRAME_SYN | SL_FRAME_ACK;
		sl_frame_build(&in, &back);
		if (sl_rig_xdp(rig, &in, &out) != XDP_TX)
			die("answer a flow");
		spec = client_packet(i, SL_FRAME_ACK);
		sl_frame_build(&in, &spec);
		frame_put(bench, i, &in);
		back.seq = NODE_SEQ + 1;
		back.flags = SL_FRAME_ACK;
		back.payload_len = FRAME_BYTES - 54;
		sl_frame_build(&in, &back);
		frame_put(bench, FLOWS_MANY + i, &in);
	}
}

/* The node's packets become the frames that the rotor begins with. */
static void frames_shift(struct bench *bench, uint32_t count)
{
	struct frame_row row;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t from = FLOWS_MANY + i;

		if (bpf_map_lookup_elem(bench->frames_fd, &from, &row) ||
		    bpf_map_update_elem(bench->frames_fd, &i, &row, BPF_ANY))
			die("frames");
	}
}

static void pool_fill(struct bench *bench)
{
	uint32_t slots[NODES];

	sl_rig_reset(&bench->rig);
	bench->rig.settings->nat_port_min = 1024;
	bench->rig.settings->nat_port_max = 65535;
	for (uint32_t i = 0; i < NODES; i++) {
		slots[i] = i + 1;
		sl_rig_node(&bench->rig, slots[i], SL_RIG_POOL4, "10.0.0.11", (uint16_t)(8000 + i),
			    "10.0.0.2");
	}
	sl_rig_table(&bench->rig, SL_RIG_POOL4, slots, NODES);
}

static void established(struct bench *bench, uint32_t count, const char *to_node,
			const char *to_client)
{
	pool_fill(bench);
	flows_open(bench, count);
	compare(bench, to_node, count, false, REPEAT, XDP_TX);
	frames_shift(bench, count);
	compare(bench, to_client, count, false, REPEAT, XDP_TX);
}

static void one_frame(struct bench *bench, const char *name, uint16_t dport, uint8_t flags,
		      bool sources, uint32_t repeat, int verdict)
{
	struct sl_frame_spec spec = client_packet(0, flags);
	struct sl_frame frame;

	pool_fill(bench);
	spec.dport = dport;
	sl_frame_build(&frame, &spec);
	frame_put(bench, 0, &frame);
	compare(bench, name, 1, sources, repeat, verdict);
}

static int array_create(const char *name, enum bpf_map_type type, uint32_t value_size,
			uint32_t entries)
{
	int fd = bpf_map_create(type, name, 4, value_size, entries, NULL);

	if (fd < 0)
		die(name);
	return fd;
}

int main(void)
{
	struct bench bench = {.tx_ns = 0};

	sl_rig_open(&bench.rig);
	bench.state_fd = array_create("state", BPF_MAP_TYPE_ARRAY, 8, 1);
	bench.frames_fd = array_create("frames", BPF_MAP_TYPE_ARRAY, FRAME_BYTES, 2 * FLOWS_MANY);
	bench.next_fd = array_create("next", BPF_MAP_TYPE_PROG_ARRAY, 4, 1);
	bench.tx_fd = bare_load(XDP_TX);
	bench.drop_fd = bare_load(XDP_DROP);
	bench.tx_ns = measure(&bench, bench.tx_fd, REPEAT, XDP_TX);
	if (bench.tx_ns < 1)
		bench.tx_ns = 1; /* the kernel reports whole nanoseconds */
	printf("%-44s %7.0f ns\n", "bare XDP_TX", bench.tx_ns);
	printf("%-44s %7.0f ns\n", "bare XDP_DROP",
	       measure(&bench, bench.drop_fd, REPEAT, XDP_DROP));
	established(&bench, 1, "established, to the node, 1 flow",
		    "established, to the client, 1 flow");
	established(&bench, FLOWS_MANY, "established, to the node, 8192 flows",
		    "established, to the client, 8192 flows");
	one_frame(&bench, "new flow (table full, evicting)", 80, SL_FRAME_SYN, true, REPEAT_NEW,
		  XDP_TX);
	one_frame(&bench, "passed: smart lane", 8080, SL_FRAME_ACK, false, REPEAT, XDP_PASS);
	one_frame(&bench, "passed: not a service", 22, SL_FRAME_ACK, false, REPEAT, XDP_PASS);
	bpf_object__close(bench.rig.object);
	return 0;
}
