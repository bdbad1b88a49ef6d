/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/lag_tap.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "bpf/abi.h"
#include "loader/link.h"

#define TAP_MTU	   65000 /* longer than that of any device: XDP sends nothing that would not fit */
#define TAP_FRAMES 4096	 /* that may wait in the kernel until they are read */
#define SEND_BYTES (8 << 20)

/* ---- the device ---------------------------------------------------------------------------- */

static int ask(const char *name, unsigned long request, struct ifreq *ask)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	snprintf(ask->ifr_name, sizeof(ask->ifr_name), "%s", name);
	error = ioctl(fd, request, ask) ? -errno : 0;
	close(fd);
	return error;
}

static bool is_ethernet(uint32_t ifindex)
{
	struct ifreq request = {0};
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name) && !ask(name, SIOCGIFHWADDR, &request) &&
	       (request.ifr_hwaddr.sa_family == ARPHRD_ETHER ||
		request.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK);
}

/* The stack is to send nothing of its own by it. Where that cannot be said, the reader finds it out. */
static void be_silent(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1) {
		/* no IPv6 here */
	}
	close(fd);
}

static int tap_make(struct sl_lag_tap *tap, struct sl_error *error)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int code = 0;

	tap->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->fd < 0)
		return sl_error_set_errno(error, -errno,
					  "/dev/net/tun, through which packets are held back "
					  "(modprobe tun)");
	snprintf(request.ifr_name, sizeof(request.ifr_name), "sluice-lag%%d");
	if (ioctl(tap->fd, TUNSETIFF, &request) || ioctl(tap->fd, TUNSETOFFLOAD, 0))
		return sl_error_set_errno(error, -errno, "a tap to hold packets back");
	snprintf(tap->name, sizeof(tap->name), "%s", request.ifr_name);
	be_silent(tap->name);
	code = ask(tap->name, SIOCGIFHWADDR, &request);
	memcpy(tap->mac, request.ifr_hwaddr.sa_data, sizeof(tap->mac));
	request.ifr_mtu = TAP_MTU;
	if (!code)
		code = ask(tap->name, SIOCSIFMTU, &request);
	request.ifr_qlen = TAP_FRAMES;
	if (!code)
		code = ask(tap->name, SIOCSIFTXQLEN, &request);
	if (!code)
		code = ask(tap->name, SIOCGIFFLAGS, &request);
	request.ifr_flags |= IFF_UP;
	if (!code)
		code = ask(tap->name, SIOCSIFFLAGS, &request);
	tap->ifindex = if_nametoindex(tap->name);
	return code ? sl_error_set_errno(error, code, "tap \"%s\"", tap->name) : 0;
}

/* ---- the way on ---------------------------------------------------------------------------- */

static int open_out(struct sl_lag_tap *tap, uint32_t ifindex, struct sl_error *error)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
	int on = 1, bytes = SEND_BYTES;

	/* protocol 0: it receives nothing */
	tap->out_fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (tap->out_fd < 0 ||
	    setsockopt(tap->out_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) ||
	    bind(tap->out_fd, (struct sockaddr *)&at, sizeof(at)))
		return sl_error_set_errno(error, -errno, "a packet socket of device %u", ifindex);
	(void)setsockopt(tap->out_fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	return 0;
}

/* skb->tc_index = SL_TC_HELD; return bpf_redirect(ifindex, BPF_F_INGRESS); */
static int load_mover(uint32_t ifindex)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = SL_TC_HELD},
		{.code = BPF_STX | BPF_MEM | BPF_W,
		 .dst_reg = BPF_REG_1,
		 .src_reg = BPF_REG_2,
		 .off = offsetof(struct __sk_buff, tc_index)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_1, .imm = (int)ifindex},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_2, .imm = BPF_F_INGRESS},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "sluice_lag", "Dual BSD/GPL", code,
			       sizeof(code) / sizeof(code[0]), NULL);

	return fd < 0 ? -errno : fd;
}

/* By a tcx link where the kernel has such, else by a filter: both go with the tap. */
static int open_in(struct sl_lag_tap *tap, uint32_t ifindex, struct sl_error *error)
{
	struct bpf_tc_hook hook = {
		.sz = sizeof(hook),
		.ifindex = (int)tap->ifindex,
		.attach_point = BPF_TC_INGRESS,
	};
	int program = load_mover(ifindex);
	LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program);
	int code = 0;

	if (program < 0)
		return sl_error_set_errno(error, program, "the program of tap \"%s\"", tap->name);
	tap->link_fd = sl_link_create(program, tap->ifindex, SL_LINK_TCX_INGRESS, 0);
	if (tap->link_fd < 0) {
		code = bpf_tc_hook_create(&hook);
		if (!code || code == -EEXIST)
			code = bpf_tc_attach(&hook, &options);
	}
	close(program);
	return code ? sl_error_set_errno(error, code, "the program of tap \"%s\"", tap->name) : 0;
}

int sl_lag_tap_open(int taps_fd, uint32_t ifindex, enum sl_lag_tap_way way,
		    struct sl_lag_tap *ret_tap, struct sl_error *error)
{
	struct sl_lag_tap tap = {.way = way, .fd = -1, .out_fd = -1, .link_fd = -1};
	uint32_t key = way == SL_LAG_TAP_OUT ? SL_LAG_OUT(ifindex) : SL_LAG_IN(ifindex);
	int code;

	if (!is_ethernet(ifindex))
		return -EOPNOTSUPP;
	code = tap_make(&tap, error);
	if (!code)
		code = way == SL_LAG_TAP_OUT ? open_out(&tap, ifindex, error)
					     : open_in(&tap, ifindex, error);
	if (!code && bpf_map_update_elem(taps_fd, &key, &tap.ifindex, BPF_NOEXIST))
		code = sl_error_set_errno(error, -errno, "tap \"%s\" in the map lag_taps",
					  tap.name);
	if (code)
		sl_lag_tap_close(&tap);
	else
		*ret_tap = tap;
	return code;
}

void sl_lag_tap_close(struct sl_lag_tap *tap)
{
	int *const fds[] = {&tap->link_fd, &tap->out_fd, &tap->fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

/* ---- frames -------------------------------------------------------------------------------- */

int sl_lag_tap_read(const struct sl_lag_tap *tap, uint8_t *bytes)
{
	ssize_t len = read(tap->fd, bytes, SL_LAG_FRAME_MAX);

	if (len < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (len < ETH_HLEN || !memcmp(bytes + ETH_ALEN, tap->mac, ETH_ALEN))
		return 0; /* of the host's own stack */
	return (int)len;
}

int sl_lag_tap_write(const struct sl_lag_tap *tap, const uint8_t *bytes, uint32_t len)
{
	ssize_t sent = tap->way == SL_LAG_TAP_OUT ? send(tap->out_fd, bytes, len, 0)
						  : write(tap->fd, bytes, len);

	if (sent == (ssize_t)len)
		return 0;
	if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return -EAGAIN;
	return sent < 0 ? -errno : -EIO;
}

uint64_t sl_lag_tap_lost(const struct sl_lag_tap *tap)
{
	unsigned long long received[8], sent[4]; /* bytes, packets, errors, drops ... */
	char line[512], format[64];
	uint64_t lost = 0;
	FILE *file = fopen("/proc/thread-self/net/dev", "re");

	snprintf(format, sizeof(format), " %s:", tap->name);
	while (file && fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, format + 1);

		if (at && sscanf(at + strlen(format + 1),
				 "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
				 &received[0], &received[1], &received[2], &received[3],
				 &received[4], &received[5], &received[6], &received[7], &sent[0],
				 &sent[1], &sent[2], &sent[3]) == 12)
			lost = sent[3];
	}
	if (file)
		fclose(file);
	return lost;
}
