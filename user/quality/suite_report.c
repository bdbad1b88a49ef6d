/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports of regression suites. Declared in suite.h. */
#include <errno.h>
#include <string.h>
#include "user/quality/suite_parts.h"
#include "user/wire/json_scan.h"

#define CASE_BYTES 4096u /* of one case, beside which the report must have room */

static void count(const struct sl_suite *suite, uint32_t counts[SL_SUITE_VERDICTS])
{
	memset(counts, 0, SL_SUITE_VERDICTS * sizeof(*counts));
	for (uint32_t i = 0; i < suite->count; i++)
		counts[suite->items[i].verdict]++;
}

void sl_suite_report_json(const struct sl_suite *suite, const char *extra, struct sl_text *out)
{
	uint32_t counts[SL_SUITE_VERDICTS];

	count(suite, counts);
	sl_text_printf(out, "{\"verdict\":\"%s\",%s\"name\":",
		       sl_suite_verdict_names[sl_suite_verdict(suite)], extra);
	sl_text_append_json_string(out, suite->name);
	sl_text_append_string(out, ",\"model\":");
	sl_text_append_json_string(out, suite->model);
	sl_text_printf(out, ",\"passed\":%u,\"failed\":%u,\"unsure\":%u,\"cases\":[",
		       counts[SL_SUITE_PASSED], counts[SL_SUITE_FAILED],
		       counts[SL_SUITE_UNSURE] + counts[SL_SUITE_PENDING]);
	for (uint32_t i = 0; i < suite->count; i++) {
		const struct sl_suite_item *item = &suite->items[i];

		if (out->len + CASE_BYTES > SL_SUITE_REPORT_BYTES)
			break; /* the counts tell of all */
		sl_text_printf(out, "%s{\"name\":", i ? "," : "");
		sl_text_append_json_string(out, item->name);
		sl_text_printf(out, ",\"verdict\":\"%s\",\"ms\":%u",
			       sl_suite_verdict_names[item->verdict], item->ms);
		if (item->tokens >= 0)
			sl_text_printf(out, ",\"tokens\":%lld", (long long)item->tokens);
		if (item->detail[0]) {
			sl_text_append_string(out, ",\"why\":");
			sl_text_append_json_string(out, item->detail);
		}
		sl_text_append_char(out, '}');
	}
	sl_text_append_string(out, "]}\n");
}

/* ---- for people ------------------------------------------------------------------------------ */

enum { VERDICT, NAME, MODEL, PASSED, FAILED, UNSURE, CASES, FIELDS };

/* A string without its quotes and escapes. */
static void put_string(const struct sl_json_field *field, struct sl_text *out)
{
	char room[2048];
	int len = sl_json_string(field, room, sizeof(room));

	if (len > 0)
		sl_text_append(out, room, (size_t)len);
}

static void put_raw(const struct sl_json_field *field, struct sl_text *out)
{
	sl_text_append(out, field->value, field->value_len);
}

static int put_case(const struct sl_json_field *element, struct sl_text *out)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("verdict"), SL_JSON_FIELD("name"),
				    SL_JSON_FIELD("ms"), SL_JSON_FIELD("why")};

	if (element->type != SL_JSON_OBJECT ||
	    sl_json_scan(element->value, element->value_len, f, 4) || f[0].type != SL_JSON_STRING ||
	    f[1].type != SL_JSON_STRING || f[2].type != SL_JSON_NUMBER)
		return -EINVAL;
	sl_text_append_string(out, "  ");
	put_string(&f[0], out);
	sl_text_append_string(out, "  ");
	put_string(&f[1], out);
	sl_text_append_string(out, " (");
	put_raw(&f[2], out);
	sl_text_append_string(out, " ms)");
	if (f[3].type == SL_JSON_STRING) {
		sl_text_append_string(out, "\n          ");
		put_string(&f[3], out);
	}
	sl_text_append_char(out, '\n');
	return 0;
}

int sl_suite_report_text(struct sl_span json, struct sl_text *out)
{
	struct sl_json_field f[FIELDS] = {SL_JSON_FIELD("verdict"), SL_JSON_FIELD("name"),
					  SL_JSON_FIELD("model"),   SL_JSON_FIELD("passed"),
					  SL_JSON_FIELD("failed"),  SL_JSON_FIELD("unsure"),
					  SL_JSON_FIELD("cases")};
	struct sl_json_field element;
	const char *cursor = NULL;
	int rc = 0;

	if (sl_json_scan(json.data, json.len, f, FIELDS) || f[CASES].type != SL_JSON_ARRAY ||
	    f[VERDICT].type != SL_JSON_STRING || f[PASSED].type != SL_JSON_NUMBER ||
	    f[FAILED].type != SL_JSON_NUMBER || f[UNSURE].type != SL_JSON_NUMBER)
		return -EINVAL;
	put_string(&f[VERDICT], out);
	sl_text_append_string(out, "  ");
	put_string(&f[NAME], out);
	sl_text_append_string(out, " by ");
	put_string(&f[MODEL], out);
	sl_text_append_string(out, ": ");
	put_raw(&f[PASSED], out);
	sl_text_append_string(out, " passed, ");
	put_raw(&f[FAILED], out);
	sl_text_append_string(out, " failed, ");
	put_raw(&f[UNSURE], out);
	sl_text_append_string(out, " unsure\n");
	while (!rc && sl_json_each(&f[CASES], &cursor, &element))
		rc = put_case(&element, out);
	return rc;
}
