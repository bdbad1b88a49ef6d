/* SPDX-License-Identifier: BSD-2-Clause */
/* replace.h - a file's text replaced whole. Any thread; one a file at a time. */
#ifndef SL_BASE_REPLACE_H
#define SL_BASE_REPLACE_H

#include "user/base/text.h"

/*
 * Writes a new file beside it, mode 0600 and with the old one's owner, syncs it, renames it over the
 * old one and syncs the directory: a crash leaves the old text or the new one, and maybe FILE.new.PID,
 * which the next writer of that number replaces. A symbolic link stays one. 0 or -errno.
 */
int sl_replace_file(const char *path, const struct sl_text *text);

/* The same of parts, one behind the other. */
int sl_replace_file_parts(const char *path, const struct sl_span *parts, size_t part_count);

#endif
