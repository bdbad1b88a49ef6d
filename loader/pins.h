/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pins.h - the directory on bpffs that holds everything `sluice up` makes.
 *
 *   DIR/settings, DIR/nodes, ...   the maps, by the names of abi.h; `settings` is pinned last, so
 *                                  its presence means that all maps are there
 *   DIR/attached/...               one record for each attachment, see record.h
 *   DIR/calls/NAME:ID              the arrays that the loaded programs make their tail calls
 *                                  through, by the map's id, see object.h
 *
 * Nothing is kept anywhere else: what is not below DIR does not exist. bpffs allows no dot in a
 * name. All functions say on stderr what failed before they return an error.
 */
#ifndef SL_LOADER_PINS_H
#define SL_LOADER_PINS_H

#include <stdbool.h>
#include <stdint.h>
#include "user/base/config.h"

#define SL_PINS_PATH_MAX 512u
#define SL_PINS_RECORDS	 "attached"
#define SL_PINS_CALLS	 "calls"
#define SL_PINS_MARK	 "settings" /* the map whose pin says that `up` got through its maps */

/*
 * The directory to use: --pin-dir, else $SLUICE_PIN_DIR, else the configuration's (may be NULL),
 * else SL_PIN_DIR. Borrowed from its source.
 */
const char *sl_pins_dir(const char *option, const struct sl_config *config);

/*
 * Makes the directory, mounting bpffs at SL_PIN_ROOT where it is missing, and locks it against a
 * second `up` or `down`. On success *ret_lock_fd keeps the lock until it is closed.
 * -EBUSY: another command holds it; -ENODEV: not on bpffs and not mountable; else mkdir's error.
 */
int sl_pins_prepare(const char *dir, int *ret_lock_fd);

/* Locks an existing directory. -ENOENT without a message when there is none; -EBUSY as above. */
int sl_pins_lock(const char *dir, int *ret_lock_fd);

/* Whether the maps are all there, or whether anything is there at all. */
bool sl_pins_complete(const char *dir);
bool sl_pins_empty(const char *dir);

/*
 * Whether the kernel plane of another ABI version is up in a directory beside this one: where DIR
 * ends in `vN`, another `vM` with complete maps. The lowest of several is told.
 */
bool sl_pins_find_version(const char *dir, char ret_path[SL_PINS_PATH_MAX], uint32_t *ret_version);

/* DIR/NAME. Returns `path`; one that does not fit is empty and fails where it is used. */
const char *sl_pins_path(const char *dir, const char *name, char path[SL_PINS_PATH_MAX]);

/*
 * Unpins every map and removes the directories, and `sluice` above them when it is empty.
 * The attachments must be gone. The first error is returned, the rest is still removed.
 */
int sl_pins_remove(const char *dir);

#endif
