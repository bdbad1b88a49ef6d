/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * health.h - what the daemon knows of its nodes' health beside the breakers: active checks, zombies,
 * doubt, and nodes that are left alone. Asked for over the admin socket at each look.
 */
#ifndef SL_LOADER_HEALTH_H
#define SL_LOADER_HEALTH_H

#include "bpf/abi.h"
#include "user/base/health_line.h"

/* By node slot; slot 0 of an entry: the daemon says nothing of that node. */
struct sl_health_look {
	uint32_t count;
	struct sl_health_line *lines;
};

/* Asks. On failure (as sl_admin_say(), or -ENOMEM) *ret_health is empty; it may be used all the same. */
int sl_health_ask(const char *daemon_socket, uint32_t node_slots,
		  struct sl_health_look *ret_health);
void sl_health_fini(struct sl_health_look *health);

/* What is known of the node, NULL: nothing. */
const struct sl_health_line *sl_health_of(const struct sl_health_look *health,
					  const struct sl_node_state *node, uint32_t slot);

/* In a few words, for people: "fails, 2 x zombie"; "" where nothing is to be said. Returns text. */
#define SL_HEALTH_WORDS_SIZE 192u
const char *sl_health_words(const struct sl_health_line *line, char text[SL_HEALTH_WORDS_SIZE]);

/* `"health": {...}, ` or `"health": null, `. */
void sl_health_json(const struct sl_health_line *line, struct sl_text *text);

#endif
