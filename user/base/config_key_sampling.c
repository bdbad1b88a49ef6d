/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of fixed sampling: routes[].sampling. */
#include "user/base/config_key_rows.h"

#define SAMPLING(member) offsetof(struct sl_config_route, sampling.member)

/* enum sl_config_sampling_mode */
static const char *const modes[] = {"pin", "default", "refuse", NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "sampling", 0, NULL, SL_CONFIG_ROUTE_SAMPLING, 0,
	 NULL, false, "a map", "How the model's words are chosen, whatever requests say."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_CHOICE, "mode", SAMPLING(mode), "pin", 0, 0, modes,
	 false, NULL,
	 "A request that says something else: `pin` overrules it, `default` lets it, `refuse` "
	 "answers 400. One that says nothing gets the route's values always."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "temperature",
	 SAMPLING(values[SL_SAMPLING_TEMPERATURE]), NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false,
	 "a number from 0 to 2", "0: always the likeliest word."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "top_p", SAMPLING(values[SL_SAMPLING_TOP_P]),
	 NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false, "a number from 0 to 1",
	 "Of the likeliest words that together have this probability."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "top_k", SAMPLING(values[SL_SAMPLING_TOP_K]),
	 NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false, "an integer from -1 to 1000000",
	 "Of so many likeliest words; not in OpenAI's own API."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "min_p", SAMPLING(values[SL_SAMPLING_MIN_P]),
	 NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false, "a number from 0 to 1",
	 "Of words with this share of the likeliest one's probability; not in OpenAI's own API."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "seed", SAMPLING(values[SL_SAMPLING_SEED]), NULL,
	 0, SL_SAMPLING_VALUE_MAX, NULL, false, "an integer from 0 to 9007199254740991",
	 "Of the server's chance: the same request then mostly gets the same answer."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "frequency_penalty",
	 SAMPLING(values[SL_SAMPLING_FREQUENCY]), NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false,
	 "a number from -2 to 2", "Against words by how often they are there."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "presence_penalty",
	 SAMPLING(values[SL_SAMPLING_PRESENCE]), NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false,
	 "a number from -2 to 2", "Against words that are there."},
	{SL_CONFIG_ROUTE_SAMPLING, SL_CONFIG_TEXT, "repetition_penalty",
	 SAMPLING(values[SL_SAMPLING_REPETITION]), NULL, 0, SL_SAMPLING_VALUE_MAX, NULL, false,
	 "a number from 0 to 10", "The same, as a factor; not in OpenAI's own API."},
};

const struct sl_config_key_table sl_config_keys_sampling = SL_CONFIG_KEY_TABLE(keys);
