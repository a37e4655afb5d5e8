// The process that spawner.ts starts. It loads next to nothing, since a large process takes longer to start another.
import { execFile } from "node:child_process";
import { statfs } from "node:fs/promises";
import { promisify } from "node:util";
import type { SpawnerAnswer, SpawnerRequest } from "./spawner.ts";

const run = promisify(execFile);

process.on("message", (request: SpawnerRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});

async function answer(request: SpawnerRequest): Promise<SpawnerAnswer> {
  const start = performance.now();
  try {
    await perform(request);
    return { milliseconds: performance.now() - start };
  } catch (error) {
    return { error: String(error) };
  }
}

async function perform(request: SpawnerRequest): Promise<void> {
  if (request.kind === "statfs") {
    for (const path of request.paths) await statfs(path);
    return;
  }
  for (const [file, ...args] of request.commands) await run(file, args);
}
