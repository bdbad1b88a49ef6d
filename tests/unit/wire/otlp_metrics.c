/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of /metrics as OTLP: each point written out as one line again, so that a case is what goes in and what
 * comes out. tests/e2e/trace.sh reads the same bytes with OpenTelemetry's own decoder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "user/wire/otlp.h"
#include "user/wire/otlp_metrics.h"

static double as_double(uint64_t bits)
{
	double value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint64_t little(const char *at)
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++)
		value |= (uint64_t)(uint8_t)at[i] << 8 * i;
	return value;
}

static void write_attribute(struct sl_span attribute, struct sl_text *out)
{
	struct sl_protobuf_field key, value, string;

	assert_int_equal(sl_protobuf_next(&attribute, &key), 1);
	assert_int_equal(sl_protobuf_next(&attribute, &value), 1);
	assert_int_equal(sl_protobuf_next(&value.bytes, &string), 1);
	sl_text_printf(out, " %.*s=%.*s", (int)key.bytes.len, key.bytes.data, (int)string.bytes.len,
		       string.bytes.data);
}

static void write_point(struct sl_span point, bool histogram, struct sl_text *out)
{
	struct sl_protobuf_field f;

	while (sl_protobuf_next(&point, &f) == 1) {
		if (f.number == (histogram ? 9 : 7))
			write_attribute(f.bytes, out);
		else if (f.number == 2)
			sl_text_printf(out, " start=%llu", (unsigned long long)f.value);
		else if (!histogram && f.number == 4)
			sl_text_printf(out, " %g", as_double(f.value));
		else if (!histogram && f.number == 6)
			sl_text_printf(out, " %lld", (long long)f.value);
		else if (f.number == 4)
			sl_text_printf(out, " count=%llu", (unsigned long long)f.value);
		else if (f.number == 5)
			sl_text_printf(out, " sum=%g", as_double(f.value));
		for (size_t i = 0; histogram && (f.number == 6 || f.number == 7) && i < f.bytes.len;
		     i += 8)
			sl_text_printf(out, f.number == 6 ? " [%g]" : " <%g",
				       f.number == 6 ? (double)little(f.bytes.data + i)
						     : as_double(little(f.bytes.data + i)));
	}
}

static void write_metric(struct sl_span metric, struct sl_text *out)
{
	struct sl_protobuf_field f, point;

	while (sl_protobuf_next(&metric, &f) == 1) {
		if (f.number <= 3) {
			sl_text_printf(out, "%s%.*s", f.number == 1 ? "" : "|", (int)f.bytes.len,
				       f.bytes.data);
			continue;
		}
		sl_text_printf(out, " %s:",
			       f.number == 5   ? "gauge"
			       : f.number == 7 ? "sum"
					       : "histogram");
		while (sl_protobuf_next(&f.bytes, &point) == 1) {
			if (point.number == 1)
				write_point(point.bytes, f.number == 9, out);
			else
				sl_text_printf(out, " (%u=%llu)", point.number,
					       (unsigned long long)point.value);
		}
	}
	sl_text_append_char(out, '\n');
}

static void write_all(struct sl_span body, struct sl_text *out)
{
	struct sl_protobuf_field resource, scope, f;

	assert_int_equal(sl_protobuf_next(&body, &resource), 1);
	assert_int_equal(sl_protobuf_next(&body, &f), 0);
	while (sl_protobuf_next(&resource.bytes, &scope) == 1) {
		while (scope.number == 2 && sl_protobuf_next(&scope.bytes, &f) == 1) {
			if (f.number == 2)
				write_metric(f.bytes, out);
		}
	}
}

static const struct turn_case {
	const char *what, *text, *wanted;
	uint32_t points;
} cases[] = {
	{"nothing", "", "", 0},
	{"a counter", "# HELP a_total What.\n# TYPE a_total counter\na_total 5\n",
	 "a_total|What. sum: start=7 5 (2=2) (3=1)\n", 1},
	{"labels, a fraction, a unit",
	 "# HELP a_seconds_total W\n# TYPE a_seconds_total counter\n"
	 "a_seconds_total{x=\"1\",y=\"b c\"} 0.5\na_seconds_total{x=\"2\"} 3\n",
	 "a_seconds_total|W|s sum: start=7 0.5 x=1 y=b c start=7 3 x=2 (2=2) (3=1)\n", 2},
	{"escapes and braces in a label",
	 "# HELP a W\n# TYPE a gauge\na{x=\"q\\\"}\\\\ {,\\n\"} 1\n",
	 "a|W gauge: 1 x=q\"}\\ {,\n\n", 1},
	{"a family without samples is left out",
	 "# HELP a W\n# TYPE a gauge\n# HELP b_bytes V\n# TYPE b_bytes gauge\nb_bytes 2\n",
	 "b_bytes|V|By gauge: 2\n", 1},
	{"a histogram: what lies between two bounds",
	 "# HELP h W\n# TYPE h histogram\nh_bucket{r=\"m\",le=\"0.5\"} 2\n"
	 "h_bucket{r=\"m\",le=\"1\"} 2\nh_bucket{r=\"m\",le=\"+Inf\"} 5\nh_sum{r=\"m\"} 4.5\n"
	 "h_count{r=\"m\"} 5\n",
	 "h|W histogram: start=7 sum=4.5 [2] [0] [3] count=5 <0.5 <1 r=m (2=2)\n", 1},
	{"two of them, one read while it was counted",
	 "# HELP h W\n# TYPE h histogram\nh_bucket{r=\"a\",le=\"1\"} "
	 "3\nh_bucket{r=\"a\",le=\"+Inf\"} 2\n"
	 "h_sum{r=\"a\"} 1\nh_count{r=\"a\"} 2\nh_bucket{r=\"b\",le=\"1\"} 1\nh_sum{r=\"b\"} 1\n"
	 "h_count{r=\"b\"} 1\n",
	 "h|W histogram: start=7 sum=1 [3] [0] count=3 <1 r=a start=7 sum=1 [1] [0] count=1 <1 r=b "
	 "(2=2)\n",
	 2},
	{"names of the conventions",
	 "# HELP gen_ai_client_token_usage W\n# TYPE gen_ai_client_token_usage histogram\n"
	 "gen_ai_client_token_usage_bucket{gen_ai_token_type=\"input\",le=\"1\"} 1\n"
	 "gen_ai_client_token_usage_sum{gen_ai_token_type=\"input\"} 1\n"
	 "gen_ai_client_token_usage_count{gen_ai_token_type=\"input\"} 1\n",
	 "gen_ai.client.token.usage|W|{token} histogram: start=7 sum=1 [1] [0] count=1 <1 "
	 "gen_ai.token.type=input (2=2)\n",
	 1},
	{"lines that are none",
	 "# HELP a W\n# TYPE a gauge\na{x=\"1} 1\na x\na\nb 1\nab 3\n# TYPE s summary\ns 1\n", "",
	 0},
};

static void test_turned(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct turn_case *c = &cases[i];
		struct sl_text text, out;
		uint32_t points;

		sl_text_init(&text, 0);
		sl_text_init(&out, 0);
		points = sl_otlp_metrics_write(sl_span_string(c->text), SL_SPAN(""), 7, 9, &text);
		assert_int_equal(text.error, 0);
		write_all(sl_text_span(&text), &out);
		if (points != c->points || strcmp(sl_text_string(&out), c->wanted) != 0)
			fail_msg("%s: %u points: %s", c->what, points, sl_text_string(&out));
		sl_text_fini(&text);
		sl_text_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_turned)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
