/* The bytes of an answer of the Messages API: what reply.h writes, for jobs of SL_ASK_MESSAGES.
 *
 *   role      message_start, content_block_start (text, or tool_use), ping
 *   token     content_block_delta
 *   finish    content_block_stop, message_delta
 *   done      message_stop
 *
 * The shapes are those of Anthropic's API reference (messages, streaming messages, errors).
 * Threads: pure, one buffer an owner.
 */
#ifndef TESTS_STANDIN_NATIVE_H
#define TESTS_STANDIN_NATIVE_H

#include "tests/standin/buf.h"
#include "tests/standin/job.h"

/* Inside an event's frame, which the caller opens and closes; several events may share one. */
void sl_native_role(struct sl_buf *out, const struct sl_job *job);
/* A piece of a call's arguments, escaped for JSON. */
void sl_native_piece(struct sl_buf *out, const char *arguments);
/* Before and behind the text of a token. */
void sl_native_open_text(struct sl_buf *out);
void sl_native_close_text(struct sl_buf *out);
/* reason: as chat completions have it. */
void sl_native_finish(struct sl_buf *out, const struct sl_job *job, const char *reason);
void sl_native_done(struct sl_buf *out);
void sl_native_error_event(struct sl_buf *out);
void sl_native_broken_event(struct sl_buf *out);
void sl_native_ping(struct sl_buf *out);

/* A whole message, but for its text, which the caller appends between the two. */
void sl_native_open_whole(struct sl_buf *out, const struct sl_job *job);
void sl_native_close_whole(struct sl_buf *out, const struct sl_job *job, const char *reason);

/* {"type":"error", ...} by status. */
void sl_native_error(struct sl_buf *out, int status, const char *message);
void sl_native_fault_error(struct sl_buf *out, enum sl_fault_kind kind);

#endif
