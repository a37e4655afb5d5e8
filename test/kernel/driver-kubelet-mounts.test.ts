import { mkdir, mkdtemp, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import { discardVolume, stagedVolume } from "./volume-support.ts";
import {
  type World,
  blockCapability,
  blockTargetPath,
  expectRefused,
  mountsAt,
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

test("a target, and a staging path, that is mounted several times is unmounted wholly by one call", async () => {
  const staged = await stagedVolume(world);
  const { volumeId, stagingTargetPath } = staged;
  const target = await targetPath(world, "pod1");
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await shell("mount", "--bind", stagingTargetPath, target);
  await shell("mount", "--bind", stagingTargetPath, stagingTargetPath);
  expect([(await mountsAt(target)).length, (await mountsAt(stagingTargetPath)).length]).toEqual([2, 2]);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await expect(stat(target)).rejects.toMatchObject({ code: "ENOENT" });
  await world.rpc.NodeUnstageVolume(staged);
  expect(await mountsAt(stagingTargetPath)).toEqual([]);

  const raw = await stagedVolume(world, { capability: blockCapability() });
  const file = await blockTargetPath(world, "pod1");
  await world.rpc.NodePublishVolume({ ...raw, targetPath: file });
  await shell("mount", "--bind", file, file);
  await world.rpc.NodeUnpublishVolume({ volumeId: raw.volumeId, targetPath: file });
  await expect(stat(file)).rejects.toMatchObject({ code: "ENOENT" });
  await discardVolume(world, raw);
  await discardVolume(world, staged);
});

test("what is not the volume's is neither unmounted, nor covered, nor removed", async () => {
  const [staged, other] = [await stagedVolume(world), await stagedVolume(world)];
  const { volumeId } = staged;
  const host = await mkdtemp("/run/host-");
  await writeFile(join(host, "precious"), "kept");
  const target = await targetPath(world, "foreign");
  await mkdir(target);
  const foreign: readonly (readonly string[])[] = [
    ["-t", "tmpfs", "tmpfs"],
    ["--bind", host],
    ["--bind", other.stagingTargetPath],
    ["--bind", "/dev/shm"],
  ];
  for (const words of foreign) {
    await shell("mount", ...words, target);
    const mounts = await mountsAt(target);
    await expectRefused(
      world.rpc.NodePublishVolume({ ...staged, targetPath: target }),
      "FAILED_PRECONDITION",
      /something else/,
    );
    await expectRefused(
      world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target }),
      "FAILED_PRECONDITION",
      /something else/,
    );
    await expectRefused(
      world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath: target }),
      "FAILED_PRECONDITION",
      /something else/,
    );
    await expectRefused(
      world.rpc.NodeStageVolume({ ...staged, stagingTargetPath: target }),
      "FAILED_PRECONDITION",
      /something else/,
    );
    await expectRefused(
      world.rpc.NodeGetVolumeStats({ volumeId, volumePath: target }),
      "NOT_FOUND",
      /is not at volume_path/,
    );
    expect(await mountsAt(target)).toEqual(mounts);
    await shell("umount", target);
  }
  expect(await readFile(join(host, "precious"), "utf8")).toBe("kept");
  for (const volume of [staged, other]) await discardVolume(world, volume);
});

test("statistics tell of what is there now, however short a time ago they were asked for", async () => {
  const [one, other] = [await stagedVolume(world), await stagedVolume(world)];
  const target = await targetPath(world, "in-turns");
  const statistics = ({ volumeId }: typeof one) => world.rpc.NodeGetVolumeStats({ volumeId, volumePath: target });
  for (const [here, away] of Array.from({ length: 5 }, () => [[one, other] as const, [other, one] as const]).flat()) {
    await world.rpc.NodePublishVolume({ ...here, targetPath: target });
    // the kernel may have given its mount the number of the one that was asked for last
    await expectRefused(statistics(away), "NOT_FOUND", /is not at volume_path/);
    expect((await statistics(here)).volumeCondition).toMatchObject({ abnormal: false });
    await world.rpc.NodeUnpublishVolume({ volumeId: here.volumeId, targetPath: target });
  }
  for (const volume of [one, other]) await expectRefused(statistics(volume), "NOT_FOUND", /is not at volume_path/);
  for (const volume of [one, other]) await discardVolume(world, volume);
});

test("files at a target are neither covered nor removed", async () => {
  const staged = await stagedVolume(world);
  const { volumeId } = staged;
  const target = await targetPath(world, "files");
  await mkdir(target);
  await writeFile(join(target, "file"), "kept");
  await expectRefused(
    world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target }),
    "FAILED_PRECONDITION",
    /not empty/,
  );
  const raw = await stagedVolume(world, { capability: blockCapability() });
  const file = join(target, "file");
  const code = "FAILED_PRECONDITION";
  const covering: readonly BadCall[] = [
    ["publish", /not empty/, () => world.rpc.NodePublishVolume({ ...staged, targetPath: target }), code],
    ["stage", /not empty/, () => world.rpc.NodeStageVolume({ ...staged, stagingTargetPath: target }), code],
    ["block", /not empty/, () => world.rpc.NodePublishVolume({ ...raw, targetPath: file }), code],
  ];
  const wrong = await wrongAnswers(covering);
  if (wrong.length > 0) await shell("umount", target);
  expect(await readFile(file, "utf8")).toBe("kept");
  await discardVolume(world, raw);
  await discardVolume(world, staged);
  expect(wrong).toEqual([]);
});

test("a device node, or a directory of them, at a target is nobody's to take away", async () => {
  const raw = await stagedVolume(world, { capability: blockCapability() });
  const [file, directory] = [await blockTargetPath(world, "pod1"), await targetPath(world, "nodes")];
  const wrong = [];
  for (const source of ["/dev/null", world.disks[0] ?? "", "/dev/mapper/control", "/dev/mapper"]) {
    const path = source === "/dev/mapper" ? directory : file;
    if (path === file) await writeFile(file, "");
    else await mkdir(directory);
    await shell("mount", "--bind", source, path);
    const call = (): Promise<unknown> => world.rpc.NodeUnpublishVolume({ volumeId: raw.volumeId, targetPath: path });
    wrong.push(...(await wrongAnswers([[source, /something else/, call, "FAILED_PRECONDITION"]])));
    if ((await mountsAt(path)).length === 1) await shell("umount", path);
    else wrong.push(`${source} was unmounted`);
  }
  await discardVolume(world, raw);
  expect(wrong).toEqual([]);
});

test("a bind of a subdirectory, as for a pod's subPath, neither hides nor is hidden by the volume's own mounts", async () => {
  const staged = await stagedVolume(world);
  const { volumeId } = staged;
  const target = await targetPath(world, "sub");
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await mkdir(join(target, "logs"));
  const subPath = join(world.kubelet, "pods/pod1/volume-subpaths/data/app/0");
  await mkdir(subPath, { recursive: true });
  await shell("mount", "--bind", join(target, "logs"), subPath);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  expect(await mountsAt(subPath)).toHaveLength(1);
  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /mounted at/);
  await shell("umount", subPath);
  await discardVolume(world, staged);
});
