/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What retrieval costs in CPU time besides the embedding of the question: a version of an index of CHUNKS chunks is
 * made as the daemon does it (words, vectors, graph), opened, and asked. Vectors are synthetic: GROUPS
 * directions with noise around them, as chunks lie around their subjects; a question is a chunk's vector
 * with as much noise again.
 *
 *	build/bench/retrieval [CHUNKS]
 */
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/bar.h"
#include "user/base/clock.h"
#include "user/store/documents.h"

#define CHUNKS	   100000u
#define PER_SOURCE 1000u
#define GROUPS	   500u
#define DIMENSIONS 512u
#define NOISE	   0.6f
#define QUESTIONS  2000u
#define HITS	   16u
#define NOUNS	   4000u
#define MODEL	   "bench:1"
#define BAR_MS	   10.0

/* The processor's time for this thread: the daemon asks on a thread of its own. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t seed = 88172645463325252ull;
static float (*groups)[DIMENSIONS];
static double took_us[QUESTIONS];

static uint64_t next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* About a normal distribution: the sum of four uniform numbers. */
static float noise(void)
{
	uint64_t bits = next();
	float sum = -2;

	for (int i = 0; i < 4; i++, bits >>= 16)
		sum += (float)(bits & 0xffff) / 65536.0f;
	return sum * 1.732f;
}

static void make_vector(uint64_t chunk, float more, float *out)
{
	const float *group = groups[chunk % GROUPS];
	uint64_t before = seed;

	seed = chunk * 0x9e3779b97f4a7c15ull + 1; /* the same for the same chunk */
	for (int warm = 0; warm < 4; warm++)
		next();
	for (uint32_t i = 0; i < DIMENSIONS; i++)
		out[i] = group[i] + NOISE * noise();
	seed = before;
	for (uint32_t i = 0; i < DIMENSIONS && more > 0; i++)
		out[i] += more * noise();
}

/* A few nouns are in many chunks, most in few. */
static uint32_t noun(void)
{
	uint64_t most = 1 + next() % NOUNS;

	return (uint32_t)(next() % most);
}

/* Lines of which each becomes a chunk. */
static void write_source(uint32_t number, uint32_t lines, struct sl_text *out)
{
	sl_text_reset(out);
	for (uint32_t i = 0; i < lines; i++)
		sl_text_printf(out,
			       "{\"text\":\"Record %u of part %u: the noun%u and the noun%u were "
			       "checked on day %u by team %u, who found mark%u and noted it in the "
			       "book of the department for later use.\"}\n",
			       i, number, noun(), noun(), (unsigned)(next() % 365),
			       (unsigned)(next() % 90), (unsigned)(next() % 50000));
}

static void fail(const char *what, const struct sl_error *error)
{
	fprintf(stderr, "retrieval: %s: %s\n", what, error->text);
	exit(1);
}

static void put_all(struct sl_documents *d, uint32_t chunks)
{
	struct sl_documents_print print = {.bytes = 1};
	struct sl_error error = {""};
	struct sl_text source;
	char name[32];

	sl_text_init(&source, 0);
	for (uint32_t i = 0; i * PER_SOURCE < chunks; i++) {
		struct sl_chunk_report report;

		write_source(i, PER_SOURCE, &source);
		snprintf(name, sizeof(name), "part%03u.jsonl", i);
		if (sl_documents_put(d, name, &print, sl_text_span(&source), SL_CHUNK_JSONL,
				     &report, &error))
			fail(name, &error);
	}
	sl_text_fini(&source);
}

static void embed_all(struct sl_documents *d)
{
	static float vectors[SL_DOCUMENTS_BATCH_MAX * DIMENSIONS];
	struct sl_documents_pending pending;
	struct sl_error error = {""};

	for (;;) {
		if (sl_documents_pending(d, SL_DOCUMENTS_BATCH_MAX, &pending, &error))
			fail("pending", &error);
		if (pending.count == 0)
			return;
		for (uint32_t i = 0; i < pending.count; i++)
			make_vector((uint64_t)pending.ids[i], 0, vectors + (size_t)i * DIMENSIONS);
		if (sl_documents_set_vectors(d, pending.ids, pending.count, vectors, &error))
			fail("vectors", &error);
		sl_documents_pending_fini(&pending);
	}
}

static void make(const char *path, uint32_t chunks)
{
	struct sl_documents_facts facts = {.models = {{MODEL, DIMENSIONS}},
					   .chunks = {.bytes = 1200, .overlap = 150}};
	uint64_t begin_ns = sl_clock_ns(), put_ns, embedded_ns, end_ns;
	struct sl_documents *d;
	struct sl_error error = {""};

	if (sl_documents_create(path, &facts, &d, &error))
		fail("create", &error);
	put_all(d, chunks);
	put_ns = sl_clock_ns();
	embed_all(d);
	embedded_ns = sl_clock_ns();
	if (sl_documents_finish(d, 1, &error))
		fail("finish", &error);
	sl_documents_put_away(&d);
	end_ns = sl_clock_ns();
	printf("made in %.0f s: chunks and words %.0f, rows of vectors %.0f, the graph %.0f\n",
	       (double)(end_ns - begin_ns) / 1e9, (double)(put_ns - begin_ns) / 1e9,
	       (double)(embedded_ns - put_ns) / 1e9, (double)(end_ns - embedded_ns) / 1e9);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* By the 99th of a hundred. */
static double say(const char *what, double found, double bar)
{
	qsort(took_us, QUESTIONS, sizeof(*took_us), compare);
	bar_print(what, took_us[QUESTIONS * 99 / 100] / 1000, "ms",
		  bar > 0 ? BAR_AT_MOST : BAR_NONE, bar);
	printf("    p50 %.0f us, found %.1f %%\n", took_us[QUESTIONS / 2], found);
	return took_us[QUESTIONS * 99 / 100] / 1000;
}

static bool has(const struct sl_documents_hits *hits, int64_t chunk)
{
	for (uint32_t i = 0; i < hits->count; i++)
		if (hits->items[i].chunk == chunk)
			return true;
	return false;
}

enum how { BY_MEANING, BY_WORDS, BY_COMMON_WORDS };

static double ask(struct sl_documents *d, uint64_t chunks, enum how how)
{
	static const char *const names[] = {"retrieval by meaning, 16 chunks read, p99",
					    "retrieval by words, 16 chunks read, p99",
					    "retrieval by words, two in every chunk, p99"};
	struct sl_documents_hits hits;
	struct sl_error error = {""};
	float query[DIMENSIONS];
	uint32_t found = 0;

	for (uint32_t i = 0; i < QUESTIONS; i++) {
		uint64_t chunk = 1 + next() % chunks, begin_ns;
		char words[96];
		int rc;

		make_vector(chunk, NOISE, query);
		snprintf(words, sizeof(words), "What of mark%u and the noun%u%s?",
			 (unsigned)(next() % 50000), noun(),
			 how == BY_COMMON_WORDS ? " in the book of the department" : "");
		begin_ns = cpu_ns();
		rc = how == BY_MEANING
			     ? sl_documents_near(d, NULL, query, HITS, 0, &hits, &error)
			     : sl_documents_words(d, sl_span_string(words), HITS, 0, &hits, &error);
		took_us[i] = (double)(cpu_ns() - begin_ns) / 1e3;
		if (rc)
			fail("search", &error);
		found += how == BY_MEANING ? has(&hits, (int64_t)chunk) : hits.count > 0;
		sl_documents_hits_fini(&hits);
		if (how == BY_COMMON_WORDS && i == QUESTIONS / 20 - 1) { /* slow: fewer will do */
			for (uint32_t k = i + 1; k < QUESTIONS; k++)
				took_us[k] = took_us[k % (i + 1)];
			found *= 20;
			break;
		}
	}
	return say(names[how], 100.0 * found / QUESTIONS, how == BY_MEANING ? BAR_MS : 0);
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *at)
{
	(void)info;
	(void)flag;
	(void)at;
	return remove(path);
}

int main(int argc, char **argv)
{
	uint32_t chunks = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : CHUNKS;
	char directory[] = "/tmp/sl-bench-retrieval-XXXXXX", path[64];
	struct sl_documents_facts facts;
	struct sl_documents *d;
	struct sl_error error = {""};

	if (chunks < PER_SOURCE || mkdtemp(directory) == NULL)
		return 2;
	snprintf(path, sizeof(path), "%s/v1.db", directory);
	groups = calloc(GROUPS, sizeof(*groups));
	if (groups == NULL)
		return 2;
	for (uint32_t g = 0; g < GROUPS; g++)
		for (uint32_t i = 0; i < DIMENSIONS; i++)
			groups[g][i] = noise();
	make(path, chunks);
	if (sl_documents_open(path, MODEL, DIMENSIONS, &d, &error))
		fail("open", &error);
	sl_documents_facts(d, &facts);
	printf("%llu chunks of %llu documents, %u numbers a vector, one thread\n",
	       (unsigned long long)facts.chunk_count, (unsigned long long)facts.document_count,
	       DIMENSIONS);
	ask(d, facts.chunk_count, BY_MEANING);
	ask(d, facts.chunk_count, BY_WORDS);
	ask(d, facts.chunk_count, BY_COMMON_WORDS);
	sl_documents_put_away(&d);
	free(groups);
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}
