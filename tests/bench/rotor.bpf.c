// SPDX-License-Identifier: BSD-2-Clause
/* rotor.bpf.c - writes the next frame and calls the program under test; see packet/rotor.h. */
#include <stddef.h>
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "bpf/hash.h"
#include "tests/bench/packet/rotor.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define IP4_SRC	  26 /* offsets in a frame without tags and options */
#define IP4_PORTS 34
#define IP6_SRC	  22
#define IP6_PORTS 54

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_rotor);
} rotor SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct sl_rotor_record);
} records SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} next SEC(".maps");

static __always_inline __u32 flow_number(const struct sl_rotor *state, __u64 count)
{
	if (state->random)
		return state->base + sl_hash_scale((__u32)sl_mix64(count), state->flows);
	return state->base + (__u32)count;
}

static __always_inline void client_write(__u8 *frame, const struct sl_rotor *state, __u64 count)
{
	__u32 client = sl_rotor_client(flow_number(state, count));
	__be16 port = bpf_htons(sl_rotor_client_port(client));

	if (state->kind == SL_ROTOR_CLIENT4) {
		*(__be32 *)(frame + IP4_SRC) = bpf_htonl(sl_rotor_client_addr4(client));
		*(__be16 *)(frame + IP4_PORTS) = port;
	} else {
		/* another /64 for each client, as guards count by it */
		*(__be32 *)(frame + IP6_SRC + 4) = bpf_htonl(client);
		*(__be16 *)(frame + IP6_PORTS) = port;
	}
}

static __always_inline void node_write(__u8 *frame, const struct sl_rotor *state, __u64 count)
{
	__u32 number = state->base + (__u32)count % state->flows;
	struct sl_rotor_record *record = bpf_map_lookup_elem(&records, &number);

	if (!record)
		return;
	if (state->kind == SL_ROTOR_NODE4) {
		*(__be32 *)(frame + IP4_SRC) = record->addr;
		*(__be16 *)(frame + IP4_PORTS) = record->sport;
		*(__be16 *)(frame + IP4_PORTS + 2) = record->dport;
	} else {
		*(__be32 *)(frame + IP6_SRC + 12) = record->addr;
		*(__be16 *)(frame + IP6_PORTS) = record->sport;
		*(__be16 *)(frame + IP6_PORTS + 2) = record->dport;
	}
}

SEC("xdp")
int rotor_turn(struct xdp_md *ctx)
{
	__u8 *frame = (void *)(long)ctx->data;
	struct sl_rotor *state;
	__u32 i, zero = 0;
	__u64 count;

	state = bpf_map_lookup_elem(&rotor, &zero);
	if (!state || (void *)(frame + SL_ROTOR_FRAME) > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	count = state->count++;
	for (i = 0; i < SL_ROTOR_FRAME; i += 8)
		*(__u64 *)(frame + i) = *(__u64 *)(state->frame + i);
	if (state->kind == SL_ROTOR_CLIENT4 || state->kind == SL_ROTOR_CLIENT6)
		client_write(frame, state, count);
	else if (state->kind != SL_ROTOR_SAME)
		node_write(frame, state, count);
	bpf_tail_call(ctx, &next, 0);
	return XDP_ABORTED;
}
