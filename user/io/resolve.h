/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * resolve.h - addresses of names, kept fresh by one thread that may wait for DNS so that no loop does.
 *
 *   state of a name   meaning                                       next question
 *   new               never answered; `trouble` says why not yet    at once, then every 1 s
 *   known             has addresses                                 every SL_RESOLVE_EVERY_MS
 *   stale             has addresses, the last question failed:      every SL_RESOLVE_FAILED_MS
 *                     they are kept, for DNS may be what is down
 *
 * The system's resolver (getaddrinfo) is asked, which tells no time to live: a name is asked for
 * again at a steady pace. Names are counted; the last put forgets one. Any thread.
 */
#ifndef SL_IO_RESOLVE_H
#define SL_IO_RESOLVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "user/base/error.h"

#define SL_RESOLVE_EVERY_MS	 30000u
#define SL_RESOLVE_FAILED_MS	 2000u
#define SL_RESOLVE_NAMES_MAX	 1024u
#define SL_RESOLVE_ADDRESSES_MAX 16u

struct sl_resolver;
struct sl_name;

int sl_resolver_open(struct sl_resolver **ret_resolver);
/* All names must be put. A question that the system's resolver holds up is left to end by itself. */
void sl_resolver_close(struct sl_resolver **resolver);

/* Begins to resolve. Returns NULL without memory, or with SL_RESOLVE_NAMES_MAX names. */
struct sl_name *sl_name_open(struct sl_resolver *resolver, const char *host, uint16_t port);
struct sl_name *sl_name_get(struct sl_name *name);
void sl_name_put(struct sl_name **name);

/*
 * The address number `turn` (modulo their count; IPv4 and IPv6 as the system orders them). False:
 * none is known yet, *error says why (may be NULL).
 */
bool sl_name_address(struct sl_name *name, uint32_t turn, struct sockaddr_storage *ret_address,
		     socklen_t *ret_len, struct sl_error *error);

/* Waits until the name has been asked for once, at most that long. Not for a loop's thread that
 * serves. */
void sl_name_wait(struct sl_name *name, uint32_t wait_ms);

#endif
