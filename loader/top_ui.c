/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top_ui.h"

#include <stdio.h>
#include <string.h>
#include "loader/keys.h"

#define TAKES_ALL_DEEDS (SL_TOP_DRAIN | SL_TOP_UNDRAIN | SL_TOP_OPEN | SL_TOP_CLOSE | SL_TOP_AUTO)

void sl_top_ui_init(struct sl_top_ui *ui)
{
	*ui = (struct sl_top_ui){.pane = SL_TOP_ALL};
}

bool sl_top_ui_lets(const struct sl_top_ui *ui, const struct sl_top_item *item)
{
	return !ui->filter[0] || item->titles || strcasestr(item->line, ui->filter) ||
	       (item->pool && strcasestr(item->pool, ui->filter));
}

/* ---- the chosen one -------------------------------------------------------------------------- */

static uint32_t chosen_at(const struct sl_top_ui *ui, const struct sl_top_shown *shown)
{
	for (uint32_t i = 0; i < shown->count; i++) {
		if (ui->chosen[0] && !strcmp(shown->items[i]->key, ui->chosen))
			return i;
	}
	return 0;
}

const struct sl_top_item *sl_top_ui_chosen(const struct sl_top_ui *ui,
					   const struct sl_top_shown *shown)
{
	return shown->count ? shown->items[chosen_at(ui, shown)] : NULL;
}

static enum sl_top_want choose(struct sl_top_ui *ui, const struct sl_top_shown *shown, int64_t by)
{
	int64_t at = (int64_t)chosen_at(ui, shown) + by;

	if (!shown->count)
		return SL_TOP_NOTHING;
	at = at < 0 ? 0 : at >= shown->count ? (int64_t)shown->count - 1 : at;
	snprintf(ui->chosen, sizeof(ui->chosen), "%s", shown->items[at]->key);
	return SL_TOP_PAINT;
}

/* ---- deeds ----------------------------------------------------------------------------------- */

static const struct {
	enum sl_top_deed deed;
	const char *word;	/* of the page */
	const char *asks;	/* NAME follows */
	const char *then;	/* what will be */
	const char *command[2]; /* without a daemon */
} deeds[] = {
	{SL_TOP_DRAIN,
	 "drain",
	 "Drain",
	 "nothing new goes there, what is under way goes on",
	 {"drain"}},
	{SL_TOP_UNDRAIN, "undrain", "Undrain", "it takes requests and flows again", {"undrain"}},
	{SL_TOP_OPEN,
	 "breaker-open",
	 "Open the breaker of",
	 "nothing new goes there until somebody lets it go",
	 {"breaker", "open"}},
	{SL_TOP_CLOSE,
	 "breaker-close",
	 "Close the breaker of",
	 "requests go there from now on, whatever it has seen",
	 {"breaker", "close"}},
	{SL_TOP_AUTO,
	 "breaker-auto",
	 "Let go the breaker of",
	 "it is due for a probe and has to prove itself",
	 {"breaker", "auto"}},
	{SL_TOP_ABORT_ROLLOUT,
	 "rollout-abort",
	 "Abort roll-out",
	 "the baseline is served to everybody at once",
	 {NULL}},
	{SL_TOP_ABORT_CHAOS,
	 "chaos-abort",
	 "Abort experiment",
	 "it ends at once, and the command that began it says so",
	 {NULL}},
	{SL_TOP_ABORT_STRIKE,
	 "strike-abort",
	 "Abort experiment",
	 "it ends at once, and the command that began it says so",
	 {NULL}},
};

static size_t deed_at(enum sl_top_deed deed)
{
	size_t i = 0;

	while (i + 1 < sizeof(deeds) / sizeof(deeds[0]) && deeds[i].deed != deed)
		i++;
	return i;
}

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

static void aim(struct sl_top_ui *ui, const struct sl_top_item *item)
{
	struct sl_top_order *order = &ui->order;

	*order = (struct sl_top_order){.number = item->number, .deeds = item->deeds};
	copy(order->name, sizeof(order->name), item->name);
	copy(order->pool, sizeof(order->pool), item->pool);
	copy(order->index_of, sizeof(order->index_of), item->index_of);
	copy(order->left, sizeof(order->left), item->left);
}

static enum sl_top_want refuse(struct sl_top_ui *ui, const char *why)
{
	snprintf(ui->said, sizeof(ui->said), "%s", why);
	ui->failed = true;
	return SL_TOP_PAINT;
}

/* d, u, b and a are about the chosen one. */
static enum sl_top_want begin(struct sl_top_ui *ui, const struct sl_top_item *item, bool daemon,
			      int key)
{
	unsigned wanted = key == 'd'   ? SL_TOP_DRAIN
			  : key == 'u' ? SL_TOP_UNDRAIN
			  : key == 'b'
				  ? SL_TOP_OPEN | SL_TOP_CLOSE | SL_TOP_AUTO
				  : SL_TOP_ABORT_ROLLOUT | SL_TOP_ABORT_CHAOS | SL_TOP_ABORT_STRIKE;

	if (!item)
		return refuse(ui, "there is nothing to do that to");
	if (!(item->deeds & wanted))
		return refuse(
			ui, key == 'a' ? "choose a roll-out under way or an experiment (keys 6, 7)"
			    : key == 'b' || !(item->deeds & TAKES_ALL_DEEDS)
				    ? "choose a node (key 1)"
			    : key == 'd' ? "it drains already"
					 : "it does not drain");
	if (!daemon && key == 'a')
		return refuse(ui, "no daemon answers: nothing can be aborted from here");
	aim(ui, item);
	ui->mode = key == 'b' ? SL_TOP_BREAKER : SL_TOP_ASKED;
	if (key != 'b')
		ui->order.deed = (enum sl_top_deed)(item->deeds & wanted);
	return SL_TOP_PAINT;
}

static enum sl_top_want choose_breaker(struct sl_top_ui *ui, int key)
{
	enum sl_top_deed deed = key == 'o'   ? SL_TOP_OPEN
				: key == 'c' ? SL_TOP_CLOSE
				: key == 'a' ? SL_TOP_AUTO
					     : (enum sl_top_deed)0;

	ui->mode = SL_TOP_LOOKING;
	if (!deed)
		return refuse(ui, "nothing was done");
	if (!(ui->order.deeds & deed))
		return refuse(ui, deed == SL_TOP_OPEN	 ? "it is open by hand already"
				  : deed == SL_TOP_CLOSE ? "it is closed already"
							 : "nobody has opened it by hand");
	ui->order.deed = deed;
	ui->mode = SL_TOP_ASKED;
	return SL_TOP_PAINT;
}

void sl_top_ui_question(const struct sl_top_order *order, struct sl_text *text)
{
	size_t i = deed_at(order->deed);

	sl_text_printf(text, "%s %s%s%s? y: yes, any other key: no. %c%s", deeds[i].asks,
		       order->name, order->pool[0] ? " of pool " : "", order->pool,
		       deeds[i].then[0] - 'a' + 'A', deeds[i].then + 1);
	if (order->deed == SL_TOP_DRAIN && order->left[0])
		sl_text_printf(text, "; %s", order->left);
	sl_text_append_char(text, '.');
}

void sl_top_order_deed(const struct sl_top_order *order, struct sl_text *text)
{
	sl_text_printf(text, "%s?", deeds[deed_at(order->deed)].word);
	switch (order->deed) {
	case SL_TOP_ABORT_ROLLOUT:
		sl_text_append_string(text, "name=");
		sl_top_ask_value(text, order->name);
		break;
	case SL_TOP_ABORT_CHAOS:
	case SL_TOP_ABORT_STRIKE:
		sl_text_printf(text, "number=%llu", (unsigned long long)order->number);
		break;
	default:
		sl_text_append_string(text, "pool=");
		sl_top_ask_value(text, order->pool);
		sl_text_append_string(text, "&node=");
		sl_top_ask_value(text, order->name);
	}
}

bool sl_top_order_words(const struct sl_top_order *order, const char *words[4])
{
	size_t i = deed_at(order->deed), count = 0;

	for (size_t k = 0; k < 2 && deeds[i].command[k]; k++)
		words[count++] = deeds[i].command[k];
	words[count++] = order->index_of;
	words[count] = NULL;
	return count > 1;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static enum sl_top_want type(struct sl_top_ui *ui, int key)
{
	size_t len = strlen(ui->filter);

	if (key == SL_KEY_ENTER || key == SL_KEY_ESCAPE) {
		if (key == SL_KEY_ESCAPE)
			ui->filter[0] = '\0';
		ui->mode = SL_TOP_LOOKING;
	} else if (key == SL_KEY_BACKSPACE && len) {
		do /* a whole character */
			ui->filter[--len] = '\0';
		while (len && ((unsigned char)ui->filter[len - 1] & 0xc0) == 0x80);
	} else if (key >= ' ' && key < 256 && key != SL_KEY_BACKSPACE &&
		   len + 1 < sizeof(ui->filter)) {
		ui->filter[len] = (char)key;
		ui->filter[len + 1] = '\0';
	}
	return SL_TOP_PAINT;
}

static enum sl_top_want scroll(struct sl_top_ui *ui, uint32_t page, int key)
{
	int64_t at = ui->scroll;

	switch (key) {
	case 'q':
	case SL_KEY_ESCAPE:
	case SL_KEY_LEFT:
	case SL_KEY_BACKSPACE:
	case SL_KEY_ENTER:
	case '?':
		ui->mode = SL_TOP_LOOKING;
		break;
	case 'j':
	case SL_KEY_DOWN:
		at++;
		break;
	case 'k':
	case SL_KEY_UP:
		at--;
		break;
	case ' ':
	case SL_KEY_PAGE_DOWN:
		at += page;
		break;
	case SL_KEY_PAGE_UP:
		at -= page;
		break;
	case SL_KEY_HOME:
	case 'g':
		at = 0;
		break;
	case SL_KEY_END:
	case 'G':
		at = ui->scroll_max;
		break;
	default:
		return SL_TOP_NOTHING;
	}
	at = at < 0 ? 0 : at > ui->scroll_max ? ui->scroll_max : at;
	ui->scroll = (uint32_t)at;
	return SL_TOP_PAINT;
}

static enum sl_top_want go(struct sl_top_ui *ui, enum sl_top_pane pane)
{
	ui->pane = pane;
	ui->scroll = 0;
	return SL_TOP_PAINT;
}

static enum sl_top_want move(struct sl_top_ui *ui, const struct sl_top_shown *shown, int key)
{
	switch (key) {
	case 'j':
	case SL_KEY_DOWN:
		return choose(ui, shown, 1);
	case 'k':
	case SL_KEY_UP:
		return choose(ui, shown, -1);
	case ' ':
	case SL_KEY_PAGE_DOWN:
		return choose(ui, shown, shown->page);
	case SL_KEY_PAGE_UP:
		return choose(ui, shown, -(int64_t)shown->page);
	case 'g':
	case SL_KEY_HOME:
		return choose(ui, shown, -(int64_t)shown->count);
	case 'G':
	case SL_KEY_END:
		return choose(ui, shown, shown->count);
	case SL_KEY_TAB:
	case SL_KEY_RIGHT:
		return go(ui, ui->pane == SL_TOP_ALL ? SL_TOP_NODES : ui->pane + 1);
	case SL_KEY_BACK_TAB:
	case SL_KEY_LEFT:
		return go(ui, ui->pane == SL_TOP_NODES ? SL_TOP_ALL : ui->pane - 1);
	case '0':
		return go(ui, SL_TOP_ALL);
	default:
		return key >= '1' && key <= '9' ? go(ui, (enum sl_top_pane)(key - '1'))
						: SL_TOP_NOTHING;
	}
}

static enum sl_top_want look(struct sl_top_ui *ui, const struct sl_top_shown *shown, bool daemon,
			     int key)
{
	const struct sl_top_item *item = sl_top_ui_chosen(ui, shown);

	switch (key) {
	case 'q':
		return SL_TOP_QUIT;
	case SL_KEY_ESCAPE: /* back to all, one thing at a time */
		if (ui->filter[0])
			ui->filter[0] = '\0';
		else
			ui->pane = SL_TOP_ALL;
		return SL_TOP_PAINT;
	case '?':
	case 'h':
		ui->mode = SL_TOP_HELP;
		ui->scroll = 0;
		return SL_TOP_PAINT;
	case '/':
		ui->mode = SL_TOP_TYPING;
		return SL_TOP_PAINT;
	case 'p':
		ui->paused = !ui->paused;
		return ui->paused ? SL_TOP_PAINT : SL_TOP_LOOK;
	case 'r':
		return SL_TOP_LOOK;
	case SL_KEY_ENTER:
		if (!item)
			return SL_TOP_NOTHING;
		snprintf(ui->chosen, sizeof(ui->chosen), "%s", item->key);
		ui->mode = SL_TOP_DETAIL;
		ui->scroll = 0;
		return SL_TOP_PAINT;
	case 'd':
	case 'u':
	case 'b':
	case 'a':
		return begin(ui, item, daemon, key);
	default:
		return move(ui, shown, key);
	}
}

enum sl_top_want sl_top_ui_key(struct sl_top_ui *ui, const struct sl_top_shown *shown, bool daemon,
			       int key)
{
	bool had_said = ui->said[0];
	enum sl_top_want want;

	if (key == SL_KEY_NONE)
		return SL_TOP_NOTHING;
	ui->said[0] = '\0';
	ui->failed = false;
	switch (ui->mode) {
	case SL_TOP_DETAIL:
	case SL_TOP_HELP:
		want = scroll(ui, shown->page, key);
		break;
	case SL_TOP_TYPING:
		want = type(ui, key);
		break;
	case SL_TOP_BREAKER:
		want = choose_breaker(ui, key);
		break;
	case SL_TOP_ASKED:
		ui->mode = SL_TOP_LOOKING;
		if (key == 'y')
			return SL_TOP_DO;
		ui->order.deed = (enum sl_top_deed)0;
		want = refuse(ui, "nothing was done");
		break;
	default:
		want = look(ui, shown, daemon, key);
	}
	return want == SL_TOP_NOTHING && had_said ? SL_TOP_PAINT : want;
}
