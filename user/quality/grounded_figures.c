/* SPDX-License-Identifier: BSD-2-Clause */
/* grounded_figures.c - the numbers of a sentence with their units, and whether two are the same. */
#include <math.h>
#include <stdlib.h>

#include "user/quality/grounded_parts.h"

#define TOLERANCE	0.002 /* of a conversion */
#define TOLERANCE_BYTES 0.03  /* 1024 or 1000, once */
#define TOLERANCE_ABOUT 0.1   /* where the sentence says so */
#define SMALLEST_SCALE	100.0 /* hundred, thousand, ... are factors */

/* What a unit measures, and in what it is measured here. */
static const struct {
	const char *unit;
	char what;
	double factor;
} units[] = {
	{"kilometer", 'l', 1000},  {"meter", 'l', 1},	       {"centimeter", 'l', 0.01},
	{"millimeter", 'l', .001}, {"mile", 'l', 1609.344},    {"yard", 'l', 0.9144},
	{"foot", 'l', 0.3048},	   {"inch", 'l', 0.0254},      {"kilogram", 'm', 1000},
	{"gram", 'm', 1},	   {"milligram", 'm', .001},   {"ton", 'm', 1e6},
	{"ounce", 'm', 28.3495},   {"liter", 'v', 1},	       {"milliliter", 'v', .001},
	{"second", 't', 1},	   {"millisecond", 't', .001}, {"minute", 't', 60},
	{"hour", 't', 3600},	   {"day", 't', 86400},	       {"week", 't', 604800},
	{"month", 'c', 1},	   {"year", 'c', 12},	       {"byte", 'b', 1},
	{"kilobyte", 'b', 1e3},	   {"megabyte", 'b', 1e6},     {"gigabyte", 'b', 1e9},
	{"terabyte", 'b', 1e12},   {"watt", 'w', 1},	       {"kilowatt", 'w', 1000},
	{"percent", 'p', 0.01},
};

static const struct {
	char what;
	double factor;
} no_unit = {'\0', 1};

static double factor_of(const char *unit, char *ret_what)
{
	size_t i;

	*ret_what = no_unit.what;
	for (i = 0; unit && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(unit, units[i].unit) == 0) {
			*ret_what = units[i].what;
			return units[i].factor;
		}
	}
	return no_unit.factor;
}

static bool is_near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance * fmax(fabs(a), fabs(b)) + 1e-9;
}

static enum sl_grounded_match compare_values(const struct sl_grounded_figure *a,
					     const struct sl_grounded_figure *b)
{
	double tolerance = a->about || b->about ? TOLERANCE_ABOUT : 0;
	bool equal = is_near(a->value, b->value, tolerance);
	char what, other;
	double one = a->value * factor_of(a->unit, &what);
	double two = b->value * factor_of(b->unit, &other);

	if (a->unit && b->unit && strcmp(a->unit, b->unit) != 0) {
		if (what && what == other &&
		    is_near(one, two, fmax(tolerance, what == 'b' ? TOLERANCE_BYTES : TOLERANCE)))
			return SL_GROUNDED_EQUAL;
		return equal ? SL_GROUNDED_OTHER_UNIT : SL_GROUNDED_OTHER;
	}
	/* 50 % is half. */
	if ((what == 'p') != (other == 'p') && is_near(one, two, tolerance))
		return SL_GROUNDED_EQUAL;
	return equal ? SL_GROUNDED_EQUAL : SL_GROUNDED_OTHER;
}

enum sl_grounded_match sl_grounded_compare(const struct sl_grounded_figure *a,
					   const struct sl_grounded_figure *b)
{
	if (a->literal && b->literal)
		return strcmp(a->literal, b->literal) == 0 ? SL_GROUNDED_EQUAL : SL_GROUNDED_OTHER;
	return a->literal || b->literal ? SL_GROUNDED_OTHER : compare_values(a, b);
}

/* 192.168.10.1 and 2.1.4 are no numbers. */
static const char *literal_of(const struct sl_gates_word *word)
{
	const char *dot = strchr(word->text, '.');

	return dot && strchr(dot + 1, '.') ? word->text : NULL;
}

/* "two and a half hours" is not read; "2.5 million", "twenty five", "3 hundred" are. */
static double join_numbers(const struct sl_gates_reading *reading, uint32_t *at)
{
	double value = strtod(reading->words[*at].root, NULL), next;

	while (*at + 1 < reading->count && reading->words[*at + 1].kind == SL_GATES_NUMBER) {
		const struct sl_gates_word *word = &reading->words[*at + 1];
		bool letters = word->text[0] < '0' || word->text[0] > '9';

		next = strtod(word->root, NULL);
		if (letters && next >= SMALLEST_SCALE && value < next)
			value *= next;
		else if (letters && value >= 20 && value < 100 && next >= 1 && next < 10 &&
			 fmod(value, 10) == 0 && reading->words[*at].text[0] > '9')
			value += next;
		else
			break;
		(*at)++;
	}
	return value;
}

static bool is_money(const struct sl_gates_word *word)
{
	return word->kind == SL_GATES_UNIT &&
	       sl_gates_is_in("dollar euro sterling yen", word->root, strlen(word->root));
}

/* "two working days", "half an hour"; "twice a day" is no two days. */
static bool may_stand_between(const struct sl_gates_word *word, double value)
{
	return word->kind == SL_GATES_FILLER
		       ? value < 1 && sl_gates_is_in("a an of", word->text, word->len)
		       : word->kind == SL_GATES_CONTENT && !word->name;
}

/* Right behind it, or before it ("$ 5"), or with one word between. */
static const char *find_unit(const struct sl_gates_reading *reading, uint32_t from, double value,
			     uint32_t *end)
{
	const struct sl_gates_word *words = reading->words;
	uint32_t behind = *end;

	if (behind < reading->count && words[behind].kind == SL_GATES_UNIT) {
		*end = behind + 1;
		return words[behind].root;
	}
	if (from > 0 && is_money(&words[from - 1]))
		return words[from - 1].root;
	if (behind + 1 < reading->count && may_stand_between(&words[behind], value) &&
	    words[behind + 1].kind == SL_GATES_UNIT) {
		*end = behind + 2;
		return words[behind + 1].root;
	}
	return NULL;
}

/* "10 to 20 kg": the first has the unit of the second. */
static void share_units(struct sl_grounded_passage *p)
{
	uint32_t i;

	for (i = p->figure_count; i-- > 1;) {
		struct sl_grounded_figure *before = &p->figures[i - 1];

		if (!before->unit && p->figures[i].unit && p->figures[i].at <= before->end + 1u)
			before->unit = p->figures[i].unit;
	}
}

static bool says_about(const struct sl_gates_reading *reading, uint32_t at)
{
	const char *list = "about around roughly nearly almost approximately circa some approx";
	uint32_t back;

	for (back = 1; back <= 2 && back <= at; back++) {
		const struct sl_gates_word *word = &reading->words[at - back];

		if (sl_gates_is_in(list, word->text, word->len))
			return true;
	}
	return false;
}

/* "a year" is twelve months; "one device" is not two. */
static bool is_one_of(const struct sl_gates_reading *reading, uint32_t at)
{
	const struct sl_gates_word *before = at ? &reading->words[at - 1] : NULL;

	if (!before)
		return false;
	if (reading->words[at].kind == SL_GATES_UNIT)
		return sl_gates_is_in("a an one", before->text, before->len);
	return reading->words[at].kind == SL_GATES_CONTENT && strcmp(before->text, "one") == 0;
}

static const char *unit_root(const struct sl_gates_reading *reading, uint32_t at)
{
	return reading->words[at].kind == SL_GATES_UNIT ? reading->words[at].root : NULL;
}

void sl_grounded_read(const struct sl_gates_lexicon *lexicon, struct sl_span sentence,
		      struct sl_grounded_passage *p)
{
	const struct sl_gates_reading *reading = &p->reading;
	uint32_t i;

	p->text = sentence;
	p->plain = sl_grounded_plain(sentence, p->room, &p->cut);
	p->figure_count = 0;
	p->vector = NULL;
	p->tried = false;
	sl_gates_read(lexicon, p->plain, &p->reading);
	p->cut |= p->reading.full;
	for (i = 0; i < reading->count && p->figure_count < SL_GROUNDED_FIGURES_MAX; i++) {
		struct sl_grounded_figure *figure = &p->figures[p->figure_count];
		uint32_t from = i, end;

		if (is_one_of(reading, i)) {
			*figure = (struct sl_grounded_figure){.value = 1,
							      .unit = unit_root(reading, i),
							      .at = (uint8_t)i,
							      .end = (uint8_t)(i + 1)};
			p->figure_count++;
		}
		if (reading->words[i].kind != SL_GATES_NUMBER)
			continue;
		figure->value = join_numbers(reading, &i);
		end = i + 1;
		figure->literal = literal_of(&reading->words[from]);
		figure->unit = find_unit(reading, from, figure->value, &end);
		figure->at = (uint8_t)from;
		figure->end = (uint8_t)end;
		figure->about = says_about(reading, from);
		p->figure_count++;
	}
	share_units(p);
}
