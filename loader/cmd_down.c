/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_down.c - `sluice down`: detach, unpin, leave nothing.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "loader/attach.h"
#include "loader/command.h"
#include "loader/pins.h"
#include "loader/say.h"

static int run_down(const struct sl_command *command, const struct sl_arguments *arguments)
{
	const char *dir = sl_pins_dir(arguments->pin_dir, NULL);
	bool was_empty = sl_pins_empty(dir);
	char other[SL_PINS_PATH_MAX];
	uint32_t version;
	int lock_fd = -1;
	int error = sl_pins_lock(dir, &lock_fd);

	(void)command;
	libbpf_set_print(NULL); /* what matters is said here */
	if (error == -ENOENT) {
		printf("sluice: nothing is up in %s\n", dir);
		if (sl_pins_find_version(dir, other, &version))
			printf("sluice: version %u is up: sluice down --pin-dir %s\n", version,
			       other);
		return SL_EXIT_OK;
	}
	if (error)
		return SL_EXIT_FAILED;
	error = sl_attach_remove_all(dir);
	if (error)
		sl_say_error("mend what is named above and: sluice down",
			     "the maps in \"%s\" stay until every device is detached", dir);
	else
		error = sl_pins_remove(dir);
	close(lock_fd);
	if (error)
		return SL_EXIT_FAILED;
	if (was_empty)
		printf("sluice: nothing was up in %s; the empty directory is removed\n", dir);
	else
		printf("sluice: down: devices detached, maps removed from %s\n", dir);
	return SL_EXIT_OK;
}

static const struct sl_option down_options[] = {SL_OPTION_PIN_DIR, SL_OPTION_NONE};

const struct sl_command sl_command_down = {
	.name = "down",
	.summary = "detach everything and remove it",
	.description = "Detaches every program from every device, removes the maps and the pin "
		       "directory.\n"
		       "Established flows of the fast lane end. Does no harm when nothing is up, "
		       "and clears\n"
		       "what an interrupted `up` left.",
	.options = down_options,
	.run = run_down,
};
