/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/stage/validate_screen.h"

#include <errno.h>

#define REMOVED	     "[removed]"
#define KEEP_MAX     1024u /* of what went out, before the window is moved */
#define MASK_KEPT    4u	   /* characters at the end that a mask leaves */
#define SECRET_KEPT  3u	   /* at the beginning of a secret: its kind */
#define SECRET_STARS "***"
#define PEM_BEGIN    "-----BEGIN "
#define PEM_END	     "-----END "
#define PEM_DASHES   "-----"
#define PEM_TAIL_MAX 80u /* a cut END line and its label */

enum mode {
	MODE_TEXT = 0,
	MODE_SECRET, /* within a secret: swallowed to its end */
	MODE_PEM,    /* within a private key: swallowed to its END line */
};

void sl_screen_init(struct sl_screen *screen, unsigned int kinds, enum sl_screen_action action)
{
	*screen = (struct sl_screen){.kinds = kinds, .action = action};
	sl_text_init(&screen->window, SL_SCREEN_BYTES_MAX);
}

void sl_screen_fini(struct sl_screen *screen)
{
	sl_text_fini(&screen->window);
}

bool sl_screen_holds(const struct sl_screen *screen)
{
	return screen->done < screen->window.len;
}

static void write_mask(const struct sl_pii_match *match, const char *text, struct sl_text *out)
{
	size_t kept = 0, at = match->len, from = 0;

	if (match->kind == SL_PII_SECRET) {
		sl_text_append(out, text, match->pem ? 0 : SECRET_KEPT);
		sl_text_append_string(out, SECRET_STARS);
		return;
	}
	if (match->kind == SL_PII_EMAIL) {
		const char *sign = memchr(text, '@', match->len);

		sl_text_append_char(out, text[0]);
		sl_text_append_string(out, SECRET_STARS);
		sl_text_append(out, sign, match->len - (size_t)(sign - text));
		return;
	}
	while (at > 0 && kept < MASK_KEPT) {
		char b = text[--at];

		kept += b != ' ' && b != '-' && b != '.';
	}
	for (; from < at; from++) {
		char b = text[from];

		sl_text_append_char(out, b == ' ' || b == '-' || b == '.' || b == '+' ? b : '*');
	}
	sl_text_append(out, text + at, match->len - at);
}

static void replace(struct sl_screen *screen, const struct sl_pii_match *match, struct sl_text *out)
{
	if (match->kind == SL_PII_NONE) {
		sl_text_append_string(out, REMOVED);
		return;
	}
	if (screen->action == SL_SCREEN_MASK)
		write_mask(match, screen->window.data + match->at, out);
	else
		sl_text_printf(out, "[%s]", sl_pii_name((enum sl_pii_kind)match->kind));
}

/* Steps over what is left of a secret. True when its end was reached. */
static bool swallow(struct sl_screen *screen)
{
	const struct sl_text *w = &screen->window;
	const char *from, *end;

	if (screen->mode == MODE_SECRET) {
		while (screen->done < w->len && sl_pii_goes_on(w->data[screen->done]))
			screen->done++;
		return screen->done < w->len;
	}
	from = memmem(w->data + screen->done, w->len - screen->done, PEM_END, sizeof(PEM_END) - 1);
	end = from ? memmem(from + sizeof(PEM_END) - 1,
			    (size_t)(w->data + w->len - from) - (sizeof(PEM_END) - 1), PEM_DASHES,
			    sizeof(PEM_DASHES) - 1)
		   : NULL;
	if (end) {
		screen->done = (size_t)(end - w->data) + sizeof(PEM_DASHES) - 1;
		return true;
	}
	if (w->len - screen->done > PEM_TAIL_MAX)
		screen->done = w->len - PEM_TAIL_MAX;
	return false;
}

/* What went out long ago is not needed any more. */
static void move_window(struct sl_screen *screen)
{
	struct sl_text *w = &screen->window;
	size_t gone;

	if (screen->done < KEEP_MAX)
		return;
	gone = screen->done - SL_PII_CONTEXT_MAX;
	memmove(w->data, w->data + gone, w->len - gone);
	sl_text_truncate(w, w->len - gone);
	screen->done -= gone;
}

/* The match goes on with what comes next. Of a private key's END line a part may be there already. */
static void open_secret(struct sl_screen *screen, const struct sl_pii_match *match)
{
	size_t tail = screen->window.len > PEM_TAIL_MAX ? screen->window.len - PEM_TAIL_MAX : 0;

	screen->mode = match->pem ? MODE_PEM : MODE_SECRET;
	if (!match->pem)
		return;
	screen->done = match->at + sizeof(PEM_BEGIN) - 1;
	if (screen->done < tail)
		screen->done = tail;
}

/* ---- the search ------------------------------------------------------------------------------- */

/* The next match of each source, found once: a text is not searched again for each match of another. */
struct next {
	struct sl_pii_match match;
	bool known, any;
};

struct hunt {
	struct sl_pii_memo memo;
	struct next pii;
	struct next lists[SL_SCREEN_LISTS_MAX];
};

static bool is_stale(const struct next *next, size_t done)
{
	return !next->known || (next->any && next->match.at < done);
}

static int refresh_list(const struct sl_screen *screen, uint32_t list, struct next *next)
{
	const struct sl_text *w = &screen->window;
	size_t at = 0, len = 0;
	int rc = sl_pattern_find(screen->lists[list], w->data, w->len, screen->done, &at, &len);

	if (rc < 0)
		return rc;
	next->known = true;
	next->any = rc > 0;
	next->match = (struct sl_pii_match){.at = at, .len = len};
	return 0;
}

/* Does a come before b, or is it longer? */
static bool is_before(const struct sl_pii_match *a, const struct sl_pii_match *b)
{
	return a->at < b->at || (a->at == b->at && a->len > b->len);
}

/*
 * The next match of any kind, from `done` on: the first, of those that begin together the longest. One of
 * a list has the kind NONE, and *ret_list is its. Returns 1 or 0, -ENOMEM.
 */
static int next_match(const struct sl_screen *screen, struct hunt *hunt, struct sl_pii_match *match,
		      uint32_t *ret_list)
{
	const struct sl_text *w = &screen->window;
	struct next *next = &hunt->pii;
	int any;

	if (screen->kinds && is_stale(next, screen->done)) {
		next->known = true;
		next->any = sl_pii_find_next(w->data, w->len, screen->done, screen->kinds,
					     &hunt->memo, &next->match);
	}
	any = screen->kinds && next->any;
	if (any)
		*match = next->match;
	for (uint32_t i = 0; i < screen->list_count; i++) {
		next = &hunt->lists[i];
		if (is_stale(next, screen->done) && refresh_list(screen, i, next))
			return -ENOMEM;
		if (!next->any || (any && !is_before(&next->match, match)))
			continue;
		*match = next->match;
		*ret_list = i;
		any = 1;
	}
	return any;
}

/* The end of what is settled, for all that is looked for; where a character ends. */
static size_t settled_end(const struct sl_screen *screen)
{
	const struct sl_text *w = &screen->window;
	size_t hold = screen->kinds ? sl_pii_hold(w->data, w->len) : 0, end;

	for (uint32_t i = 0; i < screen->list_count; i++) {
		size_t more = sl_pattern_hold_back(screen->lists[i]);

		hold = more > hold ? more : hold;
	}
	end = hold < w->len ? w->len - hold : 0;
	while (end > 0 && end < w->len && (w->data[end] & 0xc0) == 0x80)
		end--;
	return end;
}

static void note(struct sl_screen *screen, const struct sl_pii_match *match, uint32_t list)
{
	screen->found |= 1u << match->kind;
	screen->count++;
	screen->untold[match->kind]++;
	screen->last_kind = match->kind;
	if (match->kind == SL_PII_NONE) {
		screen->untold_lists[list]++;
		screen->last_list = (uint8_t)list;
	}
	if (match->kind == SL_PII_NONE && screen->list_matches)
		__atomic_add_fetch(screen->list_matches[list], 1, __ATOMIC_RELAXED);
}

/* Looks for matches that begin before `settled`. Returns 0, -EPERM or -ENOMEM. */
static int search(struct sl_screen *screen, size_t settled, struct sl_text *out)
{
	struct sl_text *w = &screen->window;
	struct sl_pii_match match = {.kind = SL_PII_NONE};
	struct hunt hunt;
	uint32_t list = 0;
	int rc = 0;

	hunt.memo = (struct sl_pii_memo){.looked = 0};
	hunt.pii.known = false;
	for (uint32_t i = 0; i < screen->list_count; i++)
		hunt.lists[i].known = false;
	while (screen->done < settled && (rc = next_match(screen, &hunt, &match, &list)) > 0 &&
	       match.at < settled) {
		sl_text_append(out, w->data + screen->done, match.at - screen->done);
		screen->done = match.at;
		note(screen, &match, list);
		if (match.kind ? screen->action == SL_SCREEN_BLOCK : screen->lists_block)
			return -EPERM;
		replace(screen, &match, out);
		screen->done = match.at + match.len;
		if (match.open) {
			open_secret(screen, &match);
			return 0;
		}
	}
	if (rc < 0)
		return rc;
	if (screen->done < settled) {
		sl_text_append(out, w->data + screen->done, settled - screen->done);
		screen->done = settled;
	}
	return 0;
}

int sl_screen_feed(struct sl_screen *screen, const char *data, size_t len, bool final,
		   struct sl_text *out)
{
	struct sl_text *w = &screen->window;
	int rc = 0;

	move_window(screen);
	if (len && sl_text_append(w, data, len))
		return w->error;
	if (w->len && (screen->mode == MODE_TEXT || swallow(screen))) {
		screen->mode = MODE_TEXT;
		rc = search(screen, final ? w->len : settled_end(screen), out);
	}
	if (rc)
		return rc;
	if (final) {
		sl_text_truncate(w, 0);
		screen->done = 0;
		screen->mode = MODE_TEXT;
	}
	return out->error;
}
