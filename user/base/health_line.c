/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/health_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_SIZE 512u

static void put_word(struct sl_text *text, const char *word)
{
	sl_text_append_string(text, *word ? " " : " -");
	for (; *word; word++)
		sl_text_append_char(text, (unsigned char)*word > ' ' ? *word : '_');
}

static void clear_none(char *word)
{
	if (!strcmp(word, "-"))
		*word = '\0';
}

void sl_health_line_write(const struct sl_health_line *line, struct sl_text *text)
{
	sl_text_printf(text, "%" PRIu32 " %" PRIu32 " %s %" PRIu32 " %d %" PRIu32, line->slot,
		       line->incarnation, line->check, line->zombies, line->doubtful,
		       line->held_ms);
	put_word(text, line->ring);
	put_word(text, line->zone);
	put_word(text, line->region);
	sl_text_append_char(text, '\n');
}

bool sl_health_line_read(const char **at, struct sl_health_line *ret_line)
{
	const char *end = strchr(*at, '\n');
	struct sl_health_line line = {0};
	unsigned doubtful;
	char memory[LINE_SIZE];

	if (!end || (size_t)(end - *at) >= sizeof(memory))
		return false;
	memcpy(memory, *at, (size_t)(end - *at));
	memory[end - *at] =
		'\0'; /* a daemon that says less must not lend it the next line's words */
	if (sscanf(memory,
		   "%" SCNu32 " %" SCNu32 " %11[a-z_] %" SCNu32 " %u %" SCNu32 " %11s %32s %32s",
		   &line.slot, &line.incarnation, line.check, &line.zombies, &doubtful,
		   &line.held_ms, line.ring, line.zone, line.region) < 6)
		return false;
	clear_none(line.ring);
	clear_none(line.zone);
	clear_none(line.region);
	line.doubtful = doubtful != 0;
	*at = end + 1;
	*ret_line = line;
	return true;
}
