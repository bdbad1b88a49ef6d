// SPDX-License-Identifier: BSD-2-Clause
// smuggling_answers.mjs - answers of a server, as data: well-formed, odd and malformed.
//
//   what    in words
//   bytes   what the server sends; then: "fin" closes behind it; later: bytes that come afterwards
//   status  what the client gets: 502 where the answer is refused; text: its body
//   reused  the connection may serve the next request; where not set it must not
//   with, without   fields that the client must get, or must not
import { BODY } from "./smuggling_requests.mjs";

const CHAT =
  '{"id":"c","object":"chat.completion","created":1,"model":"chat","choices":[{"index":0,"message":' +
  '{"role":"assistant","content":"fine"},"finish_reason":"stop"}],' +
  '"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}';
export const ASKED = `POST /v1/chat/completions HTTP/1.1\r\nHost: sluice\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`;
const OK = "HTTP/1.1 200 OK\r\n";
const TYPE = "Content-Type: application/json\r\n";
const LENGTH = `Content-Length: ${CHAT.length}\r\n`;
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const SIZE = CHAT.length.toString(16);
const CHUNKS = `${SIZE}\r\n${CHAT}\r\n0\r\n\r\n`;
const HIDDEN_CHAT = CHAT.replace("fine", "smuggled");
const HIDDEN = `${OK}${TYPE}Content-Length: ${HIDDEN_CHAT.length}\r\n\r\n${HIDDEN_CHAT}`;
const answer = (lines, body) => `${OK}${TYPE}${lines}\r\n${body}`;
const plain = (lines = "") => answer(lines + LENGTH, CHAT);
const chunked = (body) => answer(CHUNKED, body);

const good = (what, bytes, more = {}) => ({ what, bytes, status: 200, text: CHAT, reused: true, ...more });
const once = (what, bytes, more = {}) => ({ what, bytes, status: 200, text: CHAT, ...more });
// Closed behind it by the server, so that what is cut is known to be.
const bad = (what, bytes, more = {}) => ({ what, bytes, status: 502, then: "fin", ...more });

export const ANSWERS = [
  // served, and the connection kept
  good("a length", plain()),
  good("one chunk", chunked(CHUNKS)),
  good("chunks of one byte", chunked([...CHAT].map((b) => `1\r\n${b}\r\n`).join("") + "0\r\n\r\n")),
  good("a chunk extension", chunked(`${SIZE};a=b\r\n${CHAT}\r\n0;c\r\n\r\n`)),
  good("trailers", chunked(`${SIZE}\r\n${CHAT}\r\n0\r\nContent-Length: 7\r\nX-A: b\r\n\r\n`), { without: ["x-a"] }),
  good("100 Continue first", `HTTP/1.1 100 Continue\r\n\r\n${plain()}`),
  good("several interim answers first", `HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${plain()}`, { without: ["link"] }),
  good("no reason", plain().replace("200 OK", "200 ")),
  good("no reason and no blank", plain().replace("200 OK", "200")),
  good("a reason beyond ASCII", plain().replace("OK", "\xe4\xf6")),
  good("names in capitals", plain().replace("Content-Length", "CONTENT-LENGTH")),
  good("blanks around values", answer(`Content-Length: \t${CHAT.length} \t\r\n`, CHAT)),
  good("TE in other letters", answer("transfer-encoding: Chunked\r\n", CHUNKS)),
  good("HTTP/1.0 that stays", plain("Connection: keep-alive\r\n").replace("HTTP/1.1", "HTTP/1.0")),
  good("percent codes of a line end in a value", plain("X-A: a%0d%0aSet-Cookie: b\r\n"), { with: ["x-a: a%0d%0aset-cookie: b"], without: ["set-cookie"] }),
  good("a value like a head", plain("X-A: HTTP/1.1 200 OK\r\n"), { with: ["x-a: http/1.1 200 ok"] }),
  good(
    "fields that end at each hop",
    plain("Connection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nUpgrade: h2\r\nTrailer: x\r\nX-Kept: 2\r\n"),
    { without: ["x-hop", "keep-alive", "proxy-authenticate", "upgrade", "trailer"], with: ["x-kept: 2"] },
  ),
  // served, and the connection not kept
  once("until the end of the connection", answer("", CHAT), { then: "fin" }),
  once("HTTP/1.0 until the end", answer("", CHAT).replace("HTTP/1.1", "HTTP/1.0"), { then: "fin" }),
  once("HTTP/1.0 with a length", plain().replace("HTTP/1.1", "HTTP/1.0"), { then: "fin" }),
  once("HTTP/1.0 with a length, left open", plain().replace("HTTP/1.1", "HTTP/1.0")),
  once("Connection: close", plain("Connection: close\r\n"), { then: "fin" }),
  once("Connection: close, left open", plain("Connection: close\r\n")),
  once("another answer behind a length", plain() + HIDDEN),
  once("another answer behind chunks", chunked(CHUNKS) + HIDDEN),
  once("an empty line behind", `${plain()}\r\n`),
  once("a byte behind", `${plain()}x`),
  once("another answer later", plain(), { later: HIDDEN }),
  once("an interim answer later", plain(), { later: "HTTP/1.1 100 Continue\r\n\r\n" }),
  once("a line end later", chunked(CHUNKS), { later: "\r\n" }),
  // length and coding
  bad("a length shorter than the body", answer("Content-Length: 10\r\n", CHAT)),
  bad("a length longer than the body", answer(`Content-Length: ${CHAT.length + 10}\r\n`, CHAT)),
  bad("a length of 0 and a body", answer("Content-Length: 0\r\n", CHAT)),
  bad("length and coding", answer(LENGTH + CHUNKED, CHUNKS)),
  bad("coding and length", answer(CHUNKED + LENGTH, CHUNKS)),
  bad("two lengths that differ", answer(`Content-Length: 10\r\n${LENGTH}`, CHAT)),
  bad("two lengths that agree", answer(LENGTH + LENGTH, CHAT)),
  bad("a list of lengths", answer(`Content-Length: ${CHAT.length}, ${CHAT.length}\r\n`, CHAT)),
  bad("length with a plus", answer(`Content-Length: +${CHAT.length}\r\n`, CHAT)),
  bad("length with a minus", answer("Content-Length: -1\r\n", CHAT)),
  bad("length in hexadecimal", answer(`Content-Length: 0x${SIZE}\r\n`, CHAT)),
  bad("length of 2^64 + 1", answer("Content-Length: 18446744073709551617\r\n", CHAT)),
  bad("length empty", answer("Content-Length:\r\n", CHAT)),
  bad("TE gzip, chunked", answer("Transfer-Encoding: gzip, chunked\r\n", CHUNKS)),
  bad("TE identity", answer(`Transfer-Encoding: identity\r\n${LENGTH}`, CHAT)),
  bad("TE twice", answer(CHUNKED + CHUNKED, CHUNKS)),
  bad("TE xchunked", answer("Transfer-Encoding: xchunked\r\n", CHUNKS)),
  bad("TE in HTTP/1.0", chunked(CHUNKS).replace("HTTP/1.1", "HTTP/1.0")),
  // chunks
  bad("chunk size not hexadecimal", chunked(`zz\r\n${CHAT}\r\n0\r\n\r\n`)),
  bad("chunk size of 2^64", chunked(`10000000000000000\r\n${CHAT}\r\n0\r\n\r\n`)),
  bad("chunk size ends in a bare LF", chunked(`${SIZE}\n${CHAT}\r\n0\r\n\r\n`)),
  bad("chunk without its end", chunked(`${SIZE}\r\n${CHAT}0\r\n\r\n`)),
  bad("chunk longer than its size", chunked(`5\r\n${CHAT}\r\n0\r\n\r\n`)),
  bad("no last chunk", chunked(`${SIZE}\r\n${CHAT}\r\n`)),
  bad("last chunk cut", chunked(`${SIZE}\r\n${CHAT}\r\n0\r\n`)),
  bad("trailer without a colon", chunked(`${SIZE}\r\n${CHAT}\r\n0\r\n${HIDDEN}`)),
  // lines
  bad("a header line ends in a bare LF", plain("X-A: b\n")),
  bad("a header line with a bare CR", plain("X-A: b\rSet-Cookie: c\r\n")),
  bad("a folded line", plain("X-A: b\r\n c\r\n")),
  bad("a NUL in a value", plain("X-A: b\0c\r\n")),
  bad("a blank before the colon", answer(`Content-Length : ${CHAT.length}\r\n`, CHAT)),
  bad("a header without a colon", plain("X-A\r\n")),
  bad("a header without a name", plain(": b\r\n")),
  bad("101 header fields", plain("X-A: b\r\n".repeat(101))),
  bad("a head of 70 KiB", plain(`X-A: ${"b".repeat(70 << 10)}\r\n`)),
  bad("the head cut", `${OK}${TYPE}Content-Le`),
  // status lines
  bad("HTTP/2", plain().replace("HTTP/1.1", "HTTP/2")),
  bad("HTTP/1.2", plain().replace("HTTP/1.1", "HTTP/1.2")),
  bad("another protocol", plain().replace("HTTP/1.1", "ICY")),
  bad("an empty line first", `\r\n${plain()}`),
  bad("a status of two digits", plain().replace("200", "20")),
  bad("a status of four digits", plain().replace("200", "2000")),
  bad("a status of 600", plain().replace("200", "600")),
  bad("a status line with a bare LF", plain().replace(" OK\r\n", " OK\n")),
  bad("no head at all", CHAT),
  bad("a request for an answer", ASKED),
  // statuses without a body
  bad("101", "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
  bad("100 with a length", `HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello${plain()}`),
  bad("204 with a length and a body", `HTTP/1.1 204 No Content\r\n${LENGTH}\r\n${CHAT}`),
  bad("204 in chunks", `HTTP/1.1 204 No Content\r\n${CHUNKED}\r\n${CHUNKS}`),
  bad("interim answers alone", "HTTP/1.1 100 Continue\r\n\r\n".repeat(5)),
  // two heads
  bad("a second head as the body", answer("", HIDDEN)),
  bad("the second head within the length", answer(`Content-Length: ${HIDDEN.length}\r\n`, HIDDEN)),
];
