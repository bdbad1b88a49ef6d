/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/admin_answer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/text.h"

size_t sl_admin_answer_format(const struct sl_admin_answer *answer, char *line, size_t size)
{
	int len = snprintf(line, size,
			   "{\"pid\":%u,\"abi\":%u,\"kernel_plane\":\"%s\",\"io\":\"%s\","
			   "\"draining\":%s,\"profile\":\"%s\"}\n",
			   answer->pid, answer->abi, answer->memory ? "memory" : "bpf", answer->io,
			   answer->draining ? "true" : "false", answer->profile);

	return len > 0 && (size_t)len < size ? (size_t)len : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_space(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && is_space(*at))
		at++;
	return at;
}

/* Behind the string that begins at `at`, NULL when it has no end. */
static const char *skip_string(const char *at, const char *end)
{
	for (at++; at < end; at++) {
		if (*at == '\\')
			at++;
		else if (*at == '"')
			return at + 1;
	}
	return NULL;
}

/* The comma or bracket behind the value that begins at `at`, NULL when it has no end. */
static const char *skip_value(const char *at, const char *end)
{
	unsigned depth = 0;

	while (at && at < end) {
		bool closes = *at == '}' || *at == ']';

		if (*at == '"') {
			at = skip_string(at, end);
			continue;
		}
		if (!depth && (closes || *at == ','))
			return at;
		depth += *at == '{' || *at == '[';
		depth -= closes;
		at++;
	}
	return NULL;
}

static int take_u32(struct sl_span value, uint32_t *ret_number)
{
	uint64_t number;

	if (sl_span_u64(value, &number) || number > UINT32_MAX)
		return -EPROTO;
	*ret_number = (uint32_t)number;
	return 0;
}

/* Members that have to be there. */
struct seen {
	bool abi, kernel_plane;
};

static int take(struct sl_span name, struct sl_span value, struct sl_admin_answer *answer,
		struct seen *seen)
{
	if (sl_span_equal(name, SL_SPAN("\"pid\"")))
		return take_u32(value, &answer->pid);
	if (sl_span_equal(name, SL_SPAN("\"draining\""))) {
		answer->draining = sl_span_equal(value, SL_SPAN("true"));
	} else if (sl_span_equal(name, SL_SPAN("\"abi\""))) {
		seen->abi = true;
		return take_u32(value, &answer->abi);
	} else if (sl_span_equal(name, SL_SPAN("\"kernel_plane\""))) {
		seen->kernel_plane = true;
		answer->memory = sl_span_equal(value, SL_SPAN("\"memory\""));
		return answer->memory || sl_span_equal(value, SL_SPAN("\"bpf\"")) ? 0 : -EPROTO;
	} else if (sl_span_equal(name, SL_SPAN("\"io\"")) && value.len >= 2) {
		snprintf(answer->io, sizeof(answer->io), "%.*s", (int)value.len - 2,
			 value.data + 1);
	} else if (sl_span_equal(name, SL_SPAN("\"profile\"")) && value.len >= 2) {
		snprintf(answer->profile, sizeof(answer->profile), "%.*s", (int)value.len - 2,
			 value.data + 1);
	}
	return 0;
}

/* Takes one member; *at goes to the comma or bracket behind it. */
static int take_member(const char **at, const char *end, struct sl_admin_answer *answer,
		       struct seen *seen)
{
	const char *name = skip_space(*at, end), *name_end, *value, *value_end;

	if (name == end || *name != '"')
		return -EPROTO;
	name_end = skip_string(name, end);
	value = name_end ? skip_space(name_end, end) : end;
	if (value == end || *value != ':')
		return -EPROTO;
	value_end = skip_value(++value, end);
	if (!value_end)
		return -EPROTO;
	*at = value_end;
	return take(sl_span_make(name, (size_t)(name_end - name)),
		    sl_span_trim(sl_span_make(value, (size_t)(value_end - value))), answer, seen);
}

int sl_admin_answer_parse(const char *line, size_t len, struct sl_admin_answer *ret_answer)
{
	const char *end = line + len, *at = skip_space(line, end);
	struct sl_admin_answer answer = {0};
	struct seen seen = {0};
	unsigned parts = 0;

	if (at == end || *at != '{')
		return -EPROTO;
	do {
		at++; /* the opening bracket or a comma */
		if (++parts > SL_ADMIN_ANSWER_PARTS_MAX || take_member(&at, end, &answer, &seen))
			return -EPROTO;
	} while (*at == ',');
	if (*at != '}' || skip_space(at + 1, end) != end || !seen.abi || !seen.kernel_plane)
		return -EPROTO;
	*ret_answer = answer;
	return 0;
}
