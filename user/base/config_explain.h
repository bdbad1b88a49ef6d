/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_explain.h - what each key of a configuration is, and who said so: the file, its profile, or
 * nobody, so that its default counts.
 *
 * The reader itself notes each value at the moment it puts it into the configuration
 * (config_explain_note.h), so this cannot differ from what the daemon would do. For `sluice check`;
 * the daemon's own reading notes nothing. One thread.
 */
#ifndef SL_BASE_CONFIG_EXPLAIN_H
#define SL_BASE_CONFIG_EXPLAIN_H

#include "user/base/config.h"

/* One key. Strings live as long as the configuration. */
struct sl_config_said {
	struct sl_config_said *next; /* while the file is read */
	const char *path;	     /* routes[0].hedge.after */
	const char *section;	     /* routes[].hedge; "" for the top level */
	const char *key;	     /* after */
	const char *value;	     /* that counts, as one would write it; NULL: not set */
	const char *preset;	     /* the key's own default; NULL: none */
	const struct sl_profile_row
		*row;  /* what the profile says of it, overridden or not; or NULL */
	unsigned line; /* of the file; 0: the file does not say */
};

struct sl_config_explain {
	struct sl_config_said *first, *last; /* while the file is read */
	struct sl_config_said **said;	     /* each path once, in the order of the reference */
	size_t count;
	size_t noted;
	unsigned profile_line; /* of the key `profile`; 0: there is none */
};

/* As sl_config_read() and sl_config_parse(); *ret_explain is whole only where they return 0. */
int sl_config_explain_read(const char *path, struct sl_config **ret_config,
			   struct sl_config_explain *ret_explain, char **ret_errors);
int sl_config_explain_parse(const char *name, const char *text, size_t text_len,
			    struct sl_config **ret_config, struct sl_config_explain *ret_explain,
			    char **ret_errors);

/* "default", "profile" or "file". */
const char *sl_config_said_from(const struct sl_config_said *said);

#endif
