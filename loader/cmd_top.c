/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_top.c - `sluice top`: is it well, what is broken, what did sluice do; one screen, refreshed.
 *
 *   on a terminal     a screen with keys until q or Ctrl-C; --once: one interval, as text
 *   else              one interval, as text; --watch goes on
 *   --plain           lines: all once, then what changes
 *   --json            an object a line for each interval; --once: one
 *
 * A refresh is one look (top.h): copies of the maps and one request to the daemon; where more about a thing is
 * shown, one more. Keys are answered from the last look. While a look is taken they wait, for a daemon that hangs
 * at most SL_ADMIN_WAIT_MS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "loader/admin.h"
#include "loader/command.h"
#include "loader/keys.h"
#include "loader/pins.h"
#include "loader/safe.h"
#include "loader/say.h"
#include "loader/screen.h"
#include "loader/top.h"
#include "loader/top_detail.h"
#include "loader/top_layout.h"
#include "loader/top_plain.h"
#include "user/base/clock.h"

#define TOP_BYTES_MAX	 (64u << 20)
#define KEY_BYTES	 64u
#define SEQUENCE_WAIT_NS (50u * SL_NS_PER_MS) /* for the rest of an escape sequence */

struct watch {
	const char *dir;
	const char *daemon_socket;
	uint64_t interval_us;
	bool json, plain, once, screen, utf8;
	struct sl_top top;
	struct sl_top_items items;
	struct sl_top_plain told;
	struct sl_text text, detail;
	/* of the screen */
	struct sl_top_ui ui;
	struct sl_top_shown *shown;
	char keys[KEY_BYTES]; /* that came and are not whole yet */
	size_t keys_len;
};

/* ---- lines ----------------------------------------------------------------------------------- */

/* Prints the interval that just ended. Returns whether anybody reads. */
static bool print(struct watch *watch)
{
	sl_text_reset(&watch->text);
	if (watch->json) {
		sl_top_json(&watch->top, &watch->text);
	} else {
		sl_top_items_build(&watch->items, &watch->top, 0);
		if (watch->plain)
			sl_top_plain_tell(&watch->told, &watch->items, watch->top.wall_ms,
					  watch->utf8, &watch->text);
		else
			sl_top_layout_text(&watch->items, watch->utf8, &watch->text);
	}
	fputs(sl_text_string(&watch->text), stdout);
	return !fflush(stdout);
}

/* ---- the screen ------------------------------------------------------------------------------ */

static const struct sl_top_item *find(const struct watch *watch, const char *key)
{
	for (uint32_t i = 0; i < watch->items.count; i++) {
		if (!strcmp(watch->items.list[i].key, key))
			return &watch->items.list[i];
	}
	return NULL;
}

/* What is shown of one thing; that it is gone is said above the last that was known of it. */
static void fill_detail(struct watch *watch)
{
	const struct sl_top_item *item = find(watch, watch->ui.chosen);

	if (item) {
		sl_text_reset(&watch->detail);
		sl_top_detail(item, &watch->top, watch->daemon_socket, &watch->detail);
	} else if (watch->detail.len && strncmp(watch->detail.data, "GONE", 4) != 0) {
		struct sl_text gone;

		sl_text_init(&gone, 0);
		sl_text_printf(&gone, "GONE: %s", watch->detail.data);
		sl_text_fini(&watch->detail);
		watch->detail = gone;
	}
}

/* fresh: of a new look, which may know more about the thing of which more is shown. */
static void paint(struct watch *watch, bool fresh)
{
	struct sl_top_look_of look = {
		.inks = sl_say_inks(stdout),
		.utf8 = watch->utf8,
		.size = sl_screen_size(),
	};

	sl_text_reset(&watch->text);
	if (!look.size.columns)
		look.size = (struct sl_screen_size){80, 24};
	sl_top_items_build(&watch->items, &watch->top, look.size.columns);
	if (fresh && watch->ui.mode == SL_TOP_DETAIL)
		fill_detail(watch);
	sl_top_layout(&watch->items, &watch->ui, &look, sl_text_string(&watch->detail),
		      watch->shown, &watch->text);
	sl_screen_paint(sl_text_string(&watch->text));
}

/* With a daemon by its page's deed, which is audited; else by the command itself. A daemon of other nodes is none. */
static void carry_out(struct watch *watch)
{
	bool of_node = watch->ui.order.pool[0];
	struct sl_top_ui *ui = &watch->ui;
	char said[SL_TOP_WHY_BYTES] = "";
	const char *words[4];
	struct sl_text deed;
	bool done = false;

	sl_text_init(&deed, 0);
	if (watch->items.daemon && !(of_node && watch->items.strange)) {
		sl_top_order_deed(&ui->order, &deed);
		done = sl_top_ask_deed(watch->daemon_socket, sl_text_string(&deed), said);
	} else if (sl_top_order_words(&ui->order, words)) {
		done = sl_top_ask_command(words, watch->dir, said);
	}
	snprintf(ui->said, sizeof(ui->said), "%.80s: %.*s", ui->order.name, (int)SL_TOP_WHY_BYTES,
		 said);
	ui->failed = !done;
	ui->order.deed = (enum sl_top_deed)0;
	sl_text_fini(&deed);
}

/* Does what each key that came says. Returns what they want most. */
static enum sl_top_want take_keys(struct watch *watch, bool whole)
{
	enum sl_top_want most = SL_TOP_NOTHING;
	size_t at = 0, len;
	int key;

	while ((len = sl_key_read(watch->keys + at, watch->keys_len - at, whole, &key))) {
		enum sl_top_mode before = watch->ui.mode;
		enum sl_top_want want =
			sl_top_ui_key(&watch->ui, watch->shown, watch->items.daemon, key);

		at += len;
		if (want == SL_TOP_DO) {
			carry_out(watch);
			want = SL_TOP_LOOK;
		}
		if (watch->ui.mode == SL_TOP_DETAIL && before != SL_TOP_DETAIL)
			fill_detail(watch);
		most = want > most ? want : most;
		if (want != SL_TOP_NOTHING)
			paint(watch,
			      false); /* the next key is about what this one has left on the screen */
		if (most == SL_TOP_QUIT)
			break;
	}
	watch->keys_len -= at;
	memmove(watch->keys, watch->keys + at, watch->keys_len);
	return most;
}

/* Keys and sizes until it is time for the next look. Returns false: it is over. */
static bool serve_keys(struct watch *watch)
{
	uint64_t next_ns = watch->top.now.now_ns + watch->interval_us * SL_NS_PER_US;

	for (;;) {
		uint64_t until_ns = watch->ui.paused ? UINT64_MAX / 2 : next_ns;
		enum sl_top_want want = SL_TOP_NOTHING;
		bool partial = watch->keys_len;
		enum sl_screen_event event;

		if (partial)
			until_ns = sl_clock_ns() + SEQUENCE_WAIT_NS;
		event = sl_screen_wait(until_ns);
		if (event == SL_SCREEN_END)
			return false;
		if (event == SL_SCREEN_SIZE)
			paint(watch, false);
		if (event == SL_SCREEN_KEYS) {
			watch->keys_len += sl_screen_read(watch->keys + watch->keys_len,
							  sizeof(watch->keys) - watch->keys_len);
			want = take_keys(watch, watch->keys_len == sizeof(watch->keys));
		}
		if (event == SL_SCREEN_TIME && partial)
			want = take_keys(watch, true);
		else if (event == SL_SCREEN_TIME)
			return true;
		if (want == SL_TOP_QUIT)
			return false;
		if (want == SL_TOP_LOOK)
			return true;
	}
}

/* ---- the loop -------------------------------------------------------------------------------- */

/* From look to look, whatever a look costs. */
static bool wait_for_next(struct watch *watch, bool shown)
{
	uint64_t next_ns = watch->top.now.now_ns + watch->interval_us * SL_NS_PER_US;
	uint64_t now_ns = sl_clock_ns();

	if (watch->screen && shown)
		return serve_keys(watch);
	if (next_ns > now_ns)
		sl_screen_sleep_us((next_ns - now_ns) / SL_NS_PER_US);
	return !sl_screen_interrupted();
}

/* Until interrupted, or the first interval ended. Returns enum sl_exit. */
static int look_on(struct watch *watch)
{
	int error = sl_top_look(&watch->top, watch->dir, watch->daemon_socket);
	bool shown = false;

	while (!error && wait_for_next(watch, shown)) {
		error = sl_top_look(&watch->top, watch->dir, watch->daemon_socket);
		if (error ||
		    !sl_top_between(&watch->top)) { /* another kernel plane: from here on */
			shown = false; /* the screen is of the look before, whose things are gone */
			continue;
		}
		if (watch->screen) {
			paint(watch, true);
			shown = true;
		} else if (!print(watch) || watch->once) {
			break;
		}
	}
	if (watch->text.error)
		return sl_say_error("sluice status POOL", "the text is larger than %u bytes",
				    TOP_BYTES_MAX);
	return error ? SL_EXIT_FAILED : SL_EXIT_OK;
}

static int run_watch(struct watch *watch)
{
	int exit_code;

	if (watch->screen)
		sl_screen_enter(true);
	exit_code = look_on(watch);
	if (watch->screen)
		sl_screen_leave();
	if (watch->screen && exit_code != SL_EXIT_OK) /* the message went with the screen */
		(void)sl_top_look(&watch->top, watch->dir, watch->daemon_socket);
	return exit_code;
}

static int run_top(const struct sl_command *command, const struct sl_arguments *arguments)
{
	struct watch watch = {
		.dir = sl_pins_dir(arguments->pin_dir, NULL),
		.daemon_socket = sl_admin_path(arguments->admin_socket),
		.json = arguments->json,
		.plain = arguments->plain,
		.utf8 = sl_safe_begin(),
		.shown = calloc(1, sizeof(*watch.shown)),
	};
	int exit_code;

	(void)command;
	if (!watch.shown || sl_screen_interval("top", arguments->watch, &watch.interval_us)) {
		free(watch.shown);
		return SL_EXIT_USAGE;
	}
	watch.screen = isatty(STDOUT_FILENO) && !watch.json && !watch.plain && !arguments->once;
	watch.once = arguments->once || (!watch.screen && !watch.json && !arguments->watch &&
					 !(watch.plain && isatty(STDOUT_FILENO)));
	sl_screen_catch();
	sl_top_init(&watch.top);
	sl_top_items_init(&watch.items);
	sl_top_plain_init(&watch.told);
	sl_top_ui_init(&watch.ui);
	sl_text_init(&watch.text, TOP_BYTES_MAX);
	sl_text_init(&watch.detail, 0);
	exit_code = run_watch(&watch);
	sl_text_fini(&watch.detail);
	sl_text_fini(&watch.text);
	sl_top_plain_fini(&watch.told);
	sl_top_items_fini(&watch.items);
	sl_top_fini(&watch.top);
	free(watch.shown);
	return exit_code;
}

static const struct sl_option top_options[] = {
	SL_OPTION_JSON,
	{SL_OPTION_FLAG, "plain", NULL, NULL, offsetof(struct sl_arguments, plain),
	 "lines instead of a screen: all once, then what changes (for screen readers, logs)"},
	{SL_OPTION_MAYBE, "watch", "SECONDS", NULL, offsetof(struct sl_arguments, watch),
	 "length of an interval (default: a second), and go on without a terminal"},
	{SL_OPTION_FLAG, "once", NULL, NULL, offsetof(struct sl_arguments, once),
	 "show one interval and end"},
	SL_OPTION_ADMIN_SOCKET,
	SL_OPTION_PIN_DIR,
	SL_OPTION_NONE,
};

const struct sl_command sl_command_top = {
	.name = "top",
	.summary = "show what is broken, what sluice did, and what happens now",
	.description =
		"What the daemon's status page shows, in a terminal: whether all is well, nodes\n"
		"with breakers and rates, ladders, queues, error budgets, incidents, roll-outs,\n"
		"experiments, decisions; and the kernel plane. What is broken comes first. Keys\n"
		"look closer, drain nodes, set breakers, abort roll-outs and experiments, each\n"
		"after a question; ? shows them. Without a daemon: what the kernel plane knows.\n"
		"Refreshes on a terminal until q; elsewhere it shows one interval.",
	.options = top_options,
	.run = run_top,
};
