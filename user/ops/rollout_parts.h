/* SPDX-License-Identifier: BSD-2-Clause */
/* rollout_parts.h - what rollout.c, rollout_say.c and rollout_file.c share. */
#ifndef SL_OPS_ROLLOUT_PARTS_H
#define SL_OPS_ROLLOUT_PARTS_H

#include <pthread.h>
#include "user/ops/calls.h"
#include "user/ops/rollout.h"
#include "user/policy/rollout.h"
#include "user/policy/rollout_check.h"

#define SL_ROLLOUT_PATH_BYTES	4096u
#define SL_ROLLOUT_FILE_BYTES	(1u << 20)
#define SL_ROLLOUT_TARGET_BYTES 4096u /* a path, or two names */

struct sl_rollout_entry {
	bool used;
	struct sl_rollout_item *item; /* also of the board; never freed before the end */
	struct sl_rollout state;
	struct sl_rollout_rules rules;
	uint64_t started_ms;	 /* wall clock, as the next */
	uint64_t ended_ms;	 /* 0: it runs */
	uint64_t seen;		 /* requests that got the candidate, before the last restart too */
	uint64_t shadowed;	 /* the same, that it was asked beside */
	uint16_t candidate_pool; /* MODEL: its slot, anew at each configuration; 0: it is gone */
	bool settled;  /* FULL, and what is served anyway: labels, the index decide again */
	bool failed;   /* it could not be made that, and that was told */
	bool in_force; /* CONFIG, FULL: the configuration says so itself */
	struct sl_routes *routes;	  /* CONFIG: the candidate, while it is given to anybody */
	char file[SL_ROLLOUT_PATH_BYTES]; /* CONFIG */
	char gone[SL_NOTICE_TEXT_BYTES];  /* CONFIG: why it cannot go on */
	uint64_t ticket;		  /* INDEX: of the order to promote it; 0: none */
	uint64_t promote_ms;		  /* INDEX: when it is ordered again */
	struct sl_rollout_check check;	  /* its own, or NONE; ends[]: since the last start */
	char check_name[SL_CONFIG_NAME_MAX + 1];
	struct sl_rollout_run *run;	      /* of its check, under way; lent */
	char check_why[SL_NOTICE_TEXT_BYTES]; /* it cannot be run; or "" */
	bool has_passed; /* its check has, last at passed_step (0: before the first) */
	uint32_t passed_step;
	char promoter
		[SL_NOTICE_WHO_BYTES]; /* who has it given to all once its check has passed; or "" */
	const char *held;	       /* why no step is taken, or NULL */
	char who[SL_NOTICE_WHO_BYTES];
	char reason[SL_NOTICE_TEXT_BYTES]; /* of its end */
};

/* What `start` was told. */
struct sl_rollout_order {
	enum sl_rollout_kind kind;
	const char *subject;
	char file[SL_ROLLOUT_PATH_BYTES]; /* CONFIG */
	char candidate[SL_ROLLOUT_TEXT_BYTES];
	bool force;
	bool blue_green;   /* all at once */
	uint32_t asks;	   /* a minute, in the shadow */
	const char *check; /* its name, or NULL */
	struct sl_rollout_rules rules;
};

struct sl_rollouts {
	struct sl_watch_place place;
	struct sl_routes *routes;
	struct sl_calls *calls; /* the checks that run */
	pthread_mutex_t lock;	/* of entries, for write_metrics() */
	struct sl_rollout_entry entries[SL_ROLLOUTS_MAX];
	uint64_t ended[SL_ROLLOUT_PHASES];
	bool chaos;					     /* an experiment runs */
	char burning[SL_ROLLOUTS_MAX][SL_NOTICE_NAME_BYTES]; /* routes whose objective burns */
	char path[SL_ROLLOUT_PATH_BYTES];		     /* "": nothing is rolled out */
	bool dirty;					     /* the file is to be written */
	bool writing;					     /* a job does; atomic */
	uint64_t failures;				     /* atomic */
	bool failed; /* the last job could not write: again at retry_ms; atomic */
	uint64_t retry_ms;
	bool stopped; /* the process ends, or another one serves: nothing moves any more */
	struct sl_rollout_set *sets;   /* all that were published, newest first; freed at the end */
	struct sl_rollout_item *items; /* the same */
	uint32_t made;		       /* items */
};

/* rollout.c */
struct sl_rollout_entry *sl_rollouts_find(struct sl_rollouts *rollouts, const char *name);
/* A free one with an item of its own; NULL: too many, or no memory. The caller holds the lock. */
struct sl_rollout_entry *sl_rollouts_new(struct sl_rollouts *rollouts);
/* The entries as they are now, for the workers. Without memory -ENOMEM: the set before stays. */
int sl_rollouts_publish(struct sl_rollouts *rollouts);
/* It ends so, for that reason; the baseline is served at once unless the phase is FULL. */
void sl_rollouts_end(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
		     enum sl_rollout_phase phase, const char *who, const char *reason);
__attribute__((format(printf, 4, 5))) void sl_rollouts_tell(const struct sl_rollout_entry *entry,
							    enum sl_notice_level level,
							    const char *who, const char *format,
							    ...);
/* Why it takes no step now, or NULL. */
const char *sl_rollouts_why_held(const struct sl_rollouts *rollouts,
				 const struct sl_rollout_entry *entry);

void sl_rollouts_set_used(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry, bool used);

/* rollout_kind.c: what is different for each kind */
const char *sl_rollouts_kind_name(enum sl_rollout_kind kind); /* as it is started: "route", ... */
const char *sl_rollouts_candidate_name(enum sl_rollout_kind kind); /* "pool", ... */
/* May it be started? The candidate is as it is kept then. */
int sl_rollouts_check(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
		      struct sl_error *error);
/* Finds its candidate by the configuration in force. NULL, or why it cannot go on. */
const char *sl_rollouts_resolve(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
/* Is the candidate none that could be served? */
bool sl_rollouts_is_broken(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			   char why[SL_NOTICE_TEXT_BYTES]);
/* FULL: true once it is what is served without the roll-out; called until then. */
bool sl_rollouts_promote(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
/* Nobody is given it any more. */
void sl_rollouts_drop(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);

/* rollout_config.c: those of kind CONFIG */
int sl_rollouts_check_config(struct sl_rollouts *rollouts, struct sl_rollout_order *order,
			     struct sl_error *error);
const char *sl_rollouts_find_config(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
bool sl_rollouts_promote_config(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
void sl_rollouts_drop_config(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);

/* rollout_check.c: its check, where it has one */
/* 0, or -ENOENT with an error: there is none of that name. */
int sl_rollouts_find_check(const struct sl_rollouts *rollouts, const char *name,
			   struct sl_error *error);
/*
 * Gives it to all, by hand: at once where it has no check, that has passed for the step it is at, or by force; else
 * once it has passed, which is run now. What the check says otherwise is as before each step.
 */
void sl_rollouts_give_to_all(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			     bool force, const char *who);
/* Starts it where it is due. ready: nothing else keeps the roll-out from its next step. */
void sl_rollouts_turn_check(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry,
			    bool ready, uint64_t now_ms);
/* The step was left, or the roll-out has ended: what runs is killed, and says nothing. */
void sl_rollouts_rest_check(struct sl_rollouts *rollouts, struct sl_rollout_entry *entry);
void sl_rollouts_put_check(const struct sl_rollout_entry *entry, struct sl_text *text);
/* The caller holds the lock. */
void sl_rollouts_put_check_metrics(const struct sl_rollouts *rollouts, struct sl_text *text);

/* rollout_evidence.c */
void sl_rollouts_take_record(void *part, const struct sl_feed_record *record);
void sl_rollouts_take_shadowed(struct sl_rollouts *rollouts);
void sl_rollouts_take_signals(struct sl_rollouts *rollouts);

/* rollout_metrics.c */
void sl_rollouts_write_metrics(void *part, struct sl_text *text);

/* rollout_start.c: 0, or -errno with an error. words: KEY=VALUE, taken apart. */
int sl_rollouts_start(struct sl_rollouts *rollouts, const char *name, char *words, const char *who,
		      struct sl_error *error);

/* rollout_say.c */
void sl_rollouts_say(void *part, const struct sl_admin_ask *ask, struct sl_text *text);

/* rollout_file.c */
extern const char *const sl_rollouts_kind_words[SL_ROLLOUT_KINDS]; /* "model", ... */
void sl_rollouts_read(struct sl_rollouts *rollouts);
/* Posts a job where the file is to be written and none runs. What failed is tried again after a while. */
#define SL_ROLLOUT_RETRY_MS 5000u
void sl_rollouts_write(struct sl_rollouts *rollouts, uint64_t now_ms);
/* Writes it before it returns: what an operator was told is done survives a crash. 0 or -errno. */
int sl_rollouts_write_now(struct sl_rollouts *rollouts);
/* Until no job writes. */
void sl_rollouts_wait(struct sl_rollouts *rollouts);
/* One line of JSON, as `status --json` shows it and the file has it. */
void sl_rollouts_put_json(const struct sl_rollout_entry *entry, struct sl_text *text);

#endif
