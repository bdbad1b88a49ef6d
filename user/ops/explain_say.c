/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/explain_say.h"

#include "user/request/trail_text.h"

void sl_explain_say(const struct sl_threads *threads, const char *id, bool json,
		    struct sl_text *text)
{
	struct sl_upstream_state state = sl_threads_upstream(&threads->shared);
	struct sl_trail trail, newest;
	bool found = false;
	uint32_t i;

	for (i = 0; i < threads->count; i++) {
		if (!sl_trails_find(&threads->workers[i]->trails, id, &trail) ||
		    (found && trail.start_ns < newest.start_ns))
			continue;
		newest = trail;
		found = true;
	}
	if (found && json)
		sl_trail_write_json(&newest, &state, text);
	else if (found)
		sl_trail_write_text(&newest, &state, text);
}
