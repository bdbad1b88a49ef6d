// SPDX-License-Identifier: BSD-2-Clause
// chroma.mjs - a real Chroma, and its filling.
//
//   node chroma.mjs serve PORT DIRECTORY      the server on loopback, its data in that directory
//   node chroma.mjs fill PORT ID DIRECTORY    gives its collection the documents' chunks, prints how many
//
// A chunk's vector is the daemon's own: its route `teach` asks a store of Qdrant's shape on port 9002, which
// keeps what it is asked (retrieve.mjs).
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
const modules = process.env.SLUICE_NODE_MODULES ?? path.join(here, "../../build/e2e/node_modules");

const [what, ...args] = process.argv.slice(2);
const store = "http://127.0.0.1:9002";

// Its command is in the native part; the package `chromadb` would only add a client that nobody here uses.
const native = () => createRequire(import.meta.url)(path.join(modules, "chromadb-js-bindings-linux-x64-gnu"));

async function post(url, value) {
	const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });
	const text = await response.text();
	if (!response.ok) throw new Error(`${url}: ${response.status} ${text}`);
	return text ? JSON.parse(text) : {};
}

// A chunk is a heading and what is below it, a paragraph, or a record: as small as the handbook's parts.
function split(name, text) {
	if (name.endsWith(".jsonl")) return text.trim().split("\n").map((line) => JSON.parse(line).text);
	if (name.endsWith(".html")) return [...text.matchAll(/<p>(.*?)<\/p>/gs)].map(([, part]) => part.replace("&#39;", "'"));
	if (name.endsWith(".md")) return text.split(/^## .*$/m).slice(1).map((part) => part.trim());
	return text.split(/\n\n/).map((part) => part.replaceAll("\n", " ").trim());
}
function chunks(directory) {
	return fs.readdirSync(directory).sort().flatMap((name) =>
		split(name, fs.readFileSync(path.join(directory, name), "utf8"))
			.map((text, i) => ({ id: `${name}-${i + 1}`, text, source: name })));
}

async function vector(text) {
	await post(`${store}/teach`, { id: 1, text: "x", source: "y" });
	await post("http://127.0.0.1:8080/v1/chat/completions", { model: "teach", messages: [{ role: "user", content: text }] });
	return (await (await fetch(`${store}/points`)).json()).at(-1).vector;
}

async function fill(port, id, directory) {
	const all = chunks(directory);
	const vectors = [];
	for (const chunk of all) vectors.push(await vector(chunk.text));
	await post(`http://127.0.0.1:${port}/api/v2/tenants/default_tenant/databases/default_database/collections/${id}/add`, {
		ids: all.map((chunk) => chunk.id),
		embeddings: vectors,
		documents: all.map((chunk) => chunk.text),
		metadatas: all.map((chunk) => ({ source: chunk.source })),
	});
	return all.length;
}

if (what === "serve") native().cli(["chroma", "run", "--host", "127.0.0.1", "--port", args[0], "--path", args[1]]);
else if (what === "fill") console.log(await fill(...args));
else throw new Error(`expected serve or fill, not ${what}`);
