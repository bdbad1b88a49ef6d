/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Streams: each choice has channels (its text, its reasoning, the arguments of each of its calls), and
 * each channel a screen that holds back what is not settled. What is held back goes out before the chunk
 * that ends its choice. A text that a schema is for is looked at as it grows (wire/schema_stream.h), and as a
 * whole at its end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/stage/validate.h"
#include "user/stage/validate_parts.h"
#include "user/wire/schema_stream.h"

#define CHANNELS_MAX	24u
#define WHOLE_BYTES_MAX (1u << 20) /* of a text that is checked at its end */
#define ARENA_BYTES_MAX (16u << 20)

enum channel_kind {
	CHANNEL_CONTENT = 0,
	CHANNEL_REASONING,
	CHANNEL_REASONING_CONTENT,
	CHANNEL_REFUSAL,
	CHANNEL_TEXT, /* of completions */
	CHANNEL_ARGUMENTS,
};

static const char *const channel_keys[] = {"content", "reasoning", "reasoning_content", "refusal",
					   "text"};

struct channel {
	enum channel_kind kind;
	uint32_t choice;
	uint32_t call; /* ARGUMENTS: its index */
	struct sl_screen screen;
	uint32_t told;			  /* of its matches */
	struct sl_text whole;		  /* as the model said it, where a schema wants it */
	struct sl_schema_stream *growing; /* whether it can still become what that wants */
	struct sl_text sent;		  /* arguments as they went out */
	char *tool;
};

struct filter {
	struct sl_stage_filter base;
	bool screens;
	struct sl_validate_held held;
	const struct sl_config_paths *lists; /* the route's */
	struct sl_screen screen;	     /* what those of channels begin as */
	bool has_rules;
	struct sl_validate_rules rules;
	struct sl_arena arena;	 /* of one chunk */
	struct sl_arena scratch; /* of one value that is checked while it grows */
	struct channel *channels[CHANNELS_MAX];
	uint32_t channel_count;
	bool redacted;
	const char *model; /* the route's; routes are kept */
	/* while a chunk is looked at */
	const struct sl_json_tape *tape;
	struct sl_text *out;
	struct sl_text piece;
	struct sl_text anew; /* the chunk as it will go out */
	size_t copied;
	bool changed;
};

static void tell(void *owner, const struct sl_checked *checked)
{
	struct filter *f = owner;

	f->base.checked(&f->base, checked);
}

/* Ends it; whoever found why has told so. */
static int end_with(struct filter *f, enum sl_openai_error_id id, const char *why)
{
	f->base.error = (struct sl_openai_error){.id = id, .object = why};
	f->base.step(&f->base, SL_STEP_VALIDATE_ENDED);
	if (id == SL_OPENAI_ERROR_ANSWER) {
		f->base.error.object = f->model;
		f->base.error.detail = why;
	}
	return -EPERM;
}

/* what: NULL for nothing more to say. */
static int fail(struct filter *f, enum sl_openai_error_id id, enum sl_check check, const char *what,
		const char *why)
{
	tell(f, &(struct sl_checked){
			.check = check, .done = SL_CHECK_ENDED, .is_answer = true, .what = what});
	return end_with(f, id, why);
}

/* By the newest match of the channel's screen. */
static int fail_screen(struct filter *f, const struct channel *c, const char *why)
{
	sl_validate_tell_stop(&c->screen, f->lists, true, SL_CHECK_ENDED, tell, f);
	return end_with(f, SL_OPENAI_ERROR_POLICY, why);
}

static struct channel *channel_of(struct filter *f, enum channel_kind kind, uint32_t choice,
				  uint32_t call)
{
	struct channel *c;

	for (uint32_t i = 0; i < f->channel_count; i++) {
		c = f->channels[i];
		if (c->kind == kind && c->choice == choice && c->call == call)
			return c;
	}
	c = f->channel_count < CHANNELS_MAX ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return NULL;
	c->kind = kind;
	c->choice = choice;
	c->call = call;
	c->screen = f->screen;
	sl_text_init(&c->whole, WHOLE_BYTES_MAX);
	sl_text_init(&c->sent, WHOLE_BYTES_MAX);
	f->channels[f->channel_count++] = c;
	return c;
}

static bool is_checked(const struct filter *f, const struct channel *c)
{
	if (!f->has_rules)
		return false;
	return c->kind == CHANNEL_CONTENT ? f->rules.format != NULL
					  : c->kind == CHANNEL_ARGUMENTS && f->rules.tool_count;
}

static uint32_t member(struct filter *f, uint32_t object, const char *name)
{
	return sl_json_tape_member(f->tape, object, sl_span_string(name), &f->arena);
}

static uint32_t index_of(struct filter *f, uint32_t object)
{
	uint32_t node = member(f, object, "index");
	struct sl_json_field field = {.type = SL_JSON_ABSENT};
	int64_t value = 0;

	if (node && f->tape->nodes[node].type == SL_JSON_NUMBER) {
		struct sl_span raw = sl_json_tape_raw(f->tape, node);

		field = (struct sl_json_field){
			.type = SL_JSON_NUMBER, .value = raw.data, .value_len = raw.len};
		if (sl_json_int(&field, &value) || value < 0 || value > UINT16_MAX)
			value = UINT16_MAX;
	}
	return (uint32_t)value;
}

/* NULL: none that is known of. */
static const struct sl_schema *schema_of(const struct filter *f, const struct channel *c)
{
	if (c->kind == CHANNEL_CONTENT)
		return f->rules.format;
	return c->tool ? sl_validate_rules_tool(&f->rules, sl_span_string(c->tool)) : NULL;
}

/* It cannot end well. By which keyword is known of a text that is whole, though its stream goes on. */
static int fail_schema(struct filter *f, const struct channel *c, const struct sl_schema *schema,
		       const char *why)
{
	struct sl_validate_fault fault;
	int rc = sl_validate_check_schema(schema, sl_text_span(&c->whole), &f->scratch, &fault);
	bool known = rc == -EINVAL && strcmp(fault.what, "json") != 0;

	sl_arena_reset(&f->scratch);
	return fail(f, SL_OPENAI_ERROR_ANSWER, SL_CHECK_SCHEMA, known ? fault.what : NULL, why);
}

/* The text so far: a stream that cannot end well is ended at once. */
static int check_so_far(struct filter *f, struct channel *c)
{
	const struct sl_schema *schema = schema_of(f, c);
	const char *why = NULL;

	if (!c->growing && schema)
		c->growing = sl_schema_stream_new(schema); /* NULL: it is looked at in the end */
	if (c->growing)
		why = sl_schema_stream_feed(c->growing, sl_text_string(&c->whole), c->whole.len,
					    &f->scratch);
	return why ? fail_schema(f, c, schema, why) : 0;
}

/* Feeds a text; what may go out is in f->piece. */
static int feed(struct filter *f, struct channel *c, struct sl_span text, bool final)
{
	int rc;

	sl_text_reset(&f->piece);
	if (is_checked(f, c)) {
		if (sl_text_append(&c->whole, text.data, text.len))
			return fail(f, SL_OPENAI_ERROR_ANSWER, SL_CHECK_FORM, NULL,
				    "it is too long to be checked");
		rc = check_so_far(f, c);
		if (rc)
			return rc;
	}
	if (!f->screens)
		return sl_text_append(&f->piece, text.data, text.len);
	rc = sl_screen_feed(&c->screen, text.data, text.len, final, &f->piece);
	if (rc == -EPERM)
		return fail_screen(f, c, "the answer holds what may not be told");
	if (!rc && c->kind == CHANNEL_ARGUMENTS)
		rc = sl_text_append(&c->sent, sl_text_string(&f->piece), f->piece.len);
	if (!rc && c->screen.count != c->told) {
		c->told = c->screen.count;
		sl_validate_tell(&c->screen, f->lists, true, tell, f);
	}
	if (c->screen.count && !f->redacted) {
		f->redacted = true;
		f->base.step(&f->base, SL_STEP_VALIDATE_REDACTED);
	}
	return rc;
}

/* A string of the chunk, replaced by what its channel lets through. */
static int pass_string(struct filter *f, struct channel *c, uint32_t node, bool final)
{
	const struct sl_json_node *n = &f->tape->nodes[node];
	struct sl_span text;
	int rc;

	if (!c)
		return fail(f, SL_OPENAI_ERROR_ANSWER, SL_CHECK_FORM, NULL,
			    "it has too many parts to be checked");
	if (!sl_json_tape_string(f->tape, node, &f->arena, &text))
		return -ENOMEM;
	rc = feed(f, c, text, final);
	if (rc || (f->piece.len == text.len &&
		   memcmp(sl_text_string(&f->piece), text.data, text.len) == 0))
		return rc;
	f->changed = true;
	sl_text_append(&f->anew, f->tape->text + f->copied, n->at + 1 - f->copied);
	sl_text_append_json(&f->anew, sl_text_string(&f->piece), f->piece.len);
	f->copied = n->at + n->len - 1;
	return f->anew.error;
}

static int pass_calls(struct filter *f, uint32_t choice, uint32_t calls, bool final)
{
	uint32_t call = calls + 1;
	int rc = 0;

	if (!calls || f->tape->nodes[calls].type != SL_JSON_ARRAY)
		return 0;
	for (uint32_t i = 0; i < f->tape->nodes[calls].count && !rc; i++) {
		uint32_t function = member(f, call, "function");
		uint32_t name = function ? member(f, function, "name") : 0;
		uint32_t arguments = function ? member(f, function, "arguments") : 0;
		struct channel *c = channel_of(f, CHANNEL_ARGUMENTS, choice, index_of(f, call));
		struct sl_span text;

		if (c && name && f->tape->nodes[name].type == SL_JSON_STRING && !c->tool &&
		    sl_json_tape_string(f->tape, name, &f->arena, &text))
			c->tool = strndup(text.data, text.len);
		if (arguments && f->tape->nodes[arguments].type == SL_JSON_STRING)
			rc = pass_string(f, c, arguments, final);
		call = f->tape->nodes[call].next;
	}
	return rc;
}

/* The document of this chunk, its choices replaced by one with what a channel still held. */
static int write_held(struct filter *f, const struct channel *c, uint32_t choices)
{
	const struct sl_json_node *n = &f->tape->nodes[choices];
	const char *text = f->tape->text;
	size_t end = f->tape->nodes[0].at + f->tape->nodes[0].len;

	sl_text_append(f->out, text, n->at);
	sl_text_printf(f->out, "[{\"index\":%u,", c->choice);
	if (c->kind == CHANNEL_ARGUMENTS)
		sl_text_printf(f->out,
			       "\"delta\":{\"tool_calls\":[{\"index\":%u,\"function\":"
			       "{\"arguments\":\"",
			       c->call);
	else
		sl_text_printf(f->out, "%s\"%s\":\"", c->kind == CHANNEL_TEXT ? "" : "\"delta\":{",
			       channel_keys[c->kind]);
	sl_text_append_json(f->out, sl_text_string(&f->piece), f->piece.len);
	sl_text_append_string(f->out, c->kind == CHANNEL_ARGUMENTS ? "\"}}]}"
				      : c->kind == CHANNEL_TEXT	   ? "\""
								   : "\"}");
	sl_text_append_string(f->out, ",\"finish_reason\":null}]");
	sl_text_append(f->out, text + n->at + n->len, end - n->at - n->len);
	return sl_text_append_char(f->out, '\n');
}

/* A channel's text is whole: is it what it should be? */
static int check_channel(struct filter *f, const struct channel *c)
{
	struct sl_validate_fault fault;
	const struct sl_schema *schema;
	int rc;

	if (c->kind == CHANNEL_ARGUMENTS && c->screen.count &&
	    sl_json_check(sl_text_string(&c->sent), c->sent.len, NULL))
		return fail_screen(f, c, "arguments of a call hold what may not be told");
	schema = is_checked(f, c) ? schema_of(f, c) : NULL;
	if (!schema)
		return 0;
	rc = sl_validate_check_schema(schema, sl_text_span(&c->whole), &f->scratch, &fault);
	sl_arena_reset(&f->scratch);
	if (!rc)
		return 0;
	return fail(f, SL_OPENAI_ERROR_ANSWER, SL_CHECK_SCHEMA, fault.what,
		    rc == -EINVAL ? "it is not as its schema says"
				  : "it is too much to be checked");
}

/* The choice ends with this chunk: what its channels hold goes out before it. */
static int end_choice(struct filter *f, uint32_t choice, uint32_t choices)
{
	int rc = 0;

	for (uint32_t i = 0; i < f->channel_count && !rc; i++) {
		struct channel *c = f->channels[i];

		if (c->choice != choice)
			continue;
		rc = feed(f, c, sl_span_make("", 0), true);
		if (!rc && f->piece.len) {
			f->changed = true;
			rc = write_held(f, c, choices);
		}
		if (!rc)
			rc = check_channel(f, c);
	}
	return rc;
}

/* One choice; its texts, and its end. */
static int pass_choice(struct filter *f, uint32_t node, uint32_t choices)
{
	uint32_t index = index_of(f, node), delta = member(f, node, "delta");
	uint32_t finish = member(f, node, "finish_reason");
	bool final = finish && f->tape->nodes[finish].type == SL_JSON_STRING;
	uint32_t from = delta ? delta : node, key;
	int rc = 0;

	if (f->tape->nodes[from].type != SL_JSON_OBJECT)
		return 0;
	/* in the order of the text: the chunk is written anew from its beginning */
	key = from + 1;
	for (uint32_t i = 0; i < f->tape->nodes[from].count && !rc; i++) {
		struct sl_span name;
		uint32_t value = key + 1;

		if (!sl_json_tape_string(f->tape, key, &f->arena, &name))
			return -ENOMEM;
		for (int k = CHANNEL_CONTENT; k <= CHANNEL_TEXT && !rc; k++)
			if (f->tape->nodes[value].type == SL_JSON_STRING &&
			    sl_span_equal(name, sl_span_string(channel_keys[k])) &&
			    f->tape->nodes[value].len > 2)
				rc = pass_string(f, channel_of(f, (enum channel_kind)k, index, 0),
						 value, final);
		if (!rc && sl_span_equal(name, SL_SPAN("tool_calls")))
			rc = pass_calls(f, index, value, final);
		key = f->tape->nodes[value].next;
	}
	return rc || !final ? rc : end_choice(f, index, choices);
}

static int pass_choices(struct filter *f)
{
	uint32_t choices = member(f, 0, "choices"), choice = choices + 1;
	int rc = 0;

	if (!choices || f->tape->nodes[choices].type != SL_JSON_ARRAY)
		return 0;
	for (uint32_t i = 0; i < f->tape->nodes[choices].count && !rc; i++) {
		if (f->tape->nodes[choice].type == SL_JSON_OBJECT)
			rc = pass_choice(f, choice, choices);
		choice = f->tape->nodes[choice].next;
	}
	return rc;
}

static enum sl_filter_verdict data_chunk(struct sl_stage_filter *base, const char *data, size_t len,
					 const struct sl_openai_chunk *chunk, struct sl_text *out)
{
	struct filter *f = (struct filter *)base;
	struct sl_json_tape tape;
	int rc;

	(void)chunk;
	sl_arena_reset(&f->arena);
	sl_text_reset(&f->anew);
	f->copied = 0;
	f->changed = false;
	f->tape = &tape;
	f->out = out;
	rc = sl_json_tape_make(data, len, &f->arena, &tape);
	if (rc)
		rc = fail(f, SL_OPENAI_ERROR_ANSWER, SL_CHECK_FORM, NULL,
			  "a part of it cannot be checked");
	else
		rc = pass_choices(f);
	if (rc == -EPERM)
		return SL_FILTER_FAIL;
	if (!rc && !f->changed)
		return SL_FILTER_PASS;
	sl_text_append(&f->anew, data + f->copied, len - f->copied);
	sl_text_append_char(&f->anew, '\n');
	if (rc || f->anew.error || sl_text_append_span(out, sl_text_span(&f->anew))) {
		fail(f, SL_OPENAI_ERROR_ANSWER, SL_CHECK_FORM, NULL,
		     "there is no memory to check it");
		return SL_FILTER_FAIL;
	}
	return SL_FILTER_ANEW;
}

/* A stream that ended well without a chunk that ended its choices. */
static enum sl_filter_verdict end_stream(struct sl_stage_filter *base, struct sl_text *out)
{
	static const char frame[] = "{\"object\":\"chat.completion.chunk\",\"choices\":[]}";
	struct filter *f = (struct filter *)base;
	struct sl_json_tape tape;
	int rc = 0;

	sl_arena_reset(&f->arena);
	f->tape = &tape;
	f->out = out;
	f->changed = false;
	if (sl_json_tape_make(frame, sizeof(frame) - 1, &f->arena, &tape))
		return SL_FILTER_PASS;
	for (uint32_t i = 0; i < f->channel_count && !rc; i++)
		if (sl_screen_holds(&f->channels[i]->screen))
			rc = end_choice(f, f->channels[i]->choice, member(f, 0, "choices"));
	if (rc)
		return SL_FILTER_FAIL;
	return f->changed ? SL_FILTER_ANEW : SL_FILTER_PASS;
}

static void fini(struct sl_stage_filter *base, bool whole)
{
	struct filter *f = (struct filter *)base;

	(void)whole;
	for (uint32_t i = 0; i < f->channel_count; i++) {
		sl_screen_fini(&f->channels[i]->screen);
		sl_text_fini(&f->channels[i]->whole);
		sl_text_fini(&f->channels[i]->sent);
		sl_schema_stream_free(&f->channels[i]->growing);
		free(f->channels[i]->tool);
		free(f->channels[i]);
	}
	if (f->has_rules)
		sl_validate_rules_fini(&f->rules);
	sl_validate_release(&f->held);
	sl_text_fini(&f->piece);
	sl_text_fini(&f->anew);
	sl_arena_fini(&f->arena);
	sl_arena_fini(&f->scratch);
	free(f);
}

int sl_validate_filter(struct sl_stage *stage, struct sl_stage_filter **ret_filter)
{
	const struct sl_config_validate *v = &stage->route->validate;
	bool schema = v->schema && stage->facts->endpoint == SL_OPENAI_CHAT &&
		      (stage->facts->has_tools || stage->facts->has_response_format);
	struct filter *f;
	struct sl_error error;
	const char *param;

	*ret_filter = NULL;
	if (!v->pii_out && !v->lists_out.count && !schema)
		return 0;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->base.data = data_chunk;
	f->base.end = end_stream;
	f->base.fini = fini;
	if (!sl_validate_hold(stage->stores->lists, &v->lists_out, &f->held)) {
		free(f);
		return -ENOMEM; /* it was there when the question came */
	}
	f->screens = v->pii_out || v->lists_out.count;
	sl_validate_screen(v->pii_out, v->pii_out_found, &f->held, v->lists_out_block, &f->screen);
	f->lists = &v->lists_out;
	f->model = stage->route->model;
	sl_arena_init(&f->arena, 0, ARENA_BYTES_MAX);
	sl_arena_init(&f->scratch, 0, ARENA_BYTES_MAX);
	sl_text_init(&f->piece, SL_SCREEN_BYTES_MAX);
	sl_text_init(&f->anew, SL_SCREEN_BYTES_MAX);
	if (schema) {
		f->has_rules = sl_validate_rules_init(&f->rules, stage->stores->schemas,
						      stage->facts->body, stage->facts->body_len,
						      &param, &error) == 0;
		if (!f->has_rules) {
			fini(&f->base, false);
			return -ENOMEM;
		}
	}
	*ret_filter = &f->base;
	return 0;
}
