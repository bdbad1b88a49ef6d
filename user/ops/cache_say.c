/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/cache_say.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/io/work.h"
#include "user/stage/semantic_shadow.h"
#include "user/store/semantic.h"
#include "user/wire/json_scan.h"

#define ONE	     1000000000.0 /* a similarity of 1 */
#define LIST_BYTES   (1u << 20)
#define VALUE_BYTES  256u
#define DIGEST_SHOWN 8u /* bytes of a digest that name an entry */
#define PURGE_WAIT_S 10 /* longest that the control thread waits for the database */

/* What is asked for. Empty texts ask for nothing. */
struct wish {
	bool any, all;
	bool exact, semantic; /* caches that it can mean */
	uint8_t digest[DIGEST_SHOWN];
	bool has_digest;
	uint64_t id, version;
	char tenant[VALUE_BYTES], route[VALUE_BYTES], prefix[VALUE_BYTES];
};

/* ---- selectors ------------------------------------------------------------------------------- */

static int read_hex(const char *text, uint64_t *ret_value)
{
	char *end;

	errno = 0;
	*ret_value = strtoull(text, &end, 16);
	return *text && !*end && !errno && strspn(text, "0123456789abcdef") == strlen(text)
		       ? 0
		       : -EINVAL;
}

static int read_key(struct wish *wish, const char *value)
{
	uint64_t number;

	if (!strncmp(value, "s-", 2)) {
		wish->exact = false;
		return sl_span_u64(sl_span_string(value + 2), &wish->id) || !wish->id ? -EINVAL : 0;
	}
	wish->semantic = false;
	wish->has_digest = true;
	if (strncmp(value, "e-", 2) || strlen(value) != 2 + 2 * DIGEST_SHOWN ||
	    read_hex(value + 2, &number))
		return -EINVAL;
	for (uint32_t i = 0; i < DIGEST_SHOWN; i++)
		wish->digest[i] = (uint8_t)(number >> 8 * (DIGEST_SHOWN - 1 - i));
	return 0;
}

static int read_one(struct wish *wish, const char *name, const char *value)
{
	wish->any = true;
	if (!strcmp(name, "key"))
		return read_key(wish, value);
	if (!strcmp(name, "version"))
		return read_hex(value, &wish->version) || !wish->version ? -EINVAL : 0;
	if (!strcmp(name, "all")) {
		wish->all = !strcmp(value, "yes");
		return wish->all ? 0 : -EINVAL;
	}
	if (!strcmp(name, "tenant"))
		memcpy(wish->tenant, value, strlen(value) + 1);
	else if (!strcmp(name, "route"))
		memcpy(wish->route, value, strlen(value) + 1);
	else if (!strcmp(name, "prefix"))
		memcpy(wish->prefix, value, strlen(value) + 1);
	else
		return -ENOENT;
	return *value ? 0 : -EINVAL;
}

/* False: what is wrong is in text. */
static bool read_wish(struct sl_span body, struct wish *wish, struct sl_text *text)
{
	*wish = (struct wish){.exact = true, .semantic = true};
	while (body.len) {
		struct sl_span line = sl_span_cut(&body, '\n');
		char name[16], value[VALUE_BYTES];
		struct sl_span rest = line, word = sl_span_cut(&rest, '=');
		int rc = -ENOENT;

		if (rest.data && word.len < sizeof(name) && rest.len < sizeof(value)) {
			memcpy(name, word.data, word.len);
			name[word.len] = '\0';
			memcpy(value, rest.data, rest.len);
			value[rest.len] = '\0';
			rc = read_one(wish, name, value);
		}
		if (rc == 0)
			continue;
		sl_text_printf(text, "!\"%.*s\": ", (int)line.len, line.data);
		sl_text_append_string(
			text, rc == -EINVAL
				      ? "no value that it can have (keys and versions are as "
					"`sluice cache list` prints them)"
				      : "expected key=, tenant=, route=, prefix=, version= or "
					"all=yes, with at most 255 bytes");
		return false;
	}
	return true;
}

static struct sl_semantic_selector semantic_selector(const struct wish *wish)
{
	return (struct sl_semantic_selector){
		.id = wish->id,
		.version = wish->version,
		.tenant = wish->tenant[0] ? wish->tenant : NULL,
		.route = wish->route[0] ? wish->route : NULL,
		.prefix = wish->prefix[0] ? wish->prefix : NULL,
	};
}

static bool exact_fits(const struct wish *wish, const struct sl_cache_key *key,
		       const struct sl_cache_value *value)
{
	const struct sl_cache_label *label = &value->label;
	size_t known = sizeof(label->begins) - 1, prefix = strlen(wish->prefix);

	return (!wish->has_digest || !memcmp(wish->digest, key->bytes, DIGEST_SHOWN)) &&
	       (!wish->tenant[0] ||
		!strncmp(wish->tenant, label->tenant, sizeof(label->tenant) - 1)) &&
	       (!wish->route[0] || !strncmp(wish->route, label->route, sizeof(label->route) - 1)) &&
	       (!wish->version || wish->version == label->version) &&
	       !strncmp(wish->prefix, label->begins, prefix < known ? prefix : known);
}

/* ---- listing --------------------------------------------------------------------------------- */

struct list {
	const struct wish *wish;
	uint64_t now_ns;
	struct sl_text *lines;
	uint32_t count;
	bool answers; /* with the answer */
};

/* Lists, and takes nothing out. */
static bool list_exact(void *owner, const struct sl_cache_key *key,
		       const struct sl_cache_value *value)
{
	struct list *list = owner;
	const struct sl_cache_label *label = &value->label;
	size_t before = list->lines->len;

	if (list->count == SL_CACHE_SAY_LIST_MAX || !exact_fits(list->wish, key, value))
		return false;
	sl_text_append_string(list->lines, "{\"key\":\"e-");
	for (uint32_t i = 0; i < DIGEST_SHOWN; i++)
		sl_text_printf(list->lines, "%02x", key->bytes[i]);
	sl_text_append_string(list->lines, "\",\"cache\":\"exact\",\"tenant\":\"");
	sl_text_append_json(list->lines, label->tenant, strlen(label->tenant));
	sl_text_append_string(list->lines, "\",\"route\":\"");
	sl_text_append_json(list->lines, label->route, strlen(label->route));
	sl_text_printf(list->lines,
		       "\",\"version\":\"%016" PRIx64 "\",\"age_s\":%" PRIu64
		       ",\"bytes\":%zu,\"question\":\"",
		       label->version,
		       list->now_ns > value->born_ns
			       ? (uint64_t)(list->now_ns - value->born_ns) / 1000000000u
			       : 0,
		       value->len);
	sl_text_append_json(list->lines, label->begins, strlen(label->begins));
	if (list->answers) {
		sl_text_append_string(list->lines, "\",\"answer\":\"");
		sl_text_append_json(list->lines, value->data, value->len);
	}
	if (sl_text_append_string(list->lines, "\"}\n")) {
		list->lines->error = 0; /* the list ends at the last whole line */
		sl_text_truncate(list->lines, before);
		list->count = SL_CACHE_SAY_LIST_MAX;
		return false;
	}
	list->count++;
	return false;
}

/* Lines of JSON, the exact cache's first. */
static uint32_t list_all(const struct sl_cache_say *say, const struct wish *wish, bool answers,
			 struct sl_text *lines)
{
	struct sl_semantic_selector selector = semantic_selector(wish);
	struct list list = {wish, sl_clock_ns(), lines, 0, answers};

	if (wish->exact && say->exact)
		sl_cache_purge(say->exact, list_exact, &list);
	if (wish->semantic && say->stores->semantic)
		list.count += sl_semantic_list(say->stores->semantic, &selector, sl_clock_wall_ms(),
					       answers, lines);
	return list.count;
}

static void write_row(struct sl_span line, struct sl_text *text)
{
	static const char *const between[] = {"", "  ", "  ", "  ", "  ", "s  "};
	struct sl_json_field fields[] = {
		SL_JSON_FIELD("key"),	  SL_JSON_FIELD("tenant"), SL_JSON_FIELD("route"),
		SL_JSON_FIELD("version"), SL_JSON_FIELD("age_s"),  SL_JSON_FIELD("question"),
		SL_JSON_FIELD("answer"),
	};

	if (sl_json_scan(line.data, line.len, fields, 7))
		return;
	for (int i = 0; i < 6; i++) {
		bool quoted = i < 4 && fields[i].type == SL_JSON_STRING;
		size_t cut = quoted ? 1 : 0;

		sl_text_append_string(text, between[i]);
		if (quoted && fields[i].value_len == 2)
			sl_text_append_char(text, '-');
		sl_text_append(text, fields[i].value + cut, fields[i].value_len - 2 * cut);
	}
	if (fields[6].type == SL_JSON_STRING) {
		sl_text_append_char(text, '\n');
		sl_text_append(text, fields[6].value, fields[6].value_len);
	}
	sl_text_append_char(text, '\n');
}

static void write_list(struct sl_span lines, bool json, struct sl_text *text)
{
	bool first = true;

	sl_text_append_string(text, json ? "{\"entries\":[" : "");
	while (lines.len) {
		struct sl_span line = sl_span_cut(&lines, '\n');

		if (!line.len)
			continue;
		if (!json) {
			write_row(line, text);
			continue;
		}
		sl_text_append_string(text, first ? "" : ",");
		sl_text_append_span(text, line);
		first = false;
	}
	sl_text_append_string(text, json ? "]}\n" : "");
}

static void list(const struct sl_cache_say *say, const struct wish *wish, bool json, bool show,
		 struct sl_text *text)
{
	struct sl_text lines;
	uint32_t count;

	sl_text_init(&lines, LIST_BYTES);
	count = list_all(say, wish, show, &lines);
	if (show && !count)
		sl_text_append_string(text, "!no entry has that key (any more, or its answer is "
					    "too long to show)");
	else
		write_list(sl_text_span(&lines), json, text);
	if (!json && !show && count >= SL_CACHE_SAY_LIST_MAX)
		sl_text_append_string(text, "(there may be more: select by tenant, route or "
					    "prefix)\n");
	sl_text_fini(&lines);
}

/* ---- purging --------------------------------------------------------------------------------- */

static bool purge_exact(void *owner, const struct sl_cache_key *key,
			const struct sl_cache_value *value)
{
	return exact_fits(owner, key, value);
}

/*
 * The semantic cache's rows go from its database, which no loop may wait for: a thread of the pool does it.
 * The control thread waits all the same, as it does for a prompt's file, because what somebody was told is
 * purged must not come back with the next start. The job is of both, whoever ends last frees it.
 */
struct purging {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	uint32_t refs;
	bool done;
	uint32_t count;
	struct sl_semantic *cache;
	struct wish wish;
};

static struct purging *new_purging(struct sl_semantic *cache, const struct wish *wish)
{
	struct purging *p = calloc(1, sizeof(*p));
	pthread_condattr_t attributes;

	if (!p)
		return NULL;
	p->refs = 2;
	p->cache = cache;
	p->wish = *wish;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&p->ended, &attributes);
	pthread_condattr_destroy(&attributes);
	return p;
}

static void run_purging(void *argument)
{
	struct purging *p = argument;
	struct sl_semantic_selector selector = semantic_selector(&p->wish);
	uint32_t count = sl_semantic_purge(p->cache, &selector);

	pthread_mutex_lock(&p->lock);
	p->count = count;
	p->done = true;
	pthread_cond_signal(&p->ended);
	pthread_mutex_unlock(&p->lock);
}

static void drop_purging(void *argument)
{
	struct purging *p = argument;
	bool last;

	pthread_mutex_lock(&p->lock);
	last = --p->refs == 0;
	pthread_mutex_unlock(&p->lock);
	if (!last)
		return;
	pthread_cond_destroy(&p->ended);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* How many, or -errno: -EAGAIN, nothing was purged; -ETIMEDOUT, it goes on. */
static int64_t purge_semantic(const struct sl_stores *stores, const struct wish *wish)
{
	struct purging *p = new_purging(stores->semantic, wish);
	struct timespec until;
	int64_t count;
	int rc;

	if (!p)
		return -ENOMEM;
	rc = sl_work_post(stores->work, run_purging, drop_purging, p);
	if (rc) {
		p->refs = 1;
		drop_purging(p);
		return rc;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PURGE_WAIT_S;
	pthread_mutex_lock(&p->lock);
	while (!p->done && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&p->ended, &p->lock, &until);
	count = p->done ? (int64_t)p->count : -ETIMEDOUT;
	pthread_mutex_unlock(&p->lock);
	drop_purging(p);
	return count;
}

static void purge(const struct sl_cache_say *say, struct wish *wish, bool json,
		  struct sl_text *text)
{
	int64_t semantic = 0;
	uint32_t exact = 0;

	/* first: the semantic one's database may take long */
	if (wish->exact && say->exact)
		exact = sl_cache_purge(say->exact, purge_exact, wish);
	if (wish->semantic && say->stores->semantic)
		semantic = purge_semantic(say->stores, wish);
	if (semantic < 0) {
		sl_text_printf(text,
			       "!exact cache: %u purged; semantic cache: %s (see: sluice cache "
			       "list)",
			       exact,
			       semantic == -ETIMEDOUT ? "its database is slow; the purge goes on"
			       : semantic == -EAGAIN ? "the pool of threads is full, nothing of it "
						       "was purged; try again"
						     : strerror((int)-semantic));
		sl_log(SL_LOG_WARN,
		       "caches: %u exact answers were purged by hand; the semantic ones not, or "
		       "not "
		       "yet (%s)",
		       exact, strerror((int)-semantic));
		return;
	}
	sl_text_printf(text,
		       json ? "{\"exact\":%u,\"semantic\":%u}\n" : "purged: exact=%u semantic=%u\n",
		       exact, (uint32_t)semantic);
	sl_log(SL_LOG_INFO, "caches: %u exact and %u semantic answers were purged by hand", exact,
	       (uint32_t)semantic);
}

/* ---- explaining ------------------------------------------------------------------------------ */

static void explain_route(const struct sl_shadow *shadow, const char *route, bool json,
			  struct sl_text *text)
{
	uint32_t samples = shadow->agreed + shadow->differed;
	double low, high;

	sl_shadow_wilson(shadow->differed, samples, &low, &high);
	if (json) {
		sl_text_append_string(text, "{\"route\":\"");
		sl_text_append_json(text, route, strlen(route));
		sl_text_append_string(text, "\",");
	} else {
		sl_text_printf(text, "%s:", route);
	}
	sl_text_printf(text,
		       json ? "\"threshold\":%.4g,\"configured\":%.4g,\"samples\":%u,"
			      "\"differed\":%u,\"false_hits_low\":%.4f,\"false_hits_high\":%.4f,"
			      "\"hits\":%" PRIu64 "}"
			    : " threshold=%.4g configured=%.4g samples=%u differed=%u "
			      "false_hits=%.4f..%.4f hits=%" PRIu64 "\n",
		       (double)shadow->threshold / ONE, (double)shadow->configured / ONE, samples,
		       shadow->differed, low, high, shadow->hits);
}

/* What is told belongs to routes, so nothing else can select of it. */
static bool is_of_routes(const struct wish *wish)
{
	return !wish->id && !wish->has_digest && !wish->version && !wish->tenant[0] &&
	       !wish->prefix[0];
}

static void explain(const struct sl_cache_say *say, const struct wish *wish, bool json,
		    struct sl_text *text)
{
	uint32_t route, count = __atomic_load_n(&say->names->count, __ATOMIC_ACQUIRE);
	struct sl_shadow shadow;
	bool first = true;

	sl_text_append_string(text, json ? "{\"routes\":[" : "");
	for (route = 1; route < count; route++) {
		const char *name = say->names->names[route];

		if (!sl_shadows_read(say->stores->shadows, route, &shadow) ||
		    (wish->route[0] && strcmp(wish->route, name) != 0))
			continue;
		sl_text_append_string(text, json && !first ? "," : "");
		explain_route(&shadow, name, json, text);
		first = false;
	}
	if (json)
		sl_text_append_string(text, "]}\n");
	else if (first)
		sl_text_append_string(text, "no route's semantic cache was asked yet\n");
}

/* ---- the words ------------------------------------------------------------------------------- */

void sl_cache_answer(const struct sl_cache_say *say, char *words, struct sl_span body,
		     struct sl_text *text)
{
	bool json = !strncmp(words, "json", 4);
	const char *verb = strchr(words, ' ');
	struct wish wish;

	verb = verb ? verb + 1 : "";
	if (!read_wish(body, &wish, text))
		return;
	if (!say->exact && !say->stores->semantic)
		sl_text_append_string(text, "!no answers are kept: no route has cache.ttl or "
					    "semantic_cache.ttl");
	else if (!strcmp(verb, "list"))
		list(say, &wish, json, false, text);
	else if (!strcmp(verb, "show") && (wish.id || wish.has_digest))
		list(say, &wish, json, true, text);
	else if (!strcmp(verb, "show"))
		sl_text_append_string(text, "!which one? (sluice cache show key=KEY)");
	else if (!strcmp(verb, "explain") && !is_of_routes(&wish))
		sl_text_append_string(text, "!explain tells of routes: expected route=NAME, or no "
					    "selector (of one answer: sluice cache show key=KEY; "
					    "of a request that got one: sluice explain ID)");
	else if (!strcmp(verb, "explain"))
		explain(say, &wish, json, text);
	else if (!strcmp(verb, "purge") && wish.any)
		purge(say, &wish, json, text);
	else if (!strcmp(verb, "purge"))
		sl_text_append_string(text, "!which ones? (sluice cache purge tenant=NAME, or "
					    "all=yes)");
	else
		sl_text_append_string(text, "!expected list, show, explain or purge");
}
