/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/validate_parts.h"

#include <errno.h>
#include <string.h>

#define RULES_BYTES_MAX (1u << 20)

static struct sl_span text_of(const struct sl_json_tape *tape, uint32_t node)
{
	return sl_span_make(tape->text + tape->nodes[node].at, tape->nodes[node].len);
}

static uint32_t member(const struct sl_json_tape *tape, uint32_t object, const char *name,
		       struct sl_arena *arena)
{
	return sl_json_tape_member(tape, object, sl_span_string(name), arena);
}

/* {"type":"json_schema","json_schema":{"name":...,"schema":{...}}} */
static int add_format(struct sl_validate_rules *rules, struct sl_schema_cache *cache,
		      const struct sl_json_field *field, struct sl_error *error)
{
	struct sl_json_tape tape;
	struct sl_span text;
	uint32_t format, schema;

	if (sl_json_tape_make(field->value, field->value_len, &rules->arena, &tape))
		return -ENOMEM;
	format = member(&tape, 0, "json_schema", &rules->arena);
	schema = format ? member(&tape, format, "schema", &rules->arena) : 0;
	if (!schema)
		return 0;
	text = text_of(&tape, schema);
	return sl_schema_cache_get(cache, text.data, text.len, SL_SCHEMA_FORMATS, &rules->format,
				   error);
}

/* One of {"type":"function","function":{"name":...,"parameters":{...}}} */
static int add_tool(struct sl_validate_rules *rules, struct sl_schema_cache *cache,
		    const struct sl_json_tape *tape, uint32_t node, struct sl_error *error)
{
	uint32_t function = member(tape, node, "function", &rules->arena);
	uint32_t name = function ? member(tape, function, "name", &rules->arena) : 0;
	uint32_t parameters = function ? member(tape, function, "parameters", &rules->arena) : 0;
	struct sl_validate_tool *tool = &rules->tools[rules->tool_count];
	struct sl_span text;
	int rc;

	if (!name || tape->nodes[name].type != SL_JSON_STRING || !parameters ||
	    tape->nodes[parameters].type != SL_JSON_OBJECT)
		return 0;
	if (!sl_json_tape_string(tape, name, &rules->arena, &tool->name))
		return -ENOMEM;
	/* the body may go before the rules do */
	tool->name.data = sl_arena_strndup(&rules->arena, tool->name.data, tool->name.len);
	if (!tool->name.data)
		return -ENOMEM;
	text = text_of(tape, parameters);
	rc = sl_schema_cache_get(cache, text.data, text.len, 0, &tool->schema, error);
	if (!rc)
		rules->tool_count++;
	return rc;
}

static int add_tools(struct sl_validate_rules *rules, struct sl_schema_cache *cache,
		     const struct sl_json_field *field, struct sl_error *error)
{
	struct sl_json_tape tape;
	uint32_t node = 1;
	int rc = sl_json_tape_make(field->value, field->value_len, &rules->arena, &tape);

	if (rc)
		return rc == SL_JSON_TAPE_NO_MEMORY
			       ? -ENOMEM
			       : sl_error_set(error, -EINVAL, "too many tools");
	if (tape.nodes[0].count > SL_VALIDATE_TOOLS_MAX)
		return sl_error_set(error, -EINVAL, "more than %u tools", SL_VALIDATE_TOOLS_MAX);
	rules->tools =
		sl_arena_array(&rules->arena, tape.nodes[0].count + 1, sizeof(*rules->tools));
	if (!rules->tools)
		return -ENOMEM;
	for (uint32_t i = 0; i < tape.nodes[0].count && !rc; i++, node = tape.nodes[node].next)
		rc = add_tool(rules, cache, &tape, node, error);
	return rc;
}

int sl_validate_rules_init(struct sl_validate_rules *rules, struct sl_schema_cache *cache,
			   const char *body, size_t len, const char **ret_param,
			   struct sl_error *error)
{
	struct sl_json_field fields[] = {SL_JSON_FIELD("response_format"), SL_JSON_FIELD("tools")};
	int rc = 0;

	*rules = (struct sl_validate_rules){.format = NULL};
	error->text[0] = '\0';
	sl_arena_init(&rules->arena, 0, RULES_BYTES_MAX);
	if (!cache)
		return 0;
	*ret_param = fields[0].name;
	if (sl_json_scan(body, len, fields, 2))
		return sl_error_set(error, -EINVAL, "it, or tools, occurs twice");
	if (fields[0].type == SL_JSON_OBJECT)
		rc = add_format(rules, cache, &fields[0], error);
	if (!rc && fields[1].type == SL_JSON_ARRAY) {
		*ret_param = fields[1].name;
		rc = add_tools(rules, cache, &fields[1], error);
	}
	if (rc)
		sl_validate_rules_fini(rules);
	return rc && rc != -ENOMEM ? -EINVAL : rc;
}

void sl_validate_rules_fini(struct sl_validate_rules *rules)
{
	sl_schema_free(&rules->format);
	for (uint32_t i = 0; i < rules->tool_count; i++)
		sl_schema_free(&rules->tools[i].schema);
	rules->tool_count = 0;
	sl_arena_fini(&rules->arena);
}

const struct sl_schema *sl_validate_rules_tool(const struct sl_validate_rules *rules,
					       struct sl_span name)
{
	for (uint32_t i = 0; i < rules->tool_count; i++)
		if (sl_span_equal(rules->tools[i].name, name))
			return rules->tools[i].schema;
	return NULL;
}
