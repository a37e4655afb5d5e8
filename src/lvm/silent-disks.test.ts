import { expect, test } from "@jest/globals";
import { SystemError } from "../errors.ts";
import type { Devices } from "../host/host.ts";
import { diskImages, fakeDevice, fakeDisks } from "./disk-images.fixture.ts";
import { VolumeGroupReader } from "./volume-group-reader.ts";

const patienceMilliseconds = 20;

function readerOf(devices: Devices): VolumeGroupReader {
  return new VolumeGroupReader({ name: "vg-0", devices, excludedDirectory: "/kubelet", patienceMilliseconds });
}

test("a disk that hangs is passed over, and not asked again while it does", async () => {
  const disks = fakeDisks([...diskImages(), Buffer.alloc(16_384)]);
  const hang = Promise.withResolvers<void>();
  disks.beforeRead = (name) => (name === "sdc" ? hang.promise : undefined);
  const reader = readerOf(disks.devices);
  await reader.read("search");
  await reader.read("search");
  expect(disks.reads.filter((name) => name === "sdc")).toHaveLength(1);
  disks.images.delete("sda");
  disks.images.delete("sdb");
  await expect(reader.read("search")).rejects.toMatchObject({ kind: "groupUnreadable" });
  hang.resolve();
  await new Promise((resolve) => setTimeout(resolve, 10));
  await expect(reader.read("search")).rejects.toMatchObject({ kind: "groupMissing" });
});

/** The disks as device-mapper devices, of which a suspended one is not read. */
function suspending(disks: ReturnType<typeof fakeDisks>, isSuspended: (name: string) => boolean): Devices {
  disks.beforeRead = (name) => {
    if (isSuspended(name)) throw new SystemError("EAGAIN", "it is suspended");
  };
  return {
    ...disks.devices,
    list: async () =>
      Array.from(disks.images.keys(), (name) => {
        return { ...fakeDevice(name), mapping: { name, uuid: name, suspended: isSuspended(name) } };
      }),
  };
}

test("a group whose disks are suspended is unreadable, not missing", async () => {
  const disks = fakeDisks(diskImages());
  let suspended = true;
  const reader = readerOf(suspending(disks, () => suspended));
  await expect(reader.read()).rejects.toMatchObject({
    kind: "groupUnreadable",
    message: expect.stringContaining("sda, sdb"),
  });
  suspended = false;
  expect((await reader.read("thorough")).members).toHaveLength(2);
});

test("a copy of a disk is not believed while the group's own disks are suspended", async () => {
  const disks = fakeDisks([...diskImages(), diskImages()[1]]);
  let suspended = true;
  const reader = readerOf(suspending(disks, (name) => suspended && name !== "sdc"));
  await reader.read();
  await expect(reader.requireCertain()).rejects.toMatchObject({ kind: "groupUnreadable" });
  suspended = false;
  await expect(reader.read("thorough")).rejects.toMatchObject({ kind: "groupAmbiguous" });
  disks.images.delete("sdc");
  await reader.read("thorough");
  await reader.requireCertain();
});

test("a disk of the group that hangs later counts as missing until it answers", async () => {
  const disks = fakeDisks(diskImages());
  const reader = readerOf(disks.devices);
  await reader.read();
  const hang = Promise.withResolvers<void>();
  disks.beforeRead = (name) => (name === "sdb" ? hang.promise : undefined);
  const without = await Promise.all([reader.read(), reader.read()]);
  for (const { state } of without) {
    expect(state.physicalVolumes.map((volume) => volume.device?.name)).toEqual(["sda", undefined]);
  }
  disks.beforeRead = () => hang.promise;
  await expect(reader.read("search")).rejects.toMatchObject({ kind: "groupUnreadable" });
  hang.resolve();
  await new Promise((resolve) => setTimeout(resolve, 10));
  const { state } = await reader.read("thorough");
  expect(state.physicalVolumes.map((volume) => volume.device?.name)).toEqual(["sda", "sdb"]);
});
