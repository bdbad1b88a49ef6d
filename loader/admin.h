/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.h - asks the daemon over its admin socket.
 *
 * The daemon answers each connection with one line and, where it works without a kernel plane, with
 * the descriptor of its shared memory. sl_admin_say() sends one line and gets an answer of its own. A
 * daemon that is stopped or stuck costs
 * SL_ADMIN_WAIT_MS for the connect and as much for the answer, no more.
 */
#ifndef SL_LOADER_ADMIN_H
#define SL_LOADER_ADMIN_H

#include "user/base/admin_answer.h"
#include "user/base/text.h"

#define SL_ADMIN_WAIT_MS	 2000u
#define SL_ADMIN_REPLY_BYTES_MAX (2u << 20)

/* The socket to ask: --admin-socket, else $SLUICE_ADMIN_SOCKET, else SL_ADMIN_SOCKET_DEFAULT. */
const char *sl_admin_path(const char *option);

/*
 * Asks once; says nothing on stderr. *ret_memory_fd is the descriptor that came along, the caller's
 * to close, or -1; pass NULL to have it closed. On failure both outputs are untouched:
 * -ENOENT, -ECONNREFUSED: no daemon there; -EACCES: not allowed; -ETIMEDOUT: it does not answer;
 * -EPROTO: what it said is no answer; -ENAMETOOLONG; else what a system call returned.
 */
int sl_admin_ask(const char *path, struct sl_admin_answer *ret_answer, int *ret_memory_fd);

/*
 * Says one line (without its end) and appends all that comes back, up to
 * SL_ADMIN_REPLY_BYTES_MAX. 0, or as sl_admin_ask(). Nothing comes back from a daemon that does not
 * know the answer.
 */
int sl_admin_say(const char *path, const char *line, struct sl_text *reply);

/* The same with a body behind the line, which says its length. */
int sl_admin_send(const char *path, const char *line, struct sl_span body, struct sl_text *reply);

/*
 * The same for a person: what went wrong is said on stderr, that nobody answers, or what the daemon
 * refuses ("!WHY"), with `next`, the command to go on with. The reply is only this one's. Returns
 * SL_EXIT_OK or SL_EXIT_FAILED.
 */
int sl_admin_order(const char *path, const char *line, struct sl_span body, const char *next,
		   struct sl_text *reply);

/* sl_admin_order() whose whole reply, of at most SL_ADMIN_REPLY_BYTES_MAX, goes to stdout. */
int sl_admin_show(const char *path, const char *line, const char *next);

#endif
