/* SPDX-License-Identifier: BSD-2-Clause */
/* Snapshots of the prompts. Declared in prompts.h and prompts_parts.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "user/store/prompts.h"
#include "user/store/prompts_parts.h"

const char *const sl_prompt_label_names[SL_PROMPT_LABELS] = {"stable", "canary", "known-good"};

int sl_prompt_label_of(struct sl_span name)
{
	for (int i = 0; i < SL_PROMPT_LABELS; i++) {
		if (sl_span_equal(name, sl_span_string(sl_prompt_label_names[i])))
			return i;
	}
	return -1;
}

bool sl_prompt_id_valid(struct sl_span id)
{
	if (!id.len || id.len > SL_PROMPT_ID_MAX || id.data[0] == '.' || id.data[0] == '-')
		return false;
	for (size_t i = 0; i < id.len; i++) {
		char c = id.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '-' && c != '_' && c != '.')
			return false;
	}
	return true;
}

void sl_prompt_hash(struct sl_span text, char out[SL_PROMPT_HASH_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t digest[SL_DIGEST_BYTES];

	sl_digest_sha256(&text, 1, digest);
	for (size_t i = 0; i < SL_DIGEST_BYTES; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * SL_DIGEST_BYTES] = '\0';
}

/* ---- versions -------------------------------------------------------------------------------- */

/* Without its template. text is "" where there is none, not NULL. */
static struct sl_prompt_version *new_version(struct sl_span text,
					     const char hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt_version *version = calloc(1, sizeof(*version));

	if (!version)
		return NULL;
	version->refs = 1;
	pthread_mutex_init(&version->lock, NULL);
	memcpy(version->hash, hash, SL_PROMPT_HASH_SIZE);
	version->text = strndup(text.data, text.len);
	version->len = text.len;
	if (!version->text)
		sl_prompt_version_put(&version);
	return version;
}

struct sl_prompt_version *sl_prompt_version_make(struct sl_span text,
						 const char hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt_version *version = new_version(text, hash);
	struct sl_error error = {""};

	if (!version)
		return NULL;
	if (sl_template_compile(text.data, text.len, &version->template, &error) != 0)
		version->fault = strdup(error.text);
	if (!version->template && !version->fault)
		sl_prompt_version_put(&version);
	return version;
}

struct sl_prompt_version *sl_prompt_version_lost(const char hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt_version *version = new_version(SL_SPAN(""), hash);

	if (!version)
		return NULL;
	version->fault = strdup("its file is missing or damaged; push its text again");
	if (!version->fault)
		sl_prompt_version_put(&version);
	return version;
}

struct sl_prompt_version *sl_prompt_version_get(struct sl_prompt_version *version)
{
	__atomic_add_fetch(&version->refs, 1, __ATOMIC_RELAXED);
	return version;
}

void sl_prompt_version_put(struct sl_prompt_version **version)
{
	struct sl_prompt_version *v = *version;

	*version = NULL;
	if (!v || __atomic_sub_fetch(&v->refs, 1, __ATOMIC_ACQ_REL))
		return;
	pthread_mutex_destroy(&v->lock);
	sl_template_free(v->template);
	free(v->fault);
	free(v->text);
	free(v);
}

int sl_prompt_add_version(struct sl_prompt *prompt, struct sl_prompt_version *version)
{
	struct sl_prompt_version **grown;

	if (prompt->version_count >= SL_PROMPT_VERSIONS_MAX) {
		sl_prompt_version_put(&version);
		return -E2BIG;
	}
	grown = realloc(prompt->versions, (prompt->version_count + 1) * sizeof(*grown));
	if (!grown) {
		sl_prompt_version_put(&version);
		return -ENOMEM;
	}
	prompt->versions = grown;
	prompt->versions[prompt->version_count++] = version;
	return 0;
}

static bool is_named(const struct sl_prompt *prompt, const struct sl_prompt_version *version)
{
	for (int i = 0; i < SL_PROMPT_LABELS; i++) {
		if (prompt->labels[i] == version)
			return true;
	}
	return prompt->former == version || prompt->forced == version;
}

void sl_prompt_forget_lost(struct sl_prompt *prompt)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < prompt->version_count; i++) {
		struct sl_prompt_version *version = prompt->versions[i];

		if (!version->template && !version->len && !is_named(prompt, version))
			sl_prompt_version_put(&version);
		else
			prompt->versions[kept++] = version;
	}
	prompt->version_count = kept;
}

void sl_prompt_replace(struct sl_prompt *prompt, struct sl_prompt_version *lost,
		       struct sl_prompt_version *whole)
{
	whole->line = lost->line;
	for (uint32_t i = 0; i < prompt->version_count; i++) {
		if (prompt->versions[i] == lost)
			prompt->versions[i] = whole;
	}
	for (int i = 0; i < SL_PROMPT_LABELS; i++) {
		if (prompt->labels[i] == lost)
			prompt->labels[i] = whole;
	}
	if (prompt->former == lost)
		prompt->former = whole;
	if (prompt->forced == lost)
		prompt->forced = whole;
	sl_prompt_version_put(&lost);
}

struct sl_prompt_version *sl_prompt_by_hash(const struct sl_prompt *prompt, const char *hash)
{
	for (uint32_t i = 0; i < prompt->version_count; i++) {
		if (strcmp(prompt->versions[i]->hash, hash) == 0)
			return prompt->versions[i];
	}
	return NULL;
}

struct sl_prompt_version *sl_prompt_version_find(const struct sl_prompt *prompt,
						 struct sl_span digits, bool *ret_many)
{
	struct sl_prompt_version *found = NULL;

	*ret_many = false;
	if (digits.len < SL_PROMPT_PREFIX_MIN || digits.len >= SL_PROMPT_HASH_SIZE)
		return NULL;
	for (uint32_t i = 0; i < prompt->version_count && !*ret_many; i++) {
		if (memcmp(prompt->versions[i]->hash, digits.data, digits.len) != 0)
			continue;
		*ret_many = found != NULL;
		found = prompt->versions[i];
	}
	return *ret_many ? NULL : found;
}

/* ---- sets ------------------------------------------------------------------------------------ */

static void prompt_fini(struct sl_prompt *prompt)
{
	for (uint32_t i = 0; i < prompt->version_count; i++)
		sl_prompt_version_put(&prompt->versions[i]);
	free(prompt->versions);
}

void sl_prompt_set_put(struct sl_prompt_set **set)
{
	struct sl_prompt_set *s = *set;

	*set = NULL;
	if (!s || __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL))
		return;
	for (uint32_t i = 0; i < s->count; i++)
		prompt_fini(&s->prompts[i]);
	free(s->prompts);
	free(s);
}

/* Where the id is, or belongs. */
static uint32_t place_of(const struct sl_prompt_set *set, struct sl_span id, bool *ret_there)
{
	uint32_t low = 0, high = set->count;

	*ret_there = false;
	while (low < high) {
		uint32_t middle = (low + high) / 2;
		struct sl_span other = sl_span_string(set->prompts[middle].id);
		size_t shorter = id.len < other.len ? id.len : other.len;
		int order = memcmp(id.data, other.data, shorter);

		if (order == 0 && id.len == other.len) {
			*ret_there = true;
			return middle;
		}
		if (order > 0 || (order == 0 && id.len > other.len))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct sl_prompt *sl_prompt_find(const struct sl_prompt_set *set, struct sl_span id)
{
	bool there;
	uint32_t place = id.len ? place_of(set, id, &there) : 0;

	return id.len && there ? &set->prompts[place] : NULL;
}

struct sl_prompt *sl_prompt_set_add(struct sl_prompt_set *set, struct sl_span id)
{
	struct sl_prompt *grown;
	bool there;
	uint32_t place = place_of(set, id, &there);

	if (there)
		return &set->prompts[place];
	if (set->count >= SL_PROMPTS_MAX)
		return NULL;
	grown = realloc(set->prompts, (set->count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	set->prompts = grown;
	memmove(&grown[place + 1], &grown[place], (set->count - place) * sizeof(*grown));
	memset(&grown[place], 0, sizeof(*grown));
	memcpy(grown[place].id, id.data, id.len);
	set->count++;
	return &grown[place];
}

static int copy_prompt(struct sl_prompt_set *set, const struct sl_prompt *from)
{
	struct sl_prompt *to = sl_prompt_set_add(set, sl_span_string(from->id));

	if (!to)
		return -ENOMEM;
	for (uint32_t i = 0; i < from->version_count; i++) {
		if (sl_prompt_add_version(to, sl_prompt_version_get(from->versions[i])) != 0)
			return -ENOMEM;
	}
	memcpy(to->labels, from->labels, sizeof(to->labels));
	to->former = from->former;
	to->forced = from->forced;
	memcpy(to->suite, from->suite, sizeof(to->suite));
	return 0;
}

struct sl_prompt_set *sl_prompt_set_copy(const struct sl_prompt_set *set)
{
	struct sl_prompt_set *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->refs = 1;
	for (uint32_t i = 0; set && i < set->count && copy; i++) {
		if (copy_prompt(copy, &set->prompts[i]) != 0)
			sl_prompt_set_put(&copy);
	}
	return copy;
}
