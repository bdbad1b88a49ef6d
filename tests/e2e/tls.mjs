// SPDX-License-Identifier: BSD-2-Clause
// tls.mjs - what tls.sh needs beside curl and openssl. Trust comes by NODE_EXTRA_CA_CERTS.
//
//   tls.mjs sdk URL            the `openai` client over https: whole, streamed, kept connection
//   tls.mjs load URL STOP      streams over fresh and kept connections until the file STOP exists;
//                              prints NAME=VALUE lines
//   tls.mjs front PORT TO CERT KEY [MODE]
//       TLS in front of 127.0.0.1:TO. MODE: pass (default), cut:BYTES (a FIN without close_notify
//       after that many bytes of answers), silent (no handshake), unframed:whole and unframed:cut (an
//       answer of its own without length, ended with and without close_notify), echo (an answer of
//       its own that tells what was asked)
import { createServer as plainServer, connect } from "node:net";
import { TLSSocket, createSecureContext } from "node:tls";
import { existsSync, readFileSync } from "node:fs";
import { Agent, request } from "node:https";
import { check, expect, finish, packageFile } from "./lib.mjs";

const [, , what, ...rest] = process.argv;
const BODY = (more) => JSON.stringify({ model: "chat", messages: [{ role: "user", content: "over TLS" }], ...more });

async function sdk(url) {
  const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", timeout: 30000, maxRetries: 0 });
  const ask = { model: "chat", messages: [{ role: "user", content: "over TLS" }], temperature: 0, max_tokens: 24 };
  const whole = await client.chat.completions.create(ask);
  check("openai over https: whole answer", whole.choices[0].message.content.length > 10, JSON.stringify(whole));
  let text = "";
  for await (const chunk of await client.chat.completions.create({ ...ask, stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
  expect("openai over https: the stream has the same text", text, whole.choices[0].message.content);
  const big = "word ".repeat(40000);
  const long = await client.chat.completions.create({ ...ask, messages: [{ role: "user", content: big }] });
  check("openai over https: a body of 200 KB", long.usage.prompt_tokens > 10000, JSON.stringify(long.usage));
  expect("openai over https: models", (await client.models.list()).data.map((m) => m.id).includes("chat"), true);
  finish();
}

// One stream; resolves to "ok" or what was wrong.
function stream(url, agent) {
  return new Promise((resolve) => {
    const req = request(`${url}/v1/chat/completions`, { method: "POST", agent, headers: { "content-type": "application/json" } }, (res) => {
      let text = "";
      res.setEncoding("utf8");
      res.on("data", (part) => (text += part));
      res.on("end", () => resolve(res.statusCode === 200 && text.endsWith("data: [DONE]\n\n") ? "ok" : `status ${res.statusCode}: ${text.slice(-80)}`));
      res.on("error", (error) => resolve(`cut: ${error.message}`));
    });
    req.on("error", (error) => {
      // A kept connection may be closed by the server at the moment it is used: not a failure.
      if (req.reusedSocket && error.code === "ECONNRESET") return resolve(stream(url, agent));
      resolve(`error: ${error.message}`);
    });
    req.end(BODY({ stream: true, max_tokens: 20 }));
  });
}

async function load(url, stop) {
  const counts = { streams: 0, failed: 0 };
  const agents = [new Agent({ keepAlive: false }), new Agent({ keepAlive: true })];
  const worker = async (agent) => {
    while (!existsSync(stop)) {
      const result = await stream(url, agent);
      counts.streams++;
      if (result === "ok") continue;
      counts.failed++;
      console.error(result);
    }
  };
  await Promise.all(Array.from({ length: 12 }, (_, i) => worker(agents[i % 2])));
  for (const agent of agents) agent.destroy();
  for (const [name, value] of Object.entries(counts)) console.log(`${name}=${value}`);
}

// Answers by itself: the content is what it was asked.
function answer(secure, raw, kind, number) {
  let seen = "";
  secure.on("data", (part) => {
    seen += part;
    const at = seen.indexOf("\r\n\r\n");
    if (at < 0) return;
    const head = seen.slice(0, at);
    const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (seen.length < at + 4 + length) return;
    const content = JSON.stringify({ head: head.split("\r\n"), model: JSON.parse(seen.slice(at + 4, at + 4 + length)).model });
    seen = seen.slice(at + 4 + length);
    const body = JSON.stringify({
      id: "x", object: "chat.completion", created: 1, model: "other",
      choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content } }],
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    });
    const lines = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n`;
    if (kind === "echo") return void secure.write(`${lines}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    secure.write(`${lines}connection: close\r\n\r\n${body}`, () => (number === "cut" ? raw.end() : secure.end()));
  });
  secure.on("error", () => {});
}

function front(port, to, cert, key, mode = "pass") {
  const secureContext = createSecureContext({ cert: readFileSync(cert), key: readFileSync(key) });
  const options = { secureContext };
  const [kind, number] = mode.split(":");
  const serve = (secure, raw) => {
    const inner = connect(Number(to), "127.0.0.1");
    let left = Number(number);
    inner.on("data", (part) => {
      if (left === 0) return;
      if (kind !== "cut" || part.length < left) {
        left -= part.length;
        return void secure.write(part);
      }
      secure.write(part.subarray(0, left), () => setTimeout(() => raw.end(), 300)); // FIN below TLS, once the tokens are through
      left = 0;
    });
    inner.on("end", () => secure.end());
    secure.on("data", (part) => inner.write(part));
    for (const [a, b] of [[secure, inner], [inner, secure]]) {
      a.on("error", () => b.destroy());
      a.on("close", () => b.destroy());
    }
  };
  const server = plainServer((raw) => {
    raw.on("error", () => {});
    if (kind === "silent") return;
    if (kind === "unframed" || kind === "echo") return answer(new TLSSocket(raw, { isServer: true, ...options }), raw, kind, number);
    serve(new TLSSocket(raw, { isServer: true, ...options }), raw);
  });
  server.listen(Number(port), "127.0.0.1", () => console.log("listening"));
}

switch (what) {
  case "sdk": await sdk(...rest); break;
  case "load": await load(...rest); break;
  case "front": front(...rest); break;
  default: console.error("tls.mjs sdk|load|front"); process.exit(2);
}
