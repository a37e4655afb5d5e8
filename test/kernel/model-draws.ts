import fc from "fast-check";
import { type Command, type Kind, type Model, type RpcName, extentBytes } from "./model-state.ts";
import { MiB } from "./world.ts";

export const slots = 4;
export const stagingNames = ["s0", "s1", "s2"];
export const targetNames = ["p0", "p1", "p2", "p3", "p4"];

/** A call with what it is about left open: undefined stands for what suits the volume as it is then. */
interface Draw {
  readonly rpc: RpcName;
  readonly slot: number;
  readonly kind: Kind | undefined;
  readonly staging: string | undefined;
  readonly target: string | undefined;
  readonly atStaging: boolean;
  readonly range: readonly [requiredBytes: number, limitBytes: number];
  readonly readOnly: boolean;
  readonly alone: boolean;
}

const weights: Readonly<Record<RpcName, number>> = {
  CreateVolume: 12,
  DeleteVolume: 7,
  NodeStageVolume: 14,
  NodeUnstageVolume: 9,
  NodePublishVolume: 18,
  NodeUnpublishVolume: 11,
  ControllerExpandVolume: 8,
  NodeExpandVolume: 8,
  NodeGetVolumeStats: 8,
  ControllerGetVolume: 3,
  ValidateVolumeCapabilities: 3,
  ListVolumes: 4,
  GetCapacity: 5,
};

/** Mostly small, so that there are many; some that take most of the disk. */
const sizes = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 31 }).map((count) => count * extentBytes) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 100 * MiB }) },
  { weight: 1, arbitrary: fc.constantFrom(256 * MiB, 384 * MiB, 2 ** 40, 0) },
);

const ranges = fc.oneof(
  { weight: 6, arbitrary: sizes.map((bytes) => [bytes, 0] as const) },
  { weight: 2, arbitrary: fc.tuple(sizes, sizes) },
  { weight: 1, arbitrary: sizes.map((bytes) => [0, bytes] as const) },
);

const draws: fc.Arbitrary<Draw> = fc.record({
  rpc: fc.oneof(
    ...Object.entries(weights).map(([rpc, weight]) => ({ weight, arbitrary: fc.constant(rpc as RpcName) })),
  ),
  slot: fc.nat(slots - 1),
  kind: seldom(fc.constantFrom<Kind>("block", "xfs", "ext4"), 5),
  staging: seldom(fc.constantFrom(...stagingNames), 5),
  target: seldom(fc.constantFrom(...targetNames), 3),
  atStaging: fc.boolean(),
  range: ranges,
  readOnly: fc.integer({ min: 0, max: 4 }).map((side) => side === 0),
  alone: fc.integer({ min: 0, max: 4 }).map((side) => side === 0),
});

function seldom<T>(arbitrary: fc.Arbitrary<T>, often: number): fc.Arbitrary<T | undefined> {
  return fc.oneof({ weight: often, arbitrary: fc.constant(undefined) }, { weight: 2, arbitrary });
}

/** The call that a draw stands for, with the volume as it is. */
export function commandOf(model: Model, draw: Draw): Command {
  const { slot, range, ...rest } = draw;
  const staging = draw.staging ?? mountedAt(model, slot, stagingNames) ?? `s${slot % stagingNames.length}`;
  const target = draw.target ?? mountedAt(model, slot, targetNames) ?? `p${slot}`;
  const kind = draw.kind ?? model.volumes.get(slot)?.kind ?? "ext4";
  const [requiredBytes, limitBytes] = range;
  return { ...rest, slot, kind, staging, target, place: draw.atStaging ? staging : target, requiredBytes, limitBytes };
}

function mountedAt({ mounts }: Model, slot: number, names: readonly string[]): string | undefined {
  return names.find((name) => mounts.get(name)?.slot === slot);
}

/** A number that says which draws a run makes: a new one each time, or that of a run which is to be repeated. */
export function seedOf(variable: string): number {
  return Number(process.env[variable] ?? Date.now() % 2 ** 31);
}

/** Random calls, always the same ones for a seed. */
export function drawMany(seed: number, count: number): readonly Draw[] {
  return fc.sample(draws, { seed, numRuns: count });
}
