/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * address.h - "10.0.0.7:8000" and "[fd00::7]:8000" as struct sl_endpoint, and socket addresses.
 *
 * Numeric only: a name that DNS answers differently tomorrow must not silently move a node, and
 * nothing here may block. Both families share one key (v4-mapped, RFC 4291 section 2.5.5.2). Pure
 * functions, any thread.
 */
#ifndef SL_BASE_ADDRESS_H
#define SL_BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include "bpf/abi.h"
#include "user/base/error.h"

/* "[xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:xxxx:xxxx]:65535" and the terminator. */
#define SL_ADDRESS_TEXT_SIZE 64u

/*
 * The protocol is set to TCP and the padding to zero, so that the result can be a map key. Port
 * 1..65535. Error text says what is wrong and shows the form. 0 or -EINVAL.
 */
int sl_address_parse(const char *text, struct sl_endpoint *ret_endpoint, struct sl_error *error);

/* Returns out, for use as an argument. */
const char *sl_address_format(const struct sl_endpoint *endpoint, char out[SL_ADDRESS_TEXT_SIZE]);

/* The address alone, without brackets and port. */
const char *sl_address_format_host(const struct sl_addr *addr, char out[SL_ADDRESS_TEXT_SIZE]);

/* The address alone, "10.0.0.7" or "fd00::7". 0 or -EINVAL. */
int sl_address_parse_host(const char *text, struct sl_addr *ret_addr, struct sl_error *error);

/*
 * Stands for a node by name in maps that know addresses alone: one of the discard prefix 100::/64
 * (RFC 6666), to which nothing is ever sent, by a hash of pool and name, so that several pools may
 * lead to one provider. The same three give the same endpoint everywhere.
 */
void sl_address_from_name(const char *pool, const char *name, uint16_t port,
			  struct sl_endpoint *ret_endpoint);
bool sl_address_is_name(const struct sl_addr *addr);

bool sl_address_is_v4(const struct sl_addr *addr);
bool sl_address_is_loopback(const struct sl_addr *addr); /* 127.0.0.0/8 or ::1 */
bool sl_address_is_any(const struct sl_addr *addr);	 /* 0.0.0.0 or :: */
bool sl_address_equal(const struct sl_endpoint *a, const struct sl_endpoint *b);
uint16_t sl_address_port(const struct sl_endpoint *endpoint); /* host order */

/* AF_INET for v4-mapped addresses, AF_INET6 else. Returns the length for bind and connect. */
socklen_t sl_address_to_sockaddr(const struct sl_endpoint *endpoint,
				 struct sockaddr_storage *ret_address);

/* 0, or -EAFNOSUPPORT for any family but the two, -EINVAL when len is too short. */
int sl_address_from_sockaddr(const struct sockaddr *address, socklen_t len,
			     struct sl_endpoint *ret_endpoint);

#endif
