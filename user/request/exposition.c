/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/request/exposition.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include "user/base/clock.h"
#include "user/io/loop.h"
#include "user/request/worker.h"

#define TYPE_LINE "content-type: text/plain; version=0.0.4; charset=utf-8\r\n"

/* Held by each asker that reads it. */
struct page {
	uint32_t refs;
	struct sl_text text;
};

/* Of one exchange. Its loop's thread, but for next, page and post between question and answer. */
struct asker {
	struct sl_client_owner owner; /* first: the callbacks cast */
	struct sl_loop_post post;
	struct sl_exposition *exposition;
	struct sl_worker *worker;
	struct sl_exchange *conn; /* NULL: the client has left */
	struct asker *next;
	struct page *page; /* NULL: none yet, or it could not be written */
	bool told;	   /* the page, or that there is none, has come to the loop */
	size_t sent;
};

struct sl_exposition {
	void (*write)(void *owner, struct sl_text *text);
	void *owner;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct asker *askers; /* under the lock, as the next */
	bool stop;
	uint32_t open;				 /* atomic: askers that wait or read */
	uint64_t pages, served, refused, failed; /* atomic, as all below */
	uint64_t render_ns, bytes;		 /* of the last page */
	uint64_t loop_ns_max;
};

#define COUNT(field) __atomic_fetch_add(&(field), 1, __ATOMIC_RELAXED)
#define LOAD(field)  __atomic_load_n(&(field), __ATOMIC_RELAXED)

static void put_page(struct page *page)
{
	if (!page || __atomic_sub_fetch(&page->refs, 1, __ATOMIC_ACQ_REL))
		return;
	sl_text_fini(&page->text);
	free(page);
}

/* ---- the loop's thread ----------------------------------------------------------------------- */

/* What this thread has worked: not what others kept it from. */
static uint64_t worked_ns(void)
{
	struct timespec time;

	return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
		       ? 0
		       : (uint64_t)time.tv_sec * SL_NS_PER_S + (uint64_t)time.tv_nsec;
}

static void note_loop(struct sl_exposition *exposition, uint64_t since_ns)
{
	uint64_t took_ns = worked_ns() - since_ns, most_ns = LOAD(exposition->loop_ns_max);

	while (took_ns > most_ns &&
	       !__atomic_compare_exchange_n(&exposition->loop_ns_max, &most_ns, took_ns, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

static void free_asker(struct asker *asker)
{
	__atomic_fetch_sub(&asker->exposition->open, 1, __ATOMIC_RELAXED);
	put_page(asker->page);
	free(asker);
}

static void on_gone(struct sl_client_owner *self)
{
	struct asker *asker = (struct asker *)self;

	asker->conn = NULL;
	if (asker->told) /* else it is freed then */
		free_asker(asker);
}

static void send_pieces(struct asker *asker)
{
	const struct sl_text *text = &asker->page->text;
	struct sl_exchange *conn = asker->conn;
	size_t piece = text->len - asker->sent;

	if (piece > SL_EXPOSITION_PIECE_BYTES)
		piece = SL_EXPOSITION_PIECE_BYTES;
	if (!conn->to_head && sl_server_body(conn, text->data + asker->sent, piece)) {
		conn->user = NULL;
		sl_server_abort(conn);
		free_asker(asker);
		return;
	}
	asker->sent += piece;
	if (asker->sent < text->len && !conn->to_head)
		return; /* the next one when this one is taken */
	COUNT(asker->exposition->served);
	conn->user = NULL;
	free_asker(asker);
	sl_server_finish(conn);
}

static void on_drained(struct sl_client_owner *self)
{
	struct asker *asker = (struct asker *)self;
	struct sl_exposition *exposition = asker->exposition;
	uint64_t since_ns = worked_ns();

	if (asker->told)
		send_pieces(asker);
	note_loop(exposition, since_ns);
}

static void begin(struct asker *asker)
{
	struct sl_exchange *conn = asker->conn;

	if (!asker->page) {
		COUNT(asker->exposition->failed);
		conn->user = NULL;
		free_asker(asker);
		sl_server_respond(conn, 500, "text/plain", NULL, 0, "out of memory\n", 14);
		return;
	}
	if (sl_server_begin(conn, 200, TYPE_LINE, sizeof(TYPE_LINE) - 1,
			    (int64_t)asker->page->text.len)) {
		conn->user = NULL;
		free_asker(asker);
		sl_server_abort(conn);
		return;
	}
	send_pieces(asker);
}

static void on_page(void *arg)
{
	struct asker *asker = arg;
	struct sl_exposition *exposition = asker->exposition;
	uint64_t since_ns = worked_ns();

	asker->worker->jobs--;
	asker->told = true;
	if (asker->conn)
		begin(asker);
	else
		free_asker(asker);
	note_loop(exposition, since_ns);
}

static void refuse(struct sl_exposition *exposition, struct sl_exchange *conn)
{
	static const char lines[] = "retry-after: 1\r\n";

	COUNT(exposition->refused);
	sl_server_respond(conn, 503, "text/plain", lines, sizeof(lines) - 1,
			  "too many scrapes at once\n", 25);
}

void sl_exposition_answer(struct sl_exposition *exposition, struct sl_worker *worker,
			  struct sl_exchange *conn)
{
	struct asker *asker = calloc(1, sizeof(*asker));
	bool taken = false;

	if (asker) {
		*asker = (struct asker){.owner = {.gone = on_gone, .drained = on_drained},
					.post = {.fn = on_page, .arg = asker},
					.exposition = exposition,
					.worker = worker,
					.conn = conn};
		pthread_mutex_lock(&exposition->lock);
		taken = LOAD(exposition->open) < SL_EXPOSITION_ASKERS_MAX;
		if (taken) {
			conn->user = asker;
			worker->jobs++;
			asker->next = exposition->askers;
			exposition->askers = asker;
			COUNT(exposition->open);
			pthread_cond_signal(&exposition->wake);
		}
		pthread_mutex_unlock(&exposition->lock);
	}
	if (taken)
		return;
	free(asker);
	refuse(exposition, conn);
}

/* ---- its own thread -------------------------------------------------------------------------- */

static struct page *write_page(struct sl_exposition *exposition)
{
	struct page *page = calloc(1, sizeof(*page));
	uint64_t since_ns = sl_clock_ns();

	if (!page)
		return NULL;
	page->refs = 1;
	sl_text_init(&page->text, SL_EXPOSITION_BYTES_MAX);
	exposition->write(exposition->owner, &page->text);
	if (page->text.error || !page->text.len) {
		put_page(page);
		return NULL;
	}
	COUNT(exposition->pages);
	__atomic_store_n(&exposition->render_ns, sl_clock_ns() - since_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&exposition->bytes, page->text.len, __ATOMIC_RELAXED);
	return page;
}

static void hand_out(struct asker *asker, struct page *page)
{
	while (asker) {
		struct asker *next = asker->next;

		if (page)
			__atomic_add_fetch(&page->refs, 1, __ATOMIC_RELAXED);
		asker->page = page;
		sl_loop_post_lent(asker->worker->loop, &asker->post);
		asker = next;
	}
}

static void *serve(void *arg)
{
	struct sl_exposition *exposition = arg;

	pthread_mutex_lock(&exposition->lock);
	for (;;) {
		struct asker *askers;
		struct page *page;

		while (!exposition->askers && !exposition->stop)
			pthread_cond_wait(&exposition->wake, &exposition->lock);
		if (exposition->stop)
			break;
		askers = exposition->askers;
		exposition->askers = NULL;
		pthread_mutex_unlock(&exposition->lock);
		page = write_page(exposition);
		hand_out(askers, page);
		put_page(page);
		pthread_mutex_lock(&exposition->lock);
	}
	pthread_mutex_unlock(&exposition->lock);
	return NULL;
}

/* ---- metrics --------------------------------------------------------------------------------- */

static void write_seconds(struct sl_text *text, const char *name, const char *help, uint64_t ns)
{
	sl_text_printf(text, "# HELP %s %s\n# TYPE %s gauge\n%s ", name, help, name, name);
	sl_text_append_scaled(text, ns, 9);
	sl_text_append_char(text, '\n');
}

void sl_exposition_write_metrics(struct sl_exposition *exposition, struct sl_text *text)
{
	sl_text_append_string(
		text, "# HELP sluice_scrapes_total Questions for /metrics, by what they got."
		      "\n# TYPE sluice_scrapes_total counter\n");
	sl_text_printf(text,
		       "sluice_scrapes_total{result=\"served\"} %" PRIu64
		       "\nsluice_scrapes_total{result=\"refused\"} %" PRIu64
		       "\nsluice_scrapes_total{result=\"failed\"} %" PRIu64 "\n",
		       LOAD(exposition->served), LOAD(exposition->refused),
		       LOAD(exposition->failed));
	sl_text_printf(
		text,
		"# HELP sluice_scrape_pages_total Pages that were written; one serves all who "
		"waited.\n# TYPE sluice_scrape_pages_total counter\n"
		"sluice_scrape_pages_total %" PRIu64 "\n",
		LOAD(exposition->pages));
	sl_text_printf(text,
		       "# HELP sluice_scrape_bytes The page before this one.\n"
		       "# TYPE sluice_scrape_bytes gauge\nsluice_scrape_bytes %" PRIu64 "\n",
		       LOAD(exposition->bytes));
	write_seconds(text, "sluice_scrape_render_seconds",
		      "To write the page before this one, on a thread that serves no request.",
		      LOAD(exposition->render_ns));
	write_seconds(text, "sluice_scrape_loop_seconds_max",
		      "Longest that a page kept a thread that serves requests at once, CPU time.",
		      LOAD(exposition->loop_ns_max));
}

/* ---- life ------------------------------------------------------------------------------------ */

int sl_exposition_open(void (*write)(void *owner, struct sl_text *text), void *owner,
		       struct sl_exposition **ret_exposition)
{
	struct sl_exposition *exposition = calloc(1, sizeof(*exposition));
	sigset_t all, before;
	int rc;

	if (!exposition)
		return -ENOMEM;
	exposition->write = write;
	exposition->owner = owner;
	pthread_mutex_init(&exposition->lock, NULL);
	pthread_cond_init(&exposition->wake, NULL);
	sigfillset(&all); /* signals are the main thread's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = -pthread_create(&exposition->thread, NULL, serve, exposition);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc) {
		pthread_cond_destroy(&exposition->wake);
		pthread_mutex_destroy(&exposition->lock);
		free(exposition);
		return rc;
	}
	*ret_exposition = exposition;
	return 0;
}

void sl_exposition_close(struct sl_exposition **exposition_ref)
{
	struct sl_exposition *exposition = *exposition_ref;

	*exposition_ref = NULL;
	if (!exposition)
		return;
	pthread_mutex_lock(&exposition->lock);
	exposition->stop = true;
	pthread_cond_signal(&exposition->wake);
	pthread_mutex_unlock(&exposition->lock);
	pthread_join(exposition->thread, NULL);
	pthread_cond_destroy(&exposition->wake);
	pthread_mutex_destroy(&exposition->lock);
	free(exposition);
}
