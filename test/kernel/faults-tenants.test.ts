import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { setTimeout as pause } from "node:timers/promises";
import { times } from "../campaign.ts";
import { Random } from "../torture/random.ts";
import { type FaultWorld, openFaultWorld } from "./faults-support.ts";
import { outcomeOf, persist } from "./process-support.ts";
import { fillWithPattern, leaveTenantsData, requireZeroes } from "./tenants-data.ts";
import { MiB, blockCapability, blockTargetPath, claimName, logicalVolumes, stagingPath } from "./world.ts";

const seed = process.env["FAULTS_SEED"] ?? randomBytes(4).toString("hex");
const cycles = times(100, 8);
/** The driver is killed in each cycle, while it makes a volume or removes one. */
const sizeBytes = 16 * MiB;

let world: FaultWorld;

beforeAll(async () => {
  world = await openFaultWorld(80 * MiB);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

/** Kills the driver some time after a call was made, and starts it again. */
async function killDuring(call: Promise<unknown>, afterMs: number): Promise<string> {
  const outcome = outcomeOf(call);
  await pause(afterMs);
  await world.driver().kill();
  await world.start();
  return outcome;
}

/** How long a creation and a removal take that nobody interrupts, in milliseconds: a kill has to come before that. */
interface UsualMs {
  readonly create: number;
  readonly delete: number;
}

async function takeTimes(): Promise<UsualMs> {
  const start = performance.now();
  const { volume } = await world.rpc.CreateVolume(newRequest());
  const between = performance.now();
  await world.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" });
  return { create: between - start, delete: performance.now() - between };
}

function newRequest() {
  return {
    name: claimName(),
    capacityRange: { requiredBytes: sizeBytes },
    volumeCapabilities: [blockCapability()],
  };
}

/** A life of a volume that is published, read and written by its tenant. */
async function live(random: Random, usualMs: UsualMs, count: (outcome: string) => void): Promise<void> {
  const request = newRequest();
  const kill = random.pick({ create: 2, delete: 1 });
  const afterMs = random.between(0, usualMs[kill]);
  if (kill === "create") count(await killDuring(world.rpc.CreateVolume(request), afterMs));
  const { volume } = await persist(() => world.rpc.CreateVolume(request));
  const volumeId = volume?.volumeId ?? "";
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, "raw"), volumeCapability: blockCapability() };
  const targetPath = await blockTargetPath(world, "pod");
  await world.rpc.NodeStageVolume(stage);
  await world.rpc.NodePublishVolume({ ...stage, targetPath });
  await requireZeroes(targetPath);
  await fillWithPattern(targetPath, sizeBytes);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath });
  await world.rpc.NodeUnstageVolume(stage);
  if (kill === "delete") count(await killDuring(world.rpc.DeleteVolume({ volumeId }), afterMs));
  await persist(() => world.rpc.DeleteVolume({ volumeId }));
}

test(
  `no tenant reads what another wrote: ${cycles} lives, the driver killed in each (seed ${seed})`,
  async () => {
    const random = new Random(seed);
    const outcomes = new Map<string, number>();
    await leaveTenantsData(world);
    const usualMs = await takeTimes();
    for (let cycle = 0; cycle < cycles; cycle += 1) {
      await live(random, usualMs, (outcome) => outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1));
    }
    console.info(`${cycles} lives; answers to the interrupted calls:`, outcomes);
    expect(outcomes.get("UNAVAILABLE")).toBeGreaterThan(cycles / 4);
    expect(await logicalVolumes(world)).toEqual([]);
  },
  times(1_200_000, 400_000),
);
