/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/pairs.h"

#define PAIR_BYTES 1024u /* of one value, decoded */

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* False: a '%' without two digits, or a value too long. */
static bool decode(struct sl_span value, char room[PAIR_BYTES], size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < value.len; i++) {
		int high, low;

		if (len == PAIR_BYTES)
			return false;
		if (value.data[i] != '%') {
			room[len++] = value.data[i];
			continue;
		}
		if (i + 2 >= value.len)
			return false;
		high = digit_of(value.data[i + 1]);
		low = digit_of(value.data[i + 2]);
		if (high < 0 || low < 0)
			return false;
		room[len++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret_len = len;
	return true;
}

bool sl_pairs_each(struct sl_span pairs,
		   void (*fn)(void *arg, struct sl_span key, struct sl_span value), void *arg,
		   struct sl_span *ret_bad)
{
	char room[PAIR_BYTES];
	size_t len;

	while (pairs.len) {
		struct sl_span pair = sl_span_trim(sl_span_cut(&pairs, ',')), rest = pair, key;
		bool whole = sl_span_find(pair, '=') < pair.len;

		if (!pair.len)
			continue;
		key = sl_span_trim(sl_span_cut(&rest, '='));
		if (!whole || !key.len || !decode(sl_span_trim(rest), room, &len)) {
			*ret_bad = pair;
			return false;
		}
		fn(arg, key, sl_span_make(room, len));
	}
	return true;
}
