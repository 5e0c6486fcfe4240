// @openrouter/sdk over every provider's format: its parser validates every field of chat and of Responses.

import assert from "node:assert/strict";
import { OpenRouter } from "@openrouter/sdk";
import { drain, everyWire, SAID, THOUGHT } from "./world.mjs";

const parameters = { type: "object", required: ["city"], properties: { city: { type: "string" } } };

function connect(world) {
  return { client: new OpenRouter({ serverURL: `${world.url}/api/v1`, apiKey: world.key, retryConfig: { strategy: "none" } }) };
}

const chat = (model, more = {}) => ({ chatRequest: { model, messages: [{ role: "user", content: "Good day" }], ...more } });
const ask = (model, more = {}) => ({ responsesRequest: { model, input: "Good day", ...more } });
const tools = [{ type: "function", function: { name: "weather", parameters } }];

async function whole({ client, model }) {
  const r = await client.chat.send(chat(model()));
  assert.equal(r.choices[0].message.content, SAID);
  assert.equal(r.choices[0].message.reasoning, THOUGHT);
  assert.equal(r.choices[0].finishReason, "stop");
  assert.equal(r.usage.totalTokens, r.usage.promptTokens + 14);
}

async function streamed({ client, model }) {
  const { events, error } = await drain(await client.chat.send(chat(model(), { stream: true })));
  assert.ifError(error);
  const said = (field) => events.map((e) => e.choices[0]?.delta?.[field] ?? "").join("");
  assert.equal(said("content"), SAID);
  assert.equal(said("reasoning"), THOUGHT);
  assert.equal(events.at(-1).usage.completionTokens, 14);
}

async function called({ client, model }) {
  const r = await client.chat.send(chat(model("calls"), { tools }));
  const [call] = r.choices[0].message.toolCalls;
  assert.equal(r.choices[0].finishReason, "tool_calls");
  assert.deepEqual(JSON.parse(call.function.arguments), { city: "Lisbon", days: 2 });
  const { events, error } = await drain(await client.chat.send(chat(model("calls"), { tools, stream: true })));
  assert.ifError(error);
  const pieces = events.flatMap((e) => e.choices[0]?.delta?.toolCalls ?? []);
  assert.equal(pieces[0].function.name, "weather");
  assert.deepEqual(JSON.parse(pieces.map((p) => p.function?.arguments ?? "").join("")), { city: "Lisbon", days: 2 });
}

async function responded({ client, model }) {
  const r = await client.responses.send(ask(model()));
  assert.equal(r.status, "completed");
  assert.equal(r.output.find((item) => item.type === "message").content[0].text, SAID);
  assert.equal(r.usage.outputTokens, 14);
}

async function response_streamed({ client, model }) {
  const { events, error } = await drain(await client.responses.send(ask(model(), { stream: true })));
  assert.ifError(error);
  assert.equal(events.filter((e) => e.type === "response.output_text.delta").map((e) => e.delta).join(""), SAID);
  assert.equal(events.at(-1).type, "response.completed");
  assert.equal(events.at(-1).response.usage.outputTokens, 14);
}

async function embedded({ client, wire }) {
  const r = await client.embeddings.generate({ requestBody: { model: `embed/${wire.name}`, input: ["Good day", "Good night"] } });
  assert.deepEqual(r.data.map((d) => d.embedding.length), [4, 4]);
}

async function reranked({ client, wire }) {
  const documents = ["the moon", "a good day to go", "good"];
  const r = await client.rerank.rerank({ requestBody: { model: `rerank/${wire.name}`, query: "good day", documents, topN: 2 } });
  assert.deepEqual(r.results.map((d) => [d.index, d.relevanceScore]), [[1, 1], [2, 0.5]]);
}

const when = (what) => ({ only: (wire) => wire[what] });

everyWire("@openrouter/sdk", connect, [
  ["answers whole", whole],
  ["streams", streamed],
  ["calls a tool, whole and streamed", called],
  ["Responses: answers whole", responded],
  ["Responses: streams", response_streamed],
  ["embeds", embedded, when("embeds")],
  ["reranks", reranked, when("reranks")],
]);
