/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fixture_path.c - where the packets of fixtures come from and go to; the rig's network is drawn in
 * rig.h.
 */
#include "tests/bpf/lib/fixture_rows.h"

#define CLIENT4	 .client = "198.51.100.7", .service = "192.0.2.100"
#define CLIENT6	 .client = "2001:db8:c::7", .service = "2001:db8::100"
#define ONE_ARM4 .node = "10.0.0.11", .snat = "10.0.0.2", .node_mac = 0x0b, .out_mac = 0xa0
#define ONE_ARM6 .node = "fd00::11", .snat = "fd00::2", .node_mac = 0x0b, .out_mac = 0xa0
#define OTHER4                                                                      \
	.node = "10.0.2.11", .snat = "10.0.2.2", .node_mac = 0x0d, .out_mac = 0xa2, \
	.redirected = true
#define OTHER6                                                                        \
	.node = "fd00:2::11", .snat = "fd00:2::2", .node_mac = 0x0d, .out_mac = 0xa2, \
	.redirected = true
#define TAG4  .node = "10.0.100.11", .snat = "10.0.100.2", .node_mac = 0x0e, .out_mac = 0xa0
#define TAG6  .node = "fd00:100::11", .snat = "fd00:100::2", .node_mac = 0x0e, .out_mac = 0xa0
#define LOST4 .node = "10.0.0.99", .snat = "10.0.0.2", .no_neighbour = true
#define LOST6 .node = "fd00::99", .snat = "fd00::2", .no_neighbour = true
#define KEPT(...)                                     \
	.vlan = {__VA_ARGS__}, .out_vlan = {          \
				       {__VA_ARGS__}, \
				       {__VA_ARGS__}, \
	}
#define TAGGED .out_vlan = {{100}, {0}}
#define L2     .mode = SL_MODE_L2

#define PATH(id, text, ...) const struct sl_fixture_path sl_path_##id = {.name = text, __VA_ARGS__}

PATH(V4, "v4", CLIENT4, ONE_ARM4);
PATH(V6, "v6", CLIENT6, ONE_ARM6);
PATH(V4_VLAN, "v4 in a VLAN", CLIENT4, ONE_ARM4, KEPT(7));
PATH(V6_VLAN, "v6 in a VLAN", CLIENT6, ONE_ARM6, KEPT(7));
PATH(V4_QINQ, "v4 in two VLANs", CLIENT4, ONE_ARM4, KEPT(7, 9));
PATH(V6_QINQ, "v6 in two VLANs", CLIENT6, ONE_ARM6, KEPT(7, 9));
PATH(V4_OTHER, "v4 to another device", CLIENT4, OTHER4);
PATH(V6_OTHER, "v6 to another device", CLIENT6, OTHER6);
PATH(V4_OTHER_VLAN, "v4 from a VLAN to another device", CLIENT4, OTHER4, .vlan = {7});
PATH(V6_OTHER_VLAN, "v6 from a VLAN to another device", CLIENT6, OTHER6, .vlan = {7});
PATH(V4_OTHER_QINQ, "v4 from two VLANs to another device", CLIENT4, OTHER4, .vlan = {7, 9});
PATH(V6_OTHER_QINQ, "v6 from two VLANs to another device", CLIENT6, OTHER6, .vlan = {7, 9});
PATH(V4_TAG, "v4 to a VLAN device", CLIENT4, TAG4, TAGGED);
PATH(V6_TAG, "v6 to a VLAN device", CLIENT6, TAG6, TAGGED);
PATH(V4_TAG_VLAN, "v4 from a VLAN to a VLAN device", CLIENT4, TAG4, TAGGED, .vlan = {7});
PATH(V6_TAG_VLAN, "v6 from a VLAN to a VLAN device", CLIENT6, TAG6, TAGGED, .vlan = {7});
PATH(V4_TAG_QINQ, "v4 from two VLANs to a VLAN device", CLIENT4, TAG4, TAGGED, .vlan = {7, 9});
PATH(V4_LOST, "v4 without neighbour", CLIENT4, LOST4);
PATH(V6_LOST, "v6 without neighbour", CLIENT6, LOST6);
/* At TC the frame leaves by the device it came in by, as it is; XDP's mark knows no tag. */
PATH(V4_LOST_VLAN, "v4 in a VLAN without neighbour", CLIENT4, LOST4, .vlan = {7},
     .out_vlan = {{0}, {7}});
PATH(V4_NO_ROUTE, "v4 without route", CLIENT4, .node = "10.0.9.9", .snat = "10.0.0.2");
PATH(V6_NO_ROUTE, "v6 without route", CLIENT6, .node = "fd00:9::9", .snat = "fd00::2");
PATH(L2, "l2, v4", CLIENT4, ONE_ARM4, L2);
PATH(L2_V6, "l2, v6", CLIENT6, ONE_ARM6, L2);
PATH(L2_VLAN, "l2, v4 in a VLAN", CLIENT4, ONE_ARM4, L2, KEPT(7));
PATH(L2_QINQ, "l2, v4 in two VLANs", CLIENT4, ONE_ARM4, L2, KEPT(7, 9));
PATH(L2_OTHER, "l2, v4 to another device", CLIENT4, OTHER4, L2);
PATH(L2_OTHER_VLAN, "l2, v4 from a VLAN to another device", CLIENT4, OTHER4, L2, .vlan = {7});
PATH(L2_TAG, "l2, v4 to a VLAN device", CLIENT4, TAG4, L2, TAGGED);
