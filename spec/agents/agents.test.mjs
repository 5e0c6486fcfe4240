// Coding agents as they come from npm, each over every provider's format: it asks, is told to run a
// command, runs it, tells what came of it, and says the last word.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launch } from "../sdk/process.mjs";

const KEY = "sk-tg-v1-spec-key-0123456789";
const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const bin = (name) => join(here, "node_modules/.bin", name);

// What stands behind the provider's address, and its table's other fields.
const wires = {
  "anthropic-messages": ["", ""],
  "openai-chat": ["/v1", ""],
  "openai-responses": ["/v1", ""],
  gemini: ["", ""],
  vertex: ["", ', project = "p"'],
  "bedrock-converse": ["", ""],
  "azure-openai": ["", ""],
  mistral: ["/v1", ""],
  cohere: ["", ""],
  ollama: ["", ""],
};

const agents = {
  claude: {
    command: (model) => ["-p", "Make the file", "--model", model, "--dangerously-skip-permissions"],
    env: (url) => ({ ANTHROPIC_BASE_URL: url, ANTHROPIC_AUTH_TOKEN: KEY, IS_SANDBOX: "1",
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" }),
  },
  codex: {
    command: (model) => ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", model,
      "Make the file"],
    env: () => ({ TIDEGATE_KEY: KEY }),
    settle(home, url) {
      mkdirSync(join(home, ".codex"));
      writeFileSync(join(home, ".codex/config.toml"), `model_provider = "tidegate"
[model_providers.tidegate]
name = "Tidegate"
base_url = "${url}/v1"
env_key = "TIDEGATE_KEY"
wire_api = "responses"
`);
    },
  },
  gemini: {
    command: (model) => ["--skip-trust", "--yolo", "-m", model, "-p", "Make the file"],
    env: (url) => ({ GOOGLE_GEMINI_BASE_URL: url, GEMINI_API_KEY: KEY }),
    settle(home) {
      mkdirSync(join(home, ".gemini"));
      writeFileSync(join(home, ".gemini/settings.json"), '{"security":{"auth":{"selectedType":"gemini-api-key"}}}');
    },
  },
};

function configuration(mock) {
  const providers = [], data = [];
  for (const agent of Object.keys(agents))
    for (const [wire, [below, more]] of Object.entries(wires)) {
      const slug = `${agent}-${wire}`;
      const key = wire === "vertex" ? "token" : "key";
      providers.push(`{ slug = "${slug}", wire = "${wire}", base_url = "${mock}/${agent}${below}", ${key} = "key-0123456789"${more} }`);
      data.push({ id: `test/${slug}`, endpoints: [{ provider: slug, upstream_model: "m",
        pricing: { prompt: "0.000001", completion: "0.000002" } }] });
    }
  return { catalog: JSON.stringify({ data }), config: `return {
    listen = "127.0.0.1:0", keys = { { name = "spec", key = "${KEY}" } }, catalog = "catalog.json",
    providers = { ${providers.join(",\n")} } }` };
}

function run(file, args, options) {
  return new Promise((done) => {
    const child = execFile(file, args, { timeout: 90_000, ...options }, (error, stdout, stderr) =>
      done({ code: error ? error.code ?? error.signal : 0, stdout, stderr }));
    child.stdin.end();
  });
}

describe("coding agents", () => {
  let mock, gateway, dir;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), "tidegate-agents-"));
    mock = await launch("mock", join(here, "mock.lua"), { ends: [0, "SIGTERM"] });
    const { catalog, config } = configuration(mock.url);
    writeFileSync(join(dir, "catalog.json"), catalog);
    writeFileSync(join(dir, "tidegate.lua"), config);
    gateway = await launch("serve", join(dir, "tidegate.lua"));
  });
  after(async () => {
    await gateway?.stop();
    await mock?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  for (const [name, agent] of Object.entries(agents))
    for (const wire of Object.keys(wires))
      it(`${name} works over ${wire}`, async () => {
        const home = mkdtempSync(join(dir, "home-"));
        const work = mkdtempSync(join(dir, "work-"));
        agent.settle?.(home, gateway.url);
        const said = await run(bin(name), agent.command(`${name}-${wire}`), {
          cwd: work, env: { PATH: process.env.PATH, TERM: "dumb", HOME: home, ...agent.env(gateway.url) } });
        const everything = JSON.stringify(said, null, 1);
        assert.equal(said.code, 0, everything);
        assert.match(said.stdout, /The tool said: /, everything);
        assert.equal(readFileSync(join(work, "made.txt"), "utf8"), "tide\n");
      });
});
