/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's event stream is read, not its document tree: the tree would resolve aliases by
 * copying before anyone could count, and its marks do not survive merging.
 */
#include "user/base/yaml.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>

#define ENV_NAME_MAX 128u

/* A child that waits for its container's end. */
struct item {
	struct item *next;
	struct sl_yaml_pair pair; /* key NULL in a list */
	bool merge;		  /* the plain key << */
};

struct frame {
	struct sl_yaml *node;
	struct item *first;
	struct item *last;
	const char *anchor;
	const char *key; /* waiting for its value */
	struct sl_yaml_mark key_mark;
	bool key_plain;
};

struct anchor {
	const char *name;
	struct sl_yaml *node;
};

struct builder {
	struct sl_report *report;
	struct sl_arena *arena;
	struct sl_yaml *root;
	struct sl_yaml_mark last; /* of the event before, for events without a mark */
	struct frame frames[SL_YAML_DEPTH_MAX];
	unsigned depth;
	struct anchor anchors[SL_YAML_ANCHORS_MAX];
	unsigned anchor_count;
	unsigned documents;
	unsigned nodes;
};

const char *sl_yaml_kind_name(enum sl_yaml_kind kind)
{
	static const char *const names[] = {"nothing", "a scalar", "a list", "a map"};

	return names[kind];
}

const struct sl_yaml_pair *sl_yaml_find(const struct sl_yaml *map, const char *key)
{
	if (map == NULL || map->kind != SL_YAML_MAP)
		return NULL;
	for (unsigned i = 0; i < map->count; i++)
		if (strcmp(map->pairs[i].key, key) == 0)
			return &map->pairs[i];
	return NULL;
}

/* Complains and returns -EINVAL, which ends the parse. */
#define REFUSE(builder, mark, ...) \
	(sl_report_add((builder)->report, (mark).line, (mark).column, __VA_ARGS__), -EINVAL)

/* ---- scalars ------------------------------------------------------------------------------- */

static bool is_env_byte(char byte, bool first)
{
	char folded = (char)(byte | 0x20);

	return byte == '_' || (folded >= 'a' && folded <= 'z') ||
	       (!first && byte >= '0' && byte <= '9');
}

/* Length of "${NAME}" at the start of span, 0 when it is not well formed. */
static size_t reference_len(struct sl_span span)
{
	size_t at = 2;

	while (at < span.len && at < ENV_NAME_MAX && is_env_byte(span.data[at], at == 2))
		at++;
	return at > 2 && at < span.len && span.data[at] == '}' ? at + 1 : 0;
}

static int expand_reference(struct builder *b, struct sl_yaml_mark mark, struct sl_span rest,
			    struct sl_text *text, size_t *ret_len)
{
	size_t len = reference_len(rest);
	char name[ENV_NAME_MAX];
	const char *value;

	if (len == 0)
		return REFUSE(b, mark,
			      "\"${\" starts no variable (expected ${NAME}; write $${ for ${)");
	memcpy(name, rest.data + 2, len - 3);
	name[len - 3] = '\0';
	value = getenv(name);
	if (value == NULL)
		return REFUSE(b, mark,
			      "${%s} is not set in the environment (set it, or write $${%s})", name,
			      name);
	sl_text_append_string(text, value);
	*ret_len = len;
	return 0;
}

/* Replaces the references of node->text. */
static int expand(struct builder *b, struct sl_yaml *node)
{
	struct sl_span rest = {node->text, node->text_len};
	struct sl_text text;
	int rc = 0;

	if (strstr(node->text, "${") == NULL)
		return 0;
	sl_text_init(&text, SL_YAML_BYTES_MAX);
	while (rest.len > 0 && rc == 0) {
		size_t len = 1;

		if (sl_span_starts(rest, SL_SPAN("$${"))) {
			sl_text_append_string(&text, "${");
			len = 3;
		} else if (sl_span_starts(rest, SL_SPAN("${"))) {
			rc = expand_reference(b, node->mark, rest, &text, &len);
		} else {
			sl_text_append_char(&text, rest.data[0]);
		}
		rest.data += len;
		rest.len -= len;
	}
	if (rc == 0 && text.error != 0)
		rc = REFUSE(b, node->mark, "too long once its variables are replaced");
	if (rc == 0) {
		node->text_len = text.len;
		node->text = sl_arena_strndup(b->arena, sl_text_string(&text), text.len);
		rc = node->text != NULL ? 0 : -ENOMEM;
	}
	sl_text_fini(&text);
	return rc;
}

static int check_control(struct builder *b, const struct sl_yaml *node)
{
	for (size_t i = 0; i < node->text_len; i++) {
		unsigned char byte = (unsigned char)node->text[i];

		if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f)
			return REFUSE(b, node->mark, "control character 0x%02x in a value", byte);
	}
	return 0;
}

static bool is_null(const char *text, bool plain)
{
	return plain && (text[0] == '\0' || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

/* ---- tree ---------------------------------------------------------------------------------- */

static struct sl_yaml *new_node(struct builder *b, enum sl_yaml_kind kind, struct sl_yaml_mark mark)
{
	struct sl_yaml *node = sl_arena_zalloc(b->arena, sizeof(*node));

	if (node == NULL)
		return NULL;
	node->kind = kind;
	node->mark = mark;
	node->expanded = 1;
	node->text = "";
	node->shown = "";
	return node;
}

static int keep_anchor(struct builder *b, const char *name, struct sl_yaml *node)
{
	if (name == NULL)
		return 0;
	if (b->anchor_count == SL_YAML_ANCHORS_MAX)
		return REFUSE(b, node->mark, "more than %u anchors", SL_YAML_ANCHORS_MAX);
	b->anchors[b->anchor_count++] = (struct anchor){name, node};
	return 0;
}

static struct sl_yaml *find_anchor(const struct builder *b, const char *name)
{
	/* The latest of the same name counts (YAML 1.2.2, section 6.9.2). */
	for (unsigned i = b->anchor_count; i > 0; i--)
		if (strcmp(b->anchors[i - 1].name, name) == 0)
			return b->anchors[i - 1].node;
	return NULL;
}

/* Hangs a finished node into the open container, or makes it the root. */
static int add_child(struct builder *b, struct sl_yaml *node)
{
	struct frame *frame = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;
	struct item *item;

	if (frame == NULL) {
		b->root = node;
		return 0;
	}
	item = sl_arena_zalloc(b->arena, sizeof(*item));
	if (item == NULL)
		return -ENOMEM;
	item->pair.value = node;
	item->pair.key = frame->key;
	item->pair.mark = frame->key_mark;
	item->merge = frame->node->kind == SL_YAML_MAP && frame->key_plain &&
		      strcmp(frame->key, "<<") == 0;
	frame->key = NULL;
	if (frame->last != NULL)
		frame->last->next = item;
	else
		frame->first = item;
	frame->last = item;
	frame->node->count++;
	frame->node->expanded += node->expanded;
	if (frame->node->expanded > SL_YAML_NODES_MAX)
		return REFUSE(b, node->mark, "more than %u nodes once aliases are expanded",
			      SL_YAML_NODES_MAX);
	return 0;
}

static int add_pair(struct builder *b, struct sl_yaml *map, const struct sl_yaml_pair *pair,
		    bool merged)
{
	const struct sl_yaml_pair *same = sl_yaml_find(map, pair->key);

	if (same != NULL && merged)
		return 0; /* what the map says itself wins */
	if (same != NULL) {
		/* Not the end of the parse: the next one may be wrong too. */
		sl_report_add(b->report, pair->mark.line, pair->mark.column,
			      "%s: the key is here twice (first in line %u)", pair->key,
			      same->mark.line);
		return 0;
	}
	if (map->count == SL_YAML_MAP_KEYS_MAX)
		return REFUSE(b, pair->mark, "more than %u keys in one map", SL_YAML_MAP_KEYS_MAX);
	map->pairs[map->count++] = *pair;
	return 0;
}

static int merge_one(struct builder *b, struct sl_yaml *map, const struct sl_yaml *from,
		     struct sl_yaml_mark mark)
{
	int rc = 0;

	if (from->kind != SL_YAML_MAP)
		return REFUSE(b, mark, "<<: cannot merge %s (expected an alias of a map)",
			      sl_yaml_kind_name(from->kind));
	for (unsigned i = 0; i < from->count && rc == 0; i++)
		rc = add_pair(b, map, &from->pairs[i], true);
	return rc;
}

static int merge_item(struct builder *b, struct sl_yaml *map, const struct item *item)
{
	const struct sl_yaml *from = item->pair.value;
	int rc = 0;

	if (from->kind != SL_YAML_LIST)
		return merge_one(b, map, from, item->pair.mark);
	for (unsigned i = 0; i < from->count && rc == 0; i++)
		rc = merge_one(b, map, from->items[i], item->pair.mark);
	return rc;
}

/* Room for the pairs of a map: its own and at most those that it merges. */
static size_t pairs_max(const struct frame *frame)
{
	size_t count = frame->node->count;

	for (const struct item *item = frame->first; item != NULL; item = item->next)
		if (item->merge)
			count += item->pair.value->expanded;
	return count < SL_YAML_MAP_KEYS_MAX ? count : SL_YAML_MAP_KEYS_MAX;
}

static int close_map(struct builder *b, struct frame *frame)
{
	struct sl_yaml *map = frame->node;
	size_t count = pairs_max(frame);
	int rc = 0;

	map->pairs = sl_arena_array(b->arena, count, sizeof(*map->pairs));
	if (map->pairs == NULL)
		return -ENOMEM;
	map->count = 0;
	for (const struct item *item = frame->first; item != NULL && rc == 0; item = item->next)
		if (!item->merge)
			rc = add_pair(b, map, &item->pair, false);
	for (const struct item *item = frame->first; item != NULL && rc == 0; item = item->next)
		if (item->merge)
			rc = merge_item(b, map, item);
	return rc;
}

static int close_list(struct builder *b, struct frame *frame)
{
	struct sl_yaml *list = frame->node;
	unsigned at = 0;

	list->items = sl_arena_array(b->arena, list->count, sizeof(struct sl_yaml *));
	if (list->items == NULL)
		return -ENOMEM;
	for (const struct item *item = frame->first; item != NULL; item = item->next)
		list->items[at++] = item->pair.value;
	return 0;
}

/* ---- events -------------------------------------------------------------------------------- */

static const char *token_text(struct builder *b, struct fy_token *token, size_t *ret_len)
{
	size_t len = 0;
	const char *text = token != NULL ? fy_token_get_text(token, &len) : NULL;

	if (text == NULL)
		len = 0;
	*ret_len = len;
	return sl_arena_strndup(b->arena, text, len);
}

/* True when the next scalar is a key of the open map. */
static bool wants_key(const struct builder *b)
{
	const struct frame *frame = b->depth > 0 ? &b->frames[b->depth - 1] : NULL;

	return frame != NULL && frame->node->kind == SL_YAML_MAP && frame->key == NULL;
}

static int on_scalar(struct builder *b, struct fy_event *event, struct sl_yaml_mark mark,
		     const char *anchor)
{
	struct fy_token *token = fy_event_get_token(event);
	bool plain = token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN;
	struct sl_yaml *node = new_node(b, SL_YAML_SCALAR, mark);
	int rc;

	if (node == NULL)
		return -ENOMEM;
	node->text = token_text(b, token, &node->text_len);
	node->shown = node->text;
	if (node->text == NULL)
		return -ENOMEM;
	rc = check_control(b, node);
	if (rc != 0)
		return rc;
	if (wants_key(b)) {
		struct frame *frame = &b->frames[b->depth - 1];

		frame->key = node->text;
		frame->key_mark = mark;
		frame->key_plain = plain;
		return 0;
	}
	if (is_null(node->text, plain))
		node->kind = SL_YAML_NULL;
	rc = expand(b, node);
	if (rc == -EINVAL) {
		/* Said; the rest of the file may have more to say. */
		node->broken = true;
		rc = 0;
	}
	if (rc == 0)
		rc = keep_anchor(b, anchor, node);
	return rc != 0 ? rc : add_child(b, node);
}

static int on_alias(struct builder *b, struct fy_event *event, struct sl_yaml_mark mark)
{
	size_t len;
	const char *name = token_text(b, fy_event_get_token(event), &len);
	struct sl_yaml *node;

	if (name == NULL)
		return -ENOMEM;
	if (wants_key(b))
		return REFUSE(b, mark, "*%s: a key cannot be an alias", name);
	node = find_anchor(b, name);
	if (node == NULL)
		return REFUSE(b, mark, "*%s: no anchor &%s before this line", name, name);
	return add_child(b, node);
}

static int on_start(struct builder *b, enum sl_yaml_kind kind, struct sl_yaml_mark mark,
		    const char *anchor)
{
	struct sl_yaml *node;

	if (wants_key(b))
		return REFUSE(b, mark, "a key cannot be %s", sl_yaml_kind_name(kind));
	if (b->depth == SL_YAML_DEPTH_MAX)
		return REFUSE(b, mark, "nested deeper than %u", SL_YAML_DEPTH_MAX);
	node = new_node(b, kind, mark);
	if (node == NULL)
		return -ENOMEM;
	b->frames[b->depth++] = (struct frame){.node = node, .anchor = anchor};
	return 0;
}

static int on_end(struct builder *b)
{
	struct frame *frame = &b->frames[b->depth - 1];
	int rc = frame->node->kind == SL_YAML_MAP ? close_map(b, frame) : close_list(b, frame);

	if (rc == 0)
		rc = keep_anchor(b, frame->anchor, frame->node);
	b->depth--;
	return rc != 0 ? rc : add_child(b, frame->node);
}

static int on_node(struct builder *b, struct fy_event *event, struct sl_yaml_mark mark)
{
	struct fy_token *anchor_token = fy_event_get_anchor_token(event);
	const char *anchor = NULL;
	size_t len;

	if (fy_event_get_tag_token(event) != NULL)
		return REFUSE(b, mark, "tags (!...) have no meaning here");
	if (++b->nodes > SL_YAML_NODES_MAX)
		return REFUSE(b, mark, "more than %u nodes", SL_YAML_NODES_MAX);
	if (anchor_token != NULL) {
		anchor = token_text(b, anchor_token, &len);
		if (anchor == NULL)
			return -ENOMEM;
	}
	if (event->type == FYET_SCALAR)
		return on_scalar(b, event, mark, anchor);
	return on_start(b, event->type == FYET_MAPPING_START ? SL_YAML_MAP : SL_YAML_LIST, mark,
			anchor);
}

static int on_event(struct builder *b, struct fy_event *event)
{
	const struct fy_mark *at = fy_event_start_mark(event);
	struct sl_yaml_mark mark = b->last;

	if (at != NULL) {
		mark.line = (unsigned)at->line + 1;
		mark.column = (unsigned)at->column + 1;
		b->last = mark;
	}
	switch (event->type) {
	case FYET_DOCUMENT_START:
		if (++b->documents > 1)
			return REFUSE(b, mark,
				      "a second document (---) starts here; only one is "
				      "read");
		return 0;
	case FYET_SCALAR:
	case FYET_MAPPING_START:
	case FYET_SEQUENCE_START:
		return on_node(b, event, mark);
	case FYET_ALIAS:
		return on_alias(b, event, mark);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return on_end(b);
	default:
		return 0;
	}
}

/* ---- parse --------------------------------------------------------------------------------- */

/* Where the check of the bytes is. */
struct scan {
	struct sl_yaml_mark mark;
	long open;	/* brackets */
	unsigned blank; /* blank lines in a row */
	bool seen;	/* something in this line */
};

/* What is wrong with the text up to this byte; NULL: nothing. */
static const char *scan_byte(struct scan *scan, unsigned char byte)
{
	if (byte == '\n') {
		scan->blank = scan->seen ? 0 : scan->blank + 1;
		scan->seen = false;
		return scan->blank > SL_YAML_BLANK_MAX ? "too many blank lines in a row" : NULL;
	}
	scan->seen |= byte != ' ' && byte != '\t' && byte != '\r';
	if (byte == '[' || byte == '{')
		scan->open++;
	else if (byte == ']' || byte == '}')
		scan->open--;
	return scan->open > (long)SL_YAML_OPEN_MAX ? "too many open brackets" : NULL;
}

/* Refuses what the library skips without a word, and what it takes too long over. */
static int check_bytes(struct sl_report *report)
{
	struct sl_span rest = report->source;
	struct scan scan = {.mark = {1, 1}};

	while (rest.len > 0) {
		unsigned char byte = (unsigned char)rest.data[0];
		size_t len = sl_text_utf8_len(rest.data, rest.len);
		const char *wrong = scan_byte(&scan, byte);

		if (wrong != NULL) {
			sl_report_add(report, scan.mark.line, scan.mark.column, "%s", wrong);
			return -EINVAL;
		}
		if (len == 0 || byte == 0x7f ||
		    (byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r')) {
			sl_report_add(report, scan.mark.line, scan.mark.column,
				      "byte 0x%02x is not text (expected UTF-8)", byte);
			return -EINVAL;
		}
		scan.mark.column = byte == '\n' ? 1 : scan.mark.column + 1;
		scan.mark.line += byte == '\n';
		rest.data += len;
		rest.len -= len;
	}
	return 0;
}

static void copy_diagnostics(struct builder *b, struct fy_diag *diag)
{
	struct fy_diag_error *error;
	void *state = NULL;
	bool any = false;

	while ((error = fy_diag_errors_iterate(diag, &state)) != NULL) {
		unsigned line = error->line > 0 ? (unsigned)error->line : b->last.line;
		unsigned column = error->column > 0 ? (unsigned)error->column : b->last.column;

		sl_report_add(b->report, line, column, "not YAML: %s", error->msg);
		any = true;
	}
	if (!any)
		sl_report_add(b->report, b->last.line, b->last.column, "not YAML");
}

static int run_parser(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *event;
	int rc = 0;

	while (rc == 0 && (event = fy_parser_parse(parser)) != NULL) {
		rc = on_event(b, event);
		fy_parser_event_free(parser, event);
	}
	if (rc == 0 && (fy_parser_get_stream_error(parser) || fy_diag_got_error(diag))) {
		copy_diagnostics(b, diag);
		rc = -EINVAL;
	}
	return rc;
}

static int parse_source(struct builder *b)
{
	struct fy_diag_cfg diag_cfg;
	struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_JSON_NONE};
	struct fy_parser *parser;
	int rc = -ENOMEM;

	fy_diag_cfg_default(&diag_cfg);
	diag_cfg.fp = NULL;
	cfg.diag = fy_diag_create(&diag_cfg);
	if (cfg.diag == NULL)
		return -ENOMEM;
	fy_diag_set_collect_errors(cfg.diag, true);
	parser = fy_parser_create(&cfg);
	if (parser != NULL &&
	    fy_parser_set_string(parser, b->report->source.data, b->report->source.len) == 0)
		rc = run_parser(b, parser, cfg.diag);
	if (parser != NULL)
		fy_parser_destroy(parser);
	fy_diag_destroy(cfg.diag);
	return rc;
}

int sl_yaml_parse(struct sl_report *report, struct sl_arena *arena, struct sl_yaml **ret_root)
{
	struct builder *b;
	int rc;

	if (report->source.len > SL_YAML_BYTES_MAX) {
		sl_report_add(report, 0, 0, "larger than %u bytes", SL_YAML_BYTES_MAX);
		return -E2BIG;
	}
	rc = check_bytes(report);
	if (rc != 0)
		return rc;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return -ENOMEM;
	b->report = report;
	b->arena = arena;
	b->last = (struct sl_yaml_mark){1, 1};
	if (report->source.len > 0)
		rc = parse_source(b);
	if (rc == 0 && b->root == NULL) {
		b->root = new_node(b, SL_YAML_NULL, b->last);
		rc = b->root != NULL ? 0 : -ENOMEM;
	}
	if (rc == 0)
		*ret_root = b->root;
	free(b);
	return rc;
}
