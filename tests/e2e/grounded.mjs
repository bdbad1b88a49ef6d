// SPDX-License-Identifier: BSD-2-Clause
// grounded.mjs - a chat model that says what it was told to, whole or as a stream.
//
//   node grounded.mjs PORT
//   POST /say {"text": "..."}   what it says from now on
//   GET /last                   the system messages of the last request, and how many there were
import http from "node:http";

let text = "Nothing yet.";
let last = "";
let asked = 0;

const read = (request) => new Promise((done) => {
	let body = "";
	request.on("data", (part) => (body += part));
	request.on("end", () => done(body ? JSON.parse(body) : {}));
});
const chunk = (delta, reason) =>
	`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: reason }] })}\n\n`;

const serve = async (request, response) => {
	const body = request.method === "POST" ? await read(request) : {};

	if (request.url === "/say") {
		text = body.text;
		response.end();
	} else if (request.url === "/last") {
		response.end(`${asked} ${last}`);
	} else if (!body.messages) {
		response.writeHead(request.url === "/health" ? 200 : 404).end();
	} else {
		asked++;
		last = body.messages.filter((m) => m.role === "system").map((m) => m.content).join("\n");
		if (body.stream) {
			response.writeHead(200, { "content-type": "text/event-stream" });
			response.write(chunk({ role: "assistant", content: "" }, null));
			for (const word of text.split(/(?<= )/)) response.write(chunk({ content: word }, null));
			response.end(`${chunk({}, "stop")}data: [DONE]\n\n`);
			return;
		}
		response.writeHead(200, { "content-type": "application/json" });
		response.end(JSON.stringify({
			id: "c", object: "chat.completion", created: 1, model: "m",
			choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
			usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
		}));
	}
};
// At two addresses: a pool of one node has no breaker that opens.
http.createServer(serve).listen(Number(process.argv[2]), "127.0.0.2", () =>
	http.createServer(serve).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready")));
