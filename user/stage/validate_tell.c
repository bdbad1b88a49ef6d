/* SPDX-License-Identifier: BSD-2-Clause */
/* What a check found is told by its kind alone: never the text that was found, nor what the model said. */
#include <stdio.h>
#include <string.h>

#include "user/stage/validate_parts.h"

const char *sl_validate_list_name(const struct sl_config_paths *lists, uint32_t number)
{
	const char *path = lists && number < lists->count ? lists->paths[number] : NULL;
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

int sl_validate_check_schema(const struct sl_schema *schema, struct sl_span text,
			     struct sl_arena *scratch, struct sl_validate_fault *fault)
{
	struct sl_schema_place place;
	int rc =
		sl_schema_check_place(schema, text.data, text.len, scratch, &fault->reason, &place);

	if (!rc)
		return 0;
	fault->check = SL_CHECK_SCHEMA;
	snprintf(fault->what, sizeof(fault->what), place.path[0] ? "%s at %s" : "%s", place.keyword,
		 place.path);
	return rc;
}

void sl_validate_tell(struct sl_screen *screen, const struct sl_config_paths *lists, bool is_answer,
		      sl_validate_tell_fn *tell, void *owner)
{
	struct sl_checked checked = {.is_answer = is_answer};

	checked.check = SL_CHECK_PII;
	checked.done = screen->action == SL_SCREEN_MASK ? SL_CHECK_MASKED : SL_CHECK_REDACTED;
	for (int kind = SL_PII_NONE + 1; kind < SL_PII_COUNT; kind++) {
		checked.number = screen->untold[kind];
		checked.what = sl_pii_name((enum sl_pii_kind)kind);
		if (checked.number)
			tell(owner, &checked);
	}
	checked.check = SL_CHECK_LIST;
	checked.done = SL_CHECK_REDACTED;
	for (uint32_t i = 0; screen->untold[SL_PII_NONE] && i < screen->list_count; i++) {
		checked.number = screen->untold_lists[i];
		checked.what = sl_validate_list_name(lists, i);
		if (checked.number)
			tell(owner, &checked);
	}
	memset(screen->untold, 0, sizeof(screen->untold));
	memset(screen->untold_lists, 0, sizeof(screen->untold_lists));
}

void sl_validate_tell_stop(const struct sl_screen *screen, const struct sl_config_paths *lists,
			   bool is_answer, enum sl_check_done done, sl_validate_tell_fn *tell,
			   void *owner)
{
	struct sl_checked checked = {.done = done, .is_answer = is_answer};

	if (!screen->count) { /* no match: it could not be looked at */
		checked.check = SL_CHECK_FORM;
	} else if (screen->last_kind == SL_PII_NONE) {
		checked.check = SL_CHECK_LIST;
		checked.what = sl_validate_list_name(lists, screen->last_list);
	} else {
		checked.check = SL_CHECK_PII;
		checked.what = sl_pii_name((enum sl_pii_kind)screen->last_kind);
	}
	tell(owner, &checked);
}
