import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createDiskCheck, disksUnder } from "./disk-check.ts";
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

test("volumes of one disk share an answer for a moment, and no failure", async () => {
  const asked: string[] = [];
  let failure: Error | undefined = new Error("EIO");
  const check = createDiskCheck(
    (async (_lane: string, key: string) => {
      asked.push(key);
      if (failure !== undefined) throw failure;
    }) as RunJob,
    sysfs,
  );
  await expect(check(device("dm-0", ["sda"]))).rejects.toThrow("EIO");
  failure = undefined;
  await check(device("dm-0", ["sda"]));
  await check(device("dm-1", ["sda"]));
  await check(device("dm-2", ["sda", "sdb"]));
  expect(asked).toEqual(["sda", "sda", "sda sdb"]);
  await pause(250);
  await check(device("dm-1", ["sda"]));
  expect(asked).toEqual(["sda", "sda", "sda sdb", "sda"]);
});

test("volumes that lie on the same disks have one key, whatever the order they are listed in", () => {
  expect(disksUnder(sysfs, device("dm-0", ["sda"]))).toBe("sda");
  expect(disksUnder(sysfs, device("dm-1", ["sda"]))).toBe("sda");
  expect(disksUnder(sysfs, device("dm-2", ["sdb", "sda"]))).toBe("sda sdb");
});

test("a device that lies on no other, or has gone, is its own disk", () => {
  expect(disksUnder(sysfs, device("sda", []))).toBe("sda");
});
