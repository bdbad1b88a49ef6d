/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stores.h - what the stages of all threads share (struct sl_stores of stage/stage.h): opened once at the
 * start, told of each new configuration, closed when the threads have ended. One line a store in each of
 * the three, in the order in which they need each other. Thread: the control thread.
 */
#ifndef SL_OPS_STORES_H
#define SL_OPS_STORES_H

#include "user/stage/stage.h"

/*
 * Opens all that the configuration asks for. A store that cannot be opened is said in the log and left
 * out: its stage steps down, the daemon serves. Returns 0, or -errno where threads or memory are missing.
 */
int sl_stores_open(const struct sl_config *config, struct sl_stores *ret_stores);

/*
 * May this configuration, that was just read, be put into force? Files that it names and that must be good
 * (lists of patterns) are read. Returns 0, or -EINVAL, said in the log.
 */
int sl_stores_accept(struct sl_stores *stores, const struct sl_config *config);

/* Once a second: files that are read again when they change. */
void sl_stores_poll(struct sl_stores *stores, const struct sl_config *config);

/* A new configuration is in force; the workers may be using the stores meanwhile. */
void sl_stores_apply(struct sl_stores *stores, const struct sl_config *config);

/* Jobs first: after that no thread but this one is in any store. */
void sl_stores_close(struct sl_stores *stores);

#endif
