import { SystemError } from "../errors.ts";
import type { BlockDevice } from "../host/host.ts";
import { findLabel, labelRange } from "./label.ts";
import { type LabelledDevice, readHeaders } from "./metadata.ts";
import type { DeviceReads } from "./patient-reads.ts";

/** Those of the devices that have LVM's label. One that cannot be read, or hangs, is left out. */
export async function scanLabels(
  reads: DeviceReads,
  candidates: readonly BlockDevice[],
): Promise<readonly LabelledDevice[]> {
  const found = await Promise.all(candidates.map((device) => look(reads, device)));
  return found.filter((one) => one !== undefined);
}

async function look(reads: DeviceReads, device: BlockDevice): Promise<LabelledDevice | undefined> {
  try {
    const [start] = await reads.read(device, [labelRange]);
    const label = start && findLabel(start);
    if (label === undefined) return undefined;
    const labelled = { device, label };
    // Its metadata headers must be readable too.
    await readHeaders(reads, [labelled]);
    return labelled;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}
