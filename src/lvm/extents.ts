import type { ExtentRange } from "./model.ts";

/** The runs of extents of a physical volume that none of the used ranges touches, in order. */
export function freeRangesOf(extentCount: number, used: readonly ExtentRange[]): readonly ExtentRange[] {
  const free: ExtentRange[] = [];
  let next = 0;
  for (const range of used.toSorted((a, b) => a.start - b.start)) {
    if (range.start > next) free.push({ start: next, count: range.start - next });
    next = Math.max(next, range.start + range.count);
  }
  if (next < extentCount) free.push({ start: next, count: extentCount - next });
  return free;
}
