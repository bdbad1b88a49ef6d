/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * wait.h - a request's wait in the queue of a pool (room.h): when, for how long, and what is told.
 *
 *   it waits for   because                                                    at most
 *   a place        every node of the pool that would take it has as many      queue.wait in all,
 *                  requests as it takes, or others wait already               queue.spill where pools
 *                                                                             are behind
 *   a node         no pool of its chain has a node to ask, or no connection   queue.hold
 *                  could be made to any
 *
 * and never past its deadline: the route's total time-out or, if shorter, what the client says in one
 * of the header fields of wait.c.
 *
 * Whose pool is taken out of the configuration meanwhile goes by the route as it is then, with the
 * deadline and the attempts it has.
 *
 * A grant that came is tried at once, in the pool that was waited for. Whoever was refused a place,
 * or waited in vain, goes on to the next pool of its chain; without one it is told so. Its fiber ends
 * where the wait begins, and another one begins where it ends: a waiting request is its struct, its
 * arena and its body. Thread: the loop's.
 */
#ifndef SL_REQUEST_WAIT_H
#define SL_REQUEST_WAIT_H

#include "user/request/request.h"

/* Both: true when the request waits from now on, and sl_request_go_on() follows. */
bool sl_wait_for_place(struct sl_request *request);
bool sl_wait_for_node(struct sl_request *request);

/*
 * For a place, on the caller's fiber, which parks: the next attempt of a stream that broke. gone: its
 * client has left, and the fiber was woken. True: request->granted is a node of the pool.
 */
bool sl_wait_parked(struct sl_request *request, const struct sl_upstream_pool *pool,
		    const bool *gone);

/* The client of a waiting request is gone. True: the wait is over, and nothing follows. */
bool sl_wait_leave(struct sl_request *request);

/* Its class among those that wait: its key's, or a lower one that its client asks for. */
enum sl_key_class sl_wait_class(const struct sl_request *request);

/*
 * The pool it would wait in was taken away by a reload (MOVED). True: from now on the request goes by
 * its route of the new snapshot, from the start. False: there is none, or it moved before.
 */
bool sl_wait_move(struct sl_request *request);

/* Gives back a grant that was not used. */
void sl_wait_drop(struct sl_request *request);

/* Was the request refused a place, or waited for one in vain, and never sent to a node? */
bool sl_wait_refused(const struct sl_request *request);

/* Answers such a request. Returns the status. */
int sl_wait_respond(struct sl_request *request);

/* The time by which the client wants its answer; UINT64_MAX where it says none. */
uint64_t sl_wait_deadline_ns(const struct sl_request *request);

/* A header field by which clients say that time. */
bool sl_wait_is_timeout(const struct sl_h1_header *header);

#endif
