/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF object as bytes of the command: one file to copy to a host. */
#ifndef SL_BPF_OBJECT_PATH
#define SL_BPF_OBJECT_PATH "build/sluice.bpf.o"
#endif
	.section .rodata
	.balign 16
	.global sl_bpf_object
	.type sl_bpf_object, @object
sl_bpf_object:
	.incbin SL_BPF_OBJECT_PATH
	.global sl_bpf_object_end
sl_bpf_object_end:
	.byte 0
	.size sl_bpf_object, sl_bpf_object_end - sl_bpf_object
	.section .note.GNU-stack, "", @progbits
