/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_item.h - things of the configuration that come in any number and have keys of their own.
 *
 *   rules:          SL_CONFIG_ITEM_LIST        tools:            SL_CONFIG_ITEM_MAP
 *     - {load: 80}                               weather: {pool: meteo}
 *
 * Each becomes a struct that begins with a struct sl_config_item, whose size config_key.c has.
 */
#ifndef SL_BASE_CONFIG_ITEM_H
#define SL_BASE_CONFIG_ITEM_H

#include <stdint.h>

struct sl_config_item {
	const char *name; /* in a map; NULL in a list */
	unsigned line;	  /* in the file */
	unsigned column;
};

/* A list of names, or of any words. */
struct sl_config_names {
	const char **names;
	uint32_t count;
};

struct sl_config_items {
	void *items; /* an array of the section's struct; NULL: none */
	uint32_t count;
};

#endif
