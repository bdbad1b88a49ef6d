// SPDX-License-Identifier: BSD-2-Clause
// smuggling.mjs - requests whose end two readers could see in two places. Each must be refused with a
// 4xx or 5xx, the connection closed, nothing behind it answered, and no server may see any of it.
//
// In every case a second request, for the path /v1/chat/completions with the marker below, hides where
// a lenient reader would find it. Started by smuggling.sh.
import { check, expect, finish, getJson, notOk, ok, raw, request } from "./lib.mjs";

const ADMIN = "http://127.0.0.1:10001";
const BODY = '{"model":"chat","messages":[{"role":"user","content":"smuggled"}]}';
const HIDDEN =
  `POST /v1/chat/completions HTTP/1.1\r\nHost: sluice\r\nContent-Type: application/json\r\n` +
  `Content-Length: ${BODY.length}\r\n\r\n${BODY}`;
const LINE = "POST /v1/chat/completions HTTP/1.1\r\n";
const HOST = "Host: sluice\r\n";
const TYPE = "Content-Type: application/json\r\n";
const LENGTH = `Content-Length: ${BODY.length}\r\n`;
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const SIZE = BODY.length.toString(16);
const CHUNKS = `${SIZE}\r\n${BODY}\r\n0\r\n\r\n`;
// head lines, then a body
const post = (lines, body) => `${LINE}${HOST}${TYPE}${lines}\r\n${body}`;
const plain = (lines) => post(lines + LENGTH, BODY);
const chunked = (body) => post(CHUNKED, body);

const CASES = {
  // length and coding together
  "CL.TE": post("Content-Length: 5\r\n" + CHUNKED, "0\r\n\r\n" + HIDDEN),
  "TE.CL": post(CHUNKED + "Content-Length: 4\r\n", `5c\r\n${HIDDEN}\r\n0\r\n\r\n`),
  "CL.TE that agree": post(LENGTH + CHUNKED, CHUNKS),
  "CL 0 and TE": post("Content-Length: 0\r\n" + CHUNKED, "0\r\n\r\n"),
  "CL.TE in lower case": post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n" + HIDDEN),
  // the coding in disguise
  "TE.TE chunked twice": post(CHUNKED + CHUNKED, CHUNKS),
  "TE.TE second unknown": post(CHUNKED + "Transfer-Encoding: cow\r\n", CHUNKS),
  "TE.TE first unknown": post("Transfer-Encoding: cow\r\n" + CHUNKED, CHUNKS),
  "TE identity, chunked": post("Transfer-Encoding: identity, chunked\r\n", CHUNKS),
  "TE chunked, identity": post("Transfer-Encoding: chunked, identity\r\n", CHUNKS),
  "TE chunked, chunked": post("Transfer-Encoding: chunked, chunked\r\n", CHUNKS),
  "TE gzip, chunked": post("Transfer-Encoding: gzip, chunked\r\n", CHUNKS),
  "TE xchunked": post("Transfer-Encoding: xchunked\r\n", CHUNKS),
  "TE quoted": post('Transfer-Encoding: "chunked"\r\n', CHUNKS),
  "TE with a vertical tab": post("Transfer-Encoding: \x0bchunked\r\n", CHUNKS),
  "TE with a form feed behind": post("Transfer-Encoding: chunked\x0c\r\n", CHUNKS),
  "TE with a NUL behind": post("Transfer-Encoding: chunked\0\r\n", CHUNKS),
  "TE with a parameter": post("Transfer-Encoding: chunked;q=1\r\n", CHUNKS),
  "TE empty": post("Transfer-Encoding:\r\n" + LENGTH, BODY),
  "TE lone comma": post("Transfer-Encoding: ,chunked,\r\n" + LENGTH, CHUNKS),
  "TE space before the colon": post("Transfer-Encoding : chunked\r\n", CHUNKS),
  "TE tab before the colon": post("Transfer-Encoding\t: chunked\r\n", CHUNKS),
  "TE on a folded line": post("Transfer-Encoding:\r\n chunked\r\n", CHUNKS),
  "TE behind a folded line": post("X-A: b\r\n Transfer-Encoding: chunked\r\n", CHUNKS),
  "TE behind a bare LF": post("X-A: b\nTransfer-Encoding: chunked\r\n" + LENGTH, BODY),
  "TE behind a bare CR": post("X-A: b\rTransfer-Encoding: chunked\r\n" + LENGTH, BODY),
  "TE in HTTP/1.0": post(CHUNKED, CHUNKS).replace("HTTP/1.1", "HTTP/1.0"),
  // lengths
  "two lengths that differ": post("Content-Length: 0\r\n" + LENGTH, BODY),
  "two lengths that agree": post(LENGTH + LENGTH, BODY),
  "a list of lengths": post(`Content-Length: ${BODY.length}, ${BODY.length}\r\n`, BODY),
  "length with a plus": post(`Content-Length: +${BODY.length}\r\n`, BODY),
  "length with a minus": post("Content-Length: -1\r\n", BODY),
  "length in hexadecimal": post(`Content-Length: 0x${SIZE}\r\n`, BODY),
  "length with a point": post(`Content-Length: ${BODY.length}.0\r\n`, BODY),
  "length with an inner blank": post("Content-Length: 6 6\r\n", BODY),
  "length empty": post("Content-Length:\r\n", BODY),
  "length with an underscore in its name": post(LENGTH.replace("-", "_") + "Content-Length: 6_6\r\n", BODY),
  "length of 2^64 + 1": post("Content-Length: 18446744073709551617\r\n", BODY),
  "length of 2^63": post("Content-Length: 9223372036854775808\r\n", BODY),
  "length with a space before the colon": post(`Content-Length : ${BODY.length}\r\n`, BODY),
  "length with letters behind": post(`Content-Length: ${BODY.length}abc\r\n`, BODY),
  "length with a NUL in its name": post(`Content\0-Length: ${BODY.length}\r\n` + LENGTH, BODY),
  // chunks
  "chunk size with 0x": chunked(`0x${SIZE}\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size with a plus": chunked(`+${SIZE}\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size with a minus": chunked(`-1\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size empty": chunked(`\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size not hexadecimal": chunked(`zz\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size of 17 digits": chunked(`1${"0".repeat(14)}${SIZE}\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size of 2^64": chunked("10000000000000000\r\n" + HIDDEN),
  "chunk size with a blank before": chunked(` ${SIZE}\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk size ends in a bare LF": chunked(`${SIZE}\n${BODY}\r\n0\r\n\r\n`),
  "chunk size ends in a bare CR": chunked(`${SIZE}\r${BODY}\r\n0\r\n\r\n`),
  "chunk without its end": chunked(`${SIZE}\r\n${BODY}0\r\n\r\n${HIDDEN}`),
  "chunk longer than its size": chunked(`5\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk end is a bare LF": chunked(`${SIZE}\r\n${BODY}\n0\r\n\r\n`),
  "chunk end is CR and something": chunked(`${SIZE}\r\n${BODY}\rX0\r\n\r\n`),
  "chunk extension with a bare LF": chunked(`${SIZE};a=b\n\r\n${BODY}\r\n0\r\n\r\n`),
  "chunk extension with a bare CR": chunked(`${SIZE};a=\rb\r\n${BODY}\r\n0\r\n\r\n`),
  "last chunk, then a bare LF": chunked(`${SIZE}\r\n${BODY}\r\n0\n\r\n`),
  "trailer without a colon": chunked(`${SIZE}\r\n${BODY}\r\n0\r\n${HIDDEN}`),
  // Host and target
  "no Host": `${LINE}${TYPE}${LENGTH}\r\n${BODY}`,
  "two Hosts": plain("Host: other\r\n"),
  "two Hosts that agree": plain(HOST),
  "Host with a blank": `${LINE}Host: a b\r\n${TYPE}${LENGTH}\r\n${BODY}`,
  "Host with a slash": `${LINE}Host: a/b\r\n${TYPE}${LENGTH}\r\n${BODY}`,
  "Host with user information": `${LINE}Host: user@sluice\r\n${TYPE}${LENGTH}\r\n${BODY}`,
  "Host with a space before the colon": `${LINE}Host : sluice\r\n${TYPE}${LENGTH}\r\n${BODY}`,
  "absolute form, other host": plain("").replace("POST /", "POST http://other/"),
  "absolute form, other port": plain("").replace("POST /", "POST http://sluice:81/"),
  "absolute form with user information": plain("").replace("POST /", "POST http://user@sluice/"),
  "authority form": plain("").replace("/v1/chat/completions", "sluice:443"),
  "asterisk form": plain("").replace("/v1/chat/completions", "*"),
  "target without a slash": plain("").replace("/v1", "v1"),
  "target with a blank": plain("").replace("completions HTTP", "completions x HTTP"),
  "target with a control byte": plain("").replace("completions", "comple\x01tions"),
  "target with a bare CR": plain("").replace("completions", "comple\rtions"),
  // lines
  "request line ends in a bare LF": plain("").replace("\r\n", "\n"),
  "a header line ends in a bare LF": plain("X-A: b\n"),
  "the head ends in bare LFs": `${LINE}${HOST}${TYPE}${LENGTH}`.replaceAll("\r\n", "\n") + `\n${BODY}`,
  "a header line with a bare CR": plain("X-A: b\rc\r\n"),
  "a header line with a NUL": plain("X-A: b\0c\r\n"),
  "first header line folded": `${LINE} X-A: b\r\n${HOST}${TYPE}${LENGTH}\r\n${BODY}`,
  "a folded line": plain("X-A: b\r\n c\r\n"),
  "a line folded by a tab": plain("X-A: b\r\n\tc\r\n"),
  "header without a colon": plain("X-A\r\n"),
  "header without a name": plain(": b\r\n"),
  "header name with a blank": plain("X A: b\r\n"),
  "header name with letters beyond ASCII": plain("X-\xe4: b\r\n"),
  "header name with a parenthesis": plain("X(A): b\r\n"),
  "two blanks in the request line": plain("").replace("POST ", "POST  "),
  "a tab in the request line": plain("").replace("POST ", "POST\t"),
  "blanks before the request line": ` ${plain("")}`,
  "method in lower case": plain("").replace("POST", "post"),
  "method with a NUL": plain("").replace("POST", "PO\0ST"),
  "HTTP/1.2": plain("").replace("HTTP/1.1", "HTTP/1.2"),
  "HTTP/2.0": plain("").replace("HTTP/1.1", "HTTP/2.0"),
  "HTTP/0.9": "GET /v1/models\r\n" + HIDDEN,
  "http/1.1 in lower case": plain("").replace("HTTP/1.1", "http/1.1"),
  "HTTP/1.1x": plain("").replace("HTTP/1.1", "HTTP/1.1x"),
  "HTTP/2 preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
  "CONNECT": `CONNECT sluice:443 HTTP/1.1\r\n${HOST}\r\n`,
  // what the connection is to mean
  "Connection names Transfer-Encoding": post("Connection: transfer-encoding\r\nContent-Length: 5\r\n" + CHUNKED, "0\r\n\r\n"),
  "Expect something else": plain("Expect: 200-ok\r\n"),
  "two content types": plain("Content-Type: text/plain\r\n"),
  "101 header fields": plain("X-A: b\r\n".repeat(101)),
  "a head of 40 KiB": plain(`X-A: ${"b".repeat(40 << 10)}\r\n`),
  "a target of 9 KiB": plain("").replace("completions", "c".repeat(9 << 10)),
};

const inferenceSeen = async () => (await getJson(`${ADMIN}/state`)).inference_requests;
const isRefused = (text) => /^HTTP\/1\.1 [45]\d\d /.test(text);

// Refused at its head or body: one answer, 4xx or 5xx, in JSON, and the connection closed behind it.
async function runCase(name, bytes, split) {
  // Everything that follows would be a valid request: it must not be answered either.
  const { text, closed } = await raw(split ? [bytes.slice(0, split), bytes.slice(split) + HIDDEN] : bytes + HIDDEN);
  const answers = text.split(/(?=HTTP\/1\.[01] \d\d\d )/).length;
  const why = `${closed ? "closed" : "left open"}, ${answers} answers: ${text.slice(0, 200)}`;
  if (!isRefused(text) || !closed || answers !== 1) return notOk(name, why);
  const body = text.slice(text.indexOf("\r\n\r\n") + 4);
  try {
    if (!JSON.parse(body).error.message) throw new Error("no message");
  } catch (error) {
    return notOk(name, `${error}: ${body}`);
  }
  ok(name);
}

const before = await inferenceSeen();
const names = Object.keys(CASES);
check(`${names.length} cases`, names.length >= 60);
await Promise.all(names.map((name) => runCase(name, CASES[name], 0)));
// in two pieces, cut where the head may be half there
await Promise.all(names.map((name) => runCase(`${name} (in two pieces)`, CASES[name], 30)));
expect("no server saw any of it", (await inferenceSeen()) - before, 0);

// The same bytes without the trick are served: the refusals are for the trick's sake.
const good = await raw(plain(""), { until: '"usage"' });
check("a request without tricks is served", good.text.startsWith("HTTP/1.1 200 "), good.text);
const goodChunks = await raw(chunked(CHUNKS), { until: '"usage"' });
check("a chunked request without tricks is served", goodChunks.text.startsWith("HTTP/1.1 200 "), goodChunks.text);

// What goes to the server is written anew: one length, no coding, no hop-by-hop field, our Host.
await request("POST", `${ADMIN}/config`, { body: '{"record":true}' });
await raw(
  post(
    "X-Kept: yes\r\nConnection: x-hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Connection: close\r\n" +
      CHUNKED,
    CHUNKS,
  ),
  { until: '"usage"' },
);
const last = (await request("GET", `${ADMIN}/last`)).body.toLowerCase();
const head = last.slice(0, last.indexOf("\r\n\r\n"));
expect("the server gets one length", head.split("\r\n").filter((l) => l.startsWith("content-length:")), [
  `content-length: ${BODY.length}`,
]);
for (const field of ["transfer-encoding", "x-hop", "connection", "keep-alive", "te", "upgrade", "proxy-connection"])
  check(`the server does not get ${field}`, !head.includes(`\r\n${field}:`), head);
check("the server gets other fields", head.includes("\r\nx-kept: yes"), head);
check("the server gets its own address as Host", head.includes("\r\nhost: 127.0.0.1:9001"), head);
finish();
