/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * paired.h - is the second of two runs of the same cases worse than the first?
 *
 * The exact sign test (McNemar's for outcomes of yes and no): cases that differ are worse or better; were the
 * runs alike, either would be as likely. The p-value is the chance of that many worse ones or more among
 * those that differ. Cases that do not differ say nothing. Pure.
 */
#ifndef SL_POLICY_PAIRED_H
#define SL_POLICY_PAIRED_H

#include <stdint.h>

/* One-sided. Without cases that differ 1. */
double sl_paired_worse(uint32_t worse, uint32_t better);

#endif
