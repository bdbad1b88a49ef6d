/* SPDX-License-Identifier: BSD-2-Clause */
/* Regression suites of prompts: their files, and how they ended. Declared in prompts.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/log.h"
#include "user/store/prompts.h"
#include "user/store/prompts_parts.h"

#define FILE_SUFFIX   ".suite.jsonl"
#define RESULT_SUFFIX ".suite.json"
#define NAME_SIZE     (SL_PROMPT_ID_MAX + SL_PROMPT_HASH_SIZE + 16)

const char *const sl_prompt_suite_names[SL_PROMPT_SUITES] = {"none", "not run", "passed", "failed",
							     "unsure"};

static bool has_cases(const struct sl_prompt *prompt, const struct sl_prompt_version *version)
{
	const struct sl_template_case *cases;

	return prompt->suite[0] ||
	       (version->template && sl_template_cases(version->template, &cases));
}

enum sl_prompt_suite sl_prompt_suite_of(const struct sl_prompt *prompt,
					struct sl_prompt_version *version)
{
	enum sl_prompt_suite suite;

	if (!has_cases(prompt, version))
		return SL_PROMPT_SUITE_NONE;
	pthread_mutex_lock(&version->lock);
	suite = version->suite != SL_PROMPT_SUITE_NONE && !strcmp(version->suite_of, prompt->suite)
			? version->suite
			: SL_PROMPT_SUITE_NOT_RUN;
	pthread_mutex_unlock(&version->lock);
	return suite;
}

int sl_prompt_note_suite(struct sl_prompts *prompts, struct sl_prompt *prompt, struct sl_text *out)
{
	char name[NAME_SIZE];
	struct sl_text text;
	int rc;

	snprintf(name, sizeof(name), "%s" FILE_SUFFIX, prompt->id);
	sl_text_init(&text, SL_PROMPT_SUITE_BYTES_MAX + 1);
	rc = sl_prompts_read_file(prompts->dir_fd, name, SL_PROMPT_SUITE_BYTES_MAX, &text);
	if (rc != 0 && rc != -ENOENT)
		sl_log(SL_LOG_ERROR, "prompts: %s/%s: %s", prompts->dir, name, strerror(-rc));
	if (rc == 0 && text.len)
		sl_prompt_hash(sl_text_span(&text), prompt->suite);
	else if (rc == 0 || rc == -ENOENT)
		prompt->suite[0] = '\0';
	if (rc == 0 && out)
		rc = sl_text_append_span(out, sl_text_span(&text));
	sl_text_fini(&text);
	return rc == -ENOENT ? 0 : rc;
}

int sl_prompts_read_suite(struct sl_prompts *prompts, const char *id, struct sl_text *out,
			  char ret_hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt_set *set, *former;
	struct sl_prompt *prompt;
	int rc = -ENOMEM;

	pthread_mutex_lock(&prompts->change);
	set = sl_prompt_set_copy(prompts->set);
	prompt = set ? (struct sl_prompt *)sl_prompt_find(set, sl_span_string(id)) : NULL;
	if (set)
		rc = prompt ? sl_prompt_note_suite(prompts, prompt, out) : -ENOENT;
	if (rc == 0) {
		memcpy(ret_hash, prompt->suite, SL_PROMPT_HASH_SIZE);
		pthread_mutex_lock(&prompts->lock);
		former = prompts->set;
		prompts->set = set;
		pthread_mutex_unlock(&prompts->lock);
		set = former;
	}
	sl_prompt_set_put(&set);
	pthread_mutex_unlock(&prompts->change);
	return rc;
}

int sl_prompts_keep_suite(struct sl_prompts *prompts, const char *id,
			  struct sl_prompt_version *version, enum sl_prompt_suite suite,
			  const char *file_hash, struct sl_span report)
{
	pthread_mutex_lock(&version->lock);
	version->suite = suite;
	snprintf(version->suite_of, sizeof(version->suite_of), "%s", file_hash);
	pthread_mutex_unlock(&version->lock);
	return sl_prompts_write_file(prompts, id, version->hash, RESULT_SUFFIX, report);
}

int sl_prompts_read_report(struct sl_prompts *prompts, const char *id, const char *hash,
			   struct sl_text *out)
{
	char name[NAME_SIZE];

	snprintf(name, sizeof(name), "%s/%s" RESULT_SUFFIX, id, hash);
	return sl_prompts_read_file(prompts->dir_fd, name, SL_PROMPT_SUITE_BYTES_MAX, out);
}

static int suite_named(const struct sl_json_field *field)
{
	char name[16];
	int len = sl_json_string(field, name, sizeof(name));

	for (int i = SL_PROMPT_SUITE_PASSED; len > 0 && i < SL_PROMPT_SUITES; i++) {
		if (!strcmp(name, sl_prompt_suite_names[i]))
			return i;
	}
	return -1;
}

void sl_prompt_load_result(struct sl_prompts *prompts, const char *id,
			   struct sl_prompt_version *version)
{
	struct sl_json_field f[] = {SL_JSON_FIELD("verdict"), SL_JSON_FIELD("suite")};
	struct sl_text text;
	int suite = -1, rc;

	sl_text_init(&text, SL_PROMPT_SUITE_BYTES_MAX + 1);
	rc = sl_prompts_read_report(prompts, id, version->hash, &text);
	if (rc == 0 && !sl_json_scan(text.data, text.len, f, 2) &&
	    sl_json_string(&f[1], version->suite_of, sizeof(version->suite_of)) >= 0)
		suite = suite_named(&f[0]);
	if (suite >= 0)
		version->suite = (enum sl_prompt_suite)suite;
	else if (rc != -ENOENT)
		sl_log(SL_LOG_ERROR,
		       "prompts: %s/%s: the result of version %.12s cannot be read; run its suite "
		       "again",
		       prompts->dir, id, version->hash);
	sl_text_fini(&text);
}
