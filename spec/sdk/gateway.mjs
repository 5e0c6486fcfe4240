// The real gateway before a scripted provider, for specs of real clients.
//
//   const gw = await start(answers)      answers: (request, response) => void
//   gw.url, gw.provider.requests, await gw.stop()

import { mkdtempSync, writeFileSync, rmSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { launch } from "./process.mjs";

export const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };

export function completion(message, finish = "stop") {
  return {
    id: "up-1", object: "chat.completion", created: 1, model: "up",
    choices: [{ index: 0, message: { role: "assistant", content: null, ...message }, finish_reason: finish }],
    usage,
  };
}

export function chunk(delta, finish = null) {
  return {
    id: "up-1", object: "chat.completion.chunk", created: 1, model: "up",
    choices: [{ index: 0, delta, finish_reason: finish }],
  };
}

// Send these as an event stream, [DONE] behind them.
export function stream(response, chunks) {
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (const c of chunks) response.write(`data: ${JSON.stringify(c)}\n\n`);
  response.write(`data: ${JSON.stringify({ ...chunk({}), choices: [], usage })}\n\n`);
  response.end("data: [DONE]\n\n");
}

export function json(response, body, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

function listen(answers) {
  const provider = { requests: [], closed: 0 };
  provider.server = http.createServer((request, response) => {
    let text = "";
    request.on("data", (d) => (text += d));
    request.on("end", () => {
      const body = text ? JSON.parse(text) : undefined;
      const seen = { url: request.url, headers: request.headers, body, text };
      provider.requests.push(seen);
      response.on("close", () => provider.closed++);
      answers(seen, response);
    });
  });
  return new Promise((done) => provider.server.listen(0, "127.0.0.1", () => {
    provider.port = provider.server.address().port;
    done(provider);
  }));
}

const everything = ["temperature", "top_p", "max_tokens", "max_completion_tokens", "tools", "tool_choice",
  "response_format", "structured_outputs", "seed", "stop", "reasoning", "reasoning_effort"];

const catalog = {
  data: [
    {
      id: "test/model", canonical_slug: "test/model-2026", name: "Test: Model", created: 1700000000,
      context_length: 100000,
      architecture: { modality: "text->text", input_modalities: ["text"], output_modalities: ["text"], tokenizer: "Other" },
      pricing: { prompt: "0.000001", completion: "0.000002" },
      endpoints: [{ provider: "alpha", upstream_model: "up-alpha", supported_parameters: everything,
        max_completion_tokens: 8000, quantization: "fp8" }],
    },
    {
      id: "test/embed", canonical_slug: "test/embed", name: "Test: Embed", created: 1700000000, context_length: 8000,
      architecture: { modality: "text->embeddings", input_modalities: ["text"], output_modalities: ["embeddings"] },
      pricing: { prompt: "0.00000002", completion: "0" },
      endpoints: [{ provider: "alpha", upstream_model: "embed-alpha", supported_parameters: [] }],
    },
  ],
};

export async function start(answers, { auth = "keys" } = {}) {
  const provider = await listen(answers);
  const dir = mkdtempSync(join(tmpdir(), "tidegate-sdk-"));
  writeFileSync(join(dir, "catalog.json"), JSON.stringify(catalog));
  writeFileSync(join(dir, "tidegate.lua"), `return {
    listen = "127.0.0.1:0", workers = 1, auth = "${auth}", catalog = { "catalog.json" },
    ${auth === "keys" ? 'keys = { { name = "spec", key = "sk-tg-v1-spec-key-0123456789" } },' : ""}
    providers = { { slug = "alpha", name = "Alpha", wire = "openai-chat", zdr = true, data_collection = "deny",
      base_url = "http://127.0.0.1:${provider.port}/v1", key = "provider-key-0123456789" } },
  }\n`);
  const program = await launch("serve", join(dir, "tidegate.lua"));
  return {
    url: program.url, provider, apiKey: "sk-tg-v1-spec-key-0123456789",
    async stop() {
      try {
        await program.stop();
      } finally {
        provider.server.closeAllConnections();
        provider.server.close();
        rmSync(dir, { recursive: true });
      }
    },
  };
}

export async function until(condition, ms = 5000) {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (condition()) return true;
    await new Promise((r) => setTimeout(r, 10));
  }
  return false;
}
