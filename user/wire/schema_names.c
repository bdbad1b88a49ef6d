/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of drafts, and the order of the names of properties. */
#include "user/wire/schema_parts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int sl_schema_name_compare(struct sl_span a, struct sl_span b)
{
	if (a.len != b.len)
		return a.len < b.len ? -1 : 1;
	return a.len ? memcmp(a.data, b.data, a.len) : 0;
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
