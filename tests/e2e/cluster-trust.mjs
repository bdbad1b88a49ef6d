// SPDX-License-Identifier: BSD-2-Clause
// cluster-trust.mjs - the model behind the routes of the demo cluster that show what is done with answers.
// It is none: it says what a model might say, so that each line to try shows the same every time.
//
//   node cluster-trust.mjs ADDRESS PORT
//
//   the system messages hold documents   the first of them, with its number
//   response_format is a JSON schema     prose; JSON once it was told what was wrong
//   "who" in the question                a text with an address and a number, streamed in small pieces
//   anything else                        its instructions, and how often it was asked
import http from "node:http";

const [address, port] = [process.argv[2], Number(process.argv[3])];
let asked = 0;

function answer({ messages, response_format: format }) {
  const system = messages.filter((m) => m.role === "system").map((m) => m.content).join("\n");
  const question = messages.filter((m) => m.role === "user").at(-1)?.content ?? "";
  asked++;
  if (format?.type === "json_schema")
    return messages.length > 1 ? '{"city":"Paris","population":2102650}' : "Paris, with about two million people.";
  const found = system.match(/^\[(\d+)\][^\n]*\n([^\n]+)/m);
  if (found) return `${found[2].trim()} [${found[1]}]`;
  if (/\bwho\b/i.test(question)) return "Write to jane.doe@example.com or call +1 212 555 0123.";
  return `Answer ${asked}${system ? `, as I am told: ${system}` : ""}`;
}

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
async function stream(response, chunk, text) {
  response.setHeader("content-type", "text/event-stream");
  for (let at = 0; at < text.length; at += 6) {
    response.write(`data: ${JSON.stringify(chunk({ delta: { content: text.slice(at, at + 6) }, finish_reason: null }))}\n\n`);
    await wait(20);
  }
  response.write(`data: ${JSON.stringify(chunk({ delta: {}, finish_reason: "stop" }))}\n\n`);
  response.end("data: [DONE]\n\n");
}

http.createServer((request, response) => {
  let text = "";
  request.on("data", (data) => (text += data));
  request.on("end", async () => {
    if (request.method !== "POST") return response.end("{}");
    const body = JSON.parse(text);
    const said = answer(body);
    const object = (kind, choice) => ({
      id: "t", object: kind, created: Math.floor(Date.now() / 1000), model: body.model, choices: [{ index: 0, ...choice }],
    });
    if (body.stream) return stream(response, (choice) => object("chat.completion.chunk", choice), said);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({
      ...object("chat.completion", { message: { role: "assistant", content: said }, finish_reason: "stop" }),
      usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
    }));
  });
}).listen(port, address, () => console.log("ready"));
