/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/ops/daemon_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "user/base/address.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/text.h"
#include "user/io/fiber.h"
#include "user/ops/descriptors.h"
#include "user/ops/events.h"
#include "user/ops/names.h"

#define EVENT_POLL_MS  100u
#define DRAIN_POLL_MS  10u
#define ABORT_GRACE_MS 2000u

enum exit_status { EXIT_OK = 0, EXIT_START = 1, EXIT_CONFIG = 2, EXIT_CUT = 3 };

/* Signal handlers know nothing but these. */
static volatile sig_atomic_t want_reload, want_stop;
static struct sl_loop *signal_loop;

static void on_signal(int number)
{
	if (number == SIGHUP)
		want_reload = 1;
	else
		want_stop = want_stop + 1;
	if (signal_loop)
		sl_loop_stop(signal_loop);
}

/* ---- what the workers ask -------------------------------------------------------------------- */

static void write_page(void *owner, struct sl_text *text)
{
	struct sl_daemon *daemon = owner;

	sl_metrics_write(&daemon->metrics, text);
	sl_exposition_write_metrics(daemon->hooks.exposition, text);
	sl_scaler_write_metrics(daemon->scaler, text);
	sl_canary_write_metrics(daemon->canary, text);
	sl_watch_write_metrics(__atomic_load_n(&daemon->watch, __ATOMIC_ACQUIRE), text);
	sl_page_write_metrics(__atomic_load_n(&daemon->page, __ATOMIC_ACQUIRE), text);
}

static bool pool_has_node(const struct sl_daemon *daemon, const struct sl_upstream_pool *pool)
{
	uint64_t now_ms = sl_clock_ms();
	uint32_t i;

	for (i = 0; i < pool->node_count; i++) {
		if (sl_breaker_available(&daemon->plane->nodes[pool->node_slots[i]], now_ms))
			return true;
	}
	return false;
}

static bool hook_ready(void *owner, const struct sl_routes *routes, const char **ret_reason)
{
	struct sl_daemon *daemon = owner;
	bool no_keys = __atomic_load_n(&daemon->keys.broken, __ATOMIC_RELAXED);
	bool ready = false;
	uint32_t i, k;

	*ret_reason = daemon->draining ? "draining"
		      : no_keys	       ? "the API keys cannot be read"
				       : "no route has an available node";
	for (i = 0; i < routes->route_count && !ready && !daemon->draining && !no_keys; i++) {
		const struct sl_route_chain *chain = &routes->routes[i].chains[SL_CAUSE_ERROR];

		for (k = 0; k < chain->len && !ready; k++)
			ready = pool_has_node(daemon, chain->pools[k]);
	}
	if (ready)
		*ret_reason = "";
	return ready;
}

/* ---- configuration --------------------------------------------------------------------------- */

/* For the metrics: when the certificates in force end. */
static void note_certificates(struct sl_daemon *daemon, const struct sl_routes *routes, bool reload)
{
	struct sl_metrics_source *metrics = &daemon->metrics;
	uint32_t i;

	if (!reload)
		memcpy(metrics->listen, routes->config->listen, sizeof(metrics->listen));
	for (i = 0; i < SL_CONFIG_LISTEN_MAX; i++) {
		const struct sl_tls_server *tls =
			sl_secure_listener(&routes->secure, routes->config, &metrics->listen[i]);

		if (tls)
			__atomic_store_n(&metrics->certificate_ends[i],
					 sl_tls_server_not_after(tls), __ATOMIC_RELAXED);
	}
}

static int load(struct sl_daemon *daemon, struct sl_routes **ret_routes)
{
	struct sl_config *config = NULL;
	struct sl_topology topology;
	struct sl_secure secure;
	struct sl_error error = {{0}};
	bool reload = daemon->routes != NULL;
	char *errors = NULL;
	int rc = sl_config_read(daemon->config_path, &config, &errors);

	if (rc) {
		fprintf(stderr, "%s", errors ? errors : "");
		sl_log(SL_LOG_ERROR, "%s: configuration refused: %s", daemon->config_path,
		       errors ? "see the lines above" : strerror(-rc));
		free(errors);
		return rc;
	}
	rc = reload ? sl_stores_accept(&daemon->stores, config) : 0;
	if (rc) {
		sl_config_close(&config);
		return rc;
	}
	rc = sl_secure_build(config, daemon->tickets, daemon->peers, reload, &secure, &error);
	if (!rc && daemon->plane) {
		rc = sl_kernel_plane_apply(daemon->plane, config, &topology, &error);
		if (rc)
			sl_secure_fini(&secure);
	}
	if (rc) {
		sl_log(SL_LOG_ERROR, "%s: %s", daemon->config_path, error.text);
		sl_config_close(&config);
		return rc;
	}
	rc = sl_routes_build(config, &topology, &secure, &daemon->names, ret_routes);
	if (rc)
		return rc;
	/* Before the routes: no request may reach a node that it names by another way. */
	sl_peers_apply(daemon->peers, (*ret_routes)->config, &(*ret_routes)->topology,
		       &(*ret_routes)->secure.peers);
	sl_upstream_claim_rings(&daemon->retries, (*ret_routes)->pool_of_slot);
	note_certificates(daemon, *ret_routes, reload);
	return 0;
}

/* Reads the file of keys where it may have changed; the workers get what is new. */
static void refresh_keys(struct sl_daemon *daemon, bool only_if_changed)
{
	if (sl_keys_load(&daemon->keys, daemon->routes->config, only_if_changed))
		sl_keys_hand_out(&daemon->keys, daemon->threads.workers, daemon->threads.count);
}

static void on_keys_timer(struct sl_timer *timer)
{
	struct sl_daemon *daemon =
		(struct sl_daemon *)((char *)timer - offsetof(struct sl_daemon, keys_timer));

	if (daemon->routes->config->keys_file)
		refresh_keys(daemon, true);
	sl_stores_poll(&daemon->stores, daemon->routes->config);
	sl_suites_poll(daemon->suites, daemon->routes);
	sl_timer_set(daemon->loop, timer, SL_KEYS_POLL_MS);
}

static void warn_fixed(const struct sl_config *old, const struct sl_config *new)
{
	const char *spend[] = {old->spend_file ? old->spend_file : "",
			       new->spend_file ? new->spend_file : ""};
	bool same = old->listen_count == new->listen_count && old->threads == new->threads &&
		    old->io_backend == new->io_backend &&
		    !memcmp(old->listen, new->listen, old->listen_count * sizeof(old->listen[0]));
	uint32_t i;

	for (i = 0; i < old->listen_count && same; i++)
		same = !old->listen_tls[i] == !new->listen_tls[i];
	if (!same || strcmp(spend[0], spend[1]))
		sl_log(SL_LOG_WARN,
		       "%s: listen, threads, io and spend.file take effect at the next start",
		       new->path);
}

/* Never a reason not to serve. */
static void apply_beacons(struct sl_daemon *daemon)
{
	const struct sl_config *config = daemon->routes->config;
	int rc = daemon->beacons ? 0 : sl_beacon_sender_open(daemon->loop, &daemon->beacons);

	if (!rc)
		rc = sl_beacon_sender_apply(daemon->beacons, &config->beacon);
	if (rc)
		sl_log(SL_LOG_ERROR, "kernel.beacon: no beacons are sent: %s", strerror(-rc));
	else if (config->beacon.send_count)
		sl_log(SL_LOG_INFO, "beacons: nodes=%u balancers=%u every_ms=%u",
		       config->beacon.node_count, config->beacon.send_count,
		       config->beacon.every_ms);
}

static void open_health(struct sl_daemon *daemon)
{
	struct sl_upstream_state state = sl_threads_upstream(&daemon->threads.shared);
	int rc = sl_checks_open(daemon->loop, &state, &daemon->threads, &daemon->health);

	if (rc)
		sl_log(SL_LOG_ERROR, "health: no node is checked: %s", strerror(-rc));
	else
		sl_checks_apply(daemon->health, daemon->routes);
	daemon->metrics.health = sl_checks_counts(daemon->health);
	if (sl_scaler_open(daemon->loop, &state, &daemon->rooms, &daemon->scaler))
		sl_log(SL_LOG_ERROR, "autoscale: nobody is told: no memory");
	sl_scaler_apply(daemon->scaler, daemon->routes);
	sl_canary_open(daemon->loop, &state, &daemon->stores, &daemon->canary);
	sl_canary_apply(daemon->canary, daemon->routes);
}

static void open_telemetry(struct sl_daemon *daemon)
{
	struct sl_upstream_state state = sl_threads_upstream(&daemon->threads.shared);
	int rc = sl_telemetry_open(daemon->loop, &state, daemon->plane->loads, &daemon->telemetry);

	if (rc)
		sl_log(SL_LOG_ERROR, "metrics: no node's load is read: %s", strerror(-rc));
	else
		sl_telemetry_apply(daemon->telemetry, daemon->routes);
	daemon->metrics.telemetry = sl_telemetry_counts(daemon->telemetry);
}

static void open_watch(struct sl_daemon *daemon)
{
	struct sl_watch_place place = {
		.loop = daemon->loop,
		.threads = &daemon->threads,
		.plane = daemon->plane,
		.names = &daemon->names,
		.stores = &daemon->stores,
		.state = sl_threads_upstream(&daemon->threads.shared),
		.metrics = write_page,
		.owner = daemon,
	};
	struct sl_watch *watch;

	sl_watch_open(&place, daemon->routes, &watch);
	__atomic_store_n(&daemon->watch, watch, __ATOMIC_RELEASE); /* the workers serve already */
}

static void tell_config(const struct sl_daemon *daemon, bool good)
{
	sl_notice_tell(&(struct sl_notice){.kind = SL_NOTICE_CONFIG,
					   .level = good ? SL_NOTICE_INFO : SL_NOTICE_WARN,
					   .over = good,
					   .audit = true,
					   .who = "SIGHUP"},
		       good ? "%s: in force" : "%s: refused, the one before it stays in force",
		       daemon->config_path);
}

static void note_profile(struct sl_daemon *daemon)
{
	const char *name = sl_profiles[daemon->routes->config->profile].name;

	__atomic_store_n(&daemon->metrics.profile, name, __ATOMIC_RELAXED);
}

static void reload(struct sl_daemon *daemon)
{
	struct sl_routes *routes;
	struct sl_prompt_set *prompts;

	if (load(daemon, &routes)) {
		daemon->metrics.reloads_failed++;
		daemon->metrics.last_reload_ok = false;
		sl_log(SL_LOG_ERROR,
		       "%s: reload failed, the configuration before it stays in force",
		       daemon->config_path);
		tell_config(daemon, false);
		return;
	}
	warn_fixed(daemon->routes->config, routes->config);
	sl_names_apply(daemon->retries.identities, daemon->stores.drift, daemon->plane->nodes,
		       daemon->routes, routes);
	sl_threads_set_routes(&daemon->threads, routes);
	sl_routes_put(&daemon->routes);
	daemon->routes = routes;
	note_profile(daemon);
	refresh_keys(daemon, false);
	prompts = daemon->stores.prompts ? sl_prompts_get(daemon->stores.prompts) : NULL;
	sl_stores_apply(&daemon->stores, routes->config);
	sl_suites_test_new(daemon->suites, routes, prompts);
	sl_prompt_set_put(&prompts);
	apply_beacons(daemon);
	if (daemon->health)
		sl_checks_apply(daemon->health, routes);
	sl_scaler_apply(daemon->scaler, routes);
	sl_canary_apply(daemon->canary, routes);
	if (daemon->telemetry)
		sl_telemetry_apply(daemon->telemetry, routes);
	sl_watch_apply(daemon->watch, routes);
	sl_page_apply(daemon->page);
	tell_config(daemon, true);
	daemon->metrics.reloads_ok++;
	daemon->metrics.last_reload_ok = true;
	sl_log(SL_LOG_INFO, "%s: reloaded routes=%u pools=%u profile=%s", daemon->config_path,
	       routes->route_count, routes->config->pool_count,
	       sl_profiles[routes->config->profile].name);
}

/* ---- kernel events --------------------------------------------------------------------------- */

static void on_event_timer(struct sl_timer *timer)
{
	struct sl_daemon *daemon =
		(struct sl_daemon *)((char *)timer - offsetof(struct sl_daemon, event_timer));

	sl_events_log(daemon->plane);
	sl_timer_set(daemon->loop, timer, EVENT_POLL_MS);
}

/* ---- drain ----------------------------------------------------------------------------------- */

/* No more questions of our own to nodes. */
static void stop_asking(struct sl_daemon *daemon, bool leaving)
{
	sl_checks_stop(daemon->health);
	sl_canary_stop(daemon->canary);
	sl_scaler_stop(daemon->scaler);
	sl_telemetry_stop(daemon->telemetry);
	sl_suites_stop(daemon->suites);
	sl_watch_stop(daemon->watch, leaving);
}

static void begin_drain(struct sl_daemon *daemon)
{
	uint32_t drain_ms = daemon->routes->config->drain_ms;

	if (daemon->draining && !daemon->handed_over)
		return;
	daemon->handed_over = false; /* a signal now means what it always does */
	daemon->draining = true;
	daemon->drain_until_ms = sl_clock_ms() + drain_ms;
	sl_log(SL_LOG_INFO, "draining: open requests have %u ms", drain_ms);
	stop_asking(daemon, false);
	sl_threads_drain(&daemon->threads);
	sl_timer_set(daemon->loop, &daemon->drain_timer, DRAIN_POLL_MS);
}

/* A new process serves: what is open here comes to its end. */
static void begin_leave(struct sl_daemon *daemon)
{
	uint32_t upgrade_ms = daemon->routes->config->upgrade_ms;

	if (daemon->draining)
		return;
	daemon->draining = true;
	daemon->drain_until_ms = sl_clock_ms() + upgrade_ms;
	sl_log(SL_LOG_INFO, "replaced: a new process serves; open requests have %u ms", upgrade_ms);
	sl_timer_cancel(daemon->loop, &daemon->keys_timer);
	sl_beacon_sender_close(&daemon->beacons);
	stop_asking(daemon, true);
	sl_threads_hand_over(&daemon->threads);
	sl_timer_set(daemon->loop, &daemon->drain_timer, DRAIN_POLL_MS);
}

static void on_drain_timer(struct sl_timer *timer)
{
	struct sl_daemon *daemon =
		(struct sl_daemon *)((char *)timer - offsetof(struct sl_daemon, drain_timer));
	uint64_t now_ms = sl_clock_ms();

	if (!sl_threads_are_running(&daemon->threads) ||
	    (daemon->cut && now_ms > daemon->drain_until_ms + ABORT_GRACE_MS)) {
		sl_loop_stop(daemon->loop);
		return;
	}
	if (!daemon->cut && (now_ms >= daemon->drain_until_ms || want_stop > 1)) {
		daemon->cut = true;
		daemon->drain_until_ms = now_ms;
		sl_log(SL_LOG_WARN, "drain: time is up, cutting what is left");
		sl_threads_abort(&daemon->threads);
	}
	sl_timer_set(daemon->loop, timer, DRAIN_POLL_MS);
}

/* ---- life ------------------------------------------------------------------------------------ */

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	action.sa_handler =
		SIG_DFL; /* who started us may have ignored it: ends of programs were lost */
	sigaction(SIGCHLD, &action, NULL);
}

static int open_plane(struct sl_daemon *daemon, const struct sl_config *config)
{
	const char *pin_dir = getenv("SLUICE_PIN_DIR");
	struct sl_error why;
	int rc;

	if (!pin_dir || !pin_dir[0])
		pin_dir = config->pin_dir;
	rc = sl_kernel_plane_open(pin_dir, &daemon->plane, &why);
	if (rc) {
		sl_log(SL_LOG_ERROR, "kernel plane: %s", why.text[0] ? why.text : strerror(-rc));
		return rc;
	}
	if (!daemon->plane->bpf)
		sl_log(SL_LOG_WARN,
		       "NO KERNEL PLANE: %s; serving from user space alone: no fast lane, no "
		       "kernel "
		       "signals (run: sluice up %s)",
		       why.text, daemon->config_path);
	return 0;
}

/* The first read happens before the plane is open: its pin directory is in the file. */
static int first_load(struct sl_daemon *daemon)
{
	struct sl_config *config = NULL;
	char *errors = NULL;
	int rc = sl_config_read(daemon->config_path, &config, &errors);

	/* A host that only sends beacons, or only takes tunnels apart, serves nobody. */
	if (!rc && !config->listen_count && !config->beacon.send_count) {
		fprintf(stderr,
			"%s: error: listen: missing (expected an address, such as "
			"0.0.0.0:8080)\n",
			daemon->config_path);
		rc = -EINVAL;
	}
	if (!rc && config->listen_count && !config->route_count) {
		fprintf(stderr, "%s: error: routes: missing (expected at least one)\n",
			daemon->config_path);
		rc = -EINVAL;
	}
	if (rc) {
		fprintf(stderr, "%s", errors ? errors : "");
		free(errors);
		sl_config_close(&config);
		return EXIT_CONFIG;
	}
	rc = open_plane(daemon, config);
	sl_config_close(&config);
	if (rc)
		return EXIT_START;
	return load(daemon, &daemon->routes) ? EXIT_CONFIG : EXIT_OK;
}

/* Asks the running daemon for its sockets. Without one this is an ordinary start. */
static int begin_takeover(struct sl_daemon *daemon, struct sl_takeover *takeover)
{
	const char *path = daemon->routes->config->admin_socket;
	int rc = path ? sl_takeover_ask(path, takeover) : -ENOENT;

	if (!rc) {
		daemon->takeover = takeover;
		sl_log(SL_LOG_INFO, "takeover: %u sockets of the running daemon", takeover->count);
		return 0;
	}
	if (rc != -ENOENT && rc != -ECONNREFUSED) {
		sl_log(SL_LOG_ERROR,
		       "takeover: the daemon at %s does not hand its sockets over: %s (it goes on "
		       "serving)",
		       path, strerror(-rc));
		return rc;
	}
	sl_log(SL_LOG_INFO, "takeover: no daemon at %s, an ordinary start", path ? path : "none");
	sl_kernel_plane_begin(daemon->plane);
	return 0;
}

/* All threads serve: from here on this process is the daemon, whatever the old one says. */
static void finish_takeover(struct sl_daemon *daemon)
{
	int rc = sl_takeover_go(daemon->takeover);

	if (rc)
		sl_log(SL_LOG_WARN,
		       "takeover: the old daemon did not say that it goes: %s (see: ss -ltnp)",
		       strerror(-rc));
	sl_takeover_end(daemon->takeover);
	daemon->takeover = NULL;
	if (daemon->routes->config->admin_socket)
		unlink(daemon->routes->config->admin_socket);
	sl_daemon_open_admin(daemon);
}

/* What /metrics is to look at. */
static void prepare_metrics(struct sl_daemon *daemon)
{
	daemon->metrics.workers = daemon->threads.workers;
	daemon->metrics.worker_count = daemon->threads.count;
	daemon->metrics.plane = daemon->plane;
	daemon->metrics.names = &daemon->names;
	daemon->metrics.start_wall_ms = sl_clock_wall_ms();
	daemon->metrics.last_reload_ok = true;
	daemon->metrics.io_backend = "";
	note_profile(daemon);
	daemon->metrics.keys = &daemon->keys;
	daemon->metrics.ledger = &daemon->ledger;
	daemon->metrics.peers = daemon->peers;
}

/* What requests use, and the threads that serve them: not yet started. */
static int open_serving(struct sl_daemon *daemon)
{
	const struct sl_config *config = daemon->routes->config;
	struct sl_loop_options options = {.backend = SL_IO_EPOLL};
	uint64_t affinity_seed;
	int rc = sl_threads_init(&daemon->threads, config);

	prepare_metrics(daemon);
	daemon->hooks = (struct sl_worker_hooks){.owner = daemon, .ready = hook_ready};
	sl_keys_load(&daemon->keys, config, false);
	if (!rc)
		rc = sl_exposition_open(write_page, daemon, &daemon->hooks.exposition);
	if (!rc)
		rc = sl_ledger_open(&daemon->ledger, config);
	if (!rc && !daemon->keys.ring)
		rc = -ENOMEM;
	if (!rc)
		rc = sl_cache_open(config->cache_bytes_max, &daemon->cache);
	if (!rc)
		rc = sl_stores_open(config, &daemon->stores);
	if (!rc)
		rc = sl_names_open(daemon->stores.drift, daemon->routes,
				   &daemon->retries.identities);
	if (!rc)
		rc = sl_random_secure(&affinity_seed, sizeof(affinity_seed));
	if (!rc)
		rc = sl_affinity_open(affinity_seed, &daemon->retries.affinity);
	if (!rc)
		rc = sl_loads_open(&daemon->retries.loads);
	daemon->metrics.loads = daemon->retries.loads;
	if (!rc)
		rc = sl_loop_open(&options, &daemon->loop);
	if (!rc)
		rc = sl_threads_listen(&daemon->threads, config, daemon->takeover);
	return rc;
}

static int start_threads(struct sl_daemon *daemon)
{
	struct sl_threads_shared shared = {
		.routes = daemon->routes,
		.ring = daemon->keys.ring,
		.plane = daemon->plane,
		.retries = &daemon->retries,
		.peers = daemon->peers,
		.cache = daemon->cache,
		.stores = &daemon->stores,
		.rooms = &daemon->rooms,
		.hooks = &daemon->hooks,
		.io = daemon->takeover ? daemon->takeover->io : NULL,
	};

	/* before requests: who sees /health may ask it */
	if (!daemon->takeover)
		sl_daemon_open_admin(daemon);
	return sl_threads_start(&daemon->threads, &shared);
}

/* What looks on and decides, beside requests. */
static void open_parts(struct sl_daemon *daemon)
{
	daemon->metrics.io_backend = sl_loop_backend(daemon->threads.threads[0].loop);
	daemon->suites = sl_suites_open(&daemon->threads, &daemon->stores);
	sl_timer_init(&daemon->event_timer, on_event_timer);
	sl_timer_init(&daemon->drain_timer, on_drain_timer);
	sl_timer_init(&daemon->keys_timer, on_keys_timer);
	sl_timer_set(daemon->loop, &daemon->keys_timer, SL_KEYS_POLL_MS);
	if (daemon->plane->bpf)
		sl_timer_set(daemon->loop, &daemon->event_timer, EVENT_POLL_MS);
	apply_beacons(daemon);
	open_health(daemon);
	open_telemetry(daemon);
	daemon->dwells = sl_dwells_open(daemon->loop, daemon->plane);
	__atomic_store_n(&daemon->metrics.dwells, daemon->dwells, __ATOMIC_RELEASE);
	open_watch(daemon);
	sl_daemon_open_page(daemon);
}

static int start(struct sl_daemon *daemon)
{
	int rc = open_serving(daemon);

	if (!rc)
		rc = start_threads(daemon);
	if (rc) {
		sl_log(SL_LOG_ERROR, "start: %s", strerror(-rc));
		sl_admin_close(&daemon->admin);
		return rc;
	}
	if (daemon->takeover)
		finish_takeover(daemon);
	open_parts(daemon);
	return 0;
}

/* Only after an orderly drain: whatever is still open is left to the end of the process. */
static void destroy(struct sl_daemon *daemon)
{
	uint32_t i;

	sl_identities_close(&daemon->retries.identities);
	sl_stores_close(&daemon->stores);
	sl_suites_close(&daemon->suites);
	sl_threads_fini(&daemon->threads);
	for (i = 0; i < daemon->names.count; i++) {
		free(daemon->names.names[i]);
		sl_meter_put(&daemon->names.meters[i]);
	}
	sl_routes_put(&daemon->routes);
	sl_keys_fini(&daemon->keys);
	sl_ledger_fini(&daemon->ledger);
	sl_cache_close(&daemon->cache);
	sl_rooms_fini(&daemon->rooms);
	sl_affinity_close(&daemon->retries.affinity);
	sl_loads_close(&daemon->retries.loads);
	sl_kernel_plane_close(&daemon->plane);
	sl_tls_tickets_close(&daemon->tickets);
	sl_peers_close(&daemon->peers);
	sl_notice_close();
}

static void serve(struct sl_daemon *daemon)
{
	signal_loop = daemon->loop;
	for (;;) {
		if (want_stop)
			begin_drain(daemon);
		if (daemon->handed_over)
			begin_leave(daemon);
		if (want_reload && !daemon->draining) {
			want_reload = 0;
			reload(daemon);
		}
		sl_loop_run(daemon->loop);
		if (daemon->draining && !want_reload && !sl_timer_is_set(&daemon->drain_timer))
			break;
		want_reload = daemon->draining ? 0 : want_reload;
	}
	signal_loop = NULL;
}

int sl_daemon_run(const char *config_path, bool takeover)
{
	static struct sl_takeover taken; /* 16 KiB of descriptors: too much for a stack */
	static struct sl_concurrency concurrency[SL_NODES_MAX]; /* what is used takes memory */
	static struct sl_hedge_pool hedges[SL_POOLS_MAX];	/* the same */
	static struct sl_strike_board strikes;
	struct sl_daemon daemon = {
		.config_path = config_path,
		.retries = {.concurrency = concurrency, .hedges = hedges, .strikes = &strikes}};
	int status;

	sl_keys_init(&daemon.keys);
	sl_ledger_init(&daemon.ledger);
	daemon.names.accounts = daemon.keys.accounts = &daemon.ledger.accounts;
	sl_descriptors_raise();
	catch_signals(); /* first of all: a SIGHUP right after the start must not end the process */
	if (sl_tls_tickets_open(&daemon.tickets) || sl_peers_open(&daemon.peers) ||
	    sl_notice_open())
		return EXIT_START;
	status = first_load(&daemon);
	if (status) {
		sl_tls_tickets_close(&daemon.tickets);
		sl_peers_close(&daemon.peers);
		return status;
	}
	if (!takeover)
		sl_kernel_plane_begin(daemon.plane);
	else if (begin_takeover(&daemon, &taken))
		return EXIT_START;
	if (start(&daemon))
		return EXIT_START;
	sl_log(SL_LOG_INFO, "ready: threads=%u io=%s kernel_plane=%s routes=%u profile=%s",
	       daemon.threads.count, daemon.metrics.io_backend,
	       daemon.plane->bpf ? "bpf" : "memory", daemon.routes->route_count,
	       sl_profiles[daemon.routes->config->profile].name);
	serve(&daemon);
	sl_threads_stop(&daemon.threads);
	sl_exposition_close(&daemon.hooks.exposition);
	sl_page_close(&daemon.page);
	sl_watch_close(&daemon.watch);
	sl_beacon_sender_close(&daemon.beacons);
	sl_checks_close(&daemon.health);
	sl_canary_close(&daemon.canary);
	sl_scaler_close(&daemon.scaler);
	sl_telemetry_close(&daemon.telemetry);
	sl_dwells_close(&daemon.dwells);
	sl_admin_close(&daemon.admin);
	sl_ledger_stop(&daemon.ledger);
	sl_log(SL_LOG_INFO, "stopped%s", daemon.cut ? ": requests were cut" : "");
	if (daemon.cut)
		return EXIT_CUT;
	destroy(&daemon);
	sl_loop_close(&daemon.loop);
	return EXIT_OK;
}
