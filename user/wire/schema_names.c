/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of drafts, and the names of properties: their order. */
#include <errno.h>
#include <stdlib.h>

#include "user/wire/schema_parts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int sl_schema_name_compare(struct sl_span a, struct sl_span b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.data, b.data, a.len) : 0;
}

static int compare_names(const void *a, const void *b)
{
	return sl_schema_name_compare(((const struct sl_schema_name *)a)->name,
				      ((const struct sl_schema_name *)b)->name);
}

int sl_schema_names_settle(struct sl_schema_node *s, struct sl_arena *arena)
{
	uint32_t kept = 0;

	qsort(s->names, s->name_count, sizeof(*s->names), compare_names);
	s->required_count = s->order_count = 0;
	for (uint32_t i = 0; i < s->name_count; i++) {
		struct sl_schema_name *last = kept ? &s->names[kept - 1] : NULL;

		s->order_count += s->names[i].order != SL_SCHEMA_UNSET;
		if (!last || !sl_span_equal(last->name, s->names[i].name)) {
			s->names[kept++] = s->names[i];
			continue;
		}
		if (last->schema && s->names[i].schema)
			return -EINVAL;
		last->required = last->required || s->names[i].required;
		if (!last->schema) {
			last->schema = s->names[i].schema;
			last->order = s->names[i].order;
		}
	}
	s->name_count = kept;
	s->ordered =
		sl_arena_array(arena, s->order_count ? s->order_count : 1, sizeof(*s->ordered));
	if (!s->ordered)
		return -ENOMEM;
	for (uint32_t i = 0; i < kept; i++) {
		s->required_count += s->names[i].required;
		if (s->names[i].order != SL_SCHEMA_UNSET)
			s->ordered[s->names[i].order] = &s->names[i];
	}
	return 0;
}

bool sl_schema_draft_find(struct sl_span uri, enum sl_schema_draft *ret_draft)
{
	static const char *const hosts[] = {"http://json-schema.org/", "https://json-schema.org/"};
	static const struct {
		const char *part;
		enum sl_schema_draft draft;
	} drafts[] = {
		{"draft-04/schema", SL_SCHEMA_DRAFT_4},
		{"draft-06/schema", SL_SCHEMA_DRAFT_6},
		{"draft-07/schema", SL_SCHEMA_DRAFT_7},
		{"draft/2019-09/schema", SL_SCHEMA_DRAFT_2019},
		{"draft/2020-12/schema", SL_SCHEMA_DRAFT_2020},
	};
	struct sl_span rest = SL_SPAN("");

	/* an empty fragment or none */
	if (uri.len && uri.data[uri.len - 1] == '#')
		uri.len--;
	for (size_t i = 0; i < COUNT(hosts); i++)
		if (sl_span_starts(uri, sl_span_string(hosts[i])))
			rest = sl_span_make(uri.data + strlen(hosts[i]),
					    uri.len - strlen(hosts[i]));
	for (size_t i = 0; i < COUNT(drafts); i++) {
		if (!sl_span_equal(rest, sl_span_string(drafts[i].part)))
			continue;
		*ret_draft = drafts[i].draft;
		return true;
	}
	return false;
}
