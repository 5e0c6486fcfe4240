// The AI SDK (ai) with OpenRouter's provider for it, over every provider's format.

import assert from "node:assert/strict";
import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { APICallError, embedMany, generateObject, generateText, stepCountIs, streamObject, streamText, tool } from "ai";
import { z } from "zod";
import { everyWire, PNG, SAID, SIGNATURE, THOUGHT, TOLD } from "./world.mjs";

const City = z.object({ city: z.string(), days: z.number() });

globalThis.AI_SDK_LOG_WARNINGS = false;

function connect(world) {
  const openrouter = (apiKey) => createOpenRouter({ baseURL: `${world.url}/api/v1`, apiKey, compatibility: "strict" });
  return { openrouter, chat: (id) => openrouter(world.key).chat(id, { usage: { include: true } }) };
}

const say = (model, more = {}) => ({ model, prompt: "Good day", maxRetries: 0, ...more });

function check_usage({ usage, providerMetadata }) {
  assert.equal(usage.outputTokens, 14);
  assert.equal(usage.totalTokens, usage.inputTokens + 14);
  assert.ok(providerMetadata.openrouter.usage.cost > 0, "no cost");
}

// What streamText throws goes to onError alone.
async function gather(ask) {
  const errors = [], parts = [];
  const result = streamText({ ...ask, onError: ({ error }) => errors.push(error) });
  for await (const part of result.fullStream) parts.push(part);
  return { result, parts, errors };
}

// ---- text ----

async function whole({ chat, model, wire }) {
  const r = await generateText(say(chat(model())));
  assert.equal(r.text, SAID);
  assert.equal(r.reasoningText, THOUGHT);
  assert.equal(r.finishReason, "stop");
  assert.equal(r.providerMetadata.openrouter.provider, wire.name);
  check_usage(r);
}

async function streamed({ chat, model }) {
  const { result, parts, errors } = await gather(say(chat(model())));
  assert.deepEqual(errors, []);
  const said = (type) => parts.filter((p) => p.type === type).map((p) => p.text).join("");
  assert.equal(said("text-delta"), SAID);
  assert.equal(said("reasoning-delta"), THOUGHT);
  assert.equal(await result.finishReason, "stop");
  check_usage({ usage: await result.usage, providerMetadata: await result.providerMetadata });
}

async function pictured({ chat, model, world }) {
  const content = [{ type: "text", text: "See" }, { type: "image", image: PNG, mediaType: "image/png" }];
  const { text } = await generateText({ model: chat(model()), messages: [{ role: "user", content }], maxRetries: 0 });
  assert.match(text, /^You said: See/);
  assert.ok((await world.seen()).body.includes(PNG));
}

// ---- objects ----

async function object({ chat, model }) {
  const r = await generateObject(say(chat(model()), { schema: City }));
  assert.deepEqual(r.object, { city: SAID, days: 0 });
}

async function object_streamed({ chat, model }) {
  const r = streamObject(say(chat(model()), { schema: City }));
  for await (const part of r.partialObjectStream) assert.ok(part);
  assert.deepEqual(await r.object, { city: SAID, days: 0 });
}

// ---- tools ----

function tools(asked) {
  return { weather: tool({ description: "The weather of a city.", inputSchema: City,
    execute: (input) => { asked.push(input); return "21 degrees"; } }) };
}

// The SDK itself sends reasoning_details back in the second step.
async function check_sent_back({ world, wire }) {
  if (wire.signs) assert.ok((await world.seen()).body.includes(SIGNATURE), "the signature did not come back");
}

async function loop(on) {
  const asked = [];
  const r = await generateText(say(on.chat(on.model("calls")), { tools: tools(asked), stopWhen: stepCountIs(3) }));
  assert.equal(r.text, TOLD);
  assert.equal(r.steps.length, 2);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }]);
  await check_sent_back(on);
}

async function loop_streamed(on) {
  const asked = [];
  const { result, parts, errors } = await gather(say(on.chat(on.model("calls")), { tools: tools(asked), stopWhen: stepCountIs(3) }));
  assert.deepEqual(errors, []);
  assert.equal(await result.text, TOLD);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }]);
  assert.equal(parts.filter((p) => p.type === "tool-result").length, 1);
  await check_sent_back(on);
}

async function twice({ chat, model }) {
  const asked = [];
  const { result, errors } = await gather(say(chat(model("two")), { tools: tools(asked), stopWhen: stepCountIs(3) }));
  assert.deepEqual(errors, []);
  assert.match(await result.text, /^The tool said: 21 degrees/);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }, { city: "Porto", days: 3 }]);
}

async function insisted({ chat, model }) {
  const r = await generateText(say(chat(model()), { tools: tools([]), toolChoice: { type: "tool", toolName: "weather" } }));
  assert.equal(r.finishReason, "tool-calls");
  assert.deepEqual(r.toolCalls.map((c) => [c.toolName, c.input]), [["weather", { city: "tide", days: 0 }]]);
}

// ---- the rest ----

async function embedded({ openrouter, world, wire }) {
  const model = openrouter(world.key).textEmbeddingModel(`embed/${wire.name}`);
  const { embeddings, usage } = await embedMany({ model, values: ["Good day", "Good night"], maxRetries: 0 });
  assert.deepEqual(embeddings.map((e) => e.length), [4, 4]);
  assert.notDeepEqual(embeddings[0], embeddings[1]);
  assert.ok(usage.tokens >= 0);
}

const refused = (kind, status) => async ({ chat, model }) => {
  const check = (e) => {
    assert.ok(APICallError.isInstance(e), `${e?.name}: ${e?.message}`);
    assert.equal(e.statusCode, status);
    assert.equal(e.isRetryable, status === 429);
    return true;
  };
  await assert.rejects(generateText(say(chat(model(kind)))), check);
  const { errors } = await gather(say(chat(model(kind))));
  check(errors[0]);
};

async function unknown({ openrouter, model }) {
  await assert.rejects(generateText(say(openrouter("sk-wrong").chat(model()))), { name: "AI_APICallError", statusCode: 401 });
}

const broken = (kind) => async ({ chat, model }) => {
  const { result, errors } = await gather(say(chat(model(kind))));
  const finish = await result.finishReason.then((word) => word, () => "error");
  assert.ok(errors.length > 0 || finish === "error", "a broken stream looks whole");
  assert.notEqual(finish, "stop");
};

const when = (what) => ({ only: (wire) => wire[what] });

everyWire("ai, with @openrouter/ai-sdk-provider", connect, [
  ["generates a text, with reasoning, tokens and cost", whole],
  ["streams a text, with reasoning, tokens and cost", streamed],
  ["sends a picture", pictured],
  ["generates an object", object],
  ["streams an object", object_streamed],
  ["loops through a tool, signatures sent back", loop],
  ["loops through a tool in streams", loop_streamed],
  ["calls two tools at once in a stream", twice, when("two")],
  ["insists on a tool", insisted, { only: (wire) => wire.name !== "ollama" }],
  ["embeds many", embedded, when("embeds")],
  ["throws APICallError 429, worth another try", refused("full", 429)],
  ["throws APICallError 400", refused("wrong", 400)],
  ["throws APICallError 401 for a wrong key", unknown],
  ["tells of a stream that breaks off", broken("cut")],
  ["tells of a stream that says that it is overloaded", broken("overloaded"), when("overload")],
]);
