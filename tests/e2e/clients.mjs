// SPDX-License-Identifier: BSD-2-Clause
// clients.mjs - the Vercel AI SDK (`ai` with `@ai-sdk/openai-compatible`) and LangChain
// (`@langchain/openai`) through sluiced: their usual calls, and what they make of errors. Last: what
// each of the four official clients does when it is told not to try again. Started by clients.sh.
import http from "node:http";
import { URL_BASE, check, expect, finish, getJson, metric, packageFile, test, waitFor } from "./lib.mjs";

const { generateText, streamText, embed, embedMany, tool, stepCountIs, Output, APICallError, RetryError } = await import(
  packageFile("ai/dist/index.js")
);
const { createOpenAICompatible } = await import(packageFile("@ai-sdk/openai-compatible/dist/index.js"));
const { ChatOpenAI, OpenAIEmbeddings } = await import(packageFile("@langchain/openai/dist/index.js"));
const { ToolMessage } = await import(packageFile("@langchain/core/dist/messages/index.js"));
const { z } = await import(packageFile("zod/index.js"));
const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const { default: Anthropic } = await import(packageFile("@anthropic-ai/sdk/index.mjs"));

globalThis.AI_SDK_LOG_WARNINGS = false;
process.env.LANGCHAIN_TRACING_V2 = process.env.LANGSMITH_TRACING = "false";
const CHAT = "http://127.0.0.1:10001"; // admin of the stand-in behind "chat"
const NARROW = "http://127.0.0.1:10002"; // of the one behind "narrow": one slot, slow tokens
const PROMPT = "Tell me a story.";
const state = (admin) => getJson(`${admin}/state`);
async function errorOf(run) {
  try {
    await run();
  } catch (error) {
    return error;
  }
  return new Error("no error");
}
async function join(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return parts;
}

// ---- a node of our own: structured output and tools as a server that obeys them ----------------
const City = z.object({ city: z.string(), people: z.number() });
const CITY = { city: "Oslo", people: 717710 };
const asked = []; // bodies
function answerOf(body) {
  const last = body.messages.at(-1);
  if (body.response_format) return { content: JSON.stringify(CITY) };
  const name = body.tools?.[0].function.name;
  if (!name) return { content: "no tool" };
  if (last.role === "tool") return { content: `It is ${JSON.parse(last.content).sky} there.` };
  return { content: null, tool_calls: [{ id: "call_1", type: "function", function: { name, arguments: '{"city":"Oslo"}' } }] };
}
function chunksOf(message) {
  const whole = (delta, finish_reason = null) => ({ id: "c", object: "chat.completion.chunk", created: 1, model: "s", choices: [{ index: 0, delta, finish_reason }] });
  if (!message.tool_calls) return [...message.content.match(/.{1,4}/gs).map((content) => whole({ content })), whole({}, "stop")];
  const [{ id, type, function: f }] = message.tool_calls;
  return [
    whole({ role: "assistant", content: null, tool_calls: [{ index: 0, id, type, function: { name: f.name, arguments: "" } }] }),
    ...f.arguments.match(/.{1,4}/gs).map((part) => whole({ tool_calls: [{ index: 0, function: { arguments: part } }] })),
    whole({}, "tool_calls"),
  ];
}
const node = http.createServer(async (req, res) => {
  if (req.method !== "POST") return res.writeHead(404).end(); // it shows no metrics
  const body = JSON.parse((await join(req)).join("") || "{}");
  asked.push(body);
  const message = answerOf(body);
  const usage = { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 };
  if (!body.stream) {
    const choice = { index: 0, message: { role: "assistant", ...message }, finish_reason: message.tool_calls ? "tool_calls" : "stop" };
    res.setHeader("content-type", "application/json");
    res.end(JSON.stringify({ id: "c", object: "chat.completion", created: 1, model: "s", choices: [choice], usage }));
    return;
  }
  res.setHeader("content-type", "text/event-stream");
  for (const chunk of chunksOf(message)) res.write(`data: ${JSON.stringify(chunk)}\n\n`);
  if (body.stream_options?.include_usage) res.write(`data: ${JSON.stringify({ ...chunksOf({ content: "x" })[0], choices: [], usage })}\n\n`);
  res.end("data: [DONE]\n\n");
});
await new Promise((resolve) => node.listen(9005, "127.0.0.1", resolve));

// ---- the Vercel AI SDK ------------------------------------------------------------------------
const provider = createOpenAICompatible({
  name: "sluice",
  baseURL: `${URL_BASE}/v1`,
  apiKey: "any",
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const weather = tool({
  description: "of a city",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ city, sky: "clear" }),
});
const quietly = { onError: () => {} }; // streamText prints errors otherwise

async function aiText() {
  const whole = await generateText({ model: provider("chat"), prompt: PROMPT, temperature: 0, maxOutputTokens: 24 });
  check("ai: generateText", whole.text.length > 10, whole.text);
  expect("ai: generateText: finishReason", whole.finishReason, "length");
  expect("ai: generateText: usage", [whole.usage.outputTokens, whole.usage.totalTokens], [24, whole.usage.inputTokens + 24]);
  expect("ai: generateText: headers", whole.response.headers["x-sluice-node"], "127.0.0.1:9001");

  const stream = streamText({ model: provider("chat"), prompt: PROMPT, temperature: 0, maxOutputTokens: 24, ...quietly });
  const parts = await join(stream.textStream);
  expect("ai: streamText: the text of the whole answer", parts.join(""), whole.text);
  check("ai: streamText: came in pieces", parts.length > 10, parts.length);
  expect("ai: streamText: finishReason, usage", [await stream.finishReason, (await stream.usage).totalTokens], ["length", whole.usage.totalTokens]);

  const { embedding } = await embed({ model: provider.embeddingModel("chat"), value: "one" });
  const { embeddings } = await embedMany({ model: provider.embeddingModel("chat"), values: ["one", "two"] });
  check("ai: embed", embedding.length > 1 && embedding.every(Number.isFinite));
  expect("ai: embedMany", [embeddings.length, embeddings[0]], [2, embedding]);
}

async function aiTools() {
  const ask = { model: provider("scripted"), prompt: "What is the sky like in Oslo?", tools: { weather }, stopWhen: stepCountIs(3) };
  const whole = await generateText(ask);
  expect("ai: tools: two steps", whole.steps.map((step) => step.finishReason), ["tool-calls", "stop"]);
  expect("ai: tools: the call", whole.steps[0].toolCalls.map((call) => [call.toolName, call.input]), [["weather", { city: "Oslo" }]]);
  expect("ai: tools: the answer", whole.text, "It is clear there.");
  expect("ai: tools: the node got the schema", asked[0].tools[0].function.parameters.required, ["city"]);
  expect("ai: tools: the node got the result", JSON.parse(asked[1].messages.at(-1).content), { city: "Oslo", sky: "clear" });

  const stream = streamText({ ...ask, ...quietly });
  expect("ai: tools, streamed", (await join(stream.textStream)).join(""), whole.text);
  expect("ai: tools, streamed: two steps", (await stream.steps).map((step) => step.finishReason), ["tool-calls", "stop"]);

  const form = { model: provider("scripted"), prompt: "Name a city.", output: Output.object({ schema: City }) };
  expect("ai: structured output", (await generateText(form)).output, CITY);
  const format = asked.at(-1).response_format;
  expect("ai: structured output: the node got the schema", [format.type, format.json_schema.schema.required], ["json_schema", ["city", "people"]]);
  const objects = await join(streamText({ ...form, ...quietly }).partialOutputStream);
  expect("ai: structured output, streamed", objects.at(-1), CITY);
}

const fault = (name) => ({ headers: { "x-standin-fault": name } });
async function aiErrors() {
  const of = async (model, more = {}) => {
    const error = await errorOf(() => generateText({ model: provider(model), prompt: PROMPT, maxRetries: 0, ...more }));
    check(`ai: ${model}: an APICallError`, APICallError.isInstance(error), error);
    return error;
  };
  const missing = await of("nobody");
  expect("ai: unknown model", [missing.statusCode, missing.data?.error.code, missing.isRetryable], [404, "model_not_found", false]);
  check("ai: unknown model: the message names it", missing.message.includes("nobody"), missing.message);
  const long = await of("chat", fault("400-context"));
  expect("ai: context length", [long.statusCode, long.data?.error.code, long.isRetryable], [400, "context_length_exceeded", false]);
  const few = await of("few");
  expect("ai: limit", [few.statusCode, few.data?.error.code, few.isRetryable], [429, "rate_limit_exceeded", true]);
  const broken = await of("chat", fault("500"));
  expect("ai: 500", [broken.statusCode, broken.data?.error.code, broken.responseHeaders["x-should-retry"]], [502, "upstream_error", "false"]);

  const cut = [];
  const stream = streamText({ model: provider("chat"), prompt: PROMPT, maxRetries: 0, ...fault("rst:3"), onError: ({ error }) => cut.push(error) });
  const text = await join(stream.textStream).catch(() => []);
  expect("ai: a stream that breaks: one error, after text", [cut.length, text.length > 0], [1, true]);
  expect("ai: a stream that breaks: its code", cut[0]?.code, "stream_interrupted");
}

// ---- LangChain --------------------------------------------------------------------------------
const chain = (model, more = {}) =>
  new ChatOpenAI({ model, apiKey: "any", temperature: 0, maxTokens: 24, maxRetries: 0, configuration: { baseURL: `${URL_BASE}/v1`, ...more.configuration }, ...more.fields });

async function langchain() {
  const whole = await chain("chat").invoke(PROMPT);
  check("langchain: invoke", whole.content.length > 10, whole.content);
  expect("langchain: invoke: finish_reason", whole.response_metadata.finish_reason, "length");
  expect("langchain: invoke: usage", whole.usage_metadata.output_tokens, 24);
  const parts = await join(await chain("chat").stream(PROMPT));
  expect("langchain: stream: the text of the whole answer", parts.map((part) => part.content).join(""), whole.content);
  const total = parts.reduce((sum, part) => sum + (part.usage_metadata?.total_tokens ?? 0), 0);
  expect("langchain: stream: usage", total, whole.usage_metadata.total_tokens);
  const batch = await chain("chat").batch([PROMPT, "Another.", PROMPT]);
  expect("langchain: batch", [batch.length, batch[0].content, batch[2].content], [3, whole.content, whole.content]);
  const responses = await chain("chat", { fields: { useResponsesApi: true } }).invoke(PROMPT);
  check("langchain: the Responses API", responses.text.length > 10, JSON.stringify(responses.content));

  const vectors = new OpenAIEmbeddings({ model: "chat", apiKey: "any", configuration: { baseURL: `${URL_BASE}/v1` } });
  const documents = await vectors.embedDocuments(["one", "two"]);
  expect("langchain: embeddings", [documents.length, documents[0]], [2, await vectors.embedQuery("one")]);
}

async function langchainTools() {
  const model = chain("scripted").bindTools([{ name: "weather", description: "of a city", schema: z.object({ city: z.string() }) }]);
  const messages = [{ role: "user", content: "What is the sky like in Oslo?" }];
  const call = await model.invoke(messages);
  expect("langchain: tools: the call", call.tool_calls.map((each) => [each.name, each.args]), [["weather", { city: "Oslo" }]]);
  const result = new ToolMessage({ tool_call_id: call.tool_calls[0].id, content: '{"sky":"clear"}' });
  expect("langchain: tools: the answer", (await model.invoke([...messages, call, result])).content, "It is clear there.");
  const parts = await join(await model.stream(messages));
  const sum = parts.slice(1).reduce((all, part) => all.concat(part), parts[0]);
  expect("langchain: tools, streamed", sum.tool_calls.map((each) => [each.name, each.args]), [["weather", { city: "Oslo" }]]);
  const structured = chain("scripted").withStructuredOutput(City, { method: "jsonSchema" });
  expect("langchain: structured output", await structured.invoke("Name a city."), CITY);
  expect("langchain: structured output: the node got the schema", asked.at(-1).response_format.type, "json_schema");
}

async function langchainErrors() {
  const of = (model, name) => errorOf(() => chain(model, { configuration: name ? { defaultHeaders: fault(name).headers } : {} }).invoke(PROMPT));
  const rows = [
    ["nobody", null, 404, "model_not_found"],
    ["chat", "400-policy", 400, "content_policy_violation"],
    ["few", null, 429, "rate_limit_exceeded"],
    ["chat", "500", 502, "upstream_error"],
  ];
  for (const [model, name, status, code] of rows) {
    const error = await of(model, name);
    expect(`langchain: ${code}`, [error.status, error.code ?? error.error?.code], [status, code]);
  }
  expect("langchain: context length has a class of its own", (await of("chat", "400-context")).name, "ContextOverflowError");
  const broken = await errorOf(async () => join(await chain("chat", { configuration: { defaultHeaders: fault("rst:3").headers } }).stream(PROMPT)));
  expect("langchain: a stream that breaks", broken.code ?? broken.error?.code, "stream_interrupted");
}

// ---- clients that leave -----------------------------------------------------------------------
async function aborts() {
  const idle = async () => (await state(NARROW)).running === 0;
  const busy = async () => (await state(NARROW)).running === 1;
  const gone = async () => (await state(NARROW)).client_gone;
  const more = { max_tokens: 100000, ignore_eos: true };
  const before = await gone();
  let controller = new AbortController();
  const ask = () => ({ model: provider("narrow"), prompt: PROMPT, maxRetries: 0, abortSignal: controller.signal, providerOptions: { sluice: more }, ...quietly });

  let seen = 0;
  for await (const part of streamText(ask()).textStream) if (part && ++seen === 3) controller.abort();
  expect("ai: abort in mid-stream", seen, 3);
  check("ai: abort in mid-stream: the slot is free", await waitFor(idle));
  controller = new AbortController();
  const whole = errorOf(() => generateText(ask()));
  check("ai: abort of a whole answer: it runs", await waitFor(busy));
  controller.abort();
  expect("ai: abort of a whole answer", (await whole).name, "AbortError");
  check("ai: abort of a whole answer: the slot is free", await waitFor(idle));

  const model = chain("narrow", { fields: { maxTokens: -1, modelKwargs: more } });
  controller = new AbortController();
  seen = 0;
  await errorOf(async () => {
    for await (const part of await model.stream(PROMPT, { signal: controller.signal })) if (part.content && ++seen === 3) controller.abort();
  });
  expect("langchain: abort in mid-stream", seen, 3);
  check("langchain: abort in mid-stream: the slot is free", await waitFor(idle));
  controller = new AbortController();
  const invoked = errorOf(() => model.invoke(PROMPT, { signal: controller.signal }));
  check("langchain: abort of a whole answer: it runs", await waitFor(busy));
  controller.abort();
  check("langchain: abort of a whole answer", /abort/i.test(`${(await invoked).name} ${(await invoked).message}`), await invoked);
  check("langchain: abort of a whole answer: the slot is free", await waitFor(idle));
  check("aborts: the server saw four clients leave", await waitFor(async () => (await gone()) === before + 4), await gone());
  expect("aborts: counted", await metric("sluice_client_gone_total", 'route="narrow"'), 4);
}

// ---- x-should-retry ---------------------------------------------------------------------------
// A request whose attempts are spent says `x-should-retry: false`. `openai` and `@anthropic-ai/sdk`
// obey; the two others look at the status alone and ask again (docs/apis.md says so).
async function retries() {
  const headers = fault("500").headers;
  const rows = {
    openai: () =>
      new OpenAI({ baseURL: `${URL_BASE}/v1`, apiKey: "any", maxRetries: 2 }).chat.completions.create({ model: "chat", messages: [{ role: "user", content: PROMPT }] }, { headers }),
    anthropic: () =>
      new Anthropic({ baseURL: URL_BASE, apiKey: "any", maxRetries: 2 }).messages.create({ model: "chat", max_tokens: 8, messages: [{ role: "user", content: PROMPT }] }, { headers }),
    "ai, maxRetries 0": () => generateText({ model: provider("chat"), prompt: PROMPT, maxRetries: 0, headers }),
    "langchain, maxRetries 0": () => chain("chat", { configuration: { defaultHeaders: headers } }).invoke(PROMPT),
  };
  const answers = async () => metric("sluice_requests_total", 'route="chat"', 'code="5');
  for (const [name, run] of Object.entries(rows)) {
    const [before, nodes] = [await answers(), (await state(CHAT)).inference_requests];
    await errorOf(run);
    expect(`x-should-retry: ${name}: requests`, (await answers()) - before, 1);
    expect(`x-should-retry: ${name}: attempts of the node`, (await state(CHAT)).inference_requests - nodes, 2);
  }
  const before = await answers();
  const error = await errorOf(() => generateText({ model: provider("chat"), prompt: PROMPT, maxRetries: 1, headers }));
  expect("x-should-retry: ai, maxRetries 1, looks at the status alone", [RetryError.isInstance(error), (await answers()) - before], [true, 2]);
}

await test("ai: text", aiText);
await test("ai: tools", aiTools);
await test("ai: errors", aiErrors);
await test("langchain", langchain);
await test("langchain: tools", langchainTools);
await test("langchain: errors", langchainErrors);
await test("aborts", aborts);
await test("retries", retries);
node.close();
finish();
