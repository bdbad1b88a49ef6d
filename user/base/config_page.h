/* SPDX-License-Identifier: BSD-2-Clause */
/* config_page.h - `page`: the status page of the daemon on a port of this host. */
#ifndef SL_BASE_CONFIG_PAGE_H
#define SL_BASE_CONFIG_PAGE_H

#include <stdint.h>
#include "bpf/abi.h"

struct sl_config_page {
	struct sl_endpoint listen; /* a loopback address; port 0: the admin socket alone */
	const char *token_file;
	uint32_t interval_ms; /* between two snapshots */
};

#endif
