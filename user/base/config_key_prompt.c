/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys of prompts and of contexts that are too long. */
#include "user/base/config_key_rows.h"

#define PROMPTS(member) offsetof(struct sl_config, prompts.member)
#define PROMPT(member)	offsetof(struct sl_config_route, prompt.member)
#define CONTEXT(member) offsetof(struct sl_config_route, context.member)

/* enum sl_prompt_label */
static const char *const labels[] = {"stable", "canary", "known-good", NULL};
/* enum sl_config_context */
static const char *const steps[] = {"cut_tool_output", "cut_turns", "summarise", "larger_pool",
				    NULL};

static const struct sl_config_key keys[] = {
	{SL_CONFIG_ROOT, SL_CONFIG_SECTION_MAP, "prompts", 0, NULL, SL_CONFIG_PROMPTS, 0, NULL,
	 false, "a map", "Versioned prompts, for the routes that have `prompt`."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_PATH, "dir", PROMPTS(dir), NULL, 0, PATH_LEN_MAX, NULL, false,
	 "an absolute path",
	 "Directory of the prompts: files `ID.prompt` that you put there, and the versions and the "
	 "log of changes that the daemon keeps; its user must be able to write to it. Read at "
	 "start "
	 "and at each reload."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_MS, "window", PROMPTS(window_ms), "60s", 1000, HOUR_MS, NULL,
	 false, NULL, "Time over which answers of a version are judged."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_U32, "requests", PROMPTS(requests_min), "20", 1, 100000, NULL,
	 false, NULL, "Answers in that time, below which a version is not judged."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_U32, "error_percent", PROMPTS(error_percent), "25", 0, 100,
	 NULL, false, NULL,
	 "Share of answers that are errors at which a version is left for known-good. 0: never."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_U32, "invalid_percent", PROMPTS(invalid_percent), "10", 0,
	 100, NULL, false, NULL, "The same of answers that validation did not let pass at once."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_MS, "hold", PROMPTS(hold_ms), "60s", 100, DAY_MS, NULL, false,
	 NULL,
	 "How long such a version is left alone before it is tried again, with one request in "
	 "eight; doubles each time that it fails, up to eight times."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_U32, "trials", PROMPTS(trials), "20", 1, 1000, NULL, false,
	 NULL,
	 "Answers of such tries, with at most half the share of bad ones, that bring it back."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_CHOICE, "test_on_push", PROMPTS(test_on_push), "true", 0, 0,
	 sl_config_bools, false, NULL,
	 "Whether a version's regression suite runs when the version is pushed, or its file is "
	 "read at a reload."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_U32, "suite_parallel", PROMPTS(suite_parallel), "4", 1, 64,
	 NULL, false, NULL, "Cases of one suite that are asked at once."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_MS, "suite_timeout", PROMPTS(suite_ms), "10m", 100, DAY_MS,
	 NULL, false, NULL,
	 "How long a suite may take; cases that have not begun by then are unsure."},
	{SL_CONFIG_PROMPTS, SL_CONFIG_MS, "case_timeout", PROMPTS(case_ms), "60s", 100, HOUR_MS,
	 NULL, false, NULL, "How long one case's answer is waited for."},

	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "prompt", 0, NULL, SL_CONFIG_ROUTE_PROMPT, 0, NULL,
	 false, "a map", "Prompts of the route's requests."},
	{SL_CONFIG_ROUTE_PROMPT, SL_CONFIG_MODEL, "id", PROMPT(id), NULL, 0, 63, NULL, false,
	 "a prompt's id",
	 "Prompt that every request of the route gets before its own messages; what a request says "
	 "in `prompt.variables` fills it in."},
	{SL_CONFIG_ROUTE_PROMPT, SL_CONFIG_CHOICE, "label", PROMPT(label), "stable", 0, 0, labels,
	 false, NULL, "Which version of it, where a request does not say."},
	{SL_CONFIG_ROUTE_PROMPT, SL_CONFIG_CHOICE, "requests", PROMPT(requests), "false", 0, 0,
	 sl_config_bools, false, NULL,
	 "Whether requests may name a prompt, or a version of `id`, themselves."},
	{SL_CONFIG_ROUTE_PROMPT, SL_CONFIG_U32, "canary", PROMPT(canary), "0", 0, 100, NULL, false,
	 NULL,
	 "Share of the requests, in percent, that get the canary version, where there is one and "
	 "they name neither version nor label. Who gets it keeps it: by session, else user, else "
	 "key, else the conversation's beginning."},

	{SL_CONFIG_ROUTE, SL_CONFIG_SECTION_MAP, "context", 0, NULL, SL_CONFIG_ROUTE_CONTEXT, 0,
	 NULL, false, "a map",
	 "What becomes of conversations that are too long for the pool (`context_tokens`)."},
	{SL_CONFIG_ROUTE_CONTEXT, SL_CONFIG_SET, "steps", CONTEXT(steps), NULL, 0, 0, steps, false,
	 NULL,
	 "What may be done, in this order, until it fits: take the text out of old tool results, "
	 "leave out the oldest turns, summarise them, ask a pool of the route with a larger "
	 "context. "
	 "System messages and the last turn stay. Without any the server decides."},
	{SL_CONFIG_ROUTE_CONTEXT, SL_CONFIG_U32, "keep_turns", CONTEXT(keep_turns), "1", 1, 1000,
	 NULL, false, NULL,
	 "Turns that `cut_turns` leaves, the last one included. More, where `summarise` is to "
	 "have "
	 "something left."},
	{SL_CONFIG_ROUTE_CONTEXT, SL_CONFIG_POOL_NAME, "summary_pool", CONTEXT(summary_pool), NULL,
	 0, 0, NULL, false, "a pool's name",
	 "Pool that summarises: a small, quick model. `summarise` is passed over without it."},
	{SL_CONFIG_ROUTE_CONTEXT, SL_CONFIG_U32, "summary_tokens", CONTEXT(summary_tokens), "400",
	 16, 100000, NULL, false, NULL, "Longest summary."},
	{SL_CONFIG_ROUTE_CONTEXT, SL_CONFIG_MS, "summary_timeout", CONTEXT(summary_ms), "10s", 10,
	 HOUR_MS, NULL, false, NULL, "How long a summary is waited for; then the next step."},
	{SL_CONFIG_ROUTE_CONTEXT, SL_CONFIG_U32, "reserve", CONTEXT(reserve), "512", 0, 10000000,
	 NULL, false, NULL,
	 "Tokens left for the answer, where a request names no bound (`max_tokens`)."},
};

const struct sl_config_key_table sl_config_keys_prompt = SL_CONFIG_KEY_TABLE(keys);
