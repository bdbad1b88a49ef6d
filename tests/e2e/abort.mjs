// SPDX-License-Identifier: BSD-2-Clause
// abort.mjs - clients that leave while their body is read, in the queue, while the daemon connects, before
// the first byte, in mid-stream and in the middle of a whole answer. Started by abort.sh.
//
// Each leaver has somebody waiting behind it for its only place. That this one gets to the server, while
// the leaver was never answered, is what shows the place to be free; nothing here judges by a clock.
//
// How soon it is free is judged by the daemon's own time, which stands still for a turn of its loop: with
// one thread (ONE_THREAD) leaving and the next one's grant must bear the same time. So nothing was waited
// for in between, no timer and no other event, however slow the machine is.
import { spawn } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import { check, expect, finish, metric, sleep, test, waitFor } from "./lib.mjs";

const ONE_THREAD = process.env.ONE_THREAD === "1";
const ROUNDS = ONE_THREAD ? 5 : 20;
const took = new Map(); // what: milliseconds of each round
const clock = () => Number(process.hrtime.bigint()) / 1e6; // milliseconds, of the clock that the daemon reads too
const note = (what, from, to = clock()) => took.set(what, [...(took.get(what) ?? []), to - from]);

// ---- the server: what it does is in the request's id, KIND-NUMBER -----------------------------------
const seen = new Map(); // by id: {at, closed}
const watchers = new Set();
const tell = () => watchers.forEach((look) => look());
// Resolves in the turn in which the condition becomes true.
const when = (condition, what) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => end(new Error(`${what}: not within 30 s`)), 30000);
    const end = (error) => {
      watchers.delete(look);
      clearTimeout(timer);
      error ? reject(error) : resolve();
    };
    const look = () => condition() && end();
    watchers.add(look);
    look();
  });

const answers = {
  silent: () => {},
  stream: (socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n");
    const event = 'data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n';
    const chunk = `${event.length.toString(16)}\r\n${event}\r\n`;
    const timer = setInterval(() => socket.write(chunk), 2);
    socket.on("close", () => clearInterval(timer));
  },
  half: (socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n");
    socket.write(`{"x":"${"y".repeat(50000)}`);
  },
  quick: (socket) => {
    socket.write("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
    socket.end();
  },
};
const server = net.createServer((socket) => {
  let text = "", entry = null;
  socket.setNoDelay(true);
  socket.on("data", (data) => {
    text += data;
    const id = !entry && text.includes("\r\n\r\n") && text.match(/^x-request-id: (.*)\r$/im)?.[1];
    if (!id) return;
    entry = { closed: false };
    seen.set(id, entry);
    answers[id.split("-")[0]](socket);
    tell();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    if (entry) entry.closed = true;
    tell();
  });
});
await new Promise((resolve) => server.listen(9005, "127.0.0.1", resolve));

// ---- clients ------------------------------------------------------------------------------------------
const body = (model, stream) =>
  JSON.stringify({ model, stream, messages: [{ role: "user", content: "hello" }] });
function ask(id, { model = "one", stream = false, part = 1 } = {}) {
  const text = body(model, stream);
  const socket = net.connect(8080, "127.0.0.1");
  const client = { id, socket, text: "", closed: false };
  socket.setNoDelay(true);
  socket.on("error", () => {});
  socket.on("data", (data) => {
    client.text += data;
    tell();
  });
  socket.on("close", () => {
    client.closed = true;
    tell();
  });
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nx-request-id: ${id}\r\n` +
      `connection: close\r\ncontent-length: ${text.length}\r\n\r\n${text.slice(0, text.length * part)}`,
  );
  return client;
}
const depth = (pool) => metric("sluice_queue_depth", `pool="${pool}"`);
async function depthIs(pool, count, what) {
  if (!(await waitFor(async () => (await depth(pool)) === count, 30000))) throw new Error(`${what}: depth`);
}
const answered = (client) => when(() => client.closed && client.text.startsWith("HTTP/1.1 200"), client.id);

// ---- in one turn ---------------------------------------------------------------------------------------
const explain = (id) =>
  new Promise((resolve, reject) => {
    const socket = net.connect(process.env.SLUICE_ADMIN_SOCKET, () => socket.write(`explain ${id} json\n`));
    let text = "";
    socket.on("data", (data) => (text += data));
    socket.on("error", reject);
    socket.on("end", () => resolve(JSON.parse(text)));
  });
const timeOf = (trail, event) => trail.monotonic_ns + Math.max(...trail.events.filter((one) => one.event === event).map((one) => Math.round(one.at_ms * 1000))) * 1000;
const pairs = new Map(); // stage: [leaver, next]
const follows = (stage, leaver, next) => pairs.set(stage, [...(pairs.get(stage) ?? []), [leaver.id, next.id]]);
async function inOneTurn() {
  for (const [stage, ids] of pairs) {
    const late = [];
    for (const [leaver, next] of ids) {
      const [left, granted] = [await explain(leaver), await explain(next)];
      const end = left.events.some((one) => one.event === "stream_end") ? "stream_end" : "client_gone";
      const later = timeOf(granted, "queue_end") - timeOf(left, end);
      const result = granted.events.find((one) => one.event === "queue_end")?.result;
      if (!(Math.abs(later) < 1000) || result !== "granted") late.push([leaver, later, result]); // times are whole microseconds
    }
    expect(`${stage}: left and granted in one turn of the loop, ${ids.length} times`, late, []);
  }
}

// ---- once the server has the request ------------------------------------------------------------------
async function leave(stage, kind, stream, reached) {
  const name = stage.replaceAll(" ", "_"); // an id has none
  let round;
  for (round = 0; round < ROUNDS; round++) {
    const leaver = ask(`${kind}-${name}-${round}`, { stream });
    await when(() => seen.has(leaver.id) && reached(leaver), leaver.id);
    const next = ask(`quick-${name}-${round}`);
    await depthIs("one", 1, next.id);
    const from = clock();
    follows(stage, leaver, next);
    leaver.socket.destroy();
    await Promise.all([
      when(() => seen.get(leaver.id).closed, `${leaver.id} at the server`).then(() => note(`${stage}: server`, from)),
      when(() => seen.has(next.id), `${next.id} at the server`).then(() => note(`${stage}: slot`, from)),
    ]);
    await answered(next);
  }
  expect(`${stage}: server and slot are free, each time`, round, ROUNDS);
}
await test("first byte", () => leave("first byte", "silent", true, () => true));
await test("whole answer", () => leave("whole answer", "silent", false, () => true));
await test("half an answer", () => leave("half an answer", "half", false, () => true));
await test("mid-stream", () => leave("mid-stream", "stream", true, (client) => client.text.includes("data: ")));

// ---- in the queue -------------------------------------------------------------------------------------
await test("queue", async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const holder = ask(`silent-holder-${round}`);
    await when(() => seen.has(holder.id), holder.id);
    const leaver = ask(`quick-leaver-${round}`);
    await depthIs("one", 1, leaver.id);
    const next = ask(`quick-behind-${round}`);
    await depthIs("one", 2, next.id);
    const from = clock();
    leaver.socket.destroy();
    while ((await depth("one")) !== 1);
    note("queue: place", from);
    holder.socket.destroy();
    await answered(next);
  }
  check("queue: no leaver came to the server", ![...seen.keys()].some((id) => id.includes("leaver")));
  expect("queue: each is counted", await metric("sluice_queue_requests_total", 'result="left"', 'pool="one"'), ROUNDS);
});

// ---- while the daemon connects ------------------------------------------------------------------------
// Local ports of connects under way to 10.9.9.2:9000. To read that file takes the kernel milliseconds:
// for what is begun, not for how soon something ends.
const connecting = () =>
  fs
    .readFileSync("/proc/net/tcp", "latin1")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words[2] === "0209090A:2328" && words[3] === "02")
    .map((words) => parseInt(words[1].split(":")[1], 16));
// The kernel tells of each socket that is gone, in the moment.
const gone = new Set(); // local ports
const teller = spawn("stdbuf", ["-oL", "ss", "-E", "-t", "-n", "-H"], { stdio: ["ignore", "pipe", "inherit"] });
teller.stdout.setEncoding("latin1").on("data", (text) => {
  for (const [, port] of text.matchAll(/ 10\.9\.9\.1:(\d+) +10\.9\.9\.2:9000/g)) gone.add(Number(port));
  tell();
});
// One that connects, and the port it does so from.
async function askFar(id) {
  const client = ask(id, { model: "far" });
  const ports = await waitFor(() => ((found) => found.length === 1 && found)(connecting()), 30000);
  return { client, port: ports[0] };
}
await test("connect", async () => {
  // It takes its time to begin: until then it has missed those that went.
  for (let turn = 0, told = false; !told; turn++) {
    if (turn === 30) throw new Error("ss -E tells nothing (apt-get install iproute2)");
    const { client: first, port: proof } = await askFar(`far-first-${turn}`);
    first.socket.destroy();
    told = await waitFor(() => gone.has(proof), 1000);
  }
  for (let round = 0; round < (ONE_THREAD ? 3 : ROUNDS / 2); round++) {
    const { client: leaver, port } = await askFar(`far-${round}`);
    const next = ask(`far-next-${round}`, { model: "far" });
    await depthIs("far", 1, next.id);
    gone.delete(port);
    const from = clock();
    follows("connect", leaver, next);
    leaver.socket.destroy();
    await when(() => gone.has(port), `${leaver.id}: its socket`).then(() => note("connect: socket", from));
    // Nobody hears its SYN; the daemon tells when it was sent.
    let trail;
    await waitFor(async () => (trail = await explain(next.id)).events.some((one) => one.event === "attempt"), 30000);
    note("connect: slot", from, timeOf(trail, "attempt") / 1e6);
    next.socket.destroy();
    await waitFor(async () => (await metric("sluice_requests_in_flight")) === 0, 30000);
  }
  check("connect: nobody connects any more", await waitFor(() => !connecting().length, 30000), connecting().join());
});
teller.kill();

// ---- while the body is read ---------------------------------------------------------------------------
await test("body", async () => {
  const before = await metric("sluice_http_connections");
  const count = async () => (await metric("sluice_http_connections")) - before;
  for (let round = 0; round < ROUNDS; round++) {
    const leaver = ask(`quick-body-${round}`, { part: 0.5 });
    if (!(await waitFor(async () => (await count()) === 1))) throw new Error("it does not come");
    const from = clock();
    leaver.socket.destroy();
    while ((await count()) !== 0);
    note("body: connection", from);
  }
  check("body: none came to the server", ![...seen.keys()].some((id) => id.includes("body")));
});

if (ONE_THREAD) await test("one turn", inOneTurn);
expect("at the end nothing is in flight", await waitFor(async () => (await metric("sluice_requests_in_flight")) === 0), true);
for (const [what, times] of took) {
  times.sort((a, b) => a - b);
  const [median, worst] = [times[times.length >> 1], times.at(-1)].map((ms) => ms.toFixed(1));
  console.log(`# ${what} free after ${median} ms, at most ${worst} of ${times.length}`);
}
finish();
