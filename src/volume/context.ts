import type { Reserve } from "../config.ts";
import { VolumeError, quote } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { Log } from "../log.ts";
import type { LogicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type VolumeId, formatVolumeId, parseVolumeId } from "./id.ts";
import type { Operations } from "./operations.ts";
import type { Turns } from "./turns.ts";
import { type VolumeRecord, decodeRecord, recordChange } from "./record.ts";

/** What every operation on volumes works with. */
export interface Context {
  readonly host: Host;
  /** The allow-list in its order; the first is the default. */
  readonly groups: ReadonlyMap<string, VolumeGroup>;
  readonly topologyValue: string;
  readonly reserve: Reserve;
  readonly operations: Operations;
  /** For bulk work on each volume group's disks. */
  readonly turns: ReadonlyMap<string, Turns>;
  /** Names of the logical volumes that this process, asked to make them, has begun to make or found. */
  readonly begun: Set<string>;
  readonly log: Log;
}

/** A volume of this driver, as the volume group's metadata has it now. */
export interface Volume {
  readonly id: VolumeId;
  readonly group: VolumeGroup;
  readonly state: VolumeGroupState;
  readonly logicalVolume: LogicalVolume;
  readonly record: VolumeRecord;
}

/**
 * Finds the volume that an id names.
 * @throws VolumeError notFound; LvmError when its volume group cannot be read, which says nothing of the volume.
 */
export async function findVolume(context: Context, idText: string): Promise<Volume> {
  const id = ownVolumeId(context, idText);
  const group = id && context.groups.get(id.volumeGroup);
  if (id === undefined || group === undefined) throw volumeNotFound(idText);
  const volume = volumeIn(await group.read(), group, id);
  if (volume === undefined) throw volumeNotFound(idText);
  return volume;
}

/** The volume that an id names in this state of its group; undefined if it is absent, or not the driver's. */
export function volumeIn(state: VolumeGroupState, group: VolumeGroup, id: VolumeId): Volume | undefined {
  const logicalVolume = state.logicalVolumes.get(id.logicalVolume);
  const record = logicalVolume && decodeRecord(logicalVolume);
  if (logicalVolume === undefined || record === undefined || record.state === "growing") return undefined;
  return { id, group, state, logicalVolume, record };
}

/** The id's parts, if it names a volume of this node in a volume group of the allow-list. */
export function ownVolumeId(context: Context, idText: string): VolumeId | undefined {
  const id = parseVolumeId(idText);
  const own = id !== undefined && id.topologyValue === context.topologyValue && context.groups.has(id.volumeGroup);
  return own ? id : undefined;
}

/** The id's parts likewise. Whether the volume exists is not asked. @throws VolumeError notFound for any other id */
export function requireOwnId(context: Context, idText: string): VolumeId {
  return ownVolumeId(context, idText) ?? raise(volumeNotFound(idText));
}

function raise(error: Error): never {
  throw error;
}

export function volumeNotFound(idText: string): VolumeError {
  return new VolumeError("notFound", `volume ${quote(idText)} does not exist on this node`);
}

/**
 * All volumes of a group. One whose tags make no sense is left out, and logged: it must not stand in the way of the
 * others.
 */
export function volumesOf(context: Context, group: VolumeGroup, state: VolumeGroupState): readonly Volume[] {
  return [...state.logicalVolumes.keys()].flatMap((logicalVolume) => {
    const id = { topologyValue: context.topologyValue, volumeGroup: state.name, logicalVolume };
    if (parseVolumeId(formatVolumeId(id)) === undefined) return [];
    try {
      return volumeIn(state, group, id) ?? [];
    } catch (error) {
      context.log.error({ volume: formatVolumeId(id), error: String(error) }, "a volume's tags make no sense");
      return [];
    }
  });
}

/** Gives the volume the changed record in one commit of its group, and returns the volume as it then is. */
export async function changeRecord(volume: Volume, change: Partial<VolumeRecord>): Promise<Volume> {
  const { group, id, logicalVolume, record } = volume;
  await group.changeTags(logicalVolume.name, recordChange(logicalVolume, { ...record, ...change }));
  const changed = volumeIn(await group.read(), group, id);
  if (changed === undefined) throw volumeNotFound(formatVolumeId(id));
  return changed;
}

/** The turns that bulk work on a group's disks takes. */
export function turnsOf({ turns }: Context, group: VolumeGroup): Turns {
  const found = turns.get(group.name);
  if (found === undefined) throw new Error(`${group.name} is not of the allow-list`);
  return found;
}
