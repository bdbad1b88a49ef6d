/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/health_line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void sl_health_line_write(const struct sl_health_line *line, struct sl_text *text)
{
	sl_text_printf(text, "%" PRIu32 " %" PRIu32 " %s %" PRIu32 " %d %" PRIu32 "\n", line->slot,
		       line->incarnation, line->check, line->zombies, line->doubtful,
		       line->held_ms);
}

bool sl_health_line_read(const char **at, struct sl_health_line *ret_line)
{
	const char *end = strchr(*at, '\n');
	struct sl_health_line line = {0};
	unsigned doubtful;

	if (!end ||
	    sscanf(*at, "%" SCNu32 " %" SCNu32 " %11[a-z_] %" SCNu32 " %u %" SCNu32, &line.slot,
		   &line.incarnation, line.check, &line.zombies, &doubtful, &line.held_ms) != 6)
		return false;
	line.doubtful = doubtful != 0;
	*at = end + 1;
	*ret_line = line;
	return true;
}
