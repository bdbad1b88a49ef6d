// SPDX-License-Identifier: BSD-2-Clause
// slow.mjs - clients that send or read slowly. Started by slow.sh:
//   slow.mjs single      each against its bound
//   slow.mjs heads N     N connections whose head comes a byte now and then, opened again when refused
//
// The bounds in force: header 3 s, body 5 s, send 5 s, 200,000 bytes a second. A test waits for what
// must come, at most LONG_MS; nothing fails because the machine is slow.
import net from "node:net";
import { check, expect, finish, getJson, metric, notOk, sleep, test, waitFor } from "./lib.mjs";

const PORT = 8080;
const ADMIN = "http://127.0.0.1:10001";
const LONG_MS = 60000;
const TICK_MS = 100;
const head = (length, more = "") =>
  `POST /v1/chat/completions HTTP/1.1\r\nhost: sluice\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${more}\r\n`;
const ask = (tokens, stream) =>
  JSON.stringify({ model: "chat", stream, max_tokens: tokens, ignore_eos: true, messages: [{ role: "user", content: "slow" }] });
const seen = async () => (await getJson(`${ADMIN}/state`)).inference_requests;
const left = async () => (await getJson(`${ADMIN}/state`)).client_gone;

// {text, ended, reset}, growing; `reading` false: nothing is read until it is true again
function open() {
  const it = { text: "", length: 0, ended: false, socket: net.connect(PORT, "127.0.0.1") };
  it.socket.setNoDelay(true);
  it.socket.on("data", (part) => {
    it.length += part.length;
    if (it.text.length < 4096) it.text += part.toString("latin1");
    it.tail = part.toString("latin1").slice(-64);
  });
  for (const event of ["end", "close"]) it.socket.on(event, () => (it.ended = true));
  it.socket.on("error", () => (it.reset = it.ended = true));
  return it;
}
const over = (it) => waitFor(() => it.ended, LONG_MS);

const dripping = (name, first, piece) =>
  test(name, async () => {
    const it = open();
    it.socket.write(first);
    const drip = setInterval(() => it.socket.writable && it.socket.write(piece), TICK_MS);
    check(`${name} now and then: let go of`, await over(it));
    clearInterval(drip);
    check(`${name} now and then: 408`, it.text.startsWith("HTTP/1.1 408 "), it.text);
    check(`${name} now and then: says why`, it.text.includes('"code":"request_timeout"'), it.text);
  });

// 9 s at 300,000 bytes a second, far beyond all time-outs; what is late is sent at once, so that a
// machine that stalls makes no slow client.
async function slowWithinBounds() {
  const body = ask(4, false).replace('"slow"', `"${"slow ".repeat(540000)}"`);
  const it = open();
  const begin = Date.now();
  it.socket.write(head(body.length));
  for (let at = 0; at < body.length; ) {
    const due = Math.min(body.length, Math.max(at + 1, Math.floor((Date.now() - begin) * 300)));
    it.socket.write(body.slice(at, due));
    at = due;
    await sleep(TICK_MS);
  }
  await waitFor(() => it.text.includes("finish_reason") || it.ended, LONG_MS);
  check("a slow body within the bounds: served", it.text.startsWith("HTTP/1.1 200 "), it.text.slice(0, 300));
  it.socket.destroy();
}

// Each takes one piece, at most 64 KB, every tickMs; 0: none at all.
async function sipping(name, tickMs) {
  const it = open();
  const body = ask(1000000, true);
  it.socket.on("data", () => it.socket.pause());
  it.socket.write(head(body.length) + body);
  const sip = tickMs ? setInterval(() => it.socket.resume(), tickMs) : null;
  await waitFor(() => it.text.startsWith("HTTP/1.1 200 "), LONG_MS);
  return { name, end: () => (clearInterval(sip), it.socket.destroy()) };
}

// The last answer of a connection has its time too, not only that for the client's FIN.
async function lastAnswer() {
  const it = open();
  const body = ask(300000, false);
  it.socket.once("data", () => it.socket.pause());
  it.socket.write(head(body.length, "connection: close\r\n") + body);
  check("a large last answer: begun", await waitFor(() => it.length > 0, LONG_MS));
  const begin = Date.now();
  while (!it.ended && Date.now() - begin < 4500) {
    const due = (Date.now() - begin) * 300;
    it.socket.resume();
    await waitFor(() => it.length >= due || it.ended, LONG_MS);
    it.socket.pause();
    await sleep(TICK_MS);
  }
  it.socket.resume();
  await over(it);
  const length = Number(it.text.match(/content-length: (\d+)/i)?.[1]);
  expect("a large last answer, read slowly: whole", it.length - it.text.indexOf("\r\n\r\n") - 4, length);
  check("a large last answer, read slowly: not reset", !it.reset);
}

async function single() {
  const tooSlow = () => metric("sluice_http_refused_total", "too_slow");
  const cuts = () => metric("sluice_http_slow_readers_cut_total");
  const [refused, before] = [await tooSlow(), await seen()];
  await Promise.all([
    dripping("a byte of the body", head(100000), "x"),
    dripping("a chunk of one byte", head(0).replace("content-length: 0", "transfer-encoding: chunked"), "1\r\nx\r\n"),
    test("a slow body within the bounds", slowWithinBounds),
  ]);
  expect("slow bodies are counted", (await tooSlow()) - refused, 2);
  expect("and no server saw them", (await seen()) - before, 1);

  const [cut, gone] = [await cuts(), await left()];
  const readers = [await sipping("nothing", 0), await sipping("a little", 600)];
  await test("a last answer", lastAnswer);
  check("who takes nothing, or too little, is cut", await waitFor(async () => (await cuts()) - cut === 2, LONG_MS), await cuts());
  check("and the server freed", await waitFor(async () => (await left()) - gone === 2, LONG_MS), await left());
  for (const reader of readers) reader.end();
}

async function heads(count) {
  const sockets = new Array(count).fill(null);
  let refused = 0, odd = 0;
  const begin = (i) => {
    const socket = net.connect(PORT, "127.0.0.1", () => socket.write("GET /health HTTP/1.1\r\nhost: s\r\nx-a: "));
    socket.on("data", (part) => (part.toString("latin1").startsWith("HTTP/1.1 408 ") ? refused++ : odd++));
    socket.on("error", () => {});
    socket.on("close", () => (sockets[i] = null));
    sockets[i] = socket;
  };
  process.on("SIGTERM", () => {
    check(`slow heads: ${refused} refused with 408`, refused >= count && odd === 0, `${refused} of ${count}, ${odd} other answers`);
    finish();
  });
  const end = Date.now() + 20 * LONG_MS;
  while (Date.now() < end) {
    for (let i = 0; i < count; i++) {
      if (!sockets[i]) begin(i);
      else if (sockets[i].writable) sockets[i].write("x");
      if (i % 500 === 499) await sleep(5);
    }
    await sleep(1500); // a byte that often keeps no head alive, and of ten thousand each byte costs
  }
  notOk("slow heads", "nobody ended them");
  finish();
}

if (process.argv[2] === "heads") await heads(Number(process.argv[3]));
else {
  await single();
  finish();
}
