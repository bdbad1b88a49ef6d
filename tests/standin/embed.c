/* Embeddings (declared in reply.h): unit vectors whose components come from the input's key.
 *
 * Floats are written as fixed-point decimals with eight places: printf's conversion would be most
 * of the cost of an answer. Base64 carries little-endian 32-bit floats, as OpenAI's API does.
 */
#include "tests/standin/reply.h"

#include <math.h>

#include "tests/standin/text.h"

enum { DIMENSIONS = 64, DECIMALS = 100000000 };

static uint32_t dimensions_of(const struct sl_job *job)
{
	return job->dimensions ? job->dimensions : DIMENSIONS;
}

static double component(uint64_t key, uint32_t index)
{
	return (double)(int64_t)sl_text_mix(key, index) * 0x1p-63;
}

static double scale_of(uint64_t key, uint32_t dimensions)
{
	double sum = 0;

	for (uint32_t i = 0; i < dimensions; i++)
		sum += component(key, i) * component(key, i);
	return 1.0 / sqrt(sum);
}

static void put_fixed(struct sl_buf *out, double value)
{
	int64_t fixed = (int64_t)(value * DECIMALS);
	char digits[8];

	if (fixed < 0) {
		sl_buf_lit(out, "-");
		fixed = -fixed;
	}
	sl_buf_u64(out, (uint64_t)(fixed / DECIMALS));
	fixed %= DECIMALS;
	for (int i = 7; i >= 0; i--, fixed /= 10)
		digits[i] = (char)('0' + fixed % 10);
	sl_buf_lit(out, ".");
	sl_buf_put(out, digits, sizeof(digits));
}

static void put_base64(struct sl_buf *out, const unsigned char *bytes, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)bytes[i] << 16;
		char four[4];

		group |= i + 1 < len ? (uint32_t)bytes[i + 1] << 8 : 0;
		group |= i + 2 < len ? bytes[i + 2] : 0;
		for (int k = 0; k < 4; k++)
			four[k] = letters[group >> (18 - 6 * k) & 63];
		if (i + 1 >= len)
			four[2] = '=';
		if (i + 2 >= len)
			four[3] = '=';
		sl_buf_put(out, four, 4);
	}
}

static void put_vector(struct sl_buf *out, const struct sl_job *job, uint64_t key)
{
	enum { FLOATS_A_TIME = 48 }; /* a multiple of 3, so that only the end is padded */
	uint32_t dimensions = dimensions_of(job);
	double scale = scale_of(key, dimensions);
	float floats[FLOATS_A_TIME];

	if (!job->base64) {
		sl_buf_lit(out, "[");
		for (uint32_t i = 0; i < dimensions; i++) {
			if (i)
				sl_buf_lit(out, ",");
			put_fixed(out, component(key, i) * scale);
		}
		sl_buf_lit(out, "]");
		return;
	}
	sl_buf_lit(out, "\"");
	for (uint32_t from = 0; from < dimensions; from += FLOATS_A_TIME) {
		uint32_t count =
			dimensions - from < FLOATS_A_TIME ? dimensions - from : FLOATS_A_TIME;

		for (uint32_t i = 0; i < count; i++)
			floats[i] = (float)(component(key, from + i) * scale);
		put_base64(out, (const unsigned char *)floats, count * sizeof(float));
	}
	sl_buf_lit(out, "\"");
}

void sl_reply_embeddings(struct sl_buf *out, const struct sl_job *job)
{
	sl_buf_lit(out, "{\"object\":\"list\",\"data\":[");
	for (uint32_t i = 0; i < job->choice_count; i++) {
		sl_buf_str(out, i ? ",{" : "{");
		sl_buf_printf(out, "\"object\":\"embedding\",\"index\":%u,\"embedding\":", i);
		put_vector(out, job, job->keys ? job->keys[i] : job->key);
		sl_buf_lit(out, "}");
	}
	sl_buf_lit(out, "],\"model\":\"");
	sl_buf_str(out, job->model);
	sl_buf_printf(out, "\",\"usage\":{\"prompt_tokens\":%llu,\"total_tokens\":%llu}}",
		      (unsigned long long)job->prompt_tokens,
		      (unsigned long long)job->prompt_tokens);
}
