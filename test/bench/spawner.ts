import { fork } from "node:child_process";
import path from "node:path";

/** A small Node process that starts programs: the fairest floor for a Node program. */
export interface Spawner {
  /** Runs the programs one after the other. @returns milliseconds for all. @throws Error when one fails */
  run(...commands: readonly (readonly [string, ...string[]])[]): Promise<number>;
  /** Asks statfs(2) of each path, one after the other. @returns milliseconds for all */
  statfs(paths: readonly string[]): Promise<number>;
  close(): void;
}

export type SpawnerRequest =
  | { readonly kind: "run"; readonly commands: readonly (readonly [string, ...string[]])[] }
  | { readonly kind: "statfs"; readonly paths: readonly string[] };

export type SpawnerAnswer = { readonly milliseconds: number } | { readonly error: string };

/** @param systemDirectory where the programs find lvm.conf */
export function startSpawner(systemDirectory: string): Spawner {
  const child = fork(path.join(import.meta.dirname, "spawner-process.ts"), {
    env: { ...process.env, LVM_SYSTEM_DIR: systemDirectory },
  });
  const ask = (request: SpawnerRequest): Promise<number> =>
    new Promise((resolve, reject) => {
      child.once("message", (answer: SpawnerAnswer) => {
        if ("error" in answer) reject(new Error(answer.error));
        else resolve(answer.milliseconds);
      });
      child.send(request);
    });
  return {
    run: (...commands) => ask({ kind: "run", commands }),
    statfs: (paths) => ask({ kind: "statfs", paths }),
    close: () => child.disconnect(),
  };
}
