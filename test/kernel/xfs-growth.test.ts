import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { discardVolume, createVolume, stagedVolume } from "./volume-support.ts";
import { MiB, type World, blockCapability, devicePath, mountCapability, openWorld, shell } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

const [oldBytes, newBytes] = [320 * MiB, 512 * MiB];

/** A directory of each goes to the next allocation group (XFS Algorithms & Data Structures): some go to the new ones. */
async function useAllGroups(root: string): Promise<void> {
  for (let number = 0; number < 24; number += 1) {
    await mkdir(path.join(root, String(number)));
    await writeFile(path.join(root, String(number), "row"), "committed", { flush: true });
  }
}

test("an xfs that has grown in use and then lost its power can be mounted, with all that was written", async () => {
  const staged = await stagedVolume(world, { capability: mountCapability("xfs"), sizeBytes: oldBytes });
  const { volumeId, stagingTargetPath } = staged;
  const copyId = await createVolume(world, { capability: blockCapability(), sizeBytes: newBytes });
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: newBytes } });
  await world.rpc.NodeExpandVolume({ volumeId, volumePath: stagingTargetPath });
  await useAllGroups(stagingTargetPath);
  // what the disk holds now is what a power cut leaves
  await shell(
    "dd",
    `if=${devicePath(world, volumeId)}`,
    `of=${devicePath(world, copyId)}`,
    "bs=1M",
    "iflag=direct",
    "oflag=direct",
    "status=none",
  );
  const copy = "/run/copy";
  await mkdir(copy);
  await shell("mount", "-t", "xfs", "-o", "nouuid", devicePath(world, copyId), copy);
  const rows = await shell("grep", "--recursive", "--count", "committed", copy);
  await shell("umount", copy);
  expect(rows.trim().split("\n")).toHaveLength(24);
  expect(rows).not.toMatch(/:0$/m);
  await shell("xfs_repair", "-n", devicePath(world, copyId));
  await discardVolume(world, staged);
  await world.rpc.DeleteVolume({ volumeId: copyId });
});
