import { expect, test } from "@jest/globals";
import { SystemError } from "../errors.ts";
import type { Devices } from "../host/host.ts";
import { commit, diskImages, fakeDevice, fakeDisks } from "./disk-images.fixture.ts";
import { VolumeGroupReader } from "./volume-group-reader.ts";

function readerOf(devices: Devices): VolumeGroupReader {
  return new VolumeGroupReader({ name: "vg-0", devices, excludedDirectory: "/kubelet" });
}

test("a group is unheard of while all devices answer and none has anything to do with it", async () => {
  const [first, second] = diskImages();
  const disks = fakeDisks([Buffer.alloc(16_384)]);
  const reader = readerOf(disks.devices);
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupMissing" });
  expect(reader.isHeardOf).toBe(false);
  disks.images.set("sdb", first).set("sdc", second);
  await reader.read("search");
  disks.images.delete("sdb");
  disks.images.delete("sdc");
  await expect(reader.read("search")).rejects.toMatchObject({ kind: "groupMissing" });
  expect(reader.isHeardOf).toBe(true);
});

test.each([
  ["vg--0-data", true],
  ["vg--0--1-data", false],
  ["vg-0-data", false],
])("a group is heard of where a volume of its own is active: %s", async (name, isHeardOf) => {
  const { devices } = fakeDisks([Buffer.alloc(16_384)]);
  const mapping = { name, uuid: "LVM-1", suspended: false };
  const list = async () => [...(await devices.list()), { ...fakeDevice("sdz"), sizeBytes: 0, mapping }];
  const reader = readerOf({ ...devices, list });
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupMissing" });
  expect(reader.isHeardOf).toBe(isHeardOf);
});

test("a group is heard of where one that LVM here may not use, or a device that cannot be read, may be it", async () => {
  const images = diskImages();
  for (const image of images) commit(image, (text) => text.replace('"RESIZEABLE"', '"EXPORTED"'));
  const exported = readerOf(fakeDisks(images).devices);
  await expect(exported.read()).rejects.toMatchObject({ kind: "groupMissing" });
  const disks = fakeDisks(diskImages());
  disks.beforeRead = () => Promise.reject(new SystemError("EIO", "bad"));
  const broken = readerOf(disks.devices);
  await expect(broken.read()).rejects.toMatchObject({ kind: "groupMissing" });
  expect([exported.isHeardOf, broken.isHeardOf]).toEqual([true, true]);
});
