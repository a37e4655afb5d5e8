import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "@jest/globals";
import { CallError } from "../lab/csi-client.ts";
import {
  type SmallDisk,
  createFilesystem,
  filesystemUuid,
  makeSmallDisk,
  stageRequest,
  writeAt,
} from "./device-support.ts";
import { childOf, outcomeOf, persist, processes, stateOf, until, untilState } from "./process-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  devicePath,
  expectRefused,
  logicalVolumeOf,
  logicalVolumes,
  mountsAt,
  openWorld,
  shell,
} from "./world.ts";

let world: World;
let disk: SmallDisk;

/** Three steps of zeroing. */
const largeBytes = 640 * MiB;
const diskBytes = 1000 * MiB;

beforeAll(async () => {
  disk = await makeSmallDisk(0, diskBytes);
  world = await openWorld([disk.path]);
});

afterEach(() => disk.delayWrites(0));

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

const sampleEvery = 8 * MiB;

/** An earlier tenant's data, here and there on all extents that are free. */
async function leaveData(): Promise<void> {
  const path = `/dev/${world.volumeGroup}/tenant`;
  await shell("lvcreate", "--quiet", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "tenant", world.volumeGroup);
  const device = await open(path, "r+");
  for (let at = 0; at + sampleEvery <= diskBytes - 16 * MiB; at += sampleEvery) await device.write("secret", at);
  await device.sync();
  await device.close();
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/tenant`);
}

/** How many of the places hold something. */
async function countData(path: string, from: number, to: number): Promise<number> {
  const device = await open(path, "r");
  let count = 0;
  for (let at = from; at < to; at += sampleEvery) {
    const { buffer } = await device.read(Buffer.alloc(512), 0, 512, at);
    if (buffer.some((byte) => byte !== 0)) count += 1;
  }
  await device.close();
  return count;
}

function blockRequest(parameters: Record<string, string> = {}, requiredBytes = largeBytes) {
  return { name: claimName(), capacityRange: { requiredBytes }, volumeCapabilities: [blockCapability()], parameters };
}

test("zeroing that a crash ended is finished at the next start, without a call", async () => {
  await leaveData();
  await disk.delayWrites(500);
  const request = blockRequest();
  const lost = outcomeOf(world.rpc.CreateVolume(request));
  await untilState(world, request.name, "creating");
  await pause(800);
  await world.driver().kill();
  expect(await lost).toBe("UNAVAILABLE");
  expect(await stateOf(world, request.name)).toBe("creating");
  expect(await countData(`/dev/${world.volumeGroup}/${request.name}`, 0, largeBytes)).toBeGreaterThan(10);
  await world.start();
  await untilState(world, request.name, "ready");
  const { volume } = await persist(() => world.rpc.CreateVolume(request));
  const volumeId = volume?.volumeId ?? "";
  expect(volumeId).toBe(`n1/${world.volumeGroup}/${request.name}`);
  expect(await countData(devicePath(world, volumeId), 0, largeBytes)).toBe(0);
  await world.rpc.DeleteVolume({ volumeId });
});

test("the repeated CreateVolume waits for what the next run finishes; nothing is served before", async () => {
  await leaveData();
  await disk.delayWrites(500);
  const request = blockRequest();
  const lost = outcomeOf(world.rpc.CreateVolume(request));
  await untilState(world, request.name, "creating");
  await world.driver().kill();
  await lost;
  await world.start();
  const volumeId = `n1/${world.volumeGroup}/${request.name}`;
  const stage = { volumeId, stagingTargetPath: join(world.kubelet, "early"), volumeCapability: blockCapability() };
  await expectRefused(world.rpc.NodeStageVolume(stage), "ABORTED", /./);
  expect(await stateOf(world, request.name)).toBe("creating");
  const { volume } = await persist(() => world.rpc.CreateVolume(request));
  expect(volume?.volumeId).toBe(volumeId);
  expect(await countData(devicePath(world, volumeId), 0, largeBytes)).toBe(0);
  await world.rpc.DeleteVolume({ volumeId });
});

function detailsOf(error: unknown): string {
  return error instanceof CallError ? error.details : String(error);
}

test("a call that cannot wait is told the progress 1 s before its deadline, and the next one joins", async () => {
  await leaveData();
  await disk.delayWrites(1500);
  const request = blockRequest();
  const first = outcomeOf(world.rpc.CreateVolume(request));
  const other = { ...request, parameters: { wipe: "zero" } };
  const progress = /^create of this volume goes on \(zeroing \d+ %\)/;
  await until("it is zeroed", () =>
    world.rpc.CreateVolume(other).catch((error: unknown) => progress.test(detailsOf(error))),
  );
  const started = performance.now();
  await expectRefused(world.rpc.CreateVolume(request, 2000), "ABORTED", progress);
  expect(performance.now() - started).toBeGreaterThan(900);
  const answers = await Promise.all([world.rpc.CreateVolume(request), world.rpc.CreateVolume(request)]);
  const [volumeId = ""] = answers.map(({ volume }) => volume?.volumeId ?? "");
  expect(answers[1]).toEqual(answers[0]);
  expect(await first).toBe("OK");
  expect(await countData(devicePath(world, volumeId), 0, largeBytes)).toBe(0);
  await world.rpc.DeleteVolume({ volumeId });
});

test("DeleteVolume does not wait for the zeroing of what it removes", async () => {
  await disk.delayWrites(1000);
  const request = blockRequest();
  const creation = outcomeOf(world.rpc.CreateVolume(request));
  await untilState(world, request.name, "creating");
  await world.rpc.DeleteVolume({ volumeId: `n1/${world.volumeGroup}/${request.name}` });
  expect(await creation).toBe("ABORTED");
  expect(await logicalVolumes(world)).toEqual([]);
});

test("a wipe that a crash ended is finished at the next start, and then the volume removed", async () => {
  const request = blockRequest({ wipe: "zero", initialize: "signatures" });
  await leaveData();
  const volumeId = (await world.rpc.CreateVolume(request)).volume?.volumeId ?? "";
  await disk.delayWrites(1000);
  const deletion = outcomeOf(world.rpc.DeleteVolume({ volumeId }));
  await untilState(world, request.name, "removing");
  await world.driver().kill();
  await deletion;
  const extents = await shell("lvs", "--noheadings", "-o", "seg_pe_ranges", `${world.volumeGroup}/${request.name}`);
  await world.start();
  await disk.delayWrites(0);
  await until("the volume is gone", async () => (await logicalVolumes(world)).length === 0);
  await world.rpc.DeleteVolume({ volumeId });
  const size = String(largeBytes / (4 * MiB));
  await shell(
    "lvcreate",
    "--quiet",
    "--yes",
    "-Wn",
    "-Zn",
    "-l",
    size,
    "-n",
    "look",
    world.volumeGroup,
    extents.trim(),
  );
  expect(await countData(`/dev/${world.volumeGroup}/look`, 0, largeBytes)).toBe(0);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/look`);
});

test("an expansion that a crash ended leaves no scratch volume, and works when it is repeated", async () => {
  await leaveData();
  const volumeId = (await world.rpc.CreateVolume(blockRequest({}, 64 * MiB))).volume?.volumeId ?? "";
  const device = devicePath(world, volumeId);
  await writeAt(device, 0, Buffer.from("row"));
  await disk.delayWrites(1000);
  const expansion = outcomeOf(
    world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: largeBytes } }),
  );
  await untilState(world, `grow-${logicalVolumeOf(volumeId)}`, "growing");
  expect((await world.rpc.ListVolumes({})).entries).toHaveLength(1);
  await world.driver().kill();
  await expansion;
  await disk.delayWrites(0);
  await world.start();
  await until("the scratch volume is gone", async () => (await logicalVolumes(world)).length === 1);
  await persist(() => world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: largeBytes } }));
  expect(await countData(device, 64 * MiB, largeBytes)).toBe(0);
  expect((await readFile(device)).subarray(0, 3).toString()).toBe("row");
  await world.rpc.DeleteVolume({ volumeId });
});

test.each([
  ["ext4", 64 * MiB],
  ["xfs", 300 * MiB],
  ["btrfs", 128 * MiB],
])("while mkfs.%s of a run that crashed is at work, nobody touches the volume", async (type, sizeBytes) => {
  const volumeId = await createFilesystem(world, type, sizeBytes);
  const request = await stageRequest(world, volumeId, type);
  await disk.delayWrites(1000);
  const lost = outcomeOf(world.rpc.NodeStageVolume(request));
  const { pid } = await until("mkfs runs", () => childOf(world, `mkfs.${type}`));
  await pause(100);
  process.kill(pid, "SIGSTOP");
  await world.driver().kill();
  await lost;
  await disk.delayWrites(0);
  await world.start();
  const refused = [await outcomeOf(world.rpc.NodeStageVolume(request)), await stateOf(world, volumeId)];
  process.kill(pid, "SIGCONT");
  await until("mkfs has ended", async () => !(await processes()).some((one) => one.pid === pid && one.state !== "Z"));
  expect(refused).toEqual(["ABORTED", "formatting"]);
  await world.rpc.NodeStageVolume(request);
  expect(await mountsAt(request.stagingTargetPath)).toHaveLength(1);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a volume that was deactivated is activated when it is staged, with its data", async () => {
  const volumeId = await createFilesystem(world, "ext4", 32 * MiB);
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  await writeFile(join(request.stagingTargetPath, "row"), "committed");
  const uuid = await filesystemUuid(devicePath(world, volumeId));
  await world.rpc.NodeUnstageVolume(request);
  await world.driver().kill();
  await shell("vgchange", "--quiet", "--activate", "n", world.volumeGroup);
  await world.start();
  await world.rpc.NodeStageVolume(request);
  expect(await readFile(join(request.stagingTargetPath, "row"), "utf8")).toBe("committed");
  expect(await filesystemUuid(devicePath(world, volumeId))).toBe(uuid);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});
