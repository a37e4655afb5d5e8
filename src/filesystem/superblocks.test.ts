import { afterAll, expect, test } from "@jest/globals";
import { copyFileSync, truncateSync } from "node:fs";
import { check } from "./check.ts";
import type { Contents } from "./contents.ts";
import { needsGrowth } from "./grow.ts";
import { make } from "./make.ts";
import { parseMkfsOptions } from "./mkfs-options.ts";
import { type FilesystemName, filesystemNames, minimumBytes } from "./names.ts";
import { MEBIBYTE, imageDirectory, probeImage, programs, read, succeed, write } from "./test-image.ts";

const images = imageDirectory();
afterAll(() => images.remove());

const SIZE = 400 * MEBIBYTE;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

async function made(filesystem: FilesystemName, options = "", size = SIZE): Promise<string> {
  const image = images.blank(size);
  await make(programs, filesystem, image, { force: false, extra: parseMkfsOptions(filesystem, options) });
  return image;
}

function fresh(filesystem: FilesystemName, size = SIZE): Contents {
  return {
    kind: "filesystem",
    filesystem,
    uuid: expect.stringMatching(UUID) as unknown as string, // Jest's matchers have no type of what they match.
    sizeBytes: size,
    everMounted: false,
    needsCheck: false,
  };
}

/** Changes one byte of an image. */
function flip(image: string, offset: number): void {
  const byte = read(image, [{ offset, length: 1 }])[0]?.[0] ?? 0;
  write(image, offset, Uint8Array.of(byte ^ 0xff));
}

function zero(image: string, offset: number, length: number): void {
  write(image, offset, new Uint8Array(length));
}

test.each(filesystemNames)("a fresh %s is known, was never mounted, needs no check", async (filesystem) => {
  expect(await probeImage(await made(filesystem))).toEqual(fresh(filesystem));
});

test.each(filesystemNames)("the smallest %s is made", async (filesystem) => {
  const size = minimumBytes(filesystem);
  expect(await probeImage(await made(filesystem, "", size))).toEqual(fresh(filesystem, size));
});

test.each([
  ["ext4", "-b 1024"],
  ["ext4", "-b 2048 -O ^64bit,^metadata_csum"],
  ["ext4", "-O ^has_journal -I 128 -T largefile"],
  ["ext4", "-E stride=16,stripe_width=64,packed_meta_blocks=1,lazy_itable_init=0 -J size=8"],
  ["xfs", "-l su=32k -m reflink=0"],
  ["xfs", "-s size=4096 -m bigtime=1,inobtcount=1 -i nrext64=0,size=1024"],
  ["xfs", "-b size=1024 -m rmapbt=1"],
  ["btrfs", "--csum sha256 -d dup -m single"],
  ["btrfs", "--csum xxhash -n 32k"],
  ["btrfs", "--csum blake2 -O ^no-holes"],
] as const)("%s made with %j is known as fresh too", async (filesystem, options) => {
  expect(await probeImage(await made(filesystem, options))).toEqual(fresh(filesystem));
});

test.each(filesystemNames)("%s does not take a device that is cut short", async (filesystem) => {
  const image = await made(filesystem);
  truncateSync(image, SIZE / 2);
  const contents = await probeImage(image);
  expect(contents).toEqual({
    kind: "other",
    description: `damaged ${filesystem}: it has ${SIZE} bytes, the device only ${SIZE / 2}`,
  });
});

test.each([
  ["ext4", 1024 + 0x100],
  ["xfs", 300],
  ["btrfs", 65536 + 0x300],
] as const)("one wrong bit in the superblock of %s is found", async (filesystem, offset) => {
  const image = await made(filesystem);
  flip(image, offset);
  const description = `damaged ${filesystem}: the checksum of its superblock is wrong`;
  expect(await probeImage(image)).toEqual({ kind: "other", description });
});

test("a wrong bit is found under sha256 too", async () => {
  const image = await made("btrfs", "--csum sha256");
  flip(image, 65536 + 0x300);
  expect(await probeImage(image)).toMatchObject({ kind: "other", description: expect.stringContaining("checksum") });
});

test.each([
  ["ext4", "", "damaged ext4: only the copy of its superblock at byte 134217728 is left"],
  ["ext4", "-b 1024", "damaged ext4: only the copy of its superblock at byte 8389632 is left"],
  ["ext4", "-b 2048", "damaged ext4: only the copy of its superblock at byte 33554432 is left"],
  ["xfs", "", `damaged xfs: only the copy of its superblock at byte ${SIZE / 4} is left`],
  ["btrfs", "", "damaged btrfs: only the mirror of its superblock at byte 67108864 is left"],
] as const)("%s %s whose first 2 MiB are gone is not blank", async (filesystem, options, description) => {
  const image = await made(filesystem, options);
  zero(image, 0, 2 * MEBIBYTE);
  expect(await probeImage(image)).toEqual({ kind: "other", description });
});

test.each(filesystemNames)("a wiped first superblock of %s is not blank", async (filesystem) => {
  const image = await made(filesystem);
  const offset = { ext4: 1024, xfs: 0, btrfs: 65536 }[filesystem];
  zero(image, offset, 4096);
  const contents = await probeImage(image);
  expect(contents.kind).toBe("other");
});

test("copies in the place of the first superblock are damage", async () => {
  const ext4 = await made("ext4", "-O ^metadata_csum");
  write(ext4, 1024, read(ext4, [{ offset: 128 * MEBIBYTE, length: 1024 }])[0] ?? "");
  const btrfs = await made("btrfs");
  write(btrfs, 65536, read(btrfs, [{ offset: 64 * MEBIBYTE, length: 4096 }])[0] ?? "");
  for (const [image, word] of [
    [ext4, "copy"],
    [btrfs, "mirror"],
  ] as const) {
    expect(await probeImage(image)).toMatchObject({ kind: "other", description: expect.stringContaining(word) });
  }
});

test("mkfs that was ended in the middle is recognised", async () => {
  const xfs = await made("xfs");
  await succeed("xfs_db", "-x", "-c", "sb 0", "-c", "write inprogress 1", xfs);
  expect(await probeImage(xfs)).toMatchObject({ description: expect.stringContaining("unfinished xfs") });
  const btrfs = await made("btrfs");
  write(btrfs, 65536 + 0x40, "!BHRfS_M");
  expect(await probeImage(btrfs)).toMatchObject({ description: expect.stringContaining("unfinished btrfs") });
  const ext4 = await made("ext4");
  zero(ext4, 0, SIZE / 2);
  expect((await probeImage(ext4)).kind).toBe("other");
});

test.each([
  ["the end of the device", SIZE - 512, "EFI PART"],
  ["the boot block", 0, "LUKS\u00ba\u00be"],
  ["the place of btrfs", 65536 + 0x40, "_BHRfS_M"],
] as const)("a valid ext4 counts before remains of something else at %s", async (_place, offset, bytes) => {
  const image = await made("ext4");
  write(image, offset, bytes);
  expect(await probeImage(image)).toEqual(fresh("ext4"));
});

test("ext4 made over btrfs and xfs made over ext4 are what was made last", async () => {
  const image = await made("btrfs");
  await make(programs, "ext4", image, { force: true, extra: [] });
  expect(await probeImage(image)).toEqual(fresh("ext4"));
  await make(programs, "xfs", image, { force: true, extra: [] });
  expect(await probeImage(image)).toEqual(fresh("xfs"));
});

test.each([["mnt_count 1"], ["mtime 20260101000000"], ["last_mounted /data"], ["feature_incompat 0x2c6"]])(
  "ext4 with %s was mounted",
  async (change) => {
    const image = await made("ext4");
    await succeed("debugfs", "-w", "-R", `set_super_value ${change}`, image);
    expect(await probeImage(image)).toMatchObject({ everMounted: true });
  },
);

test("xfs whose log or superblock was written to, or whose log was not read, was mounted", async () => {
  const original = await made("xfs");
  const byLog = `${original}.log`;
  copyFileSync(original, byLog);
  const log = await logOffset(original);
  write(byLog, log + 1024, Uint8Array.of(0xfe));
  expect(await probeImage(byLog)).toMatchObject({ everMounted: true });
  await succeed("xfs_db", "-x", "-c", "sb 0", "-c", "write -d lsn 0x100000008", original);
  expect(await probeImage(original)).toMatchObject({ kind: "filesystem", everMounted: true });
});

test("an error that the kernel recorded makes ext4 need a check, and e2fsck clears it", async () => {
  const image = await made("ext4");
  await succeed("debugfs", "-w", "-R", "set_super_value state 3", image);
  expect(await probeImage(image)).toMatchObject({ needsCheck: true });
  await check(programs, "ext4", image);
  expect(await probeImage(image)).toMatchObject({ needsCheck: false });
});

test("an ext4 that e2fsck cannot correct by itself is left to the operator", async () => {
  const image = await made("ext4");
  await succeed("debugfs", "-w", "-R", "set_super_value state 2", image);
  zero(image, 4096, 4 * MEBIBYTE);
  await expect(check(programs, "ext4", image)).rejects.toMatchObject({
    kind: "failedPrecondition",
    message: expect.stringContaining(`run "e2fsck -f ${image}"`),
  });
});

test("an xfs marked as needing repair is left to the operator", async () => {
  const image = await made("xfs");
  await succeed("xfs_db", "-x", "-c", "sb 0", "-c", "write features_incompat 0x13", image);
  expect(await probeImage(image)).toMatchObject({ kind: "filesystem", needsCheck: true });
  await expect(check(programs, "xfs", image)).rejects.toMatchObject({
    kind: "failedPrecondition",
    message: expect.stringContaining(`xfs_repair ${image}`),
  });
});

test("a filesystem smaller than its device needs growth", async () => {
  const contents = await probeImage(await made("ext4"));
  expect(needsGrowth(contents, SIZE)).toBe(false);
  expect(needsGrowth(contents, SIZE + 4 * MEBIBYTE)).toBe(true);
  expect(needsGrowth({ kind: "blank" }, SIZE)).toBe(false);
  expect(needsGrowth(fresh("btrfs", 128 * MEBIBYTE), 255 * MEBIBYTE)).toBe(false);
  expect(needsGrowth(fresh("btrfs", 128 * MEBIBYTE), 256 * MEBIBYTE)).toBe(true);
});

async function logOffset(image: string): Promise<number> {
  const { stdout } = await programs.run("xfs_db", [
    "-r",
    "-c",
    "sb 0",
    "-c",
    "print logstart",
    "-c",
    "convert fsblock 1 byte",
    image,
  ]);
  const start = Number(/logstart = (\d+)/.exec(stdout)?.[1]);
  const converted = await programs.run("xfs_db", ["-r", "-c", `convert fsblock ${start} byte`, image]);
  return Number(/\((\d+)\)/.exec(converted.stdout)?.[1]);
}
