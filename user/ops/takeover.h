/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * takeover.h - a new sluiced takes the listening sockets of the running one over.
 *
 *   new process                       admin socket of the old one        old process
 *   reads its configuration
 *   "takeover"                   -->
 *                                <--  "takeover COUNT IO", COUNT sockets  goes on serving
 *   serves on them, beside the old one
 *   "go"                         -->
 *                                <--  "ok"                                takes no new connections;
 *   opens the admin socket anew                                          ends with its last one
 *
 * The sockets are the same ones (SCM_RIGHTS), so a connection that waits in a backlog is lost by
 * nobody: whichever process accepts it serves it. Until "go" the old process changes nothing: a new
 * one that refuses its configuration, cannot start or dies leaves it serving. Both must use the same
 * event back end, because a socket that is shared is blocking or not for both.
 *
 * The new process's side, on the starting thread, blocking with SL_TAKEOVER_WAIT_MS at each step.
 */
#ifndef SL_OPS_TAKEOVER_H
#define SL_OPS_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>
#include "user/ops/threads.h"

#define SL_TAKEOVER_WAIT_MS	5000u
#define SL_TAKEOVER_BATCH	64u /* descriptors in one message; the kernel allows 253 */
#define SL_TAKEOVER_SOCKETS_MAX (SL_THREADS_MAX * SL_CONFIG_LISTEN_MAX)

struct sl_takeover {
	int fd; /* the admin connection; -1: nothing was taken over */
	uint32_t count;
	int sockets[SL_TAKEOVER_SOCKETS_MAX]; /* -1 once somebody else owns it */
	char io[16];			      /* back end of the old process */
};

/*
 * Asks the daemon at `path` for its sockets. 0; -ENOENT, -ECONNREFUSED: there is none;
 * -EPROTO: it answers otherwise; -ETIMEDOUT; else what a call returned.
 */
int sl_takeover_ask(const char *path, struct sl_takeover *takeover);

/* The old process may go. 0, or -errno when it did not say that it does. */
int sl_takeover_go(struct sl_takeover *takeover);

/* Closes what nobody took. */
void sl_takeover_end(struct sl_takeover *takeover);

/* ---- the old process's side ------------------------------------------------------------------- */

/* Sends the line and the sockets over an admin connection. Returns 0 or -errno. */
int sl_takeover_give(int fd, const struct sl_threads *threads, const char *io);

#endif
