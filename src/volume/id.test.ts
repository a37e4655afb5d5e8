import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { formatVolumeId, logicalVolumeName, parseVolumeId, scratchName } from "./id.ts";

const claim = "pvc-0a1b2c3d-0000-4000-8000-0123456789ab";

test("an id is read back as it was written", () => {
  const id = { topologyValue: "node-1.example", volumeGroup: "vg0", logicalVolume: claim };
  expect(formatVolumeId(id)).toBe(`node-1.example/vg0/${claim}`);
  expect(parseVolumeId(formatVolumeId(id))).toEqual(id);
});

test.each([
  "",
  "fake-vol-id",
  `n1/${claim}`,
  `n1/vg0/${claim}/`,
  `n1/vg0/${claim}/x`,
  `n1/../${claim}`.replace("..", "-vg"),
  `../vg0/${claim}`,
  `n1//${claim}`,
  "n1/vg0/../sda1",
  "n1/vg0/data",
  "n1/vg0/grow-pvc-0a1b2c3d-0000-4000-8000-0123456789ab",
  `n1/vg0/${claim}\n`,
  `N1/vg0/${claim}`,
  `n1/vg 0/${claim}`,
  `${"n".repeat(64)}/vg0/${claim}`,
])("%j cannot be an id of this driver", (text) => {
  expect(parseVolumeId(text)).toBeUndefined();
});

test("the provisioner's names are kept, all others become a digest of their own", () => {
  expect(logicalVolumeName(claim)).toBe(claim);
  expect(logicalVolumeName("pvc-1")).toMatch(/^csi-[0-9a-f]{32}$/);
  expect(logicalVolumeName("a")).not.toBe(logicalVolumeName("b"));
});

test("whatever the name, the id made of it is one of the driver's, and its scratch volume's is not", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 128 }), (name) => {
      const id = { topologyValue: "n1", volumeGroup: "vg0", logicalVolume: logicalVolumeName(name) };
      expect(parseVolumeId(formatVolumeId(id))).toEqual(id);
      expect(parseVolumeId(`n1/vg0/${scratchName(id.logicalVolume)}`)).toBeUndefined();
    }),
  );
});
