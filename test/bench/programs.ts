import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { programsExecuted } from "./accounting.ts";
import { type Bed, MiB, createRequest, createVolume, kubeletRequests, openBed } from "./bed.ts";
import { type Row, atMost, countRow } from "./row.ts";

const portFile = "/run/bench-programs";

/** What an RPC, asked several times in a row, has started. */
export interface Count {
  readonly name: string;
  /** Names of the programs that the driver's port was asked to start. */
  readonly port: readonly string[];
  /** Names of all programs that the kernel saw start and end meanwhile. */
  readonly kernel: readonly string[];
  readonly most: number;
}

/** Programs that the RPCs start, counted at the driver's port and by the kernel. */
export async function measurePrograms(): Promise<readonly Row[]> {
  const counts = await countPrograms();
  const rows = counts.map(({ name, port, most }) => countRow(`programs started by ${name}`, port.length, atMost(most)));
  const different = counts.filter(({ port, kernel }) => port.toSorted().join() !== kernel.toSorted().join());
  const where = different.map(({ name, kernel }) => `${name}: ${kernel.join(" ")}`).join("; ");
  const measure = `calls for which the kernel counted other programs (acct(2))${where && `: ${where}`}`;
  return [...rows, countRow(measure, different.length, atMost(0))];
}

/** Counts them one RPC after the other, the LVM process running. */
export async function countPrograms(): Promise<readonly Count[]> {
  await writeFile(portFile, "");
  const program = [process.execPath, path.join(import.meta.dirname, "counted-driver.ts")] as const;
  const bed = await openBed({ program, environment: { BENCH_PROGRAMS: portFile } });
  // the LVM process is started by the first command and stays
  await bed.rpc.DeleteVolume({ volumeId: await createVolume(bed) });
  try {
    return await new Counter(bed).countAll();
  } finally {
    await bed.close();
  }
}

class Counter {
  readonly #bed: Bed;
  readonly #counts: Count[] = [];

  constructor(bed: Bed) {
    this.#bed = bed;
  }

  async countAll(): Promise<readonly Count[]> {
    const { rpc } = this.#bed;
    const request = createRequest();
    const volumeId = await this.#twice("CreateVolume", 0, () => createVolume(this.#bed, request));
    const kubelet = await kubeletRequests(this.#bed, volumeId);
    await this.#twice("GetCapacity", 0, () => rpc.GetCapacity({}));
    await this.#twice("ListVolumes", 0, () => rpc.ListVolumes({}));
    await this.#count("the first NodeStageVolume of ext4 (mkfs.ext4)", 1, () => rpc.NodeStageVolume(kubelet.stage));
    await this.#count("NodeStageVolume again", 0, () => rpc.NodeStageVolume(kubelet.stage));
    await this.#twice("NodePublishVolume", 0, () => rpc.NodePublishVolume(kubelet.publish));
    await this.#twice("NodeGetVolumeStats", 0, () => rpc.NodeGetVolumeStats(kubelet.statistics));
    await this.#expand(volumeId, kubelet.targetPath);
    await this.#twice("NodeUnpublishVolume", 0, () => rpc.NodeUnpublishVolume(kubelet.unpublish));
    await this.#twice("NodeUnstageVolume", 0, () => rpc.NodeUnstageVolume(kubelet.unstage));
    await this.#twice("NodeStageVolume of a formatted volume", 0, () => rpc.NodeStageVolume(kubelet.stage));
    await rpc.NodeUnstageVolume(kubelet.unstage);
    await this.#twice("DeleteVolume", 0, () => rpc.DeleteVolume({ volumeId }));
    return this.#counts;
  }

  async #expand(volumeId: string, volumePath: string): Promise<void> {
    const { rpc } = this.#bed;
    const capacityRange = { requiredBytes: 128 * MiB };
    const expand = async (): Promise<void> => {
      await rpc.ControllerExpandVolume({ volumeId, capacityRange });
      await rpc.NodeExpandVolume({ volumeId, volumePath, capacityRange });
    };
    await this.#count("expansion of ext4, controller + node", 0, expand);
    await this.#count("expansion again", 0, expand);
  }

  /** The call and its repeat. */
  async #twice<Result>(name: string, most: number, call: () => Promise<Result>): Promise<Result> {
    await this.#count(name, most, call);
    return this.#count(`${name} again`, 0, call);
  }

  async #count<Result>(name: string, most: number, call: () => Promise<Result>): Promise<Result> {
    await writeFile(portFile, "");
    const results: Result[] = [];
    const kernel = await programsExecuted(async () => results.push(await call()));
    const port = (await readFile(portFile, "utf8")).split("\n").filter((line) => line !== "");
    this.#counts.push({ name, port, kernel, most });
    const [result] = results;
    return result as Result;
  }
}
