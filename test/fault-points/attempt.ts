import type { Pod } from "../demo/kubelet.ts";
import { patiently } from "../lab/patiently.ts";
import { type Operation, keptBytes } from "./operations.ts";
import { type Point, killAt } from "./tracer.ts";
import {
  type Volume,
  type World,
  leaveSecrets,
  logicalVolumes,
  mappingName,
  mappings,
  newVolume,
  readData,
  remove,
} from "./world.ts";

/** A volume that has nothing to do with any of it, in use all the time. */
export interface Neighbour {
  readonly volume: Volume;
  readonly pod: Pod;
  readonly data: Buffer;
}

/** What went wrong at one point, in words. */
export interface Outcome {
  /** Whether the process lived to reach the point. */
  readonly wasKilled: boolean;
  readonly lost: readonly string[];
  readonly suspended: readonly string[];
  readonly unwiped: readonly string[];
  /** Logical volumes and devices that belong to nothing any more. */
  readonly leftOver: readonly string[];
  /** Calls that did not succeed although they were repeated. */
  readonly failed: readonly string[];
}

/** Kills the LVM process at that point of the operation, makes the same call again, and then deletes the volume. */
export async function attempt(
  world: World,
  neighbour: Neighbour,
  operation: Operation,
  point: Point,
): Promise<Outcome> {
  await leaveSecrets(world, keptBytes);
  const subject = await operation.prepare(world);
  await wakeLvm(world);
  const wasKilled = await killAt(world.driver.pid, point, () => operation.act(world, subject).catch(() => undefined));
  const faults = [...((await operation.peek?.(world, subject)) ?? [])];
  const failed: string[] = [];
  const suspended: string[] = [];
  const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    await work().catch((error: unknown) => failed.push(`${name}: ${String(error)}`));
    for (const [device, isSuspended] of await mappings()) {
      if (isSuspended) suspended.push(`${device} after ${name}`);
    }
  };
  await step("the same call again", () => patiently(() => operation.act(world, subject)));
  await step("a look at the volume", async () => faults.push(...(await operation.verify(world, subject))));
  await step("DeleteVolume", () => patiently(() => remove(world, subject.volume)));
  const isIntact = (await readData(neighbour.pod.target, 0, neighbour.data.length)).equals(neighbour.data);
  return {
    wasKilled,
    lost: [...faults.filter((fault) => fault === "lost"), ...(isIntact ? [] : ["the neighbour's data"])],
    suspended,
    unwiped: faults.filter((fault) => fault === "unwiped"),
    leftOver: await leftOver(neighbour.volume),
    failed,
  };
}

/** The driver starts its LVM process when it needs it: to prove that a volume is absent, it does. */
export async function wakeLvm(world: World): Promise<void> {
  await patiently(() => remove(world, newVolume("block", 0)));
}

async function leftOver(kept: Volume): Promise<readonly string[]> {
  const volumes = (await logicalVolumes()).filter((name) => name !== kept.name);
  const devices = [...(await mappings()).keys()].filter((name) => name !== mappingName(kept));
  return [...volumes, ...devices];
}
