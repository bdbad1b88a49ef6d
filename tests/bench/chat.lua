-- SPDX-License-Identifier: BSD-2-Clause
-- wrk: one chat request, not streaming. PROMPT_BYTES pads the prompt, BENCH_KEY is sent as a key.
local pad = tonumber(os.getenv("PROMPT_BYTES") or "0")
local words = "What do the people who live beside the river say about the winter? "

wrk.method = "POST"
wrk.path = "/v1/chat/completions"
wrk.headers["content-type"] = "application/json"
if os.getenv("BENCH_KEY") then
	wrk.headers["authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
end
wrk.body = '{"model":"bench","max_tokens":16,"messages":[{"role":"system","content":"Be brief."},'
	.. '{"role":"user","content":"' .. words .. string.rep(words, math.floor(pad / #words)) .. '"}]}'

function done(summary, latency, requests)
	local e = summary.errors

	io.write(string.format("result requests=%d duration_us=%d errors=%d p50_us=%d p99_us=%d\n",
		summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
		latency:percentile(50), latency:percentile(99)))
end
