import { expect, test } from "@jest/globals";
import type { ExtentArea, LogicalVolume, Segment } from "../lvm/model.ts";
import { unzeroedRanges } from "./grown-extents.ts";

const extent = 4 * 1024 ** 2;

function area(physicalVolume: string, start: number, count: number): ExtentArea {
  return { physicalVolume, start, count };
}

function segment(...areas: readonly ExtentArea[]): Segment {
  const extentCount = areas.reduce((sum, { count }) => sum + count, 0);
  return { extentCount, stripeBytes: 0, stripeCount: Math.max(1, areas.length), areas };
}

function volume(...segments: readonly Segment[]): LogicalVolume {
  const extentCount = segments.reduce((sum, each) => sum + each.extentCount, 0);
  return {
    name: "v",
    uuid: "u",
    tags: [],
    extentCount,
    sizeBytes: extentCount * extent,
    segments,
    dependents: [],
    mappingUuid: "LVM-u",
    mappingName: "vg0-v",
  };
}

test("extents that were zeroed need nothing, whether LVM joined them to the segment before or not", () => {
  const zeroed = [area("a", 4, 2), area("b", 0, 3)];
  const joined = volume(segment(area("a", 0, 6)), segment(area("b", 0, 3)));
  expect(unzeroedRanges(joined, { from: 4, to: 9 }, zeroed, extent)).toEqual([]);
  const apart = volume(segment(area("a", 0, 4)), segment(area("b", 1, 2)));
  expect(unzeroedRanges(apart, { from: 4, to: 6 }, zeroed, extent)).toEqual([]);
});

test("extents that were not zeroed are named, in the volume's own bytes", () => {
  const grown = volume(segment(area("a", 0, 4)), segment(area("a", 10, 2)), segment(area("b", 0, 3)));
  expect(unzeroedRanges(grown, { from: 4, to: 9 }, [area("b", 0, 3)], extent)).toEqual([
    { offset: 4 * extent, length: 2 * extent },
  ]);
});

test("of a segment that grew only the new extents are looked at", () => {
  const grown = volume(segment(area("a", 0, 6)));
  expect(unzeroedRanges(grown, { from: 4, to: 6 }, [area("a", 5, 1)], extent)).toEqual([
    { offset: 4 * extent, length: 2 * extent },
  ]);
});

test("each stripe must lie in zeroed extents", () => {
  const striped = volume(segment(area("a", 0, 3), area("b", 0, 3)));
  const growth = { from: 4, to: 6 };
  expect(unzeroedRanges(striped, growth, [area("a", 2, 1), area("b", 2, 1)], extent)).toEqual([]);
  expect(unzeroedRanges(striped, growth, [area("a", 2, 1)], extent)).toHaveLength(1);
});

test.each([
  ["joined to the same segment", volume(segment(area("a", 0, 9)))],
  ["put into a segment of its own", volume(segment(area("a", 0, 6)), segment(area("c", 0, 3)))],
  ["joined to the same stripes", volume(segment(area("a", 0, 4), area("b", 0, 4)))],
])("what somebody else has added since is left alone, and LVM has %s", (_, grown) => {
  const growth = { from: 4, to: 6 };
  expect(unzeroedRanges(grown, growth, [area("a", 2, 4), area("b", 2, 1)], extent)).toEqual([]);
  expect(unzeroedRanges(grown, growth, [], extent)).toEqual([{ offset: 4 * extent, length: 2 * extent }]);
});

test("a segment on other logical volumes is taken for not zeroed, in steps that the device takes", () => {
  const other: Segment = { extentCount: 100, stripeBytes: 0, stripeCount: 1, areas: [] };
  expect(unzeroedRanges(volume(other), { from: 0, to: 100 }, [], extent)).toEqual([
    { offset: 0, length: 256 * 1024 ** 2 },
    { offset: 256 * 1024 ** 2, length: 144 * 1024 ** 2 },
  ]);
});
