import { mkdtemp, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { persist } from "./process-support.ts";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import type { Staged } from "./volume-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  logicalVolumeOf,
  mountCapability,
  openWorld,
  shell,
  stagingPath,
  targetPath,
} from "./world.ts";

let world: World;
let files: readonly string[];
let disks: readonly string[];

beforeAll(async () => {
  const directory = await mkdtemp("/run/disks-");
  files = ["one", "two"].map((name) => join(directory, name));
  disks = await Promise.all(files.map(attach));
  world = await openWorld(disks);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  for (const disk of disks) await shell("losetup", "--detach", disk);
});

async function attach(file: string): Promise<string> {
  await writeFile(file, "", { flag: "a" });
  await truncate(file, 128 * MiB);
  return (await shell("losetup", "--find", "--show", file)).trim();
}

/** Makes a volume that lies on this disk. */
async function volumeOn(disk: string, capability: object = mountCapability(), name = claimName()): Promise<string> {
  const other = disks.find((each) => each !== disk) ?? "";
  await shell("pvchange", "--quiet", "--allocatable", "n", other);
  const request = { name, capacityRange: { requiredBytes: 64 * MiB }, volumeCapabilities: [capability] };
  const { volume } = await world.rpc.CreateVolume(request);
  await shell("pvchange", "--quiet", "--allocatable", "y", other);
  return volume?.volumeId ?? "";
}

test("a volume whose disk is missing is in an abnormal condition, and only that one; nothing is given up", async () => {
  const [first = "", second = ""] = disks;
  const [sound, lost] = [await volumeOn(first), await volumeOn(second)];
  const stagingTargetPath = await stagingPath(world, "one");
  const staged: Staged = { volumeId: sound, stagingTargetPath, volumeCapability: mountCapability() };
  await world.rpc.NodeStageVolume(staged);
  await shell("lvchange", "--quiet", "--activate", "n", `${world.volumeGroup}/${logicalVolumeOf(lost)}`);
  await shell("losetup", "--detach", second);

  const condition = async (volumeId: string): Promise<unknown> =>
    (await world.rpc.ControllerGetVolume({ volumeId })).status?.volumeCondition;
  expect(await condition(sound)).toMatchObject({ abnormal: false });
  expect(await condition(lost)).toMatchObject({
    abnormal: true,
    message: expect.stringMatching(/physical volume .* is missing/),
  });
  const { entries } = await world.rpc.ListVolumes({});
  const listed = entries.map(({ volume, status }) => [volume?.volumeId, status?.volumeCondition?.abnormal] as const);
  expect(new Map(listed)).toEqual(
    new Map([
      [sound, false],
      [lost, true],
    ]),
  );

  const calls: readonly BadCall[] = [
    ["delete", /misses .*physical volume/, () => world.rpc.DeleteVolume({ volumeId: lost }), "UNAVAILABLE"],
    ["delete the other", /mounted at/, () => world.rpc.DeleteVolume({ volumeId: sound }), "FAILED_PRECONDITION"],
    ["stage", /./, () => world.rpc.NodeStageVolume({ ...staged, volumeId: lost }), "UNAVAILABLE"],
  ];
  expect(await wrongAnswers(calls)).toEqual([]);
  const target = await targetPath(world, "pod");
  await world.rpc.NodePublishVolume({ ...staged, targetPath: target });
  await writeFile(join(target, "row"), "written");
  const stats = await world.rpc.NodeGetVolumeStats({ volumeId: sound, volumePath: target });
  expect(stats.volumeCondition).toMatchObject({ abnormal: false });
  await world.rpc.NodeUnpublishVolume({ volumeId: sound, targetPath: target });
  await world.rpc.NodeUnstageVolume(staged);

  disks = [first, await attach(files[1] ?? "")];
  await world.rpc.NodeStageVolume({ ...staged, volumeId: lost });
  expect(await condition(lost)).toMatchObject({ abnormal: false });
  await world.rpc.NodeUnstageVolume({ ...staged, volumeId: lost });
  for (const volumeId of [sound, lost]) await world.rpc.DeleteVolume({ volumeId });
});

test("a volume that old metadata calls half made is not zeroed while a disk is away that may know better", async () => {
  const [first = "", second = ""] = disks;
  const name = claimName();
  const volumeId = await volumeOn(first, blockCapability(), name);
  const path = `${world.volumeGroup}/${name}`;
  const state = (is: string, was: string): Promise<string> =>
    shell(
      "lvchange",
      "--quiet",
      "--addtag",
      `lvm.local.csi/state=${is}`,
      "--deltag",
      `lvm.local.csi/state=${was}`,
      path,
    );
  await world.driver().kill();
  await state("creating", "ready");
  const device = `/dev/mapper/${path.replaceAll("-", "--").replace("/", "-")}`;
  await writeFile(device, "a row of somebody's", { flag: "r+", flush: true });
  await shell("losetup", "--detach", second);
  await world.start();
  const request = { name, capacityRange: { requiredBytes: 64 * MiB }, volumeCapabilities: [blockCapability()] };
  const call: BadCall = ["again", /not initialized .* missing/, () => world.rpc.CreateVolume(request), "UNAVAILABLE"];
  expect(await wrongAnswers([call])).toEqual([]);
  expect(await shell("head", "-c", "19", device)).toBe("a row of somebody's");

  disks = [first, await attach(files[1] ?? "")];
  await persist(() => world.rpc.CreateVolume(request));
  expect(await shell("sh", "-c", `head -c 19 ${device} | tr -d '\\0'`)).toBe("");
  await world.rpc.DeleteVolume({ volumeId });
});
