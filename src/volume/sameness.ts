import type { LogicalVolume } from "../lvm/model.ts";
import type { Volume } from "./context.ts";
import type { Parameters } from "./parameters.ts";
import type { VolumeRecord } from "./record.ts";
import type { SizeRange } from "./room.ts";
import { formatWipe } from "./wipe-kind.ts";

/** How a volume that is there differs from the one that is asked for under its name; undefined if it does not. */
export function differenceFrom(
  volume: Volume,
  wanted: VolumeRecord,
  request: { readonly range: SizeRange; readonly parameters: Parameters },
): string | undefined {
  const { record, logicalVolume, state } = volume;
  const { layout, volumeGroup } = request.parameters;
  const comparisons: readonly (readonly [string, string, string])[] = [
    ["name", record.name, wanted.name],
    ["volume group", state.name, volumeGroup ?? state.name],
    ["access", kindOf(record), kindOf(wanted)],
    ["initialize", record.initialize, wanted.initialize],
    ["wipe", formatWipe(record.wipe), formatWipe(wanted.wipe)],
    ["mkfsOptions", record.mkfsOptions.join(" "), wanted.mkfsOptions.join(" ")],
    ["stripes", String(stripesOf(logicalVolume)), String(layout.stripes)],
    ["stripeSize", String(stripeBytesOf(logicalVolume)), String(layout.stripeBytes)],
  ];
  const different = comparisons.find(([, is, wants]) => is !== wants);
  if (different !== undefined) return `its ${different[0]} is ${different[1]}, not ${different[2]}`;
  return sizeDifference(logicalVolume.sizeBytes, request.range);
}

/** Stripes of a volume; 1 for a linear one. */
export function stripesOf(volume: LogicalVolume): number {
  return volume.segments[0]?.stripeCount ?? 1;
}

/** Bytes of one stripe; undefined for a linear volume. */
export function stripeBytesOf(volume: LogicalVolume): number | undefined {
  return stripesOf(volume) > 1 ? volume.segments[0]?.stripeBytes : undefined;
}

function kindOf(record: VolumeRecord): string {
  return record.filesystem ?? "raw block";
}

function sizeDifference(bytes: number, { required, limit }: SizeRange): string | undefined {
  if (bytes < required) return `it has ${bytes} bytes, fewer than the ${required} required`;
  if (limit > 0 && bytes > limit) return `it has ${bytes} bytes, more than the limit of ${limit}`;
  return undefined;
}
