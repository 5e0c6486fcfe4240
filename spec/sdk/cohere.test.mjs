// cohere-ai speaks Cohere's own protocol, which the gateway speaks to providers alone, but for rerank. It is the judge
// of what the gateway is tested against: `tidegate mock` as Cohere must be what Cohere's own client understands.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { CohereClient, CohereClientV2, CohereError } from "cohere-ai";
import { build, drain, SAID, THOUGHT, TOLD, WIRES } from "./world.mjs";

const parameters = { type: "object", required: ["city"], properties: { city: { type: "string" } } };
const tools = [{ type: "function", function: { name: "weather", description: "The weather of a city.", parameters } }];
const say = (more = {}) => ({ model: "up", messages: [{ role: "user", content: "Good day" }], ...more });
const documents = ["the moon", "a good day to go", "good"];

let world;
before(async () => { world = await build(); });
after(() => world?.stop());

describe("cohere-ai, against the mock", () => {
  const client = (path = "") => new CohereClientV2({ baseUrl: world.mock + path, token: "any-key-0123456789", maxRetries: 0 });

  it("chats", async () => {
    const r = await client().chat(say());
    assert.deepEqual(r.message.content.map((c) => [c.type, c.text ?? c.thinking]), [["thinking", THOUGHT], ["text", SAID]]);
    assert.equal(r.finishReason, "COMPLETE");
    assert.equal(r.usage.tokens.outputTokens, 14);
    assert.equal(r.usage.billedUnits.outputTokens, 14);
  });

  it("streams", async () => {
    const { events, error } = await drain(await client().chatStream(say()));
    assert.ifError(error);
    const said = (field) => events.filter((e) => e.type === "content-delta").map((e) => e.delta.message.content[field] ?? "").join("");
    assert.equal(said("thinking"), THOUGHT);
    assert.equal(said("text"), SAID);
    assert.equal(events[0].type, "message-start");
    assert.equal(events.at(-1).type, "message-end");
    assert.equal(events.at(-1).delta.finishReason, "COMPLETE");
    assert.equal(events.at(-1).delta.usage.tokens.outputTokens, 14);
  });

  it("goes through a tool, whole and streamed", async () => {
    const first = say({ tools });
    const { message, finishReason } = await client("/calls").chat(first);
    assert.equal(finishReason, "TOOL_CALL");
    assert.equal(message.toolPlan, THOUGHT);
    assert.deepEqual(JSON.parse(message.toolCalls[0].function.arguments), { city: "Lisbon", days: 2 });
    const { events } = await drain(await client("/calls").chatStream(first));
    const deltas = events.filter((e) => e.type === "tool-call-delta");
    assert.equal(deltas.map((e) => e.delta.message.toolCalls.function.arguments).join(""), message.toolCalls[0].function.arguments);
    assert.equal(events.find((e) => e.type === "tool-call-start").delta.message.toolCalls.function.name, "weather");
    const result = { role: "tool", toolCallId: message.toolCalls[0].id, content: "21 degrees" };
    const last = await client("/calls").chat({ ...first, messages: [...first.messages, { role: "assistant", ...message }, result] });
    assert.equal(last.message.content.at(-1).text, TOLD);
  });

  it("embeds", async () => {
    const r = await client().embed({ model: "up", texts: ["Good day", "Good night"], inputType: "search_document",
      embeddingTypes: ["float"] });
    assert.deepEqual(r.embeddings.float.map((e) => e.length), [4, 4]);
    assert.ok(r.meta.billedUnits.inputTokens > 0);
  });

  it("reranks", async () => {
    const r = await client().rerank({ model: "up", query: "good day", documents, topN: 2 });
    assert.deepEqual(r.results.map((d) => [d.index, d.relevanceScore]), [[1, 1], [2, 0.5]]);
    assert.ok(r.meta.billedUnits.searchUnits > 0);
  });

  for (const [path, status] of [["/full", 429], ["/wrong", 400]])
    it(`throws its own error ${status}`, async () => {
      for (const ask of [() => client(path).chat(say()), () => client(path).chatStream(say())])
        await assert.rejects(async () => ask(), (e) => e instanceof CohereError && e.statusCode === status);
    });
});

describe("cohere-ai, against the gateway", () => {
  const options = () => ({ baseUrl: world.url, token: world.key, maxRetries: 0 });
  const versions = [
    ["its first version", (ask) => new CohereClient(options()).rerank(ask)],
    ["its second version", (ask) => new CohereClientV2(options()).rerank(ask)],
  ];

  for (const wire of WIRES.filter((wire) => wire.reranks))
    for (const [version, rerank] of versions)
      it(`reranks over ${wire.name}, in ${version}`, async () => {
        const r = await rerank({ model: `rerank/${wire.name}`, query: "good day", documents, topN: 2 });
        assert.deepEqual(r.results.map((d) => [d.index, d.relevanceScore]), [[1, 1], [2, 0.5]]);
      });

  it("throws its own errors", async () => {
    const ask = { model: "rerank/cohere", query: "good day", documents };
    const wrong = new CohereClient({ ...options(), token: "sk-wrong" });
    await assert.rejects(wrong.rerank(ask), (e) => e instanceof CohereError && e.statusCode === 401);
    await assert.rejects(new CohereClient(options()).rerank({ ...ask, model: "no/such" }),
      (e) => e instanceof CohereError && e.statusCode === 400);
  });
});
