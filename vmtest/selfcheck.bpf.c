/* SPDX-License-Identifier: (GPL-2.0 OR BSD-2-Clause) */
/* vmtest/selfcheck.bpf.c - the smallest programs that prove a kernel can carry sluice's.
 *
 * One XDP and one TC program count packets into a memory-mapped array. The array's type is read
 * by the loader from BTF, so loading it proves BTF, the map kind and the verifier at once.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u64);
} seen SEC(".maps");

static __always_inline void count(__u32 slot)
{
	__u64 *packets = bpf_map_lookup_elem(&seen, &slot);

	if (packets)
		__sync_fetch_and_add(packets, 1);
}

SEC("xdp")
int selfcheck_xdp(struct xdp_md *ctx)
{
	(void)ctx;
	count(0);
	return XDP_PASS;
}

SEC("tc")
int selfcheck_tc(struct __sk_buff *skb)
{
	(void)skb;
	count(1);
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
