/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_daemon.h"

#include <stdio.h>
#include <string.h>
#include "loader/admin.h"
#include "user/base/latency.h"

#define ANSWER_BYTES_MAX (64u << 10)
#define LINE_BYTES	 256u

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

bool sl_chaos_facts_parse(const char *answer, struct sl_chaos_facts *ret_facts)
{
	struct sl_span rest = sl_span_make(answer, strcspn(answer, "\n"));
	struct sl_chaos_facts facts = {0};

	if (!take_count(&rest, SL_SPAN("requests"), &facts.requests) ||
	    !take_count(&rest, SL_SPAN("errors"), &facts.errors) ||
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

void sl_chaos_daemon_note(const char *socket, bool over, const char *name)
{
	char line[LINE_BYTES];
	struct sl_text answer;

	snprintf(line, sizeof(line), "chaos text %s %s", over ? "ended" : "began", name);
	line[strcspn(line, "\n")] = '\0';
	sl_text_init(&answer, ANSWER_BYTES_MAX);
	(void)sl_admin_say(socket, line, &answer);
	sl_text_fini(&answer);
}
