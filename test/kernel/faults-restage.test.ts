import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { times } from "../campaign.ts";
import { createFilesystem, digest, filesystemUuid, stageRequest } from "./device-support.ts";
import { tagsOf, MiB, type World, devicePath, logicalVolumeOf, mountsAt, openWorld } from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

const restages = times(1000, 100);

test(
  `${restages} times staged: the same filesystem with the same data, and no change to the volume group`,
  async () => {
    const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
    const device = devicePath(world, volumeId);
    const request = await stageRequest(world, volumeId, "ext4");
    const file = path.join(request.stagingTargetPath, "rows");
    await world.rpc.NodeStageVolume(request);
    await writeFile(file, randomBytes(4 * MiB), { flush: true });
    const before = [await digest(file), await filesystemUuid(device), await tagsOf(world, logicalVolumeOf(volumeId))];
    for (let time = 0; time < restages; time += 1) {
      await world.rpc.NodeUnstageVolume(request);
      await world.rpc.NodeStageVolume(request);
    }
    expect(await mountsAt(request.stagingTargetPath)).toHaveLength(1);
    const after = [await digest(file), await filesystemUuid(device), await tagsOf(world, logicalVolumeOf(volumeId))];
    expect(after).toEqual(before);
    await world.rpc.NodeUnstageVolume(request);
    await world.rpc.DeleteVolume({ volumeId });
  },
  times(1_200_000, 400_000),
);
