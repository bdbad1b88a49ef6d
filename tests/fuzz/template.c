/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Templates, and values for their variables: the input up to a line "%%" is the template, what follows
 * the variables. What compiles renders, whatever the values, into a valid document with exactly the
 * template's messages, or says why not; what is refused has a line and a column.
 */
#include <errno.h>

#include "tests/fuzz/fuzz.h"
#include "user/wire/template.h"

static void check_messages(const struct sl_template *t, const char *document, size_t len)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("messages"), SL_JSON_FIELD("model")};
	struct sl_json_field message, key, value;
	const char *cursor = NULL, *members;
	size_t count = 0;

	CHECK(!sl_json_scan(document, len, f, 2));
	CHECK(f[0].type == SL_JSON_ARRAY);
	while (sl_json_each(&f[0], &cursor, &message)) {
		const char *role = sl_template_role(t, count++);

		CHECK(role && message.type == SL_JSON_OBJECT);
		members = NULL;
		CHECK(sl_json_each_member(&message, &members, &key, &value));
		CHECK(sl_json_string_equal(&key, "role", 4));
		CHECK(sl_json_string_equal(&value, role, strlen(role)));
		CHECK(sl_json_each_member(&message, &members, &key, &value));
		CHECK(sl_json_string_equal(&key, "content", 7) && value.type == SL_JSON_STRING);
		CHECK(!sl_json_each_member(&message, &members, &key, &value));
	}
	CHECK(count == sl_template_message_count(t));
}

/* The value of every variable of that type. */
static void put_variables(const struct sl_template *t, const char *bytes, size_t len,
			  struct sl_text *out)
{
	const struct sl_template_variable *v;
	size_t count = sl_template_variables(t, &v);

	sl_text_append_char(out, '{');
	for (size_t i = 0; i < count; i++) {
		sl_text_printf(out, "%s\"%s\":", i ? "," : "", v[i].name);
		switch (v[i].type) {
		case SL_TEMPLATE_NUMBER:
			sl_text_append_string(out, "-1.5e3");
			break;
		case SL_TEMPLATE_INTEGER:
			sl_text_append_u64(out, len);
			break;
		case SL_TEMPLATE_BOOLEAN:
			sl_text_append_string(out, len & 1 ? "true" : "false");
			break;
		default:
			sl_text_append_string(out, v[i].type == SL_TEMPLATE_STRING ? "\""
										   : "[{\"a\":\"");
			sl_text_append_json(out, bytes, len);
			sl_text_append_string(out,
					      v[i].type == SL_TEMPLATE_STRING ? "\"" : "\"},2]");
		}
	}
	sl_text_append_char(out, '}');
}

static void check_render(const struct sl_template *t, const char *variables, size_t len, bool must)
{
	struct sl_json_field field = {.type = SL_JSON_OBJECT, .value = variables, .value_len = len};
	struct sl_error error = {""};
	struct sl_text out;
	int rc;

	sl_text_init(&out, 1u << 20);
	rc = sl_template_render_request(t, &field, sl_span_make(NULL, 0), &out, &error);
	if (rc == 0)
		check_messages(t, out.data, out.len);
	else
		CHECK(error.text[0] && out.len == 0 && (!must || rc == -E2BIG));
	sl_text_fini(&out);
}

static void check_template(const struct sl_template *t, const char *rest, size_t len)
{
	char *copy = fuzz_copy(rest, len);
	struct sl_text given;

	sl_text_init(&given, 1u << 20);
	put_variables(t, copy, len, &given);
	CHECK(!sl_json_check(given.data, given.len, NULL));
	check_render(t, given.data, given.len, true);
	if (len && *copy == '{' && !sl_json_check(copy, len, NULL))
		check_render(t, copy, len, false);
	sl_text_fini(&given);
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *rest = size ? memmem(text, size, "\n%%\n", 4) : NULL;
	size_t len = rest ? (size_t)(rest - text) : size;
	struct sl_template *t = NULL;
	struct sl_error error = {""};
	char *copy = fuzz_copy(data, len);

	if (sl_template_compile(copy, len, &t, &error) == 0) {
		check_template(t, rest ? rest + 4 : "", rest ? size - len - 4 : 0);
		sl_template_free(t);
	} else {
		CHECK(strncmp(error.text, "line ", 5) == 0);
	}
	free(copy);
	return 0;
}
