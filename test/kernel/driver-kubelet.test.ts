import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createVolume, discardVolume, stagedVolume } from "./volume-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  blockTargetPath,
  expectRefused,
  logicalVolumeOf,
  mountCapability,
  mountsAt,
  openWorld,
  shell,
  stagingPath,
  targetPath,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

test("the target is the driver's to make and to remove; its parent is the kubelet's", async () => {
  const staged = await stagedVolume(world);
  const target = await targetPath(world, "pod1");
  await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await world.rpc.NodeUnpublishVolume({ volumeId: staged.volumeId, targetPath: target });
  await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
  expect((await stat(dirname(target))).isDirectory()).toBe(true);
  await mkdir(target);
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  expect(await mountsAt(target)).toHaveLength(1);
  await world.rpc.NodeUnpublishVolume({ volumeId: staged.volumeId, targetPath: target });
  expect(await readdir(dirname(target))).toEqual([]);
  await discardVolume(world, staged);
});

test("a driver that has never seen the volumes takes them away", async () => {
  const [filesystem, btrfs] = [
    await stagedVolume(world),
    await stagedVolume(world, { capability: mountCapability("btrfs"), sizeBytes: 128 * MiB }),
  ];
  const raw = await stagedVolume(world, { capability: blockCapability() });
  const targets = [
    await targetPath(world, "pod1"),
    await targetPath(world, "pod2"),
    await blockTargetPath(world, "pod3"),
  ];
  const volumes = [filesystem, btrfs, raw];
  for (const [index, volume] of volumes.entries())
    await world.rpc.NodePublishVolume({ ...volume, targetPath: targets[index] ?? "" });
  await world.driver().kill();
  await world.start();
  for (const [index, { volumeId }] of volumes.entries()) {
    const target = targets[index] ?? "";
    for (const _ of ["once", "again"]) await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
    expect(await mountsAt(target)).toEqual([]);
    await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
  }
  for (const { volumeId, stagingTargetPath } of volumes) {
    for (const _ of ["once", "again"]) await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath });
    expect(await mountsAt(stagingTargetPath)).toEqual([]);
    expect((await stat(stagingTargetPath)).isDirectory()).toBe(true);
  }
  for (const { volumeId } of volumes) await world.rpc.DeleteVolume({ volumeId });
});

test("a volume that is gone: what is left of its paths is cleaned up, and paths that are not there are no error", async () => {
  const { volumeId, stagingTargetPath } = await stagedVolume(world);
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath });
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`);
  const [target, block] = [await targetPath(world, "gone"), await blockTargetPath(world, "gone")];
  await mkdir(target);
  await writeFile(block, "");
  const absent = join(world.kubelet, "pods/never/was/there");
  for (const path of [target, block, absent]) {
    for (const _ of ["once", "again"]) await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: path });
    await expect(stat(path)).rejects.toMatchObject({ code: "ENOENT" });
  }
  for (const path of [stagingTargetPath, absent])
    await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath: path });
  expect(await readdir(stagingTargetPath)).toEqual([]);
  await expectRefused(world.rpc.NodeGetVolumeStats({ volumeId, volumePath: target }), "NOT_FOUND", /does not exist/);
  await world.rpc.DeleteVolume({ volumeId });
});

test("what is staged has to be there to be published", async () => {
  const staged = await stagedVolume(world);
  const target = await targetPath(world, "staged");
  const publish = { ...staged, targetPath: target };
  const elsewhere = await stagingPath(world, "elsewhere");
  await expectRefused(
    world.rpc.NodePublishVolume({ ...publish, stagingTargetPath: elsewhere }),
    "FAILED_PRECONDITION",
    /not staged at/,
  );
  await shell("umount", staged.stagingTargetPath);
  await expectRefused(world.rpc.NodePublishVolume(publish), "FAILED_PRECONDITION", /not staged at/);
  await shell("mount", "-t", "tmpfs", "tmpfs", staged.stagingTargetPath);
  await expectRefused(world.rpc.NodePublishVolume(publish), "FAILED_PRECONDITION", /something else/);
  await shell("umount", staged.stagingTargetPath);
  await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
  const unstaged = await createVolume(world);
  const call = world.rpc.NodePublishVolume({ ...publish, volumeId: unstaged });
  await expectRefused(call, "FAILED_PRECONDITION", /not staged at/);
  await world.rpc.DeleteVolume({ volumeId: unstaged });
  await discardVolume(world, staged);
});
