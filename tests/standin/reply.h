/* The bytes of an answer: HTTP heads, OpenAI's bodies, stream events; those of the Messages API by native.h.
 *
 * Everything is appended to a buffer; nothing is sent. The shapes are those of OpenAI's API
 * reference for chat.completion, chat.completion.chunk, text_completion, list and error. Threads:
 * pure, one buffer an owner.
 */
#ifndef TESTS_STANDIN_REPLY_H
#define TESTS_STANDIN_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/standin/buf.h"
#include "tests/standin/job.h"

enum { SL_REPLY_HUGE_HEADER_LEN = 64 * 1024 };

#define SL_REPLY_JSON	     "application/json"
#define SL_REPLY_EVENTS	     "text/event-stream; charset=utf-8"
#define SL_REPLY_CHUNKED     ((int64_t)-1) /* chunked coding */
#define SL_REPLY_UNTIL_CLOSE ((int64_t)-2) /* no length at all */

struct sl_reply_head {
	int status;
	const char *type; /* content-type */
	const char *name; /* of this server */
	int64_t length;
	int64_t retry_after_s; /* -1: none */
	bool close;	       /* say that the connection will be closed */
	bool huge;	       /* SL_REPLY_HUGE_HEADER_LEN bytes of extra header fields */
};

/* Appends a response head. */
void sl_reply_head(struct sl_buf *out, const struct sl_reply_head *head);

/* The index of a status in the counters; an unlisted status has that of 0. */
enum sl_status_index sl_reply_status_index(int status);

/* Appends OpenAI's error object; code is a JSON value (a quoted string, a number, null). */
void sl_reply_error(struct sl_buf *out, const char *message, const char *type, const char *param,
		    const char *code);

/* The error that belongs to a fault with a status. */
void sl_reply_fault_error(struct sl_buf *out, enum sl_fault_kind kind);

/* Prepares job->head. Call once model, id and created_s are set. */
void sl_reply_prepare(struct sl_job *job, const char *fingerprint);

/* The number of tokens of one choice; *ret_reason is its finish_reason. */
uint64_t sl_reply_choice_len(const struct sl_job *job, uint64_t natural_len, uint32_t choice,
			     const char **ret_reason);

/* Appends the events of a stream, framed as the job says: the role chunk (chat), one token, the
 * finish chunk, the usage chunk, [DONE], an error event, an event with broken JSON. */
void sl_reply_role(struct sl_buf *out, struct sl_job *job, uint32_t choice);
void sl_reply_token(struct sl_buf *out, struct sl_job *job, uint32_t choice, uint64_t index);
void sl_reply_finish(struct sl_buf *out, struct sl_job *job, uint32_t choice, const char *reason);
void sl_reply_usage(struct sl_buf *out, struct sl_job *job);
void sl_reply_done(struct sl_buf *out, struct sl_job *job);
void sl_reply_error_event(struct sl_buf *out, struct sl_job *job);
void sl_reply_broken_event(struct sl_buf *out, struct sl_job *job);
void sl_reply_comment(struct sl_buf *out, struct sl_job *job);

/* Appends the body of a whole answer. */
void sl_reply_whole(struct sl_buf *out, struct sl_job *job, uint64_t natural_len,
		    const char *fingerprint);

/* Appends the body of an embeddings answer: unit vectors that depend on the input alone. */
void sl_reply_embeddings(struct sl_buf *out, const struct sl_job *job);

/* Appends the list of models. */
void sl_reply_models(struct sl_buf *out, const char *const *models, unsigned int count,
		     uint64_t context_tokens);

#endif
