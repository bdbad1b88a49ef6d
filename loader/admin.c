/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/admin.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "loader/say.h"
#include "user/base/clock.h"

/* Room for more descriptors than are wanted: those of a future daemon are closed, not lost. */
#define DESCRIPTORS_MAX 4u
#define PART_BYTES	65536u /* of an answer, read at once */

/* What has come so far. */
struct answer_buffer {
	char bytes[SL_ADMIN_ANSWER_BYTES_MAX];
	size_t len;
	int memory_fd;
};

const char *sl_admin_path(const char *option)
{
	const char *environment = getenv("SLUICE_ADMIN_SOCKET");

	if (option)
		return option;
	return environment && *environment ? environment : SL_ADMIN_SOCKET_DEFAULT;
}

/* A connect waits only while the daemon's queue of connections is full. */
static int connect_to(const char *path, int *ret_fd)
{
	struct timeval wait = {SL_ADMIN_WAIT_MS / 1000u, SL_ADMIN_WAIT_MS % 1000u * 1000};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t path_len = strlen(path);
	int fd, error;

	if (path_len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, path_len + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) &&
	    !connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		*ret_fd = fd;
		return 0;
	}
	error = errno == EAGAIN ? -ETIMEDOUT : -errno;
	close(fd);
	return error;
}

/* Keeps the first descriptor of the message, closes every other. */
static void take_descriptors(struct msghdr *message, struct answer_buffer *buffer)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part;
	     part = CMSG_NXTHDR(message, part)) {
		size_t count;

		if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
			continue;
		count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(fd));
			if (buffer->memory_fd < 0)
				buffer->memory_fd = fd;
			else
				close(fd);
		}
	}
}

/* One message. Returns its bytes, 0 at the end, or -errno. */
static ssize_t receive(int fd, struct answer_buffer *buffer)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
	struct iovec room = {buffer->bytes + buffer->len, sizeof(buffer->bytes) - buffer->len};
	struct msghdr message = {
		.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got;

	if (!room.iov_len)
		return -EPROTO;
	got = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (got < 0)
		return -errno;
	take_descriptors(&message, buffer);
	buffer->len += (size_t)got;
	return got;
}

/* Reads until the line has its end or the stream has. */
static int receive_line(int fd, struct answer_buffer *buffer)
{
	uint64_t until_ms = sl_clock_ms() + SL_ADMIN_WAIT_MS;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	ssize_t got = 1;

	while (got > 0 && !memchr(buffer->bytes, '\n', buffer->len)) {
		uint64_t now_ms = sl_clock_ms();

		if (now_ms >= until_ms)
			return -ETIMEDOUT;
		if (poll(&wait, 1, (int)(until_ms - now_ms)) < 0 && errno != EINTR)
			return -errno;
		got = receive(fd, buffer);
		if (got == -EAGAIN || got == -EINTR)
			got = 1; /* the deadline ends it */
	}
	return got < 0 ? (int)got : 0;
}

int sl_admin_ask(const char *path, struct sl_admin_answer *ret_answer, int *ret_memory_fd)
{
	struct answer_buffer buffer = {.memory_fd = -1};
	int fd = -1;
	int error = connect_to(path, &fd);

	if (error)
		return error;
	(void)shutdown(fd, SHUT_WR); /* nothing is said: the answer comes at once */
	error = receive_line(fd, &buffer);
	close(fd);
	if (!error)
		error = sl_admin_answer_parse(buffer.bytes, buffer.len, ret_answer);
	if (!error && ret_memory_fd)
		*ret_memory_fd = buffer.memory_fd;
	else if (buffer.memory_fd >= 0)
		close(buffer.memory_fd);
	return error;
}

/* Reads to the end of the stream; waits only when there is nothing to read. */
static int receive_all(int fd, struct sl_text *reply)
{
	uint64_t until_ms = sl_clock_ms() + SL_ADMIN_WAIT_MS;
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char part[PART_BYTES];

	for (;;) {
		ssize_t got = recv(fd, part, sizeof(part), MSG_DONTWAIT);
		uint64_t now_ms = sl_clock_ms();

		if (got == 0)
			return 0;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (got > 0 && sl_text_append(reply, part, (size_t)got))
			return reply->error;
		if (now_ms >= until_ms)
			return -ETIMEDOUT;
		if (got < 0 && poll(&wait, 1, (int)(until_ms - now_ms)) < 0 && errno != EINTR)
			return -errno;
	}
}

/* All of it; the daemon takes what it is sent, so this waits for no more than the socket's buffer. */
static int send_all(int fd, struct sl_span bytes)
{
	while (bytes.len) {
		ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		bytes = sl_span_make(bytes.data + sent, bytes.len - (size_t)sent);
	}
	return 0;
}

int sl_admin_send(const char *path, const char *line, struct sl_span body, struct sl_text *reply)
{
	int fd = -1;
	int error = connect_to(path, &fd);

	if (error)
		return error;
	error = send_all(fd, sl_span_string(line));
	if (!error)
		error = send_all(fd, SL_SPAN("\n"));
	if (!error)
		error = send_all(fd, body);
	if (!error || error == -EPIPE) /* who refuses it early has said why */
		error = receive_all(fd, reply);
	close(fd);
	return error;
}

int sl_admin_say(const char *path, const char *line, struct sl_text *reply)
{
	return sl_admin_send(path, line, SL_SPAN(""), reply);
}

int sl_admin_order(const char *path, const char *line, struct sl_span body, const char *next,
		   struct sl_text *reply)
{
	int error;

	sl_text_reset(reply);
	error = sl_admin_send(path, line, body, reply);
	if (error)
		return sl_say_error("systemctl status sluiced", "no daemon answers at %s: %s", path,
				    strerror(-error));
	if (sl_text_string(reply)[0] == '!')
		return sl_say_error(next, "%s", sl_text_string(reply) + 1);
	return SL_EXIT_OK;
}

int sl_admin_show(const char *path, const char *line, const char *next)
{
	struct sl_text reply;
	int exit_code;

	sl_text_init(&reply, SL_ADMIN_REPLY_BYTES_MAX);
	exit_code = sl_admin_order(path, line, SL_SPAN(""), next, &reply);
	if (!exit_code)
		fputs(sl_text_string(&reply), stdout);
	sl_text_fini(&reply);
	return exit_code;
}
