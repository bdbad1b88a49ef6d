// SPDX-License-Identifier: BSD-2-Clause
// eval.mjs - many requests of eval.sh, from one process:
//
//   eval.mjs ask MODEL KEY COUNT PREFIX    asks, each time as another session; prints requests by pool
//   eval.mjs rate KEY ID COUNT             rates one answer again and again; prints statuses
//   eval.mjs dislike MODEL KEY COUNT       asks and rates: thumbs down for the pool "bad", else up
//   eval.mjs sdk MODEL KEY                 a rating by the OpenAI SDK
import http from "node:http";
import { packageFile } from "./lib.mjs";

const [verb, ...words] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const post = (path, key, session, body) => new Promise((resolve, reject) => {
	const request = http.request({ agent, host: "127.0.0.1", port: 8080, path, method: "POST", timeout: 30000,
		headers: { "content-type": "application/json", authorization: `Bearer ${key}`, "x-session-id": session } }, (response) => {
		let text = "";
		response.on("data", (part) => text += part);
		response.on("end", () => resolve({ status: response.statusCode, headers: response.headers, text }));
	});
	request.on("error", reject);
	request.end(JSON.stringify(body));
});
const question = (model, session) => ({ model, messages: [
	{ role: "system", content: "The warranty of the Aurora kettle lasts 24 months. It holds 2 litres and weighs 900 grams." },
	{ role: "user", content: `Tell me about the Aurora kettle, ${session}.` }] });
const ask = (model, key, session) => post("/v1/chat/completions", key, session, question(model, session));
const counts = {};
const count = (name) => counts[name] = (counts[name] ?? 0) + 1;

if (verb === "ask") {
	const [model, key, times, prefix] = words;
	for (let i = 0; i < +times; i++) {
		const answer = await ask(model, key, `${prefix}${i}`);
		count(answer.status === 200 ? answer.headers["x-sluice-pool"] : answer.status);
	}
} else if (verb === "rate") {
	const [key, id, times] = words;
	for (let i = 0; i < +times; i++) count((await post("/v1/feedback", key, "", { request_id: id, score: 0.5 })).status);
} else if (verb === "dislike") {
	const [model, key, times] = words;
	for (let i = 0; i < +times; i++) {
		const { headers } = await ask(model, key, `d${i}`);
		count(headers["x-sluice-pool"]);
		count((await post("/v1/feedback", key, "", { request_id: headers["x-request-id"],
			thumbs: headers["x-sluice-pool"] === "bad" ? "down" : "up" })).status);
	}
} else {
	const [model, apiKey] = words;
	const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
	const client = new OpenAI({ apiKey, baseURL: "http://127.0.0.1:8080/v1", maxRetries: 0 });
	const { response } = await client.chat.completions.create(question(model, "sdk")).withResponse();
	const said = await client.post("/feedback", { body: { request_id: response.headers.get("x-request-id"), thumbs: "up" } });
	count(`${said.object} ${said.score}`);
	await client.post("/feedback", { body: { request_id: "nobody", thumbs: "up" } }).catch((error) => count(`${error.status} ${error.code}`));
}
console.log(JSON.stringify(counts));
process.exit(0);
