/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/otlp_metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/wire/otlp.h"

#define BOUNDS_MAX 64u	/* as in histogram.h */
#define VALUE_MAX  512u /* of a label, unescaped */

#define SCOPE_X_METRIC	   2u
#define METRIC_NAME	   1u
#define METRIC_DESCRIPTION 2u
#define METRIC_UNIT	   3u
#define METRIC_GAUGE	   5u
#define METRIC_SUM	   7u
#define METRIC_HISTOGRAM   9u
#define DATA_POINT	   1u
#define DATA_TEMPORALITY   2u
#define DATA_MONOTONIC	   3u
#define CUMULATIVE	   2u
#define POINT_START	   2u
#define POINT_TIME	   3u
#define NUMBER_DOUBLE	   4u
#define NUMBER_INT	   6u
#define BUCKETS_COUNT	   4u
#define BUCKETS_SUM	   5u
#define BUCKETS_COUNTS	   6u
#define BUCKETS_BOUNDS	   7u

enum type { TYPE_NONE = 0, TYPE_COUNTER, TYPE_GAUGE, TYPE_HISTOGRAM };

/* One body being turned. */
struct turner {
	struct sl_text *text;
	uint64_t start_ns, now_ns;
	uint32_t points;
	/* the family at hand */
	struct sl_span name, help;
	enum type type;
	bool open; /* its message is begun */
	size_t metric, data;
	/* the histogram at hand */
	double bounds[BOUNDS_MAX];
	uint64_t counts[BOUNDS_MAX]; /* cumulative */
	uint32_t bound_count;
	double sum;
};

/* ---- names ----------------------------------------------------------------------------------- */

/* Names with dots in the semantic conventions for GenAI; units where the name does not say them. */
static const struct spelling {
	const char *prometheus, *otel, *unit;
} spellings[] = {
	{"gen_ai_client_token_usage", "gen_ai.client.token.usage", "{token}"},
	{"gen_ai_client_operation_duration_seconds", "gen_ai.client.operation.duration", "s"},
	{"gen_ai_server_time_to_first_token_seconds", "gen_ai.server.time_to_first_token", "s"},
	{"gen_ai_server_time_per_output_token_seconds", "gen_ai.server.time_per_output_token", "s"},
	{"gen_ai_operation_name", "gen_ai.operation.name", NULL},
	{"gen_ai_provider_name", "gen_ai.provider.name", NULL},
	{"gen_ai_request_model", "gen_ai.request.model", NULL},
	{"gen_ai_token_type", "gen_ai.token.type", NULL},
	{"error_type", "error.type", NULL},
};

static const struct spelling *spelling_of(struct sl_span name)
{
	for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
		if (sl_span_equal(name, sl_span_string(spellings[i].prometheus)))
			return &spellings[i];
	}
	return NULL;
}

static bool ends_with(struct sl_span name, struct sl_span end)
{
	return name.len >= end.len && !memcmp(name.data + name.len - end.len, end.data, end.len);
}

static const char *unit_of(struct sl_span name)
{
	const struct spelling *spelling = spelling_of(name);

	if (spelling)
		return spelling->unit;
	if (ends_with(name, SL_SPAN("_total")))
		name.len -= sizeof("_total") - 1;
	if (ends_with(name, SL_SPAN("_seconds")))
		return "s";
	return ends_with(name, SL_SPAN("_bytes")) ? "By" : NULL;
}

/* ---- families -------------------------------------------------------------------------------- */

static void end_family(struct turner *t)
{
	if (!t->open)
		return;
	t->open = false;
	if (t->type != TYPE_GAUGE)
		sl_protobuf_u64(t->text, DATA_TEMPORALITY, CUMULATIVE);
	if (t->type == TYPE_COUNTER)
		sl_protobuf_u64(t->text, DATA_MONOTONIC, true);
	sl_protobuf_close(t->text, t->data);
	sl_protobuf_close(t->text, t->metric);
}

/* With its first point: a family without any is left out. */
static void begin_family(struct turner *t)
{
	static const uint32_t fields[] = {[TYPE_COUNTER] = METRIC_SUM,
					  [TYPE_GAUGE] = METRIC_GAUGE,
					  [TYPE_HISTOGRAM] = METRIC_HISTOGRAM};
	const struct spelling *spelling = spelling_of(t->name);
	const char *unit = unit_of(t->name);

	if (t->open)
		return;
	t->open = true;
	t->metric = sl_protobuf_open(t->text, SCOPE_X_METRIC);
	if (spelling)
		sl_protobuf_string(t->text, METRIC_NAME, spelling->otel);
	else
		sl_protobuf_bytes(t->text, METRIC_NAME, t->name.data, t->name.len);
	sl_protobuf_bytes(t->text, METRIC_DESCRIPTION, t->help.data, t->help.len);
	if (unit)
		sl_protobuf_string(t->text, METRIC_UNIT, unit);
	t->data = sl_protobuf_open(t->text, fields[t->type]);
}

static enum type type_of(struct sl_span word)
{
	if (sl_span_equal(word, SL_SPAN("counter")))
		return TYPE_COUNTER;
	if (sl_span_equal(word, SL_SPAN("gauge")))
		return TYPE_GAUGE;
	return sl_span_equal(word, SL_SPAN("histogram")) ? TYPE_HISTOGRAM : TYPE_NONE;
}

/* "# HELP name words", "# TYPE name word" */
static void take_comment(struct turner *t, struct sl_span line)
{
	struct sl_span word, name;

	sl_span_cut(&line, ' ');
	word = sl_span_cut(&line, ' ');
	name = sl_span_cut(&line, ' ');
	if (sl_span_equal(word, SL_SPAN("HELP"))) {
		end_family(t);
		t->type = TYPE_NONE;
		t->name = name;
		t->help = line.len ? line : SL_SPAN("");
	} else if (sl_span_equal(word, SL_SPAN("TYPE"))) {
		end_family(t);
		if (!sl_span_equal(name, t->name))
			t->help = SL_SPAN("");
		t->name = name;
		t->type = type_of(line);
		t->bound_count = 0;
	}
}

/* ---- samples --------------------------------------------------------------------------------- */

/* One line: NAME{LABELS} VALUE. */
struct sample {
	struct sl_span name, labels; /* labels without their braces */
	struct sl_span number;
	double value;
};

/* Where the labels end: behind the last quote, whatever is between quotes. */
static size_t labels_len(struct sl_span at)
{
	bool quoted = false;

	for (size_t i = 0; i < at.len; i++) {
		if (quoted && at.data[i] == '\\')
			i++;
		else if (at.data[i] == '"')
			quoted = !quoted;
		else if (!quoted && at.data[i] == '}')
			return i;
	}
	return at.len;
}

static bool read_number(struct sl_span span, double *ret_value)
{
	char room[64];
	char *end;

	if (!span.len || span.len >= sizeof(room))
		return false;
	memcpy(room, span.data, span.len);
	room[span.len] = '\0';
	*ret_value = strtod(room, &end);
	return !*end;
}

static bool read_sample(struct sl_span line, struct sample *ret_sample)
{
	struct sample s = {.labels = SL_SPAN("")};
	size_t brace = sl_span_find(line, '{'), blank = sl_span_find(line, ' '), len;

	if (brace < blank) {
		s.name = sl_span_make(line.data, brace);
		line = sl_span_make(line.data + brace + 1, line.len - brace - 1);
		len = labels_len(line);
		if (len == line.len)
			return false;
		s.labels = sl_span_make(line.data, len);
		line = sl_span_trim(sl_span_make(line.data + len + 1, line.len - len - 1));
	} else {
		s.name = sl_span_cut(&line, ' ');
	}
	s.number = sl_span_trim(line);
	if (!s.name.len || !read_number(s.number, &s.value))
		return false;
	*ret_sample = s;
	return true;
}

/* The next label of *rest: its name, and its value without escapes in the room. */
static bool next_label(struct sl_span *rest, struct sl_span *ret_name, char room[VALUE_MAX],
		       size_t *ret_len)
{
	size_t equals = sl_span_find(*rest, '='), len = 0, i;

	if (equals + 1 >= rest->len || rest->data[equals + 1] != '"')
		return false;
	*ret_name = sl_span_trim(sl_span_make(rest->data, equals));
	for (i = equals + 2; i < rest->len && rest->data[i] != '"'; i++) {
		char c = rest->data[i];

		if (c == '\\' && i + 1 < rest->len) {
			c = rest->data[++i];
			c = c == 'n' ? '\n' : c;
		}
		if (len < VALUE_MAX)
			room[len++] = c;
	}
	if (i == rest->len)
		return false;
	i++;
	while (i < rest->len && (rest->data[i] == ',' || rest->data[i] == ' '))
		i++;
	*rest = sl_span_make(rest->data + i, rest->len - i);
	*ret_len = len;
	return true;
}

static void write_labels(struct turner *t, struct sl_span labels, uint32_t of)
{
	struct sl_span name;
	char room[VALUE_MAX];
	size_t len;

	while (next_label(&labels, &name, room, &len)) {
		const struct spelling *spelling = spelling_of(name);

		if (spelling)
			name = sl_span_string(spelling->otel);
		sl_otlp_span_string(t->text, of, name, sl_span_make(room, len));
	}
}

static bool find_bound(struct sl_span labels, double *ret_bound)
{
	struct sl_span name;
	char room[VALUE_MAX];
	size_t len;

	while (next_label(&labels, &name, room, &len)) {
		if (sl_span_equal(name, SL_SPAN("le")))
			return read_number(sl_span_make(room, len), ret_bound);
	}
	return false;
}

static void take_number(struct turner *t, const struct sample *s)
{
	uint64_t whole;
	size_t mark;

	begin_family(t);
	mark = sl_protobuf_open(t->text, DATA_POINT);
	if (t->type == TYPE_COUNTER)
		sl_protobuf_fixed64(t->text, POINT_START, t->start_ns);
	sl_protobuf_fixed64(t->text, POINT_TIME, t->now_ns);
	if (!sl_span_u64(s->number, &whole) && whole <= INT64_MAX)
		sl_protobuf_fixed64(t->text, NUMBER_INT, whole);
	else
		sl_protobuf_double(t->text, NUMBER_DOUBLE, s->value);
	write_labels(t, s->labels, SL_OTLP_OF_NUMBER);
	sl_protobuf_close(t->text, mark);
	t->points++;
}

/* The renderer writes what is below each bound, OTLP has what is between two. */
static void write_buckets(struct turner *t, const struct sample *s)
{
	uint64_t total = s->value > 0 ? (uint64_t)s->value : 0, below = 0;
	size_t mark, list;

	begin_family(t);
	mark = sl_protobuf_open(t->text, DATA_POINT);
	sl_protobuf_fixed64(t->text, POINT_START, t->start_ns);
	sl_protobuf_fixed64(t->text, POINT_TIME, t->now_ns);
	sl_protobuf_double(t->text, BUCKETS_SUM, t->sum);
	/* Read while others count: a bucket may be ahead of the count, and the sum of them must be it. */
	list = sl_protobuf_open(t->text, BUCKETS_COUNTS);
	for (uint32_t i = 0; i < t->bound_count; i++) {
		uint64_t until = t->counts[i] < below ? below : t->counts[i];
		uint64_t between = until - below;

		for (int byte = 0; byte < 8; byte++)
			sl_text_append_char(t->text, (char)(between >> 8 * byte));
		below = until;
	}
	if (total < below)
		total = below;
	for (int byte = 0; byte < 8; byte++)
		sl_text_append_char(t->text, (char)((total - below) >> 8 * byte));
	sl_protobuf_close(t->text, list);
	sl_protobuf_fixed64(t->text, BUCKETS_COUNT, total);
	list = sl_protobuf_open(t->text, BUCKETS_BOUNDS);
	for (uint32_t i = 0; i < t->bound_count; i++) {
		uint64_t bits;

		memcpy(&bits, &t->bounds[i], sizeof(bits));
		for (int byte = 0; byte < 8; byte++)
			sl_text_append_char(t->text, (char)(bits >> 8 * byte));
	}
	sl_protobuf_close(t->text, list);
	write_labels(t, s->labels, SL_OTLP_OF_BUCKETS);
	sl_protobuf_close(t->text, mark);
	t->points++;
}

/* NAME_bucket lines by their bounds, then NAME_sum, then NAME_count, which completes the point. */
static void take_histogram(struct turner *t, const struct sample *s)
{
	struct sl_span end = sl_span_make(s->name.data + t->name.len, s->name.len - t->name.len);
	double bound;

	if (sl_span_equal(end, SL_SPAN("_bucket")) && find_bound(s->labels, &bound)) {
		if (bound > 1e300 || t->bound_count == BOUNDS_MAX) /* +Inf: the count says it */
			return;
		t->bounds[t->bound_count] = bound;
		t->counts[t->bound_count++] = s->value > 0 ? (uint64_t)s->value : 0;
	} else if (sl_span_equal(end, SL_SPAN("_sum"))) {
		t->sum = s->value;
	} else if (sl_span_equal(end, SL_SPAN("_count"))) {
		write_buckets(t, s);
		t->bound_count = 0;
		t->sum = 0;
	}
}

static void take_sample(struct turner *t, struct sl_span line)
{
	struct sample sample;

	if (t->type == TYPE_NONE || !read_sample(line, &sample) ||
	    !sl_span_starts(sample.name, t->name))
		return;
	if (t->type == TYPE_HISTOGRAM)
		take_histogram(t, &sample);
	else if (sample.name.len == t->name.len)
		take_number(t, &sample);
}

uint32_t sl_otlp_metrics_write(struct sl_span body, struct sl_span resource, uint64_t start_ns,
			       uint64_t now_ns, struct sl_text *text)
{
	struct turner t = {.text = text,
			   .start_ns = start_ns,
			   .now_ns = now_ns,
			   .name = SL_SPAN(""),
			   .help = SL_SPAN("")};
	struct sl_otlp_marks marks;

	sl_otlp_begin(text, resource, &marks);
	while (body.len) {
		struct sl_span line = sl_span_cut(&body, '\n');

		if (line.len && line.data[0] == '#')
			take_comment(&t, line);
		else if (line.len)
			take_sample(&t, line);
	}
	end_family(&t);
	sl_otlp_end(text, &marks);
	return t.points;
}
