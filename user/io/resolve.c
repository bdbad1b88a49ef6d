/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/io/resolve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "user/base/clock.h"
#include "user/base/log.h"

#define HOST_BYTES   254u
#define NEW_AGAIN_MS 1000u

struct sl_name {
	struct sl_name *next;
	struct sl_resolver *resolver;
	uint32_t refs;
	char host[HOST_BYTES];
	uint16_t port;
	bool asked; /* at least once */
	bool failing;
	uint64_t due_ms;
	uint32_t count;
	struct sockaddr_storage addresses[SL_RESOLVE_ADDRESSES_MAX];
	socklen_t lens[SL_RESOLVE_ADDRESSES_MAX];
	char trouble[128];
};

/* Everything of resolver and names is under `lock`. */
struct sl_resolver {
	pthread_mutex_t lock;
	pthread_cond_t wake;	 /* of the thread */
	pthread_cond_t answered; /* for sl_name_wait */
	pthread_t thread;
	struct sl_name *names;
	uint32_t count;
	bool stop;
	bool asking;   /* inside getaddrinfo */
	bool detached; /* the thread frees all when it comes back */
};

static struct timespec in_ms(uint64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000u);
	at.tv_nsec += (long)(ms % 1000u) * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

/* ---- the thread -------------------------------------------------------------------------------
 */

static struct sl_name *first_due(struct sl_resolver *resolver)
{
	struct sl_name *first = resolver->names, *name;

	for (name = first; name; name = name->next) {
		if (name->due_ms < first->due_ms)
			first = name;
	}
	return first;
}

static void take_list(struct sl_name *name, const struct addrinfo *list)
{
	name->count = 0;
	for (; list && name->count < SL_RESOLVE_ADDRESSES_MAX; list = list->ai_next) {
		if (list->ai_family != AF_INET && list->ai_family != AF_INET6)
			continue;
		memcpy(&name->addresses[name->count], list->ai_addr, list->ai_addrlen);
		name->lens[name->count++] = list->ai_addrlen;
	}
}

static void take_answer(struct sl_name *name, int rc, int error, const struct addrinfo *list)
{
	const char *why = rc == EAI_SYSTEM ? strerror(error) : gai_strerror(rc);

	name->asked = true;
	if (!rc) {
		if (name->failing)
			sl_log(SL_LOG_INFO, "name %s: resolves again", name->host);
		name->failing = false;
		name->trouble[0] = '\0';
		take_list(name, list);
		name->due_ms = sl_clock_ms() + SL_RESOLVE_EVERY_MS;
		return;
	}
	if (!name->failing)
		sl_log(SL_LOG_WARN, "name %s: does not resolve: %s%s", name->host, why,
		       name->count ? "; its old addresses are kept" : "");
	name->failing = true;
	snprintf(name->trouble, sizeof(name->trouble), "%s", why);
	name->due_ms = sl_clock_ms() + (name->count ? SL_RESOLVE_FAILED_MS : NEW_AGAIN_MS);
}

static void release(struct sl_name *name)
{
	struct sl_name **at = &name->resolver->names;

	if (--name->refs)
		return;
	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	name->resolver->count--;
	free(name);
}

/* Asks without the lock; the reference keeps the name. */
static void ask(struct sl_resolver *resolver, struct sl_name *name)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
	struct addrinfo *list = NULL;
	char port[8];
	int rc, error;

	name->refs++;
	resolver->asking = true;
	pthread_mutex_unlock(&resolver->lock);
	snprintf(port, sizeof(port), "%u", name->port);
	rc = getaddrinfo(name->host, port, &hints, &list);
	error = errno;
	pthread_mutex_lock(&resolver->lock);
	resolver->asking = false;
	take_answer(name, rc, error, list);
	if (list)
		freeaddrinfo(list);
	release(name);
	pthread_cond_broadcast(&resolver->answered);
}

static void destroy(struct sl_resolver *resolver)
{
	pthread_cond_destroy(&resolver->wake);
	pthread_cond_destroy(&resolver->answered);
	pthread_mutex_destroy(&resolver->lock);
	free(resolver);
}

static void *run(void *arg)
{
	struct sl_resolver *resolver = arg;
	bool detached;

	pthread_mutex_lock(&resolver->lock);
	while (!resolver->stop) {
		struct sl_name *name = first_due(resolver);
		uint64_t now_ms = sl_clock_ms();

		if (name && name->due_ms <= now_ms) {
			ask(resolver, name);
		} else if (name) {
			struct timespec until = in_ms(name->due_ms - now_ms);

			pthread_cond_timedwait(&resolver->wake, &resolver->lock, &until);
		} else {
			pthread_cond_wait(&resolver->wake, &resolver->lock);
		}
	}
	detached = resolver->detached;
	pthread_mutex_unlock(&resolver->lock);
	if (detached)
		destroy(resolver);
	return NULL;
}

/* ---- life -------------------------------------------------------------------------------------
 */

int sl_resolver_open(struct sl_resolver **ret_resolver)
{
	struct sl_resolver *resolver = calloc(1, sizeof(*resolver));
	pthread_condattr_t attr;
	int rc;

	if (!resolver)
		return -ENOMEM;
	pthread_mutex_init(&resolver->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&resolver->wake, &attr);
	pthread_cond_init(&resolver->answered, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&resolver->thread, NULL, run, resolver);
	if (rc) {
		destroy(resolver);
		return -rc;
	}
	*ret_resolver = resolver;
	return 0;
}

void sl_resolver_close(struct sl_resolver **ret_resolver)
{
	struct sl_resolver *resolver = *ret_resolver;
	pthread_t thread;
	bool detached;

	*ret_resolver = NULL;
	if (!resolver)
		return;
	pthread_mutex_lock(&resolver->lock);
	thread = resolver->thread;
	resolver->stop = true;
	detached = resolver->detached = resolver->asking;
	pthread_cond_signal(&resolver->wake);
	pthread_mutex_unlock(&resolver->lock);
	if (detached) {
		pthread_detach(thread);
		return;
	}
	pthread_join(thread, NULL);
	destroy(resolver);
}

/* ---- names ------------------------------------------------------------------------------------
 */

struct sl_name *sl_name_open(struct sl_resolver *resolver, const char *host, uint16_t port)
{
	struct sl_name *name = calloc(1, sizeof(*name));

	if (!name || strlen(host) >= sizeof(name->host)) {
		free(name);
		return NULL;
	}
	name->resolver = resolver;
	name->refs = 1;
	name->port = port;
	snprintf(name->host, sizeof(name->host), "%s", host);
	snprintf(name->trouble, sizeof(name->trouble), "not resolved yet");
	pthread_mutex_lock(&resolver->lock);
	if (resolver->count == SL_RESOLVE_NAMES_MAX) {
		free(name);
		name = NULL;
	} else {
		name->next = resolver->names;
		resolver->names = name;
		resolver->count++;
		pthread_cond_signal(&resolver->wake);
	}
	pthread_mutex_unlock(&resolver->lock);
	return name;
}

struct sl_name *sl_name_get(struct sl_name *name)
{
	pthread_mutex_lock(&name->resolver->lock);
	name->refs++;
	pthread_mutex_unlock(&name->resolver->lock);
	return name;
}

void sl_name_put(struct sl_name **name)
{
	struct sl_resolver *resolver;

	if (!*name)
		return;
	resolver = (*name)->resolver;
	pthread_mutex_lock(&resolver->lock);
	release(*name);
	pthread_mutex_unlock(&resolver->lock);
	*name = NULL;
}

bool sl_name_address(struct sl_name *name, uint32_t turn, struct sockaddr_storage *ret_address,
		     socklen_t *ret_len, struct sl_error *error)
{
	bool found;

	pthread_mutex_lock(&name->resolver->lock);
	found = name->count != 0;
	if (found) {
		*ret_address = name->addresses[turn % name->count];
		*ret_len = name->lens[turn % name->count];
	} else {
		sl_error_set(error, 0, "name %s: %s", name->host, name->trouble);
	}
	pthread_mutex_unlock(&name->resolver->lock);
	return found;
}

void sl_name_wait(struct sl_name *name, uint32_t wait_ms)
{
	struct timespec until = in_ms(wait_ms);
	int rc = 0;

	pthread_mutex_lock(&name->resolver->lock);
	while (!name->asked && !rc)
		rc = pthread_cond_timedwait(&name->resolver->answered, &name->resolver->lock,
					    &until);
	pthread_mutex_unlock(&name->resolver->lock);
}
