/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a server sends: stream chunks, usage, errors. A token chunk is the commonest thing
 * the daemon ever sees, so it is searched for the few keys that matter in one pass and
 * scanned strictly only when one of them says something.
 * Pure; any thread. Declared in openai.h.
 */
#include "user/wire/openai.h"

#include <errno.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* How the value behind a key must look for the key to say something. */
enum speaks {
	SPEAKS_ALWAYS = 0,
	SPEAKS_NOT_NULL,
	SPEAKS_FILLED, /* neither null nor an empty string or array */
};

struct key {
	const char *name; /* behind the opening quote, closing quote included */
	uint8_t len;
	uint8_t speaks;
	uint8_t flag; /* of SL_OPENAI_CHUNK_*; all but TOKEN are then confirmed */
};

#define KEY(name, speaks, flag)                       \
	{                                             \
		name "\"", sizeof(name), speaks, flag \
	}

/* The keys of a chunk that matter, by initial; quote_mask knows the initials. */
static const struct key keys_c[] = {
	KEY("content", SPEAKS_FILLED, SL_OPENAI_CHUNK_TOKEN),
};
static const struct key keys_e[] = {
	KEY("error", SPEAKS_ALWAYS, SL_OPENAI_CHUNK_ERROR),
};
static const struct key keys_f[] = {
	KEY("finish_reason", SPEAKS_NOT_NULL, SL_OPENAI_CHUNK_FINISH),
	KEY("function_call", SPEAKS_NOT_NULL, SL_OPENAI_CHUNK_TOKEN),
};
static const struct key keys_r[] = {
	KEY("reasoning_content", SPEAKS_FILLED, SL_OPENAI_CHUNK_TOKEN),
	KEY("reasoning", SPEAKS_FILLED, SL_OPENAI_CHUNK_TOKEN),
	KEY("refusal", SPEAKS_FILLED, SL_OPENAI_CHUNK_TOKEN),
};
static const struct key keys_t[] = {
	KEY("text", SPEAKS_FILLED, SL_OPENAI_CHUNK_TOKEN),
	KEY("tool_calls", SPEAKS_FILLED, SL_OPENAI_CHUNK_TOKEN),
};
static const struct key keys_u[] = {
	KEY("usage", SPEAKS_NOT_NULL, SL_OPENAI_CHUNK_USAGE),
};

#undef KEY

static const char *skip_space(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r'))
		at++;
	return at;
}

/* Does what stands behind a key's closing quote say something? */
static bool says(enum speaks speaks, const char *at, const char *end)
{
	if (speaks == SPEAKS_ALWAYS)
		return true; /* "error" may be a value too: {"object":"error"} */
	at = skip_space(at, end);
	if (at == end || *at != ':')
		return false;
	at = skip_space(at + 1, end);
	if (at == end || *at == 'n')
		return false;
	if (speaks == SPEAKS_NOT_NULL)
		return true;
	if (*at == '[')
		return skip_space(at + 1, end) < end && *skip_space(at + 1, end) != ']';
	return !(end - at >= 2 && at[0] == '"' && at[1] == '"');
}

static inline uint32_t flag_of(const struct key *keys, size_t count, const char *at,
			       const char *end)
{
	size_t have = (size_t)(end - at);

	for (size_t i = 0; i < count; i++) {
		size_t len = keys[i].len;

		if (have >= len && keys[i].name[1] == at[1] && memcmp(at, keys[i].name, len) == 0)
			return says(keys[i].speaks, at + len, end) ? keys[i].flag : 0;
	}
	return 0;
}

#define FLAG_OF(keys) flag_of(keys, sizeof(keys) / sizeof((keys)[0]), at, end)

/* A quote was found at `at`: the flag of the key behind it, or 0. */
static inline uint32_t flag_at(const char *at, const char *end)
{
	if (++at == end)
		return 0;
	switch (*at) {
	case 'c':
		return FLAG_OF(keys_c);
	case 'e':
		return FLAG_OF(keys_e);
	case 'f':
		return FLAG_OF(keys_f);
	case 'r':
		return FLAG_OF(keys_r);
	case 't':
		return FLAG_OF(keys_t);
	case 'u':
		return FLAG_OF(keys_u);
	default:
		return 0;
	}
}

#ifdef __SSE2__
static inline __m128i same(__m128i v, char b)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8(b));
}

/* 1 bits where a quote is followed by the initial of some key. */
static inline unsigned int quote_mask(const char *at)
{
	__m128i v = _mm_loadu_si128((const __m128i *)at);
	__m128i next = _mm_loadu_si128((const __m128i *)(at + 1));
	__m128i initial = _mm_or_si128(_mm_or_si128(same(next, 'e'), same(next, 'u')),
				       _mm_or_si128(same(next, 'f'), same(next, 'c')));

	initial = _mm_or_si128(initial, _mm_or_si128(same(next, 't'), same(next, 'r')));
	return (unsigned int)_mm_movemask_epi8(_mm_and_si128(same(v, '"'), initial));
}
#endif

static uint32_t search_keys(const char *at, const char *end)
{
	uint32_t flags = 0;

#ifdef __SSE2__
	for (; end - at >= 17; at += 16)
		for (unsigned int mask = quote_mask(at); mask; mask &= mask - 1)
			flags |= flag_at(at + __builtin_ctz(mask), end);
#endif
	for (; at < end; at++)
		if (*at == '"')
			flags |= flag_at(at, end);
	return flags;
}

static int64_t int_or_absent(const struct sl_json_field *f)
{
	int64_t value;

	return sl_json_int(f, &value) == 0 && value >= 0 ? value : -1;
}

/* usage[0..3]: prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details. */
static void read_usage(const struct sl_json_field usage[4], struct sl_openai_usage *ret_usage)
{
	struct sl_json_field cached = SL_JSON_FIELD("cached_tokens");

	ret_usage->prompt_tokens = int_or_absent(&usage[0]);
	ret_usage->completion_tokens = int_or_absent(&usage[1]);
	ret_usage->total_tokens = int_or_absent(&usage[2]);
	ret_usage->cached_tokens = -1;
	if (usage[3].type == SL_JSON_OBJECT &&
	    sl_json_scan(usage[3].value, usage[3].value_len, &cached, 1) == 0)
		ret_usage->cached_tokens = int_or_absent(&cached);
}

enum chunk_field {
	CHUNK_ERROR,
	CHUNK_OBJECT,
	CHUNK_CHOICES,
	CHUNK_USAGE,
	CHUNK_USAGE_PROMPT,
	CHUNK_USAGE_COMPLETION,
	CHUNK_USAGE_TOTAL,
	CHUNK_USAGE_DETAILS,
	CHUNK_FIELDS
};

#define CHUNK_WANTED                                                                              \
	{                                                                                         \
		[CHUNK_ERROR] = SL_JSON_FIELD("error"), [CHUNK_OBJECT] = SL_JSON_FIELD("object"), \
		[CHUNK_CHOICES] = SL_JSON_FIELD("choices"),                                       \
		[CHUNK_USAGE] = SL_JSON_FIELD("usage"),                                           \
		[CHUNK_USAGE_PROMPT] = SL_JSON_FIELD_IN("usage", "prompt_tokens"),                \
		[CHUNK_USAGE_COMPLETION] = SL_JSON_FIELD_IN("usage", "completion_tokens"),        \
		[CHUNK_USAGE_TOTAL] = SL_JSON_FIELD_IN("usage", "total_tokens"),                  \
		[CHUNK_USAGE_DETAILS] = SL_JSON_FIELD_IN("usage", "prompt_tokens_details"),       \
	}

/* Does a choice have a finish_reason? *ret_count: how many choices were looked at. */
static bool choice_finished(const struct sl_json_field *choices, size_t *ret_count)
{
	struct sl_json_field choice;
	const char *cursor = NULL;
	bool finished = false;

	*ret_count = 0;
	while (*ret_count < SL_OPENAI_CHOICES_MAX && sl_json_each(choices, &cursor, &choice)) {
		struct sl_json_field reason = SL_JSON_FIELD("finish_reason");

		++*ret_count;
		if (choice.type == SL_JSON_OBJECT &&
		    sl_json_scan(choice.value, choice.value_len, &reason, 1) == 0 &&
		    reason.type == SL_JSON_STRING)
			finished = true;
	}
	return finished;
}

static bool is_error(const struct sl_json_field *f)
{
	return (f[CHUNK_ERROR].type != SL_JSON_ABSENT && f[CHUNK_ERROR].type != SL_JSON_NULL) ||
	       sl_json_string_equal(&f[CHUNK_OBJECT], "error", 5);
}

/* Something was found that matters: read the chunk properly. */
static void read_closely(const char *data, size_t data_len, struct sl_openai_chunk *chunk)
{
	struct sl_json_field f[CHUNK_FIELDS] = CHUNK_WANTED;
	uint32_t flags = chunk->flags & SL_OPENAI_CHUNK_TOKEN;
	size_t choice_count;

	if (sl_json_scan(data, data_len, f, CHUNK_FIELDS) < 0) {
		chunk->flags = SL_OPENAI_CHUNK_INVALID;
		return;
	}
	if (is_error(f))
		flags |= SL_OPENAI_CHUNK_ERROR;
	if (choice_finished(&f[CHUNK_CHOICES], &choice_count))
		flags |= SL_OPENAI_CHUNK_FINISH;
	if (f[CHUNK_USAGE].type == SL_JSON_OBJECT) {
		flags |= SL_OPENAI_CHUNK_USAGE;
		if (f[CHUNK_CHOICES].type == SL_JSON_ARRAY && choice_count == 0)
			flags |= SL_OPENAI_CHUNK_NO_CHOICES;
		read_usage(&f[CHUNK_USAGE_PROMPT], &chunk->usage);
	}
	chunk->flags = flags;
}

void sl_openai_chunk_read(const char *data, size_t data_len, struct sl_openai_chunk *ret_chunk)
{
	ret_chunk->flags = search_keys(data, data + data_len);
	if (ret_chunk->flags & ~(uint32_t)SL_OPENAI_CHUNK_TOKEN)
		read_closely(data, data_len, ret_chunk);
}

int sl_openai_usage_read(const char *body, size_t body_len, struct sl_openai_usage *ret_usage)
{
	struct sl_json_field f[CHUNK_FIELDS] = CHUNK_WANTED;

	if (sl_json_scan(body, body_len, f, CHUNK_FIELDS) < 0)
		return -EINVAL;
	if (f[CHUNK_USAGE].type != SL_JSON_OBJECT)
		return -ENOENT;
	read_usage(&f[CHUNK_USAGE_PROMPT], ret_usage);
	return 0;
}
