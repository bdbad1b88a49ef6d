/* SPDX-License-Identifier: BSD-2-Clause */
/* The figures of an experiment: success, first tokens, breakers, requests over time. Declared in chaos_page_parts.h. */
#include <stdio.h>
#include "loader/chaos_page_parts.h"

#define WIDTH	640.0
#define HEIGHT	84.0
#define EDGE	3.0 /* above and below the lines */
#define COLUMNS 60u /* of a line of text */

typedef double (*value_fn)(const struct sl_chaos_result *result, uint32_t i);

struct plot {
	const char *name;
	const char *unit;
	double most; /* 0: the largest value */
	struct {
		const char *name;
		value_fn value;
	} lines[2];
};

/* ---- values ---------------------------------------------------------------------------------- */

static double between(uint64_t now, uint64_t before)
{
	return now > before ? (double)(now - before) : 0;
}

static double rate(const struct sl_chaos_result *result, uint32_t i, double count)
{
	double time_s = i ? result->samples[i].at_s - result->samples[i - 1].at_s : 0;

	return time_s > 0 ? count / time_s : 0;
}

static double requests(const struct sl_chaos_result *result, uint32_t i)
{
	const struct sl_chaos_sample *samples = result->samples;

	return i ? between(samples[i].requests, samples[i - 1].requests) : 0;
}

static double errors(const struct sl_chaos_result *result, uint32_t i)
{
	const struct sl_chaos_sample *samples = result->samples;

	return i ? between(samples[i].errors, samples[i - 1].errors) : 0;
}

static double requests_a_second(const struct sl_chaos_result *result, uint32_t i)
{
	return rate(result, i, requests(result, i));
}

static double failed_a_second(const struct sl_chaos_result *result, uint32_t i)
{
	return rate(result, i, errors(result, i));
}

/* Of those that ended since; where none did, as before. */
static double success(const struct sl_chaos_result *result, uint32_t i)
{
	while (i && requests(result, i) <= 0)
		i--;
	if (!i)
		return 100;
	return 100 * (1 - errors(result, i) / requests(result, i));
}

static double median_ms(const struct sl_chaos_result *result, uint32_t i)
{
	return result->samples[i].p50_s * 1000;
}

static double p99_ms(const struct sl_chaos_result *result, uint32_t i)
{
	return result->samples[i].p99_s * 1000;
}

static double open_nodes(const struct sl_chaos_result *result, uint32_t i)
{
	return result->samples[i].open;
}

static double half_open_nodes(const struct sl_chaos_result *result, uint32_t i)
{
	return result->samples[i].half_open;
}

static const struct plot plots[] = {
	{"success rate", " %", 100, {{"answered", success}}},
	{"first token", " ms", 0, {{"median", median_ms}, {"99th percentile", p99_ms}}},
	{"breakers", " nodes", 0, {{"open", open_nodes}, {"half-open", half_open_nodes}}},
	{"requests a second", "", 0, {{"ended", requests_a_second}, {"failed", failed_a_second}}},
};

/* ---- figures --------------------------------------------------------------------------------- */

static double largest(const struct sl_chaos_result *result, const struct plot *plot)
{
	double most = plot->most;

	for (uint32_t line = 0; line < 2 && most <= 0 && plot->lines[line].value; line++) {
		for (uint32_t i = 0; i < result->sample_count; i++) {
			double value = plot->lines[line].value(result, i);

			most = value > most ? value : most;
		}
	}
	return most;
}

/* Both lines' largest. */
static double scale_of(const struct sl_chaos_result *result, const struct plot *plot)
{
	struct plot second = {.lines = {plot->lines[1]}};
	double a = largest(result, plot), b = plot->most > 0 ? 0 : largest(result, &second);

	return a > b ? a : b;
}

static void put_line(const struct sl_chaos_result *result, const struct plot *plot, uint32_t line,
		     double most, struct sl_text *text)
{
	double begin_s = result->samples[0].at_s;
	double span_s = result->samples[result->sample_count - 1].at_s - begin_s;

	sl_text_printf(text, "<polyline class=\"l%u\" points=\"", line);
	for (uint32_t i = 0; i < result->sample_count; i++) {
		double x = span_s > 0 ? (result->samples[i].at_s - begin_s) / span_s : 0;
		double y = most > 0 ? plot->lines[line].value(result, i) / most : 0;

		sl_text_printf(text, "%.1f,%.1f ", x * WIDTH,
			       HEIGHT - EDGE - y * (HEIGHT - 2 * EDGE));
	}
	sl_text_append_string(text, "\"/>");
}

/* The time in which it ran is shaded. */
static void put_plot(const struct sl_chaos_result *result, const struct plot *plot,
		     struct sl_text *text)
{
	double begin_s = result->samples[0].at_s;
	double end_s = result->samples[result->sample_count - 1].at_s;
	double span_s = end_s > begin_s ? end_s - begin_s : 1;
	double from = begin_s < 0 ? -begin_s / span_s : 0;
	double to = (result->ran_s - begin_s) / span_s, most = scale_of(result, plot);

	sl_text_printf(text, "<figure><figcaption><b>%s</b>", plot->name);
	for (uint32_t line = 0; line < 2 && plot->lines[line].value; line++)
		sl_text_printf(text, " <i class=\"k%u\"></i>%s", line, plot->lines[line].name);
	sl_text_printf(
		text,
		"</figcaption><div class=\"plot\"><div class=\"y\"><span>%.4g%s</span>"
		"<span>0</span></div><svg viewBox=\"0 0 %g %g\" "
		"preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s, from 0 to %.4g%s\">"
		"<rect class=\"on\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%g\"/>"
		"<line class=\"grid\" x1=\"0\" x2=\"%g\" y1=\"%g\" y2=\"%g\"/>",
		most, plot->unit, WIDTH, HEIGHT, plot->name, most, plot->unit, from * WIDTH,
		((to < 1 ? to : 1) - from) * WIDTH, HEIGHT, WIDTH, HEIGHT / 2, HEIGHT / 2);
	for (uint32_t line = 0; line < 2 && plot->lines[line].value; line++)
		put_line(result, plot, line, most, text);
	sl_text_printf(text,
		       "</svg><p class=\"axis\"><span>%.1f s</span><span>%.1f s</span></p></div>"
		       "</figure>\n",
		       begin_s, end_s);
}

/* ---- the same as text ------------------------------------------------------------------------- */

/* The largest value of the column's samples, else the one before. */
static double column_of(const struct sl_chaos_result *result, value_fn value, uint32_t column)
{
	double begin_s = result->samples[0].at_s, most = -1, before = 0;
	double span_s = result->samples[result->sample_count - 1].at_s - begin_s;

	for (uint32_t i = 0; i < result->sample_count; i++) {
		double at = span_s > 0 ? (result->samples[i].at_s - begin_s) / span_s : 0;
		double one = value(result, i);

		if (at * COLUMNS >= column + 1.0 && column + 1 < COLUMNS)
			break;
		if (at * COLUMNS < column)
			before = one;
		else if (one > most)
			most = one;
	}
	return most < 0 ? before : most;
}

static void put_text_line(const struct sl_chaos_result *result, const struct plot *plot,
			  uint32_t line, double most, struct sl_text *text)
{
	static const char *const bars[] = {"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83",
					   "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
					   "\xe2\x96\x87", "\xe2\x96\x88"};
	char name[64];

	snprintf(name, sizeof(name), "%s, %s", plot->name, plot->lines[line].name);
	sl_text_printf(text, "%32s ", name);
	for (uint32_t i = 0; i < COLUMNS; i++) {
		double value = column_of(result, plot->lines[line].value, i);

		sl_text_append_string(text, bars[most > 0 ? (int)(value / most * 7 + 0.5) : 0]);
	}
	sl_text_printf(text, " 0 to %.4g%s\n", most, plot->unit);
}

void sl_chaos_plot_text(const struct sl_chaos_result *result, struct sl_text *text)
{
	double begin_s, end_s;

	if (!result->sample_count)
		return;
	begin_s = result->samples[0].at_s;
	end_s = result->samples[result->sample_count - 1].at_s;
	sl_text_append_string(text, "\n```\n");
	for (size_t i = 0; i < sizeof(plots) / sizeof(plots[0]); i++) {
		double most = scale_of(result, &plots[i]);

		for (uint32_t line = 0; line < 2 && plots[i].lines[line].value; line++)
			put_text_line(result, &plots[i], line, most, text);
	}
	sl_text_printf(text, "%32s ", "time, while it was broken");
	for (uint32_t i = 0; i < COLUMNS; i++) {
		double at_s = begin_s + (end_s - begin_s) * (i + 0.5) / COLUMNS;

		sl_text_append_string(text,
				      at_s >= 0 && at_s < result->ran_s ? "\xe2\x96\x91" : "-");
	}
	sl_text_printf(text, " %.1f s to %.1f s\n```\n", begin_s, end_s);
}

void sl_chaos_plot(const struct sl_chaos_result *result, struct sl_text *text)
{
	if (!result->sample_count)
		return;
	sl_text_append_string(text, "<div class=\"plots\">\n");
	for (size_t i = 0; i < sizeof(plots) / sizeof(plots[0]); i++)
		put_plot(result, &plots[i], text);
	sl_text_append_string(text, "</div>\n");
}
