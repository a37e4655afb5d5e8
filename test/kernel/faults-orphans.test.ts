import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { outcomeOf, persist, processes, until } from "./process-support.ts";
import { type Staged, discardVolume, stagedVolume } from "./volume-support.ts";
import { MiB, type World, claimName, devicePath, logicalVolumes, mountCapability, openWorld, shell } from "./world.ts";

// The `lvm` of a killed driver carries out what it was given last, also when that takes long.

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

/** Takes the volume group's lock, as another LVM command would; returns what gives it back. */
async function takeLock(): Promise<() => Promise<void>> {
  const lock = path.join(process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm", `V_${world.volumeGroup}`);
  const holder = spawn("flock", [lock, "sleep", "300"], { stdio: "ignore", detached: true });
  await until("it is locked", async () => (await runs("sleep")) > 0);
  return async () => {
    process.kill(-(holder.pid ?? 0), "SIGKILL");
    await once(holder, "exit");
  };
}

async function runs(name: string): Promise<number> {
  return (await processes()).filter((one) => one.name === name && one.state !== "Z").length;
}

/** How many wait for a lock (proc_locks(5)). */
async function waiting(): Promise<number> {
  return (await readFile("/proc/locks", "utf8")).split("->").length - 1;
}

/**
 * Makes a call whose command has to wait for the lock, kills the driver, makes another call of the next driver's, and
 * gives the lock back when the command of that one waits, too.
 */
async function orphan(first: () => Promise<unknown>, second: () => Promise<unknown>): Promise<void> {
  let answer: Promise<unknown> | undefined;
  const release = await takeLock();
  try {
    const lost = outcomeOf(first());
    await until("lvm waits for the lock", async () => (await waiting()) === 1);
    await world.driver().kill();
    expect(await lost).toBe("UNAVAILABLE");
    await world.start();
    answer = persist(second);
    await until("the other lvm waits, too", async () => (await waiting()) === 2);
  } finally {
    await release();
  }
  await answer;
  await until("one lvm is left", async () => (await runs("lvm")) < 2);
}

test("a volume that is deleted before it was made does not appear afterwards", async () => {
  const volumeCapabilities = [mountCapability()];
  const request = { name: claimName(), capacityRange: { requiredBytes: 32 * MiB }, volumeCapabilities };
  const volumeId = `n1/${world.volumeGroup}/${request.name}`;
  await orphan(
    () => world.rpc.CreateVolume(request),
    () => world.rpc.DeleteVolume({ volumeId }),
  );
  expect(await logicalVolumes(world)).toEqual([]);
});

test("an expansion that is repeated before it was carried out grows the volume once", async () => {
  const staged = await stagedVolume(world, { sizeBytes: 32 * MiB });
  const range = { requiredBytes: 64 * MiB, limitBytes: 64 * MiB };
  const expand = () => world.rpc.ControllerExpandVolume({ volumeId: staged.volumeId, capacityRange: range });
  await orphan(expand, expand);
  expect(await sizeOf(staged)).toBe(64 * MiB);
  await discardVolume(world, staged);
});

async function sizeOf({ volumeId }: Staged): Promise<number> {
  return Number(await shell("blockdev", "--getsize64", devicePath(world, volumeId)));
}
