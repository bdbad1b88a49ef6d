/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * frame.h - what stands on a terminal, and the bytes that make it another text: only rows that differ.
 *
 * Pure. A text is rows with an end each; escape sequences for inks in them take no place and end with 'm'.
 * Cost: one walk over both texts; what has not changed sends no byte.
 */
#ifndef SL_LOADER_FRAME_H
#define SL_LOADER_FRAME_H

#include <stdint.h>
#include "user/base/text.h"

/* Of a terminal; zeros: there is none. */
struct sl_screen_size {
	uint32_t columns;
	uint32_t rows;
};

struct sl_frame {
	struct sl_text shown; /* rows, an end behind each */
	struct sl_text next;
	struct sl_screen_size size;
	bool known; /* `shown` is what the terminal has */
};

void sl_frame_init(struct sl_frame *frame);
void sl_frame_fini(struct sl_frame *frame);

/* The terminal may hold anything: all of the next text is sent. */
void sl_frame_forget(struct sl_frame *frame);

/*
 * Appends to `out` what turns the terminal's content into the text: rows cut at the right edge (the first one
 * goes on in the next row), those below the lower edge left out. Another size than before: all of it anew.
 */
void sl_frame_change(struct sl_frame *frame, const char *text, struct sl_screen_size size,
		     struct sl_text *out);

#endif
