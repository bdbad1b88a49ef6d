/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/document.h"

#include <jansson.h>

/* An sl_document is a json_t by another name: nothing of it is ever changed. */
static const json_t *in(const struct sl_document *document)
{
	return (const json_t *)document;
}

static const json_t *member(const struct sl_document *of, const char *name)
{
	return of ? json_object_get(in(of), name) : NULL;
}

struct sl_document *sl_document_read(struct sl_span json)
{
	json_t *root = json_loadb(json.data, json.len, JSON_ALLOW_NUL, NULL);

	if (root && !json_is_object(root)) {
		json_decref(root);
		root = NULL;
	}
	return (struct sl_document *)root;
}

void sl_document_free(struct sl_document **document)
{
	json_decref((json_t *)*document);
	*document = NULL;
}

const struct sl_document *sl_document_member(const struct sl_document *of, const char *name)
{
	return (const struct sl_document *)member(of, name);
}

bool sl_document_has(const struct sl_document *of, const char *name)
{
	const json_t *value = member(of, name);

	return value && !json_is_null(value);
}

const char *sl_document_string(const struct sl_document *of, const char *name)
{
	const char *string = json_string_value(member(of, name));

	return string ? string : "";
}

double sl_document_value(const struct sl_document *number)
{
	return json_number_value(in(number));
}

double sl_document_real(const struct sl_document *of, const char *name)
{
	return json_number_value(member(of, name));
}

uint64_t sl_document_number(const struct sl_document *of, const char *name)
{
	const json_t *value = member(of, name);
	double real;

	if (json_is_integer(value))
		return json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
	real = json_number_value(value);
	return real >= 1 && real < 1.8e19 ? (uint64_t)real : 0;
}

bool sl_document_true(const struct sl_document *of, const char *name)
{
	return json_is_true(member(of, name));
}

size_t sl_document_count(const struct sl_document *list)
{
	return json_is_object(in(list)) ? json_object_size(in(list)) : json_array_size(in(list));
}

const struct sl_document *sl_document_at(const struct sl_document *list, size_t index)
{
	return (const struct sl_document *)json_array_get(in(list), index);
}
