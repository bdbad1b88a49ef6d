// SPDX-License-Identifier: BSD-2-Clause
// lib.mjs - what the tests in JavaScript share: judging, plain HTTP, raw sockets, metrics.
import http from "node:http";
import net from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import path from "node:path";

export { sleep };
export const URL_BASE = process.env.SLUICE_URL ?? "http://127.0.0.1:8080";
export const TIMEOUT_MS = 30000;
const prefix = process.env.SLUICE_TEST_NAME ?? path.basename(process.argv[1], ".mjs");
let failures = 0;

// ---- judging ----------------------------------------------------------------------------------
export const ok = (name) => console.log(`ok ${prefix}: ${name}`);
export function notOk(name, why) {
  failures++;
  console.log(`not ok ${prefix}: ${name}: ${String(why).replaceAll("\n", "\\n").slice(0, 600)}`);
}
export function expect(name, got, wanted) {
  const [a, b] = [JSON.stringify(got), JSON.stringify(wanted)];
  if (a === b) ok(name);
  else notOk(name, `got ${a}, wanted ${b}`);
}
export const check = (name, good, why = "") => (good ? ok(name) : notOk(name, why));
// Runs one test; what it throws is its failure.
export async function test(name, run) {
  try {
    await run();
  } catch (error) {
    notOk(name, error.stack ?? error);
  }
}
export async function waitFor(condition, timeoutMs = 30000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) return value;
    await sleep(20);
  }
}
export function finish() {
  process.exit(failures ? 1 : 0);
}
process.on("unhandledRejection", (error) => {
  notOk("unhandled", error.stack ?? error);
  process.exit(1);
});

// ---- packages from build/e2e ------------------------------------------------------------------
const here = path.dirname(fileURLToPath(import.meta.url));
export function packageFile(name) {
  const modules = process.env.SLUICE_NODE_MODULES ?? path.join(here, "../../build/e2e/node_modules");
  return pathToFileURL(path.join(modules, name)).href;
}

// ---- HTTP -------------------------------------------------------------------------------------
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });

// {status, headers, body, complete}; complete is false when the body was cut.
export function request(method, url, { headers = {}, body = null } = {}) {
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method, headers, agent, timeout: TIMEOUT_MS }, (res) => {
      const parts = [];
      const done = () =>
        resolve({
          status: res.statusCode,
          headers: res.headers,
          body: Buffer.concat(parts).toString(),
          complete: res.complete,
        });
      res.on("data", (part) => parts.push(part));
      res.on("end", done);
      res.on("error", done);
    });
    req.on("timeout", () => req.destroy(new Error(`no answer within ${TIMEOUT_MS} ms: ${url}`)));
    req.on("error", reject);
    req.end(body);
  });
}
export const post = (path_, value, headers = {}) =>
  request("POST", URL_BASE + path_, {
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(value),
  });
export const getJson = async (url) => JSON.parse((await request("GET", url)).body);

// The data of each event of a stream, [DONE] as null.
export function events(text) {
  return text
    .split("\n\n")
    .map((event) => event.match(/^data: (.*)$/m)?.[1])
    .filter((data) => data !== undefined)
    .map((data) => {
      if (data === "[DONE]") return null;
      try {
        return JSON.parse(data);
      } catch {
        return { invalid: data };
      }
    });
}

// {name: sum} by a metric's label value, of the samples that contain all texts.
export async function samples(name, label, ...texts) {
  const { body } = await request("GET", `${URL_BASE}/metrics`);
  const sums = {};
  for (const line of body.split("\n")) {
    if (!line.startsWith(`${name}{`) || !texts.every((text) => line.includes(text))) continue;
    const key = line.match(new RegExp(`${label}="([^"]*)"`))?.[1];
    sums[key] = (sums[key] ?? 0) + Number(line.slice(line.lastIndexOf(" ")));
  }
  return sums;
}
export async function metric(name, ...texts) {
  const { body } = await request("GET", `${URL_BASE}/metrics`);
  let sum = 0;
  for (const line of body.split("\n"))
    if ((line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && texts.every((t) => line.includes(t)))
      sum += Number(line.slice(line.lastIndexOf(" ")));
  return sum;
}

// ---- raw sockets ------------------------------------------------------------------------------
// Sends bytes (or several pieces, one after the other) and returns all that comes until the server
// closes or stays silent for quietMs: {text, closed}.
export function raw(pieces, { port = 8080, quietMs = 10000, pauseMs = 15, until = null } = {}) {
  return new Promise((resolve) => {
    const parts = [];
    let timer;
    const socket = net.connect(port, "127.0.0.1");
    const text = () => Buffer.concat(parts).toString("latin1");
    const end = (closed) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ text: text(), closed });
    };
    const arm = () => {
      clearTimeout(timer);
      timer = setTimeout(() => end(false), quietMs);
    };
    socket.setNoDelay(true);
    socket.on("connect", async () => {
      arm();
      for (const piece of [pieces].flat()) {
        if (socket.destroyed) return;
        socket.write(Buffer.from(piece, "latin1"));
        await sleep(pauseMs);
      }
    });
    socket.on("data", (part) => {
      parts.push(part);
      if (until && text().includes(until)) end(false);
      else arm();
    });
    socket.on("end", () => end(true));
    socket.on("error", () => end(true));
    socket.on("close", () => end(true));
  });
}
