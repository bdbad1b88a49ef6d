/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/stage.h"

#include <string.h>

const struct sl_step_info sl_steps[SL_STEPS] = {
#define SL_STEP(stage, name, text, keeps, help) {SL_STAGE_##stage, text, keeps, help},
#include "user/stage/steps.def"
};

_Static_assert(SL_STEPS <= SL_STEPS_MAX, "a request remembers them in one word");

static const char *const stage_texts[SL_STAGE_NAMES] = {
#define SL_STAGE(name, text) text,
#include "user/stage/steps.def"
};

const char *sl_stage_text(enum sl_stage_name stage)
{
	return stage_texts[stage];
}

const char *sl_noted_name(enum sl_noted noted)
{
	static const char *const names[SL_NOTEDS] = {
		[SL_NOTED_SEMANTIC_HIT] = "hit",
		[SL_NOTED_SHADOW] = "shadow",
		[SL_NOTED_SHADOW_AGREED] = "shadow_agreed",
		[SL_NOTED_SHADOW_DIFFERED] = "shadow_differed",
		[SL_NOTED_SHADOW_FAILED] = "shadow_failed",
	};

	return names[noted];
}

const char *sl_step_name(enum sl_step step)
{
	return strchr(sl_steps[step].text, '=') + 1;
}
