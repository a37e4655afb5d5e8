import { constants } from "node:os";
import { parentPort } from "node:worker_threads";
import { jobs } from "./jobs.ts";
import { describeError } from "./job-message.ts";
import type { JobAnswer, JobRequest } from "./job-message.ts";
import { releaseProgramPages } from "./program-pages.ts";
import { blockSignal, releaseMemory } from "./system-calls.ts";

/** The entry of a worker thread: does one job after another, as the messages ask. */

// The end of a program interrupts the system call of the thread that started it, unless that blocks the signal (EINTR).
blockSignal(constants.signals.SIGCHLD);

/** So often what the C library keeps for later is handed back: without it 5 MiB come together in 1,500 calls. */
const jobsBetweenReleases = 50;
let jobsDone = 0;

parentPort?.on("message", ({ name, input, releasePagesOf }: JobRequest) => {
  const answer = perform(name, input);
  parentPort?.postMessage(answer, "value" in answer ? buffersOf(answer.value) : []);
  jobsDone += 1;
  if (jobsDone % jobsBetweenReleases === 0) releaseMemory();
  // after the answer, so that nobody waits for it
  if (releasePagesOf !== undefined) releaseProgramPages(releasePagesOf);
});

function perform(name: string, input: unknown): JobAnswer {
  try {
    return { value: jobNamed(name)(input) };
  } catch (error) {
    return { error: describeError(error) };
  }
}

function jobNamed(name: string): (input: unknown) => unknown {
  const job = Object.entries(jobs).find(([key]) => key === name)?.[1];
  if (job === undefined) {
    throw new Error(`no job is called "${name}"`);
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- RunJob ties each job's name to its input's type
  return job as (input: unknown) => unknown;
}

/** What was read is handed over instead of copied. */
function buffersOf(value: unknown): ArrayBuffer[] {
  const values: unknown[] = Array.isArray(value) ? value : [];
  return values.flatMap((item) =>
    item instanceof Uint8Array && item.buffer instanceof ArrayBuffer ? [item.buffer] : [],
  );
}
