/* SPDX-License-Identifier: BSD-2-Clause */
/* validate_parts.h - what the files of validate.h share. */
#ifndef SL_STAGE_VALIDATE_PARTS_H
#define SL_STAGE_VALIDATE_PARTS_H

#include "user/stage/stage.h"
#include "user/stage/validate_lists.h"
#include "user/stage/validate_screen.h"
#include "user/wire/json_tape.h"
#include "user/wire/schema.h"

#define SL_VALIDATE_TOOLS_MAX	  128u
#define SL_VALIDATE_SCRATCH_MAX	  (64u << 20)
#define SL_VALIDATE_SCRATCH_BLOCK 16384u
#define SL_VALIDATE_WHAT_BYTES	  64u /* of a keyword and a place */

/* ---- schemas of a request (validate_rules.c) ------------------------------------------------ */

struct sl_validate_tool {
	struct sl_span name; /* in the rules' memory */
	struct sl_schema *schema;
};

/* What the request says its answer must be like. Held until sl_validate_rules_fini(). */
struct sl_validate_rules {
	struct sl_schema *format; /* NULL: any text */
	struct sl_validate_tool *tools;
	uint32_t tool_count;
	struct sl_arena arena;
};

/*
 * The schemas of response_format and of tools. Returns 0; -EINVAL with a sentence where one is no
 * schema, or not supported (*ret_param: the key of the request); -ENOMEM.
 */
int sl_validate_rules_init(struct sl_validate_rules *rules, struct sl_schema_cache *cache,
			   const char *body, size_t len, const char **ret_param,
			   struct sl_error *error);
void sl_validate_rules_fini(struct sl_validate_rules *rules);

/* The schema of a tool's arguments; NULL: it has none, or there is no such tool. */
const struct sl_schema *sl_validate_rules_tool(const struct sl_validate_rules *rules,
					       struct sl_span name);

/* ---- texts within JSON (validate_rewrite.c) -------------------------------------------------- */

/* A request or an answer that is looked at more than once: laid out once, and its text decoded once. */
struct sl_validate_body {
	struct sl_span text;
	bool read; /* then: */
	int rc;	   /* of sl_json_tape_make() */
	struct sl_json_tape tape;
	uint32_t string; /* the node whose bytes are decoded; 0: none is */
	struct sl_span decoded;
};

/* Lays it out where that was not done yet. Returns 0, or what sl_json_tape_make() said. */
int sl_validate_body_read(struct sl_validate_body *body, struct sl_arena *scratch);

/* Of a body that is read: sl_json_tape_string(), for the string that is asked for again. */
bool sl_validate_body_string(struct sl_validate_body *body, uint32_t node, struct sl_arena *scratch,
			     struct sl_span *ret_string);

/*
 * Screens every text of it (content, text, arguments, ...), and writes it anew
 * where something was replaced: *ret_changed, and the whole in out. Returns 0; -EPERM where the screen
 * blocks, or a replacement would break the JSON of arguments; -EINVAL (no JSON), -ENOMEM.
 */
int sl_validate_rewrite(struct sl_validate_body *body, struct sl_screen *screen,
			struct sl_arena *scratch, struct sl_text *out, bool *ret_changed);

/* The same texts, a line end behind each. Returns 0, -EINVAL, -ENOMEM, or the error of out. */
int sl_validate_gather(const char *text, size_t len, struct sl_arena *scratch, struct sl_text *out);

/* ---- moderation (validate_moderation.c) -------------------------------------------------------- */

enum sl_moderation {
	SL_MODERATION_DOWN = 0, /* nobody could tell */
	SL_MODERATION_FINE,
	SL_MODERATION_FLAGGED,
};

/* Is it asked about this way (SL_CONFIG_WAY_)? */
bool sl_validate_moderates(const struct sl_config_validate *v, uint32_t way);

/* Asks about the texts of a body; on the fiber. FLAGGED: why gets the categories. */
enum sl_moderation sl_validate_moderate(struct sl_stage *stage, struct sl_span body,
					struct sl_text *why);

/* The same of a text. */
enum sl_moderation sl_validate_moderate_text(struct sl_stage *stage, struct sl_span text,
					     struct sl_text *why);

/* A wrong answer: what the model said, and why it is wrong. */
struct sl_validate_fault {
	struct sl_error reason;
	struct sl_span said;
	enum sl_check check;
	char what[SL_VALIDATE_WHAT_BYTES]; /* as of struct sl_checked; "": nothing more to say */
};

/* ---- is it an answer? (validate_answer.c) ------------------------------------------------------- */

/* Does a route look for anything of this? */
bool sl_validate_judges(const struct sl_config_validate *v);

/* Is this text wrong as an answer to the body? Then the fault's reason says why, as the model is told. */
bool sl_validate_is_poor(const struct sl_config_validate *v, struct sl_span body,
			 struct sl_span text, struct sl_validate_fault *fault);

/* Does this text lack the route's citation_pattern, or a chunk in it that was given? Fault as above. */
bool sl_validate_is_uncited(const struct sl_stage *stage, struct sl_span text,
			    struct sl_validate_fault *fault);

/* Lists of a route, held. */
struct sl_validate_held {
	struct sl_pattern_list *lists[SL_CONFIG_PATHS_MAX];
	uint64_t *matches[SL_CONFIG_PATHS_MAX];
	uint32_t count;
	uint32_t missing; /* the one that was never loaded, where that is the failure */
	uint64_t version; /* of all of them */
};

/* False when one was never loaded: then nothing is held, and nothing may pass. */
bool sl_validate_hold(struct sl_validate_lists *lists, const struct sl_config_paths *paths,
		      struct sl_validate_held *held);
void sl_validate_release(struct sl_validate_held *held);

/* A screen for kinds (as configured) and lists, which stay held as long as it is. */
void sl_validate_screen(uint32_t kinds, enum sl_config_found found,
			const struct sl_validate_held *held, bool block, struct sl_screen *screen);

/* sl_schema_check() of a part of an answer, with the place for the fault. */
int sl_validate_check_schema(const struct sl_schema *schema, struct sl_span text,
			     struct sl_arena *scratch, struct sl_validate_fault *fault);

/* Whom an owner tells what a check did: the stage, or a filter. */
typedef void sl_validate_tell_fn(void *owner, const struct sl_checked *checked);

/* A list's file without its folders. lists NULL, or number beyond: NULL. */
const char *sl_validate_list_name(const struct sl_config_paths *lists, uint32_t number);

/*
 * What a screen did since it was asked last: each kind and each list that it replaced something of; and the
 * newest match alone, which ended it all, as done says.
 */
void sl_validate_tell(struct sl_screen *screen, const struct sl_config_paths *lists, bool is_answer,
		      sl_validate_tell_fn *tell, void *owner);
void sl_validate_tell_stop(const struct sl_screen *screen, const struct sl_config_paths *lists,
			   bool is_answer, enum sl_check_done done, sl_validate_tell_fn *tell,
			   void *owner);

/* The first kind that a screen found, for texts. */
const char *sl_validate_found(const struct sl_screen *screen);

/*
 * Of the settings that decide which answers pass: what was kept under others is not given. The lists have
 * versions of their own; how often an answer is asked for anew makes no difference. moderation: name of the
 * pool, "" for none.
 */
uint64_t sl_validate_version(const struct sl_config_validate *v, const char *moderation);

/* ---- the checks of a text (validate_check.c) --------------------------------------------------- */

/* All of it on the loop's thread, but what sl_validate_check_...() hand over while they wait. */
struct sl_validate_check {
	struct sl_stage *stage;
	const struct sl_config_validate *v;
	struct sl_span question;
	struct sl_validate_body body;
	struct sl_validate_rules rules;
	struct sl_validate_held held;
	struct sl_screen screen;
	struct sl_arena scratch; /* holds what fault.said points to */
	char *kept;		 /* the question, where it is looked at elsewhere; or NULL */
	bool judges, screens;	 /* what is done with the text */
	/* ---- what came of it ---- */
	bool wrong; /* then fault says why, and nothing was screened */
	struct sl_validate_fault fault;
	bool unlisted; /* a list of the route was never loaded */
	int rc;	       /* of sl_validate_rewrite() */
	bool changed;  /* then it is out */
	struct sl_text out;
};

/* The question, stage->facts, by the lists and kinds of the way in. On the fiber, which waits where it is long. */
void sl_validate_check_question(struct sl_stage *stage, struct sl_validate_check *check);
/* The answer, stage->reply: by schemas and what else an answer must be, then by the way out's. The same. */
void sl_validate_check_answer(struct sl_stage *stage, struct sl_validate_check *check);
void sl_validate_check_fini(struct sl_validate_check *check);

#endif
