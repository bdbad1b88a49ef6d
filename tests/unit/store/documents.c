/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The index: what is put in is found by its words and by its vector, a version that is changed keeps
 * the rest, one that is unfinished, torn or of another model is refused. Then the shelf of versions,
 * with a process that is killed at every moment of a build and a promote.
 */
#include "user/store/documents.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/store/shelf.h"
#include "tests/unit/store/scratch.h"

#define MODEL	   "test:1"
#define DIMENSIONS 64u

struct fixture {
	char directory[64];
	char path[96];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->directory, sizeof(f->directory), "/tmp/sl-documents-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	snprintf(f->path, sizeof(f->path), "%s/index.db", f->directory);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	scratch_remove(f->directory);
	free(f);
	return 0;
}

/* A bag of words: texts that share words are near. */
static void embed(const char *text, float out[DIMENSIONS])
{
	uint64_t hash = 14695981039346656037ull;

	memset(out, 0, DIMENSIONS * sizeof(float));
	out[0] = 0.01f;
	for (;; text++) {
		if (*text && !strchr(" \n.,?", *text)) {
			hash = (hash ^ (unsigned char)(*text | 0x20)) * 1099511628211ull;
			continue;
		}
		if (hash != 14695981039346656037ull)
			out[hash % DIMENSIONS] += 1;
		hash = 14695981039346656037ull;
		if (!*text)
			return;
	}
}

static void put(struct sl_documents *d, const char *name, const char *source)
{
	struct sl_documents_print print = {
		.bytes = strlen(source), .mtime_ns = 7, .digest = {1, 2}};
	struct sl_chunk_report report;
	struct sl_error error = {0};
	int rc = sl_documents_put(d, name, &print, sl_span_string(source), SL_CHUNK_MARKDOWN,
				  &report, &error);

	if (rc)
		print_message("%s\n", error.text);
	assert_int_equal(rc, 0);
}

static uint32_t embed_pending(struct sl_documents *d)
{
	struct sl_documents_pending pending;
	uint32_t total = 0;

	for (;;) {
		float vectors[3][DIMENSIONS];

		assert_int_equal(sl_documents_pending(d, 3, &pending, NULL), 0);
		if (pending.count == 0)
			return total;
		assert_true(pending.count <= 3);
		for (uint32_t i = 0; i < pending.count; i++)
			embed(pending.texts[i], vectors[i]);
		assert_int_equal(sl_documents_set_vectors(d, pending.ids, pending.count,
							  &vectors[0][0], NULL),
				 0);
		total += pending.count;
		sl_documents_pending_fini(&pending);
	}
}

static struct sl_documents *create(const char *path, bool vectors)
{
	struct sl_documents_facts facts = {.models = {{.dimensions = vectors ? DIMENSIONS : 0}},
					   .chunks = {.bytes = 400, .overlap = 40}};
	struct sl_documents *d;

	if (vectors)
		strcpy(facts.models[0].name, MODEL);
	assert_int_equal(sl_documents_create(path, &facts, &d, NULL), 0);
	return d;
}

static void finish(struct sl_documents **d)
{
	struct sl_error error = {0};
	int rc = sl_documents_finish(*d, 1234, &error);

	if (rc)
		print_message("%s\n", error.text);
	assert_int_equal(rc, 0);
	sl_documents_put_away(d);
}

static void make_small(const char *path)
{
	struct sl_documents *d = create(path, true);

	put(d, "fruit.md", "# Fruit\nApples grow on trees.\n## Citrus\nLemons taste sour.\n");
	put(d, "metal.md", "# Metal\nIron rusts in wet air.\n\nGold never rusts.\n");
	assert_int_equal(embed_pending(d), 3);
	finish(&d);
}

static struct sl_documents *open_ok(const char *path, const char *model)
{
	struct sl_documents *d = NULL;
	struct sl_error error = {0};
	int rc = sl_documents_open(path, model, DIMENSIONS, &d, &error);

	if (rc)
		print_message("%s\n", error.text);
	assert_int_equal(rc, 0);
	return d;
}

/* Vectors of two models: a row has both, the first model's pointing the other way. */
#define SECOND		  "other:1"
#define SECOND_DIMENSIONS (DIMENSIONS + 3u)

static void embed_second(const char *text, float *vector)
{
	memset(vector, 0, SECOND_DIMENSIONS * sizeof(float));
	embed(text, vector + 3);
}

static void make_double(const char *path)
{
	struct sl_documents_facts facts = {
		.models = {{MODEL, DIMENSIONS}, {SECOND, SECOND_DIMENSIONS}},
		.chunks = {.bytes = 400, .overlap = 40}};
	struct sl_documents_pending pending;
	struct sl_documents *d;

	assert_int_equal(sl_documents_create(path, &facts, &d, NULL), 0);
	assert_int_equal(sl_documents_row_numbers(&facts), DIMENSIONS + SECOND_DIMENSIONS);
	put(d, "fruit.md", "# Fruit\nApples grow on trees.\n## Citrus\nLemons taste sour.\n");
	put(d, "metal.md", "# Metal\nIron rusts in wet air.\n\nGold never rusts.\n");
	assert_int_equal(sl_documents_pending(d, 3, &pending, NULL), 0);
	for (uint32_t i = 0; i < pending.count; i++) {
		float row[DIMENSIONS + SECOND_DIMENSIONS];

		/* The first model takes each for the next one: what is found tells who was asked. */
		embed(pending.texts[(i + 1) % pending.count], row);
		embed_second(pending.texts[i], row + DIMENSIONS);
		assert_int_equal(sl_documents_set_vectors(d, &pending.ids[i], 1, row, NULL), 0);
		memset(row + DIMENSIONS, 0, SECOND_DIMENSIONS * sizeof(float));
		assert_int_equal(sl_documents_set_vectors(d, &pending.ids[i], 1, row, NULL),
				 -EINVAL);
	}
	sl_documents_pending_fini(&pending);
	finish(&d);
}

static const char *found_by(struct sl_documents *d, const char *model, const float *query)
{
	static char text[256];
	struct sl_documents_hits hits;

	if (sl_documents_near(d, model, query, 1, 0, &hits, NULL))
		return "refused";
	snprintf(text, sizeof(text), "%s", hits.items[0].text);
	sl_documents_hits_fini(&hits);
	return text;
}

static void test_two_models(void **state)
{
	static const struct {
		const char *what;
		struct sl_documents_model wanted[SL_DOCUMENTS_MODELS_MAX];
		uint32_t count;
		int rc;
		bool has_first, has_second;
	} cases[] = {
		{"both", {{MODEL, DIMENSIONS}, {SECOND, SECOND_DIMENSIONS}}, 2, 0, true, true},
		{"the other way round",
		 {{SECOND, SECOND_DIMENSIONS}, {MODEL, DIMENSIONS}},
		 2,
		 0,
		 true,
		 true},
		{"the first", {{MODEL, DIMENSIONS}}, 1, 0, true, false},
		{"the second", {{SECOND, SECOND_DIMENSIONS}}, 1, 0, false, true},
		{"a new one, and the second",
		 {{"test:2", DIMENSIONS}, {SECOND, SECOND_DIMENSIONS}},
		 2,
		 0,
		 false,
		 true},
		{"the second, longer", {{SECOND, SECOND_DIMENSIONS + 1}}, 1, -EPROTO, false, false},
		{"neither", {{"test:2", DIMENSIONS}, {"test:3", 7}}, 2, -EPROTO, false, false},
		{"none", {{"", 0}}, 0, 0, false, false},
	};
	struct fixture *f = *state;
	struct sl_documents_facts facts;
	float query[DIMENSIONS], second[SECOND_DIMENSIONS];
	struct sl_error error = {0};

	make_double(f->path);
	assert_int_equal(sl_documents_verify(f->path, &facts, NULL), 0);
	assert_string_equal(facts.models[1].name, SECOND);
	embed("Lemons taste sour", query);
	embed_second("Lemons taste sour", second);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_documents *d = NULL;
		int rc =
			sl_documents_open_for(f->path, cases[i].wanted, cases[i].count, &d, &error);

		if (rc != cases[i].rc)
			fail_msg("%s: %d %s", cases[i].what, rc, error.text);
		if (rc) {
			assert_non_null(
				strstr(error.text, "its vectors are of model \"" MODEL "\""));
			assert_non_null(strstr(error.text, SECOND "\" (67 numbers), queries of"));
			continue;
		}
		if (sl_documents_has_model(d, MODEL, DIMENSIONS) != cases[i].has_first ||
		    sl_documents_has_model(d, SECOND, SECOND_DIMENSIONS) != cases[i].has_second ||
		    sl_documents_has_vectors(d) != (cases[i].has_first || cases[i].has_second))
			fail_msg("%s", cases[i].what);
		assert_false(sl_documents_has_model(d, MODEL, SECOND_DIMENSIONS));
		assert_string_equal(found_by(d, SECOND, second),
				    cases[i].has_second ? "Lemons taste sour." : "refused");
		if (cases[i].has_first)
			assert_string_not_equal(found_by(d, MODEL, query), "Lemons taste sour.");
		else
			assert_string_equal(found_by(d, MODEL, query), "refused");
		sl_documents_put_away(&d);
	}
}

static void test_search(void **state)
{
	struct fixture *f = *state;
	struct sl_documents *d;
	struct sl_documents_facts facts;
	struct sl_documents_hits hits;
	float query[DIMENSIONS];

	make_small(f->path);
	d = open_ok(f->path, MODEL);
	sl_documents_facts(d, &facts);
	assert_int_equal(facts.document_count, 2);
	assert_int_equal(facts.chunk_count, 3);
	assert_int_equal(facts.made_ms, 1234);
	assert_string_equal(facts.models[0].name, MODEL);

	embed("Do lemons taste sour?", query);
	assert_int_equal(sl_documents_near(d, NULL, query, 2, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 2);
	assert_string_equal(hits.items[0].source, "fruit.md");
	assert_string_equal(hits.items[0].path, "Fruit > Citrus");
	assert_string_equal(hits.items[0].text, "Lemons taste sour.");
	assert_int_equal(hits.items[0].line, 4);
	assert_true(hits.items[0].score > hits.items[1].score);
	sl_documents_hits_fini(&hits);

	/* By words: another form of one, whatever stands around it, and the heading counts too. */
	assert_int_equal(sl_documents_words(d, SL_SPAN("why does iron RUST? \"OR) AND NEAR(*"), 5,
					    0, &hits, NULL),
			 0);
	assert_int_equal(hits.count, 1);
	assert_string_equal(hits.items[0].source, "metal.md");
	assert_true(hits.items[0].score > 0);
	sl_documents_hits_fini(&hits);
	assert_int_equal(sl_documents_words(d, SL_SPAN("citrus"), 5, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 1);
	sl_documents_hits_fini(&hits);
	assert_int_equal(sl_documents_words(d, SL_SPAN("?!"), 5, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 0);
	sl_documents_hits_fini(&hits);
	assert_int_equal(sl_documents_words(d, SL_SPAN("in the"), 5, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 1); /* common words are looked for when there are no others */
	sl_documents_hits_fini(&hits);
	sl_documents_put_away(&d);

	d = open_ok(f->path, NULL);
	assert_int_equal(sl_documents_near(d, NULL, query, 2, 0, &hits, NULL), -EPROTO);
	sl_documents_put_away(&d);
}

static void test_refused(void **state)
{
	struct fixture *f = *state;
	struct sl_documents *d = create(f->path, true);
	struct sl_documents_facts facts;
	struct sl_error error = {0};
	float bad[DIMENSIONS] = {0};
	struct sl_documents_pending pending;

	put(d, "a.md", "text");
	assert_int_equal(sl_documents_finish(d, 1, &error), -EINVAL);
	assert_non_null(strstr(error.text, "1 chunks have no vector"));
	assert_int_equal(sl_documents_pending(d, 9, &pending, NULL), 0);
	assert_int_equal(sl_documents_set_vectors(d, pending.ids, 1, bad, &error), -EINVAL);
	bad[3] = NAN;
	assert_int_equal(sl_documents_set_vectors(d, pending.ids, 1, bad, &error), -EINVAL);
	sl_documents_pending_fini(&pending);
	sl_documents_put_away(&d);
	assert_int_equal(sl_documents_open(f->path, MODEL, DIMENSIONS, &d, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "never finished"));
	assert_int_equal(sl_documents_verify(f->path, &facts, &error), -EBADMSG);

	make_small(f->path);
	assert_int_equal(sl_documents_verify(f->path, &facts, &error), 0);
	assert_int_equal(sl_documents_open(f->path, "test:2", DIMENSIONS, &d, &error), -EPROTO);
	assert_non_null(strstr(error.text, "\"test:1\""));
	assert_non_null(strstr(error.text, "\"test:2\""));
	assert_int_equal(sl_documents_open(f->path, MODEL, DIMENSIONS + 1, &d, &error), -EPROTO);
	d = create(f->path, false);
	put(d, "a.md", "words alone");
	finish(&d);
	assert_int_equal(sl_documents_open(f->path, MODEL, DIMENSIONS, &d, &error), -EPROTO);
	assert_non_null(strstr(error.text, "has no vectors"));
	d = open_ok(f->path, NULL);
	sl_documents_put_away(&d);
}

struct names {
	char text[256];
};

static int take_name(void *arg, const char *name, const struct sl_documents_print *print)
{
	struct names *names = arg;
	size_t len = strlen(names->text);

	snprintf(names->text + len, sizeof(names->text) - len, "%s:%llu:%lld:%u ", name,
		 (unsigned long long)print->bytes, (long long)print->mtime_ns, print->digest[0]);
	return 0;
}

/* One document changes, one goes, one stays with its vectors. */
static void test_change(void **state)
{
	struct fixture *f = *state;
	struct sl_documents_print print = {.bytes = 55, .mtime_ns = 8, .digest = {9}};
	struct sl_documents_hits hits;
	struct sl_documents *d;
	struct names names = {""};
	float query[DIMENSIONS];

	make_small(f->path);
	assert_int_equal(sl_documents_edit(f->path, &d, NULL), 0);
	put(d, "fruit.md", "Bananas are yellow.");
	assert_int_equal(embed_pending(d), 1);
	assert_int_equal(sl_documents_touch(d, "metal.md", &print, NULL), 0);
	assert_int_equal(sl_documents_remove(d, "none.md", NULL), 0);
	assert_int_equal(sl_documents_each(d, take_name, &names, NULL), 0);
	assert_string_equal(names.text, "fruit.md:19:7:1 metal.md:55:8:9 ");
	finish(&d);
	d = open_ok(f->path, MODEL);
	assert_int_equal(sl_documents_words(d, SL_SPAN("lemons apples bananas"), 5, 0, &hits, NULL),
			 0);
	assert_int_equal(hits.count, 1);
	assert_string_equal(hits.items[0].text, "Bananas are yellow.");
	sl_documents_hits_fini(&hits);
	embed("rusts gold", query);
	assert_int_equal(sl_documents_near(d, NULL, query, 9, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 2);
	assert_string_equal(hits.items[0].source, "metal.md");
	sl_documents_hits_fini(&hits);
	sl_documents_put_away(&d);

	assert_int_equal(sl_documents_edit(f->path, &d, NULL), 0);
	assert_int_equal(sl_documents_remove(d, "metal.md", NULL), 0);
	finish(&d);
	d = open_ok(f->path, MODEL);
	assert_int_equal(sl_documents_words(d, SL_SPAN("gold"), 5, 0, &hits, NULL), 0);
	assert_int_equal(hits.count, 0);
	sl_documents_put_away(&d);
}

static uint64_t chunks_in(const struct sl_documents *d)
{
	struct sl_documents_facts facts;

	sl_documents_facts(d, &facts);
	return facts.chunk_count;
}

/* The count follows each change, and a change that fails leaves it as it was. */
static void test_count(void **state)
{
	struct fixture *f = *state;
	struct sl_documents_print print = {.bytes = 1};
	size_t too_long = SL_CHUNK_SOURCE_BYTES_MAX + 1;
	struct sl_chunk_report report;
	struct sl_error error = {0};
	char *source = calloc(1, too_long); /* pages that nobody touches */
	struct sl_documents *d = create(f->path, true);

	assert_non_null(source);
	assert_int_equal(chunks_in(d), 0);
	put(d, "a.md", "# A\nOne.\n## B\nTwo.\n");
	assert_int_equal(chunks_in(d), 2);
	put(d, "b.md", "Three.");
	assert_int_equal(chunks_in(d), 3);
	put(d, "a.md", "One again.");
	assert_int_equal(chunks_in(d), 2);
	assert_int_equal(sl_documents_put(d, "a.md", &print, sl_span_make(source, too_long),
					  SL_CHUNK_MARKDOWN, &report, &error),
			 -E2BIG);
	free(source);
	assert_non_null(strstr(error.text, "document \"a.md\""));
	assert_int_equal(chunks_in(d), 2);
	assert_int_equal(sl_documents_leave_out(d, "b.md", &print, NULL), 0);
	assert_int_equal(chunks_in(d), 1);
	assert_int_equal(sl_documents_remove(d, "none.md", NULL), 0);
	assert_int_equal(chunks_in(d), 1);
	assert_int_equal(embed_pending(d), 1);
	finish(&d);
	d = open_ok(f->path, MODEL);
	assert_int_equal(chunks_in(d), 1);
	sl_documents_put_away(&d);
	assert_int_equal(sl_documents_edit(f->path, &d, NULL), 0);
	assert_int_equal(sl_documents_remove(d, "a.md", NULL), 0);
	assert_int_equal(chunks_in(d), 0);
	sl_documents_put_away(&d);
}

/* What is left out of a short list scores less than what is in it: a heading's word counts twice. */
static void test_order(void **state)
{
	struct fixture *f = *state;
	struct sl_documents *d = create(f->path, false);
	struct sl_documents_hits all, one;

	put(d, "often.md",
	    "iron and iron with many other words of no account around it, so that it is "
	    "a longer text than the other, which says the word but once, in its heading");
	put(d, "headed.md", "# Iron\nIt rusts in wet air, and more is to be told of it elsewhere.");
	for (unsigned i = 0; i < 8; i++) {
		char name[16];

		snprintf(name, sizeof(name), "%u.md", i);
		put(d, name, "# Metals\nGold never rusts at all.");
	}
	finish(&d);
	d = open_ok(f->path, NULL);
	assert_int_equal(sl_documents_words(d, SL_SPAN("iron"), 9, 0, &all, NULL), 0);
	assert_int_equal(all.count, 2);
	assert_true(all.items[0].score > all.items[1].score);
	assert_string_equal(all.items[0].source, "headed.md");
	assert_int_equal(sl_documents_words(d, SL_SPAN("iron"), 1, 0, &one, NULL), 0);
	assert_int_equal(one.count, 1);
	assert_string_equal(one.items[0].source, "headed.md");
	sl_documents_hits_fini(&all);
	sl_documents_hits_fini(&one);
	sl_documents_put_away(&d);
}

static void make_large(const char *path, unsigned documents)
{
	struct sl_documents *d = create(path, true);

	for (unsigned i = 0; i < documents; i++) {
		char name[32], text[200];

		snprintf(name, sizeof(name), "%u.md", i);
		snprintf(text, sizeof(text),
			 "# Number %u\nThe word w%u stands with x%u and y%u here.", i, i,
			 i * 31 % 257, i * 17 % 91);
		put(d, name, text);
	}
	embed_pending(d);
	finish(&d);
}

/* Whatever page is overwritten or cut off: an error or the right rows, never a crash. */
static void test_torn(void **state)
{
	struct fixture *f = *state;
	struct sl_documents_facts facts;
	struct sl_documents_hits hits;
	struct sl_documents *d;
	struct sl_error error = {0};
	struct stat info;
	unsigned refused = 0;
	int fd;

	make_large(f->path, 60);
	assert_int_equal(stat(f->path, &info), 0);
	for (off_t page = 0; page < info.st_size / 4096; page++) {
		char kept[4096], noise[4096];
		float query[DIMENSIONS];

		fd = open(f->path, O_RDWR);
		assert_int_equal(pread(fd, kept, sizeof(kept), page * 4096), sizeof(kept));
		memset(noise, (int)(page * 37 + 0xa5), sizeof(noise));
		assert_int_equal(pwrite(fd, noise, sizeof(noise), page * 4096), sizeof(noise));
		if (sl_documents_verify(f->path, &facts, &error))
			refused++;
		if (sl_documents_open(f->path, MODEL, DIMENSIONS, &d, &error) == 0) {
			embed("w7 stands", query);
			if (sl_documents_near(d, NULL, query, 3, 0, &hits, &error) == 0)
				sl_documents_hits_fini(&hits);
			if (sl_documents_words(d, SL_SPAN("w7"), 3, 0, &hits, &error) == 0)
				sl_documents_hits_fini(&hits);
			sl_documents_put_away(&d);
		}
		assert_int_equal(pwrite(fd, kept, sizeof(kept), page * 4096), sizeof(kept));
		close(fd);
	}
	assert_int_equal(sl_documents_verify(f->path, &facts, &error), 0);
	/* Pages that are free, or hold nothing but text, may be anything. */
	assert_true(refused * 2 > info.st_size / 4096);
	assert_int_equal(truncate(f->path, info.st_size / 2), 0);
	assert_int_not_equal(sl_documents_verify(f->path, &facts, &error), 0);
}

struct searcher {
	struct sl_documents *d;
	unsigned number;
	bool right;
};

static void *search_many(void *arg)
{
	struct searcher *s = arg;

	s->right = true;
	for (unsigned i = 0; i < 40; i++) {
		struct sl_documents_hits hits;
		char word[16];

		snprintf(word, sizeof(word), "w%u", (s->number * 40 + i) % 60);
		if (sl_documents_words(s->d, sl_span_string(word), 3, 0, &hits, NULL) ||
		    hits.count != 1 || atoi(hits.items[0].source) != atoi(word + 1))
			s->right = false;
		sl_documents_hits_fini(&hits);
	}
	sl_documents_put_away(&s->d);
	return NULL;
}

static void test_threads(void **state)
{
	struct fixture *f = *state;
	struct searcher searchers[4];
	pthread_t threads[4];
	struct sl_documents *d;

	make_large(f->path, 60);
	d = open_ok(f->path, MODEL);
	for (unsigned i = 0; i < 4; i++) {
		searchers[i] = (struct searcher){sl_documents_get(d), i, false};
		assert_int_equal(pthread_create(&threads[i], NULL, search_many, &searchers[i]), 0);
	}
	sl_documents_put_away(&d); /* the searchers hold it */
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_true(searchers[i].right);
	}
}

/* ---- versions -------------------------------------------------------------------------------- */

static int build(const char *directory, uint32_t from, unsigned documents, uint32_t *ret_version)
{
	struct sl_shelf_work work;
	struct sl_error error = {0};
	int rc = sl_shelf_begin(directory, from, &work, &error);

	if (rc)
		return rc;
	make_large(work.path, documents);
	rc = sl_shelf_finish(&work, &error);
	*ret_version = work.version;
	sl_shelf_end(&work);
	return rc;
}

static void test_shelf(void **state)
{
	struct fixture *f = *state;
	char directory[96], path[SL_SHELF_PATH_SIZE];
	struct sl_shelf_list list;
	struct sl_shelf_work work, other;
	struct sl_error error = {0};
	uint32_t version;

	snprintf(directory, sizeof(directory), "%s/shelf", f->directory);
	assert_int_equal(sl_shelf_read(directory, &list, &error), -ENOENT);
	for (uint32_t i = 1; i <= 4; i++) {
		assert_int_equal(build(directory, 0, i, &version), 0);
		assert_int_equal(version, i);
	}
	assert_int_equal(sl_shelf_read(directory, &list, NULL), 0);
	assert_int_equal(list.count, 4);
	assert_int_equal(list.current, 0);
	assert_int_equal(sl_shelf_promote(directory, 9, &error), -ENOENT);
	assert_int_equal(sl_shelf_promote(directory, 3, NULL), 0);
	assert_int_equal(sl_shelf_rollback(directory, &version, NULL), 0);
	assert_int_equal(version, 2);
	assert_int_equal(sl_shelf_rollback(directory, &version, NULL), 0);
	assert_int_equal(sl_shelf_rollback(directory, &version, &error), -ENOENT);
	assert_int_equal(sl_shelf_promote(directory, 4, NULL), 0);

	/* One at a time; a copy to change; what was begun and not finished leaves nothing. */
	assert_int_equal(sl_shelf_begin(directory, 4, &work, NULL), 0);
	assert_int_equal(sl_shelf_begin(directory, 0, &other, &error), -EBUSY);
	assert_int_equal(sl_shelf_promote(directory, 3, &error), -EBUSY);
	assert_int_equal(access(work.path, R_OK), 0);
	assert_int_equal(work.version, 5);
	sl_shelf_end(&work);
	sl_shelf_end(&work);
	assert_int_not_equal(access(work.path, F_OK), 0);

	/* What is rolled out stays, however old it is. */
	assert_int_equal(sl_shelf_prune(directory, 2, 2, NULL), 0);
	assert_int_equal(sl_shelf_read(directory, &list, NULL), 0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.versions[0], 2);

	assert_int_equal(sl_shelf_prune(directory, 2, 0, NULL), 0);
	assert_int_equal(sl_shelf_read(directory, &list, NULL), 0);
	assert_int_equal(list.count, 2);
	assert_int_equal(list.versions[0], 3);
	assert_int_equal(list.versions[1], 4);
	assert_int_equal(list.current, 4);
	assert_int_equal(sl_shelf_path(directory, 4, path, NULL), 0);
	assert_non_null(strstr(path, "/shelf/v000004.db"));
}

/* Builds, promotes and prunes without end; version n has n documents. */
static void work_until_killed(const char *directory)
{
	for (;;) {
		struct sl_shelf_work work;
		struct sl_error error;

		if (sl_shelf_begin(directory, 0, &work, &error))
			_exit(1);
		make_large(work.path, 1 + work.version % 7);
		if (sl_shelf_finish(&work, &error))
			_exit(1);
		sl_shelf_end(&work);
		if (sl_shelf_promote(directory, work.version, &error) ||
		    sl_shelf_prune(directory, 3, 0, &error))
			_exit(1);
	}
}

static void test_killed(void **state)
{
	struct fixture *f = *state;
	char directory[96], path[SL_SHELF_PATH_SIZE];
	struct sl_shelf_list list;
	struct sl_documents_facts facts;
	struct sl_error error = {0};
	uint32_t served, version;

	snprintf(directory, sizeof(directory), "%s/shelf", f->directory);
	assert_int_equal(build(directory, 0, 2, &version), 0);
	assert_int_equal(sl_shelf_promote(directory, version, NULL), 0);
	served = version;
	for (unsigned round = 0; round < 30; round++) {
		int status;
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0)
			work_until_killed(directory);
		usleep(500 + round * 1700);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status));
		/* One is served, it is whole, and none that was served is newer. */
		assert_int_equal(sl_shelf_read(directory, &list, NULL), 0);
		assert_true(list.current >= served);
		served = list.current;
		assert_int_equal(sl_shelf_path(directory, served, path, NULL), 0);
		assert_int_equal(sl_documents_verify(path, &facts, &error), 0);
		assert_int_equal(facts.document_count, served == version ? 2 : 1 + served % 7);
		for (uint32_t i = 0; i < list.count; i++) {
			assert_int_equal(sl_shelf_path(directory, list.versions[i], path, NULL), 0);
			assert_int_equal(sl_documents_verify(path, &facts, &error), 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_search, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_models, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_torn, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_threads, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_shelf, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_killed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
