import { type Bed, createRequest, openBed } from "./bed.ts";
import { type Row, atMost, ratioRow } from "./row.ts";
import { interleaved, median, timed } from "./samples.ts";

/** CreateVolume and its repeat, GetCapacity, against LVM's commands spawned. */
export async function measureCreate(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  const samples = await interleaved(rounds, {
    create: () => createAndAgain(bed, repeats),
    capacity: () => timed(() => bed.rpc.GetCapacity({})),
    lvcreate: () => spawnedCreate(bed),
    lvs: () => bed.spawner.run(["lvs", bed.volumeGroup]),
  });
  const lvs = median(samples.lvs);
  const again = median(repeats.slice(-rounds));
  return [
    ratioRow(
      "CreateVolume 64 MiB linear, p50 ms : spawned lvcreate",
      median(samples.create),
      median(samples.lvcreate),
      atMost(0.5),
    ),
    ratioRow("CreateVolume again, p50 ms : spawned lvs", again, lvs, atMost(0.1)),
    ratioRow("GetCapacity, nothing changed, p50 ms : spawned lvs", median(samples.capacity), lvs, atMost(0.1)),
  ];
}

const repeats: number[] = [];

async function createAndAgain({ rpc }: Bed, again: number[]): Promise<number> {
  const request = createRequest();
  let volumeId = "";
  const milliseconds = await timed(async () => {
    volumeId = (await rpc.CreateVolume(request)).volume?.volumeId ?? "";
  });
  again.push(await timed(() => rpc.CreateVolume(request)));
  await rpc.DeleteVolume({ volumeId });
  return milliseconds;
}

async function spawnedCreate({ spawner, volumeGroup }: Bed): Promise<number> {
  const milliseconds = await spawner.run(["lvcreate", "--yes", "--size", "64M", "--name", "floor", volumeGroup]);
  await spawner.run(["lvremove", "--yes", `${volumeGroup}/floor`]);
  return milliseconds;
}
