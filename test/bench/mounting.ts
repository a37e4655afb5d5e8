import { mkdir } from "node:fs/promises";
import path from "node:path";
import { make } from "../../src/filesystem/make.ts";
import { type Bed, createVolume, kubeletRequests, openBed, shell } from "./bed.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median, timed } from "./samples.ts";

/** Stage and publish of a new and of a formatted ext4 volume, against mkfs and mount spawned. */
export async function measureMounting(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  const volumeId = await createVolume(bed);
  const floor = await floorVolume(bed);
  await stageAndPublish(bed, volumeId);
  const samples = await interleaved(rounds, {
    first: () => firstStage(bed),
    mkfs: () => spawnedFirst(bed, floor.directory),
    formatted: () => stageAndPublish(bed, volumeId),
    mount: () => spawnedMounts(bed, floor),
  });
  return [
    ratioRow(
      "first stage + publish of ext4 64 MiB, p50 ms : spawned mkfs.ext4 + mount",
      median(samples.first),
      median(samples.mkfs),
      atMost(1.1),
    ),
    ratioRow(
      "stage + publish of a formatted volume, p50 ms : spawned mount + bind mount",
      median(samples.formatted),
      median(samples.mount),
      atMost(0.3),
    ),
  ];
}

interface FloorVolume {
  readonly device: string;
  readonly directory: string;
  readonly bindDirectory: string;
}

async function floorVolume(bed: Bed): Promise<FloorVolume> {
  await bed.spawner.run(["lvcreate", "--yes", "--size", "64M", "--name", "floor", bed.volumeGroup]);
  const device = bed.device("floor");
  const directory = path.join(bed.directory, "floor");
  const bindDirectory = path.join(bed.directory, "floor-bind");
  await Promise.all([directory, bindDirectory].map((each) => mkdir(each)));
  await bed.spawner.run(await mkfsCommand(device));
  return { device, directory, bindDirectory };
}

/** What the driver runs to make an ext4: asked of the code that runs it. */
async function mkfsCommand(device: string): Promise<readonly [string, ...string[]]> {
  let command: readonly [string, ...string[]] | undefined;
  const programs = {
    run: async (file: string, args: readonly string[]) => {
      command = [file, ...args];
      return { exitCode: 0, stdout: "", stderr: "" };
    },
  };
  await make(programs, "ext4", device, { force: false, extra: [] });
  if (command === undefined) throw new Error("the driver made no filesystem");
  return command;
}

async function firstStage(bed: Bed): Promise<number> {
  const volumeId = await createVolume(bed);
  const milliseconds = await stageAndPublish(bed, volumeId);
  await bed.rpc.DeleteVolume({ volumeId });
  return milliseconds;
}

/** Takes the mounts away again, untimed. */
async function stageAndPublish(bed: Bed, volumeId: string): Promise<number> {
  const { stage, publish, unpublish, unstage } = await kubeletRequests(bed, volumeId);
  const milliseconds = await timed(async () => {
    await bed.rpc.NodeStageVolume(stage);
    await bed.rpc.NodePublishVolume(publish);
  });
  await bed.rpc.NodeUnpublishVolume(unpublish);
  await bed.rpc.NodeUnstageVolume(unstage);
  return milliseconds;
}

/** On a volume as the driver makes it: where it wrote zeroes, a sparse disk has to be filled anew. */
async function spawnedFirst(bed: Bed, directory: string): Promise<number> {
  const volumeId = await createVolume(bed);
  const device = bed.device(volumeId);
  const milliseconds = await bed.spawner.run(await mkfsCommand(device), ["mount", device, directory]);
  await shell("umount", directory);
  await bed.rpc.DeleteVolume({ volumeId });
  return milliseconds;
}

async function spawnedMounts({ spawner }: Bed, { device, directory, bindDirectory }: FloorVolume): Promise<number> {
  const milliseconds = await spawner.run(["mount", device, directory], ["mount", "--bind", directory, bindDirectory]);
  await shell("umount", bindDirectory, directory);
  return milliseconds;
}
