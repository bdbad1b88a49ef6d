/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *sl_error_words(int code)
{
	const char *words = strerrordesc_np(code < 0 ? -code : code);

	return words != NULL ? words : "unknown error";
}

int sl_error_set(struct sl_error *error, int code, const char *format, ...)
{
	va_list args;

	if (error == NULL)
		return code;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	return code;
}

int sl_error_set_errno(struct sl_error *error, int code, const char *format, ...)
{
	va_list args;
	size_t len;

	if (error == NULL)
		return code;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	len = strlen(error->text);
	snprintf(error->text + len, sizeof(error->text) - len, ": %s", sl_error_words(code));
	return code;
}

int sl_error_prefix(struct sl_error *error, int code, const char *format, ...)
{
	struct sl_error inner;
	va_list args;
	size_t len;

	if (error == NULL)
		return code;
	inner = *error;
	va_start(args, format);
	vsnprintf(error->text, sizeof(error->text), format, args);
	va_end(args);
	len = strlen(error->text);
	snprintf(error->text + len, sizeof(error->text) - len, ": %s", inner.text);
	return code;
}
