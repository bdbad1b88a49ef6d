/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen of `sluice top` from scripted documents: tests/unit/loader/top/NAME.json at a size gives
 * NAME.COLUMNSxROWS.txt, character by character. TOP_GOLDENS=write writes them anew: read the difference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "loader/keys.h"
#include "loader/safe.h"
#include "loader/say.h"
#include "loader/top_layout.h"
#include "loader/top_plain.h"
#include "user/base/address.h"

#define FOLDER	  "tests/unit/loader/top/"
#define SLOTS	  8u
#define WALL_MS	  1795732496000u
#define SECOND	  1000000000u
#define BYTES_MAX (1u << 20)

/* ---- a scripted world ------------------------------------------------------------------------ */

struct world {
	struct sl_top top;
	struct sl_top_items items;
	struct sl_top_ui ui;
	struct sl_top_shown shown;
	struct sl_text text;
	char bytes[BYTES_MAX];
};

static const char *const marks[SL_INKS] = {"", "", "", "", "", "", ""};

static size_t slurp(const char *path, char bytes[BYTES_MAX])
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (!file)
		fail_msg("%s: no such file (run from the project's folder)", path);
	len = fread(bytes, 1, BYTES_MAX - 1, file);
	fclose(file);
	bytes[len] = '\0';
	return len;
}

static void add_node(struct world *world, uint32_t slot, const char *address,
		     uint64_t breaker_state)
{
	struct sl_node_state *node = &world->top.now.nodes[slot];

	node->admin = SL_NODE_PRESENT;
	node->incarnation = 1;
	node->pool = 1;
	node->index = slot - 1;
	node->breaker = breaker_state << 61;
	assert_int_equal(sl_address_parse(address, &node->endpoint, NULL), 0);
	world->top.now.pools[1].node_count++;
}

/* Two looks a second apart at a kernel plane with one pool; name NULL: no daemon. */
static struct world *world_open(const char *name)
{
	struct world *world = calloc(1, sizeof(*world));
	char path[128];
	size_t len;

	setenv("TZ", "UTC", 1);
	tzset();
	(void)sl_safe_begin();
	sl_top_init(&world->top);
	sl_top_items_init(&world->items);
	sl_top_ui_init(&world->ui);
	sl_text_init(&world->text, 0);
	for (int i = 0; i < 2; i++) {
		struct sl_top_state *state = i ? &world->top.now : &world->top.before;

		*state = (struct sl_top_state){
			.now_ns = (100u + (unsigned)i) * SECOND,
			.plane = 9,
			.node_slots = SLOTS,
			.pool_slots = 3,
			.nodes = calloc(SLOTS, sizeof(*state->nodes)),
			.pools = calloc(3, sizeof(*state->pools)),
			.latencies = calloc(SLOTS, sizeof(*state->latencies)),
			.loads = calloc(SLOTS, sizeof(*state->loads)),
			.table = {4211, 0, 349528, false},
		};
		state->pools[1].present = 1;
		strcpy(state->pools[1].name, "gpu");
	}
	world->top.now.counters[SL_COUNTER_PACKETS] = 13000;
	world->top.now.counters[SL_COUNTER_FLOW_OPENED] = 1323;
	world->top.wall_ms = WALL_MS;
	strcpy(world->top.host, "gw1");
	strcpy(world->top.devices, "eth0 xdp_native");
	if (!name) {
		strcpy(world->top.summary,
		       "sluice: 1 of 3 nodes of pool \"gpu\" is open (reset_early)");
		strcpy(world->top.no_document, "no daemon answers at /run/sluice/admin.sock: "
					       "No such file or directory");
		add_node(world, 1, "10.0.0.7:8000", SL_BREAKER_CLOSED);
		add_node(world, 2, "10.0.0.8:8000", SL_BREAKER_OPEN);
		add_node(world, 3, "10.0.0.9:8000", SL_BREAKER_CLOSED);
		world->top.now.counters[SL_COUNTER_DROP_NO_NODE] = 4;
		return world;
	}
	snprintf(path, sizeof(path), FOLDER "%s.json", name);
	len = slurp(path, world->bytes);
	world->top.document = sl_document_read(sl_span_make(world->bytes, len));
	assert_non_null(world->top.document);
	return world;
}

static void world_close(struct world *world)
{
	sl_text_fini(&world->text);
	sl_top_items_fini(&world->items);
	sl_top_fini(&world->top);
	free(world);
}

static const char *paint(struct world *world, uint32_t columns, uint32_t rows, bool utf8)
{
	struct sl_top_look_of look = {.inks = marks, .utf8 = utf8, .size = {columns, rows}};

	sl_text_reset(&world->text);
	sl_top_items_build(&world->items, &world->top, columns);
	sl_top_layout(&world->items, &world->ui, &look, "more\nabout it\n", &world->shown,
		      &world->text);
	return sl_text_string(&world->text);
}

static enum sl_top_want press(struct world *world, int key)
{
	enum sl_top_want want = sl_top_ui_key(&world->ui, &world->shown, world->items.daemon, key);

	paint(world, 80, 24, true);
	return want;
}

static const char *last_line(struct world *world)
{
	const char *text = sl_text_string(&world->text), *at = text + world->text.len - 1;

	while (at > text && at[-1] != '\n')
		at--;
	return at;
}

/* ---- goldens --------------------------------------------------------------------------------- */

static void expect_golden(const char *path, const char *text)
{
	static char wanted[BYTES_MAX];
	const char *write = getenv("TOP_GOLDENS");

	if (write && !strcmp(write, "write")) {
		FILE *file = fopen(path, "w");

		assert_non_null(file);
		fputs(text, file);
		fclose(file);
	}
	slurp(path, wanted);
	if (strcmp(wanted, text) != 0)
		fail_msg("%s is\n%swanted\n%s", path, text, wanted);
}

static void expect_fits(const char *text, uint32_t columns, uint32_t rows, bool utf8)
{
	struct sl_span rest = sl_span_string(text);
	uint32_t count = 0;

	while (rest.len) {
		struct sl_span line = sl_span_cut(&rest, '\n');

		count++;
		assert_in_range(sl_safe_width(line, utf8), 0, columns);
		for (size_t i = 0; i < line.len; i++)
			assert_in_range((unsigned char)line.data[i], 0x20, utf8 ? 0xff : 0x7e);
	}
	assert_int_equal(count, rows);
}

static void test_goldens(void **state)
{
	static const struct {
		const char *name;
		uint32_t columns, rows;
		bool utf8;
		int pane; /* key, 0: all */
	} cases[] = {
		{"well", 80, 24, true, 0},	{"well", 120, 40, true, 0},
		{"well", 40, 20, true, 0},	{"broken", 80, 24, true, 0},
		{"broken", 120, 40, true, 0},	{"broken", 40, 20, true, 0},
		{"broken", 80, 24, false, 0},	{"broken", 80, 24, true, '1'},
		{"broken", 80, 24, true, '5'},	{"hostile", 80, 24, true, 0},
		{"hostile", 120, 40, false, 0}, {NULL, 80, 24, true, 0},
		{NULL, 40, 20, true, 0},	{NULL, 80, 24, true, '3'},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = world_open(cases[i].name);
		const char *text;
		char path[160];

		if (cases[i].pane)
			world->ui.pane = (enum sl_top_pane)(cases[i].pane - '1');
		text = paint(world, cases[i].columns, cases[i].rows, cases[i].utf8);
		snprintf(path, sizeof(path), FOLDER "%s.%ux%u%s%s%.1s.txt",
			 cases[i].name ? cases[i].name : "alone", cases[i].columns, cases[i].rows,
			 cases[i].utf8 ? "" : ".ascii", cases[i].pane ? ".pane" : "",
			 cases[i].pane ? (const char *)&cases[i].pane : "");
		expect_fits(text, cases[i].columns, cases[i].rows, cases[i].utf8);
		expect_golden(path, text);
		world_close(world);
	}
}

/* Any size: no row too wide, none too many; the verdict begins, as far as there is room. */
static void test_sizes(void **state)
{
	static const char *const names[] = {"well", "broken", "hostile", NULL};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world *world = world_open(names[i]);

		for (uint32_t columns = 4; columns < 200; columns += 7) {
			for (uint32_t rows = 2; rows < 70; rows += 5)
				expect_fits(paint(world, columns, rows, i & 1), columns, rows,
					    i & 1);
		}
		world_close(world);
	}
}

/* What is broken is on the screen however small it is, before anything that is well. */
static void test_broken_first(void **state)
{
	struct world *world = world_open("broken");
	const char *text = paint(world, 80, 24, true), *bad = strstr(text, "✕ 10.0.0.7:8000");

	(void)state;
	assert_non_null(bad);
	assert_true(strstr(text, "✕ chat: availability 99.9 %") > text);
	assert_true(bad < strstr(text, "  7 chaos") || !strstr(text, "  7 chaos"));
	text = paint(world, 40, 12, true);
	assert_non_null(strstr(text, "✕ 1 nodes"));
	world_close(world);
}

/* ---- others' text ---------------------------------------------------------------------------- */

static void test_hostile(void **state)
{
	struct world *world = world_open("hostile");
	struct sl_top_plain plain;

	(void)state;
	sl_top_plain_init(&plain);
	paint(world, 200, 60, true);
	assert_non_null(strstr(sl_text_string(&world->text),
			       "chat\\x1b]0;owned\\x07\\x1b[2J\\u009b31m\\u202egnp"));
	sl_text_reset(&world->text);
	sl_top_layout_text(&world->items, true, &world->text);
	assert_null(strpbrk(sl_text_string(&world->text), "\033\007\r\177"));
	assert_null(strstr(sl_text_string(&world->text), "\302\233"));
	assert_null(strstr(sl_text_string(&world->text), "\342\200\256"));
	sl_text_reset(&world->text);
	sl_top_plain_tell(&plain, &world->items, WALL_MS, true, &world->text);
	assert_null(strpbrk(sl_text_string(&world->text), "\033\007\r\177"));
	sl_text_reset(&world->text);
	sl_safe_append_json(&world->text, SL_SPAN("{\"a\":\"\177b\302\233c\302\251\"}\n"));
	assert_string_equal(sl_text_string(&world->text), "{\"a\":\"\\u007fb\\u009bc\302\251\"} ");
	sl_top_plain_fini(&plain);
	world_close(world);
}

static void test_safe(void **state)
{
	static const struct {
		const char *in;
		uint32_t columns;
		bool utf8;
		const char *out;
		uint32_t used;
	} cases[] = {
		{"plain", 10, true, "plain", 5},
		{"plain", 5, true, "plain", 5},
		{"plain", 4, true, "pla~", 4},
		{"plain", 1, true, "~", 1},
		{"plain", 0, true, "", 0},
		{"a\tb", 9, true, "a b", 3},
		{"a\033[1mb", 20, true, "a\\x1b[1mb", 9},
		{"a\033b", 4, true, "a~", 2}, /* an escape is never cut in two */
		{"\xff\xfe", 20, true, "\\xff\\xfe", 8},
		{"\xc3\xa9", 9, true, "\xc3\xa9", 1},
		{"\xc3\xa9", 9, false, "\\u00e9", 6},
		{"\xe6\xa8\xa1\xe5\x9e\x8b", 4, true, "\xe6\xa8\xa1\xe5\x9e\x8b", 4},
		{"\xe6\xa8\xa1\xe5\x9e\x8b", 3, true, "\xe6\xa8\xa1~", 3},
		{"e\xcc\x81", 20, true, "e\\u0301", 7},
		{"\xf0\x9f\x98\x80", 20, false, "\\u{1f600}", 9},
	};
	struct sl_text text;

	(void)state;
	(void)sl_safe_begin();
	sl_text_init(&text, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t used = sl_safe_append(&text, sl_span_string(cases[i].in), cases[i].columns,
					       cases[i].utf8);

		assert_string_equal(sl_text_string(&text), cases[i].out);
		assert_int_equal(used, cases[i].used);
		sl_text_reset(&text);
	}
	sl_text_fini(&text);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static void test_keys(void **state)
{
	static const struct {
		const char *bytes;
		bool whole;
		size_t taken;
		int key;
	} cases[] = {
		{"j", false, 1, 'j'},
		{"\r", false, 1, SL_KEY_ENTER},
		{"\n", false, 1, SL_KEY_ENTER},
		{"\033[A", false, 3, SL_KEY_UP},
		{"\033OB", false, 3, SL_KEY_DOWN},
		{"\033[5~x", false, 4, SL_KEY_PAGE_UP},
		{"\033[6~", false, 4, SL_KEY_PAGE_DOWN},
		{"\033[1;5H", false, 6, SL_KEY_HOME},
		{"\033[Z", false, 3, SL_KEY_BACK_TAB},
		{"\033[200~", false, 6, SL_KEY_NONE},
		{"\033", false, 0, 0},
		{"\033", true, 1, SL_KEY_ESCAPE},
		{"\033[", false, 0, 0},
		{"\033[1", true, 3, SL_KEY_NONE},
		{"\033y", false, 1, SL_KEY_ESCAPE},
		{"\177", false, 1, SL_KEY_BACKSPACE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int key = 0;

		assert_int_equal(
			sl_key_read(cases[i].bytes, strlen(cases[i].bytes), cases[i].whole, &key),
			cases[i].taken);
		assert_int_equal(key, cases[i].key);
	}
}

static void test_moves(void **state)
{
	struct world *world = world_open("broken");

	(void)state;
	paint(world, 80, 24, true);
	assert_string_equal(sl_top_ui_chosen(&world->ui, &world->shown)->key,
			    "node gpu 10.0.0.7:8000");
	assert_int_equal(press(world, 'j'), SL_TOP_PAINT);
	assert_string_not_equal(world->ui.chosen, "node gpu 10.0.0.7:8000");
	press(world, 'k');
	press(world, 'k');
	assert_string_equal(world->ui.chosen, "node gpu 10.0.0.7:8000");
	press(world, '5');
	assert_int_equal(world->ui.pane, SL_TOP_INCIDENTS);
	press(world, SL_KEY_END);
	assert_string_equal(world->ui.chosen, "incident 5");
	assert_int_equal(press(world, SL_KEY_ENTER), SL_TOP_PAINT);
	assert_int_equal(world->ui.mode, SL_TOP_DETAIL);
	assert_non_null(strstr(sl_text_string(&world->text), "about it\n"));
	press(world, 'q');
	assert_int_equal(world->ui.mode, SL_TOP_LOOKING);
	press(world, '/');
	for (const char *at = "embed"; *at; at++)
		press(world, *at);
	press(world, SL_KEY_ENTER);
	press(world, '1');
	assert_int_equal(world->shown.count, 1);
	assert_string_equal(world->shown.items[0]->name, "10.0.2.7:8000");
	/* what was chosen is out of sight: the one that a key is about now is marked */
	assert_string_equal(world->ui.chosen, "incident 5");
	assert_non_null(strstr(sl_text_string(&world->text), "\n>✕ 10.0.2.7:8000"));
	press(world, '0');
	assert_non_null(strstr(sl_text_string(&world->text), "\n>"));
	press(world, SL_KEY_ESCAPE);
	assert_int_equal(world->ui.filter[0], 0);
	assert_int_equal(press(world, 'p'), SL_TOP_PAINT);
	assert_non_null(strstr(last_line(world), "PAUSED"));
	assert_int_equal(press(world, 'p'), SL_TOP_LOOK);
	press(world, '9');
	press(world, SL_KEY_TAB);
	assert_int_equal(world->ui.pane, SL_TOP_ALL);
	assert_int_equal(press(world, 'q'), SL_TOP_QUIT);
	world_close(world);
}

/* Which keys lead to which deed; everything but y leads to none. */
static void test_deeds(void **state)
{
	static const struct {
		const char *name; /* document */
		int pane;
		const char *chosen, *keys, *question, *deed, *refusal;
	} cases[] = {
		{"broken", '1', "node gpu 10.0.0.8:8000", "dy",
		 "Drain 10.0.0.8:8000 of pool gpu? y: yes, any other key: no.",
		 "drain?pool=gpu&node=10%2E0%2E0%2E8%3A8000", NULL},
		{"broken", '1', "node gpu 10.0.0.9:8000", "uy",
		 "Undrain 10.0.0.9:8000 of pool gpu?",
		 "undrain?pool=gpu&node=10%2E0%2E0%2E9%3A8000", NULL},
		{"broken", '1', "node gpu 10.0.0.7:8000", "bcy",
		 "Close the breaker of 10.0.0.7:8000 of pool gpu?",
		 "breaker-close?pool=gpu&node=10%2E0%2E0%2E7%3A8000", NULL},
		{"broken", '1', "node gpu 10.0.0.8:8000", "boy",
		 "Open the breaker of 10.0.0.8:8000",
		 "breaker-open?pool=gpu&node=10%2E0%2E0%2E8%3A8000", NULL},
		{"broken", '1', "node embed 10.0.2.7:8000", "bay",
		 "Let go the breaker of 10.0.2.7:8000 of pool embed?",
		 "breaker-auto?pool=embed&node=10%2E0%2E2%2E7%3A8000", NULL},
		{"broken", '6', "rollout prompt-v3", "ay", "Abort roll-out prompt-v3?",
		 "rollout-abort?name=prompt%2Dv3", NULL},
		{"broken", '7', "packets 7", "ay", "Abort experiment drop 10.0.1.7:8000?",
		 "chaos-abort?number=7", NULL},
		{"broken", '7', "requests 2", "ay", "Abort experiment error 10.0.0.8:8000?",
		 "strike-abort?number=2", NULL},
		{"broken", '1', "node gpu 10.0.0.8:8000", "dn", NULL, NULL, "nothing was done"},
		{"broken", '1', "node gpu 10.0.0.8:8000", "d\r", NULL, NULL, "nothing was done"},
		{"broken", '1', "node gpu 10.0.0.8:8000", "d\033", NULL, NULL, "nothing was done"},
		{"broken", '1', "node gpu 10.0.0.8:8000", "by", NULL, NULL, "nothing was done"},
		{"broken", '1', "node gpu 10.0.0.8:8000", "box", NULL, NULL, "nothing was done"},
		{"broken", '1', "node gpu 10.0.0.8:8000", "bc", NULL, NULL, "it is closed already"},
		{"broken", '1', "node gpu 10.0.0.8:8000", "ay", NULL, NULL, NULL},
		{"broken", '1', "node gpu 10.0.0.9:8000", "dy", NULL, NULL, NULL},
		{"broken", '6', "rollout model-b", "ay", NULL, NULL, NULL},
		{"broken", '5', "incident 4", "dy", NULL, NULL, NULL},
		{NULL, '1', "node gpu 10.0.0.9:8000", "dy", "Drain 10.0.0.9:8000 of pool gpu?",
		 "drain?pool=gpu&node=10%2E0%2E0%2E9%3A8000", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *world = world_open(cases[i].name);
		enum sl_top_want want = SL_TOP_NOTHING;
		bool asked = false;

		strcpy(world->ui.chosen, cases[i].chosen);
		world->ui.pane = (enum sl_top_pane)(cases[i].pane - '1');
		paint(world, 80, 24, true);
		for (const char *key = cases[i].keys; *key; key++) {
			assert_int_not_equal(want, SL_TOP_DO); /* by the last key alone */
			want = press(world, *key);
			if (cases[i].question && world->ui.mode == SL_TOP_ASKED)
				asked |= !!strstr(sl_text_string(&world->text), cases[i].question);
		}
		assert_int_equal(want == SL_TOP_DO, cases[i].deed != NULL);
		assert_int_equal(asked, cases[i].deed != NULL);
		if (cases[i].deed) {
			struct sl_text deed;

			sl_text_init(&deed, 0);
			sl_top_order_deed(&world->ui.order, &deed);
			assert_string_equal(sl_text_string(&deed), cases[i].deed);
			sl_text_fini(&deed);
		} else {
			assert_int_equal(world->ui.order.deed, 0);
		}
		if (cases[i].refusal)
			assert_string_equal(world->ui.said, cases[i].refusal);
		world_close(world);
	}
}

/* The list moves under the question: what is asked stays what was asked. */
static void test_question_stays(void **state)
{
	struct world *world = world_open("broken"), *other = world_open("well");
	struct sl_document *document = world->top.document;

	(void)state;
	strcpy(world->ui.chosen, "node gpu 10.0.0.8:8000");
	paint(world, 80, 24, true);
	press(world, 'd');
	world->top.document = other->top.document;
	paint(world, 80, 24, true);
	assert_non_null(
		strstr(sl_text_string(&world->text), "Drain 10.0.0.8:8000 of pool gpu? y: yes"));
	assert_int_equal(press(world, 'y'), SL_TOP_DO);
	assert_string_equal(world->ui.order.name, "10.0.0.8:8000");
	world->top.document = document;
	world_close(world);
	world_close(other);
}

/* ---- lines ----------------------------------------------------------------------------------- */

static void test_plain(void **state)
{
	struct world *world = world_open("broken"), *other = world_open("well");
	struct sl_document *document = world->top.document;
	struct sl_top_plain plain;

	(void)state;
	sl_top_plain_init(&plain);
	sl_top_items_build(&world->items, &world->top, 0);
	sl_top_plain_tell(&plain, &world->items, WALL_MS, true, &world->text);
	assert_non_null(strstr(sl_text_string(&world->text),
			       "22:34:56 nodes: 10.0.0.7:8000 of pool gpu: open, reset_early\n"));
	sl_text_reset(&world->text);
	sl_top_plain_tell(&plain, &world->items, WALL_MS, true, &world->text);
	assert_string_equal(sl_text_string(&world->text), "");
	world->top.document = other->top.document;
	sl_top_items_build(&world->items, &world->top, 0);
	sl_top_plain_tell(&plain, &world->items, WALL_MS, true, &world->text);
	assert_non_null(strstr(sl_text_string(&world->text), "22:34:56 Well: 4 of 4 nodes"));
	assert_non_null(strstr(sl_text_string(&world->text),
			       "22:34:56 nodes: 10.0.0.7:8000 of pool gpu: closed\n"));
	assert_non_null(
		strstr(sl_text_string(&world->text),
		       "22:34:56 roll-outs: over: prompt-v3: model chat -> small: running"));
	assert_null(strstr(sl_text_string(&world->text), "10.0.1.7:8000 of pool small"));
	world->top.document = document;
	sl_top_plain_fini(&plain);
	world_close(world);
	world_close(other);
}

/* What became of nodes between looks is among the decisions, and in the node's own history. */
static void test_changes(void **state)
{
	struct world *world = world_open(NULL);
	struct sl_top_state *before = &world->top.before, *now = &world->top.now;

	(void)state;
	memcpy(before->nodes, now->nodes, SLOTS * sizeof(*now->nodes));
	now->nodes[1].breaker = (uint64_t)SL_BREAKER_OPEN << 61;
	now->nodes[1].trips = 1;
	now->nodes[3].admin |= SL_NODE_DRAINING;
	sl_top_note_changes(&world->top);
	assert_int_equal(world->top.change_count, 2);
	paint(world, 100, 40, true);
	assert_non_null(strstr(sl_text_string(&world->text),
			       "node 10.0.0.7:8000 of pool gpu: closed -> open"));
	assert_non_null(
		strstr(sl_text_string(&world->text), "node 10.0.0.9:8000 of pool gpu: drained"));
	for (uint32_t i = 0; i < world->items.count; i++) {
		if (world->items.list[i].slot != 1)
			continue;
		sl_text_reset(&world->text);
		sl_top_describe_node(&world->items.list[i], &world->top, &world->text);
		assert_non_null(strstr(sl_text_string(&world->text), "22:34:56  closed -> open"));
	}
	world_close(world);
}

/* A daemon of a kernel plane that is gone: the maps are what counts, for eyes and for deeds. */
static void test_strange(void **state)
{
	struct world *world = world_open("well");

	(void)state;
	strcpy(world->top.summary, "sluice: 1 of 2 nodes of pool \"gpu\" is open (timeout)");
	add_node(world, 5, "10.9.0.1:80", SL_BREAKER_OPEN);
	add_node(world, 6, "10.9.0.2:80", SL_BREAKER_CLOSED);
	sl_top_note_strange(&world->top);
	paint(world, 100, 40, true);
	assert_false(world->items.strange); /* it may reload */
	assert_non_null(strstr(sl_text_string(&world->text), "✓ Well: "));
	sl_top_note_strange(&world->top);
	paint(world, 100, 40, true);
	assert_true(world->items.strange);
	assert_non_null(strstr(sl_text_string(&world->text), "✕ sluice: 1 of 2 nodes of pool"));
	assert_non_null(strstr(sl_text_string(&world->text), "10.9.0.1:80"));
	assert_null(strstr(sl_text_string(&world->text), "10.0.0.7:8000"));
	world_close(world);
}

/* ---- the terminal ---------------------------------------------------------------------------- */

static void expect_change(struct sl_frame *frame, const char *text, struct sl_screen_size size,
			  const char *wanted)
{
	struct sl_text out;

	sl_text_init(&out, 0);
	sl_frame_change(frame, text, size, &out);
	assert_string_equal(sl_text_string(&out), wanted);
	sl_text_fini(&out);
}

static void test_frame(void **state)
{
	const struct sl_screen_size size = {6, 3}, wide = {8, 3};
	struct sl_frame frame;

	(void)state;
	sl_frame_init(&frame);
	expect_change(&frame, "a\nb\nc\nd\n", size,
		      "\033[0m\033[H\033[2J\033[1;1Ha\033[0m\033[K\033[2;1Hb\033[0m\033[K\033[3;"
		      "1Hc\033[0m\033[K");
	expect_change(&frame, "a\nb\nc\nd\n", size, "");
	expect_change(&frame, "a\nB\nc\nd\n", size, "\033[2;1HB\033[0m\033[K");
	expect_change(&frame, "a\n", size, "\033[2;1H\033[J");
	/* the first row goes on in the next; another is cut; a full row is not cleared behind */
	expect_change(
		&frame, "12345678\n\033[1mabcdefgh\n", size,
		"\033[1;1H123456\033[0m\033[2;1H78\033[0m\033[K\033[3;1H\033[1mabcdef\033[0m");
	expect_change(&frame, "x\n", wide, "\033[0m\033[H\033[2J\033[1;1Hx\033[0m\033[K");
	sl_frame_forget(&frame);
	expect_change(&frame, "x\n", wide, "\033[0m\033[H\033[2J\033[1;1Hx\033[0m\033[K");
	sl_frame_fini(&frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_goldens),	       cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_broken_first),   cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_safe),	       cmocka_unit_test(test_keys),
		cmocka_unit_test(test_moves),	       cmocka_unit_test(test_deeds),
		cmocka_unit_test(test_question_stays), cmocka_unit_test(test_plain),
		cmocka_unit_test(test_changes),	       cmocka_unit_test(test_strange),
		cmocka_unit_test(test_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
