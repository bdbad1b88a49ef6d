/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_daemon.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "loader/say.h"
#include "user/base/latency.h"

#define ANSWER_BYTES_MAX (64u << 10)
#define LINE_BYTES	 256u
#define ORDER_LINE_BYTES 500u /* the admin socket takes 512 */

/* The bucket of sl_node_latency that takes the time. */
static uint32_t bucket_of(uint64_t time_us)
{
	uint32_t bucket = SL_CHAOS_TTFT_BUCKETS - 1;

	while (bucket && sl_latency_bucket_min_us(bucket) > time_us)
		bucket--;
	return bucket;
}

static bool take_count(struct sl_span *rest, struct sl_span name, uint64_t *ret_count)
{
	return sl_span_equal(sl_span_cut(rest, ' '), name) && rest->data &&
	       !sl_span_u64(sl_span_cut(rest, ' '), ret_count) && rest->data;
}

/* "did NAME N" */
static bool take_deed(struct sl_span line, struct sl_chaos_facts *facts)
{
	struct sl_chaos_deed *deed = &facts->deeds[facts->deed_count];
	struct sl_span name;

	if (!sl_span_equal(sl_span_cut(&line, ' '), SL_SPAN("did")) || !line.data)
		return false;
	name = sl_span_cut(&line, ' ');
	if (!line.data || sl_span_u64(line, &deed->count))
		return false;
	if (facts->deed_count < SL_CHAOS_DEEDS_MAX - 1) {
		snprintf(deed->name, sizeof(deed->name), "%.*s", (int)name.len, name.data);
		facts->deed_count++;
	}
	return true;
}

bool sl_chaos_facts_parse(const char *answer, struct sl_chaos_facts *ret_facts)
{
	struct sl_span lines = sl_span_string(answer);
	struct sl_span rest = sl_span_cut(&lines, '\n');
	struct sl_chaos_facts facts = {0};

	if (!take_count(&rest, SL_SPAN("requests"), &facts.requests) ||
	    !take_count(&rest, SL_SPAN("errors"), &facts.errors) ||
	    !take_count(&rest, SL_SPAN("burns"), &facts.burns) ||
	    !take_count(&rest, SL_SPAN("probes"), &facts.probes) ||
	    !sl_span_equal(sl_span_cut(&rest, ' '), SL_SPAN("ttft")))
		return false;
	while (rest.data) {
		struct sl_span pair = sl_span_cut(&rest, ' ');
		uint64_t time_us, count;

		if (sl_span_u64(sl_span_cut(&pair, ':'), &time_us) || !pair.data ||
		    sl_span_u64(pair, &count))
			return false;
		facts.ttft[bucket_of(time_us)] += count;
	}
	while (lines.len) {
		if (!take_deed(sl_span_cut(&lines, '\n'), &facts))
			return false;
	}
	*ret_facts = facts;
	return true;
}

bool sl_chaos_daemon_facts(const char *socket, struct sl_chaos_facts *ret_facts)
{
	struct sl_text answer;
	bool known;

	sl_text_init(&answer, ANSWER_BYTES_MAX);
	known = !sl_admin_say(socket, "chaos text facts", &answer) &&
		sl_chaos_facts_parse(sl_text_string(&answer), ret_facts);
	sl_text_fini(&answer);
	return known;
}

static void say_line(const char *socket, const char *verb, const char *rest)
{
	char line[ORDER_LINE_BYTES];
	struct sl_text answer;

	snprintf(line, sizeof(line), "chaos text %s %.440s", verb, rest);
	line[strcspn(line, "\n")] = '\0';
	sl_text_init(&answer, ANSWER_BYTES_MAX);
	(void)sl_admin_say(socket, line, &answer);
	sl_text_fini(&answer);
}

void sl_chaos_daemon_verdict(const char *socket, const char *verdict)
{
	say_line(socket, "verdict", verdict);
}

void sl_chaos_daemon_note(const char *socket, bool over, const char *name)
{
	say_line(socket, over ? "ended" : "began", name);
}

/* ---- experiments on requests ----------------------------------------------------------------- */

static bool take_number(struct sl_span *rest, uint64_t *ret_number)
{
	return rest->data && !sl_span_u64(sl_span_cut(rest, ' '), ret_number);
}

int sl_chaos_daemon_begin(const char *socket, const char *order, uint32_t *ret_number,
			  struct sl_chaos_aim *ret_aim)
{
	char line[ORDER_LINE_BYTES];
	struct sl_text reply;
	struct sl_span rest;
	uint64_t number, slot;
	int exit_code;

	snprintf(line, sizeof(line), "chaos text start %s", order);
	line[strcspn(line, "\n")] = '\0';
	sl_text_init(&reply, ANSWER_BYTES_MAX);
	exit_code = sl_admin_order(socket, line, SL_SPAN(""), "docs/chaos.md, sluice chaos list",
				   &reply);
	rest = sl_span_make(sl_text_string(&reply), strcspn(sl_text_string(&reply), "\n"));
	if (!exit_code && !take_number(&rest, &number))
		exit_code = sl_say_error("upgrade the daemon",
					 "the daemon knows no experiments on requests");
	if (!exit_code) {
		*ret_number = (uint32_t)number;
		memset(ret_aim, 0, sizeof(*ret_aim));
		while (take_number(&rest, &slot))
			sl_chaos_aim_add(ret_aim, (uint32_t)slot);
	}
	sl_text_fini(&reply);
	return exit_code;
}

static enum sl_chaos_state state_of(struct sl_span word)
{
	static const struct {
		const char *word;
		enum sl_chaos_state state;
	} states[] = {
		{"runs", SL_CHAOS_STATE_RUNS},	     {"ran", SL_CHAOS_STATE_RAN},
		{"spent", SL_CHAOS_STATE_SPENT},     {"burned", SL_CHAOS_STATE_BURNED},
		{"stopped", SL_CHAOS_STATE_STOPPED}, {"orphaned", SL_CHAOS_STATE_STOPPED},
	};

	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (sl_span_equal(word, sl_span_string(states[i].word)))
			return states[i].state;
	}
	return SL_CHAOS_STATE_LOST;
}

enum sl_chaos_state sl_chaos_daemon_renew(const char *socket, uint32_t number, uint64_t *ret_seen,
					  uint64_t *ret_hits)
{
	enum sl_chaos_state state = SL_CHAOS_STATE_LOST;
	char line[LINE_BYTES];
	struct sl_text reply;
	struct sl_span rest;

	snprintf(line, sizeof(line), "chaos text renew %" PRIu32, number);
	sl_text_init(&reply, ANSWER_BYTES_MAX);
	if (!sl_admin_say(socket, line, &reply)) {
		rest = sl_span_make(sl_text_string(&reply), strcspn(sl_text_string(&reply), "\n"));
		state = state_of(sl_span_cut(&rest, ' '));
		if (state && (!take_number(&rest, ret_seen) || !take_number(&rest, ret_hits)))
			state = SL_CHAOS_STATE_LOST;
	}
	sl_text_fini(&reply);
	return state;
}

bool sl_chaos_daemon_end(const char *socket, uint32_t number)
{
	char line[LINE_BYTES];
	struct sl_text reply;
	bool ran;

	snprintf(line, sizeof(line), "chaos text stop %" PRIu32, number);
	sl_text_init(&reply, ANSWER_BYTES_MAX);
	ran = !sl_admin_say(socket, line, &reply) && sl_text_string(&reply)[0] == '1';
	sl_text_fini(&reply);
	return ran;
}
