/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Walks a body for what people and models wrote: the strings under certain keys. Roles, names, ids,
 * URLs and data of images are nobody's text.
 */
#include "user/stage/validate_parts.h"

#include <errno.h>
#include <string.h>

struct rewrite {
	struct sl_validate_body *body;
	const struct sl_json_tape *tape;
	struct sl_screen *screen; /* NULL: texts are only gathered, in out */
	struct sl_arena *scratch;
	struct sl_text *out;
	struct sl_text piece;
	size_t copied; /* of the body, into out */
};

enum text_kind {
	TEXT_NONE = 0,
	TEXT_PLAIN,
	TEXT_JSON, /* must stay JSON */
};

static enum text_kind kind_of(struct sl_span key)
{
	static const char *const keys[] = {"content",	 "text",   "refusal", "reasoning_content",
					   "reasoning",	 "prompt", "input",   "instructions",
					   "output_text"};

	if (sl_span_equal(key, SL_SPAN("arguments")))
		return TEXT_JSON;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (sl_span_equal(key, sl_span_string(keys[i])))
			return TEXT_PLAIN;
	return TEXT_NONE;
}

static int screen_string(struct rewrite *r, uint32_t node, enum text_kind kind)
{
	const struct sl_json_node *n = &r->tape->nodes[node];
	uint32_t before;
	struct sl_span text;
	int rc;

	if (!sl_validate_body_string(r->body, node, r->scratch, &text))
		return -ENOMEM;
	if (!r->screen) {
		sl_text_append_span(r->out, text);
		return text.len ? sl_text_append_char(r->out, '\n') : 0;
	}
	before = r->screen->count;
	sl_text_reset(&r->piece);
	rc = sl_screen_feed(r->screen, text.data, text.len, true, &r->piece);
	if (rc || r->screen->count == before)
		return rc;
	if (kind == TEXT_JSON && !sl_json_check(text.data, text.len, NULL) &&
	    sl_json_check(sl_text_string(&r->piece), r->piece.len, NULL))
		return -EPERM;
	sl_text_append(r->out, r->tape->text + r->copied, n->at + 1 - r->copied);
	sl_text_append_json(r->out, sl_text_string(&r->piece), r->piece.len);
	r->copied = n->at + n->len - 1;
	return r->out->error;
}

/* As deep as the scanner lets a text be. */
static int walk(struct rewrite *r, uint32_t node, enum text_kind kind)
{
	const struct sl_json_node *n = &r->tape->nodes[node];
	uint32_t child = node + 1;
	int rc = 0;

	switch (n->type) {
	case SL_JSON_STRING:
		return kind ? screen_string(r, node, kind) : 0;
	case SL_JSON_ARRAY:
		for (uint32_t i = 0; i < n->count && !rc; i++) {
			rc = walk(r, child, kind);
			child = r->tape->nodes[child].next;
		}
		return rc;
	case SL_JSON_OBJECT:
		for (uint32_t i = 0; i < n->count && !rc; i++) {
			struct sl_span key;

			/* unescaped, as whoever gets it reads it */
			if (!sl_json_tape_string(r->tape, child, r->scratch, &key))
				return -ENOMEM;
			rc = walk(r, child + 1, kind_of(key));
			child = r->tape->nodes[child + 1].next;
		}
		return rc;
	default:
		return 0;
	}
}

int sl_validate_body_read(struct sl_validate_body *body, struct sl_arena *scratch)
{
	if (body->read)
		return body->rc;
	body->read = true;
	body->rc = sl_json_tape_make(body->text.data, body->text.len, scratch, &body->tape);
	return body->rc;
}

bool sl_validate_body_string(struct sl_validate_body *body, uint32_t node, struct sl_arena *scratch,
			     struct sl_span *ret_string)
{
	if (body->string != node || !node) {
		if (!sl_json_tape_string(&body->tape, node, scratch, &body->decoded))
			return false;
		body->string = node;
	}
	*ret_string = body->decoded;
	return true;
}

/* sl_validate_body_read() with the errors of this file. */
static int read_body(struct sl_validate_body *body, struct sl_arena *scratch)
{
	int rc = sl_validate_body_read(body, scratch);

	return !rc ? 0 : rc == SL_JSON_TAPE_NO_MEMORY ? -ENOMEM : -EINVAL;
}

int sl_validate_rewrite(struct sl_validate_body *body, struct sl_screen *screen,
			struct sl_arena *scratch, struct sl_text *out, bool *ret_changed)
{
	struct rewrite r = {.body = body,
			    .tape = &body->tape,
			    .screen = screen,
			    .scratch = scratch,
			    .out = out};
	int rc = read_body(body, scratch);

	if (rc)
		return rc;
	sl_text_init(&r.piece, SL_SCREEN_BYTES_MAX);
	rc = walk(&r, 0, TEXT_NONE);
	sl_text_fini(&r.piece);
	if (rc)
		return rc;
	*ret_changed = r.copied > 0;
	if (*ret_changed)
		sl_text_append(out, body->text.data + r.copied, body->text.len - r.copied);
	return out->error;
}

int sl_validate_gather(const char *text, size_t len, struct sl_arena *scratch, struct sl_text *out)
{
	struct sl_validate_body body = {.text = {text, len}};
	struct rewrite r = {.body = &body, .tape = &body.tape, .scratch = scratch, .out = out};
	int rc = read_body(&body, scratch);

	if (rc)
		return rc;
	rc = walk(&r, 0, TEXT_NONE);
	return rc ? rc : out->error;
}

const char *sl_validate_found(const struct sl_screen *screen)
{
	if (screen->found == SL_SCREEN_LISTED)
		return "what a list forbids";
	return sl_pii_name(
		(enum sl_pii_kind)(screen->found > 1 ? __builtin_ctz(screen->found & ~1u) : 0));
}

bool sl_validate_hold(struct sl_validate_lists *lists, const struct sl_config_paths *paths,
		      struct sl_validate_held *held)
{
	struct sl_validate_list list;

	*held = (struct sl_validate_held){.count = 0};
	for (uint32_t i = 0; i < paths->count; i++) {
		if (!sl_validate_lists_get(lists, paths->paths[i], &list)) {
			sl_validate_release(held);
			held->missing = i;
			return false;
		}
		held->lists[held->count] = list.patterns;
		held->matches[held->count++] = list.matches;
		/* not the same when two are exchanged */
		held->version = held->version * 31 + list.version;
	}
	return true;
}

void sl_validate_release(struct sl_validate_held *held)
{
	while (held->count)
		sl_pattern_free(&held->lists[--held->count]);
}

void sl_validate_screen(uint32_t kinds, enum sl_config_found found,
			const struct sl_validate_held *held, bool block, struct sl_screen *screen)
{
	/* the configuration counts the kinds from the first one on */
	sl_screen_init(screen, kinds << 1, (enum sl_screen_action)found);
	screen->lists = held->lists;
	screen->list_matches = held->matches;
	screen->list_count = held->count;
	screen->lists_block = block;
}
