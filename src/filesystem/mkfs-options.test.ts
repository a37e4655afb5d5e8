import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { VolumeError } from "../errors.ts";
import { parseMkfsOptions } from "./mkfs-options.ts";
import { type FilesystemName, filesystemNames } from "./names.ts";

test.each([
  ["ext4", "", []],
  ["ext4", "  -b 4096\t-i 65536\n", ["-b", "4096", "-i", "65536"]],
  ["ext4", "-b4096 -m0.5 -T largefile", ["-b", "4096", "-m", "0.5", "-T", "largefile"]],
  [
    "ext4",
    "-O ^has_journal,quota -E stride=16,stripe_width=64,packed_meta_blocks=1",
    ["-O", "^has_journal,quota", "-E", "stride=16,stripe_width=64,packed_meta_blocks=1"],
  ],
  ["xfs", "-m reflink=0,rmapbt=1 -d su=64k,sw=4", ["-m", "reflink=0,rmapbt=1", "-d", "su=64k,sw=4"]],
  ["xfs", "-i size=1024,maxpct=50 -n size=8192", ["-i", "size=1024,maxpct=50", "-n", "size=8192"]],
  ["btrfs", "--csum=xxhash -m single -d dup", ["--csum", "xxhash", "-m", "single", "-d", "dup"]],
  ["btrfs", "-n 32k -O ^no-holes,extref", ["-n", "32k", "-O", "^no-holes,extref"]],
] as const)("%s takes %j", (filesystem, text, expected) => {
  expect(parseMkfsOptions(filesystem, text)).toEqual(expected);
});

test.each([
  ["ext4", "-F", "-F"],
  ["ext4", "-L data", "-L"],
  ["ext4", "-E assume_storage_prezeroed=1", "assume_storage_prezeroed=1"],
  ["ext4", "-E lazy_journal_init=1", "lazy_journal_init=1"],
  ["ext4", "-E discard", "discard"],
  ["ext4", "-O ^extent", "^extent"],
  ["ext4", "-J device=/dev/sda", "device=/dev/sda"],
  ["ext4", "-b", "no value"],
  ["ext4", "-b 8192", "8192"],
  ["ext4", "-m 51", "51"],
  ["ext4", "-b 1024 -b 4096", "twice"],
  ["ext4", "-O quota,^quota", "twice"],
  ["ext4", "-O quota,", "-O"],
  ["ext4", "/dev/sda", "/dev/sda"],
  ["ext4", "-- /dev/sda", "--"],
  ["ext4", "-b '4096'", "4096"],
  ["ext4", "-b 4096;reboot", "4096;reboot"],
  ["xfs", "-f", "-f"],
  ["xfs", "-m crc=0", "crc=0"],
  ["xfs", "-d name=/dev/sda", "name=/dev/sda"],
  ["xfs", "-d size=100m", "size=100m"],
  ["xfs", "-l logdev=/dev/sda", "logdev=/dev/sda"],
  ["xfs", "-c options=/etc/passwd", "-c"],
  ["xfs", "-p /etc", "-p"],
  ["btrfs", "--rootdir /etc", "--rootdir"],
  ["btrfs", "--rootdir=/etc", "--rootdir"],
  ["btrfs", "-d raid1", "raid1"],
  ["btrfs", "-O zoned", "zoned"],
  ["btrfs", "constructor x", "constructor"],
] as const)("%s does not take %j", (filesystem, text, named) => {
  expect(() => parseMkfsOptions(filesystem, text)).toThrow(expect.objectContaining({ kind: "invalidArgument" }));
  expect(() => parseMkfsOptions(filesystem, text)).toThrow(named);
});

test("more than 200 bytes are refused", () => {
  const text = "-O 64bit,dir_index,dir_nlink,extra_isize,fast_commit,flex_bg,has_journal,huge_file";
  const more = "large_dir,large_file,metadata_csum,metadata_csum_seed,orphan_file,project,quota,resize_inode";
  expect(parseMkfsOptions("ext4", text)).toHaveLength(2);
  expect(() =>
    parseMkfsOptions("ext4", `${text},${more} -E stride=1,stripe_width=123456,packed_meta_blocks=1`),
  ).toThrow("longer than 200 bytes");
});

test("whatever the text, the result is short and survives being joined and parsed again", () => {
  const word = fc.constantFrom(
    "-b",
    "-m",
    "-O",
    "-d",
    "4096",
    "0",
    "quota",
    "dup",
    "reflink=1",
    "-n",
    ",",
    "--csum=sha256",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 6 }).map((words) => words.join(" ")),
  );
  fc.assert(
    fc.property(fc.constantFrom(...filesystemNames), text, (filesystem, words) => {
      const parsed = parsedOrRefused(filesystem, words);
      if (parsed instanceof VolumeError) return true;
      const printed = parsed.join(" ");
      expect(parseMkfsOptions(filesystem, printed)).toEqual(parsed);
      return printed.length <= 200;
    }),
  );
});

/** @throws whatever is no VolumeError */
function parsedOrRefused(filesystem: FilesystemName, words: string): readonly string[] | VolumeError {
  try {
    return parseMkfsOptions(filesystem, words);
  } catch (error) {
    if (error instanceof VolumeError) return error;
    throw error;
  }
}
