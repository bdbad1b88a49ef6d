/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of the kernel plane. */
#include "user/base/config_key_rows.h"

#define ROOT(member)  offsetof(struct sl_config, member)
#define BKEY(member)  offsetof(struct sl_config_beacon_key, member)
#define BNODE(member) offsetof(struct sl_config_report, member)

static const char *const hook_choices[] = {"auto", "native", "generic", "tc", NULL};
static const char *const role_choices[] = {"balancer", "node", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_KERNEL, SL_CONFIG_DEVICE_LIST, "devices", ROOT(devices), NULL, 0,
	 SL_CONFIG_DEVICES_MAX, NULL, false, "a list of network device names",
	 "Where `sluice up` attaches: the devices towards the clients and towards the nodes."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PATH, "pin_dir", ROOT(pin_dir), SL_PIN_DIR, 0, PATH_LEN_MAX,
	 NULL, false, "an absolute path on a bpffs", "Where maps and links are pinned."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PORTS, "nat_ports", ROOT(nat_port_min), "10240-32767", 1024,
	 65535, NULL, false, "FIRST-LAST, within 1024 to 65535, at least 256 ports",
	 "Source ports towards the nodes, for each node apart. They must lie outside "
	 "net.ipv4.ip_local_port_range (32768-60999 by default), else the host's own connections "
	 "collide with them."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "flows", ROOT(flows_max), "262144", 1024, SL_FLOWS_MAX,
	 NULL, false, NULL,
	 "Flows of the fast lane that are known at the same time; each takes about 141 bytes of "
	 "kernel memory. Where there is no room, the flow that was silent for longest gives way. "
	 "Counts when the maps are made: `sluice down`, then `sluice up`."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "conns", ROOT(conns_max), "65536", 1024, SL_FLOWS_MAX,
	 NULL, false, NULL,
	 "Connections of this host itself (the daemon's) to nodes that are watched at the same "
	 "time; each takes about 130 bytes of kernel memory. As `flows` otherwise."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U64, "seed", ROOT(seed), "0", 0, UINT64_MAX, NULL, false,
	 "a number",
	 "Seed of the flow hashes. Balancers behind one ECMP group need the same value; 0 lets "
	 "`sluice up` draw one."},
	{SL_CONFIG_KERNEL, SL_CONFIG_CHOICE, "hook", ROOT(hook), "auto", 0, 0, hook_choices, false,
	 NULL,
	 "Where the fast lane attaches: XDP in the driver (`native`), XDP behind it (`generic`) or "
	 "TC (`tc`). `auto` chooses for each device and says why; `sluice up --hook` overrides."},
	{SL_CONFIG_KERNEL, SL_CONFIG_CHOICE, "role", ROOT(role), "balancer", 0, 0, role_choices,
	 false, NULL,
	 "`balancer` spreads flows over nodes. `node` is for an inference host behind balancers of "
	 "the modes ipip and gue: it takes tunnels apart and passes a packet of a connection that "
	 "it does not hold on to the second candidate, so give it the balancers' pools, services "
	 "and seed."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "gue_port", ROOT(gue_port), "6080", 1, 65535, NULL, false,
	 NULL,
	 "UDP port of the tunnels of mode gue, equal on balancers and nodes. 6080 is registered "
	 "for it."},
	{SL_CONFIG_KERNEL, SL_CONFIG_U32, "quic_config", ROOT(quic_config), "0", 0, 6, NULL, false,
	 NULL,
	 "Config rotation bits of connection ids that carry a server id of ours, for services with "
	 "`quic: true`. 7 is not possible: it marks ids that carry none."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PREFIXES, "allow", 0, NULL, SL_PREFIX_ALLOW, SL_PREFIXES_MAX,
	 NULL, false, "a list of prefixes, like 10.0.0.0/8 or fd00::/8",
	 "Clients that the guard never limits. The longest prefix that matches counts."},
	{SL_CONFIG_KERNEL, SL_CONFIG_PREFIXES, "deny", 0, NULL, SL_PREFIX_DENY, SL_PREFIXES_MAX,
	 NULL, false, "a list of prefixes, like 10.0.0.0/8 or fd00::/8",
	 "Clients whose new flows are dropped; those that they have go on."},
	{SL_CONFIG_KERNEL, SL_CONFIG_SECTION_MAP, "beacon", 0, NULL, SL_CONFIG_BEACON, 0, NULL,
	 false, "a map",
	 "Load beacons: inference hosts tell balancers how busy their servers are."},

	{SL_CONFIG_BEACON, SL_CONFIG_U32, "listen", ROOT(beacon.port), "0", 0, 65535, NULL, false,
	 NULL,
	 "Balancers: UDP port on which beacons arrive; the kernel plane takes them before the "
	 "stack sees them. 0: none are taken."},
	{SL_CONFIG_BEACON, SL_CONFIG_BEACON_KEYS, "keys", 0, NULL, 0, SL_BEACON_KEYS_MAX, NULL,
	 false, "a list of up to 2 {id, key}",
	 "Keys of the beacons. Both are taken, the first one signs. To change a key, add the new "
	 "one behind the old one everywhere, then put it first, then take the old one away."},
	{SL_CONFIG_BEACON, SL_CONFIG_BEACON_TARGETS, "send_to", 0, NULL, 0, SL_CONFIG_TARGETS_MAX,
	 NULL, false, "ADDRESS:PORT, or a list of them",
	 "Inference hosts: the balancers that the daemon sends beacons to."},
	{SL_CONFIG_BEACON, SL_CONFIG_U32, "every_ms", ROOT(beacon.every_ms), "200", 10, 60000, NULL,
	 false, NULL,
	 "Time between two beacons of a node, in ms. Well below the tunable beacon.stale_ms of the "
	 "balancers, so that one lost packet is no signal."},
	{SL_CONFIG_BEACON, SL_CONFIG_BEACON_NODES, "nodes", 0, NULL, 0, SL_CONFIG_REPORTS_MAX, NULL,
	 false, "a list of {node, metrics}",
	 "Inference hosts: the servers of this host, each under the address by which the balancers "
	 "know it."},

	{SL_CONFIG_BEACON_KEY, SL_CONFIG_U32, "id", BKEY(id), NULL, 0, UINT32_MAX, NULL, true, NULL,
	 "Names the key in the beacon."},
	{SL_CONFIG_BEACON_KEY, SL_CONFIG_SECRET, "key", BKEY(key), NULL, 0, 0, NULL, true,
	 "32 hexadecimal digits, like `openssl rand -hex 16` prints",
	 "The secret, best as `${NAME}` from the environment."},

	{SL_CONFIG_BEACON_NODE, SL_CONFIG_ENDPOINT, "node", BNODE(node), NULL, 0, 0, NULL, true,
	 "ADDRESS:PORT, numeric", "The node as the balancers' pools name it."},
	{SL_CONFIG_BEACON_NODE, SL_CONFIG_URL, "metrics", 0, NULL, 0, SL_CONFIG_URL_MAX, NULL,
	 false, "http://ADDRESS:PORT/PATH, numeric",
	 "Where its server shows its Prometheus metrics. Without it the beacons tell only that the "
	 "host lives."},
};

const struct sl_config_key_table sl_config_keys_kernel = SL_CONFIG_KEY_TABLE(keys);
