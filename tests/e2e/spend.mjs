// SPDX-License-Identifier: BSD-2-Clause
// spend.mjs - the node of spend.sh, with a usage that is easily reckoned. "cut" in the prompt breaks the
// stream after 10 tokens; "hold" keeps it open until POST /release. GET /last: the last body.
import http from "node:http";

const usage = { prompt_tokens: 1000, completion_tokens: 500, total_tokens: 1500, prompt_tokens_details: { cached_tokens: 400 } };
const chunk = (more) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "dear", ...more })}\n\n`;
const token = chunk({ choices: [{ index: 0, delta: { content: "x" }, finish_reason: null }] });
let last = {};
const held = [];

function end(res, body) {
  res.write(chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }));
  if (body.stream_options?.include_usage) res.write(chunk({ choices: [], usage }));
  res.end("data: [DONE]\n\n");
}
function stream(res, body, prompt) {
  res.setHeader("content-type", "text/event-stream");
  if (prompt.includes("cut")) return void res.write(token.repeat(10), () => setTimeout(() => res.destroy(), 50));
  res.write(token.repeat(500));
  if (prompt.includes("hold")) held.push(() => end(res, body));
  else end(res, body);
}
http
  .createServer((req, res) => {
    const parts = [];
    req.on("data", (part) => parts.push(part));
    req.on("end", () => {
      if (req.url === "/last") return res.end(JSON.stringify(last));
      if (req.url === "/release") return res.end(String(held.splice(0).map((go) => go()).length));
      if (req.method !== "POST") return res.writeHead(404).end(); // it shows no metrics
      const body = JSON.parse(Buffer.concat(parts).toString());
      last = body;
      if (body.stream) return stream(res, body, body.messages.at(-1).content);
      res.setHeader("content-type", "application/json");
      const choice = { index: 0, message: { role: "assistant", content: "x" }, finish_reason: "stop" };
      res.end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "dear", choices: [choice], usage }));
    });
  })
  .listen(9005, "127.0.0.1");
