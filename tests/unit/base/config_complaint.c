/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the configuration reader says of faults: every complaint with its place, golden output, and
 * no value of the environment in it.
 */
#include "user/base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "tests/unit/base/config_line.h"
#include "tests/unit/guard.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct complaint {
	const char *text;
	const char *place; /* "LINE:COLUMN: " or "" for the whole file */
	const char *said;
};

static const struct complaint complaints[] = {
	/* keys */
	{POOLS ROUTES "lisen: 1.2.3.4:80\n",
	 "3:1: ", "lisen: unknown key (did you mean \"listen\"?)"},
	{POOLS ROUTES "limits: {bdoy: 1k}\n",
	 "3:10: ", "limits.bdoy: unknown key (did you mean \"body\"?)"},
	{POOLS ROUTES "zzzzzzzz: 1\n",
	 "3:1: ", "zzzzzzzz: unknown key; known here: profile, listen, "},
	{POOLS ROUTES "Threads: 1\n", "3:1: ", "Threads: unknown key (did you mean \"threads\"?)"},
	{POOLS ROUTES "threads: 1\nthreads: 2\n", "4:1: ",
	 "threads: the key is here twice (first in "
	 "line 3)"},
	{"pools: {p: {nodes: [10.0.0.7:80], nodes: [10.0.0.8:80]}}\n" ROUTES,
	 "1:35: ", "nodes: the key is here twice"},
	/* scalars */
	{POOLS ROUTES "threads: many\n",
	 "3:10: ", "threads: \"many\" is not a number (expected 0 to"},
	{POOLS ROUTES "threads: -1\n", "3:10: ", "threads: \"-1\" is not a number"},
	{POOLS ROUTES "threads: 257\n",
	 "3:10: ", "threads: \"257\" is too large (expected 0 to 256)"},
	{POOLS ROUTES "threads: 99999999999999999999\n", "3:10: ", "is too large"},
	{POOLS ROUTES "threads: [1]\n", "3:10: ", "threads: a list here (expected 0 to 256)"},
	{POOLS ROUTES "io: uring\n",
	 "3:5: ", "io: \"uring\" is not known here (expected auto, io_uring or epoll)"},
	{POOLS ROUTES "limits: {body: 4x}\n",
	 "3:16: ", "limits.body: \"4x\" is not a size (expected 1KiB to 1GiB"},
	{POOLS ROUTES "limits: {body: 2g}\n", "3:16: ", "is too large"},
	{POOLS ROUTES "limits: 7\n", "3:9: ", "limits: a scalar here (expected a map)"},
	{POOLS ROUTES "timeouts:\n  header: 1.5s\n",
	 "4:11: ", "timeouts.header: \"1.5s\" is not a duration (expected 10ms to 1h, like"},
	{POOLS ROUTES "timeouts: {header: 10500us}\n", "3:20: ", "finer than a millisecond"},
	{POOLS ROUTES "timeouts: {header: 9ms}\n", "3:20: ", "is too small"},
	{POOLS ROUTES "admin_socket: run/x\n", "3:15: ", "\"run/x\" is not absolute"},
	{POOLS ROUTES
	 "admin_socket: /a/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
	 "3:15: ", "is too long (at most 107 bytes)"},
	{POOLS ROUTES "listen: 8080\n", "3:9: ", "listen: \"8080\" has no port"},
	{POOLS ROUTES "listen: [1.2.3.4:80, 1.2.3.4:80]\n", "3:22: ", "is here twice"},
	{"pools: {p: {nodes: ['https://a.b/v1']}}\n" ROUTES, "1:22: ",
	 "pools.p.nodes[0]: \"https://a.b/v1\" has a path, which belongs into the pool's key"},
	{"pools: {p: {nodes: ['https://a.b:70000']}}\n" ROUTES, "1:22: ", "has no port between 1"},
	{"pools: {p: {nodes: ['https://']}}\n" ROUTES, "1:22: ", "has no valid name"},
	{"pools: {p: {nodes: ['https://a_b!']}}\n" ROUTES, "1:22: ", "has no valid name"},
	{"pools: {p: {nodes: ['https://0.0.0.0:443']}}\n" ROUTES, "1:22: ", "is every address"},
	{"pools: {p: {nodes: ['https://a', 'http://A:443']}}\n" ROUTES,
	 "1:35: ", "node http://A:443 is already in pool \"p\""},
	{"pools: {p: {nodes: ['http://a'], ca: /ca}}\n" ROUTES,
	 "1:9: ", "pools.p.ca: none of its nodes is reached by TLS"},
	{"pools: {p: {nodes: ['http://a'], server_name: a}}\n" ROUTES,
	 "1:9: ", "pools.p.server_name: none of its nodes is reached by TLS"},
	{"pools:\n  p:\n    nodes: ['http://a']\n    api_key: 'sk one'\n" ROUTES,
	 "4:15: ", "pools.p.api_key: the value is no key"},
	{"pools: {p: {nodes: ['http://a']}}\n" ROUTES
	 "services: [{address: '10.0.0.1:80', lane: fast, pool: p}]\n",
	 "3:23: ",
	 "the fast lane cannot lead to node http://a of pool \"p\", line 1, which has a name"},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', a: b}\n",
	 "3:33: ", "listen[0].a: unknown key"},
	{POOLS ROUTES "listen: {tls: {key: /k, certificate: /c}}\n",
	 "3:9: ", "listen[0]: needs the key \"address\""},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', tls: {certificate: /c}}\n",
	 "3:38: ", "listen[0].tls: needs the key \"key\""},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', tls: {certificate: c, key: /k}}\n",
	 "3:52: ", "listen[0].tls.certificate: \"c\" is not absolute"},
	{POOLS ROUTES "listen: {address: '1.2.3.4:80', tls: {certificate: /c, key: [/k, /l]}}\n",
	 "3:38: ", "listen[0]: 1 certificates and 2 keys"},
	{POOLS ROUTES
	 "listen: {address: '1.2.3.4:80', tls: {certificate: /c, key: /k, client: optional}}\n",
	 "3:38: ", "there is no \"client_ca\" to check them"},
	{POOLS ROUTES "listen: [1.2.3.4:80, {address: '1.2.3.4:80'}]\n",
	 "3:22: ", "\"1.2.3.4:80\" is here twice"},
	{POOLS ROUTES "listen: [[1.2.3.4:80]]\n", "3:10: ", "listen: a list here"},
	/* kernel */
	{POOLS ROUTES "kernel: {nat_ports: 70-90}\n", "3:21: ", "\"70-90\" leaves the range"},
	{POOLS ROUTES "kernel: {nat_ports: 6000}\n", "3:21: ", "is not a range of ports"},
	{POOLS ROUTES "kernel: {nat_ports: 65000-61000}\n", "3:21: ", "ends before it starts"},
	{POOLS ROUTES "kernel: {nat_ports: 61000-61010}\n", "3:21: ", "holds too few ports"},
	{POOLS ROUTES "kernel: {nat_ports: 61000-65536}\n", "3:21: ", "leaves the range"},
	{POOLS ROUTES "kernel: {devices: [eth0, eth0]}\n", "3:26: ", "\"eth0\" is here twice"},
	{POOLS ROUTES "kernel: {devices: a/b}\n", "3:19: ", "no name may have"},
	{POOLS ROUTES "kernel: {devices: abcdefghijklmnop}\n", "3:19: ", "is too long"},
	{POOLS ROUTES "kernel: {seed: abc}\n", "3:16: ", "is not a number (expected a number)"},
	/* tunables */
	{POOLS ROUTES "tunables: {breaker.open: 3}\n",
	 "3:12: ", "tunables.breaker.open: unknown tunable (did you mean \"breaker.open_ms\"?)"},
	{POOLS ROUTES "tunables: {breaker.open_ms: 5}\n",
	 "3:29: ", "\"5\" is out of place (expected 10 to 600000, unit: ms)"},
	{POOLS ROUTES "tunables: {breaker.open_ms: 5m}\n",
	 "3:1: ", "tunables: breaker.open_ms 300000 is over breaker.open_max_ms 120000"},
	{"pools: {p: {nodes: [10.0.0.7:80], tunables: {breaker.open_max_ms: 20}}}\n" ROUTES,
	 "1:35: ", "pools.p.tunables: breaker.open_ms 5000 is over breaker.open_max_ms 20"},
	{POOLS ROUTES "tunables: {fast_lane.enabled: maybe}\n", "3:31: ", "unit: bool"},
	/* pools */
	{"pools: {\"a b\": {nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:10: ", "the pool's name has a character that no name may have"},
	{"pools: {p: {nodes: []}}\n" ROUTES, "1:20: ", "pools.p.nodes: no node at all"},
	{"pools: {p: {model: x}}\n" ROUTES, "1:12: ", "pools.p: needs the key \"nodes\""},
	{"pools:\n  p:\n" ROUTES, "", "pools.p: needs the key \"nodes\""},
	{"pools: {p: {model: \"a b\", nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:21: ", "pools.p.model: \"a b\" has a character"},
	{"pools: {p: {adapters: [m, n], nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:9: ", "pools.p.adapters: \"n\" is the model of no route with this pool"},
	{"pools: {p: {nodes: [10.0.0.7:80]}, q: {adapters: m, nodes: [10.0.0.8:80]}}\n" ROUTES, "",
	 "pools.q.adapters: \"m\" is the model of no route with this pool"},
	{"pools: {p: {adapters: [\"a b\"], nodes: [10.0.0.7:80]}}\n" ROUTES, "",
	 "letters, digits and . _ - : / @ +"},
	{"pools: {p: {nodes: [gpu7:8000]}}\n" ROUTES, "1:21: ",
	 "pools.p.nodes[0]: \"gpu7:8000\" is a name; sluice takes numeric addresses only"},
	{"pools: {p: {nodes: [0.0.0.0:80]}}\n" ROUTES, "1:21: ", "is every address, not one"},
	{"pools: {p: {nodes: [{weight: 2}]}}\n" ROUTES,
	 "1:21: ", "pools.p.nodes[0]: needs the key \"address\""},
	{"pools: {p: {nodes: [{address: 10.0.0.7:80, weight: 0}]}}\n" ROUTES,
	 "1:52: ", "pools.p.nodes[0].weight: \"0\" is too small (expected 1 to 1000)"},
	{"pools:\n  p:\n    nodes:\n      - 10.0.0.7:80\n      - '[::ffff:10.0.0.7]:80'\n" ROUTES,
	 "5:10: ", "pool \"p\": node [::ffff:10.0.0.7]:80 is already in pool \"p\", line 4"},
	{"pools: {p: {nodes: [10.0.0.7:80]}, q: {nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:48: ", "pool \"q\": node 10.0.0.7:80 is already in pool \"p\", line 1"},
	{"pools:\n  p:\n    nodes:\n      - {address: '10.0.0.7:80', zone: a, region: n}\n"
	 "      - {address: '10.0.0.8:80', zone: a, region: s}\n" ROUTES,
	 "5:20: ", "zone \"a\" is in region \"s\" here and in region \"n\" in line 4"},
	{"zone: a\nregion: n\n"
	 "pools: {p: {nodes: [{address: '10.0.0.7:80', zone: a, region: s}]}}\n" ROUTES,
	 "3:32: ", "zone \"a\" is in region \"s\" here, and in region \"n\" for this host"},
	{"pools: {p: {zone_spill: 5, nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "1:", "pools.p.zone_spill: this host is in no zone"},
	{"zone: a\npools: {p: {region_spill: 5, nodes: [10.0.0.7:80]}}\n" ROUTES,
	 "2:", "pools.p.region_spill: this host is in no region"},
	{"pools: {p: {nodes: [10.0.0.7:80, 10.0.0.8:80, 10.0.0.8:80]}}\n" ROUTES,
	 "1:47: ", "node 10.0.0.8:80 is already in pool \"p\", line 1"},
	/* services */
	{POOLS "services: [{address: 10.0.0.1:80, lane: fast, pool: q}]\n",
	 "2:53: ", "services[0].pool: no pool \"q\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: fast}]\n",
	 "2:22: ", "needs the key \"pool\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: fast, pool: ~}]\n",
	 "2:22: ", "needs the key \"pool\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: smart, pool: p}]\n",
	 "2:48: ", "services[0].pool: the smart lane leads to the daemon"},
	{POOLS "services: [{address: 10.0.0.1:80}]\n",
	 "2:12: ", "services[0]: needs the key \"lane\""},
	{POOLS "services: [{address: 10.0.0.1:80, lane: quick}]\n",
	 "2:41: ", "services[0].lane: \"quick\" is not known here (expected smart or fast)"},
	{POOLS
	 "services: [{address: 10.0.0.1:80, lane: smart}, {address: 10.0.0.1:80, lane: smart}]",
	 "2:59: ", "service 10.0.0.1:80 is already in line 2"},
	{POOLS "services: [{address: 10.0.0.7:80, lane: smart}]\n",
	 "2:22: ", "10.0.0.7:80 is a node and a service (see line 1)"},
	{"pools: {p: {nodes: ['[fd00::7]:80']}}\n"
	 "services: [{address: 10.0.0.1:80, lane: fast, pool: p}]\n",
	 "2:22: ", "the fast lane cannot lead to node [fd00::7]:80 of pool \"p\", line 1"},
	{POOLS "services: [{address: '[fd00::1]:80', lane: fast, pool: p}]\n",
	 "2:23: ", "use the smart lane, or a pool of IPv6 nodes"},
	{POOLS "services: {a: b}\n",
	 "2:11: ", "services: a map here (expected a list of services)"},
	/* routes */
	{POOLS "routes: [{model: m, pools: [p, nope]}]\n",
	 "2:32: ", "routes[0].pools: no pool \"nope\""},
	{POOLS "routes: [{model: m, pools: [p, p]}]\n", "2:32: ", "\"p\" is here twice"},
	{POOLS "routes: [{model: m, pools: p, fallbacks: {ttft: q}}]\n",
	 "2:49: ", "routes[0].fallbacks.ttft: "},
	{POOLS "routes: [{model: m, pools: p, fallbacks: {quota: p}}]\n",
	 "2:18: ", "routes[0].fallbacks: model \"m\": pool \"p\" is the route's first pool"},
	{POOLS "routes: [{model: m, pools: p, fallbacks: {error: p}}]\n", "2:43: ",
	 "unknown key; known here: ttft, total, context_length, content_policy, quota, "
	 "breaker_open"},
	{POOLS "routes: [{model: m, pools: []}]\n", "2:28: ", "no pool at all"},
	{POOLS "routes: [{pools: p}]\n", "2:10: ", "routes[0]: needs the key \"model\""},
	{POOLS "routes:\n  - {model: m, pools: p}\n  - {model: m, pools: p}\n",
	 "4:13: ", "routes[1].model: model \"m\" already has a route in line 3"},
	{POOLS "routes: [{model: m, pools: p, backoff: 2s}]\n",
	 "2:18: ", "backoff 2000ms is over backoff_max 1000ms"},
	{POOLS "routes: [{model: m, pools: p, attempts: 0}]\n",
	 "2:41: ", "attempts: \"0\" is too small"},
	{POOLS "routes: [{model: m, pools: p, timeouts: {tft: 1s}}]\n",
	 "2:42: ", "routes[0].timeouts.tft: unknown key (did you mean \"ttft\"?)"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{load: 9, model: nope}]}}]\n", "",
	 "routes[0].degrade.rules[0].model: no pool \"nope\""},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{load: 9, classes: [x]}]}}]\n", "",
	 "classes: \"x\" is not known here (expected batch, standard, interactive or critical)"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{classes: [batch, critcal]}]}}]\n",
	 "", "classes: \"critcal\" is not known here (did you mean \"critical\"?) (expected batch"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{max_tokens: 9}]}}]\n", "",
	 "degrade.rules[0]: nothing would ever bring it into force"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{wait: 1s}]}}]\n", "",
	 "degrade.rules[0]: it saves nothing"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: [{load: 9, model: p}]}}]\n", "",
	 "\"p\" is the pool that is asked first anyway"},
	{POOLS "routes: [{model: m, pools: p, degrade: {rules: {load: 9}}}]\n", "",
	 "rules: a map here (expected a list of up to 8 rules)"},
	{POOLS "routes: [{model: m, pools: p, degrade: {tools: {t: {}}}}]\n", "",
	 "degrade.tools.t: needs the key \"pool\""},
	{POOLS "routes: [{model: m, pools: p, degrade: {tools: {\"t t\": {pool: p}}}}]\n", "",
	 "the name "},
	{POOLS "routes: [{model: m, pools: p, sampling: {temperature: 2.5}}]\n", "2:",
	 "route \"m\": sampling.temperature: \"2.5\" is not right (expected a number from 0 to 2)"},
	{POOLS "routes: [{model: m, pools: p, sampling: {seed: 1.0}}]\n", "2:",
	 "sampling.seed: \"1.0\" is not right (expected an integer from 0 to 9007199254740991)"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: 01}}]\n",
	 "2:", "sampling.top_p: \"01\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: .5}}]\n",
	 "2:", "sampling.top_p: \".5\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: 1.}}]\n",
	 "2:", "sampling.top_p: \"1.\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: \"\"}}]\n",
	 "2:", "sampling.top_p: \"\" is not right"},
	{POOLS "routes: [{model: m, pools: p, sampling: {top_p: 0.5, mode: force}}]\n",
	 "2:", "mode: \"force\" is not known here (expected pin, default or refuse)"},
	{POOLS "routes: [7]\n", "2:10: ", "routes[0]: a scalar here (expected a map)"},
	{"routes: [{model: m, pools: p}]\n", "1:28: ", "no pool \"p\" (the file has no pools)"},
	{POOLS, "", "nothing to do: at least one entry under \"routes\" or \"services\""},
	{"", "", "nothing to do"},
	{"# nothing\n", "", "nothing to do"},
	{"just words\n", "1:1: ", "a scalar here (expected a map of keys)"},
	{"- a\n", "1:1: ", "a list here (expected a map of keys)"},
	/* YAML */
	{POOLS "routes: [{model: m\n", "3:1: ", "not YAML: "},
	{POOLS "routes: \"m\n", "2:10: ", "not YAML: "},
	{"a: 1\n b: 2\n", "1:4: ", "not YAML: "},
	{"\tpools: 1\n", "1:1: ", "not YAML: "},
	{POOLS ROUTES "---\nthreads: 1\n", "3:1: ", "a second document (---) starts here"},
	{POOLS ROUTES "threads: *t\n", "3:11: ", "*t: no anchor &t before this line"},
	{POOLS ROUTES "threads: !!int 3\n", "", "tags (!...) have no meaning here"},
	{POOLS ROUTES "? [a]\n: b\n", "3:3: ", "a key cannot be a list"},
	{POOLS ROUTES "<<: 3\n", "3:1: ", "<<: cannot merge a scalar"},
	{POOLS ROUTES "x: \x01\n", "3:4: ", "byte 0x01 is not text (expected UTF-8)"},
	{POOLS ROUTES "x: \xff\n", "3:4: ", "byte 0xff is not text"},
	{POOLS ROUTES "admin_socket: \"/a\\0b\"\n", "3:16: ", "control character 0x00 in a value"},
	{POOLS ROUTES "a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]\n",
	 "3:19: ", "nested deeper than 16"},
	/* environment */
	{POOLS ROUTES "listen: ${SLUICE_TEST_UNSET}\n",
	 "3:9: ", "${SLUICE_TEST_UNSET} is not set in the environment"},
	{POOLS ROUTES "listen: ${7}\n", "3:9: ", "\"${\" starts no variable"},
	{POOLS ROUTES "listen: \"${A\"\n", "3:10: ", "\"${\" starts no variable"},
};

static void every_complaint_has_its_place(void **state)
{
	char expected[64];
	unsigned wrong = 0;

	(void)state;
	unsetenv("SLUICE_TEST_UNSET");
	for (size_t i = 0; i < COUNT(complaints); i++) {
		const struct complaint *c = &complaints[i];
		size_t len = strlen(c->text);
		char *text = sl_guard_copy(c->text, len);
		struct sl_config *config = NULL;
		char *errors = NULL;
		int rc = sl_config_parse("t.yaml", text, len, &config, &errors);

		snprintf(expected, sizeof(expected), "t.yaml:%s", c->place);
		if (rc != -EINVAL || config != NULL || errors == NULL ||
		    strncmp(errors, expected, strlen(expected)) != 0 ||
		    strstr(errors, "error: ") == NULL || strstr(errors, c->said) == NULL) {
			print_error("case %zu: %d\n%s--\n%s--\nexpected %s%s\n", i, rc, c->text,
				    errors != NULL ? errors : "(null)\n", expected, c->said);
			wrong++;
		}
		free(errors);
		sl_guard_free(text, len);
	}
	assert_int_equal(wrong, 0);
}

static void output_is_golden(void **state)
{
	static const char text[] = "x:\ttrue # \xc3\xa9\nlimits: {\tbody:\t4x}\n";
	static const char several[] = "listen: [0.0.0.0:8080]\n"
				      "pools:\n"
				      "  chat: {nodes: [10.0.0.7:8000]}\n"
				      "routes:\n"
				      "  - {model: größe, pools: [caht]} # é\n"
				      "limits: {body: 4x}\n";
	static const char expected[] =
		"t.yaml:5:13: error: routes[0].model: \"größe\" has a character that no name may "
		"have (expected up to 127 letters, digits and . _ - : / @ +)\n"
		"    5 |   - {model: größe, pools: [caht]} # é\n"
		"      |             ^\n"
		"t.yaml:5:28: error: routes[0].pools: no pool \"caht\" (did you mean \"chat\"?)\n"
		"    5 |   - {model: größe, pools: [caht]} # é\n"
		"      |                            ^\n"
		"t.yaml:6:16: error: limits.body: \"4x\" is not a size (expected 1KiB to 1GiB, "
		"like "
		"64KiB or 4MiB)\n"
		"    6 | limits: {body: 4x}\n"
		"      |                ^\n";
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	assert_int_equal(sl_config_parse("t.yaml", several, strlen(several), &config, &errors),
			 -EINVAL);
	assert_string_equal(errors, expected);
	free(errors);
	assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors), -EINVAL);
	/* A tab is as wide below as above. */
	assert_non_null(strstr(errors, "\n    2 | limits: {\tbody:\t4x}\n"
				       "      |          \t     \t^\n"));
	free(errors);
}

static void long_lines_are_cut_around_the_caret(void **state)
{
	char text[2000] = "threads: 1 #";
	struct sl_config *config = NULL;
	char *errors = NULL;

	(void)state;
	strcpy(text, "limits: {");
	for (unsigned i = 0; i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "key%u: 1, ", i);
	strcat(text, "}\n");
	assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors), -EINVAL);
	for (char *line = strtok(errors, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		char *next = line + strlen(line) + 1;

		if (strstr(line, "| ...") == NULL)
			continue;
		assert_true(strlen(line) < 130);
		/* The caret stands below the key. */
		assert_int_equal(strncmp(line + (strchr(next, '^') - next), "key", 3), 0);
	}
	free(errors);
}

static void secrets_of_the_environment_are_not_shown(void **state)
{
	static const char *const lines[] = {
		"listen: ${SLUICE_TEST_SECRET}\n",
		"threads: ${SLUICE_TEST_SECRET}\n",
		"io: ${SLUICE_TEST_SECRET}\n",
		"admin_socket: ${SLUICE_TEST_SECRET}\n",
		"timeouts: {idle: '${SLUICE_TEST_SECRET}'}\n",
		"kernel: {devices: ['${SLUICE_TEST_SECRET}']}\n",
		"tunables: {breaker.open_ms: '${SLUICE_TEST_SECRET}'}\n",
		"services: [{address: 10.0.0.1:80, lane: fast, pool: '${SLUICE_TEST_SECRET}'}]\n",
		"services: [{address: '${SLUICE_TEST_SECRET}', lane: smart}]\n",
		"kernel: {nat_ports: '${SLUICE_TEST_SECRET}', seed: '${SLUICE_TEST_SECRET}'}\n",
	};
	/* Instead of the routes. */
	static const char *const routes[] = {
		"routes: [{model: '${SLUICE_TEST_SECRET}', pools: p}]\n",
		"routes: [{model: m, pools: '${SLUICE_TEST_SECRET}'}]\n",
	};

	(void)state;
	setenv("SLUICE_TEST_SECRET", "sk hunter2/", 1);
	for (size_t i = 0; i < COUNT(lines) + COUNT(routes); i++) {
		bool line = i < COUNT(lines);
		struct sl_config *config = NULL;
		char *errors = NULL;
		char text[256];

		snprintf(text, sizeof(text), POOLS "%s%s", line ? ROUTES : "",
			 line ? lines[i] : routes[i - COUNT(lines)]);
		assert_int_equal(sl_config_parse("t.yaml", text, strlen(text), &config, &errors),
				 -EINVAL);
		if (strstr(errors, "hunter2") != NULL)
			fail_msg("%s", errors);
		free(errors);
	}
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_complaint_has_its_place),
		cmocka_unit_test(output_is_golden),
		cmocka_unit_test(long_lines_are_cut_around_the_caret),
		cmocka_unit_test(secrets_of_the_environment_are_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
