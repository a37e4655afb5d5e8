import type { ByteRange } from "../host/host.ts";
import type { ExtentArea, LogicalVolume, Segment } from "../lvm/model.ts";

/** BLKZEROOUT is given at most this much at a time. */
const rangeBytes = 256 * 1024 ** 2;

/** Extents of a volume, or of one of its segments: from this one to, and without, that one. */
interface ExtentSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * Which bytes of what a volume has grown by lie on extents that were not zeroed beforehand. LVM was told the very
 * extents, so the answer should be none; it is looked at because a pod would see another tenant's data there. What lies
 * beyond the growth is not: somebody else has added it since, may have written there, and LVM may have joined it to the
 * same segment.
 */
export function unzeroedRanges(
  volume: LogicalVolume,
  growth: ExtentSpan,
  zeroed: readonly ExtentArea[],
  extentBytes: number,
): readonly ByteRange[] {
  const ranges: ByteRange[] = [];
  let start = 0;
  for (const segment of volume.segments) {
    const part = { from: Math.max(0, growth.from - start), to: Math.min(segment.extentCount, growth.to - start) };
    if (part.from < part.to && !liesIn(segment, part, zeroed)) {
      ranges.push({ offset: (start + part.from) * extentBytes, length: (part.to - part.from) * extentBytes });
    }
    start += segment.extentCount;
  }
  return ranges.flatMap(inSteps);
}

/** Whether all extents of that part of a segment lie in the areas. */
function liesIn(segment: Segment, part: ExtentSpan, areas: readonly ExtentArea[]): boolean {
  const [from, to] = [part.from / segment.areas.length, part.to / segment.areas.length];
  // A segment that lacks areas lies on other logical volumes, of which nothing is known.
  return (
    segment.areas.length === segment.stripeCount &&
    segment.areas.every((leg) => {
      const inside = areas
        .filter((area) => area.physicalVolume === leg.physicalVolume)
        .map((area) => Math.min(leg.start + to, area.start + area.count) - Math.max(leg.start + from, area.start))
        .filter((count) => count > 0)
        .reduce((sum, count) => sum + count, 0);
      return inside === to - from;
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
