import { fork } from "node:child_process";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { connectCsi } from "../lab/csi-client.ts";
import { type Bed, MiB, createRequest, createVolume, kubeletRequests, openBed } from "./bed.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median, timed } from "./samples.ts";

const volumes = 200;
/** Each is of 200 calls. */
const mostRounds = 5;

/** NodeGetVolumeStats while 200 volumes are mounted, against a server that does nothing but statfs(2). */
export async function measureStatistics(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  const requests = await mountMany(bed);
  const bare = await startBareServer(bed);
  const samples = await interleaved(Math.min(rounds, mostRounds), {
    ours: () => askAll(bed.rpc, requests),
    server: () => askAll(bare, requests),
    statfs: () => bed.spawner.statfs(requests.map(({ targetPath }) => targetPath)),
  });
  const loop = median(samples.statfs).toFixed(1);
  return [
    ratioRow(
      `200 x NodeGetVolumeStats, 200 mounted, ms : statfs served by Node (without gRPC ${loop} ms)`,
      median(samples.ours),
      median(samples.server),
      atMost(3),
    ),
  ];
}

type Requests = Awaited<ReturnType<typeof mountMany>>;

function askAll(rpc: Pick<Bed["rpc"], "NodeGetVolumeStats">, requests: Requests): Promise<number> {
  return timed(async () => {
    for (const { statistics } of requests) await rpc.NodeGetVolumeStats(statistics);
  });
}

async function startBareServer({ directory }: Bed): Promise<Pick<Bed["rpc"], "NodeGetVolumeStats">> {
  const socketPath = path.join(directory, "statfs.sock");
  fork(path.join(import.meta.dirname, "statfs-server.ts"), [socketPath]);
  const { Node } = connectCsi(socketPath);
  const probe = { volumeId: "any", volumePath: "/" };
  for (;;) {
    const answered = await Node.NodeGetVolumeStats(probe).catch(() => undefined);
    if (answered !== undefined) return Node;
    await pause(100);
  }
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
