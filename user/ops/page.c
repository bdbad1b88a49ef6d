/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/page.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/ops/page_act.h"
#include "user/ops/page_asset.h"
#include "user/ops/page_auth.h"
#include "user/ops/page_say.h"
#include "user/ops/page_token.h"

#define SNAPSHOT_BYTES_MAX (16u << 20)
#define CLOSE_TURNS_MAX	   100
#define CLOSE_TURN_MS	   10

/* Whatever goes out: no other page may frame, read or sniff it. */
#define GUARDED                               \
	"x-content-type-options: nosniff\r\n" \
	"referrer-policy: no-referrer\r\n"    \
	"cross-origin-resource-policy: same-origin\r\n"

/* Nothing but what the daemon itself serves, nothing inline, no frame, no form. */
#define POLICY                                                                                \
	"content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; "  \
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n" \
	"x-frame-options: DENY\r\n"                                                           \
	"cross-origin-opener-policy: same-origin\r\n"                                         \
	"permissions-policy: camera=(), geolocation=(), microphone=()\r\n"

enum state {
	STATE_IDLE = 0, /* control's: order and made */
	STATE_ORDERED,	/* the maker's */
	STATE_MADE,	/* on its way back */
};

/* What the maker is given. */
struct order {
	struct sl_routes *routes; /* a reference */
	bool wanted;		  /* a snapshot, not the look alone */
	uint32_t interval_ms;
	struct sl_page_facts facts;
	struct sl_text parts;
};

struct sl_page {
	struct sl_page_place place;
	struct sl_timer timer;
	struct sl_loop_post post;
	pthread_t maker;
	pthread_mutex_t lock; /* of state and ends */
	pthread_cond_t changed;
	enum state state;
	bool ends;
	struct order order;
	struct sl_text made;
	struct sl_page_counts *counts; /* the maker's; this and the next */
	struct sl_page_decisions decisions;
	bool has_token;
	uint8_t digest[SL_DIGEST_BYTES];
	/* read by any thread */
	uint64_t refused[SL_PAGE_REFUSALS], snapshots, acts;
};

static void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* ---- the maker's thread ---------------------------------------------------------------------- */

static void make(struct sl_page *page)
{
	struct order *order = &page->order;
	struct sl_page_scene scene = {
		.metrics = page->place.metrics,
		.state = page->place.state,
		.routes = order->routes,
		.counts = page->counts,
		.decisions = &page->decisions,
		.told = &order->facts,
		.parts = sl_text_span(&order->parts),
		.now_ns = sl_clock_ns(),
		.interval_ms = order->interval_ms,
	};

	if (sl_page_counts_due(page->counts, scene.now_ns, order->interval_ms * SL_NS_PER_MS))
		sl_page_counts_look(page->counts, page->place.metrics);
	sl_text_reset(&page->made);
	if (order->wanted)
		sl_page_say(&scene, &page->made);
	sl_routes_put(&order->routes);
}

static void *run_maker(void *arg)
{
	struct sl_page *page = arg;

	pthread_mutex_lock(&page->lock);
	while (!page->ends) {
		if (page->state != STATE_ORDERED) {
			pthread_cond_wait(&page->changed, &page->lock);
			continue;
		}
		pthread_mutex_unlock(&page->lock);
		make(page);
		pthread_mutex_lock(&page->lock);
		page->state = STATE_MADE;
		sl_loop_post_lent(page->place.loop, &page->post);
	}
	pthread_mutex_unlock(&page->lock);
	return NULL;
}

/* ---- orders ---------------------------------------------------------------------------------- */

/* What a part says in JSON, {"name":[...]}, as members of the snapshot; an error of it: an empty list. */
static void add_part(struct sl_page *page, const char *word, const char *ask_words,
		     const char *member)
{
	struct sl_text *parts = &page->order.parts;
	struct sl_text said;
	char words[32];
	struct sl_admin_ask ask = {.words = words, .body = SL_SPAN(""), .who = "status page"};

	snprintf(words, sizeof(words), "%s", ask_words);
	sl_text_init(&said, SL_ADMIN_REPLY_BYTES);
	(void)sl_watch_say(*page->place.watch, word, &ask, &said);
	/* the list alone, or an object that holds it: without its braces */
	while (said.len && said.data[said.len - 1] == '\n')
		sl_text_truncate(&said, said.len - 1);
	if (said.len > 1 && said.data[0] == '[' && !said.error)
		sl_text_printf(parts, ",\"%s\":%s", member, said.data);
	else if (said.len > 2 && said.data[0] == '{' && !said.error)
		sl_text_printf(parts, ",%.*s", (int)(strrchr(said.data, '}') - said.data - 1),
			       said.data + 1);
	else
		sl_text_printf(parts, ",\"%s\":[]", member);
	sl_text_fini(&said);
}

static void fill_order(struct sl_page *page, bool wanted)
{
	struct order *order = &page->order;

	order->routes = sl_routes_get(*page->place.routes);
	order->interval_ms = order->routes->config->page.interval_ms;
	order->wanted = wanted;
	sl_text_reset(&order->parts);
	order->facts = (struct sl_page_facts){0};
	if (!wanted)
		return;
	order->facts.ends = *page->place.ends;
	order->facts.no_keys =
		__atomic_load_n(&page->place.metrics->keys->broken, __ATOMIC_RELAXED);
	order->facts.reload_refused = !page->place.metrics->last_reload_ok;
	sl_watch_add_facts(*page->place.watch, &order->facts);
	add_part(page, "slo", "json", "objectives");
	add_part(page, "incidents", "json recent", "incidents");
	add_part(page, "rollout", "json status", "rollouts");
	add_part(page, "chaos", "json list", "strikes");
}

/* Nothing where one is under way: who waits gets that one. */
static void give_order(struct sl_page *page, bool wanted)
{
	pthread_mutex_lock(&page->lock);
	if (page->state == STATE_IDLE) {
		fill_order(page, wanted || sl_admin_has_stayers(page->place.admin));
		page->state = STATE_ORDERED;
		pthread_cond_signal(&page->changed);
	}
	pthread_mutex_unlock(&page->lock);
}

/* Posted by the maker. */
static void on_made(void *arg)
{
	struct sl_page *page = arg;
	bool who_waits = false;

	if (page->made.error) {
		sl_log_limited(SL_LOG_WARN,
			       "page: the snapshot is larger than %u bytes, or there is no memory",
			       SNAPSHOT_BYTES_MAX);
		sl_admin_refuse_stayers(page->place.admin, 500);
	} else if (page->made.len) {
		count(&page->snapshots);
		sl_admin_tell_stayers(page->place.admin, sl_text_span(&page->made));
	} else {
		who_waits = sl_admin_has_stayers(page->place.admin);
	}
	pthread_mutex_lock(&page->lock);
	page->state = STATE_IDLE;
	pthread_mutex_unlock(&page->lock);
	if (who_waits) /* it came while only the look was taken */
		give_order(page, true);
}

static void on_timer(struct sl_timer *timer)
{
	struct sl_page *page = (struct sl_page *)((char *)timer - offsetof(struct sl_page, timer));

	give_order(page, false);
	sl_timer_set(page->place.loop, timer, (*page->place.routes)->config->page.interval_ms);
}

/* ---- HTTP ------------------------------------------------------------------------------------ */

static const char act_root[] = "/act/";

bool sl_page_has(struct sl_span path)
{
	struct sl_page_asset asset;

	return sl_page_asset_find(path, &asset) || sl_span_equal(path, SL_SPAN("/status.json")) ||
	       sl_span_equal(path, SL_SPAN("/events")) ||
	       sl_span_starts(path, sl_span_make(act_root, sizeof(act_root) - 1));
}

void sl_page_refuse(struct sl_page *page, enum sl_page_refusal why, struct sl_admin_reply *reply)
{
	if (page)
		count(&page->refused[why]);
	*reply = (struct sl_admin_reply){
		.status = sl_page_refusal_status(why),
		.lines = "cache-control: no-store\r\n" GUARDED,
	};
	if (why == SL_PAGE_REFUSED_TOKEN)
		reply->lines = "www-authenticate: Basic realm=\"sluice\", charset=\"UTF-8\"\r\n"
			       "cache-control: no-store\r\n" GUARDED;
}

static void give_asset(const struct sl_page_asset *asset, const struct sl_admin_request *request,
		       struct sl_admin_reply *reply)
{
	uint8_t digest[SL_DIGEST_BYTES];

	sl_digest_sha256(&asset->bytes, 1, digest);
	*reply = (struct sl_admin_reply){
		.status = 200,
		.type = asset->type,
		.lines = "cache-control: private, no-cache\r\n" GUARDED POLICY,
		.borrowed = asset->bytes,
	};
	snprintf(reply->tag, sizeof(reply->tag), "\"%02x%02x%02x%02x%02x%02x%02x%02x\"", digest[0],
		 digest[1], digest[2], digest[3], digest[4], digest[5], digest[6], digest[7]);
	if (sl_span_equal(request->match, sl_span_string(reply->tag))) {
		reply->status = 304;
		reply->borrowed = (struct sl_span){0};
	}
}

static void give_json(int status, struct sl_admin_reply *reply)
{
	*reply = (struct sl_admin_reply){
		.status = status,
		.type = "application/json",
		.lines = "cache-control: no-store\r\n" GUARDED,
	};
}

static void give_snapshots(struct sl_page *page, bool one, struct sl_admin_reply *reply)
{
	give_json(200, reply);
	reply->stay = SL_ADMIN_STAYS_FOR_ONE;
	if (!one) {
		reply->stay = SL_ADMIN_STAYS;
		reply->type = "text/event-stream";
	}
	if (!sl_admin_may_stay(page->place.admin, reply->stay)) {
		reply->stay = SL_ADMIN_ANSWERED;
		reply->status = 503;
		reply->lines = "retry-after: 5\r\ncache-control: no-store\r\n" GUARDED;
	}
}

static void act(struct sl_page *page, const struct sl_admin_request *request, const char *who,
		struct sl_text *text, struct sl_admin_reply *reply)
{
	struct sl_page_deed deed = {
		.metrics = page->place.metrics,
		.watch = *page->place.watch,
		.who = who,
		.now_ns = sl_clock_ns(),
	};

	count(&page->acts);
	give_json(sl_page_act(&deed, request, text), reply);
	give_order(page, false);
}

static void answer(struct sl_page *page, const struct sl_admin_request *request, const char *who,
		   struct sl_text *text, struct sl_admin_reply *reply)
{
	bool acts = sl_span_starts(request->path, sl_span_make(act_root, sizeof(act_root) - 1));
	struct sl_page_asset asset;

	if (!sl_page_has(request->path)) {
		give_json(404, reply);
	} else if (request->method != (acts ? SL_H1_METHOD_POST : SL_H1_METHOD_GET)) {
		give_json(405, reply);
		reply->lines = acts ? "allow: POST\r\n" GUARDED : "allow: GET\r\n" GUARDED;
	} else if (acts) {
		act(page, request, who, text, reply);
	} else if (sl_page_asset_find(request->path, &asset)) {
		give_asset(&asset, request, reply);
	} else {
		give_snapshots(page, sl_span_equal(request->path, SL_SPAN("/status.json")), reply);
	}
}

void sl_page_http(struct sl_page *page, const struct sl_admin_request *request, bool remote,
		  const char *who, struct sl_text *text, struct sl_admin_reply *reply)
{
	enum sl_page_refusal why;

	*reply = (struct sl_admin_reply){.status = 503};
	if (!page || (remote && !page->has_token))
		return;
	why = sl_page_admit(request, remote ? page->digest : NULL);
	if (why)
		sl_page_refuse(page, why, reply);
	else
		answer(page, request, who, text, reply);
	if (reply->stay)
		give_order(page, true); /* its connection counts only when this returns */
}

/* ---- life ------------------------------------------------------------------------------------ */

/* A token that cannot be read any more is taken back: nobody is let in before it can. */
static void load_token(struct sl_page *page)
{
	const struct sl_config_page *config = &(*page->place.routes)->config->page;
	struct sl_error error = {""};

	page->has_token = false;
	if (!config->token_file)
		return;
	page->has_token = !sl_page_token_load(config->token_file, page->digest, &error);
	if (!page->has_token)
		sl_log(SL_LOG_ERROR, "%s: page.listen lets nobody in", error.text);
}

static void listen_here(struct sl_page *page)
{
	const struct sl_config_page *config = &(*page->place.routes)->config->page;
	char address[SL_ADDRESS_TEXT_SIZE];
	int rc;

	if (!config->listen.port)
		return;
	sl_address_format(&config->listen, address);
	rc = sl_admin_listen(page->place.admin, page->place.loop, &config->listen);
	if (rc)
		sl_log(SL_LOG_ERROR, "page.listen: %s: %s (see: ss -ltnp)", address, strerror(-rc));
	else
		sl_log(SL_LOG_INFO, "page: http://%s/ (any user, the token as the password)",
		       address);
}

static void free_page(struct sl_page *page)
{
	pthread_mutex_destroy(&page->lock);
	pthread_cond_destroy(&page->changed);
	if (page->counts)
		sl_page_counts_fini(page->counts);
	free(page->counts);
	sl_text_fini(&page->order.parts);
	sl_text_fini(&page->made);
	free(page);
}

void sl_page_open(const struct sl_page_place *place, struct sl_page **ret_page)
{
	struct sl_page *page = calloc(1, sizeof(*page));
	int rc;

	*ret_page = NULL;
	if (!page) {
		sl_log(SL_LOG_ERROR, "page: no status page: no memory");
		return;
	}
	page->place = *place;
	page->post = (struct sl_loop_post){.fn = on_made, .arg = page};
	pthread_mutex_init(&page->lock, NULL);
	pthread_cond_init(&page->changed, NULL);
	sl_text_init(&page->order.parts, SNAPSHOT_BYTES_MAX);
	sl_text_init(&page->made, SNAPSHOT_BYTES_MAX);
	page->counts = calloc(1, sizeof(*page->counts));
	rc = page->counts ? pthread_create(&page->maker, NULL, run_maker, page) : ENOMEM;
	if (rc) {
		sl_log(SL_LOG_ERROR, "page: no status page: %s", strerror(rc));
		free_page(page);
		return;
	}
	load_token(page);
	listen_here(page);
	sl_timer_init(&page->timer, on_timer);
	sl_timer_set(place->loop, &page->timer, 0);
	*ret_page = page;
}

void sl_page_apply(struct sl_page *page)
{
	if (page)
		load_token(page);
}

void sl_page_write_metrics(const struct sl_page *page, struct sl_text *text)
{
	if (!page)
		return;
	sl_text_append_string(text, "# HELP sluice_page_refused_total Requests for the status page "
				    "that were refused, by reason.\n"
				    "# TYPE sluice_page_refused_total counter\n");
	for (int why = SL_PAGE_REFUSED_TOKEN; why < SL_PAGE_REFUSALS; why++)
		sl_text_printf(text, "sluice_page_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			       sl_page_refusal_name((enum sl_page_refusal)why),
			       __atomic_load_n(&page->refused[why], __ATOMIC_RELAXED));
	sl_text_printf(text,
		       "# HELP sluice_page_snapshots_total Snapshots that were made for the status "
		       "page.\n# TYPE sluice_page_snapshots_total counter\n"
		       "sluice_page_snapshots_total %" PRIu64
		       "\n# HELP sluice_page_acts_total Orders given on the status page.\n"
		       "# TYPE sluice_page_acts_total counter\nsluice_page_acts_total %" PRIu64
		       "\n",
		       __atomic_load_n(&page->snapshots, __ATOMIC_RELAXED),
		       __atomic_load_n(&page->acts, __ATOMIC_RELAXED));
}

void sl_page_close(struct sl_page **page_ref)
{
	struct sl_page *page = *page_ref;

	if (!page)
		return;
	pthread_mutex_lock(&page->lock);
	page->ends = true;
	pthread_cond_signal(&page->changed);
	pthread_mutex_unlock(&page->lock);
	pthread_join(page->maker, NULL);
	sl_timer_cancel(page->place.loop, &page->timer);
	for (int turn = 0; turn < CLOSE_TURNS_MAX && page->state == STATE_MADE; turn++)
		sl_loop_turn(page->place.loop, CLOSE_TURN_MS);
	if (page->state == STATE_ORDERED)
		sl_routes_put(&page->order.routes);
	free_page(page);
	*page_ref = NULL;
}
