/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of the status page as bytes of the daemon: nothing to install, nothing fetched from elsewhere. */
#ifndef SL_UPLOT_JS
#define SL_UPLOT_JS  "build/page/node_modules/uplot/dist/uPlot.iife.min.js"
#define SL_UPLOT_CSS "build/page/node_modules/uplot/dist/uPlot.min.css"
#endif
	.macro asset name, file
	.balign 16
	.global sl_page_\name
	.type sl_page_\name, @object
sl_page_\name:
	.incbin "\file"
	.global sl_page_\name\()_end
sl_page_\name\()_end:
	.byte 0
	.size sl_page_\name, sl_page_\name\()_end - sl_page_\name
	.endm

	.section .rodata
	asset html, "user/ops/page/page.html"
	asset css, "user/ops/page/page.css"
	asset js, "user/ops/page/page.js"
	asset uplot_js, SL_UPLOT_JS
	asset uplot_css, SL_UPLOT_CSS
	.section .note.GNU-stack,"",%progbits
