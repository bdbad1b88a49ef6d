/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upstream_conn.h - connections to nodes, those in use and those kept idle; what upstream.c needs of them. Who asks
 * a node takes and puts them by upstream.h. Thread: the loop's.
 */
#ifndef SL_UPSTREAM_UPSTREAM_CONN_H
#define SL_UPSTREAM_UPSTREAM_CONN_H

#include "user/upstream/upstream.h"

/* Their memory, and the timer that closes those that were idle for too long. The loop is set. */
void sl_upstream_conns_init(struct sl_upstream *up);

/* Closes the node's idle ones. */
void sl_upstream_forget_idle(struct sl_upstream_node *node);

#endif
