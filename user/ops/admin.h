/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.h - the admin socket: how the `sluice` command reaches the daemon.
 *
 * Whoever connects gets one JSON line (base/admin_answer.h) and, without a kernel plane, the
 * descriptor of the shared memory, so that `sluice` reads and steers the same structs in both modes.
 * The socket's mode (0600) is the access control. Thread: control.
 */
#ifndef SL_OPS_ADMIN_H
#define SL_OPS_ADMIN_H

#include "user/base/admin_answer.h"
#include "user/io/socket.h"

#define SL_ADMIN_PATH_BYTES 108u /* sun_path */

struct sl_admin {
	struct sl_listener listener;
	char path[SL_ADMIN_PATH_BYTES]; /* "" while it is not open */
	/* Fills the answer in. Returns the descriptor that goes with it, or -1. */
	int (*describe)(void *owner, struct sl_admin_answer *answer);
	void *owner;
};

/* Listens on `path`; NULL: does nothing. What fails is logged: without the socket the daemon serves
 * all the same. */
void sl_admin_open(struct sl_admin *admin, struct sl_loop *loop, const char *path);

/* Removes the socket's file. */
void sl_admin_close(struct sl_admin *admin);

#endif
