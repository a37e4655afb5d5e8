import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm, statfs, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createFilesystem, stageRequest } from "./device-support.ts";
import { childOf, outcomeOf, persist, processes, until } from "./process-support.ts";
import { MiB, type World, devicePath, mountsAt, openWorld, shell } from "./world.ts";

// What of a killed driver's lives on; mkfs: driver-restart.test.ts.

let world: World;
let programs: string;

beforeAll(async () => {
  programs = await mkdtemp("/run/programs-");
  world = await openWorld(1, [], [], { environment: { PATH: `${programs}:${process.env["PATH"]}` } });
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await rm(programs, { recursive: true });
});

/** A volume that was used, and its data. */
async function usedVolume(filesystem: "ext4" | "xfs", sizeBytes: number) {
  const volumeId = await createFilesystem(world, filesystem, sizeBytes);
  const request = await stageRequest(world, volumeId, filesystem);
  await world.rpc.NodeStageVolume(request);
  const row = randomBytes(8 * MiB);
  const file = path.join(request.stagingTargetPath, "row");
  await writeFile(file, row, { flush: true });
  return { ...request, row, file };
}

/**
 * Makes a call, kills the driver while the program that it starts stands still before its first step, and starts the
 * driver again. A program that is stopped later may have done all that was asked of it.
 */
async function killWhile(program: string, call: () => Promise<unknown>): Promise<number> {
  const script = path.join(programs, program);
  await writeFile(script, `#!/bin/sh\nrm "$0" && kill -STOP $$ && exec ${program} "$@"\n`, { mode: 0o755 });
  const lost = outcomeOf(call());
  const { pid } = await until(`${program} stands still`, async () => {
    const child = await childOf(world, program);
    return child?.state === "T" && child;
  });
  await world.driver().kill();
  expect(await lost).toBe("UNAVAILABLE");
  await world.start();
  return pid;
}

async function runs(name: string): Promise<number> {
  return (await processes()).filter((one) => one.name === name && one.state !== "Z").length;
}

async function goOn(pid: number): Promise<void> {
  process.kill(pid, "SIGCONT");
  await until("it has ended", async () => !(await processes()).some((one) => one.pid === pid && one.state !== "Z"));
}

test("while the e2fsck of a killed driver is at work no other one is started, and nothing is mounted", async () => {
  const { row, file, ...used } = await usedVolume("ext4", 64 * MiB);
  await world.rpc.NodeUnstageVolume(used);
  await shell("debugfs", "-w", "-R", "ssv state 2", devicePath(world, used.volumeId));
  const pid = await killWhile("e2fsck", () => world.rpc.NodeStageVolume(used));
  for (const _ of ["once", "again"]) {
    expect(await outcomeOf(world.rpc.NodeStageVolume(used))).toBe("ABORTED");
    expect([await runs("e2fsck"), await mountsAt(used.stagingTargetPath)]).toEqual([1, []]);
  }
  expect(await outcomeOf(world.rpc.DeleteVolume(used))).toBe("FAILED_PRECONDITION");
  await goOn(pid);
  await persist(() => world.rpc.NodeStageVolume(used));
  expect((await readFile(file)).equals(row)).toBe(true);
  await world.rpc.NodeUnstageVolume(used);
  await world.rpc.DeleteVolume(used);
});

test("while the xfs_growfs of a killed driver is at work no other one is started", async () => {
  const { row, file, ...used } = await usedVolume("xfs", 320 * MiB);
  const capacityRange = { requiredBytes: 512 * MiB };
  await world.rpc.ControllerExpandVolume({ volumeId: used.volumeId, capacityRange });
  const growth = { volumeId: used.volumeId, volumePath: used.stagingTargetPath, capacityRange };
  const pid = await killWhile("xfs_growfs", () => world.rpc.NodeExpandVolume(growth));
  for (const _ of ["once", "again"]) {
    expect(await outcomeOf(world.rpc.NodeExpandVolume(growth))).toBe("ABORTED");
    expect(await runs("xfs_growfs")).toBe(1);
  }
  await goOn(pid);
  await persist(() => world.rpc.NodeExpandVolume(growth));
  const { blocks, bsize } = await statfs(used.stagingTargetPath);
  expect(blocks * bsize).toBeGreaterThan(400 * MiB);
  expect((await readFile(file)).equals(row)).toBe(true);
  await world.rpc.NodeUnstageVolume(used);
  await world.rpc.DeleteVolume(used);
});
