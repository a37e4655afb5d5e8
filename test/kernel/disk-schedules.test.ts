import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { share } from "../campaign.ts";
import { acts } from "./disk-schedules-acts.ts";
import { type Fault, type FaultyDisk, makeFaultyDisk } from "./faulty-disk.ts";
import { outcomeOf, persist, until } from "./process-support.ts";
import { MiB, type World, logicalVolumes, openWorld } from "./world.ts";

let world: World;
let disk: FaultyDisk;

beforeAll(async () => {
  disk = await makeFaultyDisk(0, 256 * MiB);
  world = await openWorld([disk.path]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  await disk.remove();
});

const schedules: readonly (readonly [act: string, fault: Fault])[] = [
  ...Object.keys(acts).map((act) => [act, "dead"] as const),
  ["CreateVolume of raw block", "readable"],
  ["the first NodeStageVolume", "readable"],
  ["NodeExpandVolume", "readable"],
  ["CreateVolume of raw block", "flapping"],
  ["the first NodeStageVolume", "flapping"],
  ["ControllerExpandVolume of raw block", "flapping"],
  ["DeleteVolume with a wipe", "flapping"],
  ["CreateVolume of a filesystem", "slow"],
  ["the first NodeStageVolume", "slow"],
  ["ControllerExpandVolume of raw block", "slow"],
  ["DeleteVolume with a wipe", "slow"],
];

/** Codes that say nothing of the volume, but that something is wrong with the machine. */
const fair = /^(OK|INTERNAL|UNAVAILABLE|ABORTED|DEADLINE_EXCEEDED)$/;
/** And this one, that the scheduler may look elsewhere. */
const fairForCreate = /^(OK|INTERNAL|UNAVAILABLE|ABORTED|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED)$/;
const final = /^(INTERNAL|RESOURCE_EXHAUSTED)$/;

test.each(share(schedules, 3))(
  "%s on a disk that is %s: a fair answer, and all is well when the disk is",
  async (name, fault) => {
    const act = await acts[name]?.(world);
    if (act === undefined) throw new Error(`there is no act called ${name}`);
    const before = await logicalVolumes(world);
    await disk.strike(fault);
    const started = performance.now();
    const code = await outcomeOf(act.call(5000));
    const tookMs = performance.now() - started;
    const probe = await outcomeOf(world.rpc.Probe({}));
    await disk.heal();
    await until("the group is there", async () => (await world.rpc.Probe({})).ready?.value);
    const isCreate = name.startsWith("CreateVolume");
    expect(code).toMatch(isCreate ? fairForCreate : fair);
    expect(tookMs).toBeLessThan(12_000);
    expect(probe).toBe("OK");
    // csi-provisioner takes it that nothing is left then
    expect(isCreate && final.test(code) ? await logicalVolumes(world) : before).toEqual(before);
    await act.renew?.();
    await persist(act.call);
    await act.finish();
    expect(await logicalVolumes(world)).toEqual([]);
  },
);
