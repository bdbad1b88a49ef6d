/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/pick.h"

#include <string.h>

#include "user/store/indexes.h"
#include "user/store/retrieval.h"

#define HEADER	  "x-sluice-pick"
#define FNV_PRIME 1099511628211ull

static enum sl_stage_verdict refuse(struct sl_stage *stage, const char *expected)
{
	stage->error = (struct sl_openai_error){
		.id = SL_OPENAI_ERROR_VALUE, .param = HEADER, .object = expected};
	return SL_STAGE_REFUSE;
}

static const struct sl_h1_header *find(const struct sl_h1_head *head)
{
	for (uint32_t i = 0; i < head->header_count; i++) {
		const struct sl_h1_header *header = &head->headers[i];

		if (header->id == SL_H1_ID_X_SLUICE && header->name_len == sizeof(HEADER) - 1 &&
		    sl_h1_text_equal(header->name, HEADER, sizeof(HEADER) - 1))
			return header;
	}
	return NULL;
}

static bool may_pick(const struct sl_stage *stage)
{
	const char *list = stage->config->evaluation.pick_by;

	if (sl_stage_is_listed(list, "*"))
		return true;
	return stage->key && stage->key->tenant[0] && sl_stage_is_listed(list, stage->key->tenant);
}

static enum sl_stage_verdict pick_pool(struct sl_stage *stage, struct sl_span name)
{
	for (uint32_t i = 0; i < stage->config->pool_count; i++) {
		if (!sl_span_equal(name, sl_span_string(stage->pools[i].name)))
			continue;
		stage->ops->set_pool(stage, i);
		stage->ops->keep_pool(stage);
		return SL_STAGE_GO_ON;
	}
	return refuse(stage, "pool=NAME of a pool there is");
}

static enum sl_stage_verdict pick_index(struct sl_stage *stage, struct sl_span name)
{
	const char *index = stage->route->retrieve.index;
	struct sl_span text = name;
	struct sl_span before = sl_span_cut(&text, '@');
	struct sl_indexes_status status;
	uint64_t version;

	if (!index || !sl_span_equal(before, sl_span_string(index)))
		return refuse(stage, "index=NAME@VERSION with the index of this model");
	if (sl_span_u64(text, &version) || !version || !stage->stores->retrieval ||
	    !sl_indexes_find(stage->stores->retrieval->indexes, index, &status, NULL) ||
	    (version != status.current && version != status.before && version != status.candidate))
		return refuse(stage, "a version of the index that is open: served, the one before, "
				     "or rolled out (sluice index list)");
	stage->picked_index = (uint32_t)version;
	return SL_STAGE_GO_ON;
}

enum sl_stage_verdict sl_pick_run(struct sl_stage *stage)
{
	const struct sl_h1_header *header =
		stage->config->evaluation.pick_by && stage->head ? find(stage->head) : NULL;
	enum sl_stage_verdict verdict = SL_STAGE_GO_ON;
	uint64_t hash = 14695981039346656037ull;
	struct sl_span rest;

	if (!header)
		return SL_STAGE_GO_ON;
	if (!may_pick(stage))
		return refuse(stage, "none: only tenants of evaluation.pick_by may choose");
	rest = sl_span_make(header->value, header->value_len);
	do {
		struct sl_span word = sl_span_trim(sl_span_cut(&rest, ','));
		struct sl_span value = word;
		struct sl_span name = sl_span_cut(&value, '=');

		if (sl_span_equal(name, SL_SPAN("pool")))
			verdict = pick_pool(stage, value);
		else if (sl_span_equal(name, SL_SPAN("index")))
			verdict = pick_index(stage, value);
		else
			verdict = refuse(stage, "pool=NAME or index=NAME@VERSION, or both with a "
						"comma between them");
		for (size_t i = 0; i < word.len; i++)
			hash = (hash ^ (unsigned char)word.data[i]) * FNV_PRIME;
	} while (verdict == SL_STAGE_GO_ON && rest.len);
	stage->vary ^= hash;
	return verdict;
}
