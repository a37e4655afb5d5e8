import { VolumeError } from "../errors.ts";
import type { LogicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { VolumeGroup } from "../lvm/volume-group.ts";
import { type Context, turnsOf } from "./context.ts";
import { activeDevice, withExclusive } from "./device.ts";
import { ownerOfScratch, scratchName } from "./id.ts";
import type { Work } from "./operations.ts";
import { growingTag } from "./record.ts";
import { sweepDevice, zeroing } from "./sweep.ts";

/**
 * The scratch volume of an expansion of this logical volume: the extents that it is to grow by, held and zeroed as a
 * volume of their own until they are handed over. One of that name without the driver's tags is somebody else's.
 */
export function scratchOf(state: VolumeGroupState, logicalVolume: string): LogicalVolume | undefined {
  const found = state.logicalVolumes.get(scratchName(logicalVolume));
  return found?.tags.includes(growingTag) === true ? found : undefined;
}

/** The names of the logical volumes, be they there or not, that a scratch volume was made for. */
export function scratchOwners(state: VolumeGroupState): readonly string[] {
  return [...state.logicalVolumes.keys()].flatMap((name) => {
    const owner = ownerOfScratch(name);
    return owner !== undefined && scratchOf(state, owner) !== undefined ? [owner] : [];
  });
}

/** @throws VolumeError failedPrecondition when somebody else's logical volume has the scratch volume's name */
export function assertNameIsFree(state: VolumeGroupState, logicalVolume: string): void {
  const name = scratchName(logicalVolume);
  if (!state.logicalVolumes.has(name)) return;
  const advice = "is not the driver's and stands in the way of the expansion; rename or remove it";
  throw new VolumeError("failedPrecondition", `logical volume ${state.name}/${name} ${advice}`);
}

/** Removes the scratch volume that an earlier expansion of this logical volume left, if there is one. */
export async function removeScratch(group: VolumeGroup, logicalVolume: string): Promise<void> {
  const scratch = scratchOf(await group.read(), logicalVolume);
  if (scratch !== undefined) await group.remove(scratch.name);
}

/** Zeroes a scratch volume. */
export async function zeroScratch(
  context: Context,
  group: VolumeGroup,
  scratch: LogicalVolume,
  work: Work,
): Promise<void> {
  const device = await activeDevice(context, group, scratch);
  const busy = new VolumeError("aborted", `the device of ${scratch.name} is still in use; try again`);
  // Nothing is recorded on the way: a scratch volume does not outlive the run that made it.
  const journey = {
    turns: turnsOf(context, group),
    sizeBytes: scratch.sizeBytes,
    doneBytes: 0,
    record: async () => undefined,
  };
  await withExclusive(context, device, busy, (exclusive) => sweepDevice(exclusive, zeroing, journey, work));
}
