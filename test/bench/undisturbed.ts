import { type Bed, createVolume, kubeletRequests, openBed } from "./bed.ts";
import { type Disturbance, disturbances } from "./disturbances.ts";
import { makeOrdinaryDisk, makeSlowDisk } from "./slow-disk.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { percentile, timed } from "./samples.ts";

/** Statistics and publishes of a volume while work of other volumes goes on, against the same with nothing else. */
export async function measureUndisturbed(rounds: number): Promise<readonly Row[]> {
  const slow = await makeSlowDisk(1);
  const bed = await openBed({ disk: await makeOrdinaryDisk(0), otherGroup: slow.path });
  const victim = await Victim.open(bed);
  const rows: Row[] = [];
  for (const disturbance of disturbances) rows.push(...(await disturb(victim, disturbance, rounds * 10)));
  return rows;

  async function disturb(one: Victim, { name, start }: Disturbance, calls: number): Promise<readonly Row[]> {
    const before = await one.call(calls / 2);
    const end = await start(bed, slow);
    const disturbed = await one.call(calls);
    await end();
    const after = await one.call(calls / 2);
    return (["statistics", "publish"] as const).map((kind) => {
      const unloaded = percentile([...before[kind], ...after[kind]], 99);
      return ratioRow(`${kind} while ${name}, p99 ms : unloaded`, percentile(disturbed[kind], 99), unloaded, atMost(2));
    });
  }
}

/** The volume of somebody else. */
class Victim {
  readonly #bed: Bed;
  readonly #requests: Awaited<ReturnType<typeof kubeletRequests>>;

  private constructor(bed: Bed, requests: Awaited<ReturnType<typeof kubeletRequests>>) {
    this.#bed = bed;
    this.#requests = requests;
  }

  static async open(bed: Bed): Promise<Victim> {
    const requests = await kubeletRequests(bed, await createVolume(bed));
    await bed.rpc.NodeStageVolume(requests.stage);
    await bed.rpc.NodePublishVolume(requests.publish);
    return new Victim(bed, requests);
  }

  async call(count: number): Promise<{ statistics: readonly number[]; publish: readonly number[] }> {
    const { rpc } = this.#bed;
    const samples = { statistics: [] as number[], publish: [] as number[] };
    for (let done = 0; done < count; done += 1) {
      samples.statistics.push(await timed(() => rpc.NodeGetVolumeStats(this.#requests.statistics)));
      await rpc.NodeUnpublishVolume(this.#requests.unpublish);
      samples.publish.push(await timed(() => rpc.NodePublishVolume(this.#requests.publish)));
    }
    return samples;
  }
}
