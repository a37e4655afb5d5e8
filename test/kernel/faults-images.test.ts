import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { share, times } from "../campaign.ts";
import {
  type SmallDisk,
  breakStart,
  createFilesystem,
  digest,
  makeSmallDisk,
  setState,
  stageRequest,
  writeAt,
} from "./device-support.ts";
import { type Image, damagedImages, foreignImages, imageBytes, unknownImages } from "./faults-images-support.ts";
import { outcomeOf, stateOf } from "./process-support.ts";
import { MiB, type World, devicePath, mountsAt, openWorld, shell, expectRefused } from "./world.ts";

const campaignMs = times(1_200_000, 300_000);

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

/** A volume in that state, with an ext4 of its own from `formatted` on. */
async function volumeIn(state: string, sizeBytes: number, type = "ext4"): Promise<string> {
  const volumeId = await createFilesystem(world, type, sizeBytes);
  if (state === "formatting") await setState(world, volumeId, "ready", "formatting");
  if (state !== "formatted") return volumeId;
  const request = await stageRequest(world, volumeId, type);
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  return volumeId;
}

/** What is wrong about how such an image is treated: it must be refused by its name, and not one byte changed. */
async function problemsWith(volumeId: string, image: Image, type = "ext4"): Promise<readonly string[]> {
  const device = devicePath(world, volumeId);
  const before = [await digest(device), await stateOf(world, volumeId)];
  const request = await stageRequest(world, volumeId, type);
  const refusal = await world.rpc.NodeStageVolume(request).catch(String);
  const again = await outcomeOf(world.rpc.NodeStageVolume(request));
  const problems = [
    ...(typeof refusal === "string" && image.found.test(refusal) ? [] : [`answer ${JSON.stringify(refusal)}`]),
    ...(again === "FAILED_PRECONDITION" ? [] : [`then ${again}`]),
    ...((await mountsAt(request.stagingTargetPath)).length === 0 ? [] : ["it is mounted"]),
    ...([await digest(device), await stateOf(world, volumeId)].join() === before.join() ? [] : ["it was changed"]),
  ];
  await world.rpc.NodeUnstageVolume(request);
  return problems.map((problem) => `${image.name}: ${problem}`);
}

async function problemsWithAll(state: string, images: readonly Image[]): Promise<readonly string[]> {
  const volumeId = await volumeIn(state, imageBytes);
  const problems: string[] = [];
  for (const image of images) {
    await shell("blkdiscard", "--zeroout", devicePath(world, volumeId));
    await image.write(devicePath(world, volumeId));
    problems.push(...(await problemsWith(volumeId, image)));
  }
  await world.rpc.DeleteVolume({ volumeId });
  return problems;
}

const all = [...foreignImages, ...damagedImages, ...unknownImages];

test.each([
  ["ready", all, 12],
  ["formatted", all, 12],
  // only what mkfs itself can have left may be written over
  ["formatting", foreignImages, 6],
] as const)(
  "what somebody put on a volume that is %s is refused, and no byte of it changed",
  async (state, images, every) => {
    expect(images.length).toBeGreaterThanOrEqual(15);
    expect(await problemsWithAll(state, share(images, every))).toEqual([]);
  },
  campaignMs,
);

test("an xfs that lost its beginning, or all but its log, is left to a human", async () => {
  const sizeBytes = 320 * MiB;
  const volumeId = await volumeIn("formatted", sizeBytes, "xfs");
  const device = devicePath(world, volumeId);
  const log = { offset: await xfsLogStart(device), length: MiB };
  const losses: readonly Image[] = [
    { name: "xfs without its primary superblock", found: /damaged xfs: only the copy/, write: () => lose(4096) },
    { name: "xfs without its first mebibyte", found: /damaged xfs: only the copy/, write: () => lose(MiB) },
    { name: "xfs log alone", found: /carried xfs; found: no data/, write: () => keepOnly(device, sizeBytes, log) },
  ];
  for (const loss of losses) {
    await loss.write(device);
    expect(await problemsWith(volumeId, loss, "xfs")).toEqual([]);
  }
  await world.rpc.DeleteVolume({ volumeId });

  function lose(length: number): Promise<void> {
    return writeAt(device, 0, new Uint8Array(length));
  }
});

/** Where its internal log begins: sb_logstart is an allocation group and a block in it (XFS Algorithms & Structures). */
async function xfsLogStart(device: string): Promise<number> {
  const superblock = (await readFile(device)).subarray(0, 512);
  const [blockBytes, groupBlocks] = [superblock.readUInt32BE(4), superblock.readUInt32BE(84)];
  const [group, block] = [superblock.readBigUInt64BE(48), 2n ** BigInt(superblock.readUInt8(124))];
  return (Number(group / block) * groupBlocks + Number(group % block)) * blockBytes;
}

async function keepOnly(device: string, sizeBytes: number, kept: { offset: number; length: number }): Promise<void> {
  const end = kept.offset + kept.length;
  await shell("blkdiscard", "--zeroout", "--length", String(kept.offset), device);
  await shell("blkdiscard", "--zeroout", "--offset", String(end), "--length", String(sizeBytes - end), device);
}

test.each([
  ["ready", "flakey"],
  ["formatting", "flakey"],
  ["formatted", "flakey"],
  ["formatted", "error"],
] as const)("a volume that is %s on a disk that fails (dm-%s) is left as it is", async (state, breakage) => {
  const volumeId = await volumeIn(state, 32 * MiB);
  const request = await stageRequest(world, volumeId, "ext4");
  const bytes = await digest(devicePath(world, volumeId));
  const mend = await breakStart(world, volumeId, breakage);
  await expectRefused(world.rpc.NodeStageVolume(request), "INTERNAL", /EIO|i\/o error/i);
  await mend();
  expect([await digest(devicePath(world, volumeId)), await stateOf(world, volumeId)]).toEqual([bytes, state]);
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});
