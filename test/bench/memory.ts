import { copyFile, readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { proportionalBytes } from "../lab/memory.ts";
import { type Bed, MiB, createVolume, kubeletRequests, openBed } from "./bed.ts";
import { imageCommand } from "./image-command.ts";
import { type Row, atMost, countRow, ratioRow } from "./row.ts";

/** The LVM process and the worker threads end when they have had nothing to do for a minute. */
const idleMilliseconds = 70_000;
const operations = 5000;

/**
 * Memory of the driver and the LVM process, as /proc/PID/smaps_rollup tells it (PSS: what is shared is shared out). The
 * driver runs a copy of node, so that nothing of it is shared with the measuring processes.
 */
export async function measureMemory(rounds: number): Promise<readonly Row[]> {
  const node = "/run/bench-node";
  await copyFile(process.execPath, node);
  const bed = await openBed(await imageCommand(node));
  // a small number of rounds is for a look
  const half = rounds < 30 ? 250 : operations / 2;
  await operate(bed, half);
  const middle = await memoryOf(bed);
  await operate(bed, half);
  const busy = await memoryOf(bed);
  await pause(idleMilliseconds);
  const idle = await memoryOf(bed);
  console.error(`memory: MiB of driver and LVM: ${[middle, busy, idle].map((each) => each.join(" + ")).join(", ")}`);
  return [
    countRow("memory idle, MiB (PSS; the LVM process has ended)", sum(idle), atMost(75)),
    countRow(`memory busy, MiB, after ${2 * half} operations (driver + LVM)`, sum(busy), atMost(105)),
    ratioRow(`memory after ${2 * half} operations, MiB : after ${half}`, sum(busy), sum(middle), atMost(1.1)),
  ];
}

/** Lives of volumes, in each of which every RPC is called; 25 operations each. */
async function operate(bed: Bed, count: number): Promise<void> {
  const { rpc } = bed;
  for (let done = 0; done < count; done += 25) {
    const volumeId = await createVolume(bed);
    const { stage, publish, statistics, unpublish, unstage, targetPath } = await kubeletRequests(bed, volumeId);
    await rpc.NodeStageVolume(stage);
    await rpc.NodePublishVolume(publish);
    for (let repeat = 0; repeat < 5; repeat += 1) {
      await rpc.NodeGetVolumeStats(statistics);
      await rpc.GetCapacity({});
      await rpc.NodePublishVolume(publish);
    }
    const capacityRange = { requiredBytes: 128 * MiB };
    await rpc.ControllerExpandVolume({ volumeId, capacityRange });
    await rpc.NodeExpandVolume({ volumeId, volumePath: targetPath, capacityRange });
    await rpc.ListVolumes({});
    await rpc.NodeUnpublishVolume(unpublish);
    await rpc.NodeUnstageVolume(unstage);
    await rpc.DeleteVolume({ volumeId });
    await rpc.Probe({});
  }
}

/** MiB of the driver and of each process that it has started. */
async function memoryOf({ driver }: Bed): Promise<readonly number[]> {
  const children = await childrenOf(driver.pid);
  const bytes = await Promise.all([driver.pid, ...children].map(proportionalBytes));
  return bytes.map((each) => each / MiB);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

async function childrenOf(pid: number): Promise<readonly number[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const parents = await Promise.all(
    pids.map(async (name) => {
      const text = await readFile(path.join("/proc", name, "stat"), "utf8").catch(() => "");
      return { pid: Number(name), parent: Number(/^\d+ \(.*\) \S (\d+)/s.exec(text)?.[1]) };
    }),
  );
  return parents.filter(({ parent }) => parent === pid).map((child) => child.pid);
}
