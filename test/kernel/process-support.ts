import { readFile, readdir } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { CallError } from "../lab/csi-client.ts";
import { type World, logicalVolumeOf, tagsOf } from "./world.ts";

/** What proc_pid_stat(5) says of a process. */
export interface ProcessStatus {
  readonly pid: number;
  readonly name: string;
  /** "Z" for a zombie. */
  readonly state: string;
  readonly parent: number;
}

/** All processes. */
export async function processes(): Promise<readonly ProcessStatus[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "")));
  return texts.flatMap((text) => {
    const [, pid, name = "", state = "", parent] = /^(\d+) \((.*)\) (\S) (\d+)/s.exec(text) ?? [];
    return pid === undefined ? [] : [{ pid: Number(pid), name, state, parent: Number(parent) }];
  });
}

/** A process of that name that the driver has started. */
export async function childOf(world: World, name: string): Promise<ProcessStatus | undefined> {
  return (await processes()).find((one) => one.name === name && one.parent === world.driver().pid && one.state !== "Z");
}

/** Asks until there is an answer. @throws Error when there is none in so many milliseconds */
export async function until<T>(what: string, ask: () => Promise<T | undefined | false>, patience = 30_000): Promise<T> {
  const end = performance.now() + patience;
  while (performance.now() < end) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await pause(5);
  }
  throw new Error(`waited in vain until ${what}`);
}

/** Waits until the volume has this state. */
export async function untilState(world: World, name: string, state: string): Promise<void> {
  await until(`${name} is ${state}`, async () => (await stateOf(world, name)) === state);
}

/** The state in the tags of a logical volume or volume id; undefined if it does not exist. */
export async function stateOf(world: World, name: string): Promise<string | undefined> {
  const tags = await tagsOf(world, name.includes("/") ? logicalVolumeOf(name) : name).catch(() => undefined);
  return tags?.["state"];
}

/** Repeats a call, as the sidecars do, while the answer is one of these: by default, that it may go on. */
export async function persist<T>(call: () => Promise<T>, passing = /^(ABORTED|UNAVAILABLE)$/): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const passes = error instanceof CallError && passing.test(error.code);
      if (attempt === 100 || !passes) throw error;
      await pause(100);
    }
  }
}

/** Lets a call go on by itself, and tells its code in the end. */
export function outcomeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "OK",
    (error: unknown) => (error instanceof CallError ? error.code : String(error)),
  );
}
