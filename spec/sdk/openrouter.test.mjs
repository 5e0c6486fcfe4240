// @openrouter/sdk, unmodified, but for its server URL: its parser validates
// every field that it receives.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { OpenRouter } from "@openrouter/sdk";
import { chunk, completion, json, start, stream } from "./gateway.mjs";

const weather = {
  type: "function",
  function: { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } },
};

function answers({ url, body }, response) {
  if (url.endsWith("/embeddings"))
    return json(response, { object: "list", model: "e", data: [{ object: "embedding", index: 0, embedding: [0.25, -1] }],
      usage: { prompt_tokens: 3, total_tokens: 3 } });
  const asked = JSON.stringify(body.messages);
  if (asked.includes("fail-400")) return json(response, { error: { message: "too hot", code: "bad" } }, 400);
  if (asked.includes("fail-503")) return json(response, { error: { message: "overloaded" } }, 503);
  if (body.tools)
    return json(response, completion({ tool_calls: [{ id: "c1", type: "function",
      function: { name: "weather", arguments: '{"city":"Faro"}' } }] }, "tool_calls"));
  if (body.stream)
    return stream(response, [chunk({ role: "assistant", reasoning_content: "hm" }), chunk({ content: "Hello" }), chunk({}, "stop")]);
  json(response, completion({ content: "Hello" }));
}

describe("@openrouter/sdk", () => {
  let gw, client;
  const say = (content, more = {}) => ({
    chatRequest: { model: "test/model", messages: [{ role: "user", content }], ...more },
  });

  before(async () => {
    gw = await start(answers);
    client = new OpenRouter({ serverURL: `${gw.url}/api/v1`, apiKey: gw.apiKey, retryConfig: { strategy: "none" } });
  });
  after(() => gw.stop());

  it("chats", async () => {
    const r = await client.chat.send(say("hi"));
    assert.equal(r.choices[0].message.content, "Hello");
    assert.equal(r.choices[0].finishReason, "stop");
    assert.equal(r.usage.totalTokens, 15);
  });

  it("streams, and finds role, usage and reasoning where it looks for them", async () => {
    let text = "", reasoning = "", last;
    for await (const c of await client.chat.send(say("hi", { stream: true }))) {
      text += c.choices[0]?.delta?.content ?? "";
      reasoning += c.choices[0]?.delta?.reasoning ?? "";
      last = c;
    }
    assert.equal(text, "Hello");
    assert.equal(reasoning, "hm");
    assert.equal(last.usage.completionTokens, 5);
  });

  it("calls tools", async () => {
    const r = await client.chat.send(say("weather?", { tools: [weather] }));
    assert.equal(r.choices[0].finishReason, "tool_calls");
    assert.equal(r.choices[0].message.toolCalls[0].function.arguments, '{"city":"Faro"}');
  });

  it("routes by the provider object", async () => {
    const r = await client.chat.send(say("hi", { provider: { order: ["alpha"], allowFallbacks: false, zdr: true,
      sort: "price", preferredMaxLatency: { p90: 3 } } }));
    assert.equal(r.choices[0].message.content, "Hello");
    const sent = gw.provider.requests.at(-1).body;
    assert.equal(sent.provider, undefined);
    assert.equal(sent.model, "up-alpha");
  });

  it("embeds", async () => {
    const r = await client.embeddings.generate({ requestBody: { model: "test/embed", input: "hi" } });
    assert.deepEqual(r.data[0].embedding, [0.25, -1]);
  });

  it("lists models, counts them, and finds one", async () => {
    const ids = [];
    for await (const page of await client.models.list()) ids.push(...page.result.data.map((m) => m.id));
    assert.deepEqual(ids, ["test/model"]);
    assert.equal((await client.models.count()).data.count, 1);
    const mine = await client.models.listForUser({ bearer: gw.apiKey });
    assert.equal(mine.result.data[0].id, "test/model");
    const one = await client.models.get({ author: "test", slug: "model" });
    assert.equal(one.data.id, "test/model");
  });

  it("lists endpoints, zero-retention endpoints, embedding models and providers", async () => {
    const of = await client.endpoints.list({ author: "test", slug: "model" });
    assert.equal(of.data.endpoints[0].providerName, "Alpha");
    assert.equal((await client.endpoints.listZdrEndpoints()).data.length, 2);
    const ids = [];
    for await (const page of await client.embeddings.listModels()) ids.push(...page.result.data.map((m) => m.id));
    assert.deepEqual(ids, ["test/embed"]);
    assert.equal((await client.providers.list()).data[0].slug, "alpha");
  });

  it("throws typed errors", async () => {
    const status = async (request) => {
      try {
        await client.chat.send(request);
      } catch (e) {
        return [e.constructor.name, e.statusCode];
      }
    };
    assert.deepEqual(await status(say("fail-400")), ["BadRequestResponseError", 400]);
    assert.deepEqual(await status(say("fail-503")), ["ServiceUnavailableResponseError", 503]);
    assert.deepEqual(await status({ chatRequest: { ...say("x").chatRequest, provider: { only: ["nobody"] } } }),
      ["NotFoundResponseError", 404]);
    const wrong = new OpenRouter({ serverURL: `${gw.url}/api/v1`, apiKey: "sk-wrong", retryConfig: { strategy: "none" } });
    await assert.rejects(wrong.chat.send(say("hi")), (e) => e.constructor.name === "UnauthorizedResponseError");
  });
});
