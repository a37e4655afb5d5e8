import { mkdir } from "node:fs/promises";
import path from "node:path";
import { type Bed, MiB, createVolume, kubeletRequests, openBed, shell } from "./bed.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median, timed } from "./samples.ts";

/** Expansion of a mounted ext4 volume, against lvextend and resize2fs spawned. */
export async function measureExpand(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  const directory = path.join(bed.directory, "floor");
  await mkdir(directory);
  const samples = await interleaved(rounds, {
    expand: () => expandVolume(bed),
    lvextend: () => spawnedExpand(bed, directory),
  });
  return [
    ratioRow(
      "expand ext4 64 -> 128 MiB, controller + node, p50 ms : spawned lvextend + resize2fs",
      median(samples.expand),
      median(samples.lvextend),
      atMost(0.8),
    ),
  ];
}

async function expandVolume(bed: Bed): Promise<number> {
  const { rpc } = bed;
  const volumeId = await createVolume(bed);
  const { stage, publish, unpublish, unstage, targetPath } = await kubeletRequests(bed, volumeId);
  await rpc.NodeStageVolume(stage);
  await rpc.NodePublishVolume(publish);
  const capacityRange = { requiredBytes: 128 * MiB };
  const milliseconds = await timed(async () => {
    await rpc.ControllerExpandVolume({ volumeId, capacityRange });
    await rpc.NodeExpandVolume({ volumeId, volumePath: targetPath, capacityRange });
  });
  await rpc.NodeUnpublishVolume(unpublish);
  await rpc.NodeUnstageVolume(unstage);
  await rpc.DeleteVolume({ volumeId });
  return milliseconds;
}

async function spawnedExpand({ spawner, device, volumeGroup }: Bed, directory: string): Promise<number> {
  const volume = `${volumeGroup}/floor`;
  await spawner.run(["lvcreate", "--yes", "--size", "64M", "--name", "floor", volumeGroup]);
  await spawner.run(["mkfs.ext4", "-q", "-b", "4096", device("floor")], ["mount", device("floor"), directory]);
  const milliseconds = await spawner.run(
    ["lvextend", "--yes", "--size", "128M", volume],
    ["resize2fs", device("floor")],
  );
  await shell("umount", directory);
  await spawner.run(["lvremove", "--yes", volume]);
  return milliseconds;
}
