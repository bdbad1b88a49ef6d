/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/trace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "bpf/breaker.h"
#include "loader/status.h"
#include "loader/top.h"
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/prefix.h"

/* ---- filter -------------------------------------------------------------------------------- */

/* Cuts ":PORT" off `host`, which then may be in brackets no more. *ret_port is 0 where there is none. */
static int cut_port(char *host, uint16_t *ret_port, struct sl_error *error)
{
	char *close = host[0] == '[' ? strchr(host, ']') : NULL;
	char *colon = close ? (close[1] == ':' ? close + 1 : NULL) : strchr(host, ':');
	uint64_t port = 0;

	if (!close && colon && strchr(colon + 1, ':'))
		colon = NULL; /* IPv6 without brackets */
	if (colon && (sl_span_u64(sl_span_string(colon + 1), &port) || !port || port > 65535))
		return sl_error_set(error, -EINVAL, "port \"%s\" is not from 1 to 65535",
				    colon + 1);
	if (colon)
		*colon = '\0';
	if (close) {
		*close = '\0';
		memmove(host, host + 1, strlen(host));
	}
	*ret_port = (uint16_t)port;
	return 0;
}

static int copy_text(const char *text, char out[SL_PREFIX_TEXT_SIZE], struct sl_error *error)
{
	if (strlen(text) >= SL_PREFIX_TEXT_SIZE)
		return sl_error_set(error, -EINVAL, "is longer than any address");
	strcpy(out, text);
	return 0;
}

int sl_trace_parse_client(const char *text, struct sl_trace_filter *filter, struct sl_error *error)
{
	char host[SL_PREFIX_TEXT_SIZE];
	struct sl_prefix prefix;
	uint16_t port = 0;
	int rc = copy_text(text, host, error);

	if (!rc)
		rc = cut_port(host, &port, error);
	if (!rc)
		rc = sl_prefix_parse(host, &prefix, error);
	if (rc)
		return rc;
	filter->client = prefix.addr;
	filter->client_port = htons(port);
	for (uint32_t i = 0; i < 4; i++) {
		uint32_t bits = prefix.bits > 32 * i ? prefix.bits - 32 * i : 0;

		filter->mask.w[i] = bits >= 32 ? UINT32_MAX
				    : bits     ? htonl(UINT32_MAX << (32 - bits))
					       : 0;
	}
	return 0;
}

int sl_trace_parse_service(const char *text, struct sl_trace_filter *filter, struct sl_error *error)
{
	char host[SL_PREFIX_TEXT_SIZE];
	uint16_t port = 0;
	int rc = copy_text(text, host, error);

	if (!rc)
		rc = cut_port(host, &port, error);
	if (!rc)
		rc = sl_address_parse_host(host, &filter->vip, error);
	if (!rc)
		filter->vip_port = htons(port);
	return rc;
}

/* ---- on and off ---------------------------------------------------------------------------- */

static uint64_t lease_end_ns(void)
{
	return sl_clock_ns() + SL_TRACE_LEASE_MS * SL_NS_PER_MS;
}

int sl_trace_begin(const struct sl_view *view, const struct sl_trace_filter *filter,
		   uint32_t *ret_number)
{
	struct sl_trace_filter *live = view->trace_filter;
	uint64_t until_ns = __atomic_load_n(&live->until_ns, __ATOMIC_ACQUIRE);
	uint32_t number = (uint32_t)(sl_clock_ns() >> 10) | 1;
	struct sl_trace_filter mine = *filter;

	if (until_ns > sl_clock_ns())
		return -EBUSY;
	mine.until_ns = lease_end_ns();
	if (!__atomic_compare_exchange_n(&live->until_ns, &until_ns, mine.until_ns, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return -EBUSY;
	__atomic_store_n(&view->settings->trace, 0, __ATOMIC_RELEASE);
	*live = mine;
	__atomic_store_n(&view->settings->trace, number, __ATOMIC_RELEASE);
	*ret_number = number;
	return 0;
}

int sl_trace_renew(const struct sl_view *view, uint32_t number)
{
	if (__atomic_load_n(&view->settings->trace, __ATOMIC_ACQUIRE) != number)
		return -ESTALE;
	__atomic_store_n(&view->trace_filter->until_ns, lease_end_ns(), __ATOMIC_RELEASE);
	return 0;
}

void sl_trace_end(const struct sl_view *view, uint32_t number)
{
	if (__atomic_compare_exchange_n(&view->settings->trace, &number, 0, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		__atomic_store_n(&view->trace_filter->until_ns, 0, __ATOMIC_RELEASE);
}

void sl_trace_clear(const struct sl_view *view)
{
	uint32_t number = __atomic_load_n(&view->settings->trace, __ATOMIC_ACQUIRE);

	if (!number || !view->trace_filter ||
	    __atomic_load_n(&view->trace_filter->until_ns, __ATOMIC_ACQUIRE) > sl_clock_ns())
		return;
	__atomic_compare_exchange_n(&view->settings->trace, &number, 0, false, __ATOMIC_ACQ_REL,
				    __ATOMIC_ACQUIRE);
}

/* ---- records ------------------------------------------------------------------------------- */

static const char *step_name(uint32_t step)
{
	static const char *const names[] = {
		[SL_TRACE_UNSET] = "?",	  [SL_TRACE_FORWARD] = "forward",
		[SL_TRACE_OPEN] = "open", [SL_TRACE_RETRY] = "retry",
		[SL_TRACE_ICMP] = "icmp", [SL_TRACE_GUARD] = "guard",
		[SL_TRACE_NODE] = "node", [SL_TRACE_BEACON] = "beacon",
	};

	return step < sizeof(names) / sizeof(*names) ? names[step] : "?";
}

static const char *reason_name(uint32_t reason)
{
	return reason < SL_COUNTER_COUNT ? sl_top_counter_name(reason) : "?";
}

static const char *verdict_name(uint32_t verdict)
{
	return verdict == SL_TRACE_NOT_ASKED ? "not asked"
	       : verdict == SL_TRACE_BOUNDED ? "over the load bound"
					     : sl_status_state_name(verdict);
}

static const char *protocol_name(uint8_t proto)
{
	return proto == IPPROTO_TCP	 ? "tcp"
	       : proto == IPPROTO_UDP	 ? "udp"
	       : proto == IPPROTO_ICMP	 ? "icmp"
	       : proto == IPPROTO_ICMPV6 ? "icmpv6"
					 : "other";
}

/* An address, with its port where there is one. */
static const char *put_address(const struct sl_addr *addr, __be16 port,
			       char out[SL_ADDRESS_TEXT_SIZE])
{
	struct sl_endpoint endpoint = {.addr = *addr, .port = port};

	return port ? sl_address_format(&endpoint, out) : sl_address_format_host(addr, out);
}

/* The node's address; by its slot where it is gone. */
static const char *put_node(const struct sl_view *view, uint32_t slot,
			    char out[SL_ADDRESS_TEXT_SIZE])
{
	if (slot < sl_view_node_slots(view))
		return sl_address_format(&view->nodes[slot].endpoint, out);
	snprintf(out, SL_ADDRESS_TEXT_SIZE, "slot %u", slot);
	return out;
}

static const char *put_pool(const struct sl_view *view, uint32_t pool, char out[65])
{
	snprintf(out, 65, "%.64s",
		 pool && pool < sl_view_pool_slots(view) ? view->pools[pool].name : "");
	return out;
}

/* As in the header: FSRPA. */
static const char *put_flags(uint8_t flags, char out[8])
{
	static const char letters[] = "FSRPAU";
	unsigned at = 0;

	for (unsigned i = 0; i < 6; i++) {
		if (flags >> i & 1)
			out[at++] = letters[i];
	}
	out[at] = '\0';
	return out;
}

static void say_candidate(const struct sl_view *view, const char *prefix, uint32_t slot,
			  uint32_t load, uint32_t verdict, struct sl_text *text)
{
	char node[SL_ADDRESS_TEXT_SIZE];

	if (slot)
		sl_text_printf(text, "%s%s load %u %s", prefix, put_node(view, slot, node), load,
			       verdict_name(verdict));
}

void sl_trace_say(const struct sl_view *view, const struct sl_trace *record,
		  uint64_t wall_offset_ns, struct sl_text *text)
{
	uint64_t wall_ns = record->time_ns + wall_offset_ns;
	time_t seconds = (time_t)(wall_ns / SL_NS_PER_S);
	char client[SL_ADDRESS_TEXT_SIZE], service[SL_ADDRESS_TEXT_SIZE];
	char node[SL_ADDRESS_TEXT_SIZE], clock[16], flags[8];
	struct tm local;

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime_r(&seconds, &local));
	sl_text_printf(text, "%s.%06u %s %s %s %s", clock,
		       (unsigned)(wall_ns % SL_NS_PER_S / SL_NS_PER_US),
		       put_address(&record->key.src, record->key.sport, client),
		       record->from_node ? "<" : ">",
		       put_address(&record->key.dst, record->key.dport, service),
		       protocol_name(record->key.proto));
	if (record->flags)
		sl_text_printf(text, "[%s]", put_flags(record->flags, flags));
	sl_text_printf(text, " %s %s", step_name(record->step), reason_name(record->reason));
	if (record->node)
		sl_text_printf(text, " node %s", put_node(view, record->node, node));
	if (record->candidate_a) {
		say_candidate(view, " (", record->candidate_a, record->load_a, record->verdict_a,
			      text);
		if (record->candidate_b != record->candidate_a)
			say_candidate(view, ", ", record->candidate_b, record->load_b,
				      record->verdict_b, text);
		sl_text_append_string(text, ")");
	}
	sl_text_printf(text, " %s\n", record->hook ? "tc" : "xdp");
}

static void put_string(struct sl_text *text, const char *name, const char *value)
{
	sl_text_printf(text, "\"%s\": ", name);
	sl_text_append_json_string(text, value);
	sl_text_append_string(text, ", ");
}

static void put_candidate(const struct sl_view *view, uint32_t slot, uint32_t load,
			  uint32_t verdict, struct sl_text *text)
{
	char node[SL_ADDRESS_TEXT_SIZE];

	sl_text_append_string(text, "{");
	put_string(text, "node", put_node(view, slot, node));
	put_string(text, "verdict", verdict_name(verdict));
	sl_text_printf(text, "\"load\": %u}", load);
}

void sl_trace_json(const struct sl_view *view, const struct sl_trace *record,
		   uint64_t wall_offset_ns, struct sl_text *text)
{
	uint64_t wall_ns = record->time_ns + wall_offset_ns;
	char name[SL_ADDRESS_TEXT_SIZE + 8];

	sl_text_printf(text, "{\"time_ns\": %llu, ", (unsigned long long)wall_ns);
	put_string(text, "client", put_address(&record->key.src, record->key.sport, name));
	put_string(text, "service", put_address(&record->key.dst, record->key.dport, name));
	put_string(text, "protocol", protocol_name(record->key.proto));
	put_string(text, "from", record->from_node ? "node" : "client");
	put_string(text, "flags", put_flags(record->flags, name));
	sl_text_printf(text, "\"seq\": %u, ", record->seq);
	put_string(text, "step", step_name(record->step));
	put_string(text, "reason", reason_name(record->reason));
	put_string(text, "hook", record->hook ? "tc" : "xdp");
	put_string(text, "pool", put_pool(view, record->pool, name));
	put_string(text, "node", record->node ? put_node(view, record->node, name) : "");
	sl_text_append_string(text, "\"candidates\": [");
	if (record->candidate_a)
		put_candidate(view, record->candidate_a, record->load_a, record->verdict_a, text);
	if (record->candidate_b && record->candidate_b != record->candidate_a) {
		sl_text_append_string(text, ", ");
		put_candidate(view, record->candidate_b, record->load_b, record->verdict_b, text);
	}
	sl_text_append_string(text, "]}\n");
}
