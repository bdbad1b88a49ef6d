/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page_act.h"

#include <stdio.h>
#include <string.h>
#include "bpf/breaker.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/page_say.h"

/* Lost races are tried again this often; each try is SL_CAS_TRIES_MAX swaps. */
#define FORCE_TRIES_MAX 64

static int answer(int status, const char *what, struct sl_text *text)
{
	sl_text_append_string(text, status < 300 ? "{\"done\":" : "{\"error\":{\"message\":");
	sl_text_append_json_string(text, what);
	sl_text_append_string(text, status < 300 ? "}\n" : "}}\n");
	return status;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static uint32_t find_node(const struct sl_page_deed *deed, const char *pool, const char *node)
{
	const struct sl_kernel_plane *plane = deed->metrics->plane;
	char name[SL_PAGE_NODE_BYTES];

	for (uint32_t slot = 1; slot < SL_NODES_MAX; slot++) {
		const struct sl_node_state *state = &plane->nodes[slot];

		if ((__atomic_load_n(&state->admin, __ATOMIC_RELAXED) & SL_NODE_PRESENT) &&
		    !strcmp(plane->pools[state->pool % SL_POOLS_MAX].name, pool) &&
		    !strcmp(sl_page_node_text(deed->metrics, slot, name), node))
			return slot;
	}
	return 0;
}

static void tell(const struct sl_page_deed *deed, const char *pool, const char *node, bool over,
		 const char *what)
{
	struct sl_notice notice = {.kind = SL_NOTICE_OVERRIDE,
				   .level = SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_NODE,
				   .over = over,
				   .audit = true};

	sl_notice_set(notice.name, sizeof(notice.name), node);
	sl_notice_set(notice.pool, sizeof(notice.pool), pool);
	sl_notice_set(notice.who, sizeof(notice.who), deed->who);
	sl_notice_tell(&notice, "%s", what);
	sl_log(SL_LOG_WARN, "pool \"%s\": node %s: %s (%s)", pool, node, what, deed->who);
}

/* Returns what was done, or NULL: the breaker changes too fast. */
static const char *force(const struct sl_page_deed *deed, uint32_t slot,
			 enum sl_breaker_order order)
{
	struct sl_node_state *node = &deed->metrics->plane->nodes[slot];
	struct sl_pool_state *pool = &deed->metrics->plane->pools[node->pool % SL_POOLS_MAX];
	struct sl_breaker_change change;
	int done = 0;

	for (int tries = 0; !done && tries < FORCE_TRIES_MAX; tries++)
		done = sl_breaker_force(node, pool, order, deed->now_ns / SL_NS_PER_MS,
					SL_PLANE_OPERATOR, &change);
	return !done				 ? NULL
	       : order == SL_BREAKER_ORDER_OPEN	 ? "breaker forced open"
	       : order == SL_BREAKER_ORDER_CLOSE ? "breaker closed by hand"
						 : "breaker no longer forced";
}

static const char *do_node(const struct sl_page_deed *deed, const char *word, uint32_t slot)
{
	struct sl_node_state *node = &deed->metrics->plane->nodes[slot];

	if (!strcmp(word, "drain")) {
		__atomic_fetch_or(&node->admin, SL_NODE_DRAINING, __ATOMIC_SEQ_CST);
		return "drained";
	}
	if (!strcmp(word, "undrain")) {
		__atomic_fetch_and(&node->admin, ~SL_NODE_DRAINING, __ATOMIC_SEQ_CST);
		return "undrained";
	}
	return force(deed, slot,
		     !strcmp(word, "breaker-open")    ? SL_BREAKER_ORDER_OPEN
		     : !strcmp(word, "breaker-close") ? SL_BREAKER_ORDER_CLOSE
						      : SL_BREAKER_ORDER_AUTO);
}

static int act_on_node(const struct sl_page_deed *deed, const char *word, struct sl_span query,
		       struct sl_text *text)
{
	char pool[SL_ADMIN_QUERY_BYTES], node[SL_ADMIN_QUERY_BYTES];
	const char *done;
	uint32_t slot;

	if (!sl_admin_http_query(query, "pool", pool) || !sl_admin_http_query(query, "node", node))
		return answer(400, "expected pool and node in the query", text);
	slot = find_node(deed, pool, node);
	if (!slot)
		return answer(404, "there is no such node in that pool", text);
	done = do_node(deed, word, slot);
	if (!done)
		return answer(409, "its breaker changes too fast to be set: try again", text);
	tell(deed, pool, node, strcmp(word, "drain") && strcmp(word, "breaker-open"), done);
	return answer(200, done, text);
}

/* ---- roll-outs and experiments --------------------------------------------------------------- */

/* An order to a part of the watch, as the command gives it: "text VERB WORD", the word being a value of the query. */
static int order(const struct sl_page_deed *deed, struct sl_span query, const char *part,
		 const char *verb, const char *name, const char *done, struct sl_text *text)
{
	char word[SL_ADMIN_QUERY_BYTES], words[SL_ADMIN_QUERY_BYTES + 16];
	struct sl_admin_ask ask = {.words = words, .body = SL_SPAN(""), .who = deed->who};
	struct sl_text said;
	int status;

	if (!sl_admin_http_query(query, name, word) || !word[0] || strchr(word, ' ') ||
	    !strcmp(word, "all"))
		return answer(400, "expected name, or number, in the query", text);
	snprintf(words, sizeof(words), "text %s %s", verb, word);
	sl_text_init(&said, SL_ADMIN_REPLY_BYTES);
	if (!sl_watch_say(deed->watch, part, &ask, &said))
		sl_text_append_string(&said, "!the daemon has nothing of the kind");
	status = sl_text_string(&said)[0] == '!' ? answer(409, sl_text_string(&said) + 1, text)
						 : answer(200, done, text);
	sl_text_fini(&said);
	return status;
}

/* Ends it in the kernel; the command that began it finds it gone at its next renewal, and says so. */
static int abort_chaos(const struct sl_page_deed *deed, struct sl_span query, struct sl_text *text)
{
	struct sl_kernel_plane *plane = (struct sl_kernel_plane *)deed->metrics->plane;
	struct sl_notice notice = {.kind = SL_NOTICE_CHAOS,
				   .level = SL_NOTICE_INFO,
				   .of = SL_NOTICE_OF_DAEMON,
				   .over = true,
				   .audit = true};
	char number[SL_ADMIN_QUERY_BYTES], name[sizeof(plane->chaos->name) + 1];
	uint64_t wanted;

	if (!sl_admin_http_query(query, "number", number) ||
	    sl_span_u64(sl_span_string(number), &wanted))
		return answer(400, "expected number in the query", text);
	for (uint32_t row = 0; row < SL_CHAOS_MAX; row++) {
		if (!sl_page_chaos_runs(plane, row, deed->now_ns) ||
		    plane->chaos[row].number != wanted)
			continue;
		snprintf(name, sizeof(name), "%.64s", plane->chaos[row].name);
		__atomic_store_n(&plane->chaos[row].until_ns, 0, __ATOMIC_RELEASE);
		__atomic_fetch_and(&plane->settings->chaos, ~(1u << row), __ATOMIC_ACQ_REL);
		sl_notice_set(notice.name, sizeof(notice.name), name);
		sl_notice_set(notice.who, sizeof(notice.who), deed->who);
		sl_notice_tell(&notice, "experiment aborted: %s", name);
		sl_log(SL_LOG_WARN, "chaos: experiment aborted: %s (%s)", name, deed->who);
		return answer(200, "aborted", text);
	}
	return answer(404, "there is no such experiment, or it is over", text);
}

/* ---- words ----------------------------------------------------------------------------------- */

int sl_page_act(const struct sl_page_deed *deed, const struct sl_admin_request *request,
		struct sl_text *text)
{
	static const char *const of_nodes[] = {"drain", "undrain", "breaker-open", "breaker-close",
					       "breaker-auto"};
	struct sl_span word = request->path;

	sl_span_cut(&word, '/');
	sl_span_cut(&word, '/');
	for (size_t i = 0; i < sizeof(of_nodes) / sizeof(of_nodes[0]); i++) {
		if (sl_span_equal(word, sl_span_string(of_nodes[i])))
			return act_on_node(deed, of_nodes[i], request->query, text);
	}
	if (sl_span_equal(word, SL_SPAN("rollout-abort")))
		return order(deed, request->query, "rollout", "abort", "name",
			     "aborted: the baseline is served", text);
	if (sl_span_equal(word, SL_SPAN("strike-abort")))
		return order(deed, request->query, "chaos", "stop", "number", "aborted", text);
	if (sl_span_equal(word, SL_SPAN("chaos-abort")))
		return abort_chaos(deed, request->query, text);
	return answer(404,
		      "expected drain, undrain, breaker-open, breaker-close, breaker-auto, "
		      "rollout-abort, chaos-abort or strike-abort",
		      text);
}
