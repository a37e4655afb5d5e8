import { afterAll, describe, expect, test } from "@jest/globals";
import fc from "fast-check";
import { furtherRanges, identify, probe, probeRanges } from "./probe.ts";
import { MEBIBYTE, imageDirectory, probeImage, read, succeed, write } from "./test-image.ts";

const images = imageDirectory();
afterAll(() => images.remove());

describe("the ranges", () => {
  test("are sorted, apart, inside the device and few", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 42 }), (sectors) => {
        const size = sectors * 512;
        const ranges = probeRanges(size);
        let end = -1;
        for (const { offset, length } of ranges) {
          expect(offset).toBeGreaterThan(end);
          expect(length).toBeGreaterThan(0);
          end = offset + length;
        }
        expect(end).toBeLessThanOrEqual(size);
        expect(ranges.reduce((sum, range) => sum + range.length, 0)).toBeLessThanOrEqual(4 * MEBIBYTE + 16 * 4096);
      }),
    );
  });

  test("hold both ends and the copies of superblocks", () => {
    const size = 2 ** 40;
    const has = (offset: number) =>
      probeRanges(size).some((each) => each.offset <= offset && offset < each.offset + each.length);
    expect([0, 2 * MEBIBYTE - 1, size - 2 * MEBIBYTE, size - 1].every(has)).toBe(true);
    expect([8193 * 1024, 128 * MEBIBYTE, 64 * MEBIBYTE, 256 * 1024 * MEBIBYTE, size / 4].every(has)).toBe(true);
    expect(has(100 * MEBIBYTE)).toBe(false);
    expect(probeRanges(3 * MEBIBYTE)).toEqual([{ offset: 0, length: 3 * MEBIBYTE }]);
  });
});

describe("blank", () => {
  test("is a device of zeroes, whatever its size", async () => {
    for (const size of [512, MEBIBYTE, 5 * MEBIBYTE, 700 * MEBIBYTE]) {
      expect(await probeImage(images.blank(size))).toEqual({ kind: "blank" });
    }
  });

  test("says nothing of what lies between the probed places", async () => {
    const image = images.blank(64 * MEBIBYTE);
    write(image, 20 * MEBIBYTE, "user data");
    expect(await probeImage(image)).toEqual({ kind: "blank" });
  });

  test("is never said of a device that was not read in full", () => {
    const ranges = probeRanges(64 * MEBIBYTE);
    const zeroes = ranges.map(({ length }) => new Uint8Array(length));
    expect(() => identify(64 * MEBIBYTE, [], [])).toThrow("was not read");
    expect(() => identify(64 * MEBIBYTE, ranges.slice(1), zeroes.slice(1))).toThrow("was not read");
    expect(() => identify(64 * MEBIBYTE, ranges, zeroes.slice(1))).toThrow("not one result");
    expect(() => identify(64 * MEBIBYTE, ranges, zeroes.with(0, new Uint8Array(512)))).toThrow("short read");
  });

  test("is not said after a read error", async () => {
    await expect(probe(MEBIBYTE, () => Promise.reject(new Error("EIO")))).rejects.toThrow("EIO");
  });

  test("is said of random bytes only if all are zero", () => {
    const size = 4 * MEBIBYTE + 65536;
    const ranges = probeRanges(size);
    const edit = fc.record({ at: fc.nat({ max: size - 1 }), bytes: fc.uint8Array({ minLength: 1, maxLength: 64 }) });
    const marks = fc.constantFrom(
      { at: 1080, bytes: Uint8Array.of(0x53, 0xef) },
      { at: 0, bytes: Buffer.from("XFSB") },
      { at: 65600, bytes: Buffer.from("_BHRfS_M") },
      { at: 510, bytes: Uint8Array.of(0x55, 0xaa) },
    );
    const nearStart = fc.record({ at: fc.nat({ max: 2048 }), bytes: fc.uint8Array({ minLength: 1, maxLength: 1024 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(edit, marks, nearStart), { maxLength: 6 }), (edits) => {
        const device = new Uint8Array(size);
        for (const { at, bytes } of edits) device.set(bytes.subarray(0, size - at), at);
        const contents = ranges.map(({ offset, length }) => device.subarray(offset, offset + length));
        const further = furtherRanges(size, ranges, contents).map((range) => range.offset + range.length);
        expect(further.every((end) => end <= size)).toBe(true);
        const isZero = contents.every((piece) => Buffer.from(piece).equals(Buffer.alloc(piece.length)));
        expect(identify(size, ranges, contents).kind === "blank").toBe(isZero);
      }),
      { numRuns: 60 },
    );
  });
});

describe("other users of a device are named", () => {
  test.each([
    ["LUKS encrypted device", 0, "LUKS\u00ba\u00be\0\x01"],
    ["LUKS encrypted device", 0, "LUKS\u00ba\u00be\0\x02"],
    ["LUKS2 encrypted device with a damaged first header", 0x4000, "SKUL\u00ba\u00be\0\x02"],
    ["LUKS2 encrypted device with a damaged first header", 0x400000, "SKUL\u00ba\u00be\0\x02"],
    ["LVM physical volume", 512, "LABELONE\x01\0\0\0\0\0\0\0....    LVM2 001"],
    ["remains of an LVM physical volume", 4100, " LVM2 x[5A%r0N*>"],
    ["xfs external log", 0, "\u00fe\u00ed\u00ba\u00be\0\0\0\x01"],
    ["ntfs", 3, "NTFS    "],
    ["exfat", 3, "EXFAT   "],
    ["vfat", 82, "FAT32   "],
    ["f2fs", 1024, "\x10\x20\u00f5\u00f2"],
    ["ZFS member", 128 * 1024 + 5 * 1024, "\x0c\u00b1\u00ba\0\0\0\0\0"],
    ["ZFS member", 64 * MEBIBYTE - 128 * 1024, "\x0c\u00b1\u00ba\0\0\0\0\0"],
    ["bcache device", 4120, Buffer.from("c68573f64e1a45ca8265f57f48ba6d81", "hex")],
    ["md RAID member (metadata 1.1 or 1.2)", 4096, Buffer.from("fc4e2ba9", "hex")],
    ["md RAID member (metadata 1.0)", 64 * MEBIBYTE - 8192, Buffer.from("fc4e2ba9", "hex")],
    ["md RAID member (metadata 0.90)", 64 * MEBIBYTE - 65536, Buffer.from("fc4e2ba9", "hex")],
    ["DRBD device", 64 * MEBIBYTE - 4096 + 60, Buffer.from("8374026b", "hex")],
    ["iso9660", 32769, "CD001"],
    ["squashfs", 0, "hsqs"],
    ["ReiserFS", 65536 + 52, "ReIsEr2Fs"],
    ["jfs", 32768, "JFS1"],
    ["Ceph BlueStore device", 0, "bluestore block device\n"],
    ["GPT partition table (its copy at the end)", 64 * MEBIBYTE - 512, "EFI PART"],
    ["boot sector", 510, "\x55\u00aa"],
    ["unrecognised data at byte 1000", 1000, "x"],
    [`unrecognised data at byte ${64 * MEBIBYTE - 1}`, 64 * MEBIBYTE - 1, "\x01"],
    ["unrecognised data at byte 2097151", 2 * MEBIBYTE - 1, "JM"],
    ["damaged btrfs: only the mirror of its superblock at byte 67108864 is left", 64 * MEBIBYTE + 0x40, "_BHRfS_M"],
  ])("%s at byte %d", async (description, offset, bytes) => {
    const image = images.blank((offset >= 64 * MEBIBYTE ? 128 : 64) * MEBIBYTE);
    write(image, offset, bytes);
    const kind = /^(unrecognised|damaged)/.test(description) ? "other" : "foreign";
    expect(await probeImage(image)).toEqual({ kind, description });
  });

  test("a partition table, behind a protective one too", async () => {
    const image = images.blank(64 * MEBIBYTE);
    const partition = [0, 0, 2, 0, 0x83, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 8, 0, 0];
    write(image, 446, Uint8Array.from(partition));
    write(image, 510, Uint8Array.of(0x55, 0xaa));
    expect(await probeImage(image)).toEqual({ kind: "foreign", description: "DOS partition table" });
    write(image, 450, Uint8Array.of(0xee));
    write(image, 512, "EFI PART\0\0\x01\0");
    expect(await probeImage(image)).toEqual({ kind: "foreign", description: "GPT partition table" });
  });

  test("swap space by mkswap", async () => {
    const image = images.blank(64 * MEBIBYTE);
    await succeed("mkswap", image);
    expect(await probeImage(image)).toEqual({ kind: "foreign", description: "swap space" });
  });

  test.each(["ext2", "ext3"])("%s by mke2fs", async (generation) => {
    const image = images.blank(64 * MEBIBYTE);
    await succeed("mke2fs", "-q", "-t", generation, image);
    expect(await probeImage(image)).toEqual({ kind: "other", description: generation });
  });

  test("an external journal by mke2fs", async () => {
    const image = images.blank(64 * MEBIBYTE);
    await succeed("mke2fs", "-q", "-O", "journal_dev", image);
    expect(await probeImage(image)).toEqual({ kind: "other", description: "ext4 external journal" });
  });

  test("remains of a filesystem that wipefs took the mark of", async () => {
    const image = images.blank(64 * MEBIBYTE);
    await succeed("mkfs.ext4", "-q", image);
    await succeed("wipefs", "--quiet", "--all", image);
    const contents = await probeImage(image);
    expect(contents.kind).toBe("other");
    expect(read(image, [{ offset: 1024, length: 4 }])[0]?.some((byte) => byte !== 0)).toBe(true);
  });
});
