// The program, started and ended: `tidegate serve` and `tidegate mock`.
//
//   const p = await launch("serve", "tidegate.lua")     p.url, await p.stop()

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");

function program() {
  const named = process.env.TIDEGATE;
  if (named) return resolve(root, named);
  const checked = join(root, "build/asan/tidegate");
  return existsSync(checked) ? checked : join(root, "build/tidegate");
}

// Whatever ends this process ends what it started.
const alive = new Set();
process.on("exit", () => alive.forEach((child) => child.kill("SIGKILL")));

// Start it, and wait until it listens. stop() throws when it does not end well:
// a leak or an error that a sanitizer found is told so.
export async function launch(command, file, { ends = [0] } = {}) {
  const child = spawn(program(), [command, file]);
  alive.add(child);
  let printed = "";
  const ended = new Promise((done) => child.on("exit", (code, signal) => {
    alive.delete(child);
    done(code ?? signal);
  }));
  const wrong = (how) => new Error(`tidegate ${command} ended with ${how}:\n${printed}`);
  const url = await new Promise((ready, fail) => {
    const hear = (d) => {
      printed += d;
      const found = printed.match(/listening on (http:\/\/\S+)/);
      if (found) ready(found[1]);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", fail);
    ended.then((how) => fail(wrong(how)));
  });
  return {
    url,
    printed: () => printed,
    async stop() {
      child.kill("SIGTERM");
      const how = await ended;
      if (!ends.includes(how)) throw wrong(how);
    },
  };
}
