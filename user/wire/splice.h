/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * splice.h - what a client has got of a streamed answer, and how another server's stream goes on.
 *
 *   way        the other server was asked for          its stream must          the client gets
 *   FIRST      -                                       -                        (only noted)
 *   CONTINUE   the rest of a text begun                -                        all of it
 *   RESTART    the whole answer once more              begin with what was      what comes behind
 *                                                      sent, byte for byte
 *
 * Texts are compared unescaped and apart by their kind (content, reasoning, refusal, the names and
 * arguments of tool calls in order, finish_reason), so neither the pieces in which a server sends them
 * nor the way it escapes them count. Nothing new is let through before all that was sent has come
 * again. Ids of tool calls are the server's dice and are not compared: the client keeps the first.
 *
 * What is let through carries the id, created and model of the first stream and no second role.
 * usage: the rest's prompt holds the text begun, so the tokens sent before move from prompt_tokens to
 * completion_tokens, and total_tokens stays; a restart's usage is right as it is.
 *
 * Only streams of one choice without log probabilities. Pure but for the growing of sl_text; any
 * thread. Cost of a note: 40 ns for a chunk that is the last one with another text in it, as nearly
 * all are; 600 ns for others. Of a chunk written anew: about 1 us.
 */
#ifndef SL_USER_WIRE_SPLICE_H
#define SL_USER_WIRE_SPLICE_H

#include "user/base/text.h"
#include "user/wire/openai.h"

#define SL_SPLICE_BYTES_MAX  (256u << 10) /* of text that is kept; some 60,000 tokens */
#define SL_SPLICE_PIECES_MAX 8u		  /* texts and tool calls in one chunk */

enum sl_splice_kind {
	SL_SPLICE_CONTENT = 0, /* of a completion: its text */
	SL_SPLICE_REASONING_CONTENT,
	SL_SPLICE_REASONING,
	SL_SPLICE_REFUSAL,
	SL_SPLICE_TOOLS,
	SL_SPLICE_FINISH,
	SL_SPLICE_KINDS
};

enum sl_splice_way { SL_SPLICE_FIRST = 0, SL_SPLICE_CONTINUE, SL_SPLICE_RESTART };

enum sl_splice_verdict {
	SL_SPLICE_DIFFERS = 0, /* not the answer that was begun */
	SL_SPLICE_HOLD,	       /* nothing of it is new */
	SL_SPLICE_PASS,
};

enum sl_splice_name { SL_SPLICE_ID = 0, SL_SPLICE_CREATED, SL_SPLICE_MODEL, SL_SPLICE_NAMES };

struct sl_splice {
	enum sl_splice_way way;
	bool named;			      /* by the first chunk */
	bool lost;			      /* holds no longer what was sent */
	bool too_long;			      /* for that reason */
	bool finished;			      /* a finish_reason was sent before this stream */
	struct sl_text sent[SL_SPLICE_KINDS]; /* unescaped; calls as splice.c says */
	size_t again[SL_SPLICE_KINDS];	      /* of it, what has come once more */
	size_t sent_bytes;		      /* all kinds together */
	int64_t sent_call, again_call;	      /* index of the last tool call; -1: none */
	uint64_t tokens_before;		      /* CONTINUE: sent before this stream */
	uint64_t held_bytes;		      /* of text, in all restarts */
	struct sl_text form;		      /* the last chunk with content alone, without it */
	size_t form_at;			      /* where that stood */
	struct sl_text names;		      /* raw JSON, one behind the other */
	uint16_t name_len[SL_SPLICE_NAMES];   /* 0: the first chunk did not say */
	struct sl_text scratch;
};

void sl_splice_init(struct sl_splice *splice);
void sl_splice_fini(struct sl_splice *splice);

/*
 * FIRST: notes a chunk that goes to the client. Returns 0; -ENOTSUP: it has parts that cannot be
 * compared; -E2BIG: over SL_SPLICE_BYTES_MAX; -ENOMEM. After an error the splice is lost.
 */
int sl_splice_note(struct sl_splice *splice, const char *data, size_t len);

/*
 * Another stream begins. tokens: sent so far. Returns, of CONTINUE, how much of the content the
 * request is to hold: chat templates may cut blanks off its end, so they are left to the server and
 * held back when they come again.
 */
size_t sl_splice_begin(struct sl_splice *splice, enum sl_splice_way way, bool trim,
		       uint64_t tokens);

/*
 * CONTINUE, RESTART: one chunk of that stream; PASS: out gets what it becomes. Errors of *out stick
 * there.
 */
enum sl_splice_verdict sl_splice_put(struct sl_splice *splice, const char *data, size_t len,
				     struct sl_text *out);

/* All that was sent has come once more (RESTART; else true). */
bool sl_splice_caught_up(const struct sl_splice *splice);

static inline bool sl_splice_has(const struct sl_splice *splice, enum sl_splice_kind kind)
{
	return splice->sent[kind].len > 0;
}

#endif
