import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "@jest/globals";
import { type SmallDisk, makeSmallDisk } from "./device-support.ts";
import { type Staged, type Wanted, createVolume, stagedVolume } from "./volume-support.ts";
import { MiB, type World, claimName, logicalVolumeOf, mountCapability, openWorld, shell, targetPath } from "./world.ts";

/** A driver with two volume groups, each on a disk of its own, which may come to grief alone. */
export interface TwoGroups {
  readonly world: World;
  readonly disks: readonly [SmallDisk, SmallDisk];
  /** The group on the second disk; the first one is the world's. */
  readonly second: string;
  readonly close: () => Promise<void>;
}

export async function openTwoGroups(): Promise<TwoGroups> {
  const disks = [await makeSmallDisk(0, 256 * MiB), await makeSmallDisk(1, 256 * MiB)] as const;
  const second = "vg-second";
  await shell("vgcreate", "--quiet", "--yes", second, disks[1].path);
  const world = await openWorld([disks[0].path], [`--volume-group=${second}`]);
  return {
    world,
    disks,
    second,
    close: async () => {
      const ending = await world.close();
      await shell("vgremove", "--quiet", "--force", "--yes", second);
      for (const disk of disks) await disk.remove();
      expect(ending).toEqual({ code: 0, signal: null });
    },
  };
}

/** A volume that a pod has. */
export interface Published {
  readonly staged: Staged;
  readonly target: string;
}

export async function publishedVolume(world: World, wanted: Wanted = {}): Promise<Published> {
  const staged = await stagedVolume(world, wanted);
  const target = await targetPath(world, "pod", logicalVolumeOf(staged.volumeId));
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  return { staged, target };
}

export async function discardPublished(world: World, { staged, target }: Published): Promise<void> {
  const { volumeId, stagingTargetPath } = staged;
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath });
  await world.rpc.DeleteVolume({ volumeId });
}

/** What pods and their kubelet want of a volume: another pod has it, writes, is counted, and goes. */
export async function expectUsable(world: World, { staged }: Published): Promise<void> {
  const { volumeId } = staged;
  const target = await targetPath(world, "another", logicalVolumeOf(volumeId));
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await writeFile(join(target, "row"), "written");
  const { volumeCondition } = await world.rpc.NodeGetVolumeStats({ volumeId, volumePath: target });
  expect(volumeCondition).toMatchObject({ abnormal: false });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
}

/** A group in which nothing is wrong: volumes are made, grown, used and removed in it. */
export async function expectGroupWorks(world: World, volumeGroup: string): Promise<void> {
  const parameters = { volumeGroup };
  const { availableCapacity } = await world.rpc.GetCapacity({ parameters });
  expect(Number(availableCapacity)).toBeGreaterThan(0);
  const volume = await publishedVolume(world, { sizeBytes: 16 * MiB, parameters });
  const { volumeId } = volume.staged;
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 24 * MiB } });
  await world.rpc.NodeExpandVolume({ volumeId, volumePath: volume.target });
  await expectUsable(world, volume);
  await discardPublished(world, volume);
}

/** What CreateVolume is asked for. */
export function creation(volumeGroup: string, sizeBytes = 16 * MiB) {
  return {
    name: claimName(),
    capacityRange: { requiredBytes: sizeBytes },
    volumeCapabilities: [mountCapability()],
    parameters: { volumeGroup },
  };
}

/** A group whose metadata LVM changes, and whose volumes come and go. */
export async function expectChanges(world: World): Promise<void> {
  const volumeId = await createVolume(world, { sizeBytes: 16 * MiB });
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 32 * MiB } });
  await world.rpc.DeleteVolume({ volumeId });
}
