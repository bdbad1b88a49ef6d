/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bpf/lib/fixture.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include "tests/bpf/lib/audit.h"

#define SYN	SL_FRAME_SYN
#define ACK	SL_FRAME_ACK
#define FIN	SL_FRAME_FIN
#define REQUEST 100
#define ANSWER	200

static const char *const hook_names[SL_RIG_HOOKS] = {"XDP", "TC"};
static const char *const verdict_names[] = {"none", "pass", "drop", "forward"};

static void set_mac(uint8_t *mac, uint8_t last)
{
	memset(mac, 0, 6);
	mac[0] = 0x02;
	mac[5] = last;
}

static bool is_ip6(const struct sl_fixture_path *path)
{
	return strchr(path->client, ':');
}

/* ---- state before -------------------------------------------------------------------------- */

static void rig_for(struct sl_rig *rig, const struct sl_fixture *fixture)
{
	const struct sl_fixture_path *path = fixture->path;
	uint32_t pool = is_ip6(path) ? SL_RIG_POOL6 : SL_RIG_POOL4, only = SL_RIG_NODE_A;

	sl_rig_reset(rig);
	rig->settings->flow_sets = SL_FIXTURE_SETS;
	rig->settings->nat_port_min = SL_FIXTURE_PORT;
	rig->settings->nat_port_max = SL_FIXTURE_PORT;
	sl_rig_node(rig, only, pool, path->node, 8000, path->snat);
	rig->nodes[only].mode = path->mode;
	rig->pools[pool].mode = path->mode;
	sl_rig_table(rig, pool, &only, 1);
	for (size_t i = 0; i < 2; i++) {
		if (fixture->tunes[i].id)
			sl_rig_tune(rig, fixture->tunes[i].id - 1u, fixture->tunes[i].value);
	}
}

/* Returns whether this packet of the way to a state was forwarded, or handed to TC to be. */
static bool goes(struct sl_rig *rig, const struct sl_fixture *fixture, struct sl_talk *talk,
		 bool from_node, uint8_t flags, uint16_t payload_len)
{
	enum sl_rig_verdict verdict;

	/* Behind a mark the talk cannot read where the packet goes; there is one node and one port. */
	talk->slot = SL_RIG_NODE_A;
	talk->nat_port = SL_FIXTURE_PORT;
	verdict = from_node ? sl_talk_node(rig, talk, flags, payload_len)
			    : sl_talk_client(rig, talk, flags, payload_len);

	return verdict == SL_RIG_FORWARD || (verdict == SL_RIG_PASS && fixture->path->no_neighbour);
}

static bool talk_until(struct sl_rig *rig, const struct sl_fixture *fixture, struct sl_talk *talk)
{
	enum sl_fixture_state before = fixture->before;

	if (before == SL_BEFORE_NONE)
		return true;
	if (before == SL_BEFORE_UDP || before == SL_BEFORE_UDP_ANSWERED)
		return goes(rig, fixture, talk, false, 0, REQUEST) &&
		       (before == SL_BEFORE_UDP || goes(rig, fixture, talk, true, 0, ANSWER));
	if (!goes(rig, fixture, talk, false, SYN, 0))
		return false;
	if (before == SL_BEFORE_OPENING)
		return true;
	/* In the direct-return modes the node's side is not seen. */
	if (fixture->path->mode == SL_MODE_NAT && !goes(rig, fixture, talk, true, SYN | ACK, 0))
		return false;
	if (!goes(rig, fixture, talk, false, ACK, 0))
		return false;
	switch (before) {
	case SL_BEFORE_ASKED:
		return goes(rig, fixture, talk, false, ACK, REQUEST);
	case SL_BEFORE_ANSWERED:
		return goes(rig, fixture, talk, false, ACK, REQUEST) &&
		       goes(rig, fixture, talk, true, ACK, ANSWER);
	case SL_BEFORE_FIN_CLIENT:
		return goes(rig, fixture, talk, false, FIN | ACK, 0);
	case SL_BEFORE_FIN_NODE:
		return goes(rig, fixture, talk, true, FIN | ACK, 0);
	case SL_BEFORE_CLOSED:
		return goes(rig, fixture, talk, false, FIN | ACK, 0) &&
		       goes(rig, fixture, talk, true, FIN | ACK, 0);
	default:
		return true;
	}
}

bool sl_fixture_prepare(struct sl_rig *rig, const struct sl_fixture *fixture, enum sl_rig_hook hook,
			struct sl_talk *ret_talk)
{
	const struct sl_fixture_path *path = fixture->path;
	bool udp = fixture->before >= SL_BEFORE_UDP || fixture->spec.udp;
	bool ok;

	*ret_talk = (struct sl_talk){
		.client = path->client,
		.service = path->service,
		.sport = SL_FIXTURE_SPORT,
		.dport = udp ? 443 : 80,
		.vlan = {path->vlan[0], path->vlan[1]},
		.udp = udp,
		.hook = hook,
		.slot = SL_RIG_NODE_A,
		.nat_port = SL_FIXTURE_PORT,
	};
	rig_for(rig, fixture);
	ok = talk_until(rig, fixture, ret_talk);
	ret_talk->slot = SL_RIG_NODE_A;
	ret_talk->nat_port = SL_FIXTURE_PORT;
	if (fixture->prepare)
		fixture->prepare(rig);
	sl_rig_count_mark(rig);
	return ok;
}

/* ---- frames -------------------------------------------------------------------------------- */

static struct sl_frame_spec input_spec(const struct sl_rig *rig, const struct sl_fixture *fixture,
				       const struct sl_talk *talk)
{
	const struct sl_frame_spec *odd = &fixture->spec;
	struct sl_frame_spec spec =
		fixture->from_node ? sl_talk_node_spec(rig, talk, odd->flags, odd->payload_len)
				   : sl_talk_client_spec(talk, odd->flags, odd->payload_len);

	if (odd->flags & SYN && !fixture->from_node)
		spec.seq = SL_TALK_CLIENT_SEQ;
	spec.seq += odd->seq;
	spec.ack += odd->ack;
	if (odd->src)
		spec.src = odd->src;
	if (odd->dst)
		spec.dst = odd->dst;
	if (odd->sport)
		spec.sport = odd->sport;
	if (odd->dport)
		spec.dport = odd->dport;
	if (odd->vlan[0])
		memcpy(spec.vlan, odd->vlan, sizeof(spec.vlan));
	if (odd->dmac[0])
		memcpy(spec.dmac, odd->dmac, sizeof(spec.dmac));
	spec.hops = odd->hops;
	spec.pad_len = odd->pad_len;
	spec.payload_word = odd->payload_word;
	spec.fragment = odd->fragment;
	spec.option_len = odd->option_len;
	spec.tcp_option_len = odd->tcp_option_len;
	spec.protocol = odd->protocol;
	spec.no_check = odd->no_check;
	return spec;
}

static size_t patch_at(const struct sl_frame *frame, const struct sl_fixture_patch *patch, bool ip6)
{
	size_t ip = sl_frame_l3_at(frame);

	return patch->at + (patch->layer == SL_LAYER_LINK ? 0
			    : patch->layer == SL_LAYER_IP ? ip
							  : ip + (ip6 ? 40u : 20u));
}

void sl_fixture_input(const struct sl_rig *rig, const struct sl_fixture *fixture,
		      const struct sl_talk *talk, struct sl_frame *ret_in)
{
	struct sl_frame_spec spec = input_spec(rig, fixture, talk);
	struct sl_frame plain;

	sl_frame_build(&plain, &spec);
	*ret_in = plain;
	for (size_t i = 0; i < 4 && fixture->patches[i].layer; i++) {
		const struct sl_fixture_patch *patch = &fixture->patches[i];
		uint8_t *byte = &ret_in->bytes[patch_at(&plain, patch, is_ip6(fixture->path))];

		*byte = (*byte & patch->keep) ^ patch->flip;
	}
	ret_in->len -= fixture->cut;
}

/* What the frame becomes on its way to the node or the client. */
static struct sl_frame_spec output_spec(const struct sl_fixture *fixture,
					const struct sl_frame_spec *in, enum sl_rig_hook hook)
{
	const struct sl_fixture_path *path = fixture->path;
	struct sl_frame_spec spec = *in;

	if (path->mode != SL_MODE_L2) {
		spec.src = fixture->from_node ? path->service : path->snat;
		spec.dst = fixture->from_node ? path->client : path->node;
		spec.sport = fixture->from_node ? (in->udp ? 443 : 80) : SL_FIXTURE_PORT;
		spec.dport = fixture->from_node ? SL_FIXTURE_SPORT : 8000;
		spec.hops = (in->hops ? in->hops : SL_FRAME_HOPS) - 1;
	}
	if (fixture->from_node) {
		set_mac(spec.smac, 0xa0);
		set_mac(spec.dmac, 0x01);
		return spec;
	}
	memcpy(spec.vlan, path->out_vlan[hook], sizeof(spec.vlan));
	if (path->no_neighbour) /* the stack fills them in, and XDP leaves ours, so that it takes it */
		return spec;
	set_mac(spec.smac, path->out_mac);
	set_mac(spec.dmac, path->node_mac);
	return spec;
}

/* right + (is - meant), in ones' complement: what a sum becomes that was wrong before. */
static void carry_error(uint8_t *right, const uint8_t *meant, const uint8_t *is)
{
	uint32_t sum = (uint32_t)(right[0] << 8 | right[1]) + (uint32_t)(is[0] << 8 | is[1]) +
		       (0xffffu ^ (uint32_t)(meant[0] << 8 | meant[1]));

	if (!memcmp(meant, is, 2))
		return;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	right[0] = (uint8_t)(sum >> 8);
	right[1] = (uint8_t)sum;
}

void sl_fixture_expected(const struct sl_rig *rig, const struct sl_fixture *fixture,
			 const struct sl_talk *talk, enum sl_rig_hook hook,
			 const struct sl_frame *in, struct sl_frame *ret_want)
{
	struct sl_frame_spec spec = input_spec(rig, fixture, talk), out;
	bool ip6 = is_ip6(fixture->path);
	size_t ip_in, ip_out, check = spec.udp ? 6 : 16;
	struct sl_frame plain;

	if (fixture->verdict != SL_RIG_FORWARD) {
		*ret_want = *in;
		return;
	}
	out = output_spec(fixture, &spec, hook);
	sl_frame_build(&plain, &spec);
	sl_frame_build(ret_want, &out);
	ip_in = sl_frame_l3_at(&plain);
	ip_out = sl_frame_l3_at(ret_want);
	for (size_t i = 0; i < 4 && fixture->patches[i].layer; i++) {
		size_t at = patch_at(&plain, &fixture->patches[i], ip6);

		if (at >= ip_in)
			ret_want->bytes[at - ip_in + ip_out] = in->bytes[at];
	}
	/* The sums are those of the frame as it was meant, and off by what the patches made them. */
	sl_frame_build(&plain, &out);
	check += ip6 ? 40 : 20;
	memcpy(ret_want->bytes + ip_out + check, plain.bytes + ip_out + check, 2);
	if (!ip6)
		memcpy(ret_want->bytes + ip_out + 10, plain.bytes + ip_out + 10, 2);
	sl_frame_build(&plain, &spec);
	if (!ip6)
		carry_error(ret_want->bytes + ip_out + 10, plain.bytes + ip_in + 10,
			    in->bytes + ip_in + 10);
	carry_error(ret_want->bytes + ip_out + check, plain.bytes + ip_in + check,
		    in->bytes + ip_in + check);
}

/* ---- judging ------------------------------------------------------------------------------- */

/* Counters that say more of an end that another one counts, or are none. */
static bool is_end(enum sl_counter id)
{
	switch (id) {
	case SL_COUNTER_PASS_NEIGHBOUR: /* after forward_to_node */
	case SL_COUNTER_DROP_NO_NEIGHBOUR:
		return false;
	case SL_COUNTER_FORWARD_TO_NODE:
	case SL_COUNTER_FORWARD_TO_CLIENT:
	case SL_COUNTER_FORWARD_ICMP:
	case SL_COUNTER_FORWARD_AGAIN:
		return true;
	default:
		return !strncmp(sl_rig_counter_name(id), "pass_", 5) ||
		       !strncmp(sl_rig_counter_name(id), "drop_", 5);
	}
}

uint64_t sl_fixture_ends(const struct sl_rig *rig)
{
	uint64_t ends = 0;

	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT; id++)
		ends += is_end(id) ? sl_rig_counted(rig, id) : 0;
	return ends;
}

const char *sl_fixture_raised(const struct sl_rig *rig)
{
	static char text[512];
	size_t len = 0;

	text[0] = '\0';
	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT && len < sizeof(text) - 64; id++) {
		if (sl_rig_counted(rig, id))
			len += (size_t)snprintf(text + len, sizeof(text) - len, " %s %llu",
						sl_rig_counter_name(id),
						(unsigned long long)sl_rig_counted(rig, id));
	}
	return text;
}

static uint64_t wanted(const struct sl_fixture *fixture, enum sl_rig_hook hook, enum sl_counter id)
{
	uint64_t count = id == (hook == SL_RIG_TC ? SL_COUNTER_PACKETS_TC : SL_COUNTER_PACKETS);

	for (size_t i = 0; i < SL_FIXTURE_COUNTERS; i++)
		count += fixture->counters[i] && fixture->counters[i] == id;
	return count;
}

static bool counters_agree(const struct sl_rig *rig, const struct sl_fixture *fixture,
			   enum sl_rig_hook hook)
{
	bool handed = hook == SL_RIG_XDP && fixture->verdict == SL_RIG_FORWARD &&
		      fixture->path->no_neighbour && !fixture->from_node;

	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT; id++) {
		uint64_t want = wanted(fixture, hook, id);

		if (id == SL_COUNTER_PASS_NEIGHBOUR && handed)
			want++;
		if (sl_rig_counted(rig, id) != want)
			return false;
	}
	return true;
}

static uint8_t state_after(const struct sl_rig *rig, const struct sl_talk *talk)
{
	uint32_t index = sl_talk_index(rig, talk);

	return index == UINT32_MAX
		       ? SL_TCP_UNSET
		       : rig->flows[index / SL_FLOW_WAYS].flow[index % SL_FLOW_WAYS].conn.state;
}

/* XDP hands over what it cannot send for want of a neighbour: the mark, then the frame. */
static bool take_mark(struct sl_rig *rig, struct sl_frame *frame)
{
	uint32_t mark[SL_RIG_MARK_BYTES / 4];

	if (frame->len < SL_RIG_MARK_BYTES)
		return false;
	memcpy(mark, frame->bytes, SL_RIG_MARK_BYTES);
	frame->len -= SL_RIG_MARK_BYTES;
	memmove(frame->bytes, frame->bytes + SL_RIG_MARK_BYTES, frame->len);
	return mark[0] == 0x736c6e62 && mark[1] == rig->one_arm.ifindex;
}

static bool sends_as(const struct sl_fixture *fixture, int xdp_verdict)
{
	bool elsewhere = fixture->path->redirected && !fixture->from_node;

	return xdp_verdict == (elsewhere ? XDP_REDIRECT : XDP_TX);
}

/* Runs the input. Returns what is wrong with verdict and bytes, NULL: nothing. */
static const char *run_and_compare(struct sl_rig *rig, const struct sl_fixture *fixture,
				   enum sl_rig_hook hook, const struct sl_frame *in,
				   const struct sl_frame *want)
{
	bool handed = hook == SL_RIG_XDP && fixture->verdict == SL_RIG_FORWARD &&
		      fixture->path->no_neighbour && !fixture->from_node;
	enum sl_rig_verdict verdict;
	struct sl_frame out;

	verdict = sl_rig_run(rig, hook, in, &out);
	if (verdict != (handed ? SL_RIG_PASS : fixture->verdict)) {
		printf("# %s, expected %s\n", verdict_names[verdict],
		       verdict_names[fixture->verdict]);
		return "verdict";
	}
	if (hook == SL_RIG_XDP && verdict == SL_RIG_FORWARD &&
	    !sends_as(fixture, rig->last_verdict))
		return "the wrong one of XDP_TX and XDP_REDIRECT";
	if (handed && !take_mark(rig, &out))
		return "no mark for TC before the frame";
	if (out.len == want->len && !memcmp(out.bytes, want->bytes, out.len))
		return NULL;
	sl_frame_print_difference(&out, want);
	return "bytes";
}

void sl_fixture_run(struct sl_rig *rig, const char *table, const struct sl_fixture *fixture,
		    enum sl_rig_hook hook)
{
	const char *why = NULL, *audit = NULL;
	struct sl_frame in, want;
	struct sl_talk talk;
	char name[256];

	snprintf(name, sizeof(name), "%s: %s, %s: %s", hook_names[hook], table, fixture->path->name,
		 fixture->description);
	if (!sl_fixture_prepare(rig, fixture, hook, &talk)) {
		sl_rig_check(rig, false, name, "the state before did not come about");
		return;
	}
	sl_fixture_input(rig, fixture, &talk, &in);
	sl_fixture_expected(rig, fixture, &talk, hook, &in, &want);
	why = run_and_compare(rig, fixture, hook, &in, &want);
	if (!why && !counters_agree(rig, fixture, hook))
		why = "counters";
	if (!why && state_after(rig, &talk) != fixture->after)
		why = "state of the flow";
	audit = why ? NULL : sl_audit(rig, true);
	sl_rig_check(rig, !why && !audit, name, "%s; raised:%s; state %u, expected %u",
		     audit ? audit : why, sl_fixture_raised(rig), state_after(rig, &talk),
		     fixture->after);
}

/* ---- snapshots ----------------------------------------------------------------------------- */

void sl_fixture_save(const struct sl_rig *rig, struct sl_fixture_snapshot *ret_snapshot)
{
	memcpy(ret_snapshot->flows, rig->flows, sizeof(ret_snapshot->flows));
	memcpy(ret_snapshot->ports, rig->ports, sizeof(ret_snapshot->ports));
	memcpy(ret_snapshot->nodes, rig->nodes, sizeof(ret_snapshot->nodes));
	memcpy(ret_snapshot->pools, rig->pools, sizeof(ret_snapshot->pools));
	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT; id++)
		ret_snapshot->counters[id] = sl_rig_counted_since_reset(rig, id);
}

void sl_fixture_restore(struct sl_rig *rig, const struct sl_fixture_snapshot *snapshot)
{
	memcpy(rig->flows, snapshot->flows, sizeof(snapshot->flows));
	memcpy(rig->ports, snapshot->ports, sizeof(snapshot->ports));
	memcpy(rig->nodes, snapshot->nodes, sizeof(snapshot->nodes));
	memcpy(rig->pools, snapshot->pools, sizeof(snapshot->pools));
	sl_rig_count_mark(rig);
	for (enum sl_counter id = 0; id < SL_COUNTER_COUNT; id++)
		rig->counters_at_reset[id] = rig->counters_before[id] - snapshot->counters[id];
}
