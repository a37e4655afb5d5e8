import { spawn } from "node:child_process";
import { type Bed, createRequest, createVolume, openBed } from "./bed.ts";
import { type Row, atLeast, atMost, countRow, ratioRow } from "./row.ts";
import { median, timed } from "./samples.ts";

const crowd = 200;
/** One takes two minutes; each row is of 200 calls, which are samples too. */
const mostRounds = 3;
/** The last of them waits for all others, in milliseconds; a sidecar would give up and ask again. */
const patienceMs = 1_200_000;

/** 200 calls at once. */
export async function measureCrowd(rounds: number): Promise<readonly Row[]> {
  const bed = await openBed();
  const times = { inTurn: [] as number[], atOnce: [] as number[], removal: [] as number[], spawned: [] as number[] };
  const overtaken: number[] = [];
  for (let round = 0; round < Math.min(rounds, mostRounds); round += 1) {
    const first: string[] = [];
    times.inTurn.push(
      await timed(async () => {
        for (let count = 0; count < crowd; count += 1) first.push(await createVolume(bed));
      }),
    );
    times.removal.push(await removeAll(bed, first));
    const { milliseconds, volumeIds, mostOvertaken } = await createAll(bed);
    times.atOnce.push(milliseconds);
    overtaken.push(mostOvertaken);
    times.removal.push(await removeAll(bed, volumeIds));
    times.spawned.push(await spawnedRemovals(bed));
  }
  return [
    ratioRow(
      "200 DeleteVolume at once, ms : 200 spawned lvremove",
      median(times.removal),
      median(times.spawned),
      atMost(0.2),
    ),
    ratioRow(
      "200 CreateVolume at once, a second : one after the other",
      (1000 * crowd) / median(times.atOnce),
      (1000 * crowd) / median(times.inTurn),
      atLeast(0.9),
    ),
    countRow("fair: later calls of those 200 that were answered before any one", Math.max(...overtaken), atMost(20)),
  ];
}

async function removeAll({ rpc }: Bed, volumeIds: readonly string[]): Promise<number> {
  return timed(() => Promise.all(volumeIds.map((volumeId) => rpc.DeleteVolume({ volumeId }, patienceMs))));
}

async function createAll({ rpc }: Bed) {
  const answered: number[] = [];
  const volumeIds: string[] = [];
  const milliseconds = await timed(() =>
    Promise.all(
      Array.from({ length: crowd }, async (_, index) => {
        const { volume } = await rpc.CreateVolume(createRequest(), patienceMs);
        answered.push(index);
        volumeIds.push(volume?.volumeId ?? "");
      }),
    ),
  );
  return { milliseconds, volumeIds, mostOvertaken: mostOvertakenOf(answered) };
}

/** The most calls, sent after one, that were answered before it; the calls by their number in the order of answers. */
function mostOvertakenOf(answered: readonly number[]): number {
  return Math.max(
    ...answered.map((call, position) => answered.slice(0, position).filter((earlier) => earlier > call).length),
  );
}

async function spawnedRemovals({ spawner, directory, volumeGroup }: Bed): Promise<number> {
  const names = Array.from({ length: crowd }, (_, index) => `floor${index}`);
  // untimed, so in one process
  const lines = names.map((name) => `lvcreate --yes -Wn -Zn --size 64M --name ${name} ${volumeGroup}\n`);
  await feed("lvm", lines.join(""), `${directory}/lvm`);
  return spawner.run(...names.map((name) => ["lvremove", "--yes", `${volumeGroup}/${name}`] as const));
}

function feed(program: string, input: string, systemDirectory: string): Promise<void> {
  const child = spawn(program, [], {
    stdio: ["pipe", "ignore", "inherit"],
    env: { ...process.env, LVM_SYSTEM_DIR: systemDirectory },
  });
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))));
  });
}
