/* SPDX-License-Identifier: BSD-2-Clause */
/* prompts_parts.h - what prompts.c, prompts_set.c and prompts_disk.c share. */
#ifndef SL_STORE_PROMPTS_PARTS_H
#define SL_STORE_PROMPTS_PARTS_H

#include "user/store/prompts.h"

struct sl_prompts {
	char *dir;
	int dir_fd;
	int audit_fd; /* -1: the directory is read only */
	pthread_mutex_t change;
	pthread_mutex_t lock; /* of set, for the length of a get */
	struct sl_prompt_set *set;
	uint64_t audit_len; /* of whole lines, when they were read last */
	uint64_t lines;	    /* of the log: the last one's number */
	sl_prompts_step *step;
	void *owner;
};

/* ---- prompts_set.c: snapshots while they are made ---- */

/* One more reference to it, or NULL without memory. */
struct sl_prompt_set *sl_prompt_set_copy(const struct sl_prompt_set *set);
/* The prompt, added when it is not there. NULL: no memory, or SL_PROMPTS_MAX. */
struct sl_prompt *sl_prompt_set_add(struct sl_prompt_set *set, struct sl_span id);
struct sl_prompt_version *sl_prompt_version_make(struct sl_span text,
						 const char hash[SL_PROMPT_HASH_SIZE]);
/* One that a label names and whose text cannot be read: it stands there with its fault, and without a text. */
struct sl_prompt_version *sl_prompt_version_lost(const char hash[SL_PROMPT_HASH_SIZE]);
struct sl_prompt_version *sl_prompt_version_get(struct sl_prompt_version *version);
void sl_prompt_version_put(struct sl_prompt_version **version);
/* Takes the reference. 0, -ENOMEM, -E2BIG. */
int sl_prompt_add_version(struct sl_prompt *prompt, struct sl_prompt_version *version);
struct sl_prompt_version *sl_prompt_by_hash(const struct sl_prompt *prompt, const char *hash);
/* Takes out the lost versions that nothing names any more. */
void sl_prompt_forget_lost(struct sl_prompt *prompt);
/* whole stands where lost stood, under all its names. Takes the reference, drops the other. */
void sl_prompt_replace(struct sl_prompt *prompt, struct sl_prompt_version *lost,
		       struct sl_prompt_version *whole);

void sl_prompt_hash(struct sl_span text, char out[SL_PROMPT_HASH_SIZE]);

/* ---- prompts_disk.c ---- */

/* All of a file of at most `max` bytes, appended. */
int sl_prompts_read_file(int dir_fd, const char *name, size_t max, struct sl_text *out);

/* DIR/ID/HASHsuffix, whole and on the disk when this returns 0. */
int sl_prompts_write_file(struct sl_prompts *prompts, const char *id, const char *hash,
			  const char *suffix, struct sl_span text);

/* What the line of a change says. */
struct sl_prompt_line {
	const char *who, *action;
	const struct sl_prompt *prompt; /* its labels as they are to be */
	const char *hash;		/* the version */
	const char *label;		/* that moves to it; NULL: none */
	const struct sl_prompt_version *from;
};

/* Appends it. 0, or -errno: nothing has changed. */
int sl_prompts_write_line(struct sl_prompts *prompts, const struct sl_prompt_line *what);

/* ---- prompts_suite.c ---- */

/* The hash of the suite's file, as it is now, becomes the prompt's. out NULL: its text is not wanted. */
int sl_prompt_note_suite(struct sl_prompts *prompts, struct sl_prompt *prompt, struct sl_text *out);
/* How a version's suite ended, from its file. */
void sl_prompt_load_result(struct sl_prompts *prompts, const char *id,
			   struct sl_prompt_version *version);

/* ---- prompts_disk.c ---- */

/* Fills the set with what the directory holds. Versions of `former` are used again. */
int sl_prompts_load(struct sl_prompts *prompts, const struct sl_prompt_set *former,
		    struct sl_prompt_set *set, struct sl_error *error);

#endif
