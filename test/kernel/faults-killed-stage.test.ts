import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createFilesystem, stageRequest } from "./device-support.ts";
import { type FaultWorld, campaignMs, killAtEachStep, openFaultWorld } from "./faults-support.ts";
import { leaveTenantsData } from "./tenants-data.ts";
import { MiB, logicalVolumeOf, mountsAt, targetPath } from "./world.ts";

let world: FaultWorld;

beforeAll(async () => {
  world = await openFaultWorld(120 * MiB);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

const sizeBytes = 48 * MiB;

/** A volume on a tenant's data that was never staged, and what its calls are given. */
async function newVolume() {
  await leaveTenantsData(world, sizeBytes);
  const volumeId = await createFilesystem(world, "ext4", sizeBytes);
  const stage = await stageRequest(world, volumeId, "ext4");
  return { ...stage, targetPath: await targetPath(world, logicalVolumeOf(volumeId)) };
}

type Staged = Awaited<ReturnType<typeof newVolume>>;

async function takeAway(staged: Staged): Promise<void> {
  await world.rpc.NodeUnpublishVolume(staged);
  await world.rpc.NodeUnstageVolume(staged);
}

/** It is mounted once at each path, keeps what is written to it, and is never formatted again. */
async function verifyUse(staged: Staged): Promise<void> {
  for (const at of [staged.stagingTargetPath, staged.targetPath]) {
    const count = (await mountsAt(at)).length;
    if (count !== 1) throw new Error(`${count} mounts at ${at}`);
  }
  await writeFile(path.join(staged.targetPath, "row"), "committed");
  await takeAway(staged);
  await world.rpc.NodeStageVolume(staged);
  const row = await readFile(path.join(staged.stagingTargetPath, "row"), "utf8");
  if (row !== "committed") throw new Error(`the row reads ${row}`);
}

test(
  "first NodeStageVolume and NodePublishVolume of a filesystem, killed at each step",
  async () => {
    const campaign = await killAtEachStep(world, {
      name: "first stage and publish of ext4",
      prepare: newVolume,
      act: async (staged) => {
        await world.rpc.NodeStageVolume(staged);
        await world.rpc.NodePublishVolume(staged);
      },
      verify: verifyUse,
      discard: async (staged) => {
        await takeAway(staged);
        await world.rpc.DeleteVolume(staged);
      },
    });
    expect(campaign).toMatchObject({
      wrong: [],
      steps: expect.arrayContaining(["lvm lvchange", "run mkfs.ext4", "mount", "bind"]),
    });
  },
  campaignMs,
);
