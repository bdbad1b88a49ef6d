/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/prompt_say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "user/base/diff.h"
#include "user/base/log.h"
#include "user/base/notice.h"
#include "user/ops/hold.h"
#include "user/quality/suite.h"

#define NAME_BYTES (SL_PROMPT_ID_MAX + SL_PROMPT_HASH_SIZE + 2)

/* One thing to do, its words taken apart. */
struct deed {
	struct sl_prompts *prompts;
	const struct sl_prompt_ask *ask;
	char id[SL_PROMPT_ID_MAX + 1];
	const char *rest[SL_PROMPT_WORDS_MAX]; /* behind the id; NULL: not said */
	struct sl_text *text;
	struct sl_error *error;
};

/* ---- versions -------------------------------------------------------------------------------- */

static const char *state_of(struct sl_prompt_version *version)
{
	static const char *const states[] = {"good", "burnt", "trial"};
	enum sl_burn_state state;

	if (!version->template)
		return "unreadable";
	pthread_mutex_lock(&version->lock);
	state = version->burn.state;
	pthread_mutex_unlock(&version->lock);
	return states[state];
}

static int find_prompt(const struct deed *deed, const struct sl_prompt_set *set,
		       const struct sl_prompt **ret_prompt)
{
	*ret_prompt = sl_prompt_find(set, sl_span_string(deed->id));
	if (*ret_prompt && (*ret_prompt)->version_count)
		return 0;
	return sl_error_set(deed->error, -ENOENT,
			    "prompt \"%s\" is not known; see: sluice prompt list", deed->id);
}

/* By digits, or by label; name NULL: stable, or the newest. */
static int find_version(const struct deed *deed, const struct sl_prompt *prompt, const char *name,
			bool newest, struct sl_prompt_version **ret_version)
{
	int label = name ? sl_prompt_label_of(sl_span_string(name)) : SL_PROMPT_STABLE;
	bool many = false;

	if (!name && (newest || !prompt->labels[label]))
		*ret_version = prompt->versions[prompt->version_count - 1];
	else if (label >= 0)
		*ret_version = prompt->labels[label];
	else
		*ret_version = sl_prompt_version_find(prompt, sl_span_string(name), &many);
	if (*ret_version)
		return 0;
	return sl_error_set(deed->error, -ENOENT,
			    "prompt \"%s\": %s \"%.64s\"; see: sluice prompt list", deed->id,
			    many	 ? "more than one version begins with"
			    : label >= 0 ? "no version has the label"
					 : "there is no version",
			    name);
}

/* ---- looking --------------------------------------------------------------------------------- */

static void put_labels(const struct sl_prompt *prompt, const struct sl_prompt_version *version,
		       bool json, struct sl_text *text)
{
	const char *between = "";

	for (int i = 0; i < SL_PROMPT_LABELS; i++) {
		if (prompt->labels[i] != version)
			continue;
		sl_text_printf(text, json ? "%s\"%s\"" : "%s%s", between, sl_prompt_label_names[i]);
		between = ",";
	}
}

static void list_version(const struct sl_prompt *prompt, struct sl_prompt_version *version,
			 bool json, struct sl_text *text)
{
	sl_text_printf(text,
		       json ? "{\"id\":\"%s\",\"version\":\"%s\",\"labels\":[" : "%-24s %.12s  ",
		       prompt->id, version->hash);
	put_labels(prompt, version, json, text);
	sl_text_printf(text,
		       json ? "],\"state\":\"%s\",\"suite\":\"%s\",\"served\":%llu,\"spoilt\":%llu}"
			    : "  %s suite=%s served=%llu spoilt=%llu\n",
		       state_of(version),
		       json || sl_prompt_suite_of(prompt, version) != SL_PROMPT_SUITE_NOT_RUN
			       ? sl_prompt_suite_names[sl_prompt_suite_of(prompt, version)]
			       : "not-run",
		       (unsigned long long)__atomic_load_n(&version->served, __ATOMIC_RELAXED),
		       (unsigned long long)__atomic_load_n(&version->spoilt, __ATOMIC_RELAXED));
}

static int list(const struct deed *deed, const struct sl_prompt_set *set)
{
	const struct sl_prompt *only = NULL;
	bool first = true, json = deed->ask->json;
	int rc = deed->id[0] ? find_prompt(deed, set, &only) : 0;

	if (rc)
		return rc;
	sl_text_append_string(deed->text, json ? "{\"prompts\":[" : "");
	for (uint32_t i = 0; i < set->count; i++) {
		const struct sl_prompt *prompt = &set->prompts[i];

		for (uint32_t k = 0; k < prompt->version_count && (!only || only == prompt); k++) {
			sl_text_append_string(deed->text, json && !first ? "," : "");
			list_version(prompt, prompt->versions[k], json, deed->text);
			first = false;
		}
	}
	sl_text_append_string(deed->text, json ? "]}\n" : "");
	return 0;
}

static int show(const struct deed *deed, const struct sl_prompt_set *set)
{
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version;
	int rc = find_prompt(deed, set, &prompt);

	if (!rc)
		rc = find_version(deed, prompt, deed->rest[0], false, &version);
	if (rc)
		return rc;
	if (!deed->ask->json)
		return sl_text_append(deed->text, version->text, version->len);
	sl_text_printf(deed->text, "{\"id\":\"%s\",\"version\":\"%s\",\"labels\":[", prompt->id,
		       version->hash);
	put_labels(prompt, version, true, deed->text);
	sl_text_printf(deed->text, "],\"state\":\"%s\",\"text\":\"", state_of(version));
	sl_text_append_json(deed->text, version->text, version->len);
	return sl_text_append_string(deed->text, "\"}\n");
}

static int diff(const struct deed *deed, const struct sl_prompt_set *set)
{
	const struct sl_prompt *prompt;
	struct sl_prompt_version *from, *to;
	char names[2][NAME_BYTES];
	struct sl_text lines;
	int rc = find_prompt(deed, set, &prompt);

	if (!rc)
		rc = find_version(deed, prompt, deed->rest[0], false, &from);
	if (!rc)
		rc = find_version(deed, prompt, deed->rest[1], true, &to);
	if (rc)
		return rc;
	snprintf(names[0], NAME_BYTES, "%s@%.12s", prompt->id, from->hash);
	snprintf(names[1], NAME_BYTES, "%s@%.12s", prompt->id, to->hash);
	sl_text_init(&lines, 4 * SL_TEMPLATE_BYTES_MAX);
	rc = sl_diff_write(sl_span_make(from->text, from->len), names[0],
			   sl_span_make(to->text, to->len), names[1], &lines);
	if (rc) {
		sl_error_set_errno(deed->error, rc, "prompt \"%s\"", prompt->id);
	} else if (deed->ask->json) {
		sl_text_printf(deed->text,
			       "{\"id\":\"%s\",\"from\":\"%s\",\"to\":\"%s\",\"diff\":\"",
			       prompt->id, from->hash, to->hash);
		sl_text_append_json(deed->text, sl_text_string(&lines), lines.len);
		sl_text_append_string(deed->text, "\"}\n");
	} else {
		sl_text_append_span(deed->text, sl_text_span(&lines));
	}
	sl_text_fini(&lines);
	return rc;
}

/* ---- changing -------------------------------------------------------------------------------- */

static int done(const struct deed *deed, int rc, const char *hash)
{
	if (!rc)
		sl_text_printf(deed->text,
			       deed->ask->json ? "{\"id\":\"%s\",\"version\":\"%s\"}\n" : "%s %s\n",
			       deed->id, hash);
	return rc;
}

/* A new version's suite runs by itself; that it cannot is no fault of the push. */
static void test_pushed(const struct deed *deed, const char *hash)
{
	struct sl_prompt_set *set;
	struct sl_error error = {""};
	struct sl_prompt_version *version;
	const struct sl_prompt *prompt;
	bool many;

	if (!deed->ask->suites || !deed->ask->routes->config->prompts.test_on_push)
		return;
	set = sl_prompts_get(deed->prompts);
	prompt = sl_prompt_find(set, sl_span_string(deed->id));
	version = prompt ? sl_prompt_version_find(prompt, sl_span_string(hash), &many) : NULL;
	if (version && sl_prompt_suite_of(prompt, version) == SL_PROMPT_SUITE_NOT_RUN &&
	    sl_suites_start(deed->ask->suites, deed->ask->routes, prompt, version, NULL, &error))
		sl_log(SL_LOG_WARN, "%s (the suite of version %.12s does not run)", error.text,
		       hash);
	sl_prompt_set_put(&set);
}

/* Somebody's deed, for the audit trail. */
static void tell(const struct deed *deed, const char *what, const char *hash)
{
	struct sl_notice notice = {
		.kind = SL_NOTICE_PROMPT, .of = SL_NOTICE_OF_PROMPT, .audit = true};

	sl_notice_set(notice.name, sizeof(notice.name), deed->id);
	sl_notice_set(notice.who, sizeof(notice.who), deed->ask->who);
	sl_notice_tell(&notice, "%s %.12s", what, hash);
}

static int push(const struct deed *deed, const struct sl_prompt_set *set)
{
	char hash[SL_PROMPT_HASH_SIZE];
	int rc;

	(void)set;
	if (!deed->ask->body.len)
		return sl_error_set(deed->error, -EINVAL, "prompt \"%s\": its text is empty",
				    deed->id);
	rc = sl_prompts_push(deed->prompts, sl_span_string(deed->id), deed->ask->body,
			     deed->ask->who, hash, deed->error);
	if (!rc) {
		tell(deed, "pushed", hash);
		test_pushed(deed, hash);
	}
	return done(deed, rc, hash);
}

static int may_promote(const struct deed *deed, const struct sl_prompt *prompt,
		       const struct sl_prompt_version *version, bool force)
{
	int rc = sl_hold_check(deed->ask->drift, deed->ask->routes, prompt, version, force,
			       deed->error);

	if (!rc || !force)
		return rc;
	sl_log(SL_LOG_WARN, "%s; promoted by force, by %s", deed->error->text, deed->ask->who);
	deed->error->text[0] = '\0';
	return 0;
}

static int promote(const struct deed *deed, const struct sl_prompt_set *set)
{
	const char *last = deed->rest[2] ? deed->rest[2] : deed->rest[1];
	bool force = last && !strcmp(last, "force");
	const char *label_name = deed->rest[1] && (deed->rest[2] || !force)
					 ? deed->rest[1]
					 : sl_prompt_label_names[0];
	int label = sl_prompt_label_of(sl_span_string(label_name));
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version;
	char hash[SL_PROMPT_HASH_SIZE];
	int rc = find_prompt(deed, set, &prompt);

	if (!rc && deed->rest[2] && !force)
		rc = sl_error_set(deed->error, -EINVAL, "\"%.32s\": expected force, or nothing",
				  deed->rest[2]);
	if (!rc && label < 0)
		rc = sl_error_set(deed->error, -EINVAL,
				  "label \"%.32s\": expected stable, canary or known-good",
				  label_name);
	if (!rc)
		rc = find_version(deed, prompt, deed->rest[0], false, &version);
	if (!rc && label != SL_PROMPT_KNOWN_GOOD) /* that is what is served when others are not */
		rc = may_promote(deed, prompt, version, force);
	if (!rc)
		rc = sl_prompts_promote(deed->prompts, sl_span_string(deed->id),
					sl_span_string(version->hash), (enum sl_prompt_label)label,
					force, deed->ask->who, hash, deed->error);
	if (!rc)
		tell(deed,
		     label == SL_PROMPT_STABLE	 ? "promoted to stable:"
		     : label == SL_PROMPT_CANARY ? "promoted to canary:"
						 : "promoted to known-good:",
		     hash);
	return done(deed, rc, hash);
}

static int roll_back(const struct deed *deed, const struct sl_prompt_set *set)
{
	char hash[SL_PROMPT_HASH_SIZE];
	int rc = sl_prompts_rollback(deed->prompts, sl_span_string(deed->id), deed->ask->who, hash,
				     deed->error);

	(void)set;
	if (!rc)
		tell(deed, "rolled back to", hash);
	return done(deed, rc, hash);
}

/* ---- suites ---------------------------------------------------------------------------------- */

static int progress(const struct deed *deed, const struct sl_prompt_version *version)
{
	uint32_t part = 0, whole = 0;

	if (!deed->ask->suites ||
	    !sl_suites_progress(deed->ask->suites, deed->id, version->hash, &part, &whole))
		return 0;
	sl_text_printf(deed->text,
		       deed->ask->json ? "{\"verdict\":\"running\",\"version\":\"%s\",\"done\":%u,"
					 "\"count\":%u}\n"
				       : "%s %u %u\n",
		       version->hash, part, whole);
	return 1;
}

static int report(const struct deed *deed, const struct sl_prompt_set *set)
{
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version;
	struct sl_text json;
	int rc = find_prompt(deed, set, &prompt);

	if (!rc)
		rc = find_version(deed, prompt, deed->rest[0], false, &version);
	if (!rc)
		rc = progress(deed, version);
	if (rc)
		return rc;
	sl_text_init(&json, SL_PROMPT_SUITE_BYTES_MAX + 1);
	rc = sl_prompts_read_report(deed->prompts, prompt->id, version->hash, &json);
	if (!rc && deed->ask->json)
		sl_text_append_span(deed->text, sl_text_span(&json));
	else if (!rc)
		rc = sl_suite_report_text(sl_text_span(&json), deed->text);
	sl_text_fini(&json);
	if (rc)
		sl_error_set(deed->error, rc,
			     "prompt \"%s\": version %.12s: %s; see: sluice prompt test",
			     prompt->id, version->hash,
			     rc == -ENOENT ? "its suite has not run" : strerror(-rc));
	return rc;
}

static int test(const struct deed *deed, const struct sl_prompt_set *set)
{
	const struct sl_prompt *prompt;
	struct sl_prompt_version *version = NULL;
	int rc = find_prompt(deed, set, &prompt);

	if (!rc)
		rc = find_version(deed, prompt, deed->rest[0], false, &version);
	if (!rc && !deed->ask->suites)
		rc = sl_error_set(deed->error, -ENOTSUP, "suites cannot be run here");
	if (!rc)
		rc = sl_suites_start(deed->ask->suites, deed->ask->routes, prompt, version,
				     deed->rest[1], deed->error);
	if (!rc && !progress(deed, version)) /* it has ended already */
		sl_text_printf(deed->text,
			       deed->ask->json ? "{\"verdict\":\"running\",\"version\":\"%s\"}\n"
					       : "%s 0 0\n",
			       version->hash);
	return rc ? rc : 1;
}

/* ---- words ----------------------------------------------------------------------------------- */

struct verb {
	const char *name, *words;
	int least, most; /* behind the verb, ID@VERSION as two */
	int (*run)(const struct deed *deed, const struct sl_prompt_set *set);
};

static const struct verb verbs[] = {
	{"list", "[ID]", 0, 1, list},
	{"show", "ID [VERSION]", 1, 2, show},
	{"diff", "ID [FROM [TO]]", 1, 3, diff},
	{"push", "ID", 1, 1, push},
	{"promote", "ID VERSION [LABEL] [force]", 2, 4, promote},
	{"rollback", "ID", 1, 1, roll_back},
	{"test", "ID [VERSION [MODEL]]", 1, 3, test},
	{"report", "ID [VERSION]", 1, 2, report},
};

static const struct verb *find_verb(const struct sl_prompt_ask *ask)
{
	for (size_t i = 0; ask->count && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(ask->words[0], verbs[i].name))
			return &verbs[i];
	}
	return NULL;
}

/* Takes the words apart. Returns how many there are behind the verb, or -EINVAL: the id is too long. */
static int split(struct deed *deed)
{
	const struct sl_prompt_ask *ask = deed->ask;
	const char *word = ask->count > 1 ? ask->words[1] : "";
	size_t id_len = strcspn(word, "@");
	int count = 0;

	if (id_len > SL_PROMPT_ID_MAX)
		return -EINVAL;
	memcpy(deed->id, word, id_len);
	if (word[id_len])
		deed->rest[count++] = word + id_len + 1;
	for (uint32_t i = 2; i < ask->count && count < (int)SL_PROMPT_WORDS_MAX; i++)
		deed->rest[count++] = ask->words[i];
	return ask->count > 1 ? count + 1 : 0;
}

int sl_prompt_do(struct sl_prompts *prompts, const struct sl_prompt_ask *ask, struct sl_text *text,
		 struct sl_error *error)
{
	struct deed deed = {.prompts = prompts, .ask = ask, .text = text, .error = error};
	const struct verb *verb = find_verb(ask);
	struct sl_prompt_set *set;
	int rc, count;

	if (!prompts)
		return sl_error_set(error, -ENOENT, "the daemon has no prompts (prompts.dir)");
	if (!verb)
		return sl_error_set(error, -EINVAL,
				    "expected list, show, diff, push, promote, rollback, test or "
				    "report");
	count = split(&deed);
	if (count == -EINVAL)
		return sl_error_set(error, -EINVAL,
				    "prompt \"%.64s...\": an id has at most %u letters",
				    ask->words[1], SL_PROMPT_ID_MAX);
	if (count < verb->least || count > verb->most)
		return sl_error_set(error, -EINVAL, "expected %s %s", verb->name, verb->words);
	set = sl_prompts_get(prompts);
	rc = verb->run(&deed, set);
	sl_prompt_set_put(&set);
	return rc;
}

void sl_prompt_say(struct sl_prompts *prompts, char *line, struct sl_prompt_ask *ask,
		   struct sl_text *text)
{
	struct sl_error error = {""};
	char *rest = NULL, *word = strtok_r(line, " ", &rest);
	struct sl_text answer;
	int rc;

	ask->json = word && !strcmp(word, "json");
	while (word && (word = strtok_r(NULL, " ", &rest)) && ask->count < SL_PROMPT_WORDS_MAX)
		ask->words[ask->count++] = word;
	sl_text_init(&answer, text->cap);
	rc = sl_prompt_do(prompts, ask, &answer, &error);
	if (rc < 0)
		sl_text_printf(text, "!%s", error.text[0] ? error.text : "no memory");
	else
		sl_text_append_string(text, rc ? "~" : "");
	if (rc >= 0)
		sl_text_append_span(text, sl_text_span(&answer));
	if (answer.error && !text->error)
		text->error = answer.error;
	sl_text_fini(&answer);
}
