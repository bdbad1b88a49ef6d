// SPDX-License-Identifier: BSD-2-Clause
// mirror.mjs PORT [WINDOW [vllm|llama_cpp]] - an inference server whose answer is the request that it got:
// content is the body's messages as JSON, and the whole body lies in the answer's `seen`. For tests of what
// a node is sent. WINDOW: its context, which it tells as that server does, and beyond which it answers 400.
//
//   POST /v1/chat/completions   500 while a message has the word SPOIL; usage counts a token for each
//                               three bytes of the messages; with `letters` in the model's name one for
//                               each byte of their contents, and five for each message and once more
//                               with `stream` its content is one chunk
//   POST /tokenize              {"count": the same}; {"tokens"} of a content
//   POST /apply-template        {"prompt"}: as many bytes as that makes
//   GET  /asked                 how many chats it was asked
//   GET  /last                  the body that it was asked last
//   GET  /counted               how often it was asked to count
//   POST /say                   the body becomes the content of all further answers; empty: as above; HANG:
//                               nothing is answered; HOLD: nothing before the next of these
//   GET  /held                  how many chats wait for that
//   POST /mute                  it counts no more: 404; with a body it does again, or, RUBBISH, says nothing of it,
//                               or, SILENT, lets those who ask it to wait for ever
import http from "node:http";

let asked = 0, counted = 0, say = "", mute = false, rubbish = false, silent = false, last = {}, held = [];
const [port, window = 0, kind = "vllm"] = process.argv.slice(2);
const bytes = (content) => Buffer.byteLength(typeof content === "string" ? content : JSON.stringify(content));
const count = (messages, model) => String(model).includes("letters")
	? messages.reduce((sum, message) => sum + bytes(message.content ?? "") + 5, 5)
	: Math.ceil(bytes(JSON.stringify(messages)) / 3);
const refusal = (code, message) => JSON.stringify({error: {message, type: "invalid_request_error", code}});
const chat = (body) => ({
	id: "chatcmpl-mirror", object: "chat.completion", created: 1, model: body.model, seen: body,
	choices: [{index: 0, finish_reason: "stop", message: {role: "assistant", content: say || JSON.stringify(body.messages)}}],
	usage: {prompt_tokens: count(body.messages, body.model), completion_tokens: 1, total_tokens: count(body.messages, body.model) + 1},
});
const answer = (request, text) => {
	if (request.url === "/asked") return [200, `${asked}\n`];
	if (request.url === "/held") return [200, `${held.length}\n`];
	if (request.url === "/last") return [200, JSON.stringify(last)];
	if (request.url === "/say") { say = text; return [200, "{}"]; }
	if (request.url === "/counted") return [200, `${counted}\n`];
	if (request.url === "/mute") { mute = text === ""; rubbish = text === "RUBBISH"; silent = text === "SILENT"; return [200, "{}"]; }
	if (request.url === "/v1/models" && +window && kind === "vllm")
		return [200, JSON.stringify({object: "list", data: [{id: "other", max_model_len: 7}, {id: "m", max_model_len: +window}]})];
	if (request.url === "/props" && +window && kind === "llama_cpp") return [200, JSON.stringify({default_generation_settings: {n_ctx: +window}})];
	if (request.method === "GET") return [200, "{}"];
	const body = JSON.parse(text);
	if (request.url === "/tokenize" || request.url === "/apply-template") {
		counted += request.url === "/tokenize";
		if (mute) return [404, refusal("unknown_url", "no such path")];
		if (rubbish) return [200, '{"count":"many","prompt":7,"tokens":["x"]}'];
		if (request.url === "/apply-template") return [200, JSON.stringify({prompt: "x".repeat(3 * count(body.messages, body.model))})];
		if (body.content !== undefined) return [200, JSON.stringify({tokens: Array(Math.ceil(bytes(body.content) / 3)).fill(1)})];
		return [200, JSON.stringify({count: count(body.messages, body.model), max_model_len: +window, tokens: []})];
	}
	asked++;
	last = body;
	if (text.includes("SPOIL")) return [500, '{"error":{"message":"spoilt","type":"server_error"}}'];
	if (+window && count(body.messages, body.model) + (body.max_tokens ?? 0) > +window) return [400, refusal("context_length_exceeded", "too long")];
	return [200, JSON.stringify(chat(body)), body.stream];
};
const events = (whole) => [{delta: {content: whole.choices[0].message.content}, finish_reason: null}, {delta: {}, finish_reason: "stop"}]
	.map((choice) => JSON.stringify({id: whole.id, object: "chat.completion.chunk", created: 1, model: whole.model, choices: [{index: 0, ...choice}]}))
	.concat("[DONE]").map((data) => `data: ${data}\n\n`).join("");
const serve = (request, response) => {
	const parts = [];
	request.on("data", (part) => parts.push(part));
	request.on("end", () => {
		const reply = () => {
			const [status, text, streams] = answer(request, Buffer.concat(parts).toString());
			if (silent && /^\/(tokenize|apply-template)$/.test(request.url)) return;
			if (say === "HANG" && request.url.startsWith("/v1/")) return;
			response.writeHead(status, {"content-type": streams ? "text/event-stream" : "application/json"});
			response.end(streams ? events(JSON.parse(text)) : text);
		};
		if (say === "HOLD" && request.url.startsWith("/v1/chat")) return held.push(reply);
		reply();
		if (request.url === "/say") for (const waiting of held.splice(0)) waiting();
	});
};
// At two addresses: a pool of one node has no breaker that opens.
http.createServer(serve).listen(Number(port), "127.0.0.2", () =>
	http.createServer(serve).listen(Number(port), "127.0.0.1", () => console.log("ready")));
