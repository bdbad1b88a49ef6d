/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/keys.h"

#define ESCAPE 27

static int final_key(char final, unsigned number)
{
	static const int numbered[] = {
		[1] = SL_KEY_HOME,	[4] = SL_KEY_END,  [5] = SL_KEY_PAGE_UP,
		[6] = SL_KEY_PAGE_DOWN, [7] = SL_KEY_HOME, [8] = SL_KEY_END,
	};

	switch (final) {
	case 'A':
		return SL_KEY_UP;
	case 'B':
		return SL_KEY_DOWN;
	case 'C':
		return SL_KEY_RIGHT;
	case 'D':
		return SL_KEY_LEFT;
	case 'H':
		return SL_KEY_HOME;
	case 'F':
		return SL_KEY_END;
	case 'Z':
		return SL_KEY_BACK_TAB;
	case '~':
		return number < sizeof(numbered) / sizeof(numbered[0]) ? numbered[number]
								       : SL_KEY_NONE;
	default:
		return SL_KEY_NONE;
	}
}

/* Behind "ESC [" or "ESC O": parameters, then a byte that ends it. */
static size_t read_sequence(const char *bytes, size_t len, bool whole, int *ret_key)
{
	unsigned number = 0;
	bool first = true;

	for (size_t at = 2; at < len; at++) {
		if (bytes[at] >= 0x40 && bytes[at] <= 0x7e) {
			*ret_key = final_key(bytes[at], number);
			return at + 1;
		}
		if (bytes[at] == ';')
			first = false;
		else if (first && bytes[at] >= '0' && bytes[at] <= '9' && number < 100)
			number = number * 10 + (unsigned)(bytes[at] - '0');
	}
	*ret_key = SL_KEY_NONE;
	return whole ? len : 0;
}

size_t sl_key_read(const char *bytes, size_t len, bool whole, int *ret_key)
{
	if (!len)
		return 0;
	if (bytes[0] != ESCAPE) {
		*ret_key = bytes[0] == '\n' ? SL_KEY_ENTER
			   : bytes[0] == 8  ? SL_KEY_BACKSPACE
					    : (unsigned char)bytes[0];
		return 1;
	}
	if (len == 1 && !whole)
		return 0;
	if (len > 1 && (bytes[1] == '[' || bytes[1] == 'O'))
		return read_sequence(bytes, len, whole, ret_key);
	*ret_key = SL_KEY_ESCAPE;
	return 1;
}
