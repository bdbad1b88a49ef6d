// SPDX-License-Identifier: BSD-2-Clause
// mirror.mjs PORT - an inference server whose answer is the request that it got: content is the body's
// messages as JSON, and the whole body lies in the answer's `seen`. For tests of what a node is sent.
//
//   POST /v1/chat/completions   500 while a message has the word SPOIL; usage counts a token for each
//                               three bytes of the messages
//   POST /tokenize              {"count": the same}
//   GET  /asked                 how many chats it was asked
//   GET  /last                  the body that it was asked last
//   POST /say                   the body becomes the content of all further answers; empty: as above; HANG:
//                               nothing is answered
import http from "node:http";

let asked = 0, say = "", last = {};
const count = (messages) => Math.ceil(Buffer.byteLength(JSON.stringify(messages)) / 3);
const chat = (body) => ({
	id: "chatcmpl-mirror", object: "chat.completion", created: 1, model: body.model, seen: body,
	choices: [{index: 0, finish_reason: "stop", message: {role: "assistant", content: say || JSON.stringify(body.messages)}}],
	usage: {prompt_tokens: count(body.messages), completion_tokens: 1, total_tokens: count(body.messages) + 1},
});
const answer = (request, text) => {
	if (request.url === "/asked") return [200, `${asked}\n`];
	if (request.url === "/last") return [200, JSON.stringify(last)];
	if (request.url === "/say") { say = text; return [200, "{}"]; }
	if (request.method === "GET") return [200, "{}"];
	const body = JSON.parse(text);
	if (request.url === "/tokenize") return [200, JSON.stringify({count: count(body.messages), max_model_len: 0, tokens: []})];
	asked++;
	last = body;
	if (text.includes("SPOIL")) return [500, '{"error":{"message":"spoilt","type":"server_error"}}'];
	return [200, JSON.stringify(chat(body))];
};
http.createServer((request, response) => {
	const parts = [];
	request.on("data", (part) => parts.push(part));
	request.on("end", () => {
		const [status, text] = answer(request, Buffer.concat(parts).toString());
		if (say === "HANG" && request.url.startsWith("/v1/")) return;
		response.writeHead(status, {"content-type": "application/json"});
		response.end(text);
	});
}).listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"));
