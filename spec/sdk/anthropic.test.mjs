// @anthropic-ai/sdk over every provider's format.

import assert from "node:assert/strict";
import Anthropic from "@anthropic-ai/sdk";
import { betaZodTool } from "@anthropic-ai/sdk/helpers/beta/zod";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { drain, everyWire, PNG, SAID, SIGNATURE, THOUGHT, TOLD } from "./world.mjs";

const City = z.object({ city: z.string(), days: z.number() });
const tool = { name: "weather", description: "The weather of a city.", input_schema: { type: "object",
  required: ["city"], properties: { city: { type: "string" }, days: { type: "integer" } } } };
const thinking = { type: "enabled", budget_tokens: 2000 };

function connect(world) {
  return { client: new Anthropic({ baseURL: world.url, apiKey: world.key, maxRetries: 0 }) };
}

const say = (model, more = {}) => ({ model, max_tokens: 4000, messages: [{ role: "user", content: "Good day" }], ...more });
const texts = (message) => message.content.filter((b) => b.type === "text").map((b) => b.text).join("");
const thoughts = (message) => message.content.filter((b) => b.type === "thinking").map((b) => b.thinking).join("");

// ---- messages ----

function check_message(message, model) {
  assert.equal(message.type, "message");
  assert.equal(message.role, "assistant");
  assert.equal(message.model, model);
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(texts(message), SAID);
  assert.equal(thoughts(message), THOUGHT);
  assert.equal(message.usage.output_tokens, 14);
}

async function whole({ client, model, wire }) {
  const message = await client.messages.create(say(model(), { thinking }));
  check_message(message, model());
  assert.ok(message.usage.input_tokens > 0);
  if (wire.name !== "ollama") assert.equal(message.usage.cache_read_input_tokens, 2);
}

// The SDK itself complains of events out of order; here that blocks are opened, grow and are closed one by one.
async function streamed({ client, model }) {
  const stream = client.messages.stream(say(model(), { thinking }));
  let text = "", thought = "", open;
  stream.on("text", (delta) => (text += delta));
  stream.on("thinking", (delta) => (thought += delta));
  const { events, error } = await drain(stream);
  assert.ifError(error);
  let next = 0;
  for (const e of events)
    if (e.type === "content_block_start") {
      assert.equal(open, undefined);
      assert.equal((open = e.index), next++);
    } else if (e.type === "content_block_delta") assert.equal(e.index, open);
    else if (e.type === "content_block_stop") {
      assert.equal(e.index, open);
      open = undefined;
    }
  check_message(await stream.finalMessage(), model());
  assert.equal(text, SAID);
  assert.equal(thought, THOUGHT);
}

async function pictured({ client, model, world }) {
  const content = [{ type: "text", text: "See" },
    { type: "image", source: { type: "base64", media_type: "image/png", data: PNG } }];
  const message = await client.messages.create(say(model(), { messages: [{ role: "user", content }] }));
  assert.match(texts(message), /^You said: See/);
  assert.ok((await world.seen()).body.includes(PNG));
}

async function parsed({ client, model }) {
  const message = await client.messages.parse(say(model(), { output_config: { format: zodOutputFormat(City) } }));
  assert.deepEqual(message.parsed_output, { city: SAID, days: 0 });
}

async function counted({ client, model }) {
  const { messages } = say();
  const short = await client.messages.countTokens({ model: model(), messages });
  const long = await client.messages.countTokens({ model: model(), messages, system: "Be brief, and never say more than that." });
  assert.ok(short.input_tokens > 0);
  assert.ok(long.input_tokens > short.input_tokens);
}

async function uncounted({ client, model }) {
  await assert.rejects(client.messages.countTokens({ model: model(), messages: say().messages }), Anthropic.BadRequestError);
}

async function listed({ client, model }) {
  const found = [];
  for await (const m of client.models.list({ limit: 30 })) found.push(m);
  const ids = found.map((m) => m.id);
  assert.equal(new Set(ids).size, ids.length);
  const one = found.find((m) => m.id === model());
  assert.equal(one.type, "model");
  assert.equal(one.created_at, "2023-11-14T22:13:20Z");
  assert.deepEqual(await client.models.retrieve(model()), one);
}

async function backwards({ client }) {
  const ids = [], all = [];
  for await (const m of client.models.list({ limit: 1000 })) all.push(m.id);
  for await (const page of (await client.models.list({ limit: 30, before_id: all.at(-1) })).iterPages())
    ids.unshift(...page.data.map((m) => m.id));
  assert.deepEqual(ids, all.slice(0, -1));
}

async function missing({ client }) {
  await assert.rejects(client.models.retrieve("no/such"), Anthropic.NotFoundError);
}

// ---- tools ----

function weather(asked) {
  return betaZodTool({ name: "weather", description: "The weather of a city.", inputSchema: City,
    run: (input) => { asked.push(input); return "21 degrees"; } });
}

async function run(runner) {
  let last;
  for await (const turn of runner) last = turn.finalMessage ? await turn.finalMessage() : turn;
  return last;
}

const loop = (stream) => async ({ client, model }) => {
  const asked = [];
  const runner = client.beta.messages.toolRunner(say(model("calls"), { tools: [weather(asked)], stream }));
  const last = await run(runner);
  assert.equal(texts(last), TOLD);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }]);
};

const twice = (stream) => async ({ client, model }) => {
  const asked = [];
  const last = await run(client.beta.messages.toolRunner(say(model("two"), { tools: [weather(asked)], stream })));
  assert.match(texts(last), /^The tool said: 21 degrees/);
  assert.deepEqual(asked, [{ city: "Lisbon", days: 2 }, { city: "Porto", days: 3 }]);
};

async function insisted({ client, model }) {
  const message = await client.messages.create(say(model(), { tools: [tool], tool_choice: { type: "tool", name: "weather" } }));
  assert.equal(message.stop_reason, "tool_use");
  assert.deepEqual(message.content.find((b) => b.type === "tool_use").input, { city: "tide" });
}

// What the answer thought goes back as it came, signatures among it.
const thought_back = (stream) => async ({ client, model, world, wire }) => {
  const first = say(model("calls"), { tools: [tool], thinking });
  const message = stream ? await client.messages.stream(first).finalMessage() : await client.messages.create(first);
  assert.equal(thoughts(message), THOUGHT);
  const call = message.content.find((b) => b.type === "tool_use");
  assert.deepEqual(call.input, { city: "Lisbon", days: 2 });
  const result = { type: "tool_result", tool_use_id: call.id, content: "21 degrees" };
  const messages = [...first.messages, { role: "assistant", content: message.content }, { role: "user", content: [result] }];
  assert.equal(texts(await client.messages.create({ ...first, messages })), TOLD);
  if (wire.signs) assert.ok((await world.seen()).body.includes(SIGNATURE), "the signature did not come back");
};

// ---- errors ----

const refused = (kind, error, type, check = () => {}) => async ({ client, model, wire }) => {
  for (const stream of [false, true])
    await assert.rejects(client.messages.create(say(model(kind), { stream })), (e) => {
      assert.ok(e instanceof error, `${e.constructor.name}: ${e.message}`);
      assert.equal(e.error.type, "error");
      assert.equal(e.error.error.type, type);
      check(e, wire);
      return true;
    });
};

// AWS does not say how long to wait.
const full = refused("full", Anthropic.RateLimitError, "rate_limit_error", (e, wire) => {
  if (wire.name !== "bedrock-converse") assert.equal(e.headers.get("retry-after"), "7");
});
const wrong = refused("wrong", Anthropic.BadRequestError, "invalid_request_error");

async function unknown({ world, model }) {
  const client = new Anthropic({ baseURL: world.url, apiKey: "sk-wrong", maxRetries: 0 });
  await assert.rejects(client.messages.create(say(model())), Anthropic.AuthenticationError);
}

async function bearer({ world, model }) {
  const client = new Anthropic({ baseURL: world.url, apiKey: null, authToken: world.key, maxRetries: 0 });
  assert.equal(texts(await client.messages.create(say(model()))), SAID);
}

const broken = (kind, check = () => {}) => async ({ client, model }) => {
  const { events, error } = await drain(await client.messages.create(say(model(kind), { stream: true })));
  assert.ok(error instanceof Anthropic.APIError, `${error?.constructor.name}: ${error?.message}`);
  assert.ok(!events.some((e) => e.type === "message_stop"), "a broken stream looks whole");
  check(error);
};

const overloaded = broken("overloaded", (e) => assert.equal(e.error.error.type, "overloaded_error"));

const when = (what) => ({ only: (wire) => wire[what] });

everyWire("@anthropic-ai/sdk", connect, [
  ["answers whole, with its thoughts and its tokens", whole],
  ["streams block by block, and gathers the message", streamed],
  ["sends a picture", pictured],
  ["parses a structured answer", parsed],
  ["counts tokens", counted, when("counts")],
  ["lists models, and retrieves one", listed],
  ["lists models backwards", backwards, { only: (wire) => wire.name === "anthropic-messages" }],
  ["throws for a model that is not there", missing, { only: (wire) => wire.name === "anthropic-messages" }],
  ["throws where nobody counts tokens", uncounted, { only: (wire) => !wire.counts }],
  ["runs a loop of tools", loop(false)],
  ["runs a loop of tools in streams", loop(true)],
  ["calls two tools at once", twice(false), when("two")],
  ["calls two tools at once in a stream", twice(true), when("two")],
  ["insists on a tool", insisted, { only: (wire) => wire.name !== "ollama" }],
  ["sends thoughts back with a tool's result", thought_back(false)],
  ["sends thoughts back that came in a stream", thought_back(true)],
  ["throws RateLimitError, with the time to wait", full],
  ["throws BadRequestError", wrong],
  ["throws AuthenticationError for a wrong key", unknown],
  ["takes the key as a bearer's", bearer],
  ["throws for a stream that breaks off", broken("cut")],
  ["throws for a stream that says that it is overloaded", overloaded, when("overload")],
]);
