/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cost of a prompt: CPU time of one rendering, see timing.h and bar.h. No test depends on the figures.
 *
 *	build/bench/prompt
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bar.h"
#include "tests/bench/timing.h"
#include "user/wire/template.h"

static const char usual[] =
	"@model support-small\n@temperature 0.2\n@max_tokens 400\n"
	"@var customer string required\n@var question string required\n"
	"@var tone string = \"friendly\"\n@var cases list\n@var vip boolean\n"
	"@system\nYou answer for the shop, in a {{tone}} tone, and only from the cases below. Say "
	"so when\n"
	"they do not tell. Never name other customers.\n"
	"{{#vip}}The customer has been with us for years; offer a call.\n{{/vip}}"
	"{{#cases}}- case {{.id}}: {{.text}}\n{{/cases}}\n"
	"@user\n{{customer}} asks:\n{{question}}\n";

static const char usual_values[] =
	"{\"customer\":\"Ann Miller\",\"question\":\"My parcel 4711 has not come, though your page "
	"says "
	"that it was delivered on Monday.\\nWhat now? I was at home all day, and nobody rang.\","
	"\"vip\":true,\"cases\":[{\"id\":4711,\"text\":\"handed over on Monday at the wrong "
	"house\"},"
	"{\"id\":4702,\"text\":\"returned, paid back\"}]}";

static struct sl_template *template;
static struct sl_json_field values;
static struct sl_text out;

static size_t run_render(void)
{
	sl_text_reset(&out);
	if (sl_template_render_request(template, &values, sl_span_make(NULL, 0), &out, NULL) != 0)
		abort();
	return out.len;
}

static size_t run_compile(void)
{
	struct sl_template *t;

	if (sl_template_compile(usual, sizeof(usual) - 1, &t, NULL) != 0)
		abort();
	sl_template_free(t);
	return 1;
}

static void measure(const char *name, size_t (*run)(void), double bar)
{
	bar_print(name, timing_ns(run) / 1000, "us", bar > 0 ? BAR_AT_MOST : BAR_NONE, bar);
}

int main(void)
{
	static char text[8192], name[80];
	struct sl_error error;
	int len;

	if (sl_template_compile(usual, sizeof(usual) - 1, &template, &error) != 0) {
		fprintf(stderr, "%s\n", error.text);
		return 1;
	}
	sl_text_init(&out, 1u << 20);
	values = (struct sl_json_field){.type = SL_JSON_OBJECT,
					.value = usual_values,
					.value_len = sizeof(usual_values) - 1};
	snprintf(name, sizeof(name), "prompt of 2 messages, 5 variables, %zu bytes", run_render());
	measure(name, run_render, 5);
	len = snprintf(text, sizeof(text), "{\"customer\":\"A\",\"question\":\"%04000d [a] <b>\"}",
		       0);
	values.value = text;
	values.value_len = (size_t)len;
	snprintf(name, sizeof(name), "prompt with a question of 4 KB, %zu bytes", run_render());
	measure(name, run_render, 5);
	measure("prompt compiled, once a version", run_compile, 0);
	sl_text_fini(&out);
	sl_template_free(template);
	return 0;
}
