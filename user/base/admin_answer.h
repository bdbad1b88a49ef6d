/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin_answer.h - what the daemon says to whoever connects to its admin socket and says nothing.
 *
 * The client half-closes; it gets one line with one JSON object, then the end of the stream:
 *
 *	{"pid":4711,"abi":1,"kernel_plane":"memory","io":"io_uring","draining":false,"profile":"mvp"}
 *
 * Without a kernel plane the descriptor of the shared memory (shared_state.h) travels with it
 * (SCM_RIGHTS). A reader takes the members it knows and passes over the others, whatever they hold,
 * so that a daemon may say more than the command of yesterday understands. Pure functions.
 */
#ifndef SL_BASE_ADMIN_ANSWER_H
#define SL_BASE_ADMIN_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_ADMIN_SOCKET_DEFAULT	  "/run/sluice/admin.sock"
#define SL_ADMIN_ANSWER_BYTES_MAX 4096u /* of a line that a reader takes */
#define SL_ADMIN_ANSWER_PARTS_MAX 64u	/* members of it */

struct sl_admin_answer {
	uint32_t pid;
	uint32_t abi; /* SL_ABI_VERSION of the daemon */
	bool memory;  /* no kernel plane: the shared memory comes along */
	bool draining;
	char io[16];	  /* name of the event back end */
	char profile[16]; /* "none" without one; "" of a daemon that knew of none */
};

/* Writes the line with its end. Returns its length, 0 when it does not fit into size. */
size_t sl_admin_answer_format(const struct sl_admin_answer *answer, char *line, size_t size);

/*
 * Reads one. -EPROTO: no JSON object of at most SL_ADMIN_ANSWER_PARTS_MAX members, `abi` or
 * `kernel_plane` is missing, or one of them is not what it has to be. Others that are missing are
 * 0, false and "".
 */
int sl_admin_answer_parse(const char *line, size_t len, struct sl_admin_answer *ret_answer);

#endif
