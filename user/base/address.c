/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "user/base/text.h"

#define PORT_MAX   65535u
#define FORMS	   "10.0.0.7:8000 or [fd00::7]:8000"
#define HOST_FORMS "10.0.0.7 or fd00::7"

static void map_v4(const struct in_addr *v4, struct sl_addr *ret_addr)
{
	ret_addr->w[0] = 0;
	ret_addr->w[1] = 0;
	ret_addr->w[2] = htonl(0xffffu);
	ret_addr->w[3] = v4->s_addr;
}

/* Does it look like someone's host name (for a message that says so)? */
static bool is_name(struct sl_span host)
{
	for (size_t i = 0; i < host.len; i++) {
		char byte = (char)(host.data[i] | 0x20);

		if (byte >= 'a' && byte <= 'z')
			return sl_span_find(host, ':') == host.len;
	}
	return false;
}

static int parse_host(struct sl_span host, bool v6, struct sl_addr *ret_addr)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6_addr;
	struct in_addr v4_addr;

	if (host.len == 0 || host.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, host.data, host.len);
	text[host.len] = '\0';
	if (v6) {
		if (inet_pton(AF_INET6, text, &v6_addr) != 1)
			return -EINVAL;
		memcpy(ret_addr, &v6_addr, sizeof(*ret_addr));
		return 0;
	}
	if (inet_pton(AF_INET, text, &v4_addr) != 1)
		return -EINVAL;
	map_v4(&v4_addr, ret_addr);
	return 0;
}

int sl_address_parse_host(const char *text, struct sl_addr *ret_addr, struct sl_error *error)
{
	struct sl_span host = sl_span_string(text);

	if (parse_host(host, sl_span_find(host, ':') < host.len, ret_addr) != 0)
		return sl_error_set(error, -EINVAL,
				    "\"%.80s\" is not a numeric address (expected " HOST_FORMS ")",
				    text);
	return 0;
}

/* Splits "HOST:PORT". Returns NULL, or what is wrong. */
static const char *split(struct sl_span text, struct sl_span *ret_host, struct sl_span *ret_port,
			 bool *ret_v6)
{
	size_t at;

	if (text.len > 0 && text.data[0] == '[') {
		at = sl_span_find(text, ']');
		if (at == text.len)
			return "has no closing ]";
		if (at + 1 == text.len || text.data[at + 1] != ':')
			return "has no port";
		*ret_host = sl_span_make(text.data + 1, at - 1);
		*ret_port = sl_span_make(text.data + at + 2, text.len - at - 2);
		*ret_v6 = true;
		return NULL;
	}
	at = sl_span_find(text, ':');
	if (at == text.len)
		return "has no port";
	*ret_host = sl_span_make(text.data, at);
	*ret_port = sl_span_make(text.data + at + 1, text.len - at - 1);
	*ret_v6 = false;
	if (sl_span_find(*ret_port, ':') < ret_port->len)
		return "needs brackets around its IPv6 address";
	return NULL;
}

int sl_address_parse(const char *text, struct sl_endpoint *ret_endpoint, struct sl_error *error)
{
	struct sl_endpoint endpoint = {.proto = IPPROTO_TCP};
	struct sl_span host;
	struct sl_span port_text;
	uint64_t port;
	bool v6;
	const char *wrong = split(sl_span_string(text), &host, &port_text, &v6);

	if (wrong != NULL)
		return sl_error_set(error, -EINVAL, "\"%.80s\" %s (expected " FORMS ")", text,
				    wrong);
	if (parse_host(host, v6, &endpoint.addr) != 0) {
		if (is_name(host))
			return sl_error_set(error, -EINVAL,
					    "\"%.80s\" is a name; sluice takes numeric addresses "
					    "only (expected " FORMS "; try: getent hosts %.*s)",
					    text, (int)(host.len < 80 ? host.len : 80), host.data);
		return sl_error_set(error, -EINVAL,
				    "\"%.80s\" has no valid %s address (expected " FORMS ")", text,
				    v6 ? "IPv6" : "IPv4");
	}
	if (sl_span_u64(port_text, &port) != 0 || port == 0 || port > PORT_MAX || port_text.len > 5)
		return sl_error_set(error, -EINVAL,
				    "\"%.80s\" has no valid port (expected 1 to 65535)", text);
	endpoint.port = htons((uint16_t)port);
	*ret_endpoint = endpoint;
	return 0;
}

const char *sl_address_format_host(const struct sl_addr *addr, char out[SL_ADDRESS_TEXT_SIZE])
{
	if (sl_address_is_v4(addr))
		inet_ntop(AF_INET, &addr->w[3], out, SL_ADDRESS_TEXT_SIZE);
	else
		inet_ntop(AF_INET6, addr, out, SL_ADDRESS_TEXT_SIZE);
	return out;
}

const char *sl_address_format(const struct sl_endpoint *endpoint, char out[SL_ADDRESS_TEXT_SIZE])
{
	char host[SL_ADDRESS_TEXT_SIZE];
	bool v4 = sl_address_is_v4(&endpoint->addr);
	struct sl_text text;

	sl_address_format_host(&endpoint->addr, host);
	sl_text_init_fixed(&text, out, SL_ADDRESS_TEXT_SIZE);
	sl_text_append_string(&text, v4 ? "" : "[");
	sl_text_append_string(&text, host);
	sl_text_append_string(&text, v4 ? ":" : "]:");
	sl_text_append_u64(&text, sl_address_port(endpoint));
	return out;
}

bool sl_address_is_v4(const struct sl_addr *addr)
{
	return addr->w[0] == 0 && addr->w[1] == 0 && addr->w[2] == htonl(0xffffu);
}

bool sl_address_is_any(const struct sl_addr *addr)
{
	return addr->w[3] == 0 && addr->w[0] == 0 && addr->w[1] == 0 &&
	       (addr->w[2] == 0 || addr->w[2] == htonl(0xffffu));
}

bool sl_address_is_loopback(const struct sl_addr *addr)
{
	static const uint8_t one[16] = {[15] = 1};
	const uint8_t *bytes = (const uint8_t *)addr->w;

	return sl_address_is_v4(addr) ? bytes[12] == 127 : !memcmp(bytes, one, sizeof(one));
}

bool sl_address_equal(const struct sl_endpoint *a, const struct sl_endpoint *b)
{
	return memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0 && a->port == b->port &&
	       a->proto == b->proto;
}

uint16_t sl_address_port(const struct sl_endpoint *endpoint)
{
	return ntohs(endpoint->port);
}

socklen_t sl_address_to_sockaddr(const struct sl_endpoint *endpoint,
				 struct sockaddr_storage *ret_address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = endpoint->port};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = endpoint->port};

	memset(ret_address, 0, sizeof(*ret_address));
	if (sl_address_is_v4(&endpoint->addr)) {
		v4.sin_addr.s_addr = endpoint->addr.w[3];
		memcpy(ret_address, &v4, sizeof(v4));
		return sizeof(v4);
	}
	memcpy(&v6.sin6_addr, &endpoint->addr, sizeof(v6.sin6_addr));
	memcpy(ret_address, &v6, sizeof(v6));
	return sizeof(v6);
}

int sl_address_from_sockaddr(const struct sockaddr *address, socklen_t len,
			     struct sl_endpoint *ret_endpoint)
{
	struct sl_endpoint endpoint = {.proto = IPPROTO_TCP};
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;

	if (len < sizeof(sa_family_t))
		return -EINVAL;
	if (address->sa_family == AF_INET) {
		if (len < sizeof(v4))
			return -EINVAL;
		memcpy(&v4, address, sizeof(v4));
		map_v4(&v4.sin_addr, &endpoint.addr);
		endpoint.port = v4.sin_port;
	} else if (address->sa_family == AF_INET6) {
		if (len < sizeof(v6))
			return -EINVAL;
		memcpy(&v6, address, sizeof(v6));
		memcpy(&endpoint.addr, &v6.sin6_addr, sizeof(endpoint.addr));
		endpoint.port = v6.sin6_port;
	} else {
		return -EAFNOSUPPORT;
	}
	*ret_endpoint = endpoint;
	return 0;
}

/* FNV-1a, over the NUL too. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
	do
		hash = (hash ^ (unsigned char)*text) * 1099511628211ull;
	while (*text++);
	return hash;
}

void sl_address_from_name(const char *pool, const char *name, uint16_t port,
			  struct sl_endpoint *ret_endpoint)
{
	uint64_t hash = hash_text(hash_text(14695981039346656037ull, pool), name);

	*ret_endpoint = (struct sl_endpoint){.port = htons(port), .proto = IPPROTO_TCP};
	ret_endpoint->addr.w[0] = htonl(0x01000000u);
	ret_endpoint->addr.w[2] = htonl((uint32_t)(hash >> 32));
	ret_endpoint->addr.w[3] = htonl((uint32_t)hash);
}

bool sl_address_is_name(const struct sl_addr *addr)
{
	return addr->w[0] == htonl(0x01000000u) && addr->w[1] == 0;
}
