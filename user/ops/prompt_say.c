/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/prompt_say.h"

#include <stdlib.h>
#include <string.h>

#define WHO	  "admin socket"
#define WORDS_MAX 5u

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

static void list_version(const struct sl_prompt *prompt, struct sl_prompt_version *version,
			 bool json, struct sl_text *text)
{
	const char *between = "";

	sl_text_printf(text,
		       json ? "{\"id\":\"%s\",\"version\":\"%s\",\"labels\":[" : "%-24s %.12s  ",
		       prompt->id, version->hash);
	for (int i = 0; i < SL_PROMPT_LABELS; i++) {
		if (prompt->labels[i] != version)
			continue;
		sl_text_printf(text, json ? "%s\"%s\"" : "%s%s", between, sl_prompt_label_names[i]);
		between = ",";
	}
	sl_text_printf(text,
		       json ? "],\"state\":\"%s\",\"served\":%llu,\"spoilt\":%llu}"
			    : "  %s served=%llu spoilt=%llu\n",
		       state_of(version),
		       (unsigned long long)__atomic_load_n(&version->served, __ATOMIC_RELAXED),
		       (unsigned long long)__atomic_load_n(&version->spoilt, __ATOMIC_RELAXED));
}

static void list(struct sl_prompts *prompts, bool json, struct sl_text *text)
{
	struct sl_prompt_set *set = sl_prompts_get(prompts);
	bool first = true;

	sl_text_append_string(text, json ? "{\"prompts\":[" : "");
	for (uint32_t i = 0; i < set->count; i++) {
		for (uint32_t k = 0; k < set->prompts[i].version_count; k++) {
			sl_text_append_string(text, json && !first ? "," : "");
			list_version(&set->prompts[i], set->prompts[i].versions[k], json, text);
			first = false;
		}
	}
	sl_text_append_string(text, json ? "]}\n" : "");
	sl_prompt_set_put(&set);
}

static int change(struct sl_prompts *prompts, char *const words[WORDS_MAX],
		  char hash[SL_PROMPT_HASH_SIZE], struct sl_error *error)
{
	struct sl_span id = sl_span_string(words[2]);
	int label;

	if (strcmp(words[1], "rollback") == 0)
		return sl_prompts_rollback(prompts, id, WHO, hash, error);
	label = words[4] ? sl_prompt_label_of(sl_span_string(words[4])) : SL_PROMPT_STABLE;
	if (strcmp(words[1], "promote") != 0 || !words[3] || label < 0)
		return sl_error_set(error, -1,
				    "expected promote ID VERSION [stable|canary|known-good]");
	return sl_prompts_promote(prompts, id, sl_span_string(words[3]),
				  (enum sl_prompt_label)label, WHO, hash, error);
}

void sl_prompt_say(struct sl_prompts *prompts, char *words, struct sl_text *text)
{
	char *split[WORDS_MAX] = {NULL}, *rest = NULL, hash[SL_PROMPT_HASH_SIZE];
	struct sl_error error = {""};
	uint32_t count = 0;
	bool json;

	for (char *word = strtok_r(words, " ", &rest); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &rest))
		split[count++] = word;
	json = count && strcmp(split[0], "json") == 0;
	if (!prompts) {
		sl_text_append_string(text, "!the daemon has no prompts (prompts.dir)");
	} else if (count == 2 && strcmp(split[1], "list") == 0) {
		list(prompts, json, text);
	} else if (count < 3 || change(prompts, split, hash, &error) != 0) {
		sl_text_printf(text, "!%s", error.text[0] ? error.text : "what is to be done?");
	} else {
		sl_text_printf(text, json ? "{\"id\":\"%s\",\"version\":\"%s\"}\n" : "%s %s\n",
			       split[2], hash);
	}
}
