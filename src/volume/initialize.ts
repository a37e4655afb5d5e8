import { LvmError, VolumeError } from "../errors.ts";
import { probeRanges } from "../filesystem/probe.ts";
import type { WritableDevice } from "../host/host.ts";
import { type Context, type Volume, changeRecord, turnsOf } from "./context.ts";
import { activeDevice, withExclusive } from "./device.ts";
import type { Work } from "./operations.ts";
import type { VolumeRecord } from "./record.ts";
import { missingPhysicalVolumes } from "./room.ts";
import { sweepDevice, zeroing } from "./sweep.ts";

/** Whether all of a volume, and all that it grows by, reads as zeroes before a pod can see it. */
export function isZeroedWhole(record: Pick<VolumeRecord, "initialize" | "filesystem">): boolean {
  return record.initialize === "zero" || (record.initialize === "auto" && record.filesystem === undefined);
}

/**
 * Takes a volume from `creating` to `ready`: zeroes what its class wants zeroed, or at least every place where an
 * earlier owner's filesystem would be found. Goes on where an earlier run recorded that it was.
 * @throws LvmError physicalVolumeMissing; VolumeError aborted
 */
export async function initialize(context: Context, volume: Volume, work: Work): Promise<Volume> {
  assertNewest(volume);
  const device = await activeDevice(context, volume.group, volume.logicalVolume);
  const busy = new VolumeError("aborted", `the device of ${volume.logicalVolume.name} is still in use; try again`);
  const initialized = await withExclusive(context, device, busy, async (exclusive) => {
    if (isZeroedWhole(volume.record)) return zeroWhole(context, volume, exclusive, work);
    await zeroSignatures(exclusive, volume.logicalVolume.sizeBytes);
    return volume;
  });
  return changeRecord(initialized, { state: "ready", doneBytes: 0 });
}

/** A disk that is away may be the one that knows that the volume has long been in use. */
function assertNewest({ state, logicalVolume }: Volume): void {
  if (missingPhysicalVolumes(state).length === 0) return;
  const reason = `is not initialized while a physical volume of volume group ${state.name} is missing; see pvs`;
  throw new LvmError("physicalVolumeMissing", `logical volume ${logicalVolume.name} ${reason}`);
}

/** @returns the volume with what was recorded on the way */
async function zeroWhole(context: Context, volume: Volume, exclusive: WritableDevice, work: Work): Promise<Volume> {
  let current = volume;
  const journey = {
    turns: turnsOf(context, volume.group),
    sizeBytes: volume.logicalVolume.sizeBytes,
    doneBytes: volume.record.doneBytes,
    record: async (doneBytes: number) => {
      current = await changeRecord(current, { doneBytes });
    },
  };
  await sweepDevice(exclusive, zeroing, journey, work);
  return current;
}

async function zeroSignatures(exclusive: WritableDevice, sizeBytes: number): Promise<void> {
  for (const range of probeRanges(sizeBytes)) await exclusive.zero(range);
  await exclusive.flush();
}
