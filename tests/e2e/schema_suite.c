/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * schema_suite DRAFT [-f] FILE... - our validator against files of the JSON-Schema-Test-Suite.
 *
 * A schema that is refused when it is compiled is no claim of ours; its refusal is listed by reason.
 * Of the others every verdict must be right. -f: formats are asserted. Prints one line a wrong
 * verdict, then "DRAFT: claimed N of M tests"; exit status 1 when a verdict was wrong.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/wire/json_tape.h"
#include "user/wire/schema.h"
#include "user/wire/schema_stream.h"

#define FILE_BYTES_MAX (1u << 20)

struct tally {
	unsigned int tests, claimed, wrong;
	unsigned int invalid, early; /* of the claimed; refused while they grew */
};

static enum sl_schema_draft draft_of(const char *name)
{
	static const char *const names[] = {"draft2020-12", "draft2019-09", "draft7", "draft6",
					    "draft4"};

	for (int i = 0; i < 5; i++)
		if (strcmp(names[i], name) == 0)
			return (enum sl_schema_draft)i;
	fprintf(stderr, "schema_suite: unknown draft \"%s\"\n", name);
	exit(2);
}

/* The raw text of a member, quotes included; empty without one. */
static struct sl_span member(const struct sl_json_tape *file, uint32_t object, const char *name,
			     struct sl_arena *arena)
{
	uint32_t node = sl_json_tape_member(file, object, sl_span_string(name), arena);

	if (!node)
		return SL_SPAN("");
	return sl_span_make(file->text + file->nodes[node].at, file->nodes[node].len);
}

/* The same as it would come in a stream, byte by byte. Is it refused before its end? */
static bool is_refused_early(const struct sl_schema *schema, struct sl_span data)
{
	struct sl_schema_stream *stream = sl_schema_stream_new(schema);
	struct sl_arena scratch;
	const char *why = NULL;

	sl_arena_init(&scratch, 0, 16u << 20);
	for (size_t len = 1; len <= data.len && stream && !why; len++) {
		why = sl_schema_stream_feed(stream, data.data, len, &scratch);
		sl_arena_reset(&scratch);
	}
	sl_arena_fini(&scratch);
	sl_schema_stream_free(&stream);
	return why != NULL;
}

struct run {
	const char *name;
	const struct sl_json_tape *file;
	struct sl_arena *arena;
	enum sl_schema_draft draft;
	unsigned int flags;
	struct tally *tally;
};

static void run_group(const struct run *run, uint32_t group)
{
	uint32_t tests = sl_json_tape_member(run->file, group, SL_SPAN("tests"), run->arena);
	struct sl_span text = member(run->file, group, "schema", run->arena);
	struct sl_span about = member(run->file, group, "description", run->arena);
	uint32_t test = tests + 1, count = run->file->nodes[tests].count;
	struct sl_schema *schema = NULL;
	struct sl_error error = {""};
	struct sl_arena scratch;

	run->tally->tests += count;
	if (sl_schema_compile(text.data, text.len, run->draft, run->flags, &schema, &error)) {
		printf("# refused: %s: %.*s: %s\n", run->name, (int)about.len, about.data,
		       error.text);
		return;
	}
	sl_arena_init(&scratch, 0, 16u << 20);
	for (uint32_t i = 0; i < count; i++, test = run->file->nodes[test].next) {
		struct sl_span data = member(run->file, test, "data", run->arena);
		struct sl_span what = member(run->file, test, "description", run->arena);
		bool want = sl_span_equal(member(run->file, test, "valid", run->arena),
					  SL_SPAN("true"));
		int rc = sl_schema_check(schema, data.data, data.len, &scratch, &error);

		run->tally->claimed++;
		run->tally->invalid += !want;
		if (is_refused_early(schema, data)) {
			run->tally->early += !want;
			run->tally->wrong += want;
			if (want)
				printf("wrong: %s: %.*s: %.*s: refused as a stream\n", run->name,
				       (int)about.len, about.data, (int)what.len, what.data);
		}
		if ((rc == 0) != want || (rc && rc != -EINVAL) || (rc && !error.text[0])) {
			run->tally->wrong++;
			printf("wrong: %s: %.*s: %.*s: %d %s\n", run->name, (int)about.len,
			       about.data, (int)what.len, what.data, rc, error.text);
		}
		sl_arena_reset(&scratch);
	}
	sl_arena_fini(&scratch);
	sl_schema_free(&schema);
}

static char *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "r");
	char *text = malloc(FILE_BYTES_MAX);

	if (!file || !text) {
		perror(path);
		exit(2);
	}
	*ret_len = fread(text, 1, FILE_BYTES_MAX, file);
	fclose(file);
	return text;
}

static void run_file(const char *path, enum sl_schema_draft draft, unsigned int flags,
		     struct tally *tally)
{
	const char *slash = strrchr(path, '/');
	struct sl_json_tape file;
	struct sl_arena arena;
	struct run run = {slash ? slash + 1 : path, &file, &arena, draft, flags, tally};
	size_t len;
	char *text = read_file(path, &len);
	uint32_t group = 1;
	int rc;

	sl_arena_init(&arena, 0, 16u << 20);
	rc = sl_json_tape_make(text, len, &arena, &file);
	if (rc) {
		fprintf(stderr, "schema_suite: %s: %s\n", path, sl_json_tape_bad_text(rc));
		exit(2);
	}
	for (uint32_t i = 0; i < file.nodes[0].count; i++, group = file.nodes[group].next)
		run_group(&run, group);
	sl_arena_fini(&arena);
	free(text);
}

int main(int argc, char **argv)
{
	struct tally tally = {0};
	unsigned int flags = 0;
	int first = 2;

	if (argc > 2 && strcmp(argv[2], "-f") == 0) {
		flags = SL_SCHEMA_FORMATS;
		first = 3;
	}
	if (argc <= first) {
		fprintf(stderr, "usage: schema_suite DRAFT [-f] FILE...\n");
		return 2;
	}
	for (int i = first; i < argc; i++)
		run_file(argv[i], draft_of(argv[1]), flags, &tally);
	printf("# %s: as streams %u of %u invalid texts are refused before their end\n", argv[1],
	       tally.early, tally.invalid);
	printf("%s: claimed %u of %u tests, %u wrong\n", argv[1], tally.claimed, tally.tests,
	       tally.wrong);
	return tally.wrong || !tally.claimed;
}
