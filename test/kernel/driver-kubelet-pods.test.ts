import { mkdir, readFile, stat, statfs, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createVolume, discardVolume, stagedVolume } from "./volume-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  blockTargetPath,
  expectRefused,
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

test("the pods of a node share a volume, and a reader beside a writer cannot write", async () => {
  const capability = mountCapability("ext4", "SINGLE_NODE_WRITER");
  const staged = await stagedVolume(world, { capability });
  const { volumeId } = staged;
  const [writer, reader] = [await targetPath(world, "writer"), await targetPath(world, "reader")];
  await world.rpc.NodePublishVolume({ ...staged, targetPath: writer });
  for (const _ of ["once", "again"])
    await world.rpc.NodePublishVolume({ ...staged, targetPath: reader, readonly: true });
  await writeFile(join(writer, "row"), "1");
  expect(await readFile(join(reader, "row"), "utf8")).toBe("1");
  await expect(writeFile(join(reader, "row"), "2")).rejects.toMatchObject({ code: "EROFS" });
  const writable = world.rpc.NodePublishVolume({ ...staged, targetPath: reader });
  await expectRefused(writable, "ALREADY_EXISTS", /read-only at .*unpublish it first/);
  const stats = await world.rpc.NodeGetVolumeStats({ volumeId, volumePath: reader });
  expect(stats.volumeCondition).toMatchObject({ abnormal: false });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: reader });
  await writeFile(join(writer, "row"), "3");
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: writer });
  await discardVolume(world, staged);
});

test("ReadWriteOncePod is enforced from the mount table, also by a driver that has just started", async () => {
  const staged = await stagedVolume(world, { capability: mountCapability("ext4", "SINGLE_NODE_SINGLE_WRITER") });
  const { volumeId } = staged;
  const [first, second] = [await targetPath(world, "first"), await targetPath(world, "second")];
  await world.rpc.NodePublishVolume({ ...staged, targetPath: first });
  const refused = (): Promise<void> =>
    expectRefused(
      world.rpc.NodePublishVolume({ ...staged, targetPath: second }),
      "FAILED_PRECONDITION",
      /one pod alone.*first/,
    );
  await refused();
  await world.driver().kill();
  await world.start();
  await refused();
  await expect(stat(second)).rejects.toMatchObject({ code: "ENOENT" });
  await world.rpc.NodePublishVolume({ ...staged, targetPath: first });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: first });
  await world.rpc.NodePublishVolume({ ...staged, targetPath: second });
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: second });
  await discardVolume(world, staged);
});

test.each(["ext4", "xfs", "btrfs"])(
  "%s that is staged again under a pod's read-only mount grows",
  async (filesystem) => {
    const staged = await stagedVolume(world, { capability: mountCapability(filesystem), sizeBytes: 320 * MiB });
    const { volumeId, stagingTargetPath } = staged;
    const target = await targetPath(world, filesystem);
    await world.rpc.NodePublishVolume({ ...staged, targetPath: target, readonly: true });
    await world.rpc.NodeUnstageVolume(staged);
    await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 640 * MiB } });
    await world.rpc.NodeStageVolume(staged);
    for (const path of [stagingTargetPath, target]) {
      const { blocks, bsize } = await statfs(path);
      expect(blocks * bsize).toBeGreaterThan(500 * MiB);
    }
    await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
    await discardVolume(world, staged);
  },
);

test("the kubelet's own second mount of a raw block volume: statistics work there, and it is not another pod", async () => {
  const capability = blockCapability("SINGLE_NODE_SINGLE_WRITER");
  const staged = await stagedVolume(world, { capability });
  const { volumeId } = staged;
  const [target, other] = [await blockTargetPath(world, "pod1"), await blockTargetPath(world, "pod2")];
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  const map = join(world.kubelet, "plugins/kubernetes.io/csi/volumeDevices/data/dev/pod1");
  await mkdir(dirname(map), { recursive: true });
  await writeFile(map, "");
  await shell("mount", "--bind", target, map);
  const stats = await world.rpc.NodeGetVolumeStats({ volumeId, volumePath: map });
  expect(stats).toMatchObject({
    usage: [{ unit: "BYTES", total: String(32 * MiB) }],
    volumeCondition: { abnormal: false },
  });
  expect(await world.rpc.NodeExpandVolume({ volumeId, volumePath: map })).toEqual({ capacityBytes: String(32 * MiB) });
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await expectRefused(
    world.rpc.NodePublishVolume({ ...staged, targetPath: other }),
    "FAILED_PRECONDITION",
    /one pod alone/,
  );
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await shell("umount", map);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await discardVolume(world, staged);
});

test("a kubelet directory that is a symlink: both its names work, even mixed", async () => {
  const link = `${dirname(world.kubelet)}/link`;
  await symlink(world.kubelet, link);
  await world.driver().stop();
  await world.start([`--kubelet-directory=${link}`]);
  const capability = mountCapability("ext4", "SINGLE_NODE_SINGLE_WRITER");
  const volumeId = await createVolume(world, { capability });
  const [staging, target] = [await stagingPath(world, "linked"), await targetPath(world, "linked")];
  const [stagingLinked, targetLinked] = [staging, target].map((path) => path.replace(world.kubelet, link));
  for (const path of [staging, stagingLinked ?? ""]) {
    await world.rpc.NodeStageVolume({ volumeId, stagingTargetPath: path, volumeCapability: capability });
    expect(await mountsAt(staging)).toHaveLength(1);
  }
  for (const path of [targetLinked ?? "", target]) {
    const publish = {
      volumeId,
      stagingTargetPath: path === target ? staging : (stagingLinked ?? ""),
      volumeCapability: capability,
    };
    await world.rpc.NodePublishVolume({ ...publish, targetPath: path });
    expect(await mountsAt(target)).toHaveLength(1);
    expect((await world.rpc.NodeGetVolumeStats({ volumeId, volumePath: path })).usage).toHaveLength(2);
    await world.rpc.NodeExpandVolume({ volumeId, volumePath: path });
  }
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: targetLinked ?? "" });
  expect(await mountsAt(target)).toEqual([]);
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath: stagingLinked ?? "" });
  expect(await mountsAt(staging)).toEqual([]);
  await world.rpc.DeleteVolume({ volumeId });
});
