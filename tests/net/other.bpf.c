/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * other.bpf.c - XDP programs of someone else, for the tests: they pass everything.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int someone_else(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

/* What libxdp calls the program that calls others: here without libxdp behind it. */
SEC("xdp")
int xdp_dispatcher(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}
