// `tidegate mock`, which speaks every provider's format, and the gateway before it, with a model for each:
//
//   for (const wire of WIRES) ...       wire.name, and what the format offers
//   const world = await build()         world.url, world.mock, world.key, world.model(wire, kind)
//   await world.seen()                  the last request that the mock got: { path, headers, body }
//   await world.stop()
//
// A kind is a path of mock.lua: "calls", "two", "full", "wrong", "cut", "overloaded".

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launch } from "./process.mjs";

const place = { project: "p", location: "l" };

// What a format offers beside chat, by its provider's documentation; `signs`: reasoning comes with a signature;
// `overload`: mock.lua has a stream that says that it is overloaded; `two`: two calls at once.
export const WIRES = [
  { name: "openai-chat", embeds: true, reranks: true, two: true, overload: true },
  { name: "azure-openai", embeds: true, two: true, overload: true },
  { name: "mistral", embeds: true, two: true, overload: true },
  { name: "anthropic-messages", signs: true, counts: true, two: true, overload: true },
  { name: "vertex-anthropic", wire: "vertex", model: "claude-up@1", fields: place, signs: true, counts: true },
  { name: "gemini", embeds: true, signs: true, counts: true, two: true, overload: true },
  { name: "vertex", fields: place, embeds: true, signs: true, counts: true, two: true, overload: true },
  { name: "bedrock-converse", signs: true, counts: true,
    model: "eu.up-v1:0",
    fields: { key: false, access_key: "AKIDEXAMPLE", secret_key: "wJalrXUtnFEMI", aws_region: "us-east-1" } },
  { name: "openai-responses", embeds: true, signs: true, counts: true, overload: true },
  { name: "cohere", embeds: true, reranks: true },
  { name: "ollama", embeds: true, overload: true },
];

const KINDS = ["", "calls", "two", "full", "wrong", "cut", "overloaded"];
const KEY = "sk-tg-v1-spec-key-0123456789";

// ---- what everybody asks and hears ----

export const SAID = "You said: Good day. and the tide goes out";      // to "Good day"
export const THOUGHT = "the tide comes in and";
export const TOLD = "The tool said: 21 degrees. the tide goes out";   // to "21 degrees"
export const SIGNATURE = "+/+/IHNpZ25hdHVyZSBvZiBtb2Nr";              // how every signature begins
export const PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

// ---- the configuration ----

const slug = (wire, kind) => wire.name + (kind && `-${kind}`);

function models(wire) {
  const pricing = { prompt: "0.000001", completion: "0.000002", input_cache_read: "0.0000005" };
  const model = (id, provider, more) => ({ id, name: id, created: 1700000000, context_length: 100000, pricing,
    endpoints: [{ provider, upstream_model: wire.model ?? "up" }], ...more });
  const list = KINDS.map((kind) => model(`m/${slug(wire, kind)}`, slug(wire, kind)));
  const offers = (what) => ({ architecture: { input_modalities: ["text"], output_modalities: [what] } });
  if (wire.embeds) list.push(model(`embed/${wire.name}`, wire.name, offers("embeddings")));
  if (wire.reranks) list.push(model(`rerank/${wire.name}`, wire.name, offers("rerank")));
  return list;
}

function lua(value) {
  if (typeof value !== "object") return JSON.stringify(value);
  return `{ ${Object.entries(value).map(([k, v]) => `${k} = ${lua(v)}`).join(", ")} }`;
}

function configuration(mock) {
  const providers = WIRES.flatMap((wire) => KINDS.map((kind) => lua({
    slug: slug(wire, kind), name: wire.name, wire: wire.wire ?? wire.name,
    base_url: mock + (kind && `/${kind}`), key: "provider-key-0123456789", ...wire.fields })));
  return `return {
    listen = "127.0.0.1:0", workers = 1, auth = "keys", log = "warn", catalog = { "catalog.json" },
    keys = { { name = "spec", key = "${KEY}" } },
    providers = {\n${providers.join(",\n")} },
  }\n`;
}

export async function build() {
  const mock = await launch("mock", join(import.meta.dirname, "mock.lua"), { ends: [0, "SIGTERM"] });
  const dir = mkdtempSync(join(tmpdir(), "tidegate-sdk-"));
  writeFileSync(join(dir, "catalog.json"), JSON.stringify({ data: WIRES.flatMap(models) }));
  writeFileSync(join(dir, "tidegate.lua"), configuration(mock.url));
  const gateway = await launch("serve", join(dir, "tidegate.lua"));
  return {
    url: gateway.url, mock: mock.url, key: KEY,
    model: (wire, kind = "") => `m/${slug(wire, kind)}`,
    seen: async () => (await fetch(`${mock.url}/seen`, { signal: AbortSignal.timeout(5000) })).json(),
    async stop() {
      try {
        await gateway.stop();
      } finally {
        await mock.stop();
        rmSync(dir, { recursive: true });
      }
    },
  };
}

// ---- a table of pairs ----

// Every ability of a client over every provider's format. An ability is [title, fn, { only }]: fn is called with
// { wire, model(kind), ...what connect gave }; `only` says of which formats it is asked.
export function everyWire(client, connect, abilities) {
  describe(`${client}, over every provider's format`, () => {
    let world, connected;
    before(async () => {
      world = await build();
      connected = await connect(world);
    });
    after(() => world?.stop());

    for (const wire of WIRES)
      for (const [title, fn, { only = () => true } = {}] of abilities)
        if (only(wire))
          it(`${wire.name}: ${title}`, { timeout: 20000 }, () =>
            fn({ ...connected, world, wire, model: (kind) => world.model(wire, kind) }));
  });
}

// What a stream, or anything to iterate, gave until it ended or threw.
export async function drain(stream) {
  const events = [];
  try {
    for await (const event of stream) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events };
}
