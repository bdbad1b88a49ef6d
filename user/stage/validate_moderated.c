/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The moderation of streams: their text goes to the endpoint in pieces, by a fiber that goes along with the
 * stream, and what is not settled is held back, up to moderation_hold.
 *
 *   chunk -> held, its text -> pending
 *   pending has moderation_piece bytes and ends a sentence, or twice as many and ends a word, or four times as
 *   many, or the stream ends, or no more may be held -> a question, with the last bytes of the one before (a word may lie across); one at a time
 *     fine                     what it covers goes out
 *     flagged                  nothing of it goes out, an error event ends the stream
 *     down, late, rubbish      as moderation_down says: it goes out, validate=unmoderated; or the stream ends
 *
 * While as much is held as may be, the node is not read. With moderation_hold 0 chunks go out as they come, and
 * the stream ends when what went out is flagged. Thread: the loop's.
 *
 *   who holds struct companion     until
 *   the filter                     its end; then it is over for the fiber, too
 *   the fiber                      it has seen that
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/io/fiber.h"
#include "user/stage/validate.h"
#include "user/stage/validate_parts.h"

#define CHANNELS_MAX	24u /* texts of a stream, by choice and name */
#define PENDING_MAX	(1u << 20)
#define CONTEXT_BYTES	160u /* of a piece, that the next one is asked with */
#define ARENA_BYTES_MAX (16u << 20)
#define WHY_BYTES	160u

struct moderated;

/* What the filter and the fiber share. */
struct companion {
	uint32_t refs;
	struct sl_fiber *fiber;	  /* NULL: it has not begun */
	struct moderated *filter; /* NULL: it is over */
	bool over;		  /* the same, for calls to be broken off */
	bool asking;
	struct sl_text question;
	enum sl_moderation answer; /* once asking is false again */
};

/* One text of the stream, of which `pending` was not asked about. */
struct channel {
	uint32_t choice;
	uint64_t name; /* hash: the key of the text, and which call */
	struct sl_text pending;
	char context[CONTEXT_BYTES];
	uint32_t context_len;
};

struct moderated {
	struct sl_stage_filter base;
	const struct sl_config_validate *config;
	const char *model;
	struct companion *companion;
	struct sl_arena arena; /* of one chunk */
	struct sl_text held;   /* chunks, a '\n' behind each */
	size_t asked_len;      /* of them: what the question under way covers */
	size_t pending_len;    /* of all channels */
	bool sentence, word;   /* that the newest text ended */
	bool last;	       /* no more text comes */
	bool told;	       /* unmoderated: once a stream */
	struct channel channels[CHANNELS_MAX];
	uint32_t channel_count;
};

static void companion_put(struct companion *c)
{
	if (--c->refs)
		return;
	sl_text_fini(&c->question);
	free(c);
}

static void tell(struct moderated *m, enum sl_check check, enum sl_check_done done,
		 const char *what)
{
	m->base.checked(&m->base,
			&(struct sl_checked){
				.check = check, .done = done, .is_answer = true, .what = what});
}

static enum sl_filter_verdict fail(struct moderated *m, enum sl_openai_error_id id, const char *why)
{
	m->base.error = (struct sl_openai_error){.id = id, .object = why, .detail = why};
	m->base.step(&m->base, SL_STEP_VALIDATE_ENDED);
	return SL_FILTER_FAIL;
}

static enum sl_filter_verdict fail_form(struct moderated *m, const char *why)
{
	tell(m, SL_CHECK_FORM, SL_CHECK_ENDED, NULL);
	return fail(m, SL_OPENAI_ERROR_ANSWER, why);
}

/* ---- the fiber ------------------------------------------------------------------------------- */

static void go_along(struct sl_stage *stage, void *argument)
{
	struct companion *c = argument;
	struct sl_text why;

	c->fiber = sl_fiber_self(stage->loop);
	stage->gone = &c->over;
	while (!c->over) {
		if (!c->asking) {
			(void)sl_fiber_park(stage->loop, 0);
			continue;
		}
		sl_text_init(&why, WHY_BYTES);
		c->answer = c->question.error ? SL_MODERATION_DOWN
					      : sl_validate_moderate_text(
							stage, sl_text_span(&c->question), &why);
		sl_text_fini(&why);
		sl_arena_reset(stage->arena);
		c->asking = false;
		if (c->filter)
			c->filter->base.ready(&c->filter->base); /* which may end it */
	}
}

static void drop_companion(void *argument)
{
	struct companion *c = argument;

	c->fiber = NULL;
	companion_put(c);
}

/* ---- texts ----------------------------------------------------------------------------------- */

static uint64_t hash_of(struct sl_span name, uint64_t seed)
{
	uint64_t hash = 14695981039346656037u ^ seed;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.data[i]) * 1099511628211u;
	return hash;
}

static struct channel *channel_of(struct moderated *m, uint32_t choice, uint64_t name)
{
	struct channel *c;

	for (uint32_t i = 0; i < m->channel_count; i++)
		if (m->channels[i].choice == choice && m->channels[i].name == name)
			return &m->channels[i];
	if (m->channel_count == CHANNELS_MAX)
		return NULL;
	c = &m->channels[m->channel_count++];
	*c = (struct channel){.choice = choice, .name = name};
	sl_text_init(&c->pending, PENDING_MAX);
	return c;
}

static bool ends_sentence(struct sl_span text)
{
	while (text.len && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '"'))
		text.len--;
	return text.len && strchr(".!?\n", text.data[text.len - 1]);
}

/* Not in the middle of one, as far as ASCII tells. */
static bool ends_word(char last)
{
	unsigned char b = (unsigned char)last;

	return b < 0x80 && !(b >= '0' && b <= '9') && !((b | 0x20) >= 'a' && (b | 0x20) <= 'z');
}

/* False: it cannot be gathered. */
static bool add_text(struct moderated *m, const struct sl_json_tape *tape, uint32_t node,
		     uint32_t choice, uint64_t name)
{
	struct channel *c = channel_of(m, choice, name);
	struct sl_span text;

	if (!c || !sl_json_tape_string(tape, node, &m->arena, &text) ||
	    sl_text_append(&c->pending, text.data, text.len))
		return false;
	m->pending_len += text.len;
	if (text.len) {
		m->sentence = ends_sentence(text);
		m->word = ends_word(text.data[text.len - 1]);
	}
	return true;
}

/* Ids, names and roles are nobody's words. */
static bool is_label(struct sl_span key)
{
	static const char *const labels[] = {"id",     "type",		"role",
					     "object", "finish_reason", "model"};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (sl_span_equal(key, sl_span_string(labels[i])))
			return true;
	return false;
}

/* Every string below a choice that is no label. Deep only as the scanner lets a text be. */
static bool gather(struct moderated *m, const struct sl_json_tape *tape, uint32_t node,
		   uint32_t choice, uint64_t name)
{
	const struct sl_json_node *n = &tape->nodes[node];
	uint32_t child = node + 1;
	bool good = true;

	if (n->type == SL_JSON_STRING)
		return n->len <= 2 || add_text(m, tape, node, choice, name);
	if (n->type == SL_JSON_ARRAY)
		for (uint32_t i = 0; i < n->count && good; i++, child = tape->nodes[child].next)
			good = gather(m, tape, child, choice, name * 31 + i);
	if (n->type != SL_JSON_OBJECT)
		return good;
	for (uint32_t i = 0; i < n->count && good; i++, child = tape->nodes[child + 1].next) {
		struct sl_span key;

		if (!sl_json_tape_string(tape, child, &m->arena, &key))
			return false;
		if (!is_label(key))
			good = gather(m, tape, child + 1, choice, hash_of(key, name));
	}
	return good;
}

static uint32_t number_of(const struct sl_json_tape *tape, uint32_t node)
{
	struct sl_span raw = sl_json_tape_raw(tape, node);
	uint64_t value = 0;

	return tape->nodes[node].type == SL_JSON_NUMBER && !sl_span_u64(raw, &value) &&
			       value < UINT16_MAX
		       ? (uint32_t)value
		       : UINT16_MAX;
}

static bool gather_choices(struct moderated *m, const struct sl_json_tape *tape)
{
	uint32_t choices = sl_json_tape_member(tape, 0, SL_SPAN("choices"), &m->arena);
	uint32_t choice = choices + 1;

	if (!choices || tape->nodes[choices].type != SL_JSON_ARRAY)
		return true;
	for (uint32_t i = 0; i < tape->nodes[choices].count; i++) {
		uint32_t index, delta, text, finish;

		if (tape->nodes[choice].type != SL_JSON_OBJECT)
			return false;
		index = sl_json_tape_member(tape, choice, SL_SPAN("index"), &m->arena);
		delta = sl_json_tape_member(tape, choice, SL_SPAN("delta"), &m->arena);
		text = sl_json_tape_member(tape, choice, SL_SPAN("text"), &m->arena);
		finish = sl_json_tape_member(tape, choice, SL_SPAN("finish_reason"), &m->arena);
		m->last |= finish && tape->nodes[finish].type == SL_JSON_STRING;
		index = index ? number_of(tape, index) : 0;
		if ((delta && !gather(m, tape, delta, index, 1)) ||
		    (text && !gather(m, tape, text, index, 2)))
			return false;
		choice = tape->nodes[choice].next;
	}
	return true;
}

/* ---- questions ------------------------------------------------------------------------------- */

static bool is_full(const struct moderated *m)
{
	return m->config->moderation_hold && m->held.len >= m->config->moderation_hold;
}

static bool is_due(const struct moderated *m)
{
	uint32_t piece = m->config->moderation_piece;

	if (m->companion->asking || !m->pending_len)
		return false;
	return m->last || is_full(m) || m->pending_len >= 4 * (size_t)piece ||
	       (m->pending_len >= 2 * (size_t)piece && m->word) ||
	       (m->pending_len >= piece && m->sentence);
}

/* The end of what was asked about, from where a character begins. */
static void keep_context(struct channel *c)
{
	size_t from = c->pending.len > CONTEXT_BYTES ? c->pending.len - CONTEXT_BYTES : 0;
	const char *text = sl_text_string(&c->pending);

	while (from && from < c->pending.len && ((unsigned char)text[from] & 0xc0) == 0x80)
		from++;
	c->context_len = (uint32_t)(c->pending.len - from);
	memcpy(c->context, text + from, c->context_len);
}

static void ask(struct moderated *m)
{
	struct companion *c = m->companion;

	sl_text_reset(&c->question);
	for (uint32_t i = 0; i < m->channel_count; i++) {
		struct channel *channel = &m->channels[i];

		if (!channel->pending.len)
			continue;
		sl_text_append(&c->question, channel->context, channel->context_len);
		sl_text_append_span(&c->question, sl_text_span(&channel->pending));
		sl_text_append_char(&c->question, '\n');
		keep_context(channel);
		sl_text_reset(&channel->pending);
	}
	m->pending_len = 0;
	m->asked_len = m->held.len;
	c->asking = true;
	if (c->fiber)
		sl_fiber_wake(c->fiber);
}

/* ---- the filter ------------------------------------------------------------------------------ */

static enum sl_filter_verdict data_chunk(struct sl_stage_filter *base, const char *data, size_t len,
					 const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	struct moderated *m = (struct moderated *)base;
	struct sl_json_tape tape;
	bool holds = m->config->moderation_hold > 0;

	(void)chunk;
	(void)out;
	sl_arena_reset(&m->arena);
	if (sl_json_tape_make(data, len, &m->arena, &tape) || !gather_choices(m, &tape))
		return fail_form(m, "a part of it cannot be moderated");
	if (!m->pending_len && !m->held.len) /* it says nothing, and waits for nothing */
		return SL_FILTER_PASS;
	if (holds && (sl_text_append(&m->held, data, len) || sl_text_append_char(&m->held, '\n')))
		return fail_form(m, "there is no memory to moderate it");
	if (is_due(m))
		ask(m);
	m->base.full = is_full(m);
	return holds ? SL_FILTER_ANEW : SL_FILTER_PASS;
}

/* What the last question covered goes out. */
static enum sl_filter_verdict let_out(struct moderated *m, struct sl_text *out)
{
	size_t len = m->asked_len;

	m->asked_len = 0;
	if (!len)
		return SL_FILTER_PASS;
	if (sl_text_append(out, m->held.data, len))
		return fail_form(m, "there is no memory to moderate it");
	memmove(m->held.data, m->held.data + len, m->held.len - len);
	sl_text_truncate(&m->held, m->held.len - len);
	return SL_FILTER_ANEW;
}

/* A question was answered. */
static enum sl_filter_verdict more(struct sl_stage_filter *base, struct sl_text *out)
{
	struct moderated *m = (struct moderated *)base;
	enum sl_filter_verdict verdict;

	if (m->companion->asking)
		return SL_FILTER_PASS;
	if (m->companion->answer == SL_MODERATION_FLAGGED) {
		tell(m, SL_CHECK_MODERATION, SL_CHECK_ENDED, "flagged");
		return fail(m, SL_OPENAI_ERROR_POLICY, "moderation flags it");
	}
	if (m->companion->answer == SL_MODERATION_DOWN) {
		if (!m->told || !m->config->moderation_open)
			tell(m, SL_CHECK_MODERATION,
			     m->config->moderation_open ? SL_CHECK_LET_THROUGH : SL_CHECK_ENDED,
			     "no answer");
		if (!m->told)
			m->base.step(&m->base, SL_STEP_VALIDATE_UNMODERATED);
		m->told = true;
		if (!m->config->moderation_open)
			return fail(m, SL_OPENAI_ERROR_UNCHECKED, "its moderation does not answer");
	}
	if (!m->pending_len) /* what is held beyond the question says nothing */
		m->asked_len = m->held.len;
	verdict = let_out(m, out);
	if (verdict != SL_FILTER_FAIL && is_due(m))
		ask(m);
	m->base.full = is_full(m);
	return verdict;
}

static enum sl_filter_verdict end_stream(struct sl_stage_filter *base, struct sl_text *out)
{
	struct moderated *m = (struct moderated *)base;

	m->last = true;
	if (is_due(m))
		ask(m);
	if (m->companion->asking)
		return SL_FILTER_WAIT;
	m->asked_len = m->held.len; /* without a word in it */
	return let_out(m, out);
}

static void fini(struct sl_stage_filter *base, bool whole)
{
	struct moderated *m = (struct moderated *)base;
	struct companion *c = m->companion;

	(void)whole;
	if (c) {
		c->filter = NULL;
		c->over = true;
		if (c->fiber)
			sl_fiber_wake(c->fiber);
		companion_put(c);
	}
	for (uint32_t i = 0; i < m->channel_count; i++)
		sl_text_fini(&m->channels[i].pending);
	sl_text_fini(&m->held);
	sl_arena_fini(&m->arena);
	free(m);
}

int sl_validate_moderated(struct sl_stage *stage, struct sl_stage_filter **ret_filter)
{
	const struct sl_config_validate *v = &stage->route->validate;
	struct moderated *m;
	int rc = -ENOMEM;

	*ret_filter = NULL;
	if (!sl_validate_moderates(v, SL_CONFIG_WAY_OUT))
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->base = (struct sl_stage_filter){
		.data = data_chunk, .end = end_stream, .more = more, .fini = fini};
	m->config = v;
	m->model = stage->route->model;
	sl_arena_init(&m->arena, 0, ARENA_BYTES_MAX);
	sl_text_init(&m->held, 2 * (size_t)v->moderation_hold + PENDING_MAX);
	m->companion = calloc(1, sizeof(*m->companion));
	if (m->companion) {
		m->companion->refs = 2;
		m->companion->filter = m;
		sl_text_init(&m->companion->question, PENDING_MAX + CHANNELS_MAX * CONTEXT_BYTES);
		rc = stage->ops->along(stage, go_along, drop_companion, m->companion);
		if (rc)
			m->companion->refs--;
	}
	if (rc)
		fini(&m->base, false);
	else
		*ret_filter = &m->base;
	return rc;
}
