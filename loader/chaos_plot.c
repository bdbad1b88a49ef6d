/* SPDX-License-Identifier: BSD-2-Clause */
/* The figures of an experiment: success, first tokens, breakers, requests over time. Declared in chaos_page_parts.h. */
#include <stdio.h>
#include "loader/chaos_page_parts.h"

#define WIDTH  640.0
#define HEIGHT 84.0
#define EDGE   3.0 /* above and below the lines */

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
		"<span class=\"top\">%.4g%s</span></figcaption><svg viewBox=\"0 0 %g %g\" "
		"preserveAspectRatio=\"none\" role=\"img\" aria-label=\"%s, scale to %.4g%s\">"
		"<rect class=\"on\" x=\"%.1f\" y=\"0\" width=\"%.1f\" height=\"%g\"/>",
		most, plot->unit, WIDTH, HEIGHT, plot->name, most, plot->unit, from * WIDTH,
		((to < 1 ? to : 1) - from) * WIDTH, HEIGHT);
	for (uint32_t line = 0; line < 2 && plot->lines[line].value; line++)
		put_line(result, plot, line, most, text);
	sl_text_printf(
		text,
		"</svg><p class=\"axis\"><span>%.1f s</span><span>%.1f s</span></p></figure>\n",
		begin_s, end_s);
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
