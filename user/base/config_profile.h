/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_profile.h - `profile`: one line of the file that chooses defaults by what an outage costs.
 *
 * A profile is a table of other defaults, each with its reason. It comes between the two that the
 * reader knows already: what the file says counts, else what the profile says, else the key's own
 * default. Values are YAML as one would write it in the file and are read by the same code
 * (config_preset.c); nothing here names a path, an address or a pool, which only the file can know:
 * what a profile misses of these is config_advice.h.
 *
 * Constant data; any thread.
 */
#ifndef SL_BASE_CONFIG_PROFILE_H
#define SL_BASE_CONFIG_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Numbers are kept in pinned maps (struct sl_settings): none is ever given to another. */
enum sl_profile {
	SL_PROFILE_NONE = 0, /* the keys' own defaults */
	SL_PROFILE_PERSONAL,
	SL_PROFILE_MVP,
	SL_PROFILE_ENTERPRISE,
	SL_PROFILE_SAAS,
	SL_PROFILE_CRITICAL,
	SL_PROFILES
};

/* A row's key that begins so is a number of the top level's `tunables`. */
#define SL_PROFILE_TUNABLE "tunables."

#define SL_PROFILE_BIT(profile) (1u << (profile))

struct sl_profile_info {
	const char *name;
	const char *purpose; /* whom it is for: a sentence */
};

/* By enum sl_profile; "none" first. */
extern const struct sl_profile_info sl_profiles[SL_PROFILES];

/* The names, "none" first, NULL last. */
extern const char *const sl_profile_names[];

/* One default of some profiles. */
struct sl_profile_row {
	uint32_t profiles; /* SL_PROFILE_BIT()s */
	unsigned section;  /* enum sl_config_section */
	const char *key;
	const char *value;
	const char *why; /* a sentence */
	bool pinned;	 /* the key's own default too, on purpose: it stays when that one changes */
};

/* By its number; NULL behind the last. */
const struct sl_profile_row *sl_profile_at(size_t index);

/* What the profile says of a key; NULL: nothing. At most one row does. */
const struct sl_profile_row *sl_profile_find(enum sl_profile profile, unsigned section,
					     const char *key);

/* The number that the profile gives to a tunable (enum sl_tunable); false: none. */
bool sl_profile_tunable(enum sl_profile profile, int id, uint64_t *ret_value);

/* docs/profiles.md's tables: what each profile sets, and what it recommends. */
void sl_profile_write_table(FILE *file);

#endif
