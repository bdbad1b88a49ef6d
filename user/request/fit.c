/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/fit.h"

#include "user/request/translate.h"

/* error: why it does not fit; its texts live as long as the request. */
static enum sl_fit judge(struct sl_request *request, const struct sl_upstream_pool *pool,
			 struct sl_openai_error *error)
{
	if (pool->api == SL_CONFIG_API_OPENAI) {
		*error = request->untold;
		return request->untold.id ? SL_FIT_REQUEST : SL_FIT_GOOD;
	}
	if (request->facts.endpoint != SL_OPENAI_CHAT) {
		*error = (struct sl_openai_error){
			.id = SL_OPENAI_ERROR_UNTRANSLATED,
			.param = "model",
			.object = "its servers speak the Messages API, which has neither "
				  "completions nor embeddings; send a chat completion",
		};
		return SL_FIT_ENDPOINT;
	}
	if (request->may_direct)
		return SL_FIT_GOOD;
	return sl_translate_native(request, pool, error) ? SL_FIT_REQUEST : SL_FIT_GOOD;
}

enum sl_fit sl_fit_of(struct sl_request *request, const struct sl_upstream_pool *pool)
{
	struct sl_openai_error error;

	return judge(request, pool, &error);
}

const char *sl_fit_word(enum sl_fit fit)
{
	static const char *const words[SL_FITS] = {
		[SL_FIT_GOOD] = "",
		[SL_FIT_ENDPOINT] = "endpoint",
		[SL_FIT_REQUEST] = "request",
	};

	return words[fit];
}

const struct sl_upstream_pool *sl_fit_first(struct sl_request *request)
{
	const struct sl_route_chain *chain = sl_request_chain(request);
	uint32_t i;

	for (i = 0; i < chain->len; i++) {
		if (!sl_fit_of(request, chain->pools[i]))
			return chain->pools[i];
	}
	return chain->pools[0];
}

enum sl_openai_error_id sl_fit_check(struct sl_request *request)
{
	struct sl_openai_error error, first = {0};
	int cause;

	if (!request->route->other_api && !request->untold.id)
		return SL_OPENAI_OK;
	for (cause = 0; cause < SL_CAUSES; cause++) {
		const struct sl_route_chain *chain = &request->route->chains[cause];
		uint32_t i;

		for (i = 0; i < chain->len; i++) {
			if (!judge(request, chain->pools[i], &error))
				return SL_OPENAI_OK;
			if (!first.id)
				first = error;
		}
	}
	request->error = first;
	return first.id;
}
