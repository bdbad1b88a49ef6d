// SPDX-License-Identifier: BSD-2-Clause
// hallu.mjs PORT SHARE - an inference server that tells what the conversation says about a kettle, but in that
// share of its answers one sentence that is not there: of each ten (at 0.1) one, by its own dice. Whole answers
// and streams.
//
//   POST /v1/chat/completions
//   GET  /planted   {"answers", "planted"}
import http from "node:http";

const [port, share] = process.argv.slice(2);
let answers = 0, planted = 0, seed = 7, turn = 0;
const block = Math.round(1 / share);
const dice = () => { seed = (seed * 48271) % 2147483647; return seed / 2147483647; };
const say = () => {
	if (answers % block === 0) turn = Math.floor(dice() * block);
	const plants = answers % block === turn;
	answers++;
	planted += plants;
	return "The warranty of the Aurora kettle lasts 24 months. " + (plants ? "It weighs 4500 grams." : "It weighs 900 grams.");
};
const chunk = (delta, reason) => `data: ${JSON.stringify({id: "c", object: "chat.completion.chunk", created: 1, model: "m",
	choices: [{index: 0, delta, finish_reason: reason}]})}\n\n`;
http.createServer((request, response) => {
	let body = "";
	request.on("data", (part) => body += part);
	request.on("end", () => {
		if (request.method === "GET") return response.end(JSON.stringify({answers, planted}));
		const asked = JSON.parse(body), content = say();
		if (asked.stream) {
			response.writeHead(200, {"content-type": "text/event-stream"});
			for (const word of content.split(/(?<= )/)) response.write(chunk({content: word}, null));
			return response.end(chunk({}, "stop") + "data: [DONE]\n\n");
		}
		response.setHeader("content-type", "application/json");
		response.end(JSON.stringify({id: "c", object: "chat.completion", created: 1, model: asked.model,
			choices: [{index: 0, finish_reason: "stop", message: {role: "assistant", content}}],
			usage: {prompt_tokens: 9, completion_tokens: 9, total_tokens: 18}}));
	});
}).listen(+port, "127.0.0.1", () => console.log("ready"));
