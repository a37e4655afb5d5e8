import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "@jest/globals";
import type { ByteRange, WritableDevice } from "../host/host.ts";
import type { Work } from "./operations.ts";
import { type Sweep, nextStepBytes, sweepDevice } from "./sweep.ts";
import { Turns } from "./turns.ts";

const MiB = 1024 ** 2;
const step = 64;

function recorder(): { readonly device: WritableDevice; readonly events: string[] } {
  const events: string[] = [];
  const note = (verb: string) => async (range: ByteRange) =>
    void events.push(`${verb} ${range.offset}+${range.length}`);
  const device: WritableDevice = {
    read: async () => [],
    holdsZeroes: async () => true,
    zero: note("zero"),
    discard: note("discard"),
    scramble: note("scramble"),
    flush: async () => void events.push("flush"),
    close: async () => undefined,
  };
  return { device, events };
}

function sweepOf(passes: number): Sweep {
  const steps = { smallest: step, largest: step };
  return { verb: "shredding", passes, steps, step: (device, range) => device.scramble(range) };
}

function work(abort = new AbortController()): Work & { readonly abort: AbortController } {
  return { progress: { text: "" }, signal: abort.signal, abort };
}

const record = async (): Promise<void> => undefined;
const turns = new Turns();

test("every pass goes over every byte and is flushed before the next", async () => {
  const { device, events } = recorder();
  await sweepDevice(device, sweepOf(2), { sizeBytes: 100, doneBytes: 0, record, turns }, work());
  const pass = ["scramble 0+64", "scramble 64+36", "flush"];
  expect(events).toEqual([...pass, ...pass]);
});

test("what was recorded is not done again, and nothing that was not", async () => {
  const { device, events } = recorder();
  await sweepDevice(device, sweepOf(2), { sizeBytes: 100, doneBytes: 164, record, turns }, work());
  expect(events).toEqual(["scramble 64+36", "flush"]);
});

test("it stops at its next step when it is told to, and says how far it was", async () => {
  const { device, events } = recorder();
  const given = work();
  const stopping: Sweep = {
    ...sweepOf(1),
    step: async (writable, range) => {
      await writable.scramble(range);
      given.abort.abort();
    },
  };
  const swept = sweepDevice(device, stopping, { sizeBytes: 200, doneBytes: 0, record, turns }, given);
  await expect(swept).rejects.toMatchObject({ kind: "aborted", message: expect.stringContaining("shredding 32 %") });
  expect(events).toEqual(["scramble 0+64"]);
});

test("a failing device ends it", async () => {
  const { device } = recorder();
  const failing = { ...sweepOf(1), step: () => Promise.reject(new Error("EIO")) };
  await expect(sweepDevice(device, failing, { sizeBytes: 64, doneBytes: 0, record, turns }, work())).rejects.toThrow(
    "EIO",
  );
});

test("steps become shorter and longer within bounds", async () => {
  const { device, events } = recorder();
  const slow: Sweep = {
    ...sweepOf(1),
    steps: { smallest: 2 * MiB, largest: 16 * MiB },
    step: async (writable, range) => {
      await writable.zero(range);
      if (range.offset < 20 * MiB) await pause((25 * range.length) / MiB);
    },
  };
  await sweepDevice(device, slow, { sizeBytes: 60 * MiB, doneBytes: 0, record, turns }, work());
  const lengths = events.slice(0, -1).map((event) => Number(event.split("+")[1]) / MiB);
  expect(lengths.slice(0, 4)).toEqual([8, 4, 2, 2]);
  expect(Math.max(...lengths.slice(-3))).toBe(16);
  expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(60);
});

test.each([
  { before: undefined, now: { bytes: 8, tookMs: 1 }, next: 16 },
  { before: undefined, now: { bytes: 8, tookMs: 10 }, next: 8 },
  { before: undefined, now: { bytes: 8, tookMs: 21 }, next: 4 },
  { before: { bytes: 8, tookMs: 10 }, now: { bytes: 8, tookMs: 100 }, next: 4 },
  { before: { bytes: 8, tookMs: 100 }, now: { bytes: 4, tookMs: 50 }, next: 2 },
  // it is the way to the disk that takes so long
  { before: { bytes: 8, tookMs: 100 }, now: { bytes: 4, tookMs: 99 }, next: 8 },
  { before: { bytes: 4, tookMs: 99 }, now: { bytes: 8, tookMs: 100 }, next: 16 },
])("the step after $now.bytes bytes in $now.tookMs ms, and $before before", ({ before, now, next }) => {
  expect(nextStepBytes(before, now)).toBe(next);
});
