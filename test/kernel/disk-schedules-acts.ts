import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { createFilesystem, filesystemUuid, stageRequest } from "./device-support.ts";
import { persist, stateOf } from "./process-support.ts";
import { creation } from "./two-groups.ts";
import { type Staged, createVolume, discardVolume, stagedVolume } from "./volume-support.ts";
import { MiB, type World, blockCapability, devicePath, shell, targetPath } from "./world.ts";

/** A call that is made while something is wrong with the disk. */
export interface Act {
  readonly call: (deadlineMs?: number) => Promise<unknown>;
  /** What the kubelet does before it tries again, if it has to do anything. */
  readonly renew?: () => Promise<unknown>;
  /** Looks at what there is when the call has succeeded at last, and takes it away. */
  readonly finish: () => Promise<unknown>;
}

const small = 16 * MiB;
const larger = { capacityRange: { requiredBytes: 32 * MiB } };

/** Each prepares, on a sound disk, the call of its name. */
export const acts: Readonly<Record<string, (world: World) => Promise<Act>>> = {
  "CreateVolume of raw block": async (world) => createAct(world, true),
  "CreateVolume of a filesystem": async (world) => createAct(world, false),
  "DeleteVolume with a wipe": async (world) => {
    const parameters = { wipe: "zero" };
    const volumeId = await createVolume(world, { sizeBytes: small, capability: blockCapability(), parameters });
    return { call: (ms) => world.rpc.DeleteVolume({ volumeId }, ms), finish: () => expectGone(world, volumeId) };
  },
  DeleteVolume: async (world) => {
    const volumeId = await createFilesystem(world, "ext4", small);
    return { call: (ms) => world.rpc.DeleteVolume({ volumeId }, ms), finish: () => expectGone(world, volumeId) };
  },
  "ControllerExpandVolume of raw block": async (world) => {
    const volumeId = await createVolume(world, { sizeBytes: small, capability: blockCapability() });
    return {
      call: (ms) => world.rpc.ControllerExpandVolume({ volumeId, ...larger }, ms),
      finish: () => expectZeroes(world, volumeId, 32 * MiB),
    };
  },
  "ControllerExpandVolume before the first use": async (world) => {
    const volumeId = await createFilesystem(world, "ext4", small);
    return {
      call: (ms) => world.rpc.ControllerExpandVolume({ volumeId, ...larger }, ms),
      finish: () => expectStageable(world, volumeId),
    };
  },
  "the first NodeStageVolume": async (world) => {
    const volumeId = await createFilesystem(world, "ext4", small);
    const stage = await stageRequest(world, volumeId, "ext4");
    return { call: (ms) => world.rpc.NodeStageVolume(stage, ms), finish: () => expectStageable(world, volumeId) };
  },
  NodeStageVolume: async (world) => {
    const { staged, expectKept } = await filledVolume(world);
    await world.rpc.NodeUnstageVolume(unstageOf(staged));
    return { call: (ms) => world.rpc.NodeStageVolume(staged, ms), finish: expectKept };
  },
  NodeUnstageVolume: async (world) => {
    const { staged, expectKept } = await filledVolume(world);
    return { call: (ms) => world.rpc.NodeUnstageVolume(unstageOf(staged), ms), finish: expectKept };
  },
  "NodePublishVolume and NodeUnpublishVolume": async (world) => {
    const { staged, expectKept } = await filledVolume(world);
    const request = { ...staged, targetPath: await targetPath(world, "pod") };
    const call = async (ms?: number): Promise<void> => {
      await world.rpc.NodePublishVolume(request, ms);
      await world.rpc.NodeUnpublishVolume(request, ms);
    };
    return { call, finish: expectKept };
  },
  NodeGetVolumeStats: async (world) => {
    const { staged, expectKept } = await filledVolume(world);
    const request = { volumeId: staged.volumeId, volumePath: staged.stagingTargetPath };
    return { call: (ms) => world.rpc.NodeGetVolumeStats(request, ms), finish: expectKept };
  },
  NodeExpandVolume: async (world) => {
    const { staged, expectKept } = await filledVolume(world);
    await world.rpc.ControllerExpandVolume({ volumeId: staged.volumeId, ...larger });
    const request = { volumeId: staged.volumeId, volumePath: staged.stagingTargetPath };
    const call = (ms?: number): Promise<unknown> => world.rpc.NodeExpandVolume(request, ms);
    return { call, renew: () => restage(world, staged), finish: expectKept };
  },
  "ListVolumes, ControllerGetVolume and GetCapacity": async (world) => {
    const volumeId = await createFilesystem(world, "ext4", small);
    const call = async (ms?: number): Promise<void> => {
      const { entries } = await world.rpc.ListVolumes({}, ms);
      expect(entries.map(({ volume }) => volume?.volumeId)).toEqual([volumeId]);
      await world.rpc.ControllerGetVolume({ volumeId }, ms);
      await world.rpc.GetCapacity({}, ms);
    };
    return { call, finish: () => world.rpc.DeleteVolume({ volumeId }) };
  },
};

function createAct(world: World, isBlock: boolean): Act {
  const plain = creation(world.volumeGroup);
  const request = isBlock ? { ...plain, volumeCapabilities: [blockCapability()] } : plain;
  const volumeId = `n1/${world.volumeGroup}/${request.name}`;
  return {
    call: (ms) => world.rpc.CreateVolume(request, ms),
    finish: () => (isBlock ? expectZeroes(world, volumeId, small) : expectStageable(world, volumeId)),
  };
}

async function expectGone(world: World, volumeId: string): Promise<void> {
  expect(await stateOf(world, volumeId)).toBeUndefined();
}

async function expectZeroes(world: World, volumeId: string, sizeBytes: number): Promise<void> {
  const bytes = await readFile(devicePath(world, volumeId));
  expect(bytes.equals(Buffer.alloc(sizeBytes))).toBe(true);
  await world.rpc.DeleteVolume({ volumeId });
}

/** It can be used for the first time, or again. */
async function expectStageable(world: World, volumeId: string): Promise<void> {
  const staged = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(staged);
  expect(await stateOf(world, volumeId)).toBe("formatted");
  await discardVolume(world, staged);
}

/** A staged volume with a row in it that is on the disk; and what tells that it is the same one with the same row. */
async function filledVolume(world: World): Promise<{ staged: Staged; expectKept: () => Promise<void> }> {
  const staged = await stagedVolume(world, { sizeBytes: small });
  const row = join(staged.stagingTargetPath, "row");
  await writeFile(row, "committed");
  await shell("sync", "-f", staged.stagingTargetPath);
  const device = devicePath(world, staged.volumeId);
  const uuid = await filesystemUuid(device);
  const expectKept = async (): Promise<void> => {
    await restage(world, staged);
    expect(await readFile(row, "utf8")).toBe("committed");
    expect(await filesystemUuid(device)).toBe(uuid);
    await discardVolume(world, staged);
  };
  return { staged, expectKept };
}

/** As for a new pod: a filesystem that the kernel has shut down serves again. */
async function restage(world: World, staged: Staged): Promise<void> {
  await persist(() => world.rpc.NodeUnstageVolume(unstageOf(staged)));
  await persist(() => world.rpc.NodeStageVolume(staged));
}

function unstageOf({ volumeId, stagingTargetPath }: Staged) {
  return { volumeId, stagingTargetPath };
}
