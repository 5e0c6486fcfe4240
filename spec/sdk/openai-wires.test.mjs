// The openai package over every provider's format: chat, Responses, completions, embeddings.

import assert from "node:assert/strict";
import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { drain, everyWire, PNG, SAID, SIGNATURE, THOUGHT, TOLD } from "./world.mjs";

const City = z.object({ city: z.string(), days: z.number() });
const parameters = { type: "object", required: ["city"], additionalProperties: false,
  properties: { city: { type: "string" }, days: { type: "integer" } } };
const DATA_URL = `data:image/png;base64,${PNG}`;

function connect(world) {
  return { client: new OpenAI({ baseURL: `${world.url}/v1`, apiKey: world.key, maxRetries: 0 }) };
}

// ---- chat ----

const chat = (model, more = {}) => ({ model, messages: [{ role: "user", content: "Good day" }], ...more });

function weather(asked) {
  return { type: "function", function: { name: "weather", description: "The weather of a city.", parameters,
    parse: JSON.parse, function: (arguments_) => { asked.push(arguments_); return "21 degrees"; } } };
}

async function whole({ client, model }) {
  const r = await client.chat.completions.create(chat(model()));
  assert.equal(r.choices[0].message.content, SAID);
  assert.equal(r.choices[0].message.reasoning, THOUGHT);
  assert.equal(r.choices[0].finish_reason, "stop");
  assert.equal(r.model, model());
}

async function usage({ client, model, wire }) {
  const r = await client.chat.completions.create(chat(model()));
  const { events } = await drain(await client.chat.completions.create(chat(model(), { stream: true })));
  for (const usage of [r.usage, events.at(-1).usage]) {
    assert.equal(usage.completion_tokens, 14);
    assert.equal(usage.total_tokens, usage.prompt_tokens + 14);
    assert.ok(usage.cost > 0);
    if (wire.name !== "ollama") assert.equal(usage.prompt_tokens_details.cached_tokens, 2);
  }
}

async function streamed({ client, model }) {
  const { events, error } = await drain(await client.chat.completions.create(chat(model(), { stream: true })));
  assert.ifError(error);
  const said = (field) => events.map((e) => e.choices[0]?.delta?.[field] ?? "").join("");
  assert.equal(said("content"), SAID);
  assert.equal(said("reasoning"), THOUGHT);
  assert.equal(events.at(-1).choices[0].finish_reason, "stop");
}

async function gathered({ client, model }) {
  const stream = client.chat.completions.stream(chat(model(), { stream_options: { include_usage: true } }));
  let text = "";
  stream.on("content", (delta) => (text += delta));
  const r = await stream.finalChatCompletion();
  assert.equal(text, SAID);
  assert.equal(r.choices[0].message.content, SAID);
  assert.equal(r.usage.completion_tokens, 14);
}

const loop = (stream) => async ({ client, model }) => {
  const asked = [];
  const runner = client.chat.completions.runTools(chat(model("calls"), { tools: [weather(asked)], stream }));
  assert.equal(await runner.finalContent(), TOLD);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }]);
};

const twice = (stream) => async ({ client, model }) => {
  const asked = [];
  const runner = client.chat.completions.runTools(chat(model("two"), { tools: [weather(asked)], stream }));
  assert.match(await runner.finalContent(), /^The tool said: 21 degrees/);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }, { city: "Porto", days: 3 }]);
};

async function insisted({ client, model }) {
  const tools = [{ type: "function", function: { name: "weather", parameters } }];
  const choice = { type: "function", function: { name: "weather" } };
  const r = await client.chat.completions.create(chat(model(), { tools, tool_choice: choice }));
  assert.equal(r.choices[0].finish_reason, "tool_calls");
  assert.deepEqual(JSON.parse(r.choices[0].message.tool_calls[0].function.arguments), { city: "tide" });
}

async function signed({ client, model, world }) {
  const tools = [{ type: "function", function: { name: "weather", parameters } }];
  const first = chat(model("calls"), { tools, reasoning_effort: "high" });
  const { message } = (await client.chat.completions.create(first)).choices[0];
  const result = { role: "tool", tool_call_id: message.tool_calls[0].id, content: "21 degrees" };
  const r = await client.chat.completions.create({ ...first, messages: [...first.messages, message, result] });
  assert.equal(r.choices[0].message.content, TOLD);
  assert.ok((await world.seen()).body.includes(SIGNATURE), "the signature did not come back");
}

async function parsed({ client, model }) {
  const format = { response_format: zodResponseFormat(City, "city") };
  const r = await client.chat.completions.parse(chat(model(), format));
  assert.deepEqual(r.choices[0].message.parsed, { city: SAID, days: 0 });
}

async function pictured({ client, model, world }) {
  const content = [{ type: "text", text: "See" }, { type: "image_url", image_url: { url: DATA_URL } }];
  const r = await client.chat.completions.create(chat(model(), { messages: [{ role: "user", content }] }));
  assert.match(r.choices[0].message.content, /^You said: See/);
  assert.ok((await world.seen()).body.includes(PNG));
}

// ---- Responses ----

const ask = (model, more = {}) => ({ model, input: "Good day", store: false, ...more });
const tool = { type: "function", name: "weather", description: "The weather of a city.", strict: false, parameters };

async function responded({ client, model }) {
  const r = await client.responses.create(ask(model()));
  assert.equal(r.output_text, SAID);
  assert.equal(r.status, "completed");
  assert.deepEqual(r.output.map((item) => item.type), ["reasoning", "message"]);
  assert.equal(r.usage.output_tokens, 14);
  assert.equal(r.usage.total_tokens, r.usage.input_tokens + 14);
}

// Of a stream of Responses: numbers without gaps, items opened before they grow and closed once, and the last
// event the whole response.
function check_events(events) {
  assert.deepEqual(events.map((e) => e.sequence_number), events.map((_, i) => i));
  assert.deepEqual(events.slice(0, 2).map((e) => e.type), ["response.created", "response.in_progress"]);
  const open = new Set(), closed = [];
  for (const e of events) {
    if (e.type === "response.output_item.added") open.add(e.output_index);
    else if (e.type === "response.output_item.done") {
      assert.ok(open.delete(e.output_index));
      closed[e.output_index] = e.item;
    } else if (e.output_index !== undefined) assert.ok(open.has(e.output_index), `${e.type} of no open item`);
  }
  assert.equal(open.size, 0);
  const last = events.at(-1);
  assert.equal(last.type, "response.completed");
  assert.deepEqual(last.response.output.map((item) => item.id), closed.map((item) => item.id));
}

async function events({ client, model }) {
  const stream = client.responses.stream(ask(model()));
  const heard = { "response.output_text.delta": "", "response.reasoning_summary_text.delta": "", "response.reasoning_text.delta": "" };
  for (const kind of Object.keys(heard)) stream.on(kind, (e) => (heard[kind] += e.delta));
  const { events, error } = await drain(stream);
  assert.ifError(error);
  const r = await stream.finalResponse();
  check_events(events);
  assert.equal(heard["response.output_text.delta"], SAID);
  assert.equal(heard["response.reasoning_summary_text.delta"] + heard["response.reasoning_text.delta"], THOUGHT);
  assert.equal(r.output.find((item) => item.type === "message").content[0].text, SAID);
  assert.equal(r.usage.output_tokens, 14);
  assert.equal(r.usage.total_tokens, r.usage.input_tokens + 14);
}

async function call_events({ client, model }) {
  const { events } = await drain(client.responses.stream(ask(model("calls"), { tools: [tool] })));
  check_events(events);
  const done = events.find((e) => e.type === "response.function_call_arguments.done");
  const deltas = events.filter((e) => e.type === "response.function_call_arguments.delta");
  assert.equal(deltas.map((e) => e.delta).join(""), done.arguments);
  assert.deepEqual(JSON.parse(done.arguments), { city: "Lisbon", days: 2 });
}

async function response_parsed({ client, model }) {
  const r = await client.responses.parse(ask(model(), { text: { format: zodTextFormat(City, "city") } }));
  assert.deepEqual(r.output_parsed, { city: SAID, days: 0 });
}

// By hand: the items of the answer go back as they came, encrypted reasoning among them.
async function response_loop({ client, model, world, wire }) {
  const first = ask(model("calls"), { tools: [tool], reasoning: { effort: "high", summary: "auto" },
    include: ["reasoning.encrypted_content"], input: [{ role: "user", content: "Good day" }] });
  const one = await client.responses.create(first);
  const call = one.output.find((item) => item.type === "function_call");
  assert.deepEqual(JSON.parse(call.arguments), { city: "Lisbon", days: 2 });
  const result = { type: "function_call_output", call_id: call.call_id, output: "21 degrees" };
  const two = await client.responses.create({ ...first, input: [...first.input, ...one.output, result] });
  assert.equal(two.output_text, TOLD);
  if (wire.signs) assert.ok((await world.seen()).body.includes(SIGNATURE), "the signature did not come back");
}

async function response_pictured({ client, model, world }) {
  const content = [{ type: "input_text", text: "See" }, { type: "input_image", detail: "auto", image_url: DATA_URL }];
  const r = await client.responses.create(ask(model(), { input: [{ role: "user", content }] }));
  assert.match(r.output_text, /^You said: See/);
  assert.ok((await world.seen()).body.includes(PNG));
}

async function counted({ client, model }) {
  const r = await client.responses.inputTokens.count({ model: model(), input: "Good day" });
  assert.equal(r.object, "response.input_tokens");
  assert.ok(r.input_tokens > 0);
}

// ---- the rest ----

async function completed({ client, model }) {
  const r = await client.completions.create({ model: model(), prompt: "Good day" });
  assert.equal(r.object, "text_completion");
  assert.equal(r.choices[0].text, SAID);
  assert.equal(r.choices[0].finish_reason, "stop");
  const { events, error } = await drain(await client.completions.create({ model: model(), prompt: "Good day", stream: true }));
  assert.ifError(error);
  assert.equal(events.map((e) => e.choices[0]?.text ?? "").join(""), SAID);
}

// Without a word about encoding the SDK asks for base64 and decodes it.
async function embedded({ client, wire }) {
  const ask = { model: `embed/${wire.name}`, input: ["Good day", "Good night"] };
  const floats = await client.embeddings.create({ ...ask, encoding_format: "float" });
  const decoded = await client.embeddings.create(ask);
  const text = await client.embeddings.create({ ...ask, encoding_format: "base64" });
  assert.deepEqual(floats.data.map((d) => [d.index, d.embedding.length]), [[0, 4], [1, 4]]);
  assert.notDeepEqual(floats.data[0].embedding, floats.data[1].embedding);
  assert.deepEqual(decoded.data.map((d) => d.embedding), floats.data.map((d) => d.embedding));
  assert.equal(typeof text.data[0].embedding, "string");
  assert.ok(floats.usage.prompt_tokens > 0);
}

// ---- errors ----

const refused = (kind, error, check = () => {}) => async ({ client, model, wire }) => {
  const asks = [
    () => client.chat.completions.create(chat(model(kind))),
    () => client.responses.create(ask(model(kind), { stream: true })),
    () => client.completions.create({ model: model(kind), prompt: "Good day" }),
  ];
  for (const ask of asks)
    await assert.rejects(ask, (e) => {
      assert.ok(e instanceof error, `${e.constructor.name}: ${e.message}`);
      check(e, wire);
      return true;
    });
};

// AWS does not say how long to wait.
const full = refused("full", OpenAI.RateLimitError, (e, wire) => {
  if (wire.name !== "bedrock-converse") assert.equal(e.headers.get("retry-after"), "7");
});
const wrong = refused("wrong", OpenAI.BadRequestError, (e) => assert.match(e.message, /./));

async function unknown({ world, model }) {
  const client = new OpenAI({ baseURL: `${world.url}/v1`, apiKey: "sk-wrong", maxRetries: 0 });
  await assert.rejects(client.chat.completions.create(chat(model())), OpenAI.AuthenticationError);
  await assert.rejects(client.responses.create(ask(model())), OpenAI.AuthenticationError);
}

const broken = (kind) => async ({ client, model }) => {
  const streams = { chat: () => client.chat.completions.create(chat(model(kind), { stream: true })),
    responses: () => client.responses.create(ask(model(kind), { stream: true })),
    completions: () => client.completions.create({ model: model(kind), prompt: "Good day", stream: true }) };
  for (const [name, open] of Object.entries(streams)) {
    const { events, error } = await drain(await open());
    const failed = events.find((e) => e.type === "error" || e.type === "response.failed");
    assert.ok(error || failed, `${name}: a broken stream looks whole`);
    assert.ok(!events.some((e) => e.type === "response.completed"));
  }
};

const when = (what) => ({ only: (wire) => wire[what] });

everyWire("openai", connect, [
  ["answers whole, with its reasoning", whole],
  ["tells tokens and cost, whole and streamed", usage],
  ["streams text and reasoning", streamed],
  ["gathers a stream with its own helper", gathered],
  ["runs a loop of tools", loop(false)],
  ["runs a loop of tools in streams", loop(true)],
  ["calls two tools at once", twice(false), when("two")],
  ["calls two tools at once in a stream", twice(true), when("two")],
  ["insists on a tool", insisted, { only: (wire) => wire.name !== "ollama" }],
  ["sends signatures back with a tool's result", signed, when("signs")],
  ["parses a structured answer", parsed],
  ["sends a picture", pictured],
  ["Responses: answers whole", responded],
  ["Responses: streams every event that its helper wants", events],
  ["Responses: streams a call's events", call_events],
  ["Responses: parses a structured answer", response_parsed],
  ["Responses: loops through a tool, reasoning sent back", response_loop],
  ["Responses: sends a picture", response_pictured],
  ["Responses: counts input tokens", counted, when("counts")],
  ["completes a prompt, whole and streamed", completed],
  ["embeds, in floats and in base64", embedded, when("embeds")],
  ["throws RateLimitError, with the time to wait", full],
  ["throws BadRequestError", wrong],
  ["throws AuthenticationError for a wrong key", unknown],
  ["throws for a stream that breaks off", broken("cut")],
  ["throws for a stream that says that it is overloaded", broken("overloaded"), when("overload")],
]);
