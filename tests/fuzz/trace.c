/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * traceparent, tracestate, an answer of a collector: the first byte says which. What is read is written as it was
 * read; a field cut off a message leaves the rest.
 */
#include "tests/fuzz/fuzz.h"
#include "user/base/trace_context.h"
#include "user/wire/otlp.h"

static void check_parent(struct sl_span value)
{
	struct sl_trace_context trace, again;
	char text[SL_TRACE_PARENT_LEN + 1];

	if (!sl_trace_read(value, &trace))
		return;
	CHECK(value.len >= SL_TRACE_PARENT_LEN && trace.parent && sl_trace_is(&trace));
	CHECK((trace.flags & ~(SL_TRACE_SAMPLED | SL_TRACE_RANDOM)) == 0);
	sl_trace_write(&trace, trace.parent, text);
	CHECK(strlen(text) == SL_TRACE_PARENT_LEN);
	CHECK(!memcmp(text + 2, value.data + 2, 51)); /* all but version and flags */
	CHECK(sl_trace_read(sl_span_string(text), &again));
	CHECK(again.high == trace.high && again.low == trace.low && again.parent == trace.parent &&
	      again.flags == trace.flags);
}

static void check_state(struct sl_span value)
{
	uint32_t members = 0, before = 0;

	if (!sl_trace_state_is_valid(value, &members))
		return;
	CHECK(members <= SL_TRACE_STATE_MAX);
	for (size_t i = 0; i < value.len; i++) {
		CHECK((value.data[i] >= 0x20 && value.data[i] <= 0x7e) || value.data[i] == '\t');
		before += value.data[i] == '=';
	}
	CHECK(before == members); /* one in each */
}

static void check_answer(struct sl_span body)
{
	struct sl_span rest = body, why = SL_SPAN("");
	struct sl_protobuf_field field;
	uint64_t rejected = 0;
	int rc;

	while ((rc = sl_protobuf_next(&rest, &field)) > 0) {
		CHECK(field.number);
		CHECK(rest.data > body.data && rest.data + rest.len == body.data + body.len);
		if (field.type == 2)
			CHECK(field.bytes.data + field.bytes.len == rest.data);
	}
	if (!sl_otlp_read_answer(body, &rejected, &why)) {
		CHECK(rc == 0);
		CHECK(!why.len ||
		      (why.data >= body.data && why.data + why.len <= body.data + body.len));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy;
	struct sl_span span;

	if (!size)
		return 0;
	copy = fuzz_copy(data + 1, size - 1);
	span = sl_span_make(copy, size - 1);
	if (data[0] == 'p')
		check_parent(span);
	else if (data[0] == 's')
		check_state(span);
	else
		check_answer(span);
	free(copy);
	return 0;
}
