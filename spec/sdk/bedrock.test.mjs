// @aws-sdk/client-bedrock-runtime is the judge of what the gateway is tested against: `tidegate mock` as Bedrock must
// be what AWS's own client accepts, checksums of its event stream included. And AWS's own signer judges how the
// gateway signs.

import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import { after, before, describe, it } from "node:test";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand, CountTokensCommand } from "@aws-sdk/client-bedrock-runtime";
import { NodeHttpHandler } from "@smithy/node-http-handler";
import { SignatureV4 } from "@smithy/signature-v4";
import { build, drain, PNG, SAID, SIGNATURE, THOUGHT, TOLD, WIRES } from "./world.mjs";

const modelId = "eu.up-v1:0";
const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI" };
const inputSchema = { json: { type: "object", required: ["city"], properties: { city: { type: "string" } } } };
const toolConfig = { tools: [{ toolSpec: { name: "weather", description: "The weather of a city.", inputSchema } }] };

const say = (more = {}) => ({ modelId, messages: [{ role: "user", content: [{ text: "Good day" }] }], ...more });

// What the deltas of each block come to.
function gather(events) {
  const blocks = [];
  for (const { contentBlockStart: start, contentBlockDelta: delta } of events) {
    if (start) blocks[start.contentBlockIndex] = { call: start.start.toolUse, input: "" };
    if (!delta) continue;
    const block = (blocks[delta.contentBlockIndex] ??= { text: "", thought: "" });
    block.text += delta.delta.text ?? "";
    block.thought += delta.delta.reasoningContent?.text ?? "";
    block.signature ??= delta.delta.reasoningContent?.signature;
    block.input += delta.delta.toolUse?.input ?? "";
  }
  return blocks;
}

describe("@aws-sdk/client-bedrock-runtime, against the mock", () => {
  let world;
  const clients = [];
  function client(path = "") {           // over HTTP/1.1, which it has to be told
    clients.push(new BedrockRuntimeClient({ endpoint: world.mock + path, region: "us-east-1", credentials, maxAttempts: 1,
      requestHandler: new NodeHttpHandler() }));
    return clients.at(-1);
  }
  before(async () => { world = await build(); });
  after(() => {
    clients.forEach((c) => c.destroy());
    return world?.stop();
  });

  it("converses", async () => {
    const r = await client().send(new ConverseCommand(say()));
    const [thought, text] = r.output.message.content;
    assert.equal(thought.reasoningContent.reasoningText.text, THOUGHT);
    assert.ok(thought.reasoningContent.reasoningText.signature.startsWith(SIGNATURE));
    assert.equal(text.text, SAID);
    assert.equal(r.stopReason, "end_turn");
    assert.equal(r.usage.outputTokens, 14);
    assert.equal(r.usage.cacheReadInputTokens, 2);
    assert.equal(r.usage.totalTokens, r.usage.inputTokens + 2 + 14);
  });

  it("reads a stream, every checksum of it", async () => {
    const r = await client().send(new ConverseStreamCommand(say()));
    const { events, error } = await drain(r.stream);
    assert.ifError(error);
    const [thought, text] = gather(events);
    assert.equal(thought.thought, THOUGHT);
    assert.ok(thought.signature.startsWith(SIGNATURE));
    assert.equal(text.text, SAID);
    assert.deepEqual(events.slice(-2).map((e) => Object.keys(e)[0]), ["messageStop", "metadata"]);
    assert.equal(events.at(-1).metadata.usage.outputTokens, 14);
  });

  it("goes through a tool, whole and streamed", async () => {
    const first = say({ toolConfig });
    const r = await client("/calls").send(new ConverseCommand(first));
    assert.equal(r.stopReason, "tool_use");
    const { toolUse } = r.output.message.content.find((b) => b.toolUse);
    assert.deepEqual(toolUse.input, { city: "Lisbon", days: 2 });
    const { events } = await drain((await client("/calls").send(new ConverseStreamCommand(first))).stream);
    const streamed = gather(events).find((b) => b.call);
    assert.equal(streamed.call.name, "weather");
    assert.deepEqual(JSON.parse(streamed.input), { city: "Lisbon", days: 2 });
    const toolResult = { toolUseId: toolUse.toolUseId, content: [{ text: "21 degrees" }] };
    const messages = [...first.messages, r.output.message, { role: "user", content: [{ toolResult }] }];
    const last = await client("/calls").send(new ConverseCommand({ ...first, messages }));
    assert.equal(last.output.message.content.at(-1).text, TOLD);
    assert.ok((await world.seen()).body.includes(SIGNATURE), "the signature did not come back");
  });

  it("sends a picture", async () => {
    const image = { format: "png", source: { bytes: Buffer.from(PNG, "base64") } };
    await client().send(new ConverseCommand(say({ messages: [{ role: "user", content: [{ text: "See" }, { image }] }] })));
    assert.ok((await world.seen()).body.includes(PNG));
  });

  it("counts tokens", async () => {
    const r = await client().send(new CountTokensCommand({ modelId, input: { converse: { messages: say().messages } } }));
    assert.ok(r.inputTokens > 0);
  });

  for (const [path, name] of [["/full", "ThrottlingException"], ["/wrong", "ValidationException"]])
    it(`throws its own ${name}`, async () => {
      for (const Command of [ConverseCommand, ConverseStreamCommand])
        await assert.rejects(client(path).send(new Command(say())), { name });
    });

  it("throws for a stream that breaks off", async () => {
    const { events, error } = await drain((await client("/cut").send(new ConverseStreamCommand(say()))).stream);
    assert.ok(error);
    assert.ok(!events.some((e) => e.messageStop));
  });
});

// ---- signatures ----

class Sha256 {
  constructor(secret) { this.hash = secret ? createHmac("sha256", secret) : createHash("sha256"); }
  update(data) { this.hash.update(data); }
  async digest() { return new Uint8Array(this.hash.digest()); }
}

// What AWS's signer makes of a request that the gateway signed: its Authorization.
async function sign_again({ path, headers, body }) {
  const date = headers["x-amz-date"].replace(/(....)(..)(..)T(..)(..)(..)Z/, "$1-$2-$3T$4:$5:$6Z");
  const signed = headers.authorization.match(/SignedHeaders=([^,]+)/)[1].split(";");
  const signer = new SignatureV4({ service: "bedrock", region: "us-east-1", credentials, sha256: Sha256, applyChecksum: false });
  const request = { method: "POST", protocol: "http:", hostname: "127.0.0.1", path, query: {}, body,
    headers: Object.fromEntries(signed.map((name) => [name, headers[name]])) };
  return (await signer.sign(request, { signingDate: new Date(date) })).headers.authorization;
}

describe("AWS's own signer", () => {
  let world;
  before(async () => { world = await build(); });
  after(() => world?.stop());

  it("signs as the gateway does", async () => {
    const bedrock = WIRES.find((wire) => wire.name === "bedrock-converse");
    for (const content of ["Good day", "maré ☾ \"quoted\"", "x".repeat(50000)])
      for (const stream of [false, true]) {
        const r = await fetch(`${world.url}/v1/chat/completions`, { method: "POST",
          headers: { authorization: `Bearer ${world.key}`, "content-type": "application/json" },
          body: JSON.stringify({ model: world.model(bedrock), stream, messages: [{ role: "user", content }] }) });
        await r.text();
        const seen = await world.seen();
        assert.equal(seen.headers.authorization, await sign_again(seen));
      }
  });
});
