import { type Bed, createVolume, kubeletRequests, openBed } from "./bed.ts";
import { type Disturbance, disturbances } from "./disturbances.ts";
import { makeOrdinaryDisk, makeSlowDisk } from "./slow-disk.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { percentile, timed } from "./samples.ts";

/** With and without the disturbance, so that both see the machine's good and bad moments. */
const turns = 3;
/** Calls that do not count: what follows the end of a disturbance is not without one yet. */
const settling = 10;

/** Statistics and publishes of a volume while work of other volumes goes on, against the same with nothing else. */
export async function measureUndisturbed(rounds: number): Promise<readonly Row[]> {
  const slow = await makeSlowDisk(1);
  const bed = await openBed({ disk: await makeOrdinaryDisk(0), otherGroup: slow.path });
  const victim = await Victim.open(bed);
  const rows: Row[] = [];
  for (const disturbance of disturbances) rows.push(...(await disturb(victim, disturbance, rounds * 10)));
  return rows;

  async function disturb(one: Victim, { name, start }: Disturbance, calls: number): Promise<readonly Row[]> {
    const unloaded = emptySamples();
    const disturbed = emptySamples();
    for (let turn = 0; turn < turns; turn += 1) {
      await one.call(settling, emptySamples());
      await one.call(calls / turns, unloaded);
      const end = await start(bed, slow);
      await one.call(calls / turns, disturbed);
      await end();
    }
    return (["statistics", "publish"] as const).map((kind) => {
      const ours = percentile(disturbed[kind], 99);
      return ratioRow(`${kind} while ${name}, p99 ms : unloaded`, ours, percentile(unloaded[kind], 99), atMost(2));
    });
  }
}

/** Milliseconds of the calls. */
type Samples = Readonly<Record<"statistics" | "publish", number[]>>;

function emptySamples(): Samples {
  return { statistics: [], publish: [] };
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

  async call(count: number, samples: Samples): Promise<void> {
    const { rpc } = this.#bed;
    for (let done = 0; done < count; done += 1) {
      samples.statistics.push(await timed(() => rpc.NodeGetVolumeStats(this.#requests.statistics)));
      await rpc.NodeUnpublishVolume(this.#requests.unpublish);
      samples.publish.push(await timed(() => rpc.NodePublishVolume(this.#requests.publish)));
    }
  }
}
