/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/key_file.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HEAD_LINE	  "sluice-keys 1"
#define END_LINE	  "end"
#define ARENA_BLOCK_BYTES 16384u
#define ARENA_BYTES_MAX	  (64u << 20)
#define RECORDS_FIRST	  64u

static const char *const class_names[SL_KEY_CLASSES] = {"batch", "standard", "interactive",
							"critical"};

/* ---- names and times ----------------------------------------------------------------------- */

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_name(const char *name, size_t len, size_t len_max, const char *others)
{
	if (len == 0 || len > len_max || !is_alnum(name[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_alnum(name[i]) && (name[i] == '\0' || strchr(others, name[i]) == NULL))
			return false;
	return true;
}

bool sl_key_name_is_good(const char *name, size_t len)
{
	return is_name(name, len, SL_KEY_NAME_MAX, "._-@");
}

int sl_key_class_parse(const char *name, size_t len, enum sl_key_class *ret_class)
{
	for (int i = 0; i < SL_KEY_CLASSES; i++) {
		if (strlen(class_names[i]) == len && memcmp(class_names[i], name, len) == 0) {
			*ret_class = (enum sl_key_class)i;
			return 0;
		}
	}
	return -EINVAL;
}

const char *sl_key_class_name(enum sl_key_class priority)
{
	return class_names[(unsigned)priority < SL_KEY_CLASSES ? priority : 0];
}

int sl_key_rate_parse(const char *text, size_t len, uint32_t *ret_rate)
{
	uint64_t value;

	if (sl_span_u64(sl_span_make(text, len), &value) != 0 || value == 0 || value > SL_RATE_MAX)
		return -EINVAL;
	*ret_rate = (uint32_t)value;
	return 0;
}

enum sl_key_state sl_key_record_state(const struct sl_key_record *record, uint64_t now_s)
{
	if (record->revoked_s != 0)
		return SL_KEY_REVOKED;
	return record->expires_s != 0 && now_s >= record->expires_s ? SL_KEY_EXPIRED
								    : SL_KEY_ACTIVE;
}

const char *sl_key_time_format(uint64_t time_s, char out[SL_KEY_TIME_SIZE])
{
	time_t when = (time_t)time_s;
	struct tm parts;

	if (gmtime_r(&when, &parts) == NULL || parts.tm_year > 9999 - 1900 ||
	    strftime(out, SL_KEY_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
		snprintf(out, SL_KEY_TIME_SIZE, "9999-12-31T23:59:59Z");
	return out;
}

int sl_key_time_parse(const char *text, size_t len, uint64_t *ret_s)
{
	char copy[SL_KEY_TIME_SIZE];
	char again[SL_KEY_TIME_SIZE];
	struct tm parts = {0};
	const char *end;
	time_t when;

	if (len >= sizeof(copy))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	end = strptime(copy, "%Y-%m-%dT%H:%M:%SZ", &parts);
	if (end == NULL || *end != '\0')
		return -EINVAL;
	when = timegm(&parts);
	/* strptime takes the 31st of February and blanks: only what we would write counts */
	if (when <= 0 || strcmp(sl_key_time_format((uint64_t)when, again), copy) != 0)
		return -EINVAL;
	*ret_s = (uint64_t)when;
	return 0;
}

/* ---- the struct ---------------------------------------------------------------------------- */

struct sl_key_file *sl_key_file_new(void)
{
	struct sl_key_file *file = calloc(1, sizeof(*file));

	if (file != NULL)
		sl_arena_init(&file->arena, ARENA_BLOCK_BYTES, ARENA_BYTES_MAX);
	return file;
}

void sl_key_file_close(struct sl_key_file **file)
{
	if (*file == NULL)
		return;
	sl_arena_fini(&(*file)->arena);
	free((*file)->records);
	free(*file);
	*file = NULL;
}

int sl_key_file_add(struct sl_key_file *file, struct sl_key_record **ret_record)
{
	if (file->count == SL_KEYS_MAX)
		return -E2BIG;
	if (file->count == file->size) {
		uint32_t size = file->size != 0 ? 2 * file->size : RECORDS_FIRST;
		struct sl_key_record *records = realloc(file->records, size * sizeof(*records));

		if (records == NULL)
			return -ENOMEM;
		file->records = records;
		file->size = size;
	}
	*ret_record = &file->records[file->count++];
	memset(*ret_record, 0, sizeof(**ret_record));
	(*ret_record)->priority = SL_KEY_CLASS_STANDARD;
	return 0;
}

int sl_key_record_set_routes(struct sl_key_file *file, struct sl_key_record *record,
			     const char *text, size_t len, struct sl_error *error)
{
	struct sl_span rest = {text, len};

	record->routes = sl_arena_array(&file->arena, SL_KEY_ROUTES_MAX, sizeof(*record->routes));
	if (record->routes == NULL)
		return sl_error_set(error, -ENOMEM, "out of memory");
	while (rest.data != NULL) {
		struct sl_span name = sl_span_cut(&rest, ',');

		if (!is_name(name.data, name.len, 127, "._-:/@+"))
			return sl_error_set(error, -EINVAL,
					    "routes: \"%.*s\" is no model's name (expected names "
					    "with commas between them)",
					    name.len > 60 ? 60 : (int)name.len, name.data);
		for (uint32_t i = 0; i < record->route_count; i++)
			if (sl_span_equal(sl_span_string(record->routes[i]), name))
				return sl_error_set(error, -EINVAL, "routes: \"%s\" is there twice",
						    record->routes[i]);
		if (record->route_count == SL_KEY_ROUTES_MAX)
			return sl_error_set(error, -E2BIG, "routes: more than %u",
					    SL_KEY_ROUTES_MAX);
		record->routes[record->route_count] =
			sl_arena_strndup(&file->arena, name.data, name.len);
		if (record->routes[record->route_count++] == NULL)
			return sl_error_set(error, -ENOMEM, "out of memory");
	}
	return 0;
}

/* ---- fields -------------------------------------------------------------------------------- */

enum field_kind {
	FIELD_ID = 0,
	FIELD_NAME,
	FIELD_CLASS,
	FIELD_TIME,
	FIELD_ROUTES,
	FIELD_RATE,
	FIELD_MONEY,
	FIELD_HEX
};

struct field {
	const char *name;
	enum field_kind kind;
	bool required;
	size_t offset;
	size_t bytes; /* FIELD_HEX */
	const char *expected;
};

#define RATE_EXPECTED  "1 to 1000000000"
#define MONEY_EXPECTED "an amount over 0 like 0.075 or 12"
#define AT(member)     offsetof(struct sl_key_record, member)

static const struct field fields[] = {
	{"id", FIELD_ID, true, AT(id), 0, "10 letters and digits"},
	{"name", FIELD_NAME, true, AT(name), 0, "up to 63 letters, digits and . _ - @"},
	{"tenant", FIELD_NAME, false, AT(tenant), 0, "up to 63 letters, digits and . _ - @"},
	{"class", FIELD_CLASS, false, AT(priority), 0, "batch, standard, interactive or critical"},
	{"created", FIELD_TIME, true, AT(created_s), 0, "a time like 2026-01-31T12:00:00Z"},
	{"expires", FIELD_TIME, false, AT(expires_s), 0, "a time like 2026-01-31T12:00:00Z"},
	{"revoked", FIELD_TIME, false, AT(revoked_s), 0, "a time like 2026-01-31T12:00:00Z"},
	{"routes", FIELD_ROUTES, false, 0, 0, "names with commas between them"},
	{"requests_per_minute", FIELD_RATE, false, AT(rates.requests_per_minute), 0, RATE_EXPECTED},
	{"tokens_per_minute", FIELD_RATE, false, AT(rates.tokens_per_minute), 0, RATE_EXPECTED},
	{"concurrent", FIELD_RATE, false, AT(rates.concurrent), 0, RATE_EXPECTED},
	{"budget_day", FIELD_MONEY, false, AT(budget.day), 0, MONEY_EXPECTED},
	{"budget_month", FIELD_MONEY, false, AT(budget.month), 0, MONEY_EXPECTED},
	{"budget_total", FIELD_MONEY, false, AT(budget.total), 0, MONEY_EXPECTED},
	{"salt", FIELD_HEX, true, AT(hash.salt), SL_API_KEY_SALT_BYTES, "32 hexadecimal digits"},
	{"hash", FIELD_HEX, true, AT(hash.digest), SL_DIGEST_BYTES, "64 hexadecimal digits"},
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int read_hex(struct sl_span value, uint8_t *out, size_t bytes)
{
	if (value.len != 2 * bytes)
		return -EINVAL;
	for (size_t i = 0; i < bytes; i++) {
		int high = hex_digit(value.data[2 * i]);
		int low = hex_digit(value.data[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EINVAL;
		out[i] = (uint8_t)(high << 4 | low);
	}
	return 0;
}

static int read_field(struct sl_key_file *file, struct sl_key_record *record,
		      const struct field *field, struct sl_span value, struct sl_error *error)
{
	char *target = (char *)record + field->offset;
	bool good = false;

	switch (field->kind) {
	case FIELD_ID:
		good = sl_api_key_is_id(value.data, value.len);
		break;
	case FIELD_NAME:
		good = sl_key_name_is_good(value.data, value.len);
		break;
	case FIELD_CLASS:
		good = sl_key_class_parse(value.data, value.len, &record->priority) == 0;
		break;
	case FIELD_TIME:
		good = sl_key_time_parse(value.data, value.len, (uint64_t *)target) == 0;
		break;
	case FIELD_RATE:
		good = sl_key_rate_parse(value.data, value.len, (uint32_t *)target) == 0;
		break;
	case FIELD_MONEY:
		good = sl_money_parse(value.data, value.len, (uint64_t *)target) == 0 &&
		       *(uint64_t *)target != 0;
		break;
	case FIELD_HEX:
		good = read_hex(value, (uint8_t *)target, field->bytes) == 0;
		break;
	case FIELD_ROUTES:
		return sl_key_record_set_routes(file, record, value.data, value.len, error);
	}
	if (good && (field->kind == FIELD_ID || field->kind == FIELD_NAME))
		memcpy(target, value.data, value.len);
	return good ? 0
		    : sl_error_set(error, -EINVAL, "the value of \"%s\" is wrong (expected %s)",
				   field->name, field->expected);
}

/* ---- lines --------------------------------------------------------------------------------- */

static int read_key(struct sl_key_file *file, struct sl_span rest, struct sl_error *error)
{
	struct sl_key_record *record;
	uint32_t seen = 0;
	int rc = sl_key_file_add(file, &record);

	if (rc != 0)
		return sl_error_set(error, rc, "more keys than %u", SL_KEYS_MAX);
	while (rest.data != NULL) {
		struct sl_span value = sl_span_cut(&rest, ' ');
		struct sl_span name = sl_span_cut(&value, '=');
		size_t i = 0;

		while (i < FIELD_COUNT && !sl_span_equal(sl_span_string(fields[i].name), name))
			i++;
		if (i == FIELD_COUNT || value.data == NULL)
			return sl_error_set(error, -EINVAL, "\"%.*s\" is no field of a key",
					    name.len > 40 ? 40 : (int)name.len, name.data);
		if (seen & 1u << i)
			return sl_error_set(error, -EINVAL, "the field \"%s\" is there twice",
					    fields[i].name);
		seen |= 1u << i;
		rc = read_field(file, record, &fields[i], value, error);
		if (rc != 0)
			return rc;
	}
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (fields[i].required && !(seen & 1u << i))
			return sl_error_set(error, -EINVAL, "the field \"%s\" is missing",
					    fields[i].name);
	if (record->tenant[0] == '\0')
		strcpy(record->tenant, SL_KEY_TENANT_DEFAULT);
	return 0;
}

/* *state: 0 before the head line, 1 behind it, 2 behind the end. */
static int read_line(struct sl_key_file *file, struct sl_span line, int *state,
		     struct sl_error *error)
{
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	if (*state == 0) {
		*state = 1;
		return sl_span_equal(line, SL_SPAN(HEAD_LINE))
			       ? 0
			       : sl_error_set(error, -EINVAL,
					      "this is no file of sluice's keys (expected \"%s\")",
					      HEAD_LINE);
	}
	if (line.len == 0 || line.data[0] == '#')
		return 0;
	if (*state == 2)
		return sl_error_set(error, -EINVAL, "there is more behind the line \"%s\"",
				    END_LINE);
	if (sl_span_equal(line, SL_SPAN(END_LINE))) {
		*state = 2;
		return 0;
	}
	if (!sl_span_starts(line, SL_SPAN("key ")))
		return sl_error_set(error, -EINVAL, "expected \"key ...\" or \"%s\"", END_LINE);
	return read_key(file, sl_span_make(line.data + 4, line.len - 4), error);
}

static int compare_ids(const void *left, const void *right)
{
	return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static int check_ids(const struct sl_key_file *file, struct sl_error *error)
{
	const char **ids = calloc(file->count + 1u, sizeof(*ids));
	int rc = 0;

	if (ids == NULL)
		return sl_error_set(error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < file->count; i++)
		ids[i] = file->records[i].id;
	qsort(ids, file->count, sizeof(*ids), compare_ids);
	for (uint32_t i = 1; i < file->count && rc == 0; i++)
		if (strcmp(ids[i - 1], ids[i]) == 0)
			rc = sl_error_set(error, -EINVAL, "the key \"%s\" is there twice", ids[i]);
	free(ids);
	return rc;
}

static int parse_lines(struct sl_key_file *file, const char *name, struct sl_span rest,
		       struct sl_error *error)
{
	unsigned line_number = 0;
	int state = 0;
	int rc = 0;

	while (rest.data != NULL && rc == 0) {
		line_number++;
		rc = read_line(file, sl_span_cut(&rest, '\n'), &state, error);
	}
	if (rc == 0 && state != 2)
		rc = sl_error_set(error, -EINVAL, "the file is cut: it has no line \"%s\"",
				  END_LINE);
	if (rc != 0)
		return sl_error_prefix(error, rc, "%s:%u", name, line_number);
	rc = check_ids(file, error);
	return rc != 0 ? sl_error_prefix(error, rc, "%s", name) : 0;
}

int sl_key_file_parse(const char *name, const char *text, size_t text_len,
		      struct sl_key_file **ret_file, struct sl_error *error)
{
	struct sl_key_file *file = sl_key_file_new();
	int rc;

	if (file == NULL)
		return sl_error_set(error, -ENOMEM, "%s: out of memory", name);
	rc = parse_lines(file, name, sl_span_make(text, text_len), error);
	if (rc != 0)
		sl_key_file_close(&file);
	else
		*ret_file = file;
	return rc;
}
