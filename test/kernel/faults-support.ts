import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { setTimeout as pause } from "node:timers/promises";
import { share, times } from "../campaign.ts";
import { type SmallDisk, digest, makeSmallDisk } from "./device-support.ts";
import { persist } from "./process-support.ts";
import { createVolume, stagedVolume } from "./volume-support.ts";
import { MiB, type World, blockCapability, devicePath, openWorld, shell } from "./world.ts";

/** A world whose driver ends itself where it is told. */
export interface FaultWorld extends World {
  readonly disk: SmallDisk;
  /** Has the driver end itself at that point, counted from now on. */
  readonly arm: (point: KillPoint) => Promise<void>;
  /** The names of the driver's steps since it was armed. */
  readonly taken: () => Promise<readonly string[]>;
  /** The names of the driver's steps while the work is done. */
  readonly record: (work: () => Promise<unknown>) => Promise<readonly string[]>;
  /** Lets the next driver live. */
  readonly disarm: () => Promise<void>;
}

/** Where to end the driver: test/faults/steps.ts. */
export interface KillPoint {
  readonly step: number;
  readonly moment: "before" | "during" | "after";
}

/** A world on a disk of that size. Close it with `closeFaultWorld`. */
export async function openFaultWorld(sizeBytes: number): Promise<FaultWorld> {
  const disk = await makeSmallDisk(0, sizeBytes);
  const directory = await mkdtemp("/run/faults-");
  const plan = path.join(directory, "plan");
  const world = await openWorld([disk.path], [], [], {
    program: [process.execPath, await bundleKilledDriver(directory)],
    environment: { FAULT_PLAN: plan },
  });
  const follow = async (text: string): Promise<void> => {
    await rm(`${plan}.steps`, { force: true });
    await writeFile(plan, text);
  };
  const taken = async (): Promise<readonly string[]> =>
    (await readFile(`${plan}.steps`, "utf8").catch(() => "")).split("\n").slice(0, -1);
  return {
    ...world,
    disk,
    close: async () => {
      const end = await world.close();
      await disk.remove();
      return end;
    },
    arm: ({ step, moment }) => follow(`${step} ${moment}`),
    disarm: () => rm(plan, { force: true }),
    taken,
    record: async (work) => {
      await follow("record");
      await work();
      // what is left to close when the answer has been sent
      await pause(200);
      await rm(plan);
      return taken();
    },
  };
}

/** Makes a directory like the checkout with a bundle of test/faults/killed-driver.ts in it, whose path it returns. */
async function bundleKilledDriver(directory: string): Promise<string> {
  for (const name of ["node_modules", "package.json", "proto"]) {
    await symlink(path.resolve(name), path.join(directory, name));
  }
  const bundle = path.join(directory, "bundle");
  await shell(process.execPath, "test/faults/bundle.ts", bundle);
  return path.join(bundle, "killed-driver.js");
}

/** Calls that are interrupted at each of their steps, on a volume of their own each time. */
export interface Deed<Subject> {
  readonly name: string;
  readonly prepare: () => Promise<Subject>;
  /** The calls. When they are repeated, those that were answered come again too. */
  readonly act: (subject: Subject) => Promise<unknown>;
  /** Throws when the volume is not what it should be after the calls were repeated. */
  readonly verify: (subject: Subject) => Promise<void>;
  /** What is done instead of repeating the calls, where that is more than `discard`. */
  readonly instead?: (subject: Subject) => Promise<void>;
  /** Takes the volume to its end. */
  readonly discard: (subject: Subject) => Promise<unknown>;
}

/** Longest time of a campaign, in milliseconds. */
export const campaignMs = times(3_000_000, 400_000);

/** Every so many of the points where the driver can be killed belong to every run of the tests. */
const everyPoint = 8;

/** What became of the driver at all points, of which there must be none that is wrong. */
interface Campaign {
  readonly steps: readonly string[];
  readonly kills: number;
  readonly wrong: readonly string[];
}

/**
 * Kills the driver at each step of a deed, starts it again, and then has the deed repeated, or the volume deleted
 * instead. Each time nothing may be left over, and of bystanders nothing may be lost.
 */
export async function killAtEachStep<Subject>(world: FaultWorld, deed: Deed<Subject>): Promise<Campaign> {
  const started = performance.now();
  const bystanders = await makeBystanders(world);
  const steps = await recordSteps(world, deed);
  const before = await surroundingsOf(world);
  const wrong: string[] = [];
  let kills = 0;
  const points = share(pointsOf(steps), everyPoint);
  for (const point of points) {
    const place = `${deed.name}, killed ${point.moment} step ${point.step} (${steps[point.step - 1]}), ${point.ending}`;
    const problem = await killAt(world, deed, point).then(
      (isKilled) => void (kills += Number(isKilled)),
      (error: unknown) => String(error),
    );
    const after = await surroundingsOf(world);
    if (problem !== undefined) wrong.push(`${place}: ${problem}`);
    if (!isDeepStrictEqual(after, before)) wrong.push(`${place}: left ${JSON.stringify(after)}`);
    if ((await bystanders.digests()).join(" ") !== bystanders.sums) wrong.push(`${place}: others' data changed`);
    if (wrong.length > 3) return { steps, kills, wrong };
  }
  await bystanders.discard();
  const seconds = Math.round((performance.now() - started) / 1000);
  console.info(`${deed.name}: ${steps.length} steps (${steps.join(", ")}), ${kills} kills in ${seconds} s`);
  return { steps, kills, wrong };
}

async function recordSteps<Subject>(world: FaultWorld, deed: Deed<Subject>): Promise<readonly string[]> {
  const subject = await deed.prepare();
  const steps = await world.record(() => deed.act(subject));
  await deed.verify(subject);
  await deed.discard(subject);
  return steps;
}

interface Attempt extends KillPoint {
  readonly ending: "repeat" | "instead";
}

/**
 * After one step is before the next one. What goes on without the driver is also left to itself in its midst. The calls
 * are repeated after each step; something else is done instead where the step before changed anything that stays.
 */
function pointsOf(steps: readonly string[]): readonly Attempt[] {
  const all = steps.map((name, index) => ({ name, step: index + 1, next: steps[index + 1] }));
  const goingOn = all.filter(({ name }) => /^(lvm|run) /.test(name));
  const staying = all.filter(({ name, next }) => !/^(flush|open|close|hold|let go|sync)/.test(name) && name !== next);
  const points: readonly KillPoint[] = [
    { step: 1, moment: "before" },
    ...goingOn.map(({ step }) => ({ step, moment: "during" }) as const),
  ];
  return [
    ...[...points, ...all.map(afterStep)].map((point) => endedBy(point, "repeat")),
    ...[...points, ...staying.map(afterStep)].map((point) => endedBy(point, "instead")),
  ];
}

function afterStep({ step }: { readonly step: number }): KillPoint {
  return { step, moment: "after" };
}

function endedBy({ step, moment }: KillPoint, ending: Attempt["ending"]): Attempt {
  return { step, moment, ending };
}

/**
 * @returns whether the driver was killed. Zeroing is done in fewer pieces where the disk has become faster, and the last
 * steps that were recorded may not come.
 * @throws Error saying what is wrong
 */
async function killAt<Subject>(world: FaultWorld, deed: Deed<Subject>, attempt: Attempt): Promise<boolean> {
  const subject = await deed.prepare();
  await world.arm(attempt);
  const answer = deed.act(subject).then(
    () => "OK",
    (error: unknown) => String(error),
  );
  const first = await Promise.race([world.driver().ended, answer.then(async (text) => (await pause(500), text))]);
  await world.disarm();
  const isKilled = typeof first !== "string";
  if (!isKilled && (first !== "OK" || (await world.taken()).length >= attempt.step)) {
    throw new Error(`the driver lives; ${first}`);
  }
  if (isKilled) await world.start();
  if (attempt.ending === "repeat") {
    await persist(() => deed.act(subject));
    await deed.verify(subject);
  } else {
    await deed.instead?.(subject);
  }
  await persist(() => deed.discard(subject), /^(ABORTED|UNAVAILABLE|FAILED_PRECONDITION)$/);
  return isKilled;
}

/** All that could be left over: logical volumes with their tags, devices, mounts, what the driver has for itself. */
async function surroundingsOf(world: World): Promise<object> {
  const volumes = await shell("lvs", "--noheadings", "--all", "-o", "lv_name,lv_tags", world.volumeGroup);
  const mappings = (await readdir("/sys/block")).filter((name) => name.startsWith("dm-"));
  const names = mappings.map((name) => readFile(`/sys/block/${name}/dm/name`, "utf8").catch(() => ""));
  const table = await readFile("/proc/self/mountinfo", "utf8");
  const mounts = table.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  return {
    volumes: volumes.split("\n").map((line) => line.trim()),
    mappings: (await Promise.all(names)).toSorted(),
    mounts: mounts.filter((target) => target.startsWith("/run/")).toSorted(),
    // each run of the driver has one `lvm`, and removes what a killed one left
    own: (await readdir("/run/lvm-local-csi")).filter((name) => !name.startsWith("lvm-")),
  };
}

/** Two volumes in use, to which nothing may happen. */
async function makeBystanders(world: World) {
  const raw = await createVolume(world, { capability: blockCapability(), sizeBytes: 8 * MiB });
  await writeFile(devicePath(world, raw), randomBytes(8 * MiB), { flag: "r+", flush: true });
  const staged = await stagedVolume(world, { sizeBytes: 16 * MiB });
  const file = path.join(staged.stagingTargetPath, "rows");
  await writeFile(file, randomBytes(MiB), { flush: true });
  const digests = (): Promise<readonly string[]> => Promise.all([devicePath(world, raw), file].map(digest));
  return {
    digests,
    sums: (await digests()).join(" "),
    discard: async (): Promise<void> => {
      await world.rpc.NodeUnstageVolume(staged);
      await world.rpc.DeleteVolume({ volumeId: staged.volumeId });
      await world.rpc.DeleteVolume({ volumeId: raw });
    },
  };
}
