import { VolumeError } from "../errors.ts";
import type { ByteRange, WritableDevice } from "../host/host.ts";
import type { Work } from "./operations.ts";
import type { Turns } from "./turns.ts";

/** One way of going over all of a device, from its begin to its end. */
export interface Sweep {
  /** "zeroing", for people. */
  readonly verb: string;
  readonly passes: number;
  /** Bytes at a time; between two steps the work can be stopped. */
  readonly steps: { readonly smallest: number; readonly largest: number };
  readonly step: (device: WritableDevice, range: ByteRange) => Promise<void>;
}

const MiB = 1024 ** 2;

export const zeroing: Sweep = {
  verb: "zeroing",
  passes: 1,
  steps: { smallest: 4 * MiB, largest: 256 * MiB },
  step: (device, range) => device.zero(range),
};

/** Where a sweep begins, how it records how far it got, and with whom it shares the disks. */
export interface Journey {
  readonly turns: Turns;
  readonly sizeBytes: number;
  /** Bytes done before, over all passes. */
  readonly doneBytes: number;
  /** Called at most once a minute, after a flush, with the bytes that need not be done again. */
  readonly record: (doneBytes: number) => Promise<void>;
}

/** A record is an LVM commit: often enough that a restart loses little, seldom enough to cost nothing. */
const recordEveryMs = 60_000;

/** What a step is to take, in milliseconds: whatever else is to be read of the disk waits behind it. */
const stepMs = 10;
const firstStepBytes = 8 * MiB;

/**
 * Goes over the whole device, step by step, and flushes it at the end of each pass.
 * @throws VolumeError aborted when told to stop; SystemError of the device.
 */
export async function sweepDevice(device: WritableDevice, sweep: Sweep, journey: Journey, work: Work): Promise<void> {
  const total = journey.sizeBytes * sweep.passes;
  let recordedAt = performance.now();
  let stepBytes = within(sweep.steps, firstStepBytes);
  let before: Step | undefined;
  for (let done = journey.doneBytes; done < total;) {
    work.progress.text = `${sweep.verb} ${Math.floor((100 * done) / total)} %`;
    const offset = done % journey.sizeBytes;
    const length = Math.min(stepBytes, journey.sizeBytes - offset);
    const tookMs = await journey.turns.take(() => {
      // when its turn comes, for that can take a while
      if (work.signal.aborted) throw new VolumeError("aborted", `stopped while ${work.progress.text}`);
      return timed(() => sweep.step(device, { offset, length }));
    });
    const step = { bytes: length, tookMs };
    stepBytes = within(sweep.steps, nextStepBytes(before, step));
    before = step;
    done += length;
    // Otherwise the passes would only overwrite each other in memory, and the disk would see the last one (shred(1)).
    if (done % journey.sizeBytes === 0) await device.flush();
    if (performance.now() - recordedAt < recordEveryMs) continue;
    await device.flush();
    await journey.record(done);
    recordedAt = performance.now();
  }
}

interface Step {
  readonly bytes: number;
  readonly tookMs: number;
}

/**
 * A disk that zeroes by itself takes a gigabyte in no time, another one some megabytes. One that takes as long for few
 * bytes as for many gains nothing by shorter steps.
 */
export function nextStepBytes(before: Step | undefined, now: Step): number {
  if (now.tookMs < stepMs / 2 || isSameForMore(before, now)) return now.bytes * 2;
  return now.tookMs > stepMs * 2 ? now.bytes / 2 : now.bytes;
}

function isSameForMore(before: Step | undefined, now: Step): boolean {
  if (before === undefined || before.bytes === now.bytes) return false;
  const [few, many] = before.bytes < now.bytes ? [before, now] : [now, before];
  return many.tookMs < few.tookMs * 1.3;
}

function within({ smallest, largest }: Sweep["steps"], bytes: number): number {
  return Math.min(largest, Math.max(smallest, bytes));
}

async function timed(step: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await step();
  return performance.now() - start;
}
