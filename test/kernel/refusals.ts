import { readFile } from "node:fs/promises";
import type { status } from "@grpc/grpc-js";
import { CallError } from "../lab/csi-client.ts";
import { type World, logicalVolumes, shell } from "./world.ts";

/** A request that must be refused: what is wrong with it, what the message has to say, the call, and the code. */
export type BadCall = readonly [
  what: string,
  message: RegExp,
  call: () => Promise<unknown>,
  code?: keyof typeof status | undefined,
];

/** The longest message that is still one that a person reads. */
const longestMessage = 1000;

/** Makes the calls, and tells all that were not answered with their code (INVALID_ARGUMENT) and such a message. */
export async function wrongAnswers(calls: readonly BadCall[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (const [what, message, call, code = "INVALID_ARGUMENT"] of calls) {
    const answer = await call().then(
      (response) => `OK ${JSON.stringify(response)}`,
      (error: unknown) => (error instanceof CallError ? error : String(error)),
    );
    const problem = typeof answer === "string" ? answer : problemOf(answer, code, message);
    if (problem !== undefined) wrong.push(JSON.stringify(`${what}: ${problem.slice(0, 300)}`));
  }
  return wrong;
}

function problemOf({ code, details }: CallError, wanted: string, message: RegExp): string | undefined {
  if (code !== wanted) return `${code}, not ${wanted}: ${details}`;
  if (!message.test(details)) return `${code}, but not ${String(message)}: ${details}`;
  if (!/^[^\p{Cc}]+$/u.test(details)) return `control characters in ${JSON.stringify(details)}`;
  return details.length > longestMessage ? `a message of ${details.length} characters: ${details}` : undefined;
}

/** What refused calls must leave as it is: volumes, mounts, the files of a directory, the driver and its health. */
export async function surroundings(world: World, directory: string): Promise<object> {
  const mounts = await readFile("/proc/self/mountinfo", "utf8");
  return {
    logicalVolumes: await logicalVolumes(world),
    mounts: mounts.split("\n").toSorted(),
    files: (await shell("find", directory, world.kubelet, "-printf", "%p %y %i %s %T@ %m\n")).split("\n").toSorted(),
    pid: world.driver().pid,
    alive: process.kill(world.driver().pid, 0),
    probe: await world.rpc.Probe({}),
    faults: (await world.driver().log()).match(/"code":"(INTERNAL|UNKNOWN)","message":"[^"]*/g),
  };
}
