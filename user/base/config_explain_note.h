/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_explain_note.h - the reader's side of config_explain.h. Each call does nothing where nobody
 * asked for an explanation, or while a profile's own value is read. Internal to config*.c. One thread.
 */
#ifndef SL_BASE_CONFIG_EXPLAIN_NOTE_H
#define SL_BASE_CONFIG_EXPLAIN_NOTE_H

#include "user/base/config_explain.h"
#include "user/base/config_reader.h"

/* A key of the section at r->path gets its preset, by the profile (row) or its own (NULL). */
void sl_explain_preset(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_profile_row *row);

/* The file says it; r->path is the key's. */
void sl_explain_file(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node);

/* The same of a tunable: r->path is that of the map, or (node not NULL) of the number. */
void sl_explain_tunable(struct sl_config_reader *r, unsigned id, const struct sl_yaml *node);

/* Each path once, with what was noted last. 0 or -ENOMEM. */
int sl_explain_finish(struct sl_config_explain *explain, struct sl_arena *arena);

#endif
