/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sluiced - the daemon: sluiced [--takeover] [--log-level LEVEL] CONFIG
 *           and what `sluice eval run` starts: sluiced --eval ... (ops/eval_run.h)
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include "user/base/log.h"
#include "user/ops/daemon.h"
#include "user/ops/eval_run.h"

static void usage(FILE *file)
{
	fprintf(file, "usage: sluiced [--takeover] [--log-level error|warn|info|debug] CONFIG\n"
		      "\n"
		      "Serves the routes of CONFIG. SIGHUP reloads it, SIGTERM drains.\n"
		      "--takeover: replaces the running daemon, whose streams go on to their end.\n"
		      "Check a file first with: sluice check CONFIG\n");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"log-level", required_argument, NULL, 'l'},
						{"takeover", no_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	enum sl_log_level level;
	bool takeover = false;
	int option;

	if (argc > 1 && !strcmp(argv[1], "--eval"))
		return sl_eval_run(argc - 1, argv + 1);

	while ((option = getopt_long(argc, argv, "l:th", options, NULL)) != -1) {
		switch (option) {
		case 'l':
			if (sl_log_parse_level(optarg, &level)) {
				fprintf(stderr,
					"sluiced: --log-level %s: unknown (expected error, warn, "
					"info or debug)\n",
					optarg);
				return 2;
			}
			sl_log_set_level(level);
			break;
		case 't':
			takeover = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (argc - optind != 1) {
		usage(stderr);
		return 2;
	}
	return sl_daemon_run(argv[optind], takeover);
}
