import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import {
  type SmallDisk,
  breakStart,
  createFilesystem,
  digest,
  dmsetup,
  holdExclusively,
  makeSmallDisk,
  setState,
  stageRequest,
  writeAt,
} from "./device-support.ts";
import {
  MiB,
  type World,
  devicePath,
  expectRefused,
  logicalVolumeOf,
  mountsAt,
  openWorld,
  shell,
  tagsOf,
} from "./world.ts";

let world: World;
let disk: SmallDisk;

beforeAll(async () => {
  disk = await makeSmallDisk(0, 1000 * MiB);
  world = await openWorld([disk.path]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

const sizeBytes = 48 * MiB;
/** mkfs.xfs makes nothing smaller. */
const xfsBytes = 300 * MiB;

async function stateOf(volumeId: string): Promise<string | undefined> {
  return (await tagsOf(world, logicalVolumeOf(volumeId)))["state"];
}

/** The volume is refused at stage, and nothing about it changes. */
async function expectUntouched(volumeId: string, type: string, message: RegExp): Promise<void> {
  const device = devicePath(world, volumeId);
  const [bytes, state] = [await digest(device), await stateOf(volumeId)];
  const request = await stageRequest(world, volumeId, type);
  for (const _ of ["once", "again"]) {
    await expectRefused(world.rpc.NodeStageVolume(request), "FAILED_PRECONDITION", message);
  }
  expect(await mountsAt(request.stagingTargetPath)).toEqual([]);
  expect(await digest(device)).toBe(bytes);
  expect(await stateOf(volumeId)).toBe(state);
}

test("a volume that is ready, but on which somebody wrote, is never formatted", async () => {
  const volumeId = await createFilesystem(world, "ext4", sizeBytes);
  const device = devicePath(world, volumeId);
  const noise = randomBytes(512);
  const writers: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
    [/found: ext4 [-0-9a-f]{36}/, () => shell("mkfs.ext4", "-q", device)],
    [/found: damaged xfs: it has/, () => copyXfsStart(device)],
    [/found: swap space/, () => shell("mkswap", device)],
    [/found: unrecognised data at byte 1\b/, () => writeAt(device, 1, noise.fill(7))],
    [/found: unrecognised data at byte 33554432\b/, () => writeAt(device, 32 * MiB, noise)],
    [/found: unrecognised data at byte 50331136\b/, () => writeAt(device, sizeBytes - 512, noise)],
    [/found: LVM physical volume/, () => writeAt(device, 512, Buffer.from("LABELONE"))],
  ];
  for (const [message, write] of writers) {
    await write();
    await expectUntouched(volumeId, "ext4", message);
    await shell("blkdiscard", "--zeroout", device);
  }
  expect(await stateOf(volumeId)).toBe("ready");
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

/** An xfs that is larger than the device: its beginning. */
async function copyXfsStart(device: string): Promise<void> {
  await shell("truncate", "--size", String(xfsBytes), "/run/xfs");
  await shell("mkfs.xfs", "-qf", "/run/xfs");
  await shell("dd", "if=/run/xfs", `of=${device}`, "bs=64K", "count=1", "conv=fsync,notrunc", "status=none");
}

test("a volume that was formatted and lost its filesystem is left to a human", async () => {
  const volumeId = await createFilesystem(world, "ext4", sizeBytes);
  const device = devicePath(world, volumeId);
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  const losses: readonly (readonly [RegExp, () => Promise<unknown>])[] = [
    [/carried ext4; found: unrecognised data/, () => writeAt(device, 0, new Uint8Array(4096))],
    [/carried ext4; found: damaged xfs/, () => copyXfsStart(device)],
    [/carried ext4; found: no data/, () => shell("blkdiscard", "--zeroout", device)],
    [/carried ext4; found: swap space/, () => shell("mkswap", device)],
  ];
  for (const [message, lose] of losses) {
    await lose();
    await expectUntouched(volumeId, "ext4", message);
  }
  expect(await stateOf(volumeId)).toBe("formatted");
  await world.rpc.DeleteVolume({ volumeId });
});

/** What mkfs has on the disk while it is at work. */
const halfMade: Readonly<Record<string, (device: string) => Promise<void>>> = {
  ext4: (device) => writeAt(device, 0, new Uint8Array(4096)),
  xfs: (device) => writeAt(device, 126, Buffer.from([1])),
  btrfs: (device) => writeAt(device, 65536 + 0x40, Buffer.from("!BHRfS_M")),
};

test.each(["ext4", "xfs", "btrfs"])(
  "a mkfs.%s that was interrupted is repeated, but not over a used one",
  async (type) => {
    const volumeId = await createFilesystem(world, type, sizeBytes);
    const device = devicePath(world, volumeId);
    const request = await stageRequest(world, volumeId, type);
    await setState(world, volumeId, "ready", "formatting");
    const leftovers = [
      async () => undefined,
      async () => shell(`mkfs.${type}`, "-q", device),
      async () => halfMade[type]?.(device),
    ];
    for (const leave of leftovers) {
      await leave();
      await world.rpc.NodeStageVolume(request);
      expect(await mountsAt(request.stagingTargetPath)).toHaveLength(1);
      await world.rpc.NodeUnstageVolume(request);
      await shell("blkdiscard", "--zeroout", device);
      await setState(world, volumeId, "formatted", "formatting");
    }
    await world.rpc.NodeStageVolume(request);
    await world.rpc.NodeUnstageVolume(request);
    await setState(world, volumeId, "formatted", "formatting");
    await expectUntouched(volumeId, type, /interrupted before its first mount, yet has been mounted/);
    await world.rpc.DeleteVolume({ volumeId });
  },
);

test("a device that cannot be read is not blank: nothing is made until it can be", async () => {
  for (const state of ["ready", "formatting"]) {
    const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
    if (state === "formatting") await setState(world, volumeId, "ready", state);
    const request = await stageRequest(world, volumeId, "ext4");
    const bytes = await digest(devicePath(world, volumeId));
    const mend = await breakStart(world, volumeId);
    await expectRefused(world.rpc.NodeStageVolume(request), "INTERNAL", /EIO|i\/o error/i);
    expect(await stateOf(volumeId)).toBe(state);
    await mend();
    expect(await digest(devicePath(world, volumeId))).toBe(bytes);
    await world.rpc.NodeStageVolume(request);
    await world.rpc.NodeUnstageVolume(request);
    await world.rpc.DeleteVolume({ volumeId });
  }
});

test("a device that is open O_EXCL elsewhere is touched by nobody", async () => {
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  const device = devicePath(world, volumeId);
  const request = await stageRequest(world, volumeId, "ext4");
  await setState(world, volumeId, "ready", "formatting");
  const bytes = await digest(device);
  const mkfs = await holdExclusively(device);
  await expectRefused(world.rpc.NodeStageVolume(request), "ABORTED", /in use, by an earlier run's mkfs/);
  expect(await digest(device)).toBe(bytes);
  await expectRefused(
    world.rpc.DeleteVolume({ volumeId }),
    "FAILED_PRECONDITION",
    /is in use: its device .* is held open/,
  );
  expect(await stateOf(volumeId)).toBe("formatting");
  await mkfs.close();
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a device that an ended command left suspended is resumed, and statistics do not wait for it", async () => {
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  await dmsetup("suspend", devicePath(world, volumeId));
  const started = performance.now();
  const statistics = world.rpc.NodeGetVolumeStats({ volumeId, volumePath: request.stagingTargetPath }, 5000);
  expect((await statistics).volumeCondition).toMatchObject({
    abnormal: true,
    message: expect.stringMatching(/suspended/),
  });
  expect(performance.now() - started).toBeLessThan(2000);
  await world.rpc.NodeStageVolume(request);
  await writeFile(join(request.stagingTargetPath, "row"), "committed");
  await world.rpc.NodeUnstageVolume(request);
  await dmsetup("suspend", devicePath(world, volumeId));
  await world.rpc.DeleteVolume({ volumeId });
});
