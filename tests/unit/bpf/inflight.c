/* SPDX-License-Identifier: BSD-2-Clause */
/* Flows alive at a node: counted by epoch, moved, taken out, forgotten; never below zero. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/breaker.h"

#define EPOCH_NS (1ull << SL_FLOW_EPOCH_SHIFT)
#define START_NS (1000 * EPOCH_NS)

/* A packet of a flow, as the datapath does it. */
static void packet(struct sl_node_state *node, uint8_t *mark, uint64_t now_ns)
{
	uint8_t now = sl_flow_mark(now_ns);

	if (*mark == now)
		return;
	sl_epoch_sub(node->flow_epochs, *mark);
	*mark = now;
	sl_epoch_add(node->flow_epochs, now_ns);
}

static void test_life(void **unused)
{
	struct sl_node_state node = {0};
	uint8_t one = 0, two = 0;

	(void)unused;
	packet(&node, &one, START_NS);
	packet(&node, &one, START_NS + 5);
	packet(&node, &two, START_NS);
	assert_int_equal(sl_node_flows(&node, START_NS), 2);
	packet(&node, &one, START_NS + 2 * EPOCH_NS);
	assert_int_equal(sl_node_flows(&node, START_NS + 2 * EPOCH_NS), 2);
	sl_epoch_sub(node.flow_epochs, two);
	assert_int_equal(sl_node_flows(&node, START_NS + 2 * EPOCH_NS), 1);
	sl_epoch_sub(node.flow_epochs, one);
	assert_int_equal(sl_node_flows(&node, START_NS + 2 * EPOCH_NS), 0);
	sl_epoch_sub(node.flow_epochs, one); /* taken out twice: stays at zero */
	assert_int_equal(sl_node_flows(&node, START_NS + 2 * EPOCH_NS), 0);
	sl_epoch_sub(node.flow_epochs, 0); /* never counted */
	assert_int_equal(sl_node_flows(&node, START_NS + 2 * EPOCH_NS), 0);
}

/* What the kernel evicted is forgotten after four epochs, and a late end does not take another's. */
static void test_forgotten(void **unused)
{
	struct sl_node_state node = {0};
	uint8_t lost = 0, busy = 0;

	(void)unused;
	packet(&node, &lost, START_NS);
	for (uint32_t e = 0; e < 4; e++) {
		assert_int_equal(sl_node_flows(&node, START_NS + e * EPOCH_NS), e ? 2 : 1);
		packet(&node, &busy, START_NS + e * EPOCH_NS);
	}
	assert_int_equal(sl_node_flows(&node, START_NS + 4 * EPOCH_NS), 1);
	packet(&node, &busy, START_NS + 4 * EPOCH_NS);
	sl_epoch_sub(node.flow_epochs, lost);
	assert_int_equal(sl_node_flows(&node, START_NS + 4 * EPOCH_NS), 1);
	assert_int_equal(sl_node_flows(&node, START_NS + 9 * EPOCH_NS), 0);
}

/* A reader whose clock is a little behind the writer's. */
static void test_clocks(void **unused)
{
	struct sl_node_state node = {0};
	uint8_t mark = 0;

	(void)unused;
	packet(&node, &mark, START_NS);
	assert_int_equal(sl_node_flows(&node, START_NS - 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_clocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
