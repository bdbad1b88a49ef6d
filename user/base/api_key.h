/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api_key.h - the form of an API key, and what is stored of it.
 *
 *	sk-sluice-IIIIIIIIII-SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS
 *	          id, 10     secret, 43
 *
 * Both are letters and digits. The id names the key in files, logs and commands and is no secret;
 * the secret holds 256 bits (43 of 62 symbols: 256.03). Stored are a salt of 16 bytes and
 * SHA-256(salt, secret). A slow password hash would add nothing: nobody guesses 256 random bits,
 * and each request would pay for it. Any thread.
 */
#ifndef SL_BASE_API_KEY_H
#define SL_BASE_API_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "user/base/digest.h"

#define SL_API_KEY_PREFIX     "sk-sluice-"
#define SL_API_KEY_PREFIX_LEN 10u
#define SL_API_KEY_ID_LEN     10u
#define SL_API_KEY_SECRET_LEN 43u
#define SL_API_KEY_LEN	      (SL_API_KEY_PREFIX_LEN + SL_API_KEY_ID_LEN + 1u + SL_API_KEY_SECRET_LEN)
#define SL_API_KEY_SALT_BYTES 16u

/* What is kept of a secret. */
struct sl_api_key_hash {
	uint8_t salt[SL_API_KEY_SALT_BYTES];
	uint8_t digest[SL_DIGEST_BYTES];
};

/* Draws a key and its salt from the system. text gets a NUL. 0, or -errno of getrandom(2). */
int sl_api_key_generate(char text[SL_API_KEY_LEN + 1], struct sl_api_key_hash *ret_hash);

/* True when the text has the form of a key. Then its id begins at SL_API_KEY_PREFIX_LEN. */
bool sl_api_key_is_formed(const char *text, size_t len);

/* True for letters and digits, SL_API_KEY_ID_LEN of them. */
bool sl_api_key_is_id(const char *text, size_t len);

/* Whether a formed key has the secret. The time does not depend on what differs. */
bool sl_api_key_matches(const char *text, const struct sl_api_key_hash *hash);

#endif
