/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * gather.h - sockets whose bytes may wait a little, so that many share a wake-up. Internal to io/.
 *
 * A patient socket (sl_socket_set_patient) is watched by an epoll set of its own, which the loop's
 * thread does not sleep on. What happens to all other sockets wakes the loop as ever.
 *
 *	state    the set                                     leaves by
 *	QUIET    one event of it wakes the loop              something came -> TIMED, due in coalesce_ns
 *	TIMED    is read when due, whatever else goes on     brought something -> due again in coalesce_ns
 *	                                                     brought nothing -> QUIET
 *
 * So a busy loop pays one wake-up for all patient sockets each coalesce_ns, one receive for each that
 * has something, and nothing when one becomes readable. Thread: the loop's.
 */
#ifndef SL_IO_GATHER_H
#define SL_IO_GATHER_H

#include <stdbool.h>
#include <stdint.h>

struct sl_loop;
struct sl_socket;
struct sl_gather;

/* Returns 0, -ENOMEM, -EMFILE. */
int sl_gather_open(struct sl_gather **ret_gather);
void sl_gather_close(struct sl_gather **gather);

/* For a back end to wait on: readable when a patient socket is. */
int sl_gather_fd(const struct sl_gather *gather);

/* Is the socket read by the gather, or to be? */
bool sl_gather_wants(const struct sl_socket *socket);
/* Both have no effect when it is so already. One that cannot be added is patient no more. */
void sl_gather_add(struct sl_socket *socket);
void sl_gather_remove(struct sl_socket *socket);

/* QUIET and with sockets: a back end has to tell sl_gather_woken() once when the fd is readable; it
 * is told so one time only. */
bool sl_gather_take_quiet(struct sl_loop *loop);
void sl_gather_woken(struct sl_loop *loop);

/* Until it is due; UINT64_MAX when QUIET. */
uint64_t sl_gather_wait_ns(const struct sl_loop *loop);
/* Reads what is there, if it is due: callbacks of sockets come from here. */
void sl_gather_run(struct sl_loop *loop);

#endif
