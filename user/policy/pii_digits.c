/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/policy/pii_digits.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static uint64_t number(const uint8_t *digits, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count; i++)
		value = value * 10 + digits[i];
	return value;
}

static bool all_same(const uint8_t *digits, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (digits[i] != digits[0])
			return false;
	return true;
}

static bool luhn(const uint8_t *digits, size_t count)
{
	unsigned int sum = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned int digit = digits[count - 1 - i];

		if (i & 1)
			digit = digit * 2 > 9 ? digit * 2 - 9 : digit * 2;
		sum += digit;
	}
	return sum % 10 == 0;
}

bool sl_pii_card(const uint8_t *digits, size_t count)
{
	/* the first four digits, and how many there are in all */
	static const struct {
		uint16_t from, to;
		uint8_t least, most;
	} issuers[] = {
		{2200, 2204, 16, 19}, /* Mir */
		{2221, 2720, 16, 16}, /* Mastercard */
		{3000, 3059, 14, 19}, /* Diners Club */
		{3400, 3499, 15, 15}, /* American Express */
		{3528, 3589, 16, 19}, /* JCB */
		{3600, 3699, 14, 19}, /* Diners Club */
		{3700, 3799, 15, 15}, {3800, 3999, 14, 19},
		{4000, 4999, 13, 19}, /* Visa; 14, 15, 17 and 18 are not in use */
		{5000, 5099, 12, 19}, /* Maestro */
		{5100, 5599, 16, 16}, /* Mastercard */
		{5600, 5899, 12, 19}, {6011, 6011, 16, 19}, /* Discover */
		{6200, 6299, 16, 19},			    /* UnionPay */
		{6304, 6304, 12, 19}, {6440, 6599, 16, 19},
		{6759, 6763, 12, 19},
	};
	uint64_t prefix;

	if (count < 13 || count > 19 || all_same(digits, count))
		return false;
	prefix = number(digits, 4);
	if (digits[0] == 4 && count != 13 && count != 16 && count != 19)
		return false;
	for (size_t i = 0; i < COUNT(issuers); i++)
		if (prefix >= issuers[i].from && prefix <= issuers[i].to)
			return count >= issuers[i].least && count <= issuers[i].most &&
			       luhn(digits, count);
	return false;
}

/* The countries of the IBAN registry, each with its length. */
static const char iban_lengths[] =
	"AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29"
	"ES24FI18FK18FO18FR27GB22GE22GI23GL18GR27GT28HN28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20"
	"LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29"
	"PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23TN24TR26UA29VA22VG24XK20"
	"YE30";

size_t sl_pii_iban_len(const char country[2])
{
	for (const char *at = iban_lengths; *at; at += 4)
		if (at[0] == country[0] && at[1] == country[1])
			return (size_t)((at[2] - '0') * 10 + (at[3] - '0'));
	return 0;
}

bool sl_pii_iban(const char *text, size_t len)
{
	unsigned int rest = 0;

	if (len < 5 || len > SL_PII_IBAN_LEN_MAX || sl_pii_iban_len(text) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char b = text[(i + 4) % len];

		if (b >= '0' && b <= '9')
			rest = (rest * 10 + (unsigned int)(b - '0')) % 97;
		else if (b >= 'A' && b <= 'Z')
			rest = (rest * 100 + (unsigned int)(b - 'A' + 10)) % 97;
		else
			return false;
	}
	return rest == 1;
}

bool sl_pii_ssn(const uint8_t digits[9])
{
	uint64_t area = number(digits, 3), group = number(digits + 3, 2);
	uint64_t serial = number(digits + 5, 4), all = number(digits, 9);

	/* the last two were printed in advertisements */
	return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 &&
	       all != 78051120 && all != 219099999 && all != 123456789 && !all_same(digits, 9);
}

bool sl_pii_bsn(const uint8_t digits[9])
{
	int sum = -digits[8];

	for (int i = 0; i < 8; i++)
		sum += digits[i] * (9 - i);
	return sum % 11 == 0 && !all_same(digits, 9);
}

static bool is_date(unsigned int month, unsigned int day)
{
	static const uint8_t days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1];
}

bool sl_pii_pesel(const uint8_t digits[11])
{
	static const uint8_t weights[] = {1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1};
	unsigned int sum = 0, month = (unsigned int)number(digits + 2, 2);

	/* the century is added to the month: 80 (the 19th), 0, 20, 40, 60 */
	if (!is_date(month % 20, (unsigned int)number(digits + 4, 2)))
		return false;
	for (int i = 0; i < 11; i++)
		sum += weights[i] * digits[i];
	return sum % 10 == 0;
}

bool sl_pii_cpf(const uint8_t digits[11])
{
	if (all_same(digits, 11))
		return false;
	for (unsigned int n = 9; n <= 10; n++) {
		unsigned int sum = 0;

		for (unsigned int i = 0; i < n; i++)
			sum += digits[i] * (n + 1 - i);
		if (sum * 10 % 11 % 10 != digits[n])
			return false;
	}
	return true;
}

/* J. Verhoeff, Error Detecting Decimal Codes, 1969: the dihedral group of order 10. */
bool sl_pii_aadhaar(const uint8_t digits[12])
{
	static const uint8_t permute[10] = {1, 5, 7, 6, 2, 8, 3, 0, 9, 4};
	unsigned int check = 0;

	if (digits[0] < 2 || all_same(digits, 12))
		return false;
	for (unsigned int i = 0; i < 12; i++) {
		unsigned int b = digits[11 - i];

		for (unsigned int turn = 0; turn < i % 8; turn++)
			b = permute[b];
		/* the product of two elements: rotations are 0 to 4, reflections 5 to 9 */
		if (check < 5)
			check = b < 5 ? (check + b) % 5 : 5 + (check + b) % 5;
		else
			check = b < 5 ? 5 + (check - b) % 5 : (check - b + 5) % 5;
	}
	return check == 0;
}

bool sl_pii_nir(const uint8_t digits[15])
{
	uint64_t month = number(digits + 3, 2);

	if (digits[0] != 1 && digits[0] != 2)
		return false;
	/* months that are not known are 20 to 42 and 50 to 99 */
	if (month == 0 || (month > 12 && month < 20) || (month > 42 && month < 50))
		return false;
	return 97 - number(digits, 13) % 97 == number(digits + 13, 2);
}

char sl_pii_dni_letter(uint32_t value)
{
	return "TRWAGMYFPDXBNJZSQVHLCKE"[value % 23];
}

bool sl_pii_ni_letters(char first, char second, char last)
{
	static const char never[][3] = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"};

	if (first < 'A' || first > 'Z' || second < 'A' || second > 'Z' || last < 'A' || last > 'D')
		return false;
	if (strchr("DFIQUV", first) || strchr("DFIQUVO", second))
		return false;
	for (size_t i = 0; i < COUNT(never); i++)
		if (never[i][0] == first && never[i][1] == second)
			return false;
	return true;
}

/* The codes of one and two digits that are whole, and the beginnings of those with three. */
bool sl_pii_phone(const uint8_t *digits, size_t count)
{
	static const char two[] =
		"20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 "
		"55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ";
	static const char three[] =
		"21 22 23 24 25 26 29 35 37 38 42 50 59 67 68 69 85 88 96 97 99 ";
	char code[4] = {(char)('0' + digits[0]), (char)('0' + digits[1]), ' ', '\0'};

	if (count < 8 || count > 15 || all_same(digits + 1, count - 1))
		return false;
	if (digits[0] == 1)
		return count == 11 && digits[1] >= 2 && digits[4] >= 2;
	if (digits[0] == 7)
		return count == 11;
	if (digits[0] == 9 && digits[1] == 9)
		return digits[2] == 8 || (digits[2] >= 2 && digits[2] <= 6);
	return strstr(two, code) || strstr(three, code);
}
