// @google/genai over every provider's format.

import assert from "node:assert/strict";
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from "@google/genai";
import { drain, everyWire, PNG, SAID, SIGNATURE, THOUGHT, TOLD } from "./world.mjs";

const schema = { type: "object", required: ["city", "days"],
  properties: { city: { type: "string" }, days: { type: "integer" } } };
const declared = { functionDeclarations: [{ name: "weather", description: "The weather of a city.", parametersJsonSchema: schema }] };
const thinkingConfig = { includeThoughts: true, thinkingBudget: 2000 };
const by_hand = { automaticFunctionCalling: { disable: true } };

function of(world, apiKey = world.key) {
  return new GoogleGenAI({ apiKey, httpOptions: { baseUrl: world.url } });
}

function connect(world) {
  return { models: of(world).models };
}

const say = (model, config = {}, contents = "Good day") => ({ model, contents, config });

// What parts say, aloud and in thought.
function parts_of(responses) {
  const parts = responses.flatMap((r) => r.candidates?.[0]?.content?.parts ?? []);
  const join = (list) => list.map((p) => p.text ?? "").join("");
  return { parts, text: join(parts.filter((p) => !p.thought)), thought: join(parts.filter((p) => p.thought)),
    calls: parts.filter((p) => p.functionCall).map((p) => p.functionCall) };
}

// ---- generateContent ----

function check_usage(usage) {
  assert.equal(usage.candidatesTokenCount + (usage.thoughtsTokenCount ?? 0), 14);
  assert.equal(usage.totalTokenCount, usage.promptTokenCount + 14);
}

async function whole({ models, model, wire }) {
  const r = await models.generateContent(say(model(), { thinkingConfig }));
  assert.equal(r.text, SAID);
  assert.equal(parts_of([r]).thought, THOUGHT);
  assert.equal(r.candidates[0].finishReason, "STOP");
  check_usage(r.usageMetadata);
  if (wire.name !== "ollama") assert.equal(r.usageMetadata.cachedContentTokenCount, 2);
}

async function named({ models, model }) {
  const { events } = await drain(await models.generateContentStream(say(model())));
  for (const r of [await models.generateContent(say(model())), ...events]) assert.equal(r.modelVersion, model());
}

async function uncounted({ models, model }) {
  await assert.rejects(models.countTokens({ model: model(), contents: "Good day" }), { name: "ApiError", status: 400 });
}

async function streamed({ models, model }) {
  const { events, error } = await drain(await models.generateContentStream(say(model(), { thinkingConfig })));
  assert.ifError(error);
  const { text, thought } = parts_of(events);
  assert.equal(text, SAID);
  assert.equal(thought, THOUGHT);
  assert.equal(events.map((e) => e.text ?? "").join(""), SAID);
  const finishes = events.map((e) => e.candidates?.[0]?.finishReason).filter(Boolean);
  assert.deepEqual(finishes, ["STOP"]);
  check_usage(events.at(-1).usageMetadata);
}

async function pictured({ models, model, world }) {
  const contents = [{ text: "See" }, { inlineData: { mimeType: "image/png", data: PNG } }];
  assert.match((await models.generateContent(say(model(), {}, contents))).text, /^You said: See/);
  assert.ok((await world.seen()).body.includes(PNG));
}

async function fitted({ models, model }) {
  const config = { responseMimeType: "application/json", responseJsonSchema: schema };
  const r = await models.generateContent(say(model(), config));
  assert.deepEqual(JSON.parse(r.text), { city: SAID, days: 0 });
}

async function instructed({ models, model, world }) {
  const r = await models.generateContent(say(model(), { systemInstruction: "Be brief", maxOutputTokens: 3 }));
  assert.equal(r.text, "You said: Good");
  assert.equal(r.candidates[0].finishReason, "MAX_TOKENS");
  assert.ok((await world.seen()).body.includes("Be brief"));
}

async function counted({ models, model }) {
  const r = await models.countTokens({ model: model(), contents: "Good day" });
  assert.ok(r.totalTokens > 0);
}

const inputs = ["tide", "moon"];

async function embedded({ models, wire, world }) {
  const r = await models.embedContent({ model: `embed/${wire.name}`, contents: inputs,
    config: { taskType: "RETRIEVAL_QUERY", outputDimensionality: 4 } });
  assert.equal(r.embeddings.length, 2);
  for (const { values } of r.embeddings) {
    assert.equal(values.length, 4);
    assert.ok(values.every((v) => typeof v === "number"));
  }
  for (const text of inputs) assert.ok((await world.seen()).body.includes(text));
}

// The list is the gateway's; each model is looked for where it stands.
async function listed({ models, model }) {
  const found = [];
  for await (const m of await models.list({ config: { pageSize: 40 } })) found.push(m);
  const names = found.map((m) => m.name);
  assert.equal(new Set(names).size, names.length);
  const one = found.find((m) => m.name === `models/${model()}`);
  assert.equal(one.inputTokenLimit, 100000);
  assert.deepEqual(one.supportedActions, ["generateContent", "streamGenerateContent"]);
  assert.deepEqual(await models.get({ model: model() }), one);
}

async function missing({ models }) {
  await assert.rejects(models.get({ model: "no/such" }), { name: "ApiError", status: 404 });
}

// ---- functions ----

// By hand: the answer's content goes back as it came, signatures among it.
const loop = (stream) => async ({ models, model, world, wire }) => {
  const config = { tools: [declared], thinkingConfig, ...by_hand };
  const question = { role: "user", parts: [{ text: "Good day" }] };
  const ask = say(model("calls"), config, [question]);
  const first = stream ? (await drain(await models.generateContentStream(ask))).events : [await models.generateContent(ask)];
  const { parts, calls, thought } = parts_of(first);
  assert.equal(thought, THOUGHT);
  assert.deepEqual(calls.map((c) => [c.name, c.args]), [["weather", { city: "Lisbon", days: 2 }]]);
  const result = { functionResponse: { id: calls[0].id, name: "weather", response: { result: "21 degrees" } } };
  const r = await models.generateContent(say(model("calls"), config,
    [question, { role: "model", parts }, { role: "user", parts: [result] }]));
  assert.equal(r.text, TOLD);
  if (wire.signs) assert.ok((await world.seen()).body.includes(SIGNATURE), "the signature did not come back");
};

// A tool that the SDK calls by itself, and asks again.
function callable(asked) {
  return {
    tool: async () => declared,
    callTool: async (calls) => calls.map(({ id, name, args }) => {
      asked.push(args);
      return { functionResponse: { id, name, response: { result: "21 degrees" } } };
    }),
  };
}

async function automatic({ models, model }) {
  const asked = [];
  const r = await models.generateContent(say(model("calls"), { tools: [callable(asked)] }));
  assert.equal(r.text, TOLD);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }]);
  assert.equal(r.automaticFunctionCallingHistory.length, 3);
}

async function automatic_stream({ models, model }) {
  const asked = [];
  const { events, error } = await drain(await models.generateContentStream(say(model("calls"), { tools: [callable(asked)] })));
  assert.ifError(error);
  assert.ok(parts_of(events).text.endsWith(TOLD));
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }]);
}

async function twice({ models, model }) {
  const asked = [];
  const r = await models.generateContent(say(model("two"), { tools: [callable(asked)] }));
  assert.match(r.text, /^The tool said: 21 degrees/);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }, { city: "Porto", days: 3 }]);
}

async function insisted({ models, model }) {
  const toolConfig = { functionCallingConfig: { mode: FunctionCallingConfigMode.ANY, allowedFunctionNames: ["weather"] } };
  const r = await models.generateContent(say(model(), { tools: [declared], toolConfig, ...by_hand }));
  assert.deepEqual(r.functionCalls.map((c) => [c.name, c.args]), [["weather", { city: "tide", days: 0 }]]);
}

// ---- errors ----

const refused = (kind, status, word) => async ({ models, model }) => {
  for (const ask of [() => models.generateContent(say(model(kind))), () => models.generateContentStream(say(model(kind)))])
    await assert.rejects(ask, (e) => {
      assert.ok(e instanceof ApiError, `${e.constructor.name}: ${e.message}`);
      assert.equal(e.status, status);
      assert.equal(JSON.parse(e.message).error.status, word);
      return true;
    });
};

async function unknown({ world, model }) {
  await assert.rejects(of(world, "sk-wrong").models.generateContent(say(model())), { name: "ApiError", status: 401 });
}

const broken = (kind) => async ({ models, model }) => {
  const { events, error } = await drain(await models.generateContentStream(say(model(kind))));
  assert.ok(error, "a broken stream looks whole");
  assert.ok(!events.some((e) => e.candidates?.[0]?.finishReason === "STOP"));
};

const when = (what) => ({ only: (wire) => wire[what] });

everyWire("@google/genai", connect, [
  ["answers whole, with its thoughts and its tokens", whole],
  ["streams text and thoughts", streamed],
  ["sends a picture", pictured],
  ["fits an answer to a schema", fitted],
  ["takes an instruction and a limit", instructed],
  ["names the model that was asked for", named],
  ["counts tokens", counted, when("counts")],
  ["embeds two texts", embedded, when("embeds")],
  ["lists models, and gets one", listed],
  ["throws for a model that is not there", missing, { only: (wire) => wire.name === "gemini" }],
  ["throws where nobody counts tokens", uncounted, { only: (wire) => !wire.counts }],
  ["goes through a function by hand, signatures sent back", loop(false)],
  ["goes through a function by hand, from a stream", loop(true)],
  ["calls functions by itself", automatic],
  ["calls functions by itself in a stream", automatic_stream],
  ["calls two functions at once", twice, when("two")],
  ["insists on a function", insisted, { only: (wire) => wire.name !== "ollama" }],
  ["throws ApiError 429", refused("full", 429, "RESOURCE_EXHAUSTED")],
  ["throws ApiError 400", refused("wrong", 400, "INVALID_ARGUMENT")],
  ["throws ApiError 401 for a wrong key", unknown],
  ["throws for a stream that breaks off", broken("cut")],
  ["throws for a stream that says that it is overloaded", broken("overloaded"), when("overload")],
]);
