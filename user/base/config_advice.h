/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config_advice.h - what a profile recommends and only the file can say: paths, addresses, pools.
 *
 * A profile turns nothing on that writes to a disk, opens a port or calls somebody whom the file does
 * not name. It says so instead: `sluice check --explain` shows each such lack with the line to add.
 * Advice is no complaint: a configuration without any of it is a good one. Pure; any thread.
 */
#ifndef SL_BASE_CONFIG_ADVICE_H
#define SL_BASE_CONFIG_ADVICE_H

#include <stdint.h>
#include <stdio.h>
#include "user/base/config.h"

#define SL_ADVICE_LINE_SIZE 256u

struct sl_advice {
	const char *key;		/* "audit.file" */
	char line[SL_ADVICE_LINE_SIZE]; /* to add; for the first pool or route that lacks it */
	const char *why;		/* a sentence */
	uint32_t others;		/* further pools or routes that lack it too */
};

/* Calls fn for each thing that the configuration's profile recommends and the file lacks. */
void sl_advice_each(const struct sl_config *config,
		    void (*fn)(void *owner, const struct sl_advice *advice), void *owner);

/* The part of docs/profiles.md: what a profile recommends; nothing where that is nothing. */
void sl_advice_write_table(FILE *file, enum sl_profile profile);

#endif
