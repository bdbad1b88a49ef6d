// SPDX-License-Identifier: BSD-2-Clause
// truth.mjs - a scripted history of requests, for truth.sh; prints what its clients saw of it.
//
//   truth.mjs ask MODEL COUNT stream|whole   {"prompt_tokens", "completion_tokens", "events", "seconds", "statuses"}
//   truth.mjs strangers COUNT                names that no route has, users, sessions and headers of all kinds
import http from "node:http";

const [verb, ...words] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
const post = (body, headers = {}) => new Promise((resolve, reject) => {
	const request = http.request({ agent, host: "127.0.0.1", port: 8080, path: "/v1/chat/completions", method: "POST",
		timeout: 60000, headers: { "content-type": "application/json", ...headers } }, (response) => {
		let text = "";
		response.on("data", (part) => text += part);
		response.on("end", () => resolve({ status: response.statusCode, text }));
	});
	request.on("error", reject);
	request.end(JSON.stringify(body));
});
const all = (count, one) => Promise.all(Array.from({ length: count }, (_, i) => one(i)));
const seen = { prompt_tokens: 0, completion_tokens: 0, events: 0, seconds: 0, statuses: {} };
const count = (answer) => seen.statuses[answer.status] = (seen.statuses[answer.status] ?? 0) + 1;

if (verb === "ask") {
	const [model, times, how] = words;
	const content = "word ".repeat(60).trim();
	await all(+times, async (i) => {
		const began = performance.now();
		const answer = await post({ model, max_tokens: 6, messages: [{ role: "user", content: `${content} ${i}` }],
			...(how === "stream" ? { stream: true, stream_options: { include_usage: true } } : {}) });
		seen.seconds += (performance.now() - began) / 1000;
		count(answer);
		const parts = how === "stream" ? answer.text.split("\n\n").filter((part) => part.startsWith("data: {"))
			.map((part) => JSON.parse(part.slice(6))) : [JSON.parse(answer.text)];
		seen.events += parts.filter((part) => part.choices?.[0]?.delta?.content).length;
		for (const { usage } of parts.filter((part) => part.usage)) {
			seen.prompt_tokens += usage.prompt_tokens;
			seen.completion_tokens += usage.completion_tokens;
		}
	});
} else {
	await all(+words[0], async (i) => count(await post({ model: `stranger-${i}`, user: `user-${i}`,
		messages: [{ role: "user", content: "x" }] }, { "x-session-id": `s-${i}`, "user-agent": `agent-${i}`,
		"x-request-id": `own-${i}`, "x-sluice-class": `class-${i}`, [`x-own-${i}`]: "1" })));
	await all(+words[0], async (i) => count(await post({ model: "m", user: `user-${i}`, max_tokens: 1,
		messages: [{ role: "user", content: "x" }] }, { "x-session-id": `s-${i}`, "user-agent": `agent-${i}` })));
}
console.log(JSON.stringify(seen));
process.exit(0);
