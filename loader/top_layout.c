/* SPDX-License-Identifier: BSD-2-Clause */
#include "loader/top_layout.h"

#include <stdlib.h>
#include <string.h>
#include "loader/safe.h"
#include "loader/say.h"

#define VERDICT_SHARE	4u /* of the rows, at most one in so many */
#define TOTALS_ROWS_MAX 2u
#define DEEDS_FIRST	3u /* decisions that are told where something is broken */
#define NO_COLUMNS	1000000u

/* The screen while it is put together. */
struct layout {
	const struct sl_top_items *items;
	const struct sl_top_ui *ui;
	const struct sl_top_look_of *look;
	struct sl_top_shown *shown;
	struct sl_text *text;
	uint32_t rows_left;
	bool *taken; /* by item: it is shown */
	const char *
		chosen; /* key of the one that is, of those that are shown; "": the first of them */
};

const char *sl_top_mark(enum sl_top_grade grade, bool utf8)
{
	static const char *const marks[][4] = {{" ", ".", "!", "X"}, {" ", "✓", "▲", "✕"}};

	return marks[utf8][grade];
}

static const char *ink_of(const struct sl_top_look_of *look, enum sl_top_grade grade)
{
	static const enum sl_ink inks[] = {SL_INK_PLAIN, SL_INK_GOOD, SL_INK_WARN, SL_INK_BAD};

	return grade == SL_TOP_PLAIN ? "" : look->inks[inks[grade]];
}

/* ---- rows ------------------------------------------------------------------------------------ */

/* How far a row's ink goes. */
enum reach {
	REACH_LEAD = 0,
	REACH_TEXT,
	REACH_EDGE,
};

/* One row; all of it goes through the gate. */
static void put_row(struct layout *l, const char *ink, enum reach reach, const char *lead,
		    struct sl_span line)
{
	const char *plain = *ink ? l->look->inks[SL_INK_PLAIN] : "";
	uint32_t columns = l->look->size.columns, used;

	if (!l->rows_left)
		return;
	l->rows_left--;
	sl_text_append_string(l->text, ink);
	used = sl_safe_append(l->text, sl_span_string(lead), columns, l->look->utf8);
	sl_text_append_string(l->text, reach == REACH_LEAD ? plain : "");
	used += sl_safe_append(l->text, line, columns - used, l->look->utf8);
	if (reach == REACH_EDGE)
		sl_text_append_fill(l->text, ' ', columns - used);
	sl_text_printf(l->text, "%s\n", reach == REACH_LEAD ? "" : plain);
}

/* Where a row of so many columns ends best: at a blank, unless that leaves half of it empty. */
static size_t break_at(struct sl_span line, uint32_t columns, bool utf8)
{
	size_t fit = sl_safe_fit(line, columns, utf8), at = fit;

	if (fit == line.len)
		return fit;
	while (at > fit / 2 && line.data[at] != ' ')
		at--;
	return at > fit / 2 ? at : fit ? fit : 1;
}

/* The line in up to `rows` rows; the first has the lead, the others are put under it. */
static void put_wrapped(struct layout *l, const char *ink, const char *lead, uint32_t lead_columns,
			struct sl_span line, uint32_t rows)
{
	uint32_t columns =
		l->look->size.columns > lead_columns ? l->look->size.columns - lead_columns : 1;

	for (uint32_t row = 0; row < rows && (line.len || !row); row++) {
		size_t len = row + 1 == rows ? line.len : break_at(line, columns, l->look->utf8);

		put_row(l, ink, REACH_TEXT, row ? "  " : lead, sl_span_make(line.data, len));
		line = sl_span_make(line.data + len, line.len - len);
		while (line.len && line.data[0] == ' ')
			line = sl_span_make(line.data + 1, line.len - 1);
	}
}

static void put_head(struct layout *l)
{
	enum sl_top_grade grade = l->items->verdict_grade;
	uint32_t rows = l->look->size.rows / VERDICT_SHARE;
	struct sl_text lead;

	sl_text_init(&lead, 0);
	sl_text_printf(&lead, "%s ", sl_top_mark(grade, l->look->utf8));
	put_wrapped(l, ink_of(l->look, grade), sl_text_string(&lead), 2,
		    sl_span_string(l->items->verdict), rows ? rows : 1);
	put_wrapped(l, "", "", 0, sl_span_string(l->items->totals), TOTALS_ROWS_MAX);
	sl_text_fini(&lead);
}

/* A pane's line; `hidden` items are not shown below it. */
static void put_pane(struct layout *l, enum sl_top_pane pane, uint32_t hidden)
{
	enum sl_top_grade grade = l->items->grade[pane];
	const char *summary = l->items->summary[pane];
	struct sl_text lead, line;

	sl_text_init(&lead, 0);
	sl_text_init(&line, 0);
	sl_text_printf(&lead, "%s %d %-11s", sl_top_mark(grade, l->look->utf8), pane + 1,
		       sl_top_pane_name(pane));
	sl_text_append_string(&line, summary ? summary : "no daemon tells");
	if (hidden && grade >= SL_TOP_WARN)
		sl_text_printf(&line, " (%u more: key %d)", hidden, pane + 1);
	put_row(l, grade >= SL_TOP_WARN ? ink_of(l->look, grade) : l->look->inks[SL_INK_BOLD],
		grade >= SL_TOP_WARN ? REACH_TEXT : REACH_LEAD, sl_text_string(&lead),
		sl_text_span(&line));
	sl_text_fini(&lead);
	sl_text_fini(&line);
}

static void put_item(struct layout *l, const struct sl_top_item *item)
{
	bool choosable = !item->heading && !item->titles;
	enum reach reach = item->grade >= SL_TOP_WARN || item->titles ? REACH_TEXT : REACH_LEAD;
	const char *ink = item->titles ? l->look->inks[SL_INK_DIM] : ink_of(l->look, item->grade);
	struct sl_text lead;
	bool here;

	if (choosable && l->rows_left)
		l->shown->items[l->shown->count++] = item;
	if (l->chosen[0])
		here = choosable && !strcmp(item->key, l->chosen);
	else
		here = choosable && l->shown->count == 1;
	if (here) {
		ink = l->look->inks[SL_INK_CHOSEN];
		reach = REACH_EDGE;
	}
	sl_text_init(&lead, 0);
	sl_text_printf(&lead, "%s%s ", here ? ">" : " ",
		       item->heading && item->grade == SL_TOP_GOOD
			       ? " "
			       : sl_top_mark(item->grade, l->look->utf8));
	put_row(l, ink, reach, sl_text_string(&lead), sl_span_string(item->line));
	sl_text_fini(&lead);
}

/* ---- all panes ------------------------------------------------------------------------------- */

/* Broken ones first, then what sluice did about it, then the others. */
static uint32_t order_panes(const struct sl_top_items *items, enum sl_top_pane order[SL_TOP_PANES])
{
	bool placed[SL_TOP_PANES] = {false}, decided = false;
	uint32_t count = 0;

	for (int grade = SL_TOP_BAD; grade >= SL_TOP_WARN; grade--) {
		for (int pane = 0; pane < SL_TOP_PANES; pane++) {
			if (!items->summary[pane] || items->grade[pane] != (enum sl_top_grade)grade)
				continue;
			order[count++] = (enum sl_top_pane)pane;
			placed[pane] = true;
		}
	}
	for (uint32_t i = 0; i < items->count && !decided; i++)
		decided = items->list[i].pane == SL_TOP_DECISIONS;
	if (count && decided && !placed[SL_TOP_DECISIONS]) {
		order[count++] = SL_TOP_DECISIONS;
		placed[SL_TOP_DECISIONS] = true;
	}
	for (int pane = 0; pane < SL_TOP_PANES; pane++) {
		if (items->summary[pane] && !placed[pane])
			order[count++] = (enum sl_top_pane)pane;
	}
	return count;
}

/* The heading and the titles that belong to item `i`, or i itself. */
static uint32_t heading_of(const struct sl_top_items *items, uint32_t i)
{
	uint32_t at = i;

	if (items->list[i].heading)
		return i;
	while (at && items->list[at - 1].pane == items->list[i].pane) {
		if (items->list[--at].heading)
			return at;
	}
	return i;
}

static uint32_t titles_of(const struct sl_top_items *items, uint32_t i)
{
	for (uint32_t at = 0; at < i; at++) {
		if (items->list[at].titles && items->list[at].pane == items->list[i].pane)
			return at;
	}
	return i;
}

/* Takes it with what explains it, where there is room for all. Returns the rows that it cost. */
static uint32_t take(struct layout *l, uint32_t i, uint32_t room)
{
	const struct sl_top_item *item = &l->items->list[i];
	uint32_t heading = heading_of(l->items, i), titles = titles_of(l->items, i), cost = 1;

	if (l->taken[i] || !room || item->titles || !sl_top_ui_lets(l->ui, item))
		return 0;
	l->taken[i] = true;
	if (heading != i && !l->taken[heading] && cost < room) {
		l->taken[heading] = true;
		cost++;
	}
	if (!item->heading && titles != i && !l->taken[titles] && cost < room) {
		l->taken[titles] = true;
		cost++;
	}
	return cost;
}

/* How soon it is given a row: 0 first. */
static unsigned rank(const struct layout *l, const struct sl_top_item *item, uint32_t nth)
{
	bool broken = l->items->verdict_grade >= SL_TOP_WARN;

	if (l->ui->chosen[0] && !strcmp(item->key, l->ui->chosen))
		return 0;
	if (item->grade >= SL_TOP_WARN)
		return item->grade == SL_TOP_BAD ? 1 : 2;
	if (item->pane == SL_TOP_DECISIONS)
		return broken && nth < DEEDS_FIRST ? 3 : 7;
	if (item->pane == SL_TOP_NODES)
		return item->heading ? 4 : 6;
	if (item->pane == SL_TOP_KERNEL)
		return l->items->daemon ? 8 : 4;
	return item->grade == SL_TOP_PLAIN ? 5 : 8;
}

#define RANKS	   9u
#define RANKS_TOLD 6u /* those before what is well */

static void choose_rows(struct layout *l, uint32_t room)
{
	uint32_t fair = room / 2 > 3 ? room / 2 : 3;

	/* At first no pane may have more than half of it, and what is well waits; then whoever wants it. */
	for (int pass = 0; pass < 2; pass++) {
		uint32_t spent[SL_TOP_PANES] = {0};

		for (unsigned now = 0; now < (pass ? RANKS : RANKS_TOLD); now++) {
			uint32_t nth = 0;

			for (uint32_t i = 0; i < l->items->count && room; i++) {
				const struct sl_top_item *item = &l->items->list[i];
				uint32_t cost;

				nth = i && l->items->list[i - 1].pane == item->pane ? nth + 1 : 0;
				if (rank(l, item, nth) != now ||
				    (!pass && spent[item->pane] >= fair))
					continue;
				cost = take(l, i, room);
				room -= cost;
				spent[item->pane] += cost;
			}
		}
	}
}

static uint32_t hidden_in(const struct layout *l, enum sl_top_pane pane)
{
	uint32_t hidden = 0;

	for (uint32_t i = 0; i < l->items->count; i++) {
		const struct sl_top_item *item = &l->items->list[i];

		hidden += item->pane == pane && !item->heading && !item->titles && !l->taken[i];
	}
	return hidden;
}

static void put_all(struct layout *l)
{
	enum sl_top_pane order[SL_TOP_PANES];
	uint32_t panes = order_panes(l->items, order);

	choose_rows(l, l->rows_left > panes ? l->rows_left - panes : 0);
	for (uint32_t i = 0; i < l->items->count; i++) {
		if (l->taken[i] && !strcmp(l->items->list[i].key, l->ui->chosen))
			l->chosen = l->ui->chosen;
	}
	for (uint32_t p = 0; p < panes; p++) {
		put_pane(l, order[p], hidden_in(l, order[p]));
		for (uint32_t i = 0; i < l->items->count; i++) {
			if (l->taken[i] && l->items->list[i].pane == order[p])
				put_item(l, &l->items->list[i]);
		}
	}
}

/* ---- one pane -------------------------------------------------------------------------------- */

static void put_one(struct layout *l, enum sl_top_pane pane)
{
	uint32_t lines[SL_TOP_ITEMS_MAX + 1], count = 0, chosen = 0, first = 0;

	put_pane(l, pane, 0);
	for (uint32_t i = 0; i < l->items->count; i++) {
		const struct sl_top_item *item = &l->items->list[i];

		if (item->pane != pane || !sl_top_ui_lets(l->ui, item))
			continue;
		if (item->titles) {
			put_item(l, item);
			continue;
		}
		if (l->ui->chosen[0] && !strcmp(item->key, l->ui->chosen)) {
			chosen = count;
			l->chosen = l->ui->chosen;
		}
		lines[count++] = i;
	}
	if (!count)
		put_row(l, "", REACH_TEXT, "   ",
			l->ui->filter[0] ? SL_SPAN("nothing has that in it") : SL_SPAN("nothing"));
	/* the chosen one in sight, a third of the screen above it */
	if (count > l->rows_left && chosen > l->rows_left / 3)
		first = chosen - l->rows_left / 3;
	if (count > l->rows_left && first > count - l->rows_left)
		first = count - l->rows_left;
	/* keys move over those that are out of sight, too */
	for (uint32_t k = 0; k < count; k++) {
		const struct sl_top_item *item = &l->items->list[lines[k]];

		if (k >= first && l->rows_left)
			put_item(l, item);
		else if (!item->heading)
			l->shown->items[l->shown->count++] = item;
	}
}

/* ---- more about one, and help ---------------------------------------------------------------- */

static const char help_text[] =
	"sluice top: is it well, what is broken, what did sluice do\n"
	"\n"
	"j k, arrows   another line              g G space     first, last, a screen on\n"
	"1 to 9, 0     one pane, all             tab, arrows   the next pane\n"
	"Enter         more about the line       Esc           back\n"
	"/             only lines with a text    p             pause, go on\n"
	"d u           drain, undrain a node     b             its breaker\n"
	"a             abort a roll-out or an experiment\n"
	"              done after y alone; the daemon writes it to the audit trail\n"
	"r             look again now            q             end\n"
	"\n"
	"second line   ttft: first token, median/95 %; run: requests in flight\n"
	"nodes         flow: of the kernel plane; reqs: of the daemon; ok/s, bad/s: its;\n"
	"              wait: for a first byte; p50/p99: of the interval, * of all time\n"
	"ladders       > is the pool that answers now, with the nodes left of each\n"
	"decisions     sluice explain ID tells all of a request\n"
	"kernel        moved: connects that went to another node; turned: refusals made\n"
	"              connects elsewhere; spilled: into a fallback pool\n";

/* The body's lines, broken where they are wider than the screen. */
static void wrap(const struct layout *l, const char *body, struct sl_text *rows)
{
	struct sl_span rest = sl_span_string(body);

	while (rest.len) {
		struct sl_span line = sl_span_cut(&rest, '\n');

		do {
			size_t len = break_at(line, l->look->size.columns, l->look->utf8);

			sl_text_append(rows, line.data, len);
			sl_text_append_char(rows, '\n');
			line = sl_span_make(line.data + len, line.len - len);
		} while (line.len);
	}
}

static void put_scrolled(struct layout *l, struct sl_top_ui *ui, const char *body)
{
	uint32_t lines = 0, at = 0;
	struct sl_span rest;
	struct sl_text rows;

	sl_text_init(&rows, 0);
	wrap(l, body, &rows);
	for (const char *p = sl_text_string(&rows); (p = strchr(p, '\n')); p++)
		lines++;
	ui->scroll_max = lines > l->rows_left ? lines - l->rows_left : 0;
	if (ui->scroll > ui->scroll_max)
		ui->scroll = ui->scroll_max;
	rest = sl_text_span(&rows);
	while (rest.len && l->rows_left) {
		struct sl_span line = sl_span_cut(&rest, '\n');

		if (at++ >= ui->scroll)
			put_row(l, at == 1 ? l->look->inks[SL_INK_BOLD] : "", REACH_TEXT, "", line);
	}
	sl_text_fini(&rows);
}

/* ---- the last line --------------------------------------------------------------------------- */

static void put_foot(struct layout *l)
{
	const struct sl_top_ui *ui = l->ui;
	const char *ink = l->look->inks[SL_INK_DIM];
	struct sl_text line;

	sl_text_init(&line, 0);
	if (ui->mode == SL_TOP_ASKED) {
		sl_top_ui_question(&ui->order, &line);
		ink = l->look->inks[SL_INK_CHOSEN];
	} else if (ui->mode == SL_TOP_BREAKER) {
		sl_text_printf(&line,
			       "Breaker of %s of pool %s: o open, c close, a auto, other: nothing",
			       ui->order.name, ui->order.pool);
		ink = l->look->inks[SL_INK_CHOSEN];
	} else if (ui->mode == SL_TOP_TYPING) {
		sl_text_printf(&line, "/%s_   Enter: keep, Esc: all", ui->filter);
		ink = l->look->inks[SL_INK_BOLD];
	} else if (ui->said[0]) {
		sl_text_append_string(&line, ui->said);
		ink = ink_of(l->look, ui->failed ? SL_TOP_WARN : SL_TOP_GOOD);
	} else if (ui->mode == SL_TOP_DETAIL || ui->mode == SL_TOP_HELP) {
		sl_text_append_string(&line, "Esc back  j/k scroll");
		if (ui->scroll < ui->scroll_max)
			sl_text_printf(&line, "  %u lines below", ui->scroll_max - ui->scroll);
	} else {
		if (ui->paused)
			sl_text_append_string(&line, "PAUSED (p)  ");
		if (ui->filter[0])
			sl_text_printf(&line, "FILTER %s (Esc)  ", ui->filter);
		sl_text_append_string(
			&line, ui->pane == SL_TOP_ALL
				       ? "? help  j k Enter  1-9 pane  d drain  b breaker  "
					 "a abort  / filter  p pause  q"
				       : "0 all  j k Enter  d drain  b breaker  a abort  / filter  "
					 "p pause  q  ? help");
	}
	l->rows_left = 1;
	put_row(l, ink, REACH_TEXT, "", sl_text_span(&line));
	sl_text_fini(&line);
}

/* A question may need more than the last line. */
static uint32_t foot_rows(const struct layout *l, struct sl_text *question)
{
	if (l->ui->mode != SL_TOP_ASKED)
		return 1;
	sl_top_ui_question(&l->ui->order, question);
	return 1 +
	       sl_safe_width(sl_text_span(question), l->look->utf8) / (l->look->size.columns - 2);
}

static void put_question(struct layout *l, const struct sl_text *question, uint32_t rows)
{
	l->rows_left = rows;
	put_wrapped(l, l->look->inks[SL_INK_CHOSEN], "? ", 2, sl_text_span(question), rows);
}

void sl_top_layout(const struct sl_top_items *items, struct sl_top_ui *ui,
		   const struct sl_top_look_of *look, const char *detail,
		   struct sl_top_shown *shown, struct sl_text *text)
{
	struct layout l = {
		.items = items, .ui = ui, .look = look, .shown = shown, .text = text, .chosen = ""};
	struct sl_text question;
	uint32_t foot, rows = look->size.rows;

	shown->count = 0;
	l.taken = calloc(items->count + 1u, sizeof(*l.taken));
	if (!l.taken || look->size.columns < 4 || rows < 2) {
		free(l.taken);
		return;
	}
	sl_text_init(&question, 0);
	foot = foot_rows(&l, &question);
	foot = foot < rows ? foot : rows - 1;
	l.rows_left = rows - foot;
	put_head(&l);
	shown->page = l.rows_left > 2 ? l.rows_left - 2 : 1;
	if (ui->mode == SL_TOP_DETAIL || ui->mode == SL_TOP_HELP)
		put_scrolled(&l, ui, ui->mode == SL_TOP_HELP ? help_text : detail);
	else if (ui->pane != SL_TOP_ALL)
		put_one(&l, ui->pane);
	else
		put_all(&l);
	while (l.rows_left)
		put_row(&l, "", REACH_TEXT, "", SL_SPAN(""));
	if (question.len)
		put_question(&l, &question, foot);
	else
		put_foot(&l);
	sl_text_fini(&question);
	free(l.taken);
}

void sl_top_layout_text(const struct sl_top_items *items, bool utf8, struct sl_text *text)
{
	static const char *const no_inks[SL_INKS] = {"", "", "", "", "", "", ""};
	const struct sl_top_look_of look = {
		.inks = no_inks,
		.utf8 = utf8,
		.size = {NO_COLUMNS, VERDICT_SHARE},
	};
	struct sl_top_ui ui;
	struct sl_top_shown *shown = calloc(1, sizeof(*shown));
	struct layout l = {
		.items = items,
		.ui = &ui,
		.look = &look,
		.shown = shown,
		.text = text,
		.rows_left = UINT32_MAX,
		.chosen = "none",
	};

	if (!shown)
		return;
	sl_top_ui_init(&ui);
	put_head(&l);
	for (int pane = 0; pane < SL_TOP_PANES; pane++) {
		if (!items->summary[pane])
			continue;
		sl_text_append_char(text, '\n');
		put_pane(&l, (enum sl_top_pane)pane, 0);
		for (uint32_t i = 0; i < items->count; i++) {
			if (items->list[i].pane == (enum sl_top_pane)pane)
				put_item(&l, &items->list[i]);
		}
	}
	if (items->left_out)
		sl_text_printf(text, "and %u lines more: sluice status\n", items->left_out);
	free(shown);
}
