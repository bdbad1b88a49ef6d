/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * status_beacon.h - what a node's beacon said last, for the status.
 */
#ifndef SL_LOADER_STATUS_BEACON_H
#define SL_LOADER_STATUS_BEACON_H

#include "loader/status.h"

/* A line below the node's; nothing where the node never sent a beacon. */
void sl_status_beacon_text(const struct sl_status_look *look, uint32_t slot, struct sl_text *text);

/* `"beacon": {...}, ` or `"beacon": null, `. */
void sl_status_beacon_json(const struct sl_status_look *look, uint32_t slot, struct sl_text *text);

#endif
