import { expect, test } from "@jest/globals";
import type { PhysicalVolume, VolumeGroupState } from "../lvm/model.ts";
import { describeRoom, extentsFor, roomFor } from "./room.ts";

const MiB = 1024 ** 2;
const device = { name: "sda", number: "8:0", sizeBytes: 1, holders: [], mapping: undefined };
const linear = { stripes: 1, stripeBytes: undefined };
const striped = { stripes: 2, stripeBytes: 65536 };
const nothing = { bytes: 0 };

function physicalVolume(uuid: string, freeExtents: number, change: Partial<PhysicalVolume> = {}): PhysicalVolume {
  return { uuid, device, allocatable: true, extentCount: 100, freeRanges: [], freeExtents, ...change };
}

function group(...physicalVolumes: readonly PhysicalVolume[]): VolumeGroupState {
  return {
    name: "vg0",
    uuid: "u",
    sequenceNumber: 1,
    extentBytes: 4 * MiB,
    physicalVolumes,
    logicalVolumes: new Map(),
    metadata: { usedBytes: 1000, capacityBytes: 521_472 },
  };
}

test("a linear volume can have all free extents of usable physical volumes, less the reserve", () => {
  const state = group(physicalVolume("a", 10), physicalVolume("b", 5), physicalVolume("c", 50, { allocatable: false }));
  expect(roomFor(state, linear, nothing)).toEqual({ extents: 15, bytes: 60 * MiB, physicalVolumes: undefined });
  expect(roomFor(state, linear, { bytes: 5 * MiB }).extents).toBe(13);
  expect(roomFor(state, linear, { percent: 1 }).extents).toBe(12);
  expect(roomFor(state, linear, { percent: 50 }).extents).toBe(0);
});

test("a group that lacks a physical volume has no room, and the message says so", () => {
  const state = group(physicalVolume("a", 10), physicalVolume("b", 5, { device: undefined }));
  const room = roomFor(state, linear, nothing);
  expect(room.extents).toBe(0);
  expect(describeRoom(state, room, nothing)).toMatch(/lacks 1 of its physical volumes/);
});

test("a striped volume is bound by the narrowest of the physical volumes with most room", () => {
  const state = group(physicalVolume("a", 10), physicalVolume("b", 3), physicalVolume("c", 7));
  expect(roomFor(state, striped, nothing)).toEqual({ extents: 14, bytes: 56 * MiB, physicalVolumes: ["a", "c"] });
  expect(roomFor(state, { ...striped, stripes: 4 }, nothing).extents).toBe(0);
  expect(roomFor(state, striped, { bytes: 9 * 4 * MiB }).extents).toBe(10);
});

test("a nearly full metadata area leaves no room, and the message says so", () => {
  const state = { ...group(physicalVolume("a", 10)), metadata: { usedBytes: 515_000, capacityBytes: 521_472 } };
  const room = roomFor(state, linear, nothing);
  expect(room.extents).toBe(0);
  expect(describeRoom(state, room, nothing)).toMatch(/metadata area of volume group vg0 is nearly full/);
});

test.each([
  [{ required: 0, limit: 0 }, 0, linear, 256],
  [{ required: 1, limit: 0 }, 0, linear, 1],
  [{ required: 4 * MiB + 1, limit: 0 }, 0, linear, 2],
  [{ required: 4 * MiB + 1, limit: 8 * MiB }, 0, linear, 2],
  [{ required: 0, limit: 10 * MiB }, 0, linear, 2],
  [{ required: 4 * MiB, limit: 0 }, 300 * MiB, linear, 75],
  [{ required: 4 * MiB, limit: 0 }, 0, striped, 2],
  [{ required: 9 * MiB, limit: 16 * MiB }, 0, striped, 4],
])("%j with a minimum of %d bytes, %j: %d extents", (range, minimum, layout, extents) => {
  expect(extentsFor(range, minimum, group(), layout)).toBe(extents);
});

test.each([
  [{ required: 4 * MiB + 1, limit: 8 * MiB - 1 }, 0, linear],
  [{ required: 0, limit: 1 * MiB }, 0, linear],
  [{ required: 4 * MiB, limit: 100 * MiB }, 300 * MiB, linear],
  [{ required: 1, limit: 4 * MiB }, 0, striped],
])("%j with a minimum of %d bytes, %j cannot be had", (range, minimum, layout) => {
  expect(() => extentsFor(range, minimum, group(), layout)).toThrow(expect.objectContaining({ kind: "outOfRange" }));
});
