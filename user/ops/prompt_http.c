/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/prompt_http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ROOT "/prompts"

/* Words of a request while they are put together. */
struct words {
	struct sl_prompt_ask ask;
	char id[SL_ADMIN_QUERY_BYTES], last[SL_ADMIN_QUERY_BYTES];
	char values[3][SL_ADMIN_QUERY_BYTES];
};

static void add(struct words *words, const char *word)
{
	if (words->ask.count < SL_PROMPT_WORDS_MAX)
		words->ask.words[words->ask.count++] = word;
}

/* The value of a name in the query, when it is there. */
static void add_value(struct words *words, struct sl_span query, uint32_t place, const char *name)
{
	if (sl_admin_http_query(query, name, words->values[place]) && words->values[place][0])
		add(words, words->values[place]);
}

static bool copy(struct sl_span span, char out[SL_ADMIN_QUERY_BYTES])
{
	snprintf(out, SL_ADMIN_QUERY_BYTES, "%.*s", (int)span.len, span.len ? span.data : "");
	return span.len < SL_ADMIN_QUERY_BYTES;
}

static void look(struct words *words, struct sl_span query)
{
	bool diff = !strcmp(words->last, "diff");

	if (!strcmp(words->last, "test")) {
		words->ask.json = true;
		add(words, "report");
		add(words, words->id);
		add_value(words, query, 0, "version");
		return;
	}
	words->ask.json = sl_admin_http_query(query, "json", words->values[0]) || !words->last[0];
	add(words, diff ? "diff" : words->last[0] ? "show" : "list");
	if (words->id[0])
		add(words, words->id);
	if (words->last[0] && !diff)
		add(words, words->last);
	if (!diff)
		return;
	add_value(words, query, 0, "from");
	if (words->ask.count == 2 && sl_admin_http_query(query, "to", words->values[1]))
		add(words, "stable"); /* its place: `to` is the second one */
	add_value(words, query, 1, "to");
}

/* Does the path end in what is done by POST? */
static bool is_change(const char *last)
{
	return !strcmp(last, "promote") || !strcmp(last, "rollback") || !strcmp(last, "test");
}

static void change(struct words *words, struct sl_span query)
{
	bool promote = !strcmp(words->last, "promote");

	words->ask.json = true;
	add(words, words->last);
	add(words, words->id);
	if (!strcmp(words->last, "rollback"))
		return;
	add_value(words, query, 0, "version");
	if (!promote && words->ask.count == 2 &&
	    sl_admin_http_query(query, "model", words->values[1]))
		add(words, "stable"); /* its place: the model is the second one */
	add_value(words, query, 1, promote ? "label" : "model");
	if (promote && sl_admin_http_query(query, "force", words->values[2]))
		add(words, "force");
}

static int refuse(int status, const char *why, struct sl_text *text)
{
	sl_text_reset(text);
	sl_text_append_string(text, "{\"error\":{\"message\":");
	sl_text_append_json_string(text, why);
	sl_text_append_string(text, "}}\n");
	return status;
}

static int status_of(int rc)
{
	switch (rc) {
	case 0:
		return 200;
	case -ENOENT:
		return 404;
	case -EINVAL:
	case -E2BIG:
		return 400;
	case -EPERM:
	case -EBUSY:
		return 409;
	case 1:
		return 202;
	default:
		return 500;
	}
}

/* Path and method become words. Returns 0, or the status to refuse it with. */
static int read_words(const struct sl_admin_request *request, struct words *words)
{
	struct sl_span path = request->path;
	bool get = request->method == SL_H1_METHOD_GET, put = request->method == SL_H1_METHOD_PUT;
	bool post = request->method == SL_H1_METHOD_POST;

	sl_span_cut(&path, '/');
	sl_span_cut(&path, '/');
	if (!copy(sl_span_cut(&path, '/'), words->id) ||
	    !copy(sl_span_cut(&path, '/'), words->last) || path.len || strchr(words->id, '@'))
		return 404;
	if (get) {
		look(words, request->query);
	} else if (put && words->id[0] && !words->last[0]) {
		words->ask.json = true;
		words->ask.body = request->body;
		add(words, "push");
		add(words, words->id);
	} else if (post && is_change(words->last)) {
		change(words, request->query);
	} else {
		return 405;
	}
	return 0;
}

int sl_prompt_http(struct sl_prompts *prompts, const struct sl_admin_request *request,
		   const struct sl_prompt_ask *as, struct sl_text *text, const char **type)
{
	const struct sl_span root = SL_SPAN(ROOT), below = SL_SPAN(ROOT "/");
	struct words words = {.ask = *as};
	struct sl_error error = {""};
	int status, rc;

	if (!sl_span_equal(request->path, root) && !sl_span_starts(request->path, below))
		return refuse(404, "there is /prompts here, and nothing else", text);
	status = read_words(request, &words);
	if (status)
		return refuse(status,
			      status == 404
				      ? "expected /prompts/ID, or one of its versions"
				      : "expected GET, PUT of a prompt, or POST of promote or "
					"rollback",
			      text);
	rc = sl_prompt_do(prompts, &words.ask, text, &error);
	if (rc < 0)
		return refuse(status_of(rc), error.text[0] ? error.text : "no memory", text);
	if (!words.ask.json)
		*type = "text/plain; charset=utf-8";
	return status_of(rc);
}
