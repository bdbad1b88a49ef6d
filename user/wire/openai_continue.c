/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/openai_continue.h"

#include <errno.h>
#include <string.h>

#define CONTINUE_MEMBERS "\"continue_final_message\":true,\"add_generation_prompt\":false"

enum field {
	MAX_TOKENS = 0,
	MAX_COMPLETION_TOKENS,
	MIN_TOKENS,
	COUNTS,
	/* what a rest would not fit to */
	FIRST_BAR = COUNTS,
	RESPONSE_FORMAT = FIRST_BAR,
	CONTINUE_FINAL,
	ADD_GENERATION_PROMPT,
	ECHO_PROMPT,
	SUFFIX,
	STRUCTURED_OUTPUTS,
	GUIDED_JSON,
	GUIDED_REGEX,
	GUIDED_CHOICE,
	GUIDED_GRAMMAR,
	GRAMMAR,
	JSON_SCHEMA,
	REGEX,
	EBNF,
	FIELDS
};

/* A text that stands in the body until the edits have been written. */
struct draft {
	struct sl_json_edit edits[SL_JSON_EDITS_MAX];
	size_t count;
	char numbers[COUNTS][24];
};

static bool scan(const struct sl_openai_request *q, struct sl_json_field fields[FIELDS])
{
	static const struct sl_json_field wanted[FIELDS] = {
		[MAX_TOKENS] = SL_JSON_FIELD("max_tokens"),
		[MAX_COMPLETION_TOKENS] = SL_JSON_FIELD("max_completion_tokens"),
		[MIN_TOKENS] = SL_JSON_FIELD("min_tokens"),
		[RESPONSE_FORMAT] = SL_JSON_FIELD("response_format"),
		[CONTINUE_FINAL] = SL_JSON_FIELD("continue_final_message"),
		[ADD_GENERATION_PROMPT] = SL_JSON_FIELD("add_generation_prompt"),
		[ECHO_PROMPT] = SL_JSON_FIELD("echo"),
		[SUFFIX] = SL_JSON_FIELD("suffix"),
		[STRUCTURED_OUTPUTS] = SL_JSON_FIELD("structured_outputs"),
		[GUIDED_JSON] = SL_JSON_FIELD("guided_json"),
		[GUIDED_REGEX] = SL_JSON_FIELD("guided_regex"),
		[GUIDED_CHOICE] = SL_JSON_FIELD("guided_choice"),
		[GUIDED_GRAMMAR] = SL_JSON_FIELD("guided_grammar"),
		[GRAMMAR] = SL_JSON_FIELD("grammar"),
		[JSON_SCHEMA] = SL_JSON_FIELD("json_schema"),
		[REGEX] = SL_JSON_FIELD("regex"),
		[EBNF] = SL_JSON_FIELD("ebnf"),
	};

	memcpy(fields, wanted, sizeof(wanted));
	return sl_json_scan(q->body, q->body_len, fields, FIELDS) == 0;
}

/* false and "" say as little as null. */
static bool says_nothing(const struct sl_json_field *f)
{
	return f->type <= SL_JSON_FALSE || (f->type == SL_JSON_STRING && f->value_len == 2);
}

/* Response format "text" is what there is without one. */
static bool is_plain(const struct sl_json_field *f)
{
	struct sl_json_field type = SL_JSON_FIELD("type");

	return f->type == SL_JSON_OBJECT && !sl_json_scan(f->value, f->value_len, &type, 1) &&
	       sl_json_string_equal(&type, "text", 4);
}

static bool answer_begun(const struct sl_openai_request *q)
{
	struct sl_json_field message, last = {0}, role = SL_JSON_FIELD("role");
	const char *cursor = NULL;

	while (sl_json_each(&q->prompt_field, &cursor, &message))
		last = message;
	return last.type != SL_JSON_OBJECT ||
	       sl_json_scan(last.value, last.value_len, &role, 1) != 0 ||
	       sl_json_string_equal(&role, "assistant", 9);
}

static bool may(const struct sl_openai_request *q, struct sl_json_field fields[FIELDS])
{
	int i;

	if (!scan(q, fields))
		return false;
	for (i = FIRST_BAR; i < FIELDS; i++) {
		if (!says_nothing(&fields[i]) && !(i == RESPONSE_FORMAT && is_plain(&fields[i])))
			return false;
	}
	/* said at all, whatever it says */
	if (fields[CONTINUE_FINAL].type != SL_JSON_ABSENT ||
	    fields[ADD_GENERATION_PROMPT].type != SL_JSON_ABSENT)
		return false;
	if (q->endpoint == SL_OPENAI_CHAT)
		return !answer_begun(q);
	return q->endpoint == SL_OPENAI_COMPLETIONS && q->prompt_field.type == SL_JSON_STRING;
}

bool sl_openai_continue_may(const struct sl_openai_request *request)
{
	struct sl_json_field fields[FIELDS];

	return may(request, fields);
}

static void add(struct draft *draft, struct sl_json_edit edit)
{
	draft->edits[draft->count++] = edit;
}

/* -ENOTSUP: nothing is left of a bound. */
static int lower(struct draft *draft, const struct sl_openai_request *q,
		 const struct sl_json_field *fields, int which, uint64_t tokens)
{
	const struct sl_json_field *f = &fields[which];
	char *room = draft->numbers[which];
	struct sl_text text;
	int64_t value;

	if (f->type != SL_JSON_NUMBER)
		return 0;
	if (sl_json_int(f, &value) || value < 0)
		return -ENOTSUP;
	if ((uint64_t)value <= tokens && which != MIN_TOKENS)
		return -ENOTSUP;
	sl_text_init_fixed(&text, room, sizeof(draft->numbers[which]));
	sl_text_append_u64(&text, (uint64_t)value > tokens ? (uint64_t)value - tokens : 0);
	add(draft, sl_json_edit_replace(q->body, f, room, text.len));
	return 0;
}

/* Text between the last byte of the prompt's value and what closes it. */
static struct sl_json_edit insert(const struct sl_openai_request *q, const struct sl_text *text)
{
	const struct sl_json_field *prompt = &q->prompt_field;

	return (struct sl_json_edit){
		.at = (size_t)(prompt->value - q->body) + prompt->value_len - 1,
		.text = sl_text_string(text),
		.text_len = text->len,
	};
}

static void write_beginning(const struct sl_openai_request *q, const struct sl_openai_continue *how,
			    struct sl_text *out)
{
	bool chat = q->endpoint == SL_OPENAI_CHAT;

	if (chat)
		sl_text_append_string(out, ",{\"role\":\"assistant\",\"content\":\"");
	sl_text_append_json(out, how->text, how->text_len);
	if (chat)
		sl_text_append_string(out, "\"}");
}

int sl_openai_continue_write(const struct sl_openai_request *request,
			     const struct sl_openai_continue *how, struct sl_text *out)
{
	struct sl_json_piece pieces[3 * SL_JSON_EDITS_MAX + 1];
	struct sl_json_field fields[FIELDS];
	struct draft draft = {.count = 0};
	struct sl_text beginning;
	int i, count, rc = 0;

	if (!may(request, fields))
		return -ENOTSUP;
	for (i = 0; i < COUNTS && !rc; i++)
		rc = lower(&draft, request, fields, i, how->tokens);
	if (rc)
		return rc;
	if (how->model_json)
		add(&draft, sl_json_edit_replace(request->body, &request->model_field,
						 how->model_json, how->model_json_len));
	sl_text_init(&beginning, 0);
	write_beginning(request, how, &beginning);
	add(&draft, insert(request, &beginning));
	if (request->endpoint == SL_OPENAI_CHAT)
		add(&draft, sl_json_edit_insert(request->body, request->body_len, NULL,
						CONTINUE_MEMBERS, sizeof(CONTINUE_MEMBERS) - 1));
	sl_json_edit_sort(draft.edits, draft.count);
	count = sl_json_edit_pieces(request->body, request->body_len, draft.edits, draft.count,
				    pieces, sizeof(pieces) / sizeof(pieces[0]));
	for (i = 0; i < count && !beginning.error; i++)
		sl_text_append(out, pieces[i].data, pieces[i].len);
	rc = count < 0 ? count : beginning.error ? beginning.error : out->error;
	sl_text_fini(&beginning);
	return rc;
}
