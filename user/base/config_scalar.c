/* SPDX-License-Identifier: BSD-2-Clause */
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "user/base/address.h"
#include "user/base/config_reader.h"
#include "user/base/unit.h"

#define NAT_PORTS_MIN 256u
#define HEX_DIGITS    32u

static bool read_number(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, uint64_t *ret_value)
{
	const char *what = "is not a number";
	uint64_t value;
	int rc;

	if (key->type == SL_CONFIG_MS) {
		rc = sl_unit_parse_ms(node->text, node->text_len, &value);
		what = rc == -EDOM ? "is finer than a millisecond" : "is not a duration";
	} else if (key->type == SL_CONFIG_BYTES) {
		rc = sl_unit_parse_bytes(node->text, node->text_len, &value);
		what = "is not a size";
	} else {
		rc = sl_span_u64(sl_span_make(node->text, node->text_len), &value);
	}
	if (rc == 0 && value < key->min)
		what = "is too small";
	else if (rc == -ERANGE || (rc == 0 && value > key->max))
		what = "is too large";
	if (rc != 0 || value < key->min || value > key->max) {
		sl_reader_wrong(r, key, node, what);
		return false;
	}
	*ret_value = value;
	return true;
}

static void read_u32(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, uint32_t *target)
{
	uint64_t value;

	if (read_number(r, key, node, &value))
		*target = (uint32_t)value;
}

static void read_choice(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, uint32_t *target)
{
	for (uint32_t i = (uint32_t)key->min; key->choices[i] != NULL; i++) {
		if (strcmp(key->choices[i], node->text) == 0) {
			*target = i;
			return;
		}
	}
	sl_reader_wrong_choice(r, key, node);
}

static void read_path(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node, const char **target)
{
	if (strcmp(node->text, "none") == 0 &&
	    key->offset == offsetof(struct sl_config, admin_socket))
		*target = NULL;
	else if (node->text[0] != '/')
		sl_reader_wrong(r, key, node, "is not absolute");
	else if (node->text_len > key->max)
		SL_COMPLAIN(r, node->mark, SL_SHOWN " is too long (at most %llu bytes)",
			    node->shown, (unsigned long long)key->max);
	else
		*target = node->text;
}

/* Goes into a request line as it is: printable ASCII without a space. */
static void read_target(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, const char **target)
{
	size_t i;

	for (i = 0; i < node->text_len && node->text[i] > ' ' && node->text[i] < 0x7f; i++)
		;
	if (node->text[0] != '/' || i < node->text_len)
		sl_reader_wrong(r, key, node, "is not the path of an URL");
	else if (node->text_len > key->max)
		SL_COMPLAIN(r, node->mark, SL_SHOWN " is too long (at most %llu bytes)",
			    node->shown, (unsigned long long)key->max);
	else
		*target = node->text;
}

static void read_model(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, const char **target)
{
	const char *what = sl_reader_check_name(node->text, node->text_len, key->max, "._-:/@+");

	if (what != NULL)
		SL_COMPLAIN(r, node->mark,
			    SL_SHOWN " %s (expected up to %u letters, digits and . _ - : / @ +)",
			    node->shown, what, SL_CONFIG_MODEL_MAX);
	else
		*target = node->text;
}

static void read_text(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node, const char **target)
{
	if (node->text_len > key->max)
		sl_reader_wrong(r, key, node, "is too long");
	else if (strlen(node->text) != node->text_len)
		sl_reader_wrong(r, key, node, "has a zero byte");
	else
		*target = node->text;
}

static void read_word(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node, const char **target)
{
	const char *what = sl_reader_check_name(node->text, node->text_len, key->max, "");

	if (what != NULL)
		sl_reader_wrong(r, key, node, what);
	else
		*target = node->text;
}

static void read_ports(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node)
{
	struct sl_span last = {node->text, node->text_len};
	struct sl_span first = sl_span_trim(sl_span_cut(&last, '-'));
	uint64_t min;
	uint64_t max;

	last = sl_span_trim(last);
	if (sl_span_u64(first, &min) != 0 || sl_span_u64(last, &max) != 0)
		sl_reader_wrong(r, key, node, "is not a range of ports");
	else if (min < key->min || max > key->max)
		sl_reader_wrong(r, key, node, "leaves the range");
	else if (max < min)
		sl_reader_wrong(r, key, node, "ends before it starts");
	else if (max - min + 1 < NAT_PORTS_MIN)
		sl_reader_wrong(r, key, node, "holds too few ports");
	else {
		r->config->nat_port_min = (uint16_t)min;
		r->config->nat_port_max = (uint16_t)max;
	}
}

bool sl_reader_parse_endpoint(struct sl_config_reader *r, const struct sl_yaml *node,
			      struct sl_endpoint *ret_endpoint)
{
	struct sl_error error;

	if (sl_address_parse(node->text, ret_endpoint, &error) == 0)
		return true;
	if (strcmp(node->text, node->shown) == 0)
		SL_COMPLAIN(r, node->mark, "%s", error.text);
	else
		SL_COMPLAIN(r, node->mark,
			    SL_SHOWN " is no address and port (expected 10.0.0.7:8000 or "
				     "[fd00::7]:8000)",
			    node->shown);
	return false;
}

/* ---- nodes by URL ---- */

static bool is_host(struct sl_span host)
{
	if (host.len == 0 || host.len > SL_CONFIG_HOST_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++)
		if (!isalnum((unsigned char)host.data[i]) && !strchr(".-_", host.data[i]))
			return false;
	return true;
}

/* NAME or NAME:PORT, in lower case. Returns NULL, or what is wrong. */
static const char *take_host(struct sl_config_reader *r, struct sl_span rest, uint64_t port,
			     struct sl_config_node *server)
{
	struct sl_span host = sl_span_cut(&rest, ':');
	char *name;

	if (rest.data && (sl_span_u64(rest, &port) != 0 || port < 1 || port > 65535))
		return "has no port between 1 and 65535";
	if (!is_host(host))
		return "has no valid name";
	name = sl_reader_allocate(r, host.len + 1, 1);
	if (!name)
		return NULL;
	for (size_t i = 0; i < host.len; i++)
		name[i] = (char)tolower((unsigned char)host.data[i]);
	server->host = name;
	server->endpoint.port = htons((uint16_t)port); /* the address is the pool's affair */
	return NULL;
}

/* https://NAME, http://ADDRESS:PORT and the like. */
static void read_node_url(struct sl_config_reader *r, const struct sl_config_key *key,
			  const struct sl_yaml *node, struct sl_config_node *server)
{
	const struct sl_span https = SL_SPAN("https://"), http = SL_SPAN("http://");
	struct sl_span text = {node->text, node->text_len};
	bool tls = sl_span_starts(text, https);
	size_t skip = tls ? https.len : http.len;
	struct sl_span rest = sl_span_make(text.data + skip, text.len - skip);
	char address[SL_CONFIG_HOST_MAX + 8];
	const char *what = NULL;

	if (rest.len && rest.data[rest.len - 1] == '/')
		rest.len--;
	if (sl_span_find(rest, '/') < rest.len)
		what = "has a path, which belongs into the pool's key \"path\"";
	else if (rest.len >= sizeof(address))
		what = "is too long";
	if (!what) {
		memcpy(address, rest.data, rest.len);
		address[rest.len] = '\0';
		if (sl_address_parse(address, &server->endpoint, NULL) != 0)
			what = take_host(r, rest, tls ? 443 : 80, server);
		else if (sl_address_is_any(&server->endpoint.addr))
			what = "is every address, not one";
	}
	if (what) {
		sl_reader_wrong(r, key, node, what);
		return;
	}
	server->tls = tls;
	server->text = node->text;
	server->line = node->mark.line;
	server->column = node->mark.column;
}

static bool is_node_url(const struct sl_config_key *key, const struct sl_yaml *node)
{
	struct sl_span text = {node->text, node->text_len};

	return key->section == SL_CONFIG_NODE && (sl_span_starts(text, SL_SPAN("https://")) ||
						  sl_span_starts(text, SL_SPAN("http://")));
}

/* Whatever is said of the file, this is not shown; nor what the environment put into it. */
static void hide_value(struct sl_config_reader *r, const struct sl_yaml *node)
{
	sl_report_hide(r->report, node->text);
	if (strstr(node->shown, "${") == NULL)
		sl_report_hide(r->report, node->shown);
}

static void read_token(struct sl_config_reader *r, const struct sl_config_key *key,
		       const struct sl_yaml *node, const char **target)
{
	size_t i;

	hide_value(r, node);
	for (i = 0; i < node->text_len && node->text[i] > ' ' && node->text[i] < 0x7f; i++)
		;
	if (!node->text_len || i < node->text_len || node->text_len > key->max)
		SL_COMPLAIN(r, node->mark, "the value is no key (expected 1 to %llu %s)",
			    (unsigned long long)key->max, key->expected);
	else
		*target = node->text;
}

static void read_endpoint(struct sl_config_reader *r, const struct sl_config_key *key,
			  const struct sl_yaml *node, void *target)
{
	struct sl_config_service *service = target;
	struct sl_config_node *server = target;
	struct sl_config_report *own = target;
	struct sl_config_listen *listen = target;
	struct sl_endpoint endpoint;

	if (is_node_url(key, node)) {
		read_node_url(r, key, node, server);
		return;
	}
	if (!sl_reader_parse_endpoint(r, node, &endpoint))
		return;
	if (key->section == SL_CONFIG_LISTEN) {
		listen->endpoint = endpoint;
		listen->text = node->text;
		listen->line = node->mark.line;
		listen->column = node->mark.column;
	} else if (sl_address_is_any(&endpoint.addr)) {
		sl_reader_wrong(r, key, node, "is every address, not one");
	} else if (key->section == SL_CONFIG_NODE) {
		server->endpoint = endpoint;
		server->text = node->text;
		server->line = node->mark.line;
		server->column = node->mark.column;
	} else if (key->section == SL_CONFIG_PAGE) {
		((struct sl_config *)target)->page.listen = endpoint;
	} else if (key->section == SL_CONFIG_BEACON_NODE) {
		own->node = endpoint;
		own->text = node->text;
		own->line = node->mark.line;
		own->column = node->mark.column;
	} else {
		service->endpoint = endpoint;
		service->text = node->text;
		service->line = node->mark.line;
		service->column = node->mark.column;
	}
}

static bool is_graphic(struct sl_span span)
{
	for (size_t i = 0; i < span.len; i++)
		if (!isgraph((unsigned char)span.data[i]))
			return false;
	return true;
}

/* http://ADDRESS:PORT/PATH; the page is the node's own, so neither names nor TLS are needed. */
static void read_url(struct sl_config_reader *r, const struct sl_config_key *key,
		     const struct sl_yaml *node, struct sl_config_report *own)
{
	const struct sl_span scheme = SL_SPAN("http://");
	struct sl_span text = {node->text, node->text_len};
	char host[SL_ADDRESS_TEXT_SIZE];
	struct sl_endpoint endpoint;
	size_t host_len;

	if (text.len > key->max) {
		sl_reader_wrong(r, key, node, "is too long");
		return;
	}
	if (!sl_span_starts(text, scheme) || !is_graphic(text)) {
		sl_reader_wrong(r, key, node, "is no such URL");
		return;
	}
	text = sl_span_make(text.data + scheme.len, text.len - scheme.len);
	host_len = sl_span_find(text, '/');
	if (host_len == text.len || host_len >= sizeof(host)) {
		sl_reader_wrong(r, key, node, "has no path");
		return;
	}
	memcpy(host, text.data, host_len);
	host[host_len] = '\0';
	if (sl_address_parse(host, &endpoint, NULL) != 0 || sl_address_is_any(&endpoint.addr)) {
		sl_reader_wrong(r, key, node, "names no numeric address and port");
		return;
	}
	own->metrics_at = endpoint;
	own->metrics_path = text.data + host_len;
}

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = (char)(byte | 0x20);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Complaints do not repeat the value: it is a secret. */
static void read_secret(struct sl_config_reader *r, const struct sl_config_key *key,
			const struct sl_yaml *node, uint64_t *target)
{
	char expected[SL_CONFIG_EXPECTED_SIZE];
	uint64_t words[2] = {0, 0};
	bool is_hex = node->text_len == HEX_DIGITS;

	hide_value(r, node);
	/* The bytes as written; each word takes its eight lowest first, as SipHash does. */
	for (unsigned i = 0; i < HEX_DIGITS && is_hex; i++) {
		int digit = hex_digit(node->text[i]);
		unsigned shift = i / 2 % 8 * 8 + (i % 2 == 0 ? 4 : 0);

		is_hex = digit >= 0;
		words[i / 16] |= (uint64_t)(digit & 15) << shift;
	}
	sl_config_key_expected(key, expected);
	if (!is_hex)
		SL_COMPLAIN(r, node->mark, "the value is no key (expected %s)", expected);
	else if (words[0] == 0 && words[1] == 0)
		SL_COMPLAIN(r, node->mark, "a key of zeros protects nothing (expected %s)",
			    expected);
	else
		memcpy(target, words, sizeof(words));
}

void sl_reader_scalar(struct sl_config_reader *r, const struct sl_config_key *key,
		      const struct sl_yaml *node, void *target)
{
	void *field = (char *)target + key->offset;
	uint64_t value;

	switch (key->type) {
	case SL_CONFIG_U32:
	case SL_CONFIG_MS:
	case SL_CONFIG_BYTES:
		read_u32(r, key, node, field);
		break;
	case SL_CONFIG_U64:
		if (read_number(r, key, node, &value))
			*(uint64_t *)field = value;
		break;
	case SL_CONFIG_CHOICE:
		read_choice(r, key, node, field);
		break;
	case SL_CONFIG_PATH:
		read_path(r, key, node, field);
		break;
	case SL_CONFIG_TARGET:
		read_target(r, key, node, field);
		break;
	case SL_CONFIG_MODEL:
		read_model(r, key, node, field);
		break;
	case SL_CONFIG_PORTS:
		read_ports(r, key, node);
		break;
	case SL_CONFIG_ENDPOINT:
		read_endpoint(r, key, node, target);
		break;
	case SL_CONFIG_URL:
		read_url(r, key, node, target);
		break;
	case SL_CONFIG_SECRET:
		read_secret(r, key, node, field);
		break;
	case SL_CONFIG_MONEY:
		sl_reader_money(r, key, node, field);
		break;
	case SL_CONFIG_TEXT:
		read_text(r, key, node, field);
		break;
	case SL_CONFIG_WORD:
		read_word(r, key, node, field);
		break;
	case SL_CONFIG_TOKEN:
		read_token(r, key, node, field);
		break;
	default:
		break;
	}
}
