/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Changes of a JSON text without rebuilding it: the unchanged stretches are sent or copied
 * as they are. Relies on the text having passed a scan. Pure; any thread. The declarations
 * are in json_scan.h.
 */
#include "user/wire/json_scan.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

struct sl_json_edit sl_json_edit_replace(const char *body, const struct sl_json_field *field,
					 const char *text, size_t text_len)
{
	assert(field->type != SL_JSON_ABSENT);
	return (struct sl_json_edit){
		.at = (size_t)(field->value - body),
		.cut = field->value_len,
		.text = text,
		.text_len = text_len,
	};
}

static bool is_space(char b)
{
	return b == ' ' || b == '\n' || b == '\t' || b == '\r';
}

struct sl_json_edit sl_json_edit_insert(const char *body, size_t body_len,
					const struct sl_json_field *object, const char *text,
					size_t text_len)
{
	const char *begin = object ? object->value : body;
	const char *end = object ? begin + object->value_len : body + body_len;
	const char *last;

	assert(!object || object->type == SL_JSON_OBJECT);
	while (end > begin && is_space(end[-1]))
		end--;
	assert(end - begin >= 2 && end[-1] == '}');
	end--;
	for (last = end - 1; last > begin && is_space(*last); last--)
		;
	/* behind the last member, so that blanks before the bracket stay before it; an
	 * opening bracket can only be the object's own, as a member never ends in one */
	return (struct sl_json_edit){
		.at = (size_t)(last + 1 - body),
		.text = text,
		.text_len = text_len,
		.comma = *last != '{',
	};
}

void sl_json_edit_sort(struct sl_json_edit *edits, size_t edit_count)
{
	for (size_t i = 1; i < edit_count; i++) {
		struct sl_json_edit edit = edits[i];
		size_t k = i;

		for (; k > 0 && edits[k - 1].at > edit.at; k--)
			edits[k] = edits[k - 1];
		edits[k] = edit;
	}
}

static bool in_order(size_t body_len, const struct sl_json_edit *edits, size_t edit_count)
{
	size_t done = 0;

	for (size_t i = 0; i < edit_count; i++) {
		if (edits[i].at < done || edits[i].at > body_len ||
		    edits[i].cut > body_len - edits[i].at)
			return false;
		done = edits[i].at + edits[i].cut;
	}
	return true;
}

/* Two insertions at one place: the first made the object non-empty. */
static bool needs_comma(const struct sl_json_edit *edits, size_t i)
{
	return edits[i].comma ||
	       (i > 0 && !edits[i].cut && !edits[i - 1].cut && edits[i].at == edits[i - 1].at);
}

int sl_json_edit_pieces(const char *body, size_t body_len, const struct sl_json_edit *edits,
			size_t edit_count, struct sl_json_piece *ret_pieces, size_t piece_max)
{
	struct sl_json_piece all[3 * SL_JSON_EDITS_MAX + 1];
	size_t count = 0;
	size_t done = 0;

	if (edit_count > SL_JSON_EDITS_MAX || !in_order(body_len, edits, edit_count))
		return -EINVAL;
	for (size_t i = 0; i < edit_count; i++) {
		if (edits[i].at > done)
			all[count++] = (struct sl_json_piece){body + done, edits[i].at - done};
		if (needs_comma(edits, i))
			all[count++] = (struct sl_json_piece){",", 1};
		if (edits[i].text_len)
			all[count++] = (struct sl_json_piece){edits[i].text, edits[i].text_len};
		done = edits[i].at + edits[i].cut;
	}
	if (body_len > done)
		all[count++] = (struct sl_json_piece){body + done, body_len - done};
	if (count > piece_max)
		return -ENOSPC;
	memcpy(ret_pieces, all, count * sizeof(all[0]));
	return (int)count;
}

int64_t sl_json_edit_write(const char *body, size_t body_len, const struct sl_json_edit *edits,
			   size_t edit_count, char *out, size_t out_size)
{
	struct sl_json_piece pieces[3 * SL_JSON_EDITS_MAX + 1];
	int count = sl_json_edit_pieces(body, body_len, edits, edit_count, pieces,
					sizeof(pieces) / sizeof(pieces[0]));
	size_t used = 0;

	if (count < 0)
		return count;
	for (int i = 0; i < count; i++) {
		if (pieces[i].len > out_size - used)
			return -ENOSPC;
		memcpy(out + used, pieces[i].data, pieces[i].len);
		used += pieces[i].len;
	}
	return (int64_t)used;
}
