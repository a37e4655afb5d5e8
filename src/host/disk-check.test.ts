import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, jest, test } from "@jest/globals";
import { createDiskCheck, disksUnder, mostWaiting } from "./disk-check.ts";
import type { BlockDevice } from "./host.ts";
import type { RunJob } from "./worker-pool.ts";

let sysfs: string;

beforeEach(() => {
  sysfs = mkdtempSync(join(tmpdir(), "sysfs-"));
});

afterEach(() => {
  rmSync(sysfs, { recursive: true });
});

function device(name: string, slaves: readonly string[]): BlockDevice {
  for (const slave of slaves) mkdirSync(join(sysfs, "class/block", name, "slaves", slave), { recursive: true });
  return { name, number: "254:0", sizeBytes: 4096, holders: [], mapping: undefined };
}

describe("an answer", () => {
  let now: number;
  let asked: string[];
  let failure: Error | undefined;
  let check: ReturnType<typeof createDiskCheck>;

  beforeEach(() => {
    now = 1000;
    asked = [];
    failure = undefined;
    jest.spyOn(performance, "now").mockImplementation(() => now);
    const runJob = async (_lane: string, key: string): Promise<unknown> => {
      asked.push(key);
      if (failure !== undefined) throw failure;
      return undefined;
    };
    check = createDiskCheck(runJob as RunJob, sysfs);
  });

  afterEach(() => {
    jest.restoreAllMocks();
  });

  test("is shared by the volumes of one disk for a moment", async () => {
    await check(device("dm-0", ["sda"]));
    now += 199;
    await check(device("dm-1", ["sda"]));
    expect(asked).toEqual(["sda"]);
    now += 1;
    await check(device("dm-1", ["sda"]));
    expect(asked).toEqual(["sda", "sda"]);
  });

  test("that is a failure is not shared", async () => {
    failure = new Error("EIO");
    await expect(check(device("dm-0", ["sda"]))).rejects.toThrow("EIO");
    failure = undefined;
    await check(device("dm-1", ["sda"]));
    expect(asked).toEqual(["sda", "sda"]);
  });

  test("of one of several disks says nothing of the others", async () => {
    await check(device("dm-0", ["sda", "sdb"]));
    await check(device("dm-1", ["sda", "sdb"]));
    expect(asked).toEqual(["sda sdb", "sda sdb"]);
  });

  test.each([
    ["an array of two disks is not shared", ["sda", "sdb"], ["dm-9", "dm-9"]],
    ["an array that has one disk left is", ["sda"], ["dm-9"]],
  ])("of what lies, encrypted, on %s", async (_, disks, keys) => {
    device("md0", disks);
    device("dm-9", ["md0"]);
    await check(device("dm-0", ["dm-9"]));
    await check(device("dm-1", ["dm-9"]));
    expect(asked).toEqual(keys);
  });

  test("is not shared where ways part above the disk: one of them may hang", async () => {
    device("dm-8", ["sda"]);
    device("dm-9", ["sda"]);
    await check(device("dm-0", ["sda"]));
    await check(device("dm-1", ["dm-8"]));
    await check(device("dm-2", ["dm-8", "dm-9"]));
    await check(device("dm-3", ["dm-8", "dm-9"]));
    expect(asked).toEqual(["sda", "dm-8", "dm-8 dm-9", "dm-8 dm-9"]);
  });
});

describe("of many calls at once", () => {
  let reads: { readonly key: string; readonly result: PromiseWithResolvers<unknown> }[];
  let check: ReturnType<typeof createDiskCheck>;

  beforeEach(() => {
    reads = [];
    const runJob = async (_lane: string, key: string): Promise<unknown> => {
      const result = Promise.withResolvers<unknown>();
      reads.push({ key, result });
      return result.promise;
    };
    check = createDiskCheck(runJob as RunJob, sysfs);
  });

  /** Calls for as many volumes of these disks as the kubelet lets pods be on a node. */
  const callsFor = (slaves: readonly string[]): readonly Promise<void>[] =>
    Array.from({ length: 110 }, (_, index) => check(device(`dm-${slaves.join("-")}-${index}`, slaves)));
  const keys = (): readonly string[] => reads.map(({ key }) => key);

  test("one reads a slow disk, and the others take its answer", async () => {
    const calls = callsFor(["sda"]);
    await turn();
    expect(keys()).toEqual(["sda"]);
    reads[0]?.result.resolve(undefined);
    await Promise.all(calls);
    expect(keys()).toEqual(["sda"]);
  });

  test("one is told of a read that failed, and the next one reads", async () => {
    const outcomes = Promise.allSettled(callsFor(["sda"]));
    reads[0]?.result.reject(new Error("EIO"));
    await turn();
    expect(keys()).toEqual(["sda", "sda"]);
    reads[1]?.result.resolve(undefined);
    const [first, ...others] = await outcomes;
    expect(first).toMatchObject({ status: "rejected", reason: { message: "EIO" } });
    expect(new Set(others.map(({ status }) => status))).toEqual(new Set(["fulfilled"]));
    expect(reads).toHaveLength(2);
  });

  test("each reads for itself where there are several disks, one at a time", async () => {
    const calls = callsFor(["sda", "sdb"]);
    for (let done = 0; done < calls.length; done += 1) {
      expect(reads).toHaveLength(done + 1);
      reads[done]?.result.resolve(undefined);
      await turn();
    }
    await Promise.all(calls);
    expect(reads).toHaveLength(calls.length);
  });

  test("those that wait for a disk that hangs hold up no other disk", async () => {
    const hanging = callsFor(["sda"]);
    const well = check(device("dm-well", ["sdb"]));
    expect(keys()).toEqual(["sda", "sdb"]);
    reads[1]?.result.resolve(undefined);
    await well;
    reads[0]?.result.resolve(undefined);
    await Promise.all(hanging);
  });

  test("no more are kept waiting than can be kept for good", async () => {
    const volume = device("dm-0", ["sda"]);
    const calls = Array.from({ length: 1 + mostWaiting }, () => check(volume));
    await expect(check(volume)).rejects.toMatchObject({ name: "SystemError", code: "EAGAIN" });
    reads[0]?.result.resolve(undefined);
    await Promise.all(calls);
  });
});

test("volumes that lie on the same disks have one key, whatever the order they are listed in", () => {
  expect(disksUnder(sysfs, device("dm-0", ["sda"]))).toBe("sda");
  expect(disksUnder(sysfs, device("dm-1", ["sda"]))).toBe("sda");
  expect(disksUnder(sysfs, device("dm-2", ["sdb", "sda"]))).toBe("sda sdb");
});

test("a device that lies on no other, or has gone, is its own disk", () => {
  expect(disksUnder(sysfs, device("sda", []))).toBe("sda");
});
