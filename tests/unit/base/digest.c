/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 against the vectors of FIPS 180-4's examples, and keys: form, hash, comparison. */
#include "user/base/api_key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define KEYS_DRAWN 200u

static void hex_of(const uint8_t *bytes, size_t count, char *out)
{
	for (size_t i = 0; i < count; i++)
		sprintf(out + 2 * i, "%02x", bytes[i]);
}

static void known_answers(void **state)
{
	static const struct {
		const char *text;
		const char *digest;
	} cases[] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].text);

		for (size_t cut = 0; cut <= len; cut++) {
			struct sl_span parts[] = {{cases[i].text, cut},
						  {cases[i].text + cut, len - cut}};
			uint8_t digest[SL_DIGEST_BYTES];
			char hex[2 * SL_DIGEST_BYTES + 1];

			sl_digest_sha256(parts, 2, digest);
			hex_of(digest, sizeof(digest), hex);
			assert_string_equal(hex, cases[i].digest);
		}
	}
}

static void comparison_sees_every_bit(void **state)
{
	uint8_t a[SL_DIGEST_BYTES] = {0};
	uint8_t b[SL_DIGEST_BYTES] = {0};

	(void)state;
	assert_true(sl_digest_equal(a, b, sizeof(a)));
	for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(sl_digest_equal(a, b, sizeof(a)));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void drawn_keys_are_formed_and_differ(void **state)
{
	static char keys[KEYS_DRAWN][SL_API_KEY_LEN + 1];
	struct sl_api_key_hash hashes[KEYS_DRAWN];
	uint32_t seen[128] = {0};

	(void)state;
	for (unsigned i = 0; i < KEYS_DRAWN; i++) {
		assert_int_equal(sl_api_key_generate(keys[i], &hashes[i]), 0);
		assert_int_equal(strlen(keys[i]), SL_API_KEY_LEN);
		assert_true(sl_api_key_is_formed(keys[i], SL_API_KEY_LEN));
		for (const char *c = keys[i] + SL_API_KEY_PREFIX_LEN; *c; c++)
			seen[(unsigned char)*c & 127]++;
		for (unsigned j = 0; j <= i; j++)
			assert_int_equal(sl_api_key_matches(keys[i], &hashes[j]), i == j);
	}
	/* 10,600 symbols: one of 62 that never comes would be no accident */
	for (const char *c = "09AZaz5Mm"; *c; c++)
		assert_true(seen[(unsigned char)*c] > 50);
}

static void forms(void **state)
{
	static const char good[] =
		"sk-sluice-0123456789-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ";
	char text[SL_API_KEY_LEN + 2];

	(void)state;
	assert_true(sl_api_key_is_formed(good, sizeof(good) - 1));
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_false(sl_api_key_is_formed(good, len));
	snprintf(text, sizeof(text), "%sx", good);
	assert_false(sl_api_key_is_formed(text, strlen(text)));
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		memcpy(text, good, sizeof(good));
		text[i] = '_';
		assert_false(sl_api_key_is_formed(text, sizeof(good) - 1));
		text[i] = '\0';
		assert_false(sl_api_key_is_formed(text, sizeof(good) - 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),
		cmocka_unit_test(comparison_sees_every_bit),
		cmocka_unit_test(drawn_keys_are_formed_and_differ),
		cmocka_unit_test(forms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
