/* SPDX-License-Identifier: BSD-2-Clause */
/* What a report says of the whole day, as plain words: verdict, sums, limits, facts. Declared in chaos_page_parts.h. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include "bpf/abi.h"
#include "loader/chaos_page_parts.h"
#include "loader/version.h"

#define LIMITS_OF_ALL 4u

const char *sl_chaos_page_count(uint64_t count, char out[SL_CHAOS_PAGE_CELL])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, count), at = 0;

	for (int i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[at++] = ',';
		out[at++] = digits[i];
	}
	out[at] = '\0';
	return out;
}

static double rate_before(const struct sl_chaos_result *result)
{
	return result->steady.for_s > 0 ? (double)result->steady.requests / result->steady.for_s
					: 0;
}

void sl_chaos_page_sum(const struct sl_chaos_day *day, struct sl_chaos_page_sums *ret_sums)
{
	struct sl_chaos_page_sums sums = {.bad = sl_chaos_page_count_bad(day)};

	for (uint32_t i = 0; i < day->count; i++) {
		const struct sl_chaos_step *step = &day->steps[i];
		const struct sl_chaos_measure *measure = &step->result.measure;

		if (!step->done)
			continue;
		sums.requests += measure->requests;
		sums.errors += measure->errors;
		sums.held += step->result.verdict == SL_CHAOS_HELD && !sl_chaos_page_is_bad(step);
		sums.unrecovered += !measure->recovered;
		if (measure->detected && measure->detection_s >= sums.detection_s) {
			sums.detection_s = measure->detection_s;
			sums.detected = step;
		}
		if (measure->recovered && measure->recovery_s >= sums.recovery_s) {
			sums.recovery_s = measure->recovery_s;
			sums.recovered = step;
		}
		if (!sums.shortest_s || step->result.ran_s < sums.shortest_s)
			sums.shortest_s = step->result.ran_s;
		if (step->result.ran_s > sums.longest_s)
			sums.longest_s = step->result.ran_s;
		if (rate_before(&step->result) > sums.usual_rate)
			sums.usual_rate = rate_before(&step->result);
	}
	*ret_sums = sums;
}

/* ---- the verdict ------------------------------------------------------------------------------- */

static void put_who_was_bad(const struct sl_chaos_day *day, struct sl_text *text)
{
	const char *between = " (";

	for (uint32_t i = 0; i < day->count; i++) {
		if (!sl_chaos_page_is_bad(&day->steps[i]))
			continue;
		sl_text_printf(text, "%s%s", between, sl_chaos_page_title(&day->steps[i]));
		between = "; ";
	}
	sl_text_append_string(text, between[0] == ';' ? ")" : "");
}

static void put_clients(const struct sl_chaos_page_sums *sums, struct sl_text *text)
{
	char requests[SL_CHAOS_PAGE_CELL], errors[SL_CHAOS_PAGE_CELL];

	sl_chaos_page_count(sums->requests, requests);
	if (!sums->requests)
		sl_text_append_string(text, " No client asked anything meanwhile.");
	else if (!sums->errors)
		sl_text_printf(text, " Clients asked %s requests meanwhile, and none failed.",
			       requests);
	else
		sl_text_printf(text,
			       " Of %s requests that clients asked meanwhile %s failed (%.2g%%).",
			       requests, sl_chaos_page_count(sums->errors, errors),
			       (double)sums->errors * 100 / (double)sums->requests);
}

void sl_chaos_page_sentence(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
			    struct sl_text *text)
{
	char room[SL_CHAOS_PAGE_CELL];

	if (!sums->bad && sums->held == day->count)
		sl_text_printf(text,
			       "The service stood it: all of %u experiments went as was hoped.",
			       day->count);
	else if (!sums->bad)
		sl_text_printf(text,
			       "Nothing went wrong: %u of %u experiments went as was hoped, "
			       "of the others nothing was claimed or could be measured.",
			       sums->held, day->count);
	else {
		sl_text_printf(text,
			       "The service did not stand all of it: %u of %u experiments did not "
			       "go as was hoped",
			       sums->bad, day->count);
		put_who_was_bad(day, text);
		sl_text_append_char(text, '.');
	}
	put_clients(sums, text);
	if (sums->detected)
		sl_text_printf(text, " sluice noticed by itself within %s at most",
			       sl_chaos_page_seconds(sums->detection_s, room));
	if (sums->detected && sums->recovered && !sums->unrecovered)
		sl_text_printf(
			text, ", and used everything again %s after its return at the latest",
			sums->recovery_s < 0.1 ? "at once"
					       : sl_chaos_page_seconds(sums->recovery_s, room));
	if (sums->detected)
		sl_text_append_char(text, '.');
	if (sums->unrecovered)
		sl_text_printf(text, " After %u of them not everything was used again in time.",
			       sums->unrecovered);
}

/* ---- what it does not show ---------------------------------------------------------------------- */

bool sl_chaos_page_limit(const struct sl_chaos_day *day, const struct sl_chaos_page_sums *sums,
			 uint32_t index, struct sl_text *text)
{
	if (index >= LIMITS_OF_ALL) {
		if (index - LIMITS_OF_ALL >= day->not_covered_count)
			return false;
		sl_text_append_string(text, day->not_covered[index - LIMITS_OF_ALL]);
		return true;
	}
	switch (index) {
	case 0:
		sl_text_printf(
			text,
			"Things were broken one after the other, each for %.1f s to %.1f s: two "
			"losses at once, and what lasts for hours, were not tried.",
			sums->shortest_s, sums->longest_s);
		break;
	case 1:
		sl_text_printf(text,
			       "%u nodes in %u pools, and %.0f requests a second at most before "
			       "something broke: other sizes and loads may fare otherwise.",
			       day->facts.nodes, day->facts.pools, sums->usual_rate);
		break;
	case 2:
		sl_text_printf(
			text,
			"It was looked four times a second: what came and went between two looks "
			"is in the sums, not in the figures. A percentile of first tokens is "
			"the upper end of its bucket.");
		break;
	default:
		sl_text_append_string(
			text, "A request has failed when its client got an error, or a stream "
			      "that broke. Whether answers were right was not judged.");
		if (!day->facts.alone)
			sl_text_append_string(
				text, " Where a daemon serves, requests are those that it got: "
				      "connections of the fast lane, which cannot go on elsewhere "
				      "when their node dies, are not among them.");
	}
	return true;
}

/* ---- where and when ------------------------------------------------------------------------------ */

static void put_time(uint64_t at_s, const char *format, struct sl_text *text)
{
	time_t at = (time_t)at_s;
	struct tm parts;
	char out[64];

	if (at && gmtime_r(&at, &parts) && strftime(out, sizeof(out), format, &parts))
		sl_text_append_string(text, out);
}

void sl_chaos_page_when_where(const struct sl_chaos_day *day, struct sl_text *text)
{
	put_time(day->facts.begin_s, "%-d %B %Y, %H:%M", text);
	put_time(day->facts.end_s, " to %H:%M UTC", text);
	sl_text_printf(text, ", host %s, sluice %s", day->facts.host, SL_VERSION);
}

const char *sl_chaos_page_fact(const struct sl_chaos_day *day, uint32_t index, struct sl_text *text)
{
	const struct sl_chaos_facts *facts = &day->facts;

	switch (index) {
	case 0:
		put_time(facts->begin_s, "%Y-%m-%d %H:%M:%S", text);
		put_time(facts->end_s, " to %H:%M:%S UTC", text);
		return "when";
	case 1:
		sl_text_printf(text, "%s, %s, %u processors", facts->host, facts->kernel,
			       facts->processors);
		return "host of sluice";
	case 2:
		sl_text_printf(text, "%s, map ABI %u", SL_VERSION, SL_ABI_VERSION);
		return "version of sluice";
	case 3:
		sl_text_printf(text, "%u nodes in %u pools, %s", facts->nodes, facts->pools,
			       facts->alone ? "by the daemon alone, without kernel plane"
					    : "with the kernel plane");
		return "what was served";
	case 4:
		sl_text_printf(text, "%u, each with what it claimed before it began", day->count);
		return "experiments";
	default:
		return NULL;
	}
}

/* ---- of one experiment ---------------------------------------------------------------------------- */

void sl_chaos_page_seen(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_measure *measure = &step->result.measure;
	char requests[SL_CHAOS_PAGE_CELL], errors[SL_CHAOS_PAGE_CELL];

	sl_chaos_page_count(measure->requests, requests);
	if (measure->daemon_lost)
		sl_text_append_string(text, "not measured: the daemon was gone");
	else if (!measure->requests)
		sl_text_append_string(text, "nobody asked");
	else if (!measure->errors)
		sl_text_printf(text, "none of %s failed", requests);
	else
		sl_text_printf(text, "%s of %s failed",
			       sl_chaos_page_count(measure->errors, errors), requests);
}

void sl_chaos_page_slower(const struct sl_chaos_step *step, struct sl_text *text)
{
	const struct sl_chaos_result *result = &step->result;
	char before[SL_CHAOS_PAGE_CELL], meanwhile[SL_CHAOS_PAGE_CELL];
	double p99_s = 0;

	if (result->steady.p99_s <= 0 || !sl_chaos_percentile(result->measure.ttft, 99, &p99_s))
		sl_text_append_char(text, '-');
	else
		sl_text_printf(text, "%s \xe2\x86\x92 %s",
			       sl_chaos_page_seconds(result->steady.p99_s, before),
			       sl_chaos_page_seconds(p99_s, meanwhile));
}

const struct sl_chaos_page_term sl_chaos_page_terms[SL_CHAOS_PAGE_TERMS] = {
	{"held", "all that the experiment claimed before it began was measured, and was so"},
	{"noticed after",
	 "from the beginning until a breaker opened, or sluice did something about it; "
	 "not needed: requests fared well without"},
	{"whole again after",
	 "from the end until every node that was meant is used again; at once: "
	 "within a tenth of a second"},
	{"first token, 99 %",
	 "of a hundred answers the slowest but one: before it began, and meanwhile"},
	{"breaker", "keeps requests from a node that fails, lets a few try it now and then, and "
		    "closes when they succeed"},
};
