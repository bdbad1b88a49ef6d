/* SPDX-License-Identifier: BSD-2-Clause */
/* vmtest/selfcheck_ring.c - asks the running kernel whether io_uring works as the daemon uses it.
 *
 * System calls only: this must run before any library of the daemon is trusted. It sets a ring up
 * with a single issuer and deferred task work (6.1, the floor), registers it, and asks for the
 * operations the daemon submits. One line per answer, exit status 1 when one is missing.
 */
#include <errno.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { RING_ENTRIES = 8, PROBE_OPS_MAX = 256 };

static const struct {
	const char *name;
	int op;
} wanted[] = {
	{"accept", IORING_OP_ACCEPT},	    {"recv", IORING_OP_RECV},
	{"send", IORING_OP_SEND},	    {"sendmsg", IORING_OP_SENDMSG},
	{"connect", IORING_OP_CONNECT},	    {"timeout", IORING_OP_TIMEOUT},
	{"cancel", IORING_OP_ASYNC_CANCEL}, {"close", IORING_OP_CLOSE},
	{"msg_ring", IORING_OP_MSG_RING},
};

static bool tell(bool good, const char *what, int err)
{
	if (good)
		printf("ok io_uring %s\n", what);
	else
		printf("not ok io_uring %s: %s\n", what, err ? strerror(err) : "not supported");
	return good;
}

static bool probe_ops(int ring)
{
	struct io_uring_probe *probe;
	bool all = true;

	probe = calloc(1, sizeof(*probe) + PROBE_OPS_MAX * sizeof(probe->ops[0]));
	if (!probe)
		return tell(false, "probe", ENOMEM);
	if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_PROBE, probe, PROBE_OPS_MAX) < 0) {
		all = tell(false, "probe", errno);
		goto free_probe;
	}
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		bool has = wanted[i].op < probe->ops_len &&
			   (probe->ops[wanted[i].op].flags & IO_URING_OP_SUPPORTED);

		all &= tell(has, wanted[i].name, 0);
	}
free_probe:
	free(probe);
	return all;
}

int main(void)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	int ring = (int)syscall(SYS_io_uring_setup, RING_ENTRIES, &params);
	bool good;

	if (!tell(ring >= 0, "setup, single issuer, deferred task work", errno))
		return 1;
	good = tell(params.features & IORING_FEAT_FAST_POLL, "fast poll", 0);
	good &= probe_ops(ring);
	close(ring);
	return good ? 0 : 1;
}
