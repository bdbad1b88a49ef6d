/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.h - subcommands and their options as data.
 *
 * Each subcommand is one struct sl_command (commands.c of main.c lists them); its options are a
 * table that both the parser and `--help` read, so the two cannot differ.
 */
#ifndef SL_LOADER_COMMAND_H
#define SL_LOADER_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/limits.h"
#include "user/base/admin_answer.h"
#include "user/base/config.h"

#define SL_COMMAND_WORDS_MAX 16u

/* What a command line said. Strings are borrowed from argv. */
struct sl_arguments {
	const char *words[SL_COMMAND_WORDS_MAX]; /* what is not an option */
	uint32_t word_count;
	const char *pin_dir; /* --pin-dir; NULL where not given */
	const char *hook;    /* --hook; NULL: auto */
	const char *tc;	     /* --tc; NULL: auto */
	const char *pool;
	const char *admin_socket;
	const char *watch; /* seconds; "" where given without */
	const char *devices[SL_CONFIG_DEVICES_MAX];
	uint32_t device_count;
	bool json;
	bool replace;
	bool migrate;
	bool markdown;
	bool once;
	bool plain;	     /* of `top` */
	bool packets;	     /* of `trace`, as the next five */
	const char *client;  /* ADDRESS[/LENGTH][:PORT] */
	const char *service; /* ADDRESS[:PORT] */
	const char *node;
	const char *count;
	const char *seconds;
	const char *file; /* of `key`, as all that follow */
	const char *config;
	const char *tenant;
	const char *routes;
	const char *priority;
	const char *expires;
	const char *requests_per_minute;
	const char *tokens_per_minute;
	const char *concurrent;
	const char *budget_day;
	const char *budget_month;
	const char *budget_total;
	const char *spend;
	const char *output; /* of `import`, as all that follow */
	const char *listen;
	bool force;
	bool blue_green; /* of rollout: all at once */
	bool strict;
	const char *binary; /* of `upgrade`, as the next */
	const char *pid_file;
	const char *since; /* of `incidents` */
	const char *known; /* of `audit` */
	const char *zone;  /* of `chaos`, as all that follow */
	const char *region;
	const char *between;
	const char *share;
	const char *way;
	const char *duration;
	const char *recover;
	const char *hits;
	const char *limit;
	const char *store;
	const char *status;
	const char *delay;
	const char *jitter;
	const char *after;
	const char *how;
	const char *nodes;
	const char *before;
	bool checks;
	bool despite_burn;
	const char *hypothesis;
	const char *abort;
	bool detach;
	const char *against; /* of `eval`, as all that follow */
	const char *versus;
	const char *url;
	const char *versus_key_env;
	const char *model;
	const char *prompt;
	const char *key_env;
	const char *judge;
	const char *judge_model;
	const char *judge_key_env;
	const char *baseline;
	const char *html;
	const char *encoder;
	const char *parallel;
	const char *timeout;
	bool paired;
	const char *explain; /* of `check`: "" where given without a value */
};

enum sl_option_kind {
	SL_OPTION_END = 0,
	SL_OPTION_FLAG,	   /* sets a bool */
	SL_OPTION_TEXT,	   /* sets a string; `choices` bounds it where given */
	SL_OPTION_MAYBE,   /* a string that may be left out: --watch or --watch=2 */
	SL_OPTION_DEVICES, /* appends to the devices */
};

struct sl_option {
	enum sl_option_kind kind;
	const char *name;    /* without the dashes */
	const char *value;   /* its name in the help */
	const char *choices; /* "|auto|native|generic|": NULL where any text will do */
	size_t offset;	     /* in struct sl_arguments */
	const char *help;
};

struct sl_command {
	const char *name;
	const char *words; /* "CONFIG" in the usage line */
	uint32_t words_min;
	uint32_t words_max;
	const char *summary;	 /* one line of the list */
	const char *description; /* a paragraph of --help */
	const struct sl_option *options;
	int (*run)(const struct sl_command *command, const struct sl_arguments *arguments);
};

/* clang-format off */
#define SL_OPTION_PIN_DIR {SL_OPTION_TEXT, "pin-dir", "DIR", NULL, \
	offsetof(struct sl_arguments, pin_dir), \
	"directory of the pinned maps (default: $SLUICE_PIN_DIR, else " SL_PIN_DIR ")"}
#define SL_OPTION_ADMIN_SOCKET {SL_OPTION_TEXT, "admin-socket", "PATH", NULL, \
	offsetof(struct sl_arguments, admin_socket), \
	"the daemon's socket (default: $SLUICE_ADMIN_SOCKET, else " SL_ADMIN_SOCKET_DEFAULT ")"}
#define SL_OPTION_JSON {SL_OPTION_FLAG, "json", NULL, NULL, \
	offsetof(struct sl_arguments, json), "print one JSON object for programs"}
#define SL_OPTION_NONE {SL_OPTION_END, NULL, NULL, NULL, 0, NULL}
/* clang-format on */

/*
 * Parses what follows the subcommand's name and runs it. Returns its enum sl_exit; SL_EXIT_USAGE
 * with a message for options it does not have or a wrong number of words.
 */
int sl_command_run(const struct sl_command *command, int argc, char **argv);

extern const struct sl_command sl_command_up;
extern const struct sl_command sl_command_down;
extern const struct sl_command sl_command_status;
extern const struct sl_command sl_command_top;
extern const struct sl_command sl_command_trace;
extern const struct sl_command sl_command_check;
extern const struct sl_command sl_command_tune;
extern const struct sl_command sl_command_drain;
extern const struct sl_command sl_command_undrain;
extern const struct sl_command sl_command_breaker;
extern const struct sl_command sl_command_guard;
extern const struct sl_command sl_command_key;
extern const struct sl_command sl_command_import;
extern const struct sl_command sl_command_explain;
extern const struct sl_command sl_command_prompt;
extern const struct sl_command sl_command_cache;
extern const struct sl_command sl_command_index;
extern const struct sl_command sl_command_canary;
extern const struct sl_command sl_command_audit;
extern const struct sl_command sl_command_alerts;
extern const struct sl_command sl_command_incidents;
extern const struct sl_command sl_command_slo;
extern const struct sl_command sl_command_feedback;
extern const struct sl_command sl_command_eval;
extern const struct sl_command sl_command_rollout;
extern const struct sl_command sl_command_upgrade;
extern const struct sl_command sl_command_chaos;

#endif
