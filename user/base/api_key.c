/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/api_key.h"

#include <string.h>

#include "user/base/random.h"

#define SECRET_AT (SL_API_KEY_PREFIX_LEN + SL_API_KEY_ID_LEN + 1u)

static const char symbols[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#define SYMBOL_COUNT (sizeof(symbols) - 1)
#define FAIR_BYTES   (256u / SYMBOL_COUNT * SYMBOL_COUNT) /* bytes above would favour some */

/* Each symbol with the same chance. */
static int draw(char *out, size_t len)
{
	uint8_t bytes[64];
	size_t done = 0;

	while (done < len) {
		int rc = sl_random_secure(bytes, sizeof(bytes));

		if (rc != 0)
			return rc;
		for (size_t i = 0; i < sizeof(bytes) && done < len; i++)
			if (bytes[i] < FAIR_BYTES)
				out[done++] = symbols[bytes[i] % SYMBOL_COUNT];
	}
	explicit_bzero(bytes, sizeof(bytes));
	return 0;
}

static void digest_of(const char *text, const uint8_t *salt, uint8_t out[SL_DIGEST_BYTES])
{
	const struct sl_span parts[] = {{(const char *)salt, SL_API_KEY_SALT_BYTES},
					{text + SECRET_AT, SL_API_KEY_SECRET_LEN}};

	sl_digest_sha256(parts, 2, out);
}

int sl_api_key_generate(char text[SL_API_KEY_LEN + 1], struct sl_api_key_hash *ret_hash)
{
	int rc;

	memcpy(text, SL_API_KEY_PREFIX, SL_API_KEY_PREFIX_LEN);
	text[SECRET_AT - 1] = '-';
	text[SL_API_KEY_LEN] = '\0';
	rc = draw(text + SL_API_KEY_PREFIX_LEN, SL_API_KEY_ID_LEN);
	if (rc == 0)
		rc = draw(text + SECRET_AT, SL_API_KEY_SECRET_LEN);
	if (rc == 0)
		rc = sl_random_secure(ret_hash->salt, sizeof(ret_hash->salt));
	if (rc == 0)
		digest_of(text, ret_hash->salt, ret_hash->digest);
	return rc;
}

static bool all_symbols(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z'))
			return false;
	}
	return true;
}

bool sl_api_key_is_id(const char *text, size_t len)
{
	return len == SL_API_KEY_ID_LEN && all_symbols(text, len);
}

bool sl_api_key_is_formed(const char *text, size_t len)
{
	return len == SL_API_KEY_LEN &&
	       memcmp(text, SL_API_KEY_PREFIX, SL_API_KEY_PREFIX_LEN) == 0 &&
	       all_symbols(text + SL_API_KEY_PREFIX_LEN, SL_API_KEY_ID_LEN) &&
	       text[SECRET_AT - 1] == '-' && all_symbols(text + SECRET_AT, SL_API_KEY_SECRET_LEN);
}

bool sl_api_key_matches(const char *text, const struct sl_api_key_hash *hash)
{
	uint8_t digest[SL_DIGEST_BYTES];

	digest_of(text, hash->salt, digest);
	return sl_digest_equal(digest, hash->digest, sizeof(digest));
}
