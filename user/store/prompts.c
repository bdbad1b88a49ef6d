/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/store/prompts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "user/base/log.h"
#include "user/store/prompts_parts.h"

#define AUDIT  "audit.log"
#define SUFFIX ".prompt"

/* ---- the present set ------------------------------------------------------------------------- */

struct sl_prompt_set *sl_prompts_get(struct sl_prompts *prompts)
{
	struct sl_prompt_set *set;

	pthread_mutex_lock(&prompts->lock);
	set = prompts->set;
	__atomic_add_fetch(&set->refs, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&prompts->lock);
	return set;
}

/* Takes the reference. */
static void show(struct sl_prompts *prompts, struct sl_prompt_set *set)
{
	struct sl_prompt_set *former;

	pthread_mutex_lock(&prompts->lock);
	former = prompts->set;
	prompts->set = set;
	pthread_mutex_unlock(&prompts->lock);
	sl_prompt_set_put(&former);
}

const char *sl_prompts_dir(const struct sl_prompts *prompts)
{
	return prompts->dir;
}

void sl_prompts_on_step(struct sl_prompts *prompts, sl_prompts_step *step, void *owner)
{
	prompts->step = step;
	prompts->owner = owner;
}

/* ---- changes --------------------------------------------------------------------------------- */

/* One change under way: the log is locked, `set` is a copy of what the directory holds now. */
struct change {
	struct sl_prompts *prompts;
	struct sl_prompt_set *set;
	struct sl_error *error;
};

static int read_anew(struct sl_prompts *prompts, struct sl_error *error)
{
	struct sl_prompt_set *set = sl_prompt_set_copy(NULL);
	int rc;

	if (!set)
		return sl_error_set(error, -ENOMEM, "prompts: no memory");
	rc = sl_prompts_load(prompts, prompts->set, set, error);
	if (rc == 0)
		show(prompts, set);
	else
		sl_prompt_set_put(&set);
	return rc;
}

static int begin(struct sl_prompts *prompts, struct change *change, struct sl_error *error)
{
	struct stat stat;
	int rc = 0;

	*change = (struct change){.prompts = prompts, .error = error};
	pthread_mutex_lock(&prompts->change);
	if (prompts->audit_fd < 0)
		rc = sl_error_set(error, -EROFS,
				  "prompts: %s cannot be written to by this daemon's user; give it "
				  "the directory",
				  prompts->dir);
	else if (flock(prompts->audit_fd, LOCK_EX) != 0 || fstat(prompts->audit_fd, &stat) != 0)
		rc = sl_error_set_errno(error, -errno, "prompts: %s/" AUDIT, prompts->dir);
	else if ((uint64_t)stat.st_size != prompts->audit_len) /* another process, or torn */
		rc = read_anew(prompts, error);
	if (rc == 0) {
		change->set = sl_prompt_set_copy(prompts->set);
		if (!change->set)
			rc = sl_error_set(error, -ENOMEM, "prompts: no memory");
	}
	return rc;
}

/* Ends a change that went well (rc 0) or not. Returns rc. */
static int end(struct change *change, int rc)
{
	struct sl_prompts *prompts = change->prompts;

	if (rc == 0)
		show(prompts, change->set);
	else
		sl_prompt_set_put(&change->set);
	if (prompts->audit_fd >= 0)
		flock(prompts->audit_fd, LOCK_UN);
	pthread_mutex_unlock(&prompts->change);
	return rc;
}

static int write_line(struct change *change, const struct sl_prompt_line *line)
{
	int rc = sl_prompts_write_line(change->prompts, line);

	if (rc == -EFBIG)
		return sl_error_set(change->error, rc,
				    "prompts: %s/" AUDIT
				    " has %u MiB, its bound; begin a new directory",
				    change->prompts->dir, SL_PROMPTS_AUDIT_BYTES_MAX >> 20);
	return rc ? sl_error_set_errno(change->error, rc, "prompts: %s/" AUDIT,
				       change->prompts->dir)
		  : 0;
}

static void note_stable(struct sl_prompt *prompt, struct sl_prompt_version *version)
{
	struct sl_prompt_version *present = prompt->labels[SL_PROMPT_STABLE];
	const struct sl_prompt_version *good = prompt->labels[SL_PROMPT_KNOWN_GOOD];

	if (present == version)
		return;
	prompt->former = present;
	if (present && present->template)
		prompt->labels[SL_PROMPT_KNOWN_GOOD] = present;
	else if (!present || !good || !good->template)
		prompt->labels[SL_PROMPT_KNOWN_GOOD] = version;
	prompt->labels[SL_PROMPT_STABLE] = version;
	if (prompt->labels[SL_PROMPT_CANARY] == version)
		prompt->labels[SL_PROMPT_CANARY] = NULL;
}

/* Writes the text of a version that is new, or (lost not NULL) whose file was missing or damaged. */
static int add(struct change *change, struct sl_prompt *prompt, struct sl_span text,
	       const char *hash, struct sl_prompt_version *lost,
	       struct sl_prompt_version **ret_version)
{
	struct sl_prompt_version *version = sl_prompt_version_make(text, hash);
	int rc = version ? 0 : -ENOMEM;

	if (version && lost)
		sl_prompt_replace(prompt, lost, version);
	else if (version)
		rc = sl_prompt_add_version(prompt, version);
	if (rc == 0)
		rc = sl_prompts_write_file(change->prompts, prompt->id, hash, SUFFIX, text);
	if (rc != 0)
		return sl_error_set_errno(change->error, rc, "prompt \"%s\"", prompt->id);
	*ret_version = version;
	return 0;
}

/* Adds the text where it is new. serve: as stable, when nothing is. */
static int push(struct change *change, struct sl_span id, struct sl_span text, const char *who,
		bool serve, char ret_hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt *prompt = sl_prompt_set_add(change->set, id);
	struct sl_prompt_version *version;
	char hash[SL_PROMPT_HASH_SIZE];
	int rc;

	if (!prompt)
		return sl_error_set(change->error, -E2BIG, "prompts: over %u prompts",
				    SL_PROMPTS_MAX);
	sl_prompt_hash(text, hash);
	memcpy(ret_hash, hash, sizeof(hash));
	version = sl_prompt_by_hash(prompt, hash);
	if (version && version->template && version->line &&
	    (!serve || prompt->labels[SL_PROMPT_STABLE]))
		return 0;
	if (!version || !version->template) {
		rc = add(change, prompt, text, hash, version, &version);
		if (rc != 0)
			return rc;
	}
	if (serve && !prompt->labels[SL_PROMPT_STABLE])
		note_stable(prompt, version);
	rc = write_line(change, &(struct sl_prompt_line){.who = who,
							 .action = serve ? "file" : "push",
							 .prompt = prompt,
							 .hash = hash});
	if (rc == 0)
		version->line = change->prompts->lines;
	return rc;
}

static int canonical_of(struct sl_span text, struct sl_text *out, struct sl_error *error)
{
	struct sl_template *template = NULL;
	int rc = sl_template_compile(text.data, text.len, &template, error);

	sl_template_free(template);
	return rc != 0 ? rc : sl_template_canonical(text.data, text.len, out, error);
}

static int check_id(struct sl_span id, struct sl_error *error)
{
	if (sl_prompt_id_valid(id))
		return 0;
	return sl_error_set(error, -EINVAL,
			    "prompt \"%.*s\": an id is 1 to %u letters, digits, - _ and .",
			    (int)(id.len < 64 ? id.len : 64), id.data, SL_PROMPT_ID_MAX);
}

static int push_as(struct sl_prompts *prompts, struct sl_span id, struct sl_span text,
		   const char *who, bool serve, char ret_hash[SL_PROMPT_HASH_SIZE],
		   struct sl_error *error)
{
	struct sl_text canonical;
	struct change change;
	int rc = check_id(id, error);

	if (rc != 0)
		return rc;
	sl_text_init(&canonical, 2 * SL_TEMPLATE_BYTES_MAX);
	rc = canonical_of(text, &canonical, error);
	if (rc != 0) {
		sl_error_prefix(error, rc, "prompt \"%.*s\"", (int)id.len, id.data);
	} else {
		rc = begin(prompts, &change, error);
		if (rc == 0)
			rc = push(&change, id, sl_text_span(&canonical), who, serve, ret_hash);
		end(&change, rc);
	}
	sl_text_fini(&canonical);
	return rc;
}

int sl_prompts_push(struct sl_prompts *prompts, struct sl_span id, struct sl_span text,
		    const char *who, char ret_hash[SL_PROMPT_HASH_SIZE], struct sl_error *error)
{
	return push_as(prompts, id, text, who, false, ret_hash, error);
}

static int find(struct change *change, struct sl_span id, struct sl_prompt **ret_prompt)
{
	*ret_prompt = (struct sl_prompt *)sl_prompt_find(change->set, id);
	if (*ret_prompt)
		return 0;
	return sl_error_set(change->error, -ENOENT,
			    "prompt \"%.*s\" is not known; see: sluice prompt list",
			    (int)(id.len < 64 ? id.len : 64), id.data);
}

/* May the version be stable? */
static int check_suite(struct change *change, struct sl_prompt *prompt,
		       struct sl_prompt_version *version)
{
	static const char *const why[SL_PROMPT_SUITES] = {
		[SL_PROMPT_SUITE_NOT_RUN] = "its suite has not run",
		[SL_PROMPT_SUITE_FAILED] = "its suite fails",
		[SL_PROMPT_SUITE_UNSURE] = "cases of its suite had no answer",
	};
	enum sl_prompt_suite suite;
	int rc;

	rc = sl_prompt_note_suite(change->prompts, prompt, NULL);
	if (rc) /* which suite it would have to pass is not known */
		return sl_error_set_errno(change->error, rc, "prompt \"%s\": its suite",
					  prompt->id);
	suite = sl_prompt_suite_of(prompt, version);
	if (!why[suite])
		return 0;
	return sl_error_set(
		change->error, -EPERM,
		"prompt \"%s\": version %.12s: %s; see: sluice prompt test %s@%.12s (or "
		"promote with --force)",
		prompt->id, version->hash, why[suite], prompt->id, version->hash);
}

/* One without a text would be no prompt under any label. */
static int check_text(const struct change *change, const struct sl_prompt *prompt,
		      const struct sl_prompt_version *version)
{
	if (version->template)
		return 0;
	return sl_error_set(change->error, -EINVAL,
			    "prompt \"%s\": version %.12s cannot be read: %s", prompt->id,
			    version->hash, version->fault);
}

static int promote(struct change *change, struct sl_span id, struct sl_span digits,
		   enum sl_prompt_label label, bool force, const char *who,
		   char ret_hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt_version *version, *from;
	struct sl_prompt *prompt;
	bool many;
	int rc = find(change, id, &prompt);

	if (rc != 0)
		return rc;
	version = sl_prompt_version_find(prompt, digits, &many);
	if (!version)
		return sl_error_set(
			change->error, -ENOENT,
			"prompt \"%s\": %s \"%.*s\"; see: sluice prompt list", prompt->id,
			many ? "more than one version begins with" : "there is no version",
			(int)(digits.len < 64 ? digits.len : 64), digits.data);
	memcpy(ret_hash, version->hash, SL_PROMPT_HASH_SIZE);
	from = prompt->labels[label];
	if (from == version)
		return 0;
	rc = check_text(change, prompt, version);
	if (rc != 0)
		return rc;
	rc = label == SL_PROMPT_STABLE ? check_suite(change, prompt, version) : 0;
	if (rc != 0 && !force)
		return rc;
	if (label == SL_PROMPT_STABLE) {
		note_stable(prompt, version);
		prompt->forced = rc != 0 ? version : NULL;
	} else {
		prompt->labels[label] = version;
	}
	return write_line(change, &(struct sl_prompt_line){.who = who,
							   .action = "promote",
							   .prompt = prompt,
							   .hash = version->hash,
							   .label = sl_prompt_label_names[label],
							   .from = from});
}

int sl_prompts_promote(struct sl_prompts *prompts, struct sl_span id, struct sl_span version,
		       enum sl_prompt_label label, bool force, const char *who,
		       char ret_hash[SL_PROMPT_HASH_SIZE], struct sl_error *error)
{
	struct change change;
	int rc = begin(prompts, &change, error);

	if (rc == 0)
		rc = promote(&change, id, version, label, force, who, ret_hash);
	return end(&change, rc);
}

static int roll_back(struct change *change, struct sl_span id, const char *who,
		     char ret_hash[SL_PROMPT_HASH_SIZE])
{
	struct sl_prompt *prompt;
	struct sl_prompt_version *version, *from;
	int rc = find(change, id, &prompt);

	if (rc != 0)
		return rc;
	version = prompt->former;
	if (!version)
		return sl_error_set(
			change->error, -ENOENT,
			"prompt \"%s\": stable was no other version before; choose one: "
			"sluice prompt promote",
			prompt->id);
	rc = check_text(change, prompt, version);
	if (rc != 0)
		return rc;
	from = prompt->labels[SL_PROMPT_STABLE];
	prompt->labels[SL_PROMPT_STABLE] = version;
	prompt->labels[SL_PROMPT_KNOWN_GOOD] = version;
	prompt->labels[SL_PROMPT_CANARY] = NULL;
	prompt->forced = NULL;
	prompt->former = NULL; /* what was rolled back is nothing to go back to */
	memcpy(ret_hash, version->hash, SL_PROMPT_HASH_SIZE);
	return write_line(change,
			  &(struct sl_prompt_line){.who = who,
						   .action = "rollback",
						   .prompt = prompt,
						   .hash = version->hash,
						   .label = sl_prompt_label_names[SL_PROMPT_STABLE],
						   .from = from});
}

int sl_prompts_rollback(struct sl_prompts *prompts, struct sl_span id, const char *who,
			char ret_hash[SL_PROMPT_HASH_SIZE], struct sl_error *error)
{
	struct change change;
	int rc = begin(prompts, &change, error);

	if (rc == 0)
		rc = roll_back(&change, id, who, ret_hash);
	return end(&change, rc);
}

/* ---- opening --------------------------------------------------------------------------------- */

/* A file put there by hand becomes a version, and the first one is served. */
static void take_file(struct sl_prompts *prompts, const char *name)
{
	struct sl_span id = sl_span_make(name, strlen(name) - (sizeof(SUFFIX) - 1));
	char hash[SL_PROMPT_HASH_SIZE];
	struct sl_error error = {""};
	struct sl_text text;
	int rc;

	sl_text_init(&text, SL_TEMPLATE_BYTES_MAX + 1);
	rc = sl_prompts_read_file(prompts->dir_fd, name, SL_TEMPLATE_BYTES_MAX, &text);
	if (rc != 0)
		sl_error_set_errno(&error, rc, "%s", name);
	else
		rc = push_as(prompts, id, sl_text_span(&text), "file", true, hash, &error);
	if (rc != 0)
		sl_log(SL_LOG_ERROR, "prompts: %s/%s is left out: %s", prompts->dir, name,
		       error.text);
	sl_text_fini(&text);
}

static void take_files(struct sl_prompts *prompts)
{
	int copy = openat(prompts->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (entry->d_name[0] != '.' && len > sizeof(SUFFIX) - 1 &&
		    strcmp(entry->d_name + len - (sizeof(SUFFIX) - 1), SUFFIX) == 0)
			take_file(prompts, entry->d_name);
	}
	if (dir)
		closedir(dir);
	else if (copy >= 0)
		close(copy);
}

int sl_prompts_reload(struct sl_prompts *prompts, struct sl_error *error)
{
	int rc;

	pthread_mutex_lock(&prompts->change);
	rc = read_anew(prompts, error);
	pthread_mutex_unlock(&prompts->change);
	if (rc == 0)
		take_files(prompts);
	return rc;
}

int sl_prompts_open(const char *dir, struct sl_prompts **ret_prompts, struct sl_error *error)
{
	struct sl_prompts *prompts = calloc(1, sizeof(*prompts));
	int rc = 0;

	if (!prompts || !(prompts->dir = strdup(dir)) || !(prompts->set = sl_prompt_set_copy(NULL)))
		rc = sl_error_set(error, -ENOMEM, "prompts: no memory");
	if (prompts) {
		prompts->audit_fd = prompts->dir_fd = -1;
		pthread_mutex_init(&prompts->change, NULL);
		pthread_mutex_init(&prompts->lock, NULL);
	}
	if (rc == 0) {
		prompts->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (prompts->dir_fd < 0)
			rc = sl_error_set_errno(error, -errno, "prompts: %s", dir);
	}
	if (rc == 0) {
		prompts->audit_fd =
			openat(prompts->dir_fd, AUDIT,
			       O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (prompts->audit_fd < 0)
			sl_log(SL_LOG_WARN, "prompts: %s is read only: %s", dir, strerror(errno));
		else if (fsync(prompts->dir_fd) != 0)
			rc = sl_error_set_errno(error, -errno, "prompts: %s", dir);
	}
	if (rc == 0)
		rc = sl_prompts_reload(prompts, error);
	if (rc == 0)
		*ret_prompts = prompts;
	else
		sl_prompts_close(&prompts);
	return rc;
}

void sl_prompts_close(struct sl_prompts **prompts)
{
	struct sl_prompts *p = *prompts;

	*prompts = NULL;
	if (!p)
		return;
	if (p->audit_fd >= 0)
		close(p->audit_fd);
	if (p->dir_fd >= 0)
		close(p->dir_fd);
	sl_prompt_set_put(&p->set);
	pthread_mutex_destroy(&p->change);
	pthread_mutex_destroy(&p->lock);
	free(p->dir);
	free(p);
}
