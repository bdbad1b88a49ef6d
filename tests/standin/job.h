/* A job: the answer to one inference request, from its body to its last byte, with its fault.
 *
 *   state     meaning                                        left by
 *   IDLE      no answer is being made                        sl_job_begin
 *   QUEUED    waits for a slot                               sl_job_granted
 *   WAITING   whole answer: its time has not come            timer
 *   STREAM    streams tokens as they fall due                timer, or a writable socket
 *   COMMENTS  silent but for a comment every 100 ms          client
 *   SILENT    will never say anything more                   client
 *   DOOMED    bytes are out, the reset follows               timer
 *
 * Invariants: outside IDLE, QUEUED, SILENT and DOOMED the job holds its slot; a job that becomes
 * IDLE has given its slot back and left its connection's `after` set. Threads: its connection's
 * worker. Costs: a token is rendered with a few copies from a prepared head.
 */
#ifndef TESTS_STANDIN_JOB_H
#define TESTS_STANDIN_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/standin/ask.h"
#include "tests/standin/counters.h"
#include "tests/standin/fault.h"
#include "tests/standin/http.h"
#include "tests/standin/model.h"
#include "tests/standin/server.h"

enum {
	SL_JOB_MODEL_LEN_MAX = 128,
	SL_JOB_TOOL_LEN_MAX = 64,
	SL_JOB_HEAD_LEN_MAX = 640,
};

struct sl_conn;

enum sl_job_state {
	SL_JOB_IDLE,
	SL_JOB_QUEUED,
	SL_JOB_WAITING,
	SL_JOB_STREAM,
	SL_JOB_COMMENTS,
	SL_JOB_SILENT,
	SL_JOB_DOOMED
};

struct sl_job {
	struct sl_ticket ticket;
	enum sl_job_state state;
	enum sl_ask_kind kind;
	struct sl_fault fault;
	bool stream;
	bool include_usage;
	bool ignore_eos;
	bool calls_tool;
	bool base64;
	bool raw; /* the body is not chunked */
	bool keep_alive;
	bool head_sent;
	bool role_sent;
	bool paused;  /* the client does not read; goes on when it does */
	bool faulted; /* the fault that strikes between tokens has struck */
	enum sl_path path;
	uint32_t n; /* choices a prompt */
	uint32_t choice_count;
	uint32_t dimensions;
	uint64_t key;	      /* of the only choice */
	uint64_t *keys;	      /* of each prompt, when there are several; owned */
	uint64_t start_index; /* where the text goes on behind an assistant prefix */
	size_t start_skip;
	int64_t max_tokens;
	int64_t min_tokens;
	uint64_t prompt_tokens;
	uint64_t reply_tokens; /* of all choices */
	uint64_t step;	       /* tokens of each choice that are out */
	uint64_t step_count;
	uint64_t id;
	int64_t created_s;
	uint64_t first_ns; /* when the first token is due */
	uint64_t step_ns;
	size_t mark;			  /* where the open event's frame begins in the output */
	char model[SL_JOB_MODEL_LEN_MAX]; /* escaped for JSON */
	char tool[SL_JOB_TOOL_LEN_MAX];	  /* escaped for JSON */
	char fingerprint[128];		  /* the same */
	char head[SL_JOB_HEAD_LEN_MAX];	  /* what every event begins with */
	size_t head_len;
};

/* Answers an inference request, or begins to. The body may be overwritten afterwards. */
void sl_job_begin(struct sl_conn *conn, const struct sl_head *head, enum sl_path path,
		  const char *body, size_t len);

/* The slot is granted. */
void sl_job_granted(struct sl_conn *conn);

/* The connection's timer went off while the job was at work. */
void sl_job_timer(struct sl_conn *conn);

/* The client has read what was pending. */
void sl_job_writable(struct sl_conn *conn);

/* Ends the job without another byte, and gives its slot back. */
void sl_job_cancel(struct sl_conn *conn);

#endif
