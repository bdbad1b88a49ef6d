/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_reader.h - what the readers of the configuration's parts share: where they are in the
 * file, how they complain, names, lists and scalars. Internal to config*.c. One thread.
 *
 *   config_read.c    sections, pools, services, routes, tunables; which reader takes which key
 *   config_scalar.c  numbers, choices, paths, addresses: one value each
 *   config_kernel.c  the lists of the kernel plane: devices, beacons, prefixes, spills
 *   config_item.c    lists and maps of what has keys of its own; sets of choices
 *   config_preset.c  what keys are that the file does not name
 *   config_spend.c   prices and amounts of money
 *   config_reader.c  the rest of this header
 */
#ifndef SL_BASE_CONFIG_READER_H
#define SL_BASE_CONFIG_READER_H

#include "user/base/arena.h"
#include "user/base/config.h"
#include "user/base/config_explain.h"
#include "user/base/config_key.h"
#include "user/base/report.h"
#include "user/base/yaml.h"

#define SL_READER_PATH_SIZE 512u

struct sl_config_reader {
	struct sl_config *config;
	struct sl_arena *arena;
	struct sl_report *report;
	struct sl_text path; /* of the value at hand: pools.chat.nodes[1].weight */
	char path_memory[SL_READER_PATH_SIZE];
	bool no_memory;
	struct sl_yaml **settings; /* the profile's rows, by their number; NULL: no profile */
	struct sl_config_explain *explain; /* NULL: nobody asked */
	unsigned quiet; /* above 0: a preset is being read, which is noted as a whole */
};

/* Says what is wrong at the value at hand. */
#define SL_COMPLAIN(r, at, format, ...)                                   \
	sl_report_add((r)->report, (at).line, (at).column, "%s: " format, \
		      sl_text_string(&(r)->path), ##__VA_ARGS__)

/* As much of a value as a message shows. */
#define SL_SHOWN "\"%.60s\""

/* Enter a key or a list's item; the result goes to pop, which leaves it. */
size_t sl_reader_push_name(struct sl_config_reader *r, const char *name);
size_t sl_reader_push_index(struct sl_config_reader *r, unsigned index);
void sl_reader_pop(struct sl_config_reader *r, size_t before);

/* Zeroed, from the arena; NULL sets no_memory. */
void *sl_reader_allocate(struct sl_config_reader *r, size_t count, size_t item_size);

/* Complains that the scalar `what` ("is too small"), and shows what the key takes. */
void sl_reader_wrong(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, const char *what);

/* The same of a word that is none of the key's choices: the one that was probably meant. */
void sl_reader_wrong_choice(struct sl_config_reader *r, const struct sl_config_key *key,
			    const struct sl_yaml *node);

/* The name that is close to the word, as " (did you mean ...?)", or "". */
const char *sl_reader_hint(struct sl_config_reader *r, const char *word, const char *const *names,
			   size_t count);

/* Letters, digits and `others`; the first is a letter or digit. Returns what is wrong or NULL. */
const char *sl_reader_check_name(const char *name, size_t len, size_t len_max, const char *others);

/* Index of the pool, or UINT32_MAX after a complaint. */
uint32_t sl_reader_find_pool(struct sl_config_reader *r, const struct sl_yaml *node);

/* ---- lists: a scalar stands for a list of one ---- */

unsigned sl_reader_item_count(const struct sl_yaml *node);
const struct sl_yaml *sl_reader_item_at(const struct sl_yaml *node, unsigned index);

/* False (and said) when there are more than the key takes. */
bool sl_reader_check_count(struct sl_config_reader *r, const struct sl_config_key *key,
			   const struct sl_yaml *node, unsigned count);

/* False (and said) when the item is not a usable scalar. */
bool sl_reader_check_scalar(struct sl_config_reader *r, const struct sl_yaml *item,
			    const char *expected);

/* ---- scalars ---- */

/* Reads "ADDRESS:PORT"; complaints show what the file says, not what the environment put there. */
bool sl_reader_parse_endpoint(struct sl_config_reader *r, const struct sl_yaml *node,
			      struct sl_endpoint *ret_endpoint);

/* Reads one value of a scalar type into the field of the section's target; complains else. */
void sl_reader_scalar(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node, void *target);

/* One number of a row of tunables; complains else. */
void sl_reader_tunable(struct sl_config_reader *r, unsigned id, const struct sl_yaml *node,
		       uint64_t *row);

/* ---- what the file does not name (config_preset.c) ---- */

/* Finds the profile; an unknown one is left to the key's own reading. 0, -EINVAL, -ENOMEM. */
int sl_reader_profile(struct sl_config_reader *r, const struct sl_yaml *root);

/* The global row of tunables. */
void sl_reader_tunable_presets(struct sl_config_reader *r);

/* One key's, into the field of the section's target. */
void sl_reader_preset(struct sl_config_reader *r, const struct sl_config_key *key, void *target);

/* Those of the section, and of the sections in it. */
void sl_reader_presets(struct sl_config_reader *r, enum sl_config_section section, void *target);

/* ---- parts ---- */

/* A value of any type, into the field of the section's target. */
void sl_reader_value(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, void *target);

/* A map, or nothing: presets, then each key, into the section's target. */
void sl_reader_section(struct sl_config_reader *r, enum sl_config_section section,
		       const struct sl_yaml *node, void *target);

void sl_reader_devices(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node);
void sl_reader_prefixes(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node);
void sl_reader_beacon_keys(struct sl_config_reader *r, const struct sl_config_key *key,
			   const struct sl_yaml *node);
void sl_reader_beacon_targets(struct sl_config_reader *r, const struct sl_config_key *key,
			      const struct sl_yaml *node);
void sl_reader_beacon_nodes(struct sl_config_reader *r, const struct sl_config_key *key,
			    const struct sl_yaml *node);

/* config_item.c */
void sl_reader_items(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, struct sl_config_items *items);
void sl_reader_set(struct sl_config_reader *r, const struct sl_config_key *key,
		   const struct sl_yaml *node, uint32_t *set);

/* config_spend.c */
void sl_reader_prices(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node);
void sl_reader_money(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, uint64_t *target);

/* Fallback pools, once all pools have their names. */
void sl_reader_spills(struct sl_config_reader *r, const struct sl_yaml *pools);

#endif
