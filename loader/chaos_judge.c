/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/chaos_judge.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/text.h"
#include "user/base/unit.h"

static const char *const counter_names[] = {
#define X(id, name, help) [SL_COUNTER_##id] = name,
#include "bpf/counters.def"
#undef X
};

static const struct {
	const char *text;
	enum sl_chaos_operator op;
} operators[] = {
	/* the longer before what they begin with */
	{"<=", SL_CHAOS_AT_MOST}, {">=", SL_CHAOS_AT_LEAST}, {"==", SL_CHAOS_EQUAL},
	{"<", SL_CHAOS_BELOW},	  {">", SL_CHAOS_ABOVE},     {"=", SL_CHAOS_EQUAL},
};

/* ---- what is claimed ----------------------------------------------------------------------- */

static bool find_percentile(struct sl_span name, struct sl_chaos_condition *condition)
{
	struct sl_span rest = name;
	struct sl_span first = sl_span_cut(&rest, ' ');
	uint64_t percentile;

	if (!rest.data || !sl_span_equal(sl_span_trim(rest), SL_SPAN("ttft")) || first.len < 2 ||
	    first.data[0] != 'p' ||
	    sl_span_u64(sl_span_make(first.data + 1, first.len - 1), &percentile) ||
	    percentile < 1 || percentile > 99)
		return false;
	condition->metric = SL_CHAOS_METRIC_TTFT;
	condition->percentile = (uint32_t)percentile;
	return true;
}

/* "did fallbacks", "did retrieve:words": a colon, because = ends a name. */
static bool find_deed(struct sl_span name, struct sl_chaos_condition *condition)
{
	struct sl_span rest = name;
	char *colon;

	if (!sl_span_equal(sl_span_cut(&rest, ' '), SL_SPAN("did")) || !rest.len)
		return false;
	rest = sl_span_trim(rest);
	if (!rest.len || rest.len >= sizeof(condition->deed))
		return false;
	snprintf(condition->deed, sizeof(condition->deed), "%.*s", (int)rest.len, rest.data);
	colon = strchr(condition->deed, ':');
	if (colon)
		*colon = '=';
	condition->metric = SL_CHAOS_METRIC_DID;
	return true;
}

static bool find_metric(struct sl_span name, struct sl_chaos_condition *condition)
{
	static const struct {
		const char *name;
		enum sl_chaos_metric metric;
	} metrics[] = {
		{"client errors", SL_CHAOS_METRIC_ERRORS}, {"errors", SL_CHAOS_METRIC_ERRORS},
		{"requests", SL_CHAOS_METRIC_REQUESTS},	   {"open nodes", SL_CHAOS_METRIC_OPEN},
		{"recovery", SL_CHAOS_METRIC_RECOVERY},	   {"detection", SL_CHAOS_METRIC_DETECTION},
		{"probes", SL_CHAOS_METRIC_PROBES},	   {"opens", SL_CHAOS_METRIC_OPENS},
	};

	for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
		if (sl_span_equal(name, sl_span_string(metrics[i].name))) {
			condition->metric = metrics[i].metric;
			return true;
		}
	}
	for (uint32_t i = 0; i < SL_COUNTER_COUNT; i++) {
		if (sl_span_equal(name, sl_span_string(counter_names[i]))) {
			condition->metric = SL_CHAOS_METRIC_COUNTER;
			condition->counter = i;
			return true;
		}
	}
	return find_percentile(name, condition) || find_deed(name, condition);
}

static bool is_time(const struct sl_chaos_condition *condition)
{
	return condition->metric == SL_CHAOS_METRIC_TTFT ||
	       condition->metric == SL_CHAOS_METRIC_RECOVERY ||
	       condition->metric == SL_CHAOS_METRIC_DETECTION;
}

static bool read_value(struct sl_span text, struct sl_chaos_condition *condition)
{
	char copy[32], *end;
	uint64_t us;

	if (!text.len || text.len >= sizeof(copy))
		return false;
	if (is_time(condition)) {
		if (sl_unit_parse_us(text.data, text.len, 1000000u, &us))
			return false;
		condition->value = (double)us / 1e6;
		return true;
	}
	memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	condition->value = strtod(copy, &end);
	condition->share = condition->metric == SL_CHAOS_METRIC_ERRORS && !strcmp(end, "%");
	if (condition->share)
		condition->value /= 100;
	return end != copy && (condition->share || !*end) && condition->value >= 0;
}

static int parse_one(struct sl_span text, struct sl_chaos_condition *ret, struct sl_error *error)
{
	struct sl_chaos_condition condition = {0};
	size_t at = 0, op_len = 0;

	snprintf(condition.text, sizeof(condition.text), "%.*s", (int)text.len, text.data);
	for (; at < text.len && !op_len; at++) {
		for (size_t i = 0; !op_len && i < sizeof(operators) / sizeof(operators[0]); i++) {
			struct sl_span rest = sl_span_make(text.data + at, text.len - at);

			if (!sl_span_starts(rest, sl_span_string(operators[i].text)))
				continue;
			condition.op = operators[i].op;
			op_len = strlen(operators[i].text);
			at--; /* stays where the operator begins */
		}
	}
	if (!op_len)
		return sl_error_set(error, -EINVAL,
				    "\"%s\" has none of < <= > >= =", condition.text);
	if (!find_metric(sl_span_trim(sl_span_make(text.data, at)), &condition))
		return sl_error_set(error, -EINVAL,
				    "\"%s\": expected client errors, requests, pNN ttft, open "
				    "nodes, opens, recovery, detection, probes, did NAME or a "
				    "counter's name",
				    condition.text);
	at += op_len;
	if (!read_value(sl_span_trim(sl_span_make(text.data + at, text.len - at)), &condition))
		return sl_error_set(error, -EINVAL, "\"%s\": expected %s behind the operator",
				    condition.text,
				    is_time(&condition) ? "a time, as 2s or 300ms"
							: "a number or a share, as 3 or 0.1%");
	*ret = condition;
	return 0;
}

int sl_chaos_conditions_parse(const char *text, struct sl_chaos_conditions *ret_conditions,
			      struct sl_error *error)
{
	struct sl_span rest = sl_span_string(text ? text : "");
	struct sl_chaos_conditions conditions = {0};
	int rc = 0;

	while (!rc && rest.data) {
		struct sl_span part = sl_span_trim(sl_span_cut(&rest, ','));

		if (!part.len)
			continue;
		if (conditions.count == SL_CHAOS_CONDITIONS_MAX)
			return sl_error_set(error, -EINVAL, "more than %u conditions",
					    SL_CHAOS_CONDITIONS_MAX);
		rc = parse_one(part, &conditions.list[conditions.count++], error);
	}
	if (!rc)
		*ret_conditions = conditions;
	return rc;
}

/* ---- what is measured ---------------------------------------------------------------------- */

/* Upper end of a bucket in us; see sl_node_latency. */
static double bucket_end_us(uint32_t bucket)
{
	uint32_t octave = bucket / SL_LATENCY_SUB;

	if (bucket < SL_LATENCY_SUB)
		return bucket + 1;
	return ldexp(SL_LATENCY_SUB + bucket % SL_LATENCY_SUB + 1, (int)octave - 1);
}

bool sl_chaos_percentile(const uint64_t buckets[SL_CHAOS_TTFT_BUCKETS], uint32_t percentile,
			 double *ret_s)
{
	uint64_t sum = 0, seen = 0, rank;

	for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++)
		sum += buckets[i];
	if (!sum)
		return false;
	rank = (sum * percentile + 99) / 100;
	for (uint32_t i = 0; i < SL_CHAOS_TTFT_BUCKETS; i++) {
		seen += buckets[i];
		if (seen >= rank) {
			*ret_s = bucket_end_us(i) / 1e6;
			return true;
		}
	}
	return false;
}

static bool is_of_clients(enum sl_chaos_metric metric)
{
	return metric == SL_CHAOS_METRIC_ERRORS || metric == SL_CHAOS_METRIC_REQUESTS ||
	       metric == SL_CHAOS_METRIC_TTFT || metric == SL_CHAOS_METRIC_PROBES ||
	       metric == SL_CHAOS_METRIC_DID;
}

static uint64_t count_deed(const struct sl_chaos_measure *measure, const char *name)
{
	for (uint32_t i = 0; i < measure->deed_count; i++) {
		if (!strcmp(measure->deeds[i].name, name))
			return measure->deeds[i].count;
	}
	return 0;
}

bool sl_chaos_condition_value(const struct sl_chaos_condition *condition,
			      const struct sl_chaos_measure *measure, double *ret_value)
{
	if (measure->daemon_lost && is_of_clients(condition->metric))
		return false;
	switch (condition->metric) {
	case SL_CHAOS_METRIC_ERRORS:
		*ret_value = (double)measure->errors;
		if (condition->share && measure->requests)
			*ret_value /= (double)measure->requests;
		return measure->requests;
	case SL_CHAOS_METRIC_REQUESTS:
		*ret_value = (double)measure->requests;
		return true;
	case SL_CHAOS_METRIC_TTFT:
		return sl_chaos_percentile(measure->ttft, condition->percentile, ret_value);
	case SL_CHAOS_METRIC_OPEN:
		*ret_value = measure->open_max;
		return true;
	case SL_CHAOS_METRIC_RECOVERY:
		*ret_value = measure->recovered ? measure->recovery_s : INFINITY;
		return !measure->waiting;
	case SL_CHAOS_METRIC_COUNTER:
		*ret_value = (double)measure->counters[condition->counter];
		return !measure->no_counters;
	case SL_CHAOS_METRIC_DETECTION:
		*ret_value = measure->detected ? measure->detection_s : INFINITY;
		return measure->detected || !measure->waiting;
	case SL_CHAOS_METRIC_PROBES:
		*ret_value = (double)measure->probes;
		return true;
	case SL_CHAOS_METRIC_OPENS:
		*ret_value = (double)measure->opens;
		return true;
	case SL_CHAOS_METRIC_DID:
		*ret_value = (double)count_deed(measure, condition->deed);
		return true;
	}
	return false;
}

enum sl_chaos_verdict sl_chaos_condition_judge(const struct sl_chaos_condition *condition,
					       const struct sl_chaos_measure *measure)
{
	double value, wanted = condition->value;
	bool held = false;

	if (!sl_chaos_condition_value(condition, measure, &value))
		return SL_CHAOS_UNKNOWN;
	switch (condition->op) {
	case SL_CHAOS_BELOW:
		held = value < wanted;
		break;
	case SL_CHAOS_AT_MOST:
		held = value <= wanted;
		break;
	case SL_CHAOS_ABOVE:
		held = value > wanted;
		break;
	case SL_CHAOS_AT_LEAST:
		held = value >= wanted;
		break;
	case SL_CHAOS_EQUAL:
		held = !(value < wanted) && !(value > wanted);
		break;
	}
	return held ? SL_CHAOS_HELD : SL_CHAOS_BROKEN;
}

enum sl_chaos_verdict sl_chaos_conditions_judge(const struct sl_chaos_conditions *conditions,
						const struct sl_chaos_measure *measure)
{
	enum sl_chaos_verdict all = conditions->count ? SL_CHAOS_HELD : SL_CHAOS_UNKNOWN;

	for (uint32_t i = 0; i < conditions->count; i++) {
		enum sl_chaos_verdict one = sl_chaos_condition_judge(&conditions->list[i], measure);

		if (one == SL_CHAOS_BROKEN)
			return SL_CHAOS_BROKEN;
		if (one == SL_CHAOS_UNKNOWN)
			all = SL_CHAOS_UNKNOWN;
	}
	return all;
}

const char *sl_chaos_verdict_name(enum sl_chaos_verdict verdict)
{
	return verdict == SL_CHAOS_HELD	    ? "held"
	       : verdict == SL_CHAOS_BROKEN ? "broken"
					    : "unknown";
}

const char *sl_chaos_value_text(const struct sl_chaos_condition *condition, double value,
				char out[32])
{
	if (isinf(value))
		snprintf(out, 32, "never");
	else if (is_time(condition))
		snprintf(out, 32, "%.3gs", value < 1e-3 ? 0 : value);
	else if (condition->share)
		snprintf(out, 32, "%.3g%%", value * 100);
	else
		snprintf(out, 32, "%.0f", value);
	return out;
}

const char *sl_chaos_measured_text(const struct sl_chaos_condition *condition,
				   const struct sl_chaos_measure *measure, char out[32])
{
	double value;

	return sl_chaos_condition_value(condition, measure, &value)
		       ? sl_chaos_value_text(condition, value, out)
		       : "not measured";
}
