import type { ByteRange } from "../host/host.ts";
import type { ExtentArea, LogicalVolume, Segment } from "../lvm/model.ts";

/** BLKZEROOUT is given at most this much at a time. */
const rangeBytes = 256 * 1024 ** 2;

/**
 * Which bytes of a grown volume lie on extents that were not zeroed beforehand. LVM was told the very extents, so the
 * answer should be none; it is looked at because a pod would see another tenant's data there.
 */
export function unzeroedRanges(
  volume: LogicalVolume,
  oldExtents: number,
  zeroed: readonly ExtentArea[],
  extentBytes: number,
): readonly ByteRange[] {
  const ranges: ByteRange[] = [];
  let start = 0;
  for (const segment of volume.segments) {
    const skip = Math.max(0, oldExtents - start);
    if (skip < segment.extentCount && !liesIn(segment, skip, zeroed)) {
      ranges.push({ offset: (start + skip) * extentBytes, length: (segment.extentCount - skip) * extentBytes });
    }
    start += segment.extentCount;
  }
  return ranges.flatMap(inSteps);
}

/** Whether all extents of a segment, but its first `skip`, lie in the areas. */
function liesIn(segment: Segment, skip: number, areas: readonly ExtentArea[]): boolean {
  const skipEach = skip / segment.areas.length;
  // A segment that lacks areas lies on other logical volumes, of which nothing is known.
  return (
    segment.areas.length === segment.stripeCount &&
    segment.areas.every((leg) => {
      const end = leg.start + leg.count;
      const inside = areas
        .filter((area) => area.physicalVolume === leg.physicalVolume)
        .map((area) => Math.min(end, area.start + area.count) - Math.max(leg.start + skipEach, area.start))
        .filter((count) => count > 0)
        .reduce((sum, count) => sum + count, 0);
      return inside === leg.count - skipEach;
    })
  );
}

function inSteps(range: ByteRange): readonly ByteRange[] {
  const steps = [];
  for (let done = 0; done < range.length; done += rangeBytes) {
    steps.push({ offset: range.offset + done, length: Math.min(rangeBytes, range.length - done) });
  }
  return steps;
}
