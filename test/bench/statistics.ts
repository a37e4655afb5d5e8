import { type Bed, MiB, createRequest, createVolume, kubeletRequests, openBed } from "./bed.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median, timed } from "./samples.ts";

const volumes = 200;

/** NodeGetVolumeStats while 200 volumes are mounted. */
export async function measureStatistics(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  const requests = await mountMany(bed);
  const paths = requests.map(({ targetPath }) => targetPath);
  const samples = await interleaved(rounds, {
    ours: () =>
      timed(async () => {
        for (const { statistics } of requests) await bed.rpc.NodeGetVolumeStats(statistics);
      }),
    empty: () =>
      timed(async () => {
        for (const _ of requests) await bed.rpc.GetPluginInfo({});
      }),
    statfs: () => bed.spawner.statfs(paths),
  });
  return [
    ratioRow(
      "200 x NodeGetVolumeStats, 200 mounted, ms : statfs loop in Node",
      median(samples.ours),
      median(samples.statfs),
      atMost(3),
    ),
    ratioRow("200 empty calls", median(samples.empty), median(samples.statfs), atMost(1000)),
  ];
}

async function mountMany(bed: Bed) {
  const requests = [];
  for (let count = 0; count < volumes; count += 1) {
    const one = await kubeletRequests(bed, await createVolume(bed, createRequest(16 * MiB)));
    await bed.rpc.NodeStageVolume(one.stage);
    await bed.rpc.NodePublishVolume(one.publish);
    requests.push(one);
  }
  return requests;
}
