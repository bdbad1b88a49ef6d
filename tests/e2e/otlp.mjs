// SPDX-License-Identifier: BSD-2-Clause
// otlp.mjs - an OpenTelemetry collector, and servers that say which trace they were asked by. In the test's own
// process, so that it sees what arrives at once. What is sent is decoded with OpenTelemetry's own reader
// (@opentelemetry/otlp-transformer, generated from opentelemetry-proto).
import http from "node:http";
import net from "node:net";
import { createRequire } from "node:module";
import { packageFile } from "./lib.mjs";

const root = createRequire(import.meta.url)(
  new URL(packageFile("@opentelemetry/otlp-transformer/build/src/generated/root.js")).pathname,
).opentelemetry.proto.collector;
const Traces = root.trace.v1, Metrics = root.metrics.v1;

// ---- the collector ------------------------------------------------------------------------------
export const collector = {
  mode: "ok", // ok | partial | busy | refuse | rubbish | noise | silent
  spans: [], // flat, with the resource's attributes
  metrics: new Map(), // name -> metric, of the last export
  exports: 0,
  headers: {}, // of the last export
};

const hex = (bytes) => Buffer.from(bytes ?? []).toString("hex");
const valueOf = (any) => {
  if (any.stringValue != null) return any.stringValue;
  if (any.boolValue != null) return any.boolValue;
  if (any.intValue != null) return Number(any.intValue);
  return any.doubleValue;
};
export const attributesOf = (list) => Object.fromEntries((list ?? []).map(({ key, value }) => [key, valueOf(value)]));
const flat = (span, resource) => ({
  trace: hex(span.traceId),
  id: hex(span.spanId),
  parent: hex(span.parentSpanId),
  name: span.name,
  kind: span.kind,
  start: BigInt(span.startTimeUnixNano.toString()),
  end: BigInt(span.endTimeUnixNano.toString()),
  error: span.status?.code === 2,
  attributes: attributesOf(span.attributes),
  events: (span.events ?? []).map((event) => ({ name: event.name, attributes: attributesOf(event.attributes) })),
  resource: attributesOf(resource.attributes),
});

function take(url, body) {
  if (url === "/v1/traces")
    for (const of of Traces.ExportTraceServiceRequest.decode(body).resourceSpans)
      for (const scope of of.scopeSpans) for (const span of scope.spans) collector.spans.push(flat(span, of.resource));
  if (url === "/v1/metrics")
    for (const of of Metrics.ExportMetricsServiceRequest.decode(body).resourceMetrics)
      for (const scope of of.scopeMetrics)
        for (const metric of scope.metrics) collector.metrics.set(metric.name, metric);
}

export function startCollector(port) {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      const { mode } = collector;
      collector.exports++;
      collector.headers = request.headers;
      if (mode === "silent") return;
      if (mode === "noise") return response.socket.end("what is this?\r\n\r\n");
      if (mode === "busy") return response.writeHead(503, { "retry-after": "1" }).end();
      if (mode === "refuse") return response.writeHead(400).end();
      if (mode === "rubbish") return response.writeHead(200).end("\xff\xff\xff");
      take(request.url, Buffer.concat(parts));
      response.writeHead(200, { "content-type": "application/x-protobuf" });
      const partialSuccess = { rejectedSpans: 1, errorMessage: "one is too old" };
      const answer = mode === "partial" && request.url === "/v1/traces" ? { partialSuccess } : {};
      response.end(Traces.ExportTraceServiceResponse.encode(answer).finish());
    });
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}

// Takes connections and bytes, and says nothing. {taken, stop()}
export const startHole = (port) =>
  new Promise((resolve) => {
    const sockets = [];
    const hole = { taken: 0, stop: () => { server.close(); for (const socket of sockets) socket.destroy(); } };
    const server = net.createServer((socket) => {
      sockets.push(socket.on("error", () => {}).on("data", () => hole.taken++));
    });
    server.listen(port, "127.0.0.1", () => resolve(hole));
  });

// ---- the models' servers -------------------------------------------------------------------------
export const asked = []; // {port, id, traceparent, tracestate} of each request, in their order

// Of the request's text the word `PORT-what`: fail (500), late (its answer after LATE_MS), cut (its stream breaks
// behind two tokens).
const LATE_MS = 20000; // longer than any test waits: only another node's answer helps

const chunk = (model, delta, finish = null) =>
  `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model, choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;

function stream(response, body, cut) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  response.write(chunk("said-1", { role: "assistant", content: "one" }));
  response.write(chunk("said-1", { content: " two" }));
  if (cut) return setTimeout(() => response.socket.destroy(), 30);
  response.write(chunk("said-1", {}, "stop"));
  const usage = { prompt_tokens: 11, completion_tokens: 2, total_tokens: 13 };
  if (body.stream_options?.include_usage)
    response.write(`data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "said-1", choices: [], usage })}\n\n`);
  response.end("data: [DONE]\n\n");
}

export function startModel(port) {
  const server = http.createServer((request, response) => {
    const parts = [];
    request.on("data", (part) => parts.push(part));
    request.on("end", () => {
      if (request.method !== "POST") return response.writeHead(404).end();
      const body = JSON.parse(Buffer.concat(parts));
      const text = JSON.stringify(body.messages ?? body.input);
      const does = (what) => text.includes(`${port}-${what}`);
      const { headers } = request;
      asked.push({ port, url: request.url, id: headers["x-request-id"], traceparent: headers.traceparent, tracestate: headers.tracestate, baggage: headers.baggage });
      if (does("fail")) return response.writeHead(500, { "content-type": "application/json" }).end('{"error":{"message":"no"}}');
      const answer = () => {
        if (body.stream) return stream(response, body, does("cut"));
        response.writeHead(200, { "content-type": "application/json" });
        const usage = { prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 };
        const embedding = [0.6, 0.8, 0, 0];
        const model = body.model === "kept" ? "kept" : "said-1"; // a cache keeps nothing of another model
        const choices = [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "42" } }];
        response.end(JSON.stringify(body.input
          ? { object: "list", model: "e", data: [{ object: "embedding", index: 0, embedding }], usage }
          : { id: "c", object: "chat.completion", created: 1, model, choices, usage }));
      };
      if (does("late")) setTimeout(answer, LATE_MS);
      else answer();
    });
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve(server)));
}
