/* SPDX-License-Identifier: BSD-2-Clause */
/* resolve.c - names on the resolver's thread; nothing here needs a name server. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "user/io/resolve.h"

#define WAIT_MS 20000 /* bound, not a measure */

static void test_numbers_and_ports(void **state)
{
	struct sl_resolver *resolver;
	struct sl_name *name, *again;
	struct sockaddr_storage address;
	struct sl_error error = {{0}};
	socklen_t len;

	(void)state;
	assert_int_equal(sl_resolver_open(&resolver), 0);
	name = sl_name_open(resolver, "127.0.0.9", 8443);
	assert_non_null(name);
	again = sl_name_get(name);
	sl_name_wait(name, WAIT_MS);
	/* One address: every turn is that one. */
	for (uint32_t turn = 0; turn < 3; turn++) {
		const struct sockaddr_in *in = (const void *)&address;

		assert_true(sl_name_address(again, turn, &address, &len, &error));
		assert_int_equal(address.ss_family, AF_INET);
		assert_int_equal(len, sizeof(*in));
		assert_int_equal(ntohs(in->sin_port), 8443);
		assert_int_equal(ntohl(in->sin_addr.s_addr), 0x7f000009);
	}
	sl_name_put(&name);
	assert_null(name);
	assert_true(sl_name_address(again, 0, &address, &len, &error));
	sl_name_put(&again);
	sl_resolver_close(&resolver);
	assert_null(resolver);
}

/* A name that cannot exist says so, and the resolver goes on with others. */
static void test_no_such_name(void **state)
{
	char longest[300];
	struct sl_resolver *resolver;
	struct sl_name *bad, *good;
	struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
	struct sl_error error = {{0}};
	socklen_t len = 0;

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(sl_resolver_open(&resolver), 0);
	assert_null(sl_name_open(resolver, longest, 80));
	bad = sl_name_open(resolver, "a..b", 80);
	good = sl_name_open(resolver, "::1", 80);
	sl_name_wait(bad, WAIT_MS);
	sl_name_wait(good, WAIT_MS);
	assert_false(sl_name_address(bad, 0, &address, &len, &error));
	assert_int_equal(address.ss_family, AF_UNSPEC);
	assert_non_null(strstr(error.text, "name a..b: "));
	assert_null(strstr(error.text, "not resolved yet"));
	assert_false(sl_name_address(bad, 0, &address, &len, NULL));
	assert_true(sl_name_address(good, 1, &address, &len, NULL));
	assert_int_equal(address.ss_family, AF_INET6);
	sl_name_put(&bad);
	sl_name_put(&good);
	sl_resolver_close(&resolver);
}

static void test_bound(void **state)
{
	static struct sl_name *names[SL_RESOLVE_NAMES_MAX];
	struct sl_resolver *resolver;

	(void)state;
	assert_int_equal(sl_resolver_open(&resolver), 0);
	for (uint32_t i = 0; i < SL_RESOLVE_NAMES_MAX; i++) {
		names[i] = sl_name_open(resolver, "127.0.0.1", 80);
		assert_non_null(names[i]);
	}
	assert_null(sl_name_open(resolver, "127.0.0.1", 80));
	sl_name_put(&names[7]);
	names[7] = sl_name_open(resolver, "127.0.0.1", 80);
	assert_non_null(names[7]);
	for (uint32_t i = 0; i < SL_RESOLVE_NAMES_MAX; i++)
		sl_name_put(&names[i]);
	sl_resolver_close(&resolver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_and_ports),
		cmocka_unit_test(test_no_such_name),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
