/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void good_ones_print_back(void **state)
{
	static const struct {
		const char *text;
		const char *printed;
		sa_family_t family;
	} cases[] = {
		{"10.0.0.7:8000", "10.0.0.7:8000", AF_INET},
		{"0.0.0.0:1", "0.0.0.0:1", AF_INET},
		{"255.255.255.255:65535", "255.255.255.255:65535", AF_INET},
		{"[fd00::7]:8000", "[fd00::7]:8000", AF_INET6},
		{"[FD00:0:0::7]:80", "[fd00::7]:80", AF_INET6},
		{"[::]:80", "[::]:80", AF_INET6},
		{"[::ffff:10.0.0.7]:80", "10.0.0.7:80", AF_INET}, /* one key for one machine */
		{"[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
		 "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", AF_INET6},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_endpoint endpoint;
		struct sl_endpoint back;
		struct sockaddr_storage address;
		struct sl_error error;
		char text[SL_ADDRESS_TEXT_SIZE];
		socklen_t len;

		memset(&endpoint, 0xee, sizeof(endpoint));
		assert_int_equal(sl_address_parse(cases[i].text, &endpoint, &error), 0);
		assert_string_equal(sl_address_format(&endpoint, text), cases[i].printed);
		assert_int_equal(endpoint.proto, IPPROTO_TCP);
		assert_int_equal(endpoint.pad, 0);
		len = sl_address_to_sockaddr(&endpoint, &address);
		assert_int_equal(address.ss_family, cases[i].family);
		assert_int_equal(sl_address_from_sockaddr((struct sockaddr *)&address, len, &back),
				 0);
		assert_memory_equal(&back, &endpoint, sizeof(back));
		assert_true(sl_address_equal(&back, &endpoint));
		assert_int_equal(
			sl_address_from_sockaddr((struct sockaddr *)&address, len - 1, &back),
			-EINVAL);
	}
}

static void bad_ones_say_why(void **state)
{
	static const struct {
		const char *text;
		const char *why;
	} cases[] = {
		{"", "has no port"},
		{"10.0.0.7", "has no port"},
		{"[fd00::7]", "has no port"},
		{"[fd00::7", "no closing ]"},
		{"fd00::7:8000", "needs brackets"},
		{"10.0.0.7:", "no valid port"},
		{"10.0.0.7:0", "no valid port"},
		{"10.0.0.7:65536", "no valid port"},
		{"10.0.0.7:000080", "no valid port"},
		{"10.0.0.7:80x", "no valid port"},
		{"10.0.0:80", "no valid IPv4"},
		{"10.0.0.256:80", "no valid IPv4"},
		{"010.0.0.1:80", "no valid IPv4"},
		{" 10.0.0.1:80", "no valid IPv4"},
		{":80", "no valid IPv4"},
		{"[10.0.0.1]:80", "no valid IPv6"},
		{"[fe80::1%eth0]:80", "no valid IPv6"},
		{"[::1::2]:80", "no valid IPv6"},
		{"gpu7.example.com:8000", "is a name; sluice takes numeric addresses only"},
		{"http://10.0.0.7:80", "needs brackets"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct sl_endpoint endpoint = {.port = 7};
		struct sl_error error = {""};

		assert_int_equal(sl_address_parse(cases[i].text, &endpoint, &error), -EINVAL);
		if (strstr(error.text, cases[i].why) == NULL)
			fail_msg("\"%s\": %s", cases[i].text, error.text);
		assert_int_equal(endpoint.port, 7); /* untouched */
	}
}

static void hosts_and_questions(void **state)
{
	struct sockaddr local = {.sa_family = AF_UNIX};
	struct sl_endpoint endpoint;
	struct sl_addr addr;
	char text[SL_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(sl_address_parse_host("10.1.2.3", &addr, NULL), 0);
	assert_true(sl_address_is_v4(&addr));
	assert_false(sl_address_is_any(&addr));
	assert_string_equal(sl_address_format_host(&addr, text), "10.1.2.3");
	assert_int_equal(sl_address_parse_host("::", &addr, NULL), 0);
	assert_false(sl_address_is_v4(&addr));
	assert_true(sl_address_is_any(&addr));
	assert_int_equal(sl_address_parse_host("0.0.0.0", &addr, NULL), 0);
	assert_true(sl_address_is_any(&addr));
	assert_int_equal(sl_address_parse_host("10.1.2.3:4", &addr, NULL), -EINVAL);
	assert_int_equal(sl_address_from_sockaddr(&local, sizeof(local), &endpoint), -EAFNOSUPPORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_print_back),
		cmocka_unit_test(bad_ones_say_why),
		cmocka_unit_test(hosts_and_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
