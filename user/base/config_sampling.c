/* SPDX-License-Identifier: BSD-2-Clause */
/* Fixed sampling of routes: its parameters, and what is right for them. */
#include "user/base/config_sampling.h"

#include <stdlib.h>
#include <string.h>

#include "user/base/config_check.h"

#define INFO(name, whole, min, max)                         \
	{                                                   \
		name, sizeof(name) - 1, whole, (min), (max) \
	}

/* The largest seed that every server's and every reader's number holds. */
#define SEED_MAX 9007199254740991.0

const struct sl_sampling_info sl_samplings[SL_SAMPLINGS] = {
	[SL_SAMPLING_TEMPERATURE] = INFO("temperature", false, 0, 2),
	[SL_SAMPLING_TOP_P] = INFO("top_p", false, 0, 1),
	[SL_SAMPLING_TOP_K] = INFO("top_k", true, -1, 1000000),
	[SL_SAMPLING_MIN_P] = INFO("min_p", false, 0, 1),
	[SL_SAMPLING_SEED] = INFO("seed", true, 0, SEED_MAX),
	[SL_SAMPLING_FREQUENCY] = INFO("frequency_penalty", false, -2, 2),
	[SL_SAMPLING_PRESENCE] = INFO("presence_penalty", false, -2, 2),
	[SL_SAMPLING_REPETITION] = INFO("repetition_penalty", false, 0, 10),
};

bool sl_config_sampling_is_on(const struct sl_config_sampling *sampling)
{
	for (int i = 0; i < SL_SAMPLINGS; i++) {
		if (sampling->values[i])
			return true;
	}
	return false;
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* As JSON writes numbers, for it is put into requests as it is; without an exponent. */
static bool is_number(const char *text, bool whole)
{
	size_t digits;

	text += *text == '-';
	digits = strspn(text, "0123456789");
	if (!digits || (digits > 1 && text[0] == '0'))
		return false;
	text += digits;
	if (!*text)
		return true;
	if (whole || *text++ != '.')
		return false;
	digits = strspn(text, "0123456789");
	return digits && !text[digits];
}

static void check_value(const struct sl_config_route *route, enum sl_sampling which,
			struct sl_report *report)
{
	const struct sl_sampling_info *info = &sl_samplings[which];
	const char *text = route->sampling.values[which];
	double value = strtod(text, NULL);

	if (is_number(text, info->whole) && value >= info->min && value <= info->max)
		return;
	sl_report_add(
		report, route->line, route->column,
		"route \"%s\": sampling.%s: \"%s\" is not right (expected %s from %.0f to %.0f)",
		route->model, info->name, text, info->whole ? "an integer" : "a number", info->min,
		info->max);
}

void sl_config_check_sampling(const struct sl_config *config, struct sl_report *report)
{
	for (uint32_t r = 0; r < config->route_count; r++) {
		const struct sl_config_route *route = &config->routes[r];

		for (int i = 0; i < SL_SAMPLINGS && route->model; i++) {
			if (route->sampling.values[i])
				check_value(route, (enum sl_sampling)i, report);
		}
	}
}
