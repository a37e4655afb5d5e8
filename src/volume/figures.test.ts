import { expect, test } from "@jest/globals";
import { LvmError } from "../errors.ts";
import type { BlockDevice } from "../host/host.ts";
import type { LogicalVolume, PhysicalVolume, VolumeGroupState } from "../lvm/model.ts";
import type { Context } from "./context.ts";
import { allGroupFigures } from "./figures.ts";

const MiB = 1024 ** 2;
const disk: BlockDevice = { name: "sda", number: "8:0", sizeBytes: 1, holders: [], mapping: undefined };

function volume(name: string, ...tags: readonly string[]): LogicalVolume {
  const mappingName = `vg0-${name}`;
  const mappingUuid = `LVM-${name}`;
  const of = { name, uuid: name, extentCount: 1, sizeBytes: 4 * MiB, segments: [], dependents: [] };
  return { ...of, tags: tags.map((tag) => `lvm.local.csi/${tag}`), mappingUuid, mappingName };
}

const volumes = [
  volume("active", "state=formatted", "fs=ext4"),
  volume("inactive", "state=ready", "fs=block"),
  volume("removing", "state=removing", "fs=ext4"),
  volume("growing", "state=growing", "fs=block"),
  volume("damaged", "state=what"),
  volume("foreign"),
];

function physicalVolume(freeExtents: number, change: Partial<PhysicalVolume> = {}): PhysicalVolume {
  return { uuid: "p", device: disk, allocatable: true, extentCount: 100, freeRanges: [], freeExtents, ...change };
}

function state(name: string, ...physicalVolumes: readonly PhysicalVolume[]): VolumeGroupState {
  return {
    name,
    uuid: "u",
    sequenceNumber: 1,
    extentBytes: 4 * MiB,
    physicalVolumes,
    logicalVolumes: new Map(volumes.map((one) => [one.name, one])),
    metadata: { usedBytes: 1000, capacityBytes: 500_000 },
  };
}

/** A context whose groups answer like this; of the volumes, the first has a device. */
function context(groups: Record<string, () => Promise<VolumeGroupState>>): Context {
  const mapping = { name: "vg0-active", uuid: "LVM-active", suspended: false };
  const findMapping = async (name: string) => (name === mapping.name ? { ...disk, mapping } : undefined);
  const entries = Object.entries(groups).map(([name, read]) => [name, { name, read }] as const);
  // no more of the context is used
  return { host: { devices: { findMapping } }, groups: new Map(entries), topologyValue: "n1" } as unknown as Context;
}

test("bytes as vgs(8) has them, and the driver's volumes alone", async () => {
  const group = state("vg0", physicalVolume(10), physicalVolume(5, { device: undefined, allocatable: false }));
  expect([...(await allGroupFigures(context({ vg0: async () => group })))]).toEqual([
    [
      "vg0",
      {
        sizeBytes: 800 * MiB,
        freeBytes: 60 * MiB,
        missingPhysicalVolumes: 1,
        metadataBytes: 500_000,
        metadataFreeBytes: 499_000,
        volumes: 4,
        abnormalVolumes: 3,
      },
    ],
  ]);
});

test("groups that cannot be read or do not answer hold up no other, and have no figures", async () => {
  const started = performance.now();
  const figures = await allGroupFigures(
    context({
      missing: () => Promise.reject(new LvmError("groupMissing", "gone")),
      hanging: () => new Promise(() => {}),
      well: async () => state("well", physicalVolume(1)),
    }),
  );
  expect(performance.now() - started).toBeLessThan(4000);
  expect([...figures].map(([name, one]) => [name, one?.freeBytes])).toEqual([
    ["missing", undefined],
    ["hanging", undefined],
    ["well", 4 * MiB],
  ]);
});
