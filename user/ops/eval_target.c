/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/eval_target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/text.h"

/* Of a name in a line of a request's head, or in a body. */
static bool is_name(struct sl_span text)
{
	if (!text.len || text.len >= SL_EVAL_TARGET_BYTES)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char byte = (unsigned char)text.data[i];

		if (byte <= ' ' || byte >= 127 || byte == ',' || byte == '"' || byte == '\\')
			return false;
	}
	return true;
}

static void copy(struct sl_span from, char to[SL_EVAL_TARGET_BYTES])
{
	snprintf(to, SL_EVAL_TARGET_BYTES, "%.*s", (int)from.len, from.data);
}

static void set_prompt(struct sl_eval_target *target, struct sl_span value)
{
	copy(sl_span_cut(&value, '@'), target->prompt);
	copy(value, target->version);
}

/* One NAME:VALUE. */
static int read_part(struct sl_eval_target *target, struct sl_span part, struct sl_text *pick)
{
	struct sl_span value = part;
	struct sl_span kind = sl_span_cut(&value, ':');

	if (!is_name(value))
		return -EINVAL;
	if (sl_span_equal(kind, SL_SPAN("model")))
		copy(value, target->model);
	else if (sl_span_equal(kind, SL_SPAN("prompt")))
		set_prompt(target, value);
	else if (sl_span_equal(kind, SL_SPAN("pool")) || sl_span_equal(kind, SL_SPAN("index")))
		sl_text_printf(pick, "%s%.*s=%.*s", pick->len ? ", " : "", (int)kind.len, kind.data,
			       (int)value.len, value.data);
	else
		return -EINVAL;
	return 0;
}

static int read_names(const char *word, struct sl_eval_target *target, struct sl_error *error)
{
	struct sl_span rest = sl_span_string(word);
	char room[SL_EVAL_TARGET_BYTES];
	struct sl_text pick;

	sl_text_init_fixed(&pick, room, sizeof(room));
	do {
		struct sl_span part = sl_span_cut(&rest, ',');

		if (read_part(target, part, &pick) || pick.error)
			return sl_error_set(error, -EINVAL,
					    "%.*s: expected http://ADDRESS:PORT[/PATH], "
					    "https://NAME[/PATH], or model:NAME, pool:NAME, "
					    "prompt:ID[@VERSION], index:NAME@VERSION",
					    (int)part.len, part.data);
	} while (rest.len);
	if (pick.len)
		snprintf(target->lines, sizeof(target->lines), "x-sluice-pick: %s\r\n", room);
	return 0;
}

int sl_eval_target_read(const char *word, const struct sl_eval_target_else *other,
			struct sl_eval_target *ret_target, struct sl_error *error)
{
	struct sl_eval_target target = {.told = word, .url = other->url};
	int rc = 0;

	if (other->model)
		copy(sl_span_string(other->model), target.model);
	if (other->prompt)
		set_prompt(&target, sl_span_string(other->prompt));
	if (strstr(word, "://"))
		target.url = word;
	else
		rc = read_names(word, &target, error);
	if (!rc && !target.model[0])
		rc = sl_error_set(error, -EINVAL, "%s: which model? (--model MODEL)", word);
	if (!rc)
		*ret_target = target;
	return rc;
}
