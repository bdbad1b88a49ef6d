/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/resume_native.h"

#include <errno.h>
#include <stdlib.h>
#include "user/request/relay_scan.h"

int sl_resume_native_init(struct sl_resume *resume)
{
	static const struct sl_messages_names nobody = {0};

	resume->passed = malloc(sizeof(*resume->passed));
	if (!resume->passed)
		return -ENOMEM;
	sl_messages_decoder_init(resume->passed, &nobody);
	return 0;
}

bool sl_resume_native_note(struct sl_relay *relay, const struct sl_sse_event *event)
{
	struct sl_resume *resume = relay->resume;
	struct sl_messages_place place;
	struct sl_sse_event chunk;
	struct sl_text chunks;
	struct sl_sse sse;
	size_t at = 0;
	int rc;

	if (!resume || resume->splice.lost)
		return true;
	sl_text_init(&chunks, SL_RELAY_ANEW_BYTES_MAX);
	rc = sl_messages_decoder_feed(resume->passed, event->raw, event->raw_len, &chunks);
	sl_messages_decoder_place(resume->passed, &place);
	if (rc == -EBADMSG) {
		sl_text_fini(&chunks);
		return false;
	}
	if (rc || !place.plain)
		sl_resume_lose(relay, rc == -ENOMEM ? SL_RESUMPTION_MEMORY : SL_RESUMPTION_UNTOLD);
	sl_sse_init(&sse, NULL, 0);
	while (!resume->splice.lost &&
	       sl_sse_next(&sse, sl_text_string(&chunks), chunks.len, &at, &chunk) == 1) {
		if (chunk.kind == SL_SSE_DATA)
			sl_relay_note_sent(relay, chunk.data, chunk.data_len);
	}
	sl_text_fini(&chunks);
	return true;
}

void sl_resume_native_join(struct sl_relay *relay)
{
	struct sl_messages_place place;

	sl_messages_decoder_place(relay->resume->passed, &place);
	sl_relay_dialect(relay)->stream_join(sl_relay_dialect_stream(relay), &place, relay->tokens);
	relay->direct = false;
}
