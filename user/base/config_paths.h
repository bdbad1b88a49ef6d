/* SPDX-License-Identifier: BSD-2-Clause */
/* config_paths.h - a list of files in the configuration. */
#ifndef SL_BASE_CONFIG_PATHS_H
#define SL_BASE_CONFIG_PATHS_H

#include <stdint.h>

#define SL_CONFIG_PATHS_MAX 16u

struct sl_config_paths {
	const char *paths[SL_CONFIG_PATHS_MAX]; /* absolute */
	uint32_t count;
};

#endif
