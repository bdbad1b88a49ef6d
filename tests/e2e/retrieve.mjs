// SPDX-License-Identifier: BSD-2-Clause
// retrieve.mjs - the servers of the retrieval test, each a small real one.
//
//   node retrieve.mjs model PORT      a chat model whose answer is the system messages that it got
//   node retrieve.mjs vectors PORT [ADDRESS [FILE]]  a vector store that speaks Qdrant's REST and Chroma's query: points
//                                     in memory, searched by cosine. PUT /teach {id, text, source} keeps
//                                     the vector of the next search as that point's; GET /points tells all,
//                                     POST /forget drops them. FILE keeps them over a restart.
//   node retrieve.mjs rerank PORT     a reranker of Cohere's shape: best is who shares most words
//   POST /mode {"mode": "right" | "garbage" | "error"}   for all of them
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import http from "node:http";

const [role, port] = [process.argv[2], Number(process.argv[3])];
let mode = "right";
let asked = 0;
const file = process.argv[5];
const points = file && existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : [];
const keep = () => file && writeFileSync(file, JSON.stringify(points));
let lesson = null;

const body = (request) => new Promise((done) => {
	let text = "";
	request.on("data", (part) => (text += part));
	request.on("end", () => done(text ? JSON.parse(text) : {}));
});
const say = (response, status, value) => {
	const text = typeof value === "string" ? value : JSON.stringify(value);
	response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
	response.end(text);
};

function chat(request, response) {
	const system = request.messages.filter((m) => m.role === "system").map((m) => m.content).join("\n---\n");
	say(response, 200, {
		id: "c", object: "chat.completion", created: 1, model: request.model,
		choices: [{ index: 0, message: { role: "assistant", content: system || "no system message" }, finish_reason: "stop" }],
		usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
	});
}

function nearest(vector, count) {
	if (lesson) {
		points.push({ ...lesson, vector });
		keep();
	}
	lesson = null;
	const length = Math.hypot(...vector);
	return points
		.map((p) => ({ p, score: p.vector.reduce((sum, x, i) => sum + x * vector[i], 0) / length / Math.hypot(...p.vector) }))
		.sort((a, b) => b.score - a.score)
		.slice(0, count);
}
function qdrant(request, response) {
	const found = nearest(request.vector, request.limit);
	say(response, 200, { result: found.map(({ p, score }) => ({ id: p.id, version: 0, score, payload: { text: p.text, source: p.source } })), status: "ok", time: 0.001 });
}
function chroma(request, response) {
	const found = nearest(request.query_embeddings[0], request.n_results);
	say(response, 200, {
		ids: [found.map(({ p }) => String(p.id))], distances: [found.map(({ score }) => 1 - score)],
		documents: [found.map(({ p }) => p.text)], metadatas: [found.map(({ p }) => ({ source: p.source }))],
	});
}

const words = (text) => new Set(text.toLowerCase().match(/[a-z0-9]+/g) ?? []);
function rerank(request, response) {
	const query = words(request.query);
	const results = request.documents
		.map((text, index) => ({ index, relevance_score: [...words(text)].filter((w) => query.has(w)).length / (query.size || 1) }))
		.sort((a, b) => b.relevance_score - a.relevance_score);
	say(response, 200, { results });
}

const serve = async (request, response) => {
	const path = request.url;
	const json = await body(request);
	if (path === "/mode") { mode = json.mode; return say(response, 200, {}); }
	if (path === "/asked") return say(response, 200, String(asked));
	if (path === "/teach") { lesson = json; return say(response, 200, {}); }
	if (path === "/forget") { points.length = 0; keep(); return say(response, 200, {}); }
	if (path === "/points") return say(response, 200, points);
	if (request.method === "GET") return say(response, 200, { data: [{ id: "model", object: "model" }] });
	asked++;
	if (mode === "garbage") return say(response, 200, { result: { surprise: [1, 2] }, results: "none" });
	if (mode === "error") return say(response, 500, { status: { error: "broken" } });
	if (role === "model") return chat(json, response);
	if (role === "rerank") return rerank(json, response);
	if (path.startsWith("/collections/docs/points/search")) return qdrant(json, response);
	if (path.startsWith("/api/v2/tenants/default_tenant/databases/default_database/collections/docs/query")) return chroma(json, response);
	say(response, 404, { status: { error: `no ${path}` } });
};
// At two addresses: a pool of one node has no breaker that opens.
const listen = (address, then) => http.createServer(serve).listen(port, address, then);
const ready = () => console.log("ready");
if (process.argv[4]) listen(process.argv[4], ready);
else listen("127.0.0.2", () => listen("127.0.0.1", ready));
