/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/rig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A small table, so that clearing and counting it is cheap. */
#define FLOW_SETS sl_rig_flow_sets

uint32_t sl_rig_flow_sets = SL_RIG_FLOW_SETS;

/* Each for one start of `ip`: starts are dear where a processor is emulated. */
static const char network_links[] = "link set lo up\n"
				    "link add rig0 type veth peer name rig1\n"
				    "link add rig2 type veth peer name rig3\n"
				    "link set rig0 address 02:00:00:00:00:a0\n"
				    "link set rig2 address 02:00:00:00:00:a2\n"
				    "link add rigv type veth peer name rigw\n"
				    "link set rigv address 02:00:00:00:00:a0\n";

static const char network_addresses[] =
	"addr add 10.0.0.2/24 dev rig0\n"
	"addr add 10.0.2.2/24 dev rig2\n"
	"addr add 10.0.100.2/24 dev rigv\n"
	"addr add fd00::2/64 dev rig0 nodad\n"
	"addr add fd00:2::2/64 dev rig2 nodad\n"
	"addr add fd00:100::2/64 dev rigv nodad\n"
	"link set rig0 up\n"
	"link set rig1 up\n"
	"link set rig2 up\n"
	"link set rig3 up\n"
	"link set rigw up\n"
	"link set rigv up\n"
	"route add default via 10.0.0.1\n"
	"route add unreachable 10.0.9.0/24\n"
	"route add unreachable fd00:9::/64\n"
	"route add default via fd00::1\n"
	"neigh add 10.0.0.1 lladdr 02:00:00:00:00:01 dev rig0 nud permanent\n"
	"neigh add 10.0.0.11 lladdr 02:00:00:00:00:0b dev rig0 nud permanent\n"
	"neigh add 10.0.0.12 lladdr 02:00:00:00:00:0c dev rig0 nud permanent\n"
	"neigh add 10.0.2.11 lladdr 02:00:00:00:00:0d dev rig2 nud permanent\n"
	"neigh add 10.0.100.11 lladdr 02:00:00:00:00:0e dev rigv nud permanent\n"
	"neigh add fd00::1 lladdr 02:00:00:00:00:01 dev rig0 nud permanent\n"
	"neigh add fd00::11 lladdr 02:00:00:00:00:0b dev rig0 nud permanent\n"
	"neigh add fd00::12 lladdr 02:00:00:00:00:0c dev rig0 nud permanent\n"
	"neigh add fd00:2::11 lladdr 02:00:00:00:00:0d dev rig2 nud permanent\n"
	"neigh add fd00:100::11 lladdr 02:00:00:00:00:0e dev rigv nud permanent\n";

/* Peers are silent: what they sent of their own would be counted. */
static const char *const silent[] = {
	"/proc/sys/net/ipv6/conf/rig1/disable_ipv6",
	"/proc/sys/net/ipv6/conf/rig3/disable_ipv6",
	"/proc/sys/net/ipv6/conf/rigw/disable_ipv6",
};

static const char *const forwarding[] = {
	"/proc/sys/net/ipv4/ip_forward",
	"/proc/sys/net/ipv4/conf/rig0/forwarding",
	"/proc/sys/net/ipv6/conf/all/forwarding",
	"/proc/sys/net/ipv6/conf/rig0/forwarding",
};

static const char *const counter_names[] = {
#define X(id, name, help) name,
#include "bpf/counters.def"
#undef X
};

static const uint64_t tunable_defaults[] = {
#define X(id, name, def, min, max, unit, help) def,
	SL_TUNABLES(X)
#undef X
};

static void die(const char *what)
{
	fprintf(stderr, "rig: %s: %s\n", what, strerror(errno));
	exit(2);
}

uint64_t sl_rig_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void sl_rig_command(const char *line)
{
	char words[256];
	char *argv[32], *save = NULL;
	int argc = 0, status;
	pid_t pid;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok_r(words, " ", &save); word && argc < 31;
	     word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	argv[argc] = NULL;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) ||
	    waitpid(pid, &status, 0) != pid || status)
		die(line);
}

/* Not by a shell: that of a vmtest guest is busybox, which has an `ip` of its own. */
static void ip_batch(const char *lines)
{
	char *argv[] = {"ip", "-batch", "-", NULL};
	posix_spawn_file_actions_t actions;
	int status, ends[2];
	pid_t pid;

	/* The lines fit into the pipe. */
	if (pipe2(ends, O_CLOEXEC) ||
	    write(ends[1], lines, strlen(lines)) != (ssize_t)strlen(lines))
		die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[0], STDIN_FILENO);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ))
		die("ip");
	posix_spawn_file_actions_destroy(&actions);
	close(ends[0]);
	close(ends[1]);
	if (waitpid(pid, &status, 0) != pid || status)
		die("ip -batch");
}

static void switch_on(const char *const *paths, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		FILE *file = fopen(paths[i], "w");

		if (!file || fputs("1", file) < 0 || fclose(file))
			die(paths[i]);
	}
}

static void network_build(void)
{
	if (unshare(CLONE_NEWNET))
		die("unshare (run as root)");
	ip_batch(network_links);
	switch_on(silent, sizeof(silent) / sizeof(*silent));
	ip_batch(network_addresses);
	switch_on(forwarding, sizeof(forwarding) / sizeof(*forwarding));
}

static int map_fd(struct sl_rig *rig, const char *name)
{
	int fd = bpf_object__find_map_fd_by_name(rig->object, name);

	if (fd < 0)
		die(name);
	return fd;
}

static void *map_memory(struct sl_rig *rig, const char *name, size_t size)
{
	long page = sysconf(_SC_PAGESIZE);
	size_t len = (size + (size_t)page - 1) / (size_t)page * (size_t)page;
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd(rig, name), 0);

	if (at == MAP_FAILED)
		die(name);
	return at;
}

static int program_fd(struct sl_rig *rig, const char *name)
{
	struct bpf_program *program = bpf_object__find_program_by_name(rig->object, name);

	if (!program)
		die(name);
	return bpf_program__fd(program);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, format, args) : 0;
}

static void sets_limit(struct bpf_object *object, const char *name, uint32_t sets)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map || bpf_map__set_max_entries(map, sets))
		die(name);
}

/* What sl_rig_preload() has loaded, and with how many sets of flows. */
static struct {
	struct bpf_object *object;
	uint32_t flow_sets;
} loaded;

static void object_load(struct sl_rig *rig)
{
	const char *path = getenv("SLUICE_BPF_OBJECT");

	if (loaded.object && loaded.flow_sets == FLOW_SETS) {
		rig->object = loaded.object;
		return;
	}
	libbpf_set_print(quiet);
	rig->object = bpf_object__open(path ? path : "build/sluice.bpf.o");
	if (rig->object) {
		sets_limit(rig->object, "flows", FLOW_SETS);
		sets_limit(rig->object, "ports", SL_PORT_SETS(FLOW_SETS));
	}
	if (!rig->object || bpf_object__load(rig->object))
		die("sluice.bpf.o (set SLUICE_BPF_OBJECT)");
}

void sl_rig_preload(struct sl_rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	object_load(rig);
	loaded.object = rig->object;
	loaded.flow_sets = FLOW_SETS;
}

static void object_look(struct sl_rig *rig)
{
	rig->xdp_fd = program_fd(rig, "sluice_xdp");
	rig->egress_fd = program_fd(rig, "sluice_tc_egress");
	rig->ingress_fd = program_fd(rig, "sluice_tc_ingress");
	rig->lane_fd = program_fd(rig, "sluice_tc_lane");
	rig->conns_fd = map_fd(rig, "conns");
	rig->services_fd = map_fd(rig, "services");
	rig->endpoints_fd = map_fd(rig, "endpoints");
	rig->devices_fd = map_fd(rig, "devices");
	rig->maglev_fd = map_fd(rig, "maglev");
	rig->events_fd = map_fd(rig, "events");
	rig->settings = map_memory(rig, "settings", sizeof(struct sl_settings));
	rig->tunables = map_memory(rig, "tunables", SL_POOLS_MAX * SL_TUNABLE_KEYS * 8);
	rig->nodes = map_memory(rig, "nodes", SL_NODES_MAX * sizeof(struct sl_node_state));
	rig->pools = map_memory(rig, "pools", SL_POOLS_MAX * sizeof(struct sl_pool_state));
	rig->counters = map_memory(rig, "counters", SL_CPUS_MAX * sizeof(struct sl_counters));
	rig->flows = map_memory(rig, "flows", FLOW_SETS * sizeof(struct sl_flow_set));
	rig->ports = map_memory(rig, "ports", SL_PORT_SETS(FLOW_SETS) * sizeof(struct sl_port_set));
	rig->loads = map_memory(rig, "loads", SL_NODES_MAX * sizeof(struct sl_node_load));
	rig->latencies =
		map_memory(rig, "latencies", SL_NODES_MAX * sizeof(struct sl_node_latency));
}

static void service_add(struct sl_rig *rig, const char *addr, uint16_t port, uint8_t proto,
			uint8_t lane, uint32_t pool)
{
	struct sl_endpoint endpoint = {
		.addr = sl_frame_addr(addr), .port = htons(port), .proto = proto};
	struct sl_service service = {.pool = pool, .lane = lane};

	if (bpf_map_update_elem(rig->services_fd, &endpoint, &service, BPF_ANY))
		die("services");
}

static void device_add(struct sl_rig *rig)
{
	struct sl_device device = {rig->one_arm.ifindex, 100, htons(ETH_P_8021Q)};

	if (bpf_map_update_elem(rig->devices_fd, &rig->vlan.ifindex, &device, BPF_ANY))
		die("devices");
}

static void settings_fill(struct sl_settings *settings)
{
	settings->abi_version = SL_ABI_VERSION;
	settings->tunable_count = SL_TUNABLE_COUNT;
	settings->counter_count = SL_COUNTER_COUNT;
	settings->cpu_count = 4;
	settings->seed = 0x5eed5eed5eed5eedull;
	settings->nat_port_min = SL_RIG_PORT_MIN;
	settings->nat_port_max = SL_RIG_PORT_MAX;
	settings->node_count = SL_RIG_NODES_MAX;
	settings->pool_count = SL_RIG_POOLS_MAX;
	settings->flow_sets = FLOW_SETS;
	settings->syn_count = SL_SYNS_MAX;
}

void sl_rig_open(struct sl_rig *rig)
{
	uint8_t mac_a0[6] = SL_RIG_MAC_NODE(0xa0), mac_a2[6] = SL_RIG_MAC_NODE(0xa2);

	setvbuf(stdout, NULL, _IOLBF, 0);
	memset(rig, 0, sizeof(*rig));
	rig->cpu_count = (uint32_t)libbpf_num_possible_cpus();
	network_build();
	object_load(rig);
	object_look(rig);
	rig->one_arm.ifindex = if_nametoindex("rig0");
	rig->other.ifindex = if_nametoindex("rig2");
	rig->vlan.ifindex = if_nametoindex("rigv");
	memcpy(rig->vlan.smac, mac_a0, 6);
	memcpy(rig->one_arm.smac, mac_a0, 6);
	memcpy(rig->other.smac, mac_a2, 6);
	/* A veth device has receive queues that a test run may name only with XDP attached. */
	if (bpf_xdp_attach((int)rig->one_arm.ifindex, rig->xdp_fd, XDP_FLAGS_DRV_MODE, NULL))
		die("attach to rig0");
	device_add(rig);
	service_add(rig, "192.0.2.100", 80, IPPROTO_TCP, SL_LANE_FAST, SL_RIG_POOL4);
	service_add(rig, "2001:db8::100", 80, IPPROTO_TCP, SL_LANE_FAST, SL_RIG_POOL6);
	service_add(rig, "192.0.2.100", 8080, IPPROTO_TCP, SL_LANE_SMART, 0);
	service_add(rig, "2001:db8::100", 8080, IPPROTO_TCP, SL_LANE_SMART, 0);
	service_add(rig, "192.0.2.100", 443, IPPROTO_UDP, SL_LANE_FAST, SL_RIG_POOL4);
	service_add(rig, "2001:db8::100", 443, IPPROTO_UDP, SL_LANE_FAST, SL_RIG_POOL6);
	sl_rig_reset(rig);
}

int sl_rig_close(struct sl_rig *rig)
{
	printf("# %u passed, %u failed\n", rig->passed, rig->failed);
	bpf_object__close(rig->object);
	return rig->failed || !rig->passed;
}

static void map_clear(int fd)
{
	uint8_t key[sizeof(struct sl_flow_key)];

	while (!bpf_map_get_next_key(fd, NULL, key)) {
		if (bpf_map_delete_elem(fd, key))
			return;
	}
}

uint64_t sl_rig_flows(const struct sl_rig *rig, uint32_t slot)
{
	return sl_node_flows(&rig->nodes[slot], sl_rig_now_ns());
}

void sl_rig_load(struct sl_rig *rig, uint32_t slot, uint32_t flows)
{
	while (flows--) {
		sl_epoch_add(rig->nodes[slot].flow_epochs, sl_rig_now_ns());
		sl_epoch_add(rig->pools[rig->nodes[slot].pool].flow_epochs, sl_rig_now_ns());
	}
}

uint32_t sl_rig_entries(int fd)
{
	uint8_t key[sizeof(struct sl_flow_key)], next[sizeof(struct sl_flow_key)];
	uint32_t count = 0;
	bool first = true;

	while (!bpf_map_get_next_key(fd, first ? NULL : key, next)) {
		memcpy(key, next, sizeof(key));
		first = false;
		count++;
	}
	return count;
}

void sl_rig_tune(struct sl_rig *rig, enum sl_tunable id, uint64_t value)
{
	rig->tunables[id] = value;
}

void sl_rig_node(struct sl_rig *rig, uint32_t slot, uint32_t pool, const char *addr, uint16_t port,
		 const char *snat)
{
	struct sl_node_state *node = &rig->nodes[slot];

	if (slot >= SL_RIG_NODES_MAX || pool >= SL_RIG_POOLS_MAX)
		die("a slot that sl_rig_reset() would not clear");
	memset(node, 0, sizeof(*node));
	node->endpoint.addr = sl_frame_addr(addr);
	node->endpoint.port = htons(port);
	node->endpoint.proto = 6;
	node->snat_addr = sl_frame_addr(snat);
	node->pool = pool;
	node->weight = 1;
	node->incarnation = slot + 100;
	node->admin = SL_NODE_PRESENT;
	if (bpf_map_update_elem(rig->endpoints_fd, &node->endpoint, &slot, BPF_ANY))
		die("endpoints");
}

/* Its memory is written in place once it is there: replacing a map within a map waits for RCU. */
static int table_fd(struct sl_rig *rig, uint32_t pool)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_INNER_MAP);

	if (pool >= SL_RIG_POOLS_MAX)
		die("a pool that sl_rig_reset() would not clear");
	if (rig->table_fds[pool])
		return rig->table_fds[pool];
	rig->table_fds[pool] =
		bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", 4, 4, SL_RIG_MAGLEV_SIZE, &options);
	if (rig->table_fds[pool] < 0 ||
	    bpf_map_update_elem(rig->maglev_fd, &pool, &rig->table_fds[pool], BPF_ANY))
		die("maglev");
	return rig->table_fds[pool];
}

static void table_write(struct sl_rig *rig, uint32_t pool, const uint32_t *values, uint32_t count)
{
	uint32_t keys[SL_RIG_MAGLEV_SIZE], size = SL_RIG_MAGLEV_SIZE;

	for (uint32_t i = 0; i < SL_RIG_MAGLEV_SIZE; i++)
		keys[i] = i;
	if (bpf_map_update_batch(table_fd(rig, pool), keys, values, &size, NULL))
		die("inner map");
	rig->pools[pool].present = 1;
	rig->pools[pool].node_count = count;
	rig->pools[pool].maglev_size = SL_RIG_MAGLEV_SIZE;
	rig->pools[pool].weight_sum = count;
}

void sl_rig_table(struct sl_rig *rig, uint32_t pool, const uint32_t *slots, uint32_t count)
{
	uint32_t values[SL_RIG_MAGLEV_SIZE];

	for (uint32_t i = 0; i < SL_RIG_MAGLEV_SIZE; i++)
		values[i] = slots[i % count];
	table_write(rig, pool, values, count);
}

void sl_rig_table_mixed(struct sl_rig *rig, uint32_t pool, const uint32_t *slots, uint32_t count)
{
	uint32_t values[SL_RIG_MAGLEV_SIZE];
	uint64_t draw = 1;

	for (uint32_t i = 0; i < SL_RIG_MAGLEV_SIZE; i++) {
		uint32_t other = (uint32_t)(draw >> 33) % (i + 1);

		values[i] = values[other];
		values[other] = slots[i % count];
		draw = draw * 6364136223846793005u + 1442695040888963407u;
	}
	table_write(rig, pool, values, count);
}

void sl_rig_reset(struct sl_rig *rig)
{
	uint32_t pool4[] = {SL_RIG_NODE_A, SL_RIG_NODE_B};
	uint32_t pool6[] = {SL_RIG_NODE6_A, SL_RIG_NODE6_B};

	memset(rig->flows, 0, FLOW_SETS * sizeof(*rig->flows));
	memset(rig->ports, 0, SL_PORT_SETS(FLOW_SETS) * sizeof(*rig->ports));
	memset(rig->loads, 0, SL_RIG_NODES_MAX * sizeof(*rig->loads));
	memset(rig->latencies, 0, SL_RIG_NODES_MAX * sizeof(*rig->latencies));
	memset(rig->settings, 0, sizeof(*rig->settings));
	if (sl_rig_counted_since_reset(rig, SL_COUNTER_CONN_OBSERVED))
		map_clear(rig->conns_fd);
	map_clear(rig->endpoints_fd);
	memset(rig->nodes, 0, SL_RIG_NODES_MAX * sizeof(*rig->nodes));
	memset(rig->pools, 0, SL_RIG_POOLS_MAX * sizeof(*rig->pools));
	memset(rig->tunables, 0xff, SL_POOLS_MAX * SL_TUNABLE_KEYS * sizeof(*rig->tunables));
	memcpy(rig->tunables, tunable_defaults, sizeof(tunable_defaults));
	settings_fill(rig->settings);
	sl_rig_node(rig, SL_RIG_NODE_A, SL_RIG_POOL4, "10.0.0.11", 8000, "10.0.0.2");
	sl_rig_node(rig, SL_RIG_NODE_B, SL_RIG_POOL4, "10.0.0.12", 8000, "10.0.0.2");
	sl_rig_node(rig, SL_RIG_NODE6_A, SL_RIG_POOL6, "fd00::11", 8000, "fd00::2");
	sl_rig_node(rig, SL_RIG_NODE6_B, SL_RIG_POOL6, "fd00::12", 8000, "fd00::2");
	sl_rig_table(rig, SL_RIG_POOL4, pool4, 2);
	sl_rig_table(rig, SL_RIG_POOL6, pool6, 2);
	sl_rig_events(rig, NULL);
	sl_rig_count_mark(rig);
	memcpy(rig->counters_at_reset, rig->counters_before, sizeof(rig->counters_at_reset));
}

int sl_rig_xdp(struct sl_rig *rig, const struct sl_frame *in, struct sl_frame *ret_out)
{
	struct xdp_md context = {
		.data_end = (uint32_t)in->len,
		.ingress_ifindex = rig->one_arm.ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->bytes, .data_size_in = (uint32_t)in->len,
		    .data_out = ret_out->bytes, .data_size_out = SL_FRAME_MAX, .ctx_in = &context,
		    .ctx_size_in = sizeof(context), .repeat = 1);

	if (bpf_prog_test_run_opts(rig->xdp_fd, &run))
		die("test run of sluice_xdp");
	ret_out->len = run.data_size_out;
	return (int)run.retval;
}

/* The context names the device; without one the kernel takes the frame as one of `lo`. */
static int tc_run(int fd, uint32_t ifindex, const struct sl_frame *in, struct sl_frame *ret_out)
{
	struct __sk_buff context = {.ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = in->bytes, .data_size_in = (uint32_t)in->len,
		    .data_out = ret_out->bytes, .data_size_out = SL_FRAME_MAX,
		    .ctx_in = ifindex ? &context : NULL,
		    .ctx_size_in = ifindex ? sizeof(context) : 0, .repeat = 1);

	if (bpf_prog_test_run_opts(fd, &run)) {
		if (errno == EINVAL)
			return SL_RIG_REFUSED;
		die("test run of a TC program");
	}
	ret_out->len = run.data_size_out;
	return (int)run.retval;
}

int sl_rig_tc(struct sl_rig *rig, const struct sl_frame *in, struct sl_frame *ret_out)
{
	return tc_run(rig->lane_fd, rig->one_arm.ifindex, in, ret_out);
}

enum sl_rig_verdict sl_rig_run(struct sl_rig *rig, enum sl_rig_hook hook, const struct sl_frame *in,
			       struct sl_frame *ret_out)
{
	int verdict =
		hook == SL_RIG_TC ? sl_rig_tc(rig, in, ret_out) : sl_rig_xdp(rig, in, ret_out);

	rig->last_verdict = verdict;
	if (hook == SL_RIG_TC)
		return verdict == SL_RIG_REFUSED    ? SL_RIG_NO_VERDICT
		       : verdict == TC_ACT_UNSPEC   ? SL_RIG_PASS
		       : verdict == TC_ACT_SHOT	    ? SL_RIG_DROP
		       : verdict == TC_ACT_REDIRECT ? SL_RIG_FORWARD
						    : SL_RIG_NO_VERDICT;
	return verdict == XDP_PASS			      ? SL_RIG_PASS
	       : verdict == XDP_DROP			      ? SL_RIG_DROP
	       : verdict == XDP_TX || verdict == XDP_REDIRECT ? SL_RIG_FORWARD
							      : SL_RIG_NO_VERDICT;
}

int sl_rig_egress(struct sl_rig *rig, const struct sl_frame_spec *spec)
{
	struct sl_frame frame, out;

	sl_frame_build(&frame, spec);
	return tc_run(rig->egress_fd, 0, &frame, &out);
}

int sl_rig_ingress(struct sl_rig *rig, const struct sl_frame_spec *spec)
{
	struct sl_frame frame;

	sl_frame_build(&frame, spec);
	return sl_rig_ingress_frame(rig, &frame);
}

int sl_rig_ingress_frame(struct sl_rig *rig, const struct sl_frame *frame)
{
	struct sl_frame out;

	return tc_run(rig->ingress_fd, 0, frame, &out);
}

static bool way_used(uint64_t word)
{
	return (word >> 13 & 7) != SL_WAY_FREE;
}

struct sl_flow *sl_rig_flow(const struct sl_rig *rig, uint16_t sport)
{
	for (uint32_t i = 0; i < rig->settings->flow_sets * SL_FLOW_WAYS; i++) {
		struct sl_flow_set *set = &rig->flows[i / SL_FLOW_WAYS];

		if (way_used(set->way[i % SL_FLOW_WAYS]) &&
		    set->flow[i % SL_FLOW_WAYS].client_port == htons(sport))
			return &set->flow[i % SL_FLOW_WAYS];
	}
	return NULL;
}

void sl_rig_flow_age(const struct sl_rig *rig, struct sl_flow *flow, uint64_t age_ms)
{
	size_t number = (size_t)((char *)flow - (char *)rig->flows) / sizeof(struct sl_flow_set);
	struct sl_flow_set *set = &rig->flows[number];

	set->way[flow - set->flow] -= (age_ms * 1000000 >> 20) << 32;
	if (flow->conn.begun)
		flow->conn.begun = (flow->conn.begun - (uint32_t)(age_ms * 1000000 >> 10)) | 1;
}

uint32_t sl_rig_flow_count(const struct sl_rig *rig)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < rig->settings->flow_sets * SL_FLOW_WAYS; i++)
		count += way_used(rig->flows[i / SL_FLOW_WAYS].way[i % SL_FLOW_WAYS]);
	return count;
}

uint32_t sl_rig_port_count(const struct sl_rig *rig)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < SL_PORT_SETS(rig->settings->flow_sets) * SL_FLOW_WAYS; i++)
		count += rig->ports[i / SL_FLOW_WAYS].way[i % SL_FLOW_WAYS] != 0;
	return count;
}

static uint64_t counter_sum(const struct sl_rig *rig, enum sl_counter id)
{
	uint64_t sum = 0;

	for (uint32_t cpu = 0; cpu < rig->cpu_count && cpu < SL_CPUS_MAX; cpu++)
		sum += rig->counters[cpu].v[id];
	return sum;
}

uint64_t sl_rig_counted(const struct sl_rig *rig, enum sl_counter id)
{
	return counter_sum(rig, id) - rig->counters_before[id];
}

uint64_t sl_rig_counted_since_reset(const struct sl_rig *rig, enum sl_counter id)
{
	return counter_sum(rig, id) - rig->counters_at_reset[id];
}

void sl_rig_count_mark(struct sl_rig *rig)
{
	for (uint32_t id = 0; id < SL_COUNTER_COUNT; id++)
		rig->counters_before[id] = counter_sum(rig, id);
}

const char *sl_rig_counter_name(enum sl_counter id)
{
	return counter_names[id];
}

static int event_take(void *context, void *data, size_t size)
{
	struct sl_rig *rig = context;

	if (size == sizeof(rig->last_event))
		memcpy(&rig->last_event, data, size);
	return 0;
}

uint32_t sl_rig_events(struct sl_rig *rig, struct sl_event *ret_last)
{
	int count;

	if (!rig->event_ring)
		rig->event_ring = ring_buffer__new(rig->events_fd, event_take, rig, NULL);
	if (!rig->event_ring)
		die("events");
	count = ring_buffer__consume(rig->event_ring);
	if (count > 0 && ret_last)
		*ret_last = rig->last_event;
	return count < 0 ? 0 : (uint32_t)count;
}

void sl_rig_check(struct sl_rig *rig, bool ok, const char *name, const char *why, ...)
{
	va_list args;

	if (ok) {
		rig->passed++;
		printf("ok %s\n", name);
		return;
	}
	rig->failed++;
	printf("not ok %s: ", name);
	va_start(args, why);
	vprintf(why, args);
	va_end(args);
	printf("\n");
}
