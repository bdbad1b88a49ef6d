/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/health.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "loader/admin.h"

int sl_health_ask(const char *daemon_socket, uint32_t node_slots, struct sl_health_look *ret_health)
{
	struct sl_health_line *lines = calloc(node_slots + 1u, sizeof(*lines));
	struct sl_health_line line;
	struct sl_text reply;
	const char *at;
	int rc;

	*ret_health = (struct sl_health_look){0};
	if (!lines)
		return -ENOMEM;
	sl_text_init(&reply, SL_HEALTH_LINES_BYTES_MAX);
	rc = sl_admin_say(daemon_socket, "health", &reply);
	at = sl_text_string(&reply);
	while (!rc && sl_health_line_read(&at, &line)) {
		if (line.slot && line.slot < node_slots)
			lines[line.slot] = line;
	}
	sl_text_fini(&reply);
	if (rc) {
		free(lines);
		return rc;
	}
	*ret_health = (struct sl_health_look){node_slots, lines};
	return 0;
}

void sl_health_fini(struct sl_health_look *health)
{
	free(health->lines);
	*health = (struct sl_health_look){0};
}

const struct sl_health_line *sl_health_of(const struct sl_health_look *health,
					  const struct sl_node_state *node, uint32_t slot)
{
	const struct sl_health_line *line = slot < health->count ? &health->lines[slot] : NULL;

	return line && line->slot && line->incarnation == node->incarnation ? line : NULL;
}

const char *sl_health_words(const struct sl_health_line *line, char text[SL_HEALTH_WORDS_SIZE])
{
	static const struct {
		const char *check, *words;
	} checks[] = {{"good", "checks good"},
		      {"unknown", "not checked yet"},
		      {"not_ready", "not ready"},
		      {"failing", "checks fail"}};
	struct sl_text words;
	const char *between = "";
	unsigned i;

	text[0] = '\0';
	if (!line)
		return text;
	sl_text_init_fixed(&words, text, SL_HEALTH_WORDS_SIZE);
	for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (strcmp(checks[i].check, line->check) != 0)
			continue;
		sl_text_append_string(&words, checks[i].words);
		between = ", ";
	}
	if (line->doubtful) {
		sl_text_printf(&words, "%sin doubt", between);
		between = ", ";
	}
	if (line->held_ms) {
		sl_text_printf(&words, "%sleft alone for %" PRIu32 ".%" PRIu32 " s", between,
			       line->held_ms / 1000, line->held_ms % 1000 / 100);
		between = ", ";
	}
	if (line->zombies)
		sl_text_printf(&words, "%szombie %" PRIu32 " times", between, line->zombies);
	if (line->zombies)
		between = ", ";
	if (line->zone[0])
		sl_text_printf(&words, "%szone %s", between, line->zone);
	between = line->zone[0] ? ", " : between;
	if (line->region[0])
		sl_text_printf(&words, "%sregion %s", between, line->region);
	return sl_text_string(&words);
}

void sl_health_json(const struct sl_health_line *line, struct sl_text *text)
{
	if (!line) {
		sl_text_append_string(text, "\"health\": null, ");
		return;
	}
	sl_text_printf(text,
		       "\"health\": {\"check\": \"%s\", \"zombies\": %" PRIu32
		       ", \"doubtful\": %s, \"held_ms\": %" PRIu32 ", \"ring\": \"%s\", \"zone\": ",
		       line->check, line->zombies, line->doubtful ? "true" : "false", line->held_ms,
		       line->ring);
	sl_text_append_json_string(text, line->zone);
	sl_text_append_string(text, ", \"region\": ");
	sl_text_append_json_string(text, line->region);
	sl_text_append_string(text, "}, ");
}
