/* SPDX-License-Identifier: BSD-2-Clause */
#include "user/wire/chat_parts.h"

bool sl_chat_choice_read(const struct sl_json_field *choices,
			 struct sl_json_field f[SL_CHAT_CHOICE_FIELDS])
{
	struct sl_json_field choice;
	const char *cursor = NULL;
	int64_t index;

	while (sl_json_each(choices, &cursor, &choice)) {
		if (choice.type != SL_JSON_OBJECT ||
		    sl_json_scan(choice.value, choice.value_len, f, SL_CHAT_CHOICE_FIELDS))
			return false;
		if (sl_json_int(&f[SL_CHAT_CHOICE_INDEX], &index) || index == 0)
			return true;
	}
	return false;
}

uint32_t sl_chat_id_hash(const struct sl_json_field *id)
{
	uint32_t hash = 2166136261u;
	size_t i;

	if (!sl_chat_filled(id))
		return 0;
	for (i = 0; i < id->value_len; i++)
		hash = (hash ^ (unsigned char)id->value[i]) * 16777619u;
	return hash ? hash : 1;
}
