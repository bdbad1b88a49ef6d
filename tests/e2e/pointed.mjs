// SPDX-License-Identifier: BSD-2-Clause
// pointed.mjs - programs that know nothing of sluice: each client with what its own environment variables
// say, the base URL and a key, and nothing else. Started by keys.sh, which sets these.
import { expect, finish, packageFile, test } from "./lib.mjs";

const { default: OpenAI } = await import(packageFile("openai/index.mjs"));
const { default: Anthropic } = await import(packageFile("@anthropic-ai/sdk/index.mjs"));
const { ChatOpenAI, OpenAIEmbeddings } = await import(packageFile("@langchain/openai/dist/index.js"));
const { generateText } = await import(packageFile("ai/dist/index.js"));
const { createOpenAICompatible } = await import(packageFile("@ai-sdk/openai-compatible/dist/index.js"));
process.env.LANGCHAIN_TRACING_V2 = process.env.LANGSMITH_TRACING = "false";
globalThis.AI_SDK_LOG_WARNINGS = false;
const messages = [{ role: "user", content: "hello" }];
let wanted = "";

await test("openai", async () => {
  const client = new OpenAI();
  const answer = await client.chat.completions.create({ model: "chat", messages });
  wanted = answer.choices[0].message.content;
  let text = "";
  for await (const chunk of await client.chat.completions.create({ model: "chat", messages, stream: true })) text += chunk.choices[0]?.delta?.content ?? "";
  expect("openai: chat, whole and streamed", [wanted.length > 0, text], [true, wanted]);
  expect("openai: responses", (await client.responses.create({ model: "chat", input: "hello" })).output_text, wanted);
  expect("openai: embeddings", (await client.embeddings.create({ model: "chat", input: "hello" })).data.length, 1);
  const names = [];
  for await (const model of client.models.list()) names.push(model.id);
  expect("openai: models", names.includes("chat"), true);
});
await test("anthropic", async () => {
  const client = new Anthropic();
  const ask = { model: "chat", max_tokens: 500, messages };
  const [whole, streamed] = [await client.messages.create(ask), await client.messages.stream(ask).finalText()];
  expect("@anthropic-ai/sdk: messages, whole and streamed", [whole.content[0].text, streamed], [wanted, wanted]);
});
await test("langchain", async () => {
  const model = new ChatOpenAI({ model: "chat" });
  let text = "";
  for await (const chunk of await model.stream("hello")) text += chunk.content;
  expect("@langchain/openai: chat, whole and streamed", [(await model.invoke("hello")).content, text], [wanted, wanted]);
  expect("@langchain/openai: embeddings", (await new OpenAIEmbeddings({ model: "chat" }).embedQuery("hello")).length > 0, true);
});
await test("ai", async () => {
  const provider = createOpenAICompatible({ name: "any", baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY });
  expect("ai: text", (await generateText({ model: provider("chat"), prompt: "hello" })).text, wanted);
});
finish();
