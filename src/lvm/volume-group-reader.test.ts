import { expect, test } from "@jest/globals";
import type { Devices } from "../host/host.ts";
import { checksum } from "./checksum.ts";
import { commit, diskImages, fakeDisks } from "./disk-images.fixture.ts";
import { VolumeGroupReader } from "./volume-group-reader.ts";

const headerOffset = 4096;

function readerOf(devices: Devices): VolumeGroupReader {
  return new VolumeGroupReader({ name: "vg-0", devices, excludedDirectory: "/kubelet" });
}

const nextSequenceNumber = (text: string): string => text.replace("seqno = 5", "seqno = 6");

test("a group that has not changed is read from its headers alone", async () => {
  const disks = fakeDisks(diskImages());
  const reader = readerOf(disks.devices);
  const first = await reader.read();
  disks.reads.length = 0;
  expect((await reader.read()).state).toBe(first.state);
  expect(disks.reads.toSorted()).toEqual(["sda", "sdb"]);
});

test("the newest text counts, and the one that is whole", async () => {
  const [first, second] = diskImages();
  commit(first, nextSequenceNumber);
  const disks = fakeDisks([first, second]);
  const reader = readerOf(disks.devices);
  expect((await reader.read()).state.sequenceNumber).toBe(6);
  commit(second, nextSequenceNumber);
  first.write("damaged", headerOffset + 9216 + 100);
  expect((await readerOf(disks.devices).read()).state.sequenceNumber).toBe(6);
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
  expect((await readerOf(disks.devices).read()).state.sequenceNumber).toBe(6);
  expect(readings).toBeGreaterThan(1);
});

test("a group that never stands still is unreadable", async () => {
  const images = diskImages();
  const disks = fakeDisks(images);
  disks.beforeRead = () => {
    images[0].writeUInt32LE(images[0].readUInt32LE(1020) + 1, 1020);
    images[0].writeUInt32LE(checksum(images[0].subarray(532, 1024)), 528);
  };
  const reading = readerOf(disks.devices).read();
  await expect(reading).rejects.toMatchObject({ kind: "groupUnreadable" });
});

test("a copy of a disk is ambiguous, a missing disk is not", async () => {
  const [first, second] = diskImages();
  const twice = readerOf(fakeDisks([first, second, Buffer.from(second)]).devices);
  await expect(twice.read()).rejects.toMatchObject({ kind: "groupAmbiguous" });
  const alone = await readerOf(fakeDisks([second]).devices).read();
  expect(alone.state.physicalVolumes.map((volume) => volume.device?.name)).toEqual([undefined, "sda"]);
  const none = readerOf(fakeDisks([Buffer.alloc(16_384)]).devices);
  await expect(none.read()).rejects.toMatchObject({ kind: "groupMissing" });
});

test("a disk that fails drops out, and is found again", async () => {
  const [first, second] = diskImages();
  const disks = fakeDisks([first, second]);
  const reader = readerOf(disks.devices);
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
  const reader = readerOf(disks.devices);
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupMissing" });
  disks.reads.length = 0;
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupMissing" });
  expect(disks.reads).toEqual([]);
  await expect(reader.read("thorough")).rejects.toMatchObject({ kind: "groupMissing" });
  expect(disks.reads).toEqual(["sda"]);
});

const [firstUuid, secondUuid] = ["Eh52ck-WbdM-nX6j-8Ewv-3T09-7dHr-J3VaCo", "Bbbvxn-5SsX-iPAJ-4Bi5-TRdv-0kOC-P2vbDB"];
const strangeUuid = "Forged-0000-0000-0000-0000-0000-000000";

/** A disk that claims to be the newest of the group, made by one who knows all but the uuids that count. */
function forged(change: (text: string) => string, uuid = strangeUuid): Buffer {
  const [, image] = diskImages();
  image.write(uuid.replaceAll("-", ""), 512 + 32, "latin1");
  image.writeUInt32LE(checksum(image.subarray(532, 1024)), 528);
  commit(image, (text) => change(text.replace("seqno = 5", "seqno = 99")));
  return image;
}

const onItsOwn = (text: string): string =>
  text.replace(secondUuid, strangeUuid).replace(firstUuid, strangeUuid.replace("F", "G"));

/** Forgeries that name themselves in place of the second disk; the last one is not named by its own text. */
const forgeries = [
  onItsOwn,
  (text: string): string => text.replace(secondUuid, strangeUuid),
  (text: string): string => text.replace(secondUuid, strangeUuid).replace("dIdfPQ", "Forged"),
];

test.each(forgeries)("a forged disk that comes later changes nothing: %#", async (forgery) => {
  const [first, second] = diskImages();
  const disks = fakeDisks([first, second]);
  const reader = readerOf(disks.devices);
  const { state } = await reader.read();
  disks.images.set("sdc", forged(forgery));
  expect((await reader.read("thorough")).state).toEqual(state);
  expect((await reader.read("search")).members.map((one) => one.device.name)).toEqual(["sda", "sdb"]);
  commit(first, nextSequenceNumber);
  expect((await reader.read("thorough")).state.sequenceNumber).toBe(6);
});

test("a forged disk does not stand in for a group that is gone", async () => {
  const disks = fakeDisks(diskImages());
  const reader = readerOf(disks.devices);
  await reader.read();
  const [first] = [disks.images.get("sda"), disks.images.delete("sda"), disks.images.delete("sdb")];
  for (const forgery of forgeries) {
    disks.images.set("sdc", forged(forgery));
    await expect(reader.read("thorough")).rejects.toMatchObject({ kind: "groupMissing" });
  }
  if (first !== undefined) disks.images.set("sdd", first);
  const { state } = await reader.read("thorough");
  expect(state.physicalVolumes.map((volume) => volume.device?.name)).toEqual(["sdd", undefined]);
});

test.each(forgeries)("a forged disk that is there from the start makes the group ambiguous: %#", async (forgery) => {
  const reader = readerOf(fakeDisks([...diskImages(), forged(forgery)]).devices);
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupAmbiguous" });
});

test("a group is not taken for another one of its name whose metadata are damaged", async () => {
  const [first, second] = diskImages();
  const stranger = forged(onItsOwn);
  first.write("damaged", headerOffset + 7168 + 100);
  second.write("damaged", headerOffset + 7168 + 100);
  const disks = fakeDisks([first, second]);
  const reader = readerOf(disks.devices);
  await expect(reader.read()).rejects.toMatchObject({ kind: "groupUnreadable" });
  disks.images.set("sdc", stranger);
  await expect(reader.read("thorough")).rejects.toMatchObject({ kind: "groupAmbiguous" });
  first.fill(0, headerOffset + 7168, headerOffset + 7168 + 512);
  second.fill(0, headerOffset + 7168, headerOffset + 7168 + 512);
  await expect(readerOf(disks.devices).read()).rejects.toMatchObject({ kind: "groupAmbiguous" });
  disks.images.delete("sda");
  disks.images.delete("sdb");
  expect((await reader.read("thorough")).members.map((one) => one.device.name)).toEqual(["sdc"]);
});

test("a text that does not name its own disk says nothing", async () => {
  const [first, second] = diskImages();
  const disks = fakeDisks([first, second, forged((text) => text)]);
  expect((await readerOf(disks.devices).read()).state.sequenceNumber).toBe(5);
});

test("a stale disk, and one that has left the group, change nothing", async () => {
  const [first, second] = diskImages();
  commit(second, nextSequenceNumber);
  const disks = fakeDisks([first, second]);
  expect((await readerOf(disks.devices).read()).state.sequenceNumber).toBe(6);
  const [stale, alone] = diskImages();
  commit(alone, (text) => nextSequenceNumber(text).replace(firstUuid, strangeUuid));
  const { state, members } = await readerOf(fakeDisks([stale, alone]).devices).read();
  expect(state.sequenceNumber).toBe(6);
  expect(members.map((one) => one.device.name)).toEqual(["sdb"]);
});

test("a disk joins a known group when a known disk names it", async () => {
  const [first, second] = diskImages();
  const disks = fakeDisks([first, second]);
  const reader = readerOf(disks.devices);
  await reader.read();
  const extend = (text: string): string =>
    nextSequenceNumber(text).replace(
      "pv1 {",
      `pv2 { id = "${strangeUuid}"\n status = ["ALLOCATABLE"]\n flags = []\n pe_count = 31 }\npv1 {`,
    );
  disks.images.set(
    "sdc",
    forged((text) => extend(text).replace("seqno = 99", "seqno = 6")),
  );
  expect((await reader.read("thorough")).members).toHaveLength(2);
  commit(first, extend);
  const { state, members } = await reader.read("thorough");
  expect(members.map((one) => one.device.name)).toEqual(["sda", "sdb", "sdc"]);
  expect(state.physicalVolumes.map((volume) => volume.uuid)).toContain(strangeUuid.replaceAll("-", ""));
});
