// The openai package, unmodified, but for its base URL.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import OpenAI from "openai";
import { chunk, completion, json, start, stream, until } from "./gateway.mjs";

const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};
const call = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Lisbon"}' } };

function answers({ url, body }, response) {
  if (url.endsWith("/embeddings"))
    return json(response, { object: "list", model: "e", data: [{ object: "embedding", index: 0, embedding: [0.25, -1] }],
      usage: { prompt_tokens: 3, total_tokens: 3 } });
  const asked = JSON.stringify(body.messages);
  if (asked.includes("fail-400")) return json(response, { error: { message: "temperature is too hot", type: "invalid_request_error", code: "bad" } }, 400);
  if (asked.includes("fail-429")) return json(response, { error: { message: "slow down", type: "rate_limit" } }, 429, { "retry-after": "30" });
  if (asked.includes("fail-500")) return json(response, { error: { message: "broken" } }, 500);
  if (asked.includes("hang")) {
    if (body.stream) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`data: ${JSON.stringify(chunk({ content: "first" }))}\n\n`);
    }
    return;
  }
  if (asked.includes("break")) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`data: ${JSON.stringify(chunk({ content: "half an ans" }))}\n\n`);
    return setTimeout(() => response.destroy(), 50);
  }
  if (body.response_format?.type === "json_schema")
    return json(response, completion({ content: '{"city":"Porto","n":12345678901234567890}' }));
  if (body.tools && body.stream)
    return stream(response, [
      chunk({ role: "assistant", content: null, tool_calls: [{ index: 0, ...call, function: { name: "weather", arguments: "" } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"city":' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '"Lisbon"}' } }] }),
      chunk({}, "tool_calls"),
    ]);
  if (body.tools) return json(response, completion({ tool_calls: [call] }, "tool_calls"));
  if (body.stream)
    return stream(response, [chunk({ role: "assistant", content: "Hel" }), chunk({ content: "lo, maré" }), chunk({}, "stop")]);
  json(response, completion({ content: "Hello" }));
}

describe("the openai package", () => {
  let gw, client;
  const say = (content, more = {}) => ({ model: "test/model", messages: [{ role: "user", content }], ...more });

  before(async () => {
    gw = await start(answers);
    client = new OpenAI({ baseURL: `${gw.url}/v1`, apiKey: gw.apiKey, maxRetries: 0 });
  });
  after(() => gw.stop());

  it("chats", async () => {
    const r = await client.chat.completions.create(say("hi"));
    assert.equal(r.choices[0].message.content, "Hello");
    assert.equal(r.choices[0].finish_reason, "stop");
    assert.equal(r.model, "test/model");
    assert.match(r.id, /^gen-\d+-[A-Za-z0-9]{20}$/);
    assert.equal(r.usage.total_tokens, 15);
    assert.equal(r.usage.cost, 0.00002);
  });

  it("streams, with the usage in the last chunk", async () => {
    let text = "", last;
    for await (const c of await client.chat.completions.create(say("hi", { stream: true }))) {
      text += c.choices[0]?.delta?.content ?? "";
      last = c;
    }
    assert.equal(text, "Hello, maré");
    assert.equal(last.usage.completion_tokens, 5);
    assert.equal(last.choices[0].finish_reason, "stop");
  });

  it("calls tools", async () => {
    const r = await client.chat.completions.create(say("weather?", { tools: [weather] }));
    assert.equal(r.choices[0].finish_reason, "tool_calls");
    assert.deepEqual(JSON.parse(r.choices[0].message.tool_calls[0].function.arguments), { city: "Lisbon" });
  });

  it("calls tools in a stream, put together by its own helper", async () => {
    const r = await client.chat.completions.stream(say("weather?", { tools: [weather] })).finalChatCompletion();
    assert.equal(r.choices[0].message.tool_calls[0].id, "call_1");
    assert.equal(r.choices[0].message.tool_calls[0].function.arguments, '{"city":"Lisbon"}');
  });

  it("passes structured output through to the digit", async () => {
    const response_format = { type: "json_schema", json_schema: { name: "c", strict: true, schema: { type: "object" } } };
    const r = await client.chat.completions.create(say("city", { response_format }));
    assert.equal(r.choices[0].message.content, '{"city":"Porto","n":12345678901234567890}');
    assert.deepEqual(gw.provider.requests.at(-1).body.response_format, response_format);
  });

  it("embeds", async () => {
    const r = await client.embeddings.create({ model: "test/embed", input: "hi", encoding_format: "float" });
    assert.deepEqual(r.data[0].embedding, [0.25, -1]);
    assert.equal(r.usage.prompt_tokens, 3);
  });

  it("retrieves a model, by its id and without the author", async () => {
    for (const name of ["test/model", "model"]) {
      const m = await client.models.retrieve(name);
      assert.equal(m.id, "test/model");
      assert.equal(m.created, 1700000000);
    }
    await assert.rejects(client.models.retrieve("test/none"), (e) => e.status === 404);
  });

  it("lists models", async () => {
    const ids = [];
    for await (const m of client.models.list()) ids.push(m.id);
    assert.deepEqual(ids, ["test/model"]);
  });

  for (const [what, word, kind] of [
    ["a 400", "fail-400", OpenAI.BadRequestError], ["a 429", "fail-429", OpenAI.RateLimitError],
    ["a 500", "fail-500", OpenAI.InternalServerError],
  ])
    it(`throws its typed error for ${what} of the provider`, async () => {
      for (const more of [{}, { stream: true }])
        await assert.rejects(client.chat.completions.create(say(word, more)), (e) => {
          assert.ok(e instanceof kind, `${e.constructor.name}: ${e.message}`);
          return true;
        });
    });

  it("throws its typed errors for an unknown model and a wrong key", async () => {
    await assert.rejects(client.chat.completions.create({ ...say("hi"), model: "no/such" }), OpenAI.BadRequestError);
    const wrong = new OpenAI({ baseURL: `${gw.url}/v1`, apiKey: "sk-wrong", maxRetries: 0 });
    await assert.rejects(wrong.chat.completions.create(say("hi")), OpenAI.AuthenticationError);
  });

  it("throws for a stream that breaks off after content", async () => {
    let text = "";
    await assert.rejects(async () => {
      for await (const c of await client.chat.completions.create(say("break", { stream: true })))
        text += c.choices[0]?.delta?.content ?? "";
    });
    assert.equal(text, "half an ans");
  });

  it("R-34 closes the provider's connection when it aborts, streaming or not", async () => {
    for (const more of [{ stream: true }, {}]) {
      const before = gw.provider.closed, asked = gw.provider.requests.length;
      const controller = new AbortController();
      const request = client.chat.completions.create(say("hang", more), { signal: controller.signal });
      request.catch(() => {});
      await until(() => gw.provider.requests.length > asked);
      if (more.stream) await request;
      controller.abort();
      assert.ok(await until(() => gw.provider.closed > before, 1000), "the provider's connection stays open");
    }
  });
});
