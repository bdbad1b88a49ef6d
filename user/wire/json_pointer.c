/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * JSON pointers, as the fragment of a URI writes them (RFC 6901 sections 4 and 6). The declaration is
 * in json_tape.h.
 */
#include "user/wire/json_tape.h"

static int hex_of(char b)
{
	return b >= '0' && b <= '9'			? b - '0'
	       : (b | 0x20) >= 'a' && (b | 0x20) <= 'f' ? (b | 0x20) - 'a' + 10
							: -1;
}

/* One token of a JSON pointer in a URI's fragment (RFC 6901 sections 4 and 6) into out. */
static bool decode_token(struct sl_span token, char *out, struct sl_span *ret_token)
{
	size_t len = 0;

	for (size_t i = 0; i < token.len; i++) {
		char b = token.data[i];

		if (b == '%') {
			int high = i + 2 < token.len ? hex_of(token.data[i + 1]) : -1;
			int low = high >= 0 ? hex_of(token.data[i + 2]) : -1;

			if (low < 0)
				return false;
			b = (char)(high << 4 | low);
			i += 2;
		}
		if (len && out[len - 1] == '~' && (b == '0' || b == '1')) {
			/* a tilde that was written as ~0 is marked by a zero byte until the end */
			out[len - 1] = b == '0' ? '\0' : '/';
			continue;
		}
		out[len++] = b;
	}
	for (size_t i = 0; i < len; i++)
		if (out[i] == '\0')
			out[i] = '~';
	*ret_token = sl_span_make(out, len);
	return true;
}

bool sl_json_tape_follow(const struct sl_json_tape *tape, struct sl_span pointer,
			 struct sl_arena *arena, uint32_t *ret_node)
{
	char *decoded = sl_arena_alloc(arena, pointer.len + 1);
	struct sl_span rest = pointer;
	uint32_t node = 0;

	if (!decoded)
		return false;
	sl_span_cut(&rest, '/');
	while (rest.data) {
		struct sl_span token;
		uint64_t index;

		if (!decode_token(sl_span_cut(&rest, '/'), decoded, &token))
			return false;
		if (tape->nodes[node].type == SL_JSON_OBJECT) {
			node = sl_json_tape_member(tape, node, token, arena);
			if (!node)
				return false;
			continue;
		}
		if (tape->nodes[node].type != SL_JSON_ARRAY || sl_span_u64(token, &index) ||
		    index >= tape->nodes[node].count)
			return false;
		for (node++; index > 0; index--)
			node = tape->nodes[node].next;
	}
	*ret_node = node;
	return true;
}
