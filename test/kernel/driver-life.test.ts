import { readFile, stat, statfs, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  MiB,
  type World,
  claimName,
  devicePath,
  expectRefused,
  logicalVolumeOf,
  logicalVolumes,
  mountCapability,
  mountsAt,
  openWorld,
  shell,
  stagingPath,
  tagsOf,
  targetPath,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

async function freeBytes(): Promise<number> {
  return Number((await world.rpc.GetCapacity({})).availableCapacity);
}

test.each([
  ["ext4", 64 * MiB, 128 * MiB],
  ["xfs", 320 * MiB, 512 * MiB],
  ["btrfs", 128 * MiB, 256 * MiB],
])("a volume with %s lives its whole life", async (filesystem, size, larger) => {
  const free = await freeBytes();
  const capability = mountCapability(filesystem);
  const asked = { name: claimName(), capacityRange: { requiredBytes: size }, volumeCapabilities: [capability] };
  const { volume } = await world.rpc.CreateVolume(asked);
  const volumeId = volume?.volumeId ?? "";
  const name = logicalVolumeOf(volumeId);
  expect(volume).toMatchObject({
    volumeId: `n1/${world.volumeGroup}/${asked.name}`,
    capacityBytes: String(size),
    accessibleTopology: [{ segments: { "topology.lvm.local.csi/node": "n1" } }],
  });
  expect(await tagsOf(world, name)).toEqual({ state: "ready", fs: filesystem });
  expect(await freeBytes()).toBe(free - size);
  expect(await world.rpc.CreateVolume(asked)).toEqual({ volume });

  const staging = await stagingPath(world, name);
  const [first, second] = [await targetPath(world, "pod1"), await targetPath(world, "pod2")];
  for (const _ of ["once", "again"]) {
    await world.rpc.NodeStageVolume({ volumeId, stagingTargetPath: staging, volumeCapability: capability });
    expect(await tagsOf(world, name)).toEqual({ state: "formatted", fs: filesystem });
    expect(await mountsAt(staging)).toHaveLength(1);
  }
  const publish = { volumeId, stagingTargetPath: staging, volumeCapability: capability };
  for (const _ of ["once", "again"]) {
    await world.rpc.NodePublishVolume({ ...publish, targetPath: first });
    expect(await mountsAt(first)).toHaveLength(1);
  }
  await world.rpc.NodePublishVolume({ ...publish, targetPath: second });
  await writeFile(join(first, "row"), "committed");
  expect(await readFile(join(second, "row"), "utf8")).toBe("committed");

  const before = await statfs(first);
  const expanded = await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: larger } });
  expect(expanded).toEqual({ capacityBytes: String(larger), nodeExpansionRequired: true });
  const grown = await world.rpc.NodeExpandVolume({ volumeId, volumePath: first });
  expect(grown.capacityBytes).toBe(String(larger));
  const after = await statfs(second);
  expect(after.blocks * after.bsize).toBeGreaterThan(before.blocks * before.bsize * 1.4);

  const stats = await world.rpc.NodeGetVolumeStats({ volumeId, volumePath: second });
  expect(stats.volumeCondition).toMatchObject({ abnormal: false });
  expect(stats.usage[0]).toMatchObject({ unit: "BYTES", total: String(after.blocks * after.bsize) });
  expect(stats.usage[1]).toMatchObject({ unit: "INODES", total: String(after.files) });

  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /in use: mounted at/);
  for (const target of [first, second]) {
    for (const _ of ["once", "again"]) await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
    await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
  }
  for (const _ of ["once", "again"]) await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath: staging });
  expect(await mountsAt(staging)).toHaveLength(0);

  await world.rpc.NodeStageVolume({ volumeId, stagingTargetPath: staging, volumeCapability: capability });
  expect(await readFile(join(staging, "row"), "utf8")).toBe("committed");
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath: staging });
  for (const _ of ["once", "again"]) await world.rpc.DeleteVolume({ volumeId });
  expect(await logicalVolumes(world)).toEqual([]);
  expect(await freeBytes()).toBe(free);
});

test("a volume that was extended while it was not staged is grown when it is staged", async () => {
  const capability = mountCapability("ext4");
  const asked = { name: claimName(), capacityRange: { requiredBytes: 32 * MiB }, volumeCapabilities: [capability] };
  const volumeId = (await world.rpc.CreateVolume(asked)).volume?.volumeId ?? "";
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "late"), volumeCapability: capability };
  await world.rpc.NodeStageVolume(stage);
  await world.rpc.NodeUnstageVolume(stage);
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 256 * MiB } });
  await world.rpc.NodeStageVolume(stage);
  const { blocks, bsize } = await statfs(stage.stagingTargetPath);
  expect(blocks * bsize).toBeGreaterThan(200 * MiB);
  await world.rpc.NodeUnstageVolume(stage);
  await world.rpc.DeleteVolume({ volumeId });
});

test("btrfs is expanded to 256 MiB or more, as it can be grown to nothing smaller", async () => {
  const capability = mountCapability("btrfs");
  const asked = { name: claimName(), volumeCapabilities: [capability], capacityRange: { requiredBytes: 128 * MiB } };
  const volumeId = (await world.rpc.CreateVolume(asked)).volume?.volumeId ?? "";
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "small"), volumeCapability: capability };
  await world.rpc.NodeStageVolume(stage);
  const expand = (limitBytes: number) => {
    const capacityRange = { requiredBytes: 160 * MiB, limitBytes };
    return world.rpc.ControllerExpandVolume({ volumeId, capacityRange });
  };
  await expectRefused(expand(200 * MiB), "OUT_OF_RANGE", /at least 268435456/);
  expect((await expand(0)).capacityBytes).toBe(String(256 * MiB));
  await world.rpc.NodeExpandVolume({ volumeId, volumePath: stage.stagingTargetPath });
  const { blocks, bsize } = await statfs(stage.stagingTargetPath);
  expect(blocks * bsize).toBe(256 * MiB);
  await world.rpc.NodeUnstageVolume(stage);
  await world.rpc.DeleteVolume({ volumeId });
});

test("mount options reach the kernel, and ext4 stops at errors unless told otherwise", async () => {
  const capability = mountCapability("ext4", undefined, ["noatime,nodiratime", "commit=17"]);
  const asked = { name: claimName(), volumeCapabilities: [capability], capacityRange: { requiredBytes: 32 * MiB } };
  const volumeId = (await world.rpc.CreateVolume(asked)).volume?.volumeId ?? "";
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "options"), volumeCapability: capability };
  await world.rpc.NodeStageVolume(stage);
  const [line = ""] = await mountsAt(stage.stagingTargetPath);
  expect(line).toMatch(/ rw,noatime,nodiratime .*- ext4 .*commit=17/);
  expect(line).toContain("errors=remount-ro");
  const target = await targetPath(world, "reader");
  await world.rpc.NodePublishVolume({ ...stage, targetPath: target, readonly: true });
  const [published = ""] = await mountsAt(target);
  expect(published).toMatch(/ ro,noatime,nodiratime /);
  await expect(writeFile(join(target, "x"), "")).rejects.toMatchObject({ code: "EROFS" });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.NodeUnstageVolume(stage);
  await world.rpc.DeleteVolume({ volumeId });
});

test("mkfsOptions, wipe and the claim's name are kept on the volume itself", async () => {
  const parameters = {
    mkfsOptions: "-i 8192 -O ^metadata_csum",
    wipe: "zero",
    "csi.storage.k8s.io/fstype": "ext4",
    "csi.storage.k8s.io/pvc/namespace": "prod",
    "csi.storage.k8s.io/pvc/name": "data-mysql-0",
  };
  const capability = mountCapability("");
  const asked = {
    name: "any name, ünïcode",
    capacityRange: { requiredBytes: 32 * MiB },
    volumeCapabilities: [capability],
    parameters,
  };
  const volumeId = (await world.rpc.CreateVolume(asked)).volume?.volumeId ?? "";
  const name = logicalVolumeOf(volumeId);
  expect(name).toMatch(/^csi-[0-9a-f]{32}$/);
  expect(await tagsOf(world, name)).toMatchObject({ wipe: "zero", claim: "prod/data-mysql-0", fs: "ext4" });
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "mkfs"), volumeCapability: capability };
  await world.rpc.NodeStageVolume(stage);
  const { files } = await statfs(stage.stagingTargetPath);
  expect(files).toBe((32 * MiB) / 8192);
  expect(await shell("dumpe2fs", "-h", devicePath(world, volumeId))).not.toMatch(/metadata_csum/);
  await world.rpc.NodeUnstageVolume(stage);
  await world.rpc.DeleteVolume({ volumeId });
});
