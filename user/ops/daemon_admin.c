/* SPDX-License-Identifier: BSD-2-Clause */
/* What the admin socket's orders do to the daemon. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "user/base/clock.h"
#include "user/ops/cache_say.h"
#include "user/ops/daemon_parts.h"
#include "user/ops/explain_say.h"
#include "user/ops/health_say.h"
#include "user/ops/index_say.h"
#include "user/ops/page_auth.h"
#include "user/ops/prompt_http.h"
#include "user/ops/prompt_say.h"
#include "user/store/retrieval.h"

static int describe(void *owner, struct sl_admin_answer *answer)
{
	struct sl_daemon *daemon = owner;

	*answer = (struct sl_admin_answer){
		.pid = (uint32_t)getpid(),
		.abi = SL_ABI_VERSION,
		.memory = !daemon->plane->bpf,
		.draining = daemon->draining,
	};
	snprintf(answer->io, sizeof(answer->io), "%s", daemon->metrics.io_backend);
	snprintf(answer->profile, sizeof(answer->profile), "%s",
		 sl_profiles[daemon->routes->config->profile].name);
	return daemon->plane->memory_fd;
}

static void explain(void *owner, const char *id, bool json, struct sl_text *text)
{
	sl_explain_say(&((struct sl_daemon *)owner)->threads, id, json, text);
}

static int give(void *owner, int fd)
{
	struct sl_daemon *daemon = owner;

	if (daemon->draining)
		return -ESHUTDOWN;
	return sl_takeover_give(fd, &daemon->threads, daemon->metrics.io_backend);
}

/* What only one process may do ends here; the rest in serve(). */
static void go(void *owner)
{
	struct sl_daemon *daemon = owner;

	sl_timer_cancel(daemon->loop, &daemon->event_timer);
	sl_admin_leave(&daemon->admin);
	daemon->handed_over = true;
	sl_loop_stop(daemon->loop);
}

static void health(void *owner, struct sl_text *text)
{
	struct sl_daemon *daemon = owner;
	struct sl_upstream_state state = sl_threads_upstream(&daemon->threads.shared);

	sl_health_say(&state, sl_checks_counts(daemon->health), daemon->routes, sl_clock_ms(),
		      text);
}

static struct sl_prompt_ask prompt_ask(struct sl_daemon *daemon, const char *who)
{
	return (struct sl_prompt_ask){.who = who,
				      .suites = daemon->suites,
				      .routes = daemon->routes,
				      .drift = daemon->stores.drift};
}

static void prompt(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_daemon *daemon = owner;
	struct sl_prompt_ask what = prompt_ask(daemon, ask->who);

	what.body = ask->body;
	sl_prompt_say(daemon->stores.prompts, ask->words, &what, text);
}

static void http(void *owner, const struct sl_admin_request *request, bool remote, const char *who,
		 struct sl_text *text, struct sl_admin_reply *reply)
{
	struct sl_daemon *daemon = owner;
	struct sl_prompt_ask as = prompt_ask(daemon, who);
	enum sl_page_refusal why;

	if (remote || sl_page_has(request->path)) {
		sl_page_http(daemon->page, request, remote, who, text, reply);
		return;
	}
	why = sl_page_admit_other(request); /* a browser, behind a forwarded socket */
	if (why) {
		sl_page_refuse(daemon->page, why, reply);
		return;
	}
	reply->type = "application/json";
	reply->status = sl_prompt_http(daemon->stores.prompts, request, &as, text, &reply->type);
}

static void tend_index(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	struct sl_retrieval *retrieval = ((struct sl_daemon *)owner)->stores.retrieval;

	sl_index_say(retrieval ? retrieval->indexes : NULL, ask->words, ask->who, text);
}

static void canary(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	sl_canary_say(((struct sl_daemon *)owner)->canary, ask->words, text);
}

static void cache(void *owner, const struct sl_admin_ask *ask, struct sl_text *text)
{
	const struct sl_daemon *daemon = owner;
	struct sl_cache_say say = {daemon->cache, &daemon->stores, &daemon->names};

	sl_cache_answer(&say, ask->words, ask->body, text);
}

/* Words of the watch's parts. */
static bool other(void *owner, const char *word, const struct sl_admin_ask *ask,
		  struct sl_text *text)
{
	return sl_watch_say(((struct sl_daemon *)owner)->watch, word, ask, text);
}

static const struct sl_admin_ops admin_ops = {
	.cache = cache,
	.other = other,
	.canary = canary,
	.prompt = prompt,
	.http = http,
	.index = tend_index,
	.describe = describe,
	.explain = explain,
	.health = health,
	.give = give,
	.go = go,
};

void sl_daemon_open_admin(struct sl_daemon *daemon)
{
	daemon->admin.ops = &admin_ops;
	daemon->admin.owner = daemon;
	sl_admin_open(&daemon->admin, daemon->loop, daemon->routes->config->admin_socket);
}

void sl_daemon_open_page(struct sl_daemon *daemon)
{
	struct sl_page_place place = {
		.loop = daemon->loop,
		.admin = &daemon->admin,
		.metrics = &daemon->metrics,
		.state = sl_threads_upstream(&daemon->threads.shared),
		.watch = &daemon->watch,
		.routes = &daemon->routes,
		.ends = &daemon->draining,
	};
	struct sl_page *page;

	sl_page_open(&place, &page);
	__atomic_store_n(&daemon->page, page, __ATOMIC_RELEASE); /* the workers serve already */
}
