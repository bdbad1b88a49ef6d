/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top_ask.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "loader/admin.h"

#define REPLY_BYTES_MAX (SL_TOP_DOCUMENT_BYTES_MAX + 4096u) /* its head too */
#define LINE_BYTES	512u				    /* as the daemon takes it */
#define SELF		"/proc/self/exe"
#define WORDS_MAX	8u

/* Splits "HTTP/1.1 200 OK..." off. Returns the status, 0: that is no answer. */
static int cut_head(struct sl_span *answer)
{
	const char *end = memmem(answer->data, answer->len, "\r\n\r\n", 4);
	char status[4] = "";

	if (!end || answer->len < 13 || memcmp(answer->data, "HTTP/1.1 ", 9) != 0)
		return 0;
	memcpy(status, answer->data + 9, 3);
	answer->len -= (size_t)(end + 4 - answer->data);
	answer->data = end + 4;
	return atoi(status);
}

/* One request, without a body. Returns its status, or -errno. */
static int ask(const char *socket, const char *line, const char *fields, struct sl_text *reply,
	       struct sl_span *ret_body)
{
	struct sl_span body;
	int status;
	int error = sl_admin_send(socket, line, sl_span_string(fields), reply);

	if (error)
		return error;
	body = sl_text_span(reply);
	status = cut_head(&body);
	if (!status)
		return -EPROTO;
	*ret_body = body;
	return status;
}

int sl_top_ask(const char *socket, struct sl_text *json, struct sl_document **ret_document,
	       char why[SL_TOP_WHY_BYTES])
{
	struct sl_document *document;
	struct sl_span body = {0};
	struct sl_text reply;
	int status;

	sl_text_init(&reply, REPLY_BYTES_MAX);
	status = ask(socket, "GET /status.json HTTP/1.1\r", "host: localhost\r\n\r\n", &reply,
		     &body);
	document = status == 200 ? sl_document_read(body) : NULL;
	if (document) {
		sl_text_reset(json);
		sl_text_append_span(json, body);
		*ret_document = document;
	} else if (status > 0 && status != 200) {
		snprintf(why, SL_TOP_WHY_BYTES, "the daemon refuses its status: %d%s", status,
			 status == 503 ? ", too many look at it" : "");
		status = -EBUSY;
	} else {
		status = status == 200 ? -EPROTO : status;
		snprintf(why, SL_TOP_WHY_BYTES, "no daemon answers at %.80s: %s", socket,
			 status == -EPROTO ? "what it says is no status" : strerror(-status));
	}
	sl_text_fini(&reply);
	return document ? 0 : status;
}

void sl_top_ask_value(struct sl_text *text, const char *value)
{
	for (; *value; value++) {
		if (isascii(*value) && isalnum(*value))
			sl_text_append_char(text, *value);
		else
			sl_text_printf(text, "%%%02X", (unsigned char)*value);
	}
}

bool sl_top_ask_deed(const char *socket, const char *deed, char said[SL_TOP_WHY_BYTES])
{
	struct sl_document *document;
	struct sl_span body = {0};
	char line[LINE_BYTES];
	struct sl_text reply;
	const char *words;
	int status;

	if ((size_t)snprintf(line, sizeof(line), "POST /act/%s HTTP/1.1\r", deed) >= sizeof(line)) {
		snprintf(said, SL_TOP_WHY_BYTES, "that name is too long for the daemon");
		return false;
	}
	sl_text_init(&reply, REPLY_BYTES_MAX);
	status = ask(socket, line,
		     "host: localhost\r\nx-sluice-page: 1\r\ncontent-length: 0\r\n\r\n", &reply,
		     &body);
	document = status > 0 ? sl_document_read(body) : NULL;
	words = sl_document_string(document, "done");
	if (!*words)
		words = sl_document_string(sl_document_member(document, "error"), "message");
	if (status < 0)
		snprintf(said, SL_TOP_WHY_BYTES, "no daemon answers: %s", strerror(-status));
	else if (*words)
		snprintf(said, SL_TOP_WHY_BYTES, "%.*s", (int)SL_TOP_WHY_BYTES - 1, words);
	else
		snprintf(said, SL_TOP_WHY_BYTES, "the daemon refuses: %d", status);
	sl_document_free(&document);
	sl_text_fini(&reply);
	return status == 200;
}

/* Reads to the end; keeps the first line. */
static void read_line(int fd, char said[SL_TOP_WHY_BYTES])
{
	char rest[256] = "";
	size_t len = 0;
	ssize_t got;

	do {
		bool room = len + 1 < SL_TOP_WHY_BYTES;

		got = read(fd, room ? said + len : rest,
			   room ? SL_TOP_WHY_BYTES - 1 - len : sizeof(rest));
		len += got > 0 && room ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	said[len] = '\0';
	said[strcspn(said, "\n")] = '\0';
}

bool sl_top_ask_command(const char *const words[], const char *pin_dir, char said[SL_TOP_WHY_BYTES])
{
	const char *argv[WORDS_MAX] = {"sluice"};
	posix_spawn_file_actions_t actions;
	int pipe_fds[2], status = 0, error;
	size_t count = 1;
	pid_t pid;

	while (words[count - 1] && count + 3 < WORDS_MAX) {
		argv[count] = words[count - 1];
		count++;
	}
	argv[count++] = "--pin-dir";
	argv[count] = pin_dir;
	if (pipe2(pipe_fds, O_CLOEXEC)) {
		snprintf(said, SL_TOP_WHY_BYTES, "%s", strerror(errno));
		return false;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
	error = posix_spawn(&pid, SELF, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fds[1]);
	if (error)
		snprintf(said, SL_TOP_WHY_BYTES, "%s", strerror(error));
	else
		read_line(pipe_fds[0], said);
	close(pipe_fds[0]);
	while (!error && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return !error && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
