/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prompts.h - the prompts of a directory: immutable versions, labels, and who changed what.
 *
 *	DIR/ID.prompt		put there by hand: read at start and reload, becomes a version
 *	DIR/ID/SHA256.prompt	a version, named by the SHA-256 of its canonical text
 *	DIR/ID.suite.jsonl	put there by hand: cases that all its versions are tested with, a line each
 *	DIR/ID/SHA256.suite.json  how a version's regression suite ended
 *	DIR/audit.log		one JSON line a change, appended; the labels are what its lines say
 *
 *   label        serves
 *   stable       requests that name neither a version nor a label
 *   canary       those that ask for it
 *   known-good   in place of a version that spoils answers; the stable one before the present one,
 *                unless set by itself
 *
 * A change is one line of the audit log, which holds all labels of its prompt as they are after it:
 * either the line is there, whole, or nothing has changed. A version's file is on the disk before its
 * line. A line that a crash has cut is taken off before the next one is written. The files of two
 * processes (a take-over) are kept apart by a lock on the log.
 *
 * Requests hold a set: a snapshot that never changes and lives until its last put. Threads: any;
 * changes one at a time.
 */
#ifndef SL_STORE_PROMPTS_H
#define SL_STORE_PROMPTS_H

#include <pthread.h>
#include "user/base/digest.h"
#include "user/base/error.h"
#include "user/base/text.h"
#include "user/policy/burn.h"
#include "user/wire/template.h"

#define SL_PROMPTS_MAX		   1024u
#define SL_PROMPT_VERSIONS_MAX	   256u
#define SL_PROMPT_ID_MAX	   63u
#define SL_PROMPT_HASH_SIZE	   (2 * SL_DIGEST_BYTES + 1)
#define SL_PROMPT_SHORT		   12u /* digits of a version that people see */
#define SL_PROMPT_PREFIX_MIN	   6u  /* digits that may stand for a version */
#define SL_PROMPTS_AUDIT_BYTES_MAX (16u << 20)
#define SL_PROMPT_SUITE_BYTES_MAX  (1u << 20) /* of a suite's file, and of a result's */
#define SL_PROMPT_WHO_MAX	   63u

enum sl_prompt_label {
	SL_PROMPT_STABLE = 0,
	SL_PROMPT_CANARY,
	SL_PROMPT_KNOWN_GOOD,
	SL_PROMPT_LABELS
};

extern const char *const sl_prompt_label_names[SL_PROMPT_LABELS];

/* How a version's regression suite stands: the cases in its text and those in the suite's file. */
enum sl_prompt_suite {
	SL_PROMPT_SUITE_NONE = 0, /* there are no cases */
	SL_PROMPT_SUITE_NOT_RUN,  /* or not with the present file */
	SL_PROMPT_SUITE_PASSED,
	SL_PROMPT_SUITE_FAILED, /* known-good is served in its place, unless it was forced */
	SL_PROMPT_SUITE_UNSURE, /* some case had no answer */
	SL_PROMPT_SUITES
};

extern const char *const sl_prompt_suite_names[SL_PROMPT_SUITES];

struct sl_prompt_version {
	uint32_t refs;
	char hash[SL_PROMPT_HASH_SIZE];
	char *text; /* canonical, NUL behind it */
	size_t len;
	struct sl_template *template; /* NULL: cannot be compiled, see fault */
	char *fault;
	/* what its answers were like, over all snapshots */
	pthread_mutex_t lock;
	struct sl_burn burn;
	enum sl_prompt_suite suite;	    /* as it was run last */
	char suite_of[SL_PROMPT_HASH_SIZE]; /* the file it was run with; "": none */
	uint64_t served, spoilt;	    /* requests; atomic */
	uint64_t line; /* of the log, the first that names it; under the change lock */
};

struct sl_prompt {
	char id[SL_PROMPT_ID_MAX + 1];
	struct sl_prompt_version **versions; /* oldest first */
	uint32_t version_count;
	struct sl_prompt_version *labels[SL_PROMPT_LABELS]; /* NULL: not set */
	struct sl_prompt_version *former;		    /* stable before the present one */
	struct sl_prompt_version *forced; /* made stable whatever its suite says, or NULL */
	char suite[SL_PROMPT_HASH_SIZE];  /* of its suite's file; "": none */
};

struct sl_prompt_set {
	uint32_t refs;
	struct sl_prompt *prompts; /* by id */
	uint32_t count;
};

struct sl_prompts;

/* Called before each step that changes the disk. For tests that end the process there. */
typedef void sl_prompts_step(void *owner, const char *what);

/*
 * Opens the directory, which must exist. Damaged versions and lines are left out and logged; a version that
 * a label names stays, without a text, so that known-good is served in its place until its text is pushed
 * again. Where it cannot be written to, what is there is served all the same. -errno with an error.
 */
int sl_prompts_open(const char *dir, struct sl_prompts **ret_prompts, struct sl_error *error);
void sl_prompts_on_step(struct sl_prompts *prompts, sl_prompts_step *step, void *owner);
/* Sets that are still held stay valid. */
void sl_prompts_close(struct sl_prompts **prompts);

/* Reads the directory anew; after an error the present set stays. */
int sl_prompts_reload(struct sl_prompts *prompts, struct sl_error *error);

const char *sl_prompts_dir(const struct sl_prompts *prompts);

struct sl_prompt_set *sl_prompts_get(struct sl_prompts *prompts);
void sl_prompt_set_put(struct sl_prompt_set **set);

const struct sl_prompt *sl_prompt_find(const struct sl_prompt_set *set, struct sl_span id);

/*
 * By the digits of a version, at least SL_PROMPT_PREFIX_MIN of them. NULL: none, or (*ret_many) more
 * than one begins so.
 */
struct sl_prompt_version *sl_prompt_version_find(const struct sl_prompt *prompt,
						 struct sl_span digits, bool *ret_many);

/* A label's number, or -1. */
int sl_prompt_label_of(struct sl_span name);

bool sl_prompt_id_valid(struct sl_span id);

/*
 * Keeps a text as a version, which is none of the labels yet; a text that is there already is no
 * error. who: of the audit line. -EINVAL: the id, or the text does not compile; -E2BIG over a bound;
 * what the disk says.
 */
int sl_prompts_push(struct sl_prompts *prompts, struct sl_span id, struct sl_span text,
		    const char *who, char ret_hash[SL_PROMPT_HASH_SIZE], struct sl_error *error);

/*
 * Points a label at a version; with `stable` the former stable version becomes known-good, and the
 * canary label goes when it was the same version. -ENOENT: no such prompt or version. -EPERM: stable,
 * and its suite has not passed; force does it all the same, and the audit line says so.
 */
int sl_prompts_promote(struct sl_prompts *prompts, struct sl_span id, struct sl_span version,
		       enum sl_prompt_label label, bool force, const char *who,
		       char ret_hash[SL_PROMPT_HASH_SIZE], struct sl_error *error);

/*
 * stable goes back to the version before, and the canary label is taken away, in one step. -ENOENT: no
 * such prompt, or nothing to go back to.
 */
int sl_prompts_rollback(struct sl_prompts *prompts, struct sl_span id, const char *who,
			char ret_hash[SL_PROMPT_HASH_SIZE], struct sl_error *error);

/* ---- regression suites: prompts_suite.c ---- */

/* How it stands with the suite's file as it was read last. */
enum sl_prompt_suite sl_prompt_suite_of(const struct sl_prompt *prompt,
					struct sl_prompt_version *version);

/*
 * Reads the suite's file anew: its text is appended, its hash is the prompt's from now on ("", and nothing
 * appended, where there is none). -E2BIG, or what the disk says.
 */
int sl_prompts_read_suite(struct sl_prompts *prompts, const char *id, struct sl_text *out,
			  char ret_hash[SL_PROMPT_HASH_SIZE]);

/*
 * Keeps how the suite ended: with the file of that hash; report: a JSON object with "verdict" and "suite"
 * (sl_prompt_suite_names, the hash), from which it is read at the next start. Blocks on the disk; what it
 * says counts also where that fails. Any thread.
 */
int sl_prompts_keep_suite(struct sl_prompts *prompts, const char *id,
			  struct sl_prompt_version *version, enum sl_prompt_suite suite,
			  const char *file_hash, struct sl_span report);

/* The last report. -ENOENT: it has not run. */
int sl_prompts_read_report(struct sl_prompts *prompts, const char *id, const char *hash,
			   struct sl_text *out);

#endif
