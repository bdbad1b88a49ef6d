/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pair.h - the two ends of a TCP connection on loopback, for unit tests under cmocka, which must be
 * included before.
 */
#ifndef SL_TESTS_UNIT_PAIR_H
#define SL_TESTS_UNIT_PAIR_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

/* Listens on a free port, which is returned; the descriptor does not block. */
static inline uint16_t sl_pair_listen(int *ret_fd)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*ret_fd = fd;
	return ntohs(address.sin_port);
}

/* Both ends of one connection. They block, as io_uring wants them. */
static inline void sl_pair_connect(int *ret_client, int *ret_server)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd;

	address.sin_port = htons(sl_pair_listen(&fd));
	*ret_client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(*ret_client, (struct sockaddr *)&address, sizeof(address)), 0);
	*ret_server = accept(fd, NULL, NULL);
	assert_true(*ret_server >= 0);
	close(fd);
}

#endif
