import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import type { FilesystemName } from "../../src/filesystem/names.ts";
import { dmsetup } from "./device-support.ts";
import { exchangeTable, hangDevice } from "./device-tables.ts";
import { type Staged, discardVolume, stagedVolume } from "./volume-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  blockTargetPath,
  devicePath,
  logicalVolumeOf,
  mountCapability,
  openWorld,
  shell,
  targetPath,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

const sizes = { ext4: 32 * MiB, xfs: 300 * MiB, btrfs: 128 * MiB };

/** A staged volume that two pods have, one of them read-only, with a row in it that is on the disk. */
async function published(filesystem: FilesystemName): Promise<{ staged: Staged; targets: readonly [string, string] }> {
  const staged = await stagedVolume(world, { capability: mountCapability(filesystem), sizeBytes: sizes[filesystem] });
  const volume = logicalVolumeOf(staged.volumeId);
  const targets = [await targetPath(world, "writer", volume), await targetPath(world, "reader", volume)] as const;
  await world.rpc.NodePublishVolume({ ...staged, targetPath: targets[0] });
  await world.rpc.NodePublishVolume({ ...staged, targetPath: targets[1], readonly: true });
  await writeFile(join(targets[0], "row"), "committed");
  await shell("sync", "-f", targets[0]);
  return { staged, targets };
}

async function conditions(volumeId: string, paths: readonly string[]): Promise<readonly unknown[]> {
  const answers = paths.map((volumePath) => world.rpc.NodeGetVolumeStats({ volumeId, volumePath }));
  return (await Promise.all(answers)).map(({ volumeCondition }) => volumeCondition);
}

/** Gives the device a table by which every access fails, as a disk does that has died. */
async function breakDevice(device: string): Promise<void> {
  const [start = "", length = ""] = (await dmsetup("table", device)).split(" ");
  await exchangeTable(device, `${start} ${length} error`);
}

const troubles: readonly (readonly [string, FilesystemName, (target: string, device: string) => Promise<unknown>])[] = [
  [
    "ext4 found an error",
    "ext4",
    async (_, device) => {
      const name = (await shell("dmsetup", "info", "--columns", "--noheadings", "-o", "blkdevname", device)).trim();
      await writeFile(`/sys/fs/ext4/${name}/trigger_fs_error`, "a test");
    },
  ],
  ["xfs is shut down", "xfs", shutDown],
  ["the disk under ext4 fails", "ext4", loseDisk],
  ["the disk under xfs fails", "xfs", loseDisk],
  ["the disk under btrfs fails", "btrfs", loseDisk],
];

function shutDown(target: string): Promise<unknown> {
  return shell("xfs_io", "-x", "-c", "shutdown", target);
}

/** The filesystem notices when it writes its log. */
async function loseDisk(target: string, device: string): Promise<void> {
  await breakDevice(device);
  await writeFile(join(target, "lost"), "x").catch(() => undefined);
  await shell("sync", "-f", target).catch(() => undefined);
}

test.each(troubles)(
  "%s: the condition says so, and the volume can still be taken away",
  async (_, filesystem, cause) => {
    const { staged, targets } = await published(filesystem);
    const { volumeId } = staged;
    expect(await conditions(volumeId, targets)).toMatchObject([{ abnormal: false }, { abnormal: false }]);
    const device = devicePath(world, volumeId);
    await cause(targets[0], device);
    const found = await conditions(volumeId, targets).catch(String);
    for (const target of targets) await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
    await world.rpc.NodeUnstageVolume(staged);
    await shell("lvchange", "--refresh", `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`);
    await world.rpc.NodeStageVolume(staged);
    expect(await readFile(join(staged.stagingTargetPath, "row"), "utf8")).toBe("committed");
    expect(await conditions(volumeId, [staged.stagingTargetPath])).toMatchObject([{ abnormal: false }]);
    await discardVolume(world, staged);
    expect(found).toMatchObject([{ abnormal: true }, { abnormal: true }]);
  },
);

test.each(["ext4", "xfs", "btrfs"] as const)(
  "a %s that is read-only because it was asked to be is in order",
  async (name) => {
    const sizeBytes = sizes[name];
    const capability = mountCapability(name, "SINGLE_NODE_MULTI_WRITER", ["ro"]);
    const staged = await stagedVolume(world, { capability, sizeBytes });
    const { volumeId, stagingTargetPath } = staged;
    const target = await targetPath(world, "reader", logicalVolumeOf(volumeId));
    await world.rpc.NodePublishVolume({ ...staged, targetPath: target, readonly: true });
    const found = await conditions(volumeId, [stagingTargetPath, target]);
    await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
    await discardVolume(world, staged);
    expect(found).toMatchObject([{ abnormal: false }, { abnormal: false }]);
  },
);

/** A raw-block volume that a pod has. */
async function publishedBlock(): Promise<{ staged: Staged; target: string }> {
  const staged = await stagedVolume(world, { capability: blockCapability(), sizeBytes: 8 * MiB });
  const target = await blockTargetPath(world, "pod", logicalVolumeOf(staged.volumeId));
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  return { staged, target };
}

test("the disk under raw block fails: the condition says so", async () => {
  const { staged, target } = await publishedBlock();
  const { volumeId } = staged;
  expect(await conditions(volumeId, [target])).toMatchObject([{ abnormal: false }]);
  await breakDevice(devicePath(world, volumeId));
  const found = await conditions(volumeId, [target]);
  await shell("lvchange", "--refresh", `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await discardVolume(world, staged);
  expect(found).toMatchObject([{ abnormal: true, message: expect.stringContaining("EIO") }]);
});

test("the disk of one volume hangs: its condition says so in time, and no other volume's waits for it", async () => {
  const { staged, targets } = await published("ext4");
  const other = await publishedBlock();
  const endHang = await hangDevice(devicePath(world, staged.volumeId));
  const hanging = conditions(staged.volumeId, targets).catch(String);
  const started = performance.now();
  const wellCondition = await conditions(other.staged.volumeId, [other.target]).catch(String);
  const wellMs = performance.now() - started;
  const found = await hanging;
  await endHang();
  const after = await conditions(staged.volumeId, targets);
  for (const target of targets) await world.rpc.NodeUnpublishVolume({ ...staged, targetPath: target });
  await world.rpc.NodeUnpublishVolume({ volumeId: other.staged.volumeId, targetPath: other.target });
  await discardVolume(world, staged);
  await discardVolume(world, other.staged);
  expect(found).toMatchObject([{ abnormal: true }, { abnormal: true }]);
  expect(wellCondition).toMatchObject([{ abnormal: false }]);
  expect(wellMs).toBeLessThan(5000);
  expect(after).toMatchObject([{ abnormal: false }, { abnormal: false }]);
});

test("an ext4 that an administrator has shut down can be taken away", async () => {
  const { staged, targets } = await published("ext4");
  const { volumeId } = staged;
  await shutDown(targets[0]);
  await expect(readFile(join(targets[0], "row"))).rejects.toMatchObject({ code: "EIO" });
  for (const target of targets) await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await discardVolume(world, staged);
});

test("an ext4 that is marked as having errors is checked before it is mounted", async () => {
  const { staged, targets } = await published("ext4");
  const { volumeId } = staged;
  for (const target of targets) await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.NodeUnstageVolume(staged);
  const device = devicePath(world, volumeId);
  await shell("debugfs", "-w", "-R", "set_super_value state 2", device);
  expect(await shell("dumpe2fs", "-h", device)).toMatch(/Filesystem state: .*errors/);
  await world.rpc.NodeStageVolume(staged);
  expect(await readFile(join(staged.stagingTargetPath, "row"), "utf8")).toBe("committed");
  await world.rpc.NodeUnstageVolume(staged);
  const superblock = await shell("dumpe2fs", "-h", device);
  expect(superblock).toMatch(/Filesystem state: +clean\n/);
  expect(Date.parse(/Last checked: +(.*)\n/.exec(superblock)?.[1] ?? "")).toBeGreaterThan(Date.now() - 600_000);
  await discardVolume(world, staged);
});
