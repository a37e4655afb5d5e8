import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { diskImages, fakeDevice } from "./disk-images.fixture.ts";
import { freeRangesOf } from "./extents.ts";
import { parseMetadataText } from "./metadata-text.ts";
import { volumeGroupState } from "./volume-group-state.ts";

const text = diskImages()[0]
  .subarray(4096 + 7168, 4096 + 7168 + 1529)
  .toString("utf8");
const [first, second] = ["Eh52ckWbdMnX6j8Ewv3T097dHrJ3VaCo", "Bbbvxn5SsXiPAJ4Bi5TRdv0kOCP2vbDB"];
const metadata = { usedBytes: 1529, capacityBytes: 521_472 };
const devices = new Map([
  [first ?? "", fakeDevice("sda")],
  [second ?? "", fakeDevice("sdb")],
]);

function stateOf(content: string): ReturnType<typeof volumeGroupState> {
  return volumeGroupState(parseMetadataText(content), devices, metadata);
}

test("a real text becomes the group's state", () => {
  const state = stateOf(text);
  expect(state).toMatchObject({
    name: "vg-0",
    uuid: "dIdfPQU0DmUPLSK992QUfRh4mrR99eR1",
    sequenceNumber: 5,
    extentBytes: 4_194_304,
    metadata,
    physicalVolumes: [
      { uuid: first, extentCount: 31, freeExtents: 23, freeRanges: [{ start: 8, count: 23 }], allocatable: true },
      { uuid: second, extentCount: 31, freeExtents: 28, freeRanges: [{ start: 3, count: 28 }], allocatable: true },
    ],
  });
  expect(state.physicalVolumes.map((volume) => volume.device?.name)).toEqual(["sda", "sdb"]);
  expect(state.logicalVolumes.get("data-1")).toEqual({
    name: "data-1",
    uuid: "uNd2mGWPGY3XFayt36I1PvSD4dPlqOAb",
    tags: ["lvm.local.csi/state=ready", "a&20b"],
    extentCount: 5,
    sizeBytes: 20_971_520,
    segments: [
      { extentCount: 5, stripeCount: 1, stripeBytes: 0, areas: [{ physicalVolume: first, start: 0, count: 5 }] },
    ],
    dependents: [],
    mappingUuid: "LVM-dIdfPQU0DmUPLSK992QUfRh4mrR99eR1uNd2mGWPGY3XFayt36I1PvSD4dPlqOAb",
    mappingName: "vg--0-data--1",
  });
  expect(state.logicalVolumes.get("striped")?.segments).toEqual([
    {
      extentCount: 6,
      stripeCount: 2,
      stripeBytes: 65_536,
      areas: [
        { physicalVolume: first, start: 5, count: 3 },
        { physicalVolume: second, start: 0, count: 3 },
      ],
    },
  ]);
});

test("a stripe that pvmove is about to move still counts", () => {
  const moving = stateOf(text.replace('"pv1", 0', '"pvmove0", 0'));
  expect(moving).not.toEqual(stateOf(text));
  expect(moving.logicalVolumes.get("striped")?.segments).toEqual([
    { extentCount: 6, stripeCount: 2, stripeBytes: 65_536, areas: [{ physicalVolume: first, start: 5, count: 3 }] },
  ]);
});

test("a physical volume that LVM has marked as missing has no device", () => {
  const marked = stateOf(text.replace("flags = []\ndev_size", 'flags = ["MISSING"]\ndev_size'));
  expect(marked.physicalVolumes.map((volume) => volume.device?.name)).toEqual([undefined, "sdb"]);
  const closed = stateOf(text.replace('status = ["ALLOCATABLE"]', "status = []"));
  expect(closed.physicalVolumes.map((volume) => volume.allocatable)).toEqual([false, true]);
});

test.each([
  ["seqno = 5", "seqno = 99999999999999999999"],
  ["seqno = 5", "seqno = -5"],
  ["seqno = 5", 'seqno = "5"'],
  ["extent_size = 8192", ""],
  ["pe_count = 31", "pe_count = 3.5"],
  ['id = "dIdfPQ', 'id = "'],
  ["flags = []\ndev_size", "flags = 1\ndev_size"],
  ["vg-0 {", "other { }\nvg-0 {"],
])("%j replaced by %j is unreadable", (from, to) => {
  expect(() => stateOf(text.replace(from, to))).toThrow(expect.objectContaining({ kind: "groupUnreadable" }));
});

test("free ranges and used ones fill the physical volume", () => {
  const ranges = fc.array(fc.record({ start: fc.nat(40), count: fc.integer({ min: 1, max: 10 }) }));
  fc.assert(
    fc.property(ranges, (used) => {
      const isUsed = (extent: number): boolean =>
        used.some((range) => extent >= range.start && extent < range.start + range.count);
      const free = freeRangesOf(50, used).flatMap((range) =>
        Array.from({ length: range.count }, (_, i) => range.start + i),
      );
      expect(free).toEqual(Array.from({ length: 50 }, (_, extent) => extent).filter((extent) => !isUsed(extent)));
    }),
  );
});

test.each([
  ['status = ["RESIZEABLE", "READ", "WRITE", "EXPORTED"]', /is exported/],
  ['status = ["RESIZEABLE", "READ", "WRITE"]\nsystem_id = "other"', /belongs to the system "other"/],
  ['status = ["RESIZEABLE", "READ", "WRITE"]\nlock_type = "sanlock"', /is shared/],
])("a group that LVM on this machine may not use is as good as missing: %s", (status, message) => {
  const foreign = text.replace('status = ["RESIZEABLE", "READ", "WRITE"]', status);
  expect(foreign).not.toBe(text);
  expect(() => stateOf(foreign)).toThrow(
    expect.objectContaining({ kind: "groupMissing", message: expect.stringMatching(message) }),
  );
});
