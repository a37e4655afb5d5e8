import { setTimeout } from "node:timers/promises";
import { LvmError, VolumeError, quote } from "../errors.ts";
import type { VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, type Volume, volumeIn } from "./context.ts";
import type { Parameters } from "./parameters.ts";
import type { VolumeRecord } from "./record.ts";
import type { SizeRange } from "./room.ts";
import { differenceFrom } from "./sameness.ts";

/** Longest look, in milliseconds, into a group that the volume is not to be made in. */
const searchPatienceMs = 1000;

/** A volume that is looked for. */
export interface Search {
  /** Of the logical volume. */
  readonly name: string;
  /** As it would be if it were made now. */
  readonly record: VolumeRecord;
  readonly range: SizeRange;
  readonly parameters: Parameters;
  /** The group that it would be made in. */
  readonly chosen: VolumeGroup;
  /** Whether somebody will rely on it that there is none. */
  readonly onlyExisting: boolean;
}

type Here = Pick<Context, "groups" | "topologyValue" | "begun">;

/**
 * The volume of that name in any group, if it can pass for the one asked for.
 * @throws VolumeError alreadyExists if it cannot; aborted while it is being removed; of `onlyExisting` also
 * failedPrecondition if the chosen group is missing, unavailable if a group says nothing in time. LvmError
 */
export async function findExisting(context: Here, search: Search): Promise<Volume | undefined> {
  const { name, chosen } = search;
  const readGroup = search.onlyExisting ? readForCertain : readForSearch;
  for (const group of context.groups.values()) {
    const state = await readGroup(group, group === chosen);
    if (state?.logicalVolumes.has(name) === true) {
      context.begun.add(name);
      const id = { topologyValue: context.topologyValue, volumeGroup: state.name, logicalVolume: name };
      return asAsked(volumeIn(state, group, id), state, search);
    }
    if (group === chosen && state !== undefined) context.begun.delete(name);
  }
  return undefined;
}

/** @param volume undefined if the logical volume is not the driver's */
function asAsked(volume: Volume | undefined, state: VolumeGroupState, search: Search): Volume | undefined {
  const { name, record } = search;
  const difference = volume === undefined ? "was not made by this driver" : differenceFrom(volume, record, search);
  if (difference !== undefined) {
    const where = `${state.name}/${name}`;
    throw new VolumeError("alreadyExists", `volume ${quote(record.name)} exists (${where}), but ${difference}`);
  }
  if (volume?.record.state === "removing") {
    throw new VolumeError("aborted", `volume ${quote(record.name)} is being removed; try again when it is gone`);
  }
  return volume;
}

/**
 * The chosen group must be readable, or a second volume could be made; a missing one has none. The other groups could
 * only hold a volume of a class that was changed meanwhile: one that cannot be read must not stand in the way.
 */
async function readForSearch(group: VolumeGroup, isChosen: boolean): Promise<VolumeGroupState | undefined> {
  const read = group.read().catch((error: unknown) => {
    if (error instanceof LvmError && (!isChosen || error.kind === "groupMissing")) return undefined;
    throw error;
  });
  return isChosen ? read : Promise.race([read, setTimeout(searchPatienceMs, undefined, { ref: false })]);
}

/**
 * A controller believes that there is no volume, and has one made on another node: so no group may be passed over but a
 * missing one that was not chosen, since not every node need have all groups of the allow-list.
 */
async function readForCertain(group: VolumeGroup, isChosen: boolean): Promise<VolumeGroupState | undefined> {
  const read = group.read().catch((cause: unknown) => {
    if (!(cause instanceof LvmError && cause.kind === "groupMissing")) throw cause;
    if (!isChosen) return undefined;
    throw new VolumeError("failedPrecondition", `whether the volume is there is not known: ${cause.message}`, {
      cause,
    });
  });
  return isChosen ? read : Promise.race([read, silence(group)]);
}

async function silence(group: VolumeGroup): Promise<never> {
  await setTimeout(searchPatienceMs, undefined, { ref: false });
  throw new VolumeError("unavailable", `volume group ${group.name} cannot be read in time; try again`);
}
