/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tool call's text is FF, its index, ":", its name, FF, then its arguments; a call that goes on after
 * another one begins with FF, its index, FF. The byte FF is in no UTF-8, so texts that are equal in this
 * form are equal calls.
 */
#include "user/wire/splice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CALL_MARK '\xff'

#define NAMES_BYTES_MAX 1024u
#define FORM_BYTES_MAX	2048u
#define SCRATCH_BYTES	(2u << 20) /* more than an event may have */

enum top_field {
	TOP_ID,
	TOP_CREATED,
	TOP_MODEL,
	TOP_CHOICES,
	TOP_USAGE,
	TOP_PROMPT_TOKENS,
	TOP_COMPLETION_TOKENS,
	TOP_FIELDS
};
enum choice_field {
	CHOICE_INDEX,
	CHOICE_DELTA,
	CHOICE_TEXT,
	CHOICE_FINISH,
	CHOICE_LOGPROBS,
	CHOICE_FIELDS
};
enum call_field { CALL_INDEX, CALL_FUNCTION, CALL_NAME, CALL_ARGUMENTS, CALL_FIELDS };

struct piece {
	enum sl_splice_kind kind;
	size_t at, len;		    /* in scratch */
	size_t skip;		    /* of it, held back */
	size_t head_len;	    /* of a call: what comes before its arguments */
	int64_t call;		    /* its index */
	const char *name;	    /* member of delta */
	struct sl_json_field value; /* raw */
};

/* One chunk, taken apart. */
struct reading {
	struct sl_json_field top[TOP_FIELDS];
	struct sl_json_field choice[CHOICE_FIELDS];
	bool has_choice;
	bool strange; /* has parts that cannot be compared */
	struct piece pieces[SL_SPLICE_PIECES_MAX];
	uint32_t piece_count;
	struct sl_json_edit edits[SL_JSON_EDITS_MAX];
	uint32_t edit_count;
};

void sl_splice_init(struct sl_splice *splice)
{
	int kind;

	memset(splice, 0, sizeof(*splice));
	for (kind = 0; kind < SL_SPLICE_KINDS; kind++)
		sl_text_init(&splice->sent[kind], SL_SPLICE_BYTES_MAX);
	sl_text_init(&splice->names, NAMES_BYTES_MAX);
	sl_text_init(&splice->form, FORM_BYTES_MAX);
	sl_text_init(&splice->scratch, SCRATCH_BYTES);
	splice->sent_call = splice->again_call = -1;
}

void sl_splice_fini(struct sl_splice *splice)
{
	int kind;

	for (kind = 0; kind < SL_SPLICE_KINDS; kind++)
		sl_text_fini(&splice->sent[kind]);
	sl_text_fini(&splice->names);
	sl_text_fini(&splice->form);
	sl_text_fini(&splice->scratch);
	splice->lost = true;
}

/* ---- taking a chunk apart -------------------------------------------------------------------- */

static bool is_empty(const struct sl_json_field *f)
{
	return f->type == SL_JSON_ABSENT || f->type == SL_JSON_NULL ||
	       (f->type == SL_JSON_STRING && f->value_len == 2);
}

static void decode(struct sl_splice *s, const struct sl_json_field *f)
{
	int len;

	if (sl_text_reserve(&s->scratch, f->value_len + 1))
		return;
	len = sl_json_string(f, s->scratch.data + s->scratch.len, f->value_len + 1);
	if (len > 0)
		s->scratch.len += (size_t)len;
}

static struct piece *add_piece(struct sl_splice *s, struct reading *r, enum sl_splice_kind kind,
			       const char *name, const struct sl_json_field *value)
{
	struct piece *piece = &r->pieces[r->piece_count];

	if (r->piece_count == SL_SPLICE_PIECES_MAX) {
		r->strange = true;
		return NULL;
	}
	r->piece_count++;
	*piece = (struct piece){.kind = kind, .at = s->scratch.len, .name = name, .value = *value};
	return piece;
}

static void read_text(struct sl_splice *s, struct reading *r, enum sl_splice_kind kind,
		      const char *name, const struct sl_json_field *value)
{
	struct piece *piece;

	if (is_empty(value))
		return;
	if (value->type != SL_JSON_STRING) {
		r->strange = true;
		return;
	}
	piece = add_piece(s, r, kind, name, value);
	if (!piece)
		return;
	decode(s, value);
	piece->len = s->scratch.len - piece->at;
}

/* last: the call that the texts before this chunk ended in. */
static void read_call(struct sl_splice *s, struct reading *r, const struct sl_json_field *call,
		      int64_t *last)
{
	struct sl_json_field f[CALL_FIELDS] = {
		[CALL_INDEX] = SL_JSON_FIELD("index"),
		[CALL_FUNCTION] = SL_JSON_FIELD("function"),
		[CALL_NAME] = SL_JSON_FIELD_IN("function", "name"),
		[CALL_ARGUMENTS] = SL_JSON_FIELD_IN("function", "arguments"),
	};
	struct piece *piece;
	int64_t index;

	if (call->type != SL_JSON_OBJECT ||
	    sl_json_scan(call->value, call->value_len, f, CALL_FIELDS) ||
	    sl_json_int(&f[CALL_INDEX], &index) || index < 0 ||
	    (!is_empty(&f[CALL_NAME]) && f[CALL_NAME].type != SL_JSON_STRING) ||
	    (!is_empty(&f[CALL_ARGUMENTS]) && f[CALL_ARGUMENTS].type != SL_JSON_STRING)) {
		r->strange = true;
		return;
	}
	piece = add_piece(s, r, SL_SPLICE_TOOLS, "tool_calls", call);
	if (!piece)
		return;
	piece->call = index;
	if (!is_empty(&f[CALL_NAME])) {
		sl_text_printf(&s->scratch, "%c%lld:", CALL_MARK, (long long)index);
		decode(s, &f[CALL_NAME]);
		sl_text_append_char(&s->scratch, CALL_MARK);
	} else if (index != *last) {
		sl_text_printf(&s->scratch, "%c%lld%c", CALL_MARK, (long long)index, CALL_MARK);
	}
	*last = index;
	piece->head_len = s->scratch.len - piece->at;
	if (!is_empty(&f[CALL_ARGUMENTS]))
		decode(s, &f[CALL_ARGUMENTS]);
	piece->len = s->scratch.len - piece->at;
}

static bool is_key(const struct sl_json_field *key, const char *name)
{
	return sl_json_string_equal(key, name, strlen(name));
}

static void read_delta(struct sl_splice *s, struct reading *r, int64_t *last_call)
{
	static const struct {
		const char *name;
		enum sl_splice_kind kind;
	} texts[] = {
		{"content", SL_SPLICE_CONTENT},
		{"reasoning_content", SL_SPLICE_REASONING_CONTENT},
		{"reasoning", SL_SPLICE_REASONING},
		{"refusal", SL_SPLICE_REFUSAL},
	};
	struct sl_json_field key, value, call;
	const char *cursor = NULL;
	size_t i;

	while (sl_json_each_member(&r->choice[CHOICE_DELTA], &cursor, &key, &value)) {
		const char *calls = NULL;

		for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
			if (is_key(&key, texts[i].name))
				break;
		}
		if (i < sizeof(texts) / sizeof(texts[0])) {
			read_text(s, r, texts[i].kind, texts[i].name, &value);
		} else if (value.type == SL_JSON_ARRAY && is_key(&key, "tool_calls")) {
			while (sl_json_each(&value, &calls, &call))
				read_call(s, r, &call, last_call);
		} else if (!is_empty(&value) && !is_key(&key, "role") &&
			   !(value.type == SL_JSON_ARRAY && !sl_json_each(&value, &calls, &call))) {
			r->strange = true;
		}
	}
}

static void read_choice(struct sl_splice *s, struct reading *r, const struct sl_json_field *choice,
			int64_t *last_call)
{
	int64_t index = 0;

	if (r->has_choice || choice->type != SL_JSON_OBJECT ||
	    sl_json_scan(choice->value, choice->value_len, r->choice, CHOICE_FIELDS)) {
		r->strange = true; /* a second choice */
		return;
	}
	r->has_choice = true;
	if ((sl_json_int(&r->choice[CHOICE_INDEX], &index) == 0 && index) ||
	    !is_empty(&r->choice[CHOICE_LOGPROBS]))
		r->strange = true;
	if (r->choice[CHOICE_DELTA].type == SL_JSON_OBJECT)
		read_delta(s, r, last_call);
	read_text(s, r, SL_SPLICE_CONTENT, NULL, &r->choice[CHOICE_TEXT]);
	read_text(s, r, SL_SPLICE_FINISH, NULL, &r->choice[CHOICE_FINISH]);
}

/* False: no chunk at all. */
static bool read_chunk(struct sl_splice *s, const char *data, size_t len, int64_t *last_call,
		       struct reading *r)
{
	static const struct sl_json_field top[TOP_FIELDS] = {
		[TOP_ID] = SL_JSON_FIELD("id"),
		[TOP_CREATED] = SL_JSON_FIELD("created"),
		[TOP_MODEL] = SL_JSON_FIELD("model"),
		[TOP_CHOICES] = SL_JSON_FIELD("choices"),
		[TOP_USAGE] = SL_JSON_FIELD("usage"),
		[TOP_PROMPT_TOKENS] = SL_JSON_FIELD_IN("usage", "prompt_tokens"),
		[TOP_COMPLETION_TOKENS] = SL_JSON_FIELD_IN("usage", "completion_tokens"),
	};
	static const struct sl_json_field choice_fields[CHOICE_FIELDS] = {
		[CHOICE_INDEX] = SL_JSON_FIELD("index"),
		[CHOICE_DELTA] = SL_JSON_FIELD("delta"),
		[CHOICE_TEXT] = SL_JSON_FIELD("text"),
		[CHOICE_FINISH] = SL_JSON_FIELD("finish_reason"),
		[CHOICE_LOGPROBS] = SL_JSON_FIELD("logprobs"),
	};
	struct sl_json_field choice;
	const char *cursor = NULL;

	memcpy(r->top, top, sizeof(top));
	memcpy(r->choice, choice_fields, sizeof(choice_fields));
	r->has_choice = r->strange = false;
	r->piece_count = r->edit_count = 0;
	sl_text_reset(&s->scratch);
	if (sl_json_scan(data, len, r->top, TOP_FIELDS))
		return false;
	while (r->top[TOP_CHOICES].type == SL_JSON_ARRAY &&
	       sl_json_each(&r->top[TOP_CHOICES], &cursor, &choice))
		read_choice(s, r, &choice, last_call);
	if (s->scratch.error)
		r->strange = true;
	return true;
}

/* ---- what was sent --------------------------------------------------------------------------- */

static int lose(struct sl_splice *s, int rc)
{
	sl_splice_fini(s);
	return rc;
}

static void note_names(struct sl_splice *s, const struct reading *r)
{
	int name;

	s->named = true;
	for (name = 0; name < SL_SPLICE_NAMES; name++) {
		const struct sl_json_field *f = &r->top[TOP_ID + name];

		if (f->type == SL_JSON_ABSENT || sl_text_append(&s->names, f->value, f->value_len))
			continue;
		s->name_len[name] = (uint16_t)f->value_len;
	}
}

static int note_text(struct sl_splice *s, enum sl_splice_kind kind, const char *text, size_t len)
{
	int rc;

	s->sent_bytes += len;
	if (s->sent_bytes > SL_SPLICE_BYTES_MAX) {
		s->too_long = true;
		return -E2BIG;
	}
	rc = sl_text_append(&s->sent[kind], text, len);
	s->again[kind] = s->sent[kind].len;
	return rc;
}

/* The rest of a piece goes to the client. */
static int note_piece(struct sl_splice *s, const struct piece *piece)
{
	return note_text(s, piece->kind, sl_text_string(&s->scratch) + piece->at + piece->skip,
			 piece->len - piece->skip);
}

static int note_pieces(struct sl_splice *s, const struct reading *r)
{
	uint32_t i;
	int rc = 0;

	if (r->strange)
		return -ENOTSUP;
	for (i = 0; i < r->piece_count && !rc; i++)
		rc = note_piece(s, &r->pieces[i]);
	return rc;
}

/* Of a chunk with one text, its content: all but that text. */
static void keep_form(struct sl_splice *s, const struct reading *r, const char *data, size_t len)
{
	const struct piece *piece = &r->pieces[0];
	size_t text_len = piece->value.value_len - 2;

	if (r->piece_count != 1 || piece->kind != SL_SPLICE_CONTENT)
		return;
	sl_text_reset(&s->form);
	s->form_at = (size_t)(piece->value.value + 1 - data);
	sl_text_append(&s->form, data, s->form_at);
	sl_text_append(&s->form, data + s->form_at + text_len, len - s->form_at - text_len);
	if (s->form.error)
		sl_text_reset(&s->form);
}

/*
 * A server writes chunk after chunk with nothing new in it but the text. One that has the form of the
 * last, and neither quote nor escape between its ends, can hold nothing but a string there: it need
 * not be taken apart. The caller knows that it is valid JSON.
 */
static bool has_form(const struct sl_splice *s, const char *data, size_t len, size_t *ret_text_len)
{
	size_t rest = s->form.len - s->form_at;

	if (!s->form.len || len < s->form.len || memcmp(data, s->form.data, s->form_at) != 0 ||
	    memcmp(data + len - rest, s->form.data + s->form_at, rest) != 0)
		return false;
	*ret_text_len = len - s->form.len;
	return !memchr(data + s->form_at, '"', *ret_text_len) &&
	       !memchr(data + s->form_at, '\\', *ret_text_len);
}

int sl_splice_note(struct sl_splice *splice, const char *data, size_t len)
{
	struct reading r;
	size_t text_len;
	int rc;

	if (splice->lost)
		return -ENOTSUP;
	if (has_form(splice, data, len, &text_len)) {
		rc = note_text(splice, SL_SPLICE_CONTENT, data + splice->form_at, text_len);
		return rc ? lose(splice, rc) : 0;
	}
	if (!read_chunk(splice, data, len, &splice->sent_call, &r))
		return lose(splice, -ENOTSUP);
	if (!splice->named)
		note_names(splice, &r);
	rc = note_pieces(splice, &r);
	if (rc)
		return lose(splice, rc);
	keep_form(splice, &r, data, len);
	return 0;
}

/* ---- another stream -------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

size_t sl_splice_begin(struct sl_splice *splice, enum sl_splice_way way, bool trim, uint64_t tokens)
{
	const struct sl_text *content = &splice->sent[SL_SPLICE_CONTENT];
	size_t keep = content->len;
	int kind;

	splice->way = way;
	splice->tokens_before = tokens;
	splice->again_call = -1;
	splice->finished = sl_splice_has(splice, SL_SPLICE_FINISH);
	while (trim && keep && is_blank(content->data[keep - 1]))
		keep--;
	for (kind = 0; kind < SL_SPLICE_KINDS; kind++)
		splice->again[kind] = way == SL_SPLICE_RESTART ? 0 : splice->sent[kind].len;
	if (way == SL_SPLICE_CONTINUE)
		splice->again[SL_SPLICE_CONTENT] = keep;
	return keep;
}

bool sl_splice_caught_up(const struct sl_splice *splice)
{
	int kind;

	for (kind = 0; splice->way == SL_SPLICE_RESTART && kind < SL_SPLICE_KINDS; kind++) {
		if (splice->again[kind] < splice->sent[kind].len)
			return false;
	}
	return true;
}

/* How much of the piece repeats what was sent. -1: it differs. */
static int64_t repeated(const struct sl_splice *s, const struct piece *piece)
{
	const char *text = sl_text_string(&s->scratch) + piece->at;
	const char *sent = sl_text_string(&s->sent[piece->kind]) + s->again[piece->kind];
	size_t left = s->sent[piece->kind].len - s->again[piece->kind];
	size_t len = piece->len < left ? piece->len : left, same = 0;

	while (same < len && text[same] == sent[same])
		same++;
	if (s->way == SL_SPLICE_RESTART && same < len)
		return -1;
	return (int64_t)same;
}

/* Takes off each piece what repeats. False: the chunk is of another answer. *ret_fresh: any rest. */
static bool take_repeated(struct sl_splice *s, struct reading *r, bool *ret_fresh)
{
	uint32_t i;

	*ret_fresh = false;
	for (i = 0; i < r->piece_count; i++) {
		struct piece *piece = &r->pieces[i];
		int64_t same = piece->len ? repeated(s, piece) : 0;

		if (same < 0)
			return false;
		piece->skip = (size_t)same;
		s->again[piece->kind] += piece->skip;
		s->held_bytes += piece->skip;
		if (piece->skip == piece->len)
			continue;
		*ret_fresh = true;
		/* other blanks than those that were sent: the text goes on with them */
		s->again[piece->kind] = s->sent[piece->kind].len;
	}
	return true;
}

/* ---- writing it anew ------------------------------------------------------------------------- */

static void replace(struct reading *r, const char *data, const struct sl_json_field *f,
		    const char *text, size_t len)
{
	if (f->type != SL_JSON_ABSENT && r->edit_count < SL_JSON_EDITS_MAX)
		r->edits[r->edit_count++] = sl_json_edit_replace(data, f, text, len);
}

static void put_string(struct sl_text *out, const struct sl_splice *s, size_t at, size_t len)
{
	sl_text_append_char(out, '"');
	sl_text_append_json(out, sl_text_string(&s->scratch) + at, len);
	sl_text_append_char(out, '"');
}

static void put_call(struct sl_text *out, const struct sl_splice *s, const struct piece *piece)
{
	if (!piece->skip) {
		sl_text_append(out, piece->value.value, piece->value.value_len);
		return;
	}
	sl_text_printf(out, "{\"index\":%lld,\"function\":{\"arguments\":", (long long)piece->call);
	put_string(out, s, piece->at + piece->skip, piece->len - piece->skip);
	sl_text_append_string(out, "}}");
}

/* The delta without what was sent before, and without a role. */
static void put_delta(const struct sl_splice *s, const struct reading *r, struct sl_text *out)
{
	bool first = true, in_calls = false;
	uint32_t i;

	sl_text_append_char(out, '{');
	for (i = 0; i < r->piece_count; i++) {
		const struct piece *piece = &r->pieces[i];
		bool is_call = piece->kind == SL_SPLICE_TOOLS;

		if (!piece->name || (piece->len && piece->skip == piece->len))
			continue;
		if (in_calls && !is_call)
			sl_text_append_char(out, ']');
		if (!first)
			sl_text_append_char(out, ',');
		if (!(in_calls && is_call))
			sl_text_printf(out, "\"%s\":%s", piece->name, is_call ? "[" : "");
		if (is_call)
			put_call(out, s, piece);
		else if (!piece->skip)
			sl_text_append(out, piece->value.value, piece->value.value_len);
		else
			put_string(out, s, piece->at + piece->skip, piece->len - piece->skip);
		in_calls = is_call;
		first = false;
	}
	sl_text_append_string(out, in_calls ? "]}" : "}");
}

/* Edits of the choice. room: gets the texts, which stay where they are (reserved before). */
static void edit_choice(struct sl_splice *s, struct reading *r, const char *data,
			struct sl_text *room)
{
	size_t at = room->len;
	uint32_t i;

	if (r->choice[CHOICE_DELTA].type == SL_JSON_OBJECT && !r->strange) {
		put_delta(s, r, room);
		replace(r, data, &r->choice[CHOICE_DELTA], room->data + at, room->len - at);
	}
	for (i = 0; i < r->piece_count; i++) {
		const struct piece *piece = &r->pieces[i];

		if (piece->name || !piece->skip)
			continue;
		at = room->len;
		if (piece->kind == SL_SPLICE_FINISH) {
			replace(r, data, &r->choice[CHOICE_FINISH], "null", 4);
			continue;
		}
		put_string(room, s, piece->at + piece->skip, piece->len - piece->skip);
		replace(r, data, &r->choice[CHOICE_TEXT], room->data + at, room->len - at);
	}
}

static void edit_names(const struct sl_splice *s, struct reading *r, const char *data)
{
	const char *name_json = sl_text_string(&s->names);
	int name;

	for (name = 0; name < SL_SPLICE_NAMES; name++) {
		if (s->name_len[name])
			replace(r, data, &r->top[TOP_ID + name], name_json, s->name_len[name]);
		name_json += s->name_len[name];
	}
}

static void edit_usage(const struct sl_splice *s, struct reading *r, const char *data,
		       struct sl_text *room)
{
	int64_t prompt, completion, moved = (int64_t)s->tokens_before;
	size_t at = room->len;

	if (s->way != SL_SPLICE_CONTINUE || r->top[TOP_USAGE].type != SL_JSON_OBJECT ||
	    sl_json_int(&r->top[TOP_PROMPT_TOKENS], &prompt) ||
	    sl_json_int(&r->top[TOP_COMPLETION_TOKENS], &completion))
		return;
	if (moved > prompt)
		moved = prompt;
	sl_text_append_i64(room, prompt - moved);
	replace(r, data, &r->top[TOP_PROMPT_TOKENS], room->data + at, room->len - at);
	at = room->len;
	sl_text_append_i64(room, completion + moved);
	replace(r, data, &r->top[TOP_COMPLETION_TOKENS], room->data + at, room->len - at);
}

/* Edits point into room, so it must not move: six bytes for one always suffice. */
static size_t room_bytes(size_t len)
{
	return 6 * len + 512;
}

static void write_anew(struct sl_splice *s, struct reading *r, const char *data, size_t len,
		       struct sl_text *out)
{
	struct sl_json_piece pieces[3 * SL_JSON_EDITS_MAX + 1];
	struct sl_text room;
	int i, count = -1;

	sl_text_init(&room, room_bytes(len));
	if (sl_text_reserve(&room, room_bytes(len))) {
		out->error = -ENOMEM;
		return;
	}
	edit_names(s, r, data);
	edit_choice(s, r, data, &room);
	edit_usage(s, r, data, &room);
	sl_json_edit_sort(r->edits, r->edit_count);
	if (!room.error)
		count = sl_json_edit_pieces(data, len, r->edits, r->edit_count, pieces,
					    sizeof(pieces) / sizeof(pieces[0]));
	for (i = 0; i < count; i++)
		sl_text_append(out, pieces[i].data, pieces[i].len);
	if (count < 0)
		out->error = -ENOMEM;
	sl_text_fini(&room);
}

/* Carries nothing but who speaks. */
static bool is_preamble(const struct reading *r)
{
	return r->has_choice && !r->piece_count && !r->strange &&
	       r->top[TOP_USAGE].type != SL_JSON_OBJECT;
}

enum sl_splice_verdict sl_splice_put(struct sl_splice *splice, const char *data, size_t len,
				     struct sl_text *out)
{
	int64_t *call = splice->way == SL_SPLICE_RESTART ? &splice->again_call : &splice->sent_call;
	bool has_usage, fresh = false;
	struct reading r;

	if (!read_chunk(splice, data, len, call, &r))
		return SL_SPLICE_DIFFERS;
	has_usage = r.top[TOP_USAGE].type == SL_JSON_OBJECT;
	if (is_preamble(&r) || !(r.has_choice || has_usage))
		return SL_SPLICE_HOLD;
	if (!splice->lost) {
		if (r.strange && !sl_splice_caught_up(splice))
			return SL_SPLICE_DIFFERS;
		if (!r.strange && !take_repeated(splice, &r, &fresh))
			return SL_SPLICE_DIFFERS;
		/* something new before all that was sent has come again, or behind its end */
		if (fresh && (splice->finished || !sl_splice_caught_up(splice)))
			return SL_SPLICE_DIFFERS;
		if (!fresh && !r.strange && !(has_usage && sl_splice_caught_up(splice)))
			return SL_SPLICE_HOLD;
		/* once nothing is to be held back any more, a loss only forbids another change */
		if (note_pieces(splice, &r))
			splice->lost = true;
		if (splice->way == SL_SPLICE_RESTART)
			splice->sent_call = splice->again_call;
	}
	write_anew(splice, &r, data, len, out);
	return SL_SPLICE_PASS;
}
