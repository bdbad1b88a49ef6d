/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pii_digits.h - check digits and rules of numbers that name a person or an account. Digits come as
 * values 0 to 9, in order. Pure.
 */
#ifndef SL_POLICY_PII_DIGITS_H
#define SL_POLICY_PII_DIGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SL_PII_IBAN_LEN_MAX 34

/* ISO/IEC 7812: Luhn's digit, and an issuer whose cards have that many digits. */
bool sl_pii_card(const uint8_t *digits, size_t count);

/* ISO 13616: `text` is upper-case letters and digits without spaces. */
bool sl_pii_iban(const char *text, size_t len);

/* How long the ibans of a country are, 0: no such country. */
size_t sl_pii_iban_len(const char country[2]);

bool sl_pii_ssn(const uint8_t digits[9]);      /* United States */
bool sl_pii_bsn(const uint8_t digits[9]);      /* Netherlands, the eleven test */
bool sl_pii_pesel(const uint8_t digits[11]);   /* Poland: check digit and date of birth */
bool sl_pii_cpf(const uint8_t digits[11]);     /* Brazil */
bool sl_pii_aadhaar(const uint8_t digits[12]); /* India: Verhoeff */
bool sl_pii_nir(const uint8_t digits[15]);     /* France; 2A and 2B come as 19 and 18 */

/* Spain: number modulo 23 names the letter. */
char sl_pii_dni_letter(uint32_t number);

/* United Kingdom: two letters that are given out, six digits not looked at, A to D. */
bool sl_pii_ni_letters(char first, char second, char last);

/* E.164: the digits begin with a country code that exists and are as many as its numbers have. */
bool sl_pii_phone(const uint8_t *digits, size_t count);

#endif
