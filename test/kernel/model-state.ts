import { MiB } from "./world.ts";

/** What a volume is made for. */
export type Kind = "ext4" | "xfs" | "block";

/** The calls that the model knows. */
export type RpcName =
  | "CreateVolume"
  | "DeleteVolume"
  | "NodeStageVolume"
  | "NodeUnstageVolume"
  | "NodePublishVolume"
  | "NodeUnpublishVolume"
  | "ControllerExpandVolume"
  | "NodeExpandVolume"
  | "NodeGetVolumeStats"
  | "ControllerGetVolume"
  | "ValidateVolumeCapabilities"
  | "ListVolumes"
  | "GetCapacity";

/** One call. Volumes are told by numbers, paths by short names: "s0" is a staging path, "p0" a pod's target. */
export interface Command {
  readonly rpc: RpcName;
  readonly slot: number;
  readonly kind: Kind;
  readonly staging: string;
  readonly target: string;
  /** `volume_path`. */
  readonly place: string;
  readonly requiredBytes: number;
  readonly limitBytes: number;
  readonly readOnly: boolean;
  /** For one pod alone (ReadWriteOncePod). */
  readonly alone: boolean;
}

export interface ModelVolume {
  readonly kind: Kind;
  readonly extents: number;
  /** What the filesystem fills. */
  readonly grownExtents: number;
  /** How its filesystem was mounted first; all its mounts share that. */
  readonly superblockReadOnly: boolean;
}

export interface ModelMount {
  readonly slot: number;
  readonly readOnly: boolean;
}

/** What there should be. */
export interface Model {
  readonly freeExtents: number;
  readonly volumes: ReadonlyMap<number, ModelVolume>;
  /** By the name of the path. */
  readonly mounts: ReadonlyMap<string, ModelMount>;
}

/** What a call should answer, and what there should be afterwards. */
export interface Step {
  /** The code, and what a person would look at in the answer. */
  readonly answer: string;
  readonly next: Model;
}

export const extentBytes = 4 * MiB;

/** The model in one line, as `observe` tells what there is. */
export function describe({ volumes, mounts }: Model): string {
  const sizes = [...volumes].map(([slot, { kind, extents }]) => `v${slot} ${kind} ${extents}`);
  const places = [...mounts].map(([place, { slot, readOnly }]) => `${place}=v${slot}${readOnly ? " ro" : ""}`);
  return [...sizes.toSorted(), ...places.toSorted()].join(", ");
}

export function fits({ extents }: ModelVolume, { requiredBytes, limitBytes }: Command): boolean {
  const bytes = extents * extentBytes;
  return bytes >= requiredBytes && (limitBytes === 0 || bytes <= limitBytes);
}

export function mountsOf(model: Model, slot: number): readonly string[] {
  return [...model.mounts].flatMap(([place, mount]) => (mount.slot === slot ? [place] : []));
}

export function withVolume(model: Model, slot: number, volume: ModelVolume | undefined): Model {
  const volumes = new Map(model.volumes);
  const freed = model.volumes.get(slot)?.extents ?? 0;
  if (volume === undefined) volumes.delete(slot);
  else volumes.set(slot, volume);
  return { ...model, volumes, freeExtents: model.freeExtents + freed - (volume?.extents ?? 0) };
}

export function withMount(model: Model, place: string, mount: ModelMount | undefined): Model {
  const mounts = new Map(model.mounts);
  if (mount === undefined) mounts.delete(place);
  else mounts.set(place, mount);
  return { ...model, mounts };
}

export function refuse(next: Model, answer: string): Step {
  return { answer, next };
}

export function tell(next: Model, told?: number | string | boolean): Step {
  return { answer: told === undefined ? "OK" : `OK ${told}`, next };
}
