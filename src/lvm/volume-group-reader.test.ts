import { expect, test } from "@jest/globals";
import { checksum } from "./checksum.ts";
import { diskImages, fakeDevice, fakeDisks } from "./disk-images.fixture.ts";
import { LabelScan } from "./label-scan.ts";
import { VolumeGroupReader } from "./volume-group-reader.ts";

const headerOffset = 4096;

/** Changes a disk as a commit does: another text behind the old one, then the header. */
function commit(image: Buffer, change: (text: string) => string): void {
  const offset = Number(image.readBigUInt64LE(headerOffset + 40));
  const bytes = Number(image.readBigUInt64LE(headerOffset + 48));
  const text = Buffer.from(change(image.toString("utf8", headerOffset + offset, headerOffset + offset + bytes)));
  text.copy(image, headerOffset + offset + 2048);
  image.writeBigUInt64LE(BigInt(offset + 2048), headerOffset + 40);
  image.writeBigUInt64LE(BigInt(text.length), headerOffset + 48);
  image.writeUInt32LE(checksum(text), headerOffset + 56);
  image.writeUInt32LE(checksum(image.subarray(headerOffset + 4, headerOffset + 512)), headerOffset);
}

const nextSequenceNumber = (text: string): string => text.replace("seqno = 5", "seqno = 6");

test("a group that has not changed is read from its headers alone", async () => {
  const disks = fakeDisks(diskImages());
  const reader = new VolumeGroupReader("vg-0", disks.devices);
  const first = await reader.read();
  disks.reads.length = 0;
  expect((await reader.read()).state).toBe(first.state);
  expect(disks.reads.toSorted()).toEqual(["sda", "sdb"]);
});

test("the newest text counts, and the one that is whole", async () => {
  const [first, second] = diskImages();
  commit(first, nextSequenceNumber);
  const disks = fakeDisks([first, second]);
  const reader = new VolumeGroupReader("vg-0", disks.devices);
  expect((await reader.read()).state.sequenceNumber).toBe(6);
  commit(second, nextSequenceNumber);
  first.write("damaged", headerOffset + 9216 + 100);
  expect((await new VolumeGroupReader("vg-0", disks.devices).read()).state.sequenceNumber).toBe(6);
});

test("a commit in the middle of a reading is read whole", async () => {
  const images = diskImages();
  const disks = fakeDisks(images);
  let readings = 0;
  disks.beforeRead = (_name, ranges) => {
    const isText = ranges.every((range) => range.offset > headerOffset);
    readings += isText ? 1 : 0;
    if (isText && readings === 1) images.forEach((image) => commit(image, nextSequenceNumber));
  };
  expect((await new VolumeGroupReader("vg-0", disks.devices).read()).state.sequenceNumber).toBe(6);
  expect(readings).toBeGreaterThan(1);
});

test("a group that never stands still is unreadable", async () => {
  const images = diskImages();
  const disks = fakeDisks(images);
  disks.beforeRead = () => {
    images[0].writeUInt32LE(images[0].readUInt32LE(1020) + 1, 1020);
    images[0].writeUInt32LE(checksum(images[0].subarray(532, 1024)), 528);
  };
  const reading = new VolumeGroupReader("vg-0", disks.devices).read();
  await expect(reading).rejects.toMatchObject({ kind: "groupUnreadable" });
});

test("a copy of a disk is ambiguous, a missing disk is not", async () => {
  const [first, second] = diskImages();
  const twice = new VolumeGroupReader("vg-0", fakeDisks([first, second, Buffer.from(second)]).devices);
  await expect(twice.read()).rejects.toMatchObject({ kind: "groupAmbiguous" });
  const alone = await new VolumeGroupReader("vg-0", fakeDisks([second]).devices).read();
  expect(alone.state.physicalVolumes.map((volume) => volume.device?.name)).toEqual([undefined, "sda"]);
  const none = new VolumeGroupReader("vg-0", fakeDisks([Buffer.alloc(16_384)]).devices);
  await expect(none.read()).rejects.toMatchObject({ kind: "groupMissing" });
});

test("a disk that fails drops out, and is found again", async () => {
  const [first, second] = diskImages();
  const disks = fakeDisks([first, second]);
  const reader = new VolumeGroupReader("vg-0", disks.devices);
  await reader.read();
  disks.beforeRead = (name) => {
    if (name === "sdb") disks.images.delete("sdb");
  };
  const without = (await reader.read()).state;
  expect(without.physicalVolumes.map((volume) => volume.device?.name)).toEqual(["sda", undefined]);
  disks.beforeRead = () => {};
  disks.images.set("sdc", second);
  const again = (await reader.read("thorough")).state;
  expect(again.physicalVolumes.map((volume) => volume.device?.name)).toEqual(["sda", "sdc"]);
});

test("a missing group is looked for once a second, or when that is asked for", async () => {
  const disks = fakeDisks([Buffer.alloc(16_384)]);
  const reader = new VolumeGroupReader("vg-0", disks.devices);
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupMissing" });
  disks.reads.length = 0;
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupMissing" });
  expect(disks.reads).toEqual([]);
  await expect(reader.read("thorough")).rejects.toMatchObject({ kind: "groupMissing" });
  expect(disks.reads).toEqual(["sda"]);
});

test("a disk that hangs is passed over, and not asked again while it does", async () => {
  const disks = fakeDisks(diskImages());
  const hang = Promise.withResolvers<void>();
  disks.beforeRead = (name) => (name === "sda" ? hang.promise : undefined);
  const scan = new LabelScan(disks.devices, 20);
  const reading = new VolumeGroupReader("other", disks.devices, new LabelScan(disks.devices, 20)).read();
  await expect(reading).rejects.toMatchObject({ kind: "groupUnreadable" });
  disks.reads.length = 0;
  const candidates = [fakeDevice("sda"), fakeDevice("sdb")];
  expect((await scan.find(candidates)).map((one) => one.device.name)).toEqual(["sdb"]);
  expect((await scan.find(candidates)).map((one) => one.device.name)).toEqual(["sdb"]);
  expect(disks.reads.filter((name) => name === "sda")).toHaveLength(1);
  hang.resolve();
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await scan.find(candidates)).toHaveLength(2);
});
