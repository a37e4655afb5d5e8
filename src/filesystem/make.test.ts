import { expect, test } from "@jest/globals";
import type { BlockDevice, ProgramResult, Programs } from "../host/host.ts";
import { check } from "./check.ts";
import { type GrowHost, grow } from "./grow.ts";
import { make } from "./make.ts";
import { parseMkfsOptions } from "./mkfs-options.ts";
import type { FilesystemName } from "./names.ts";

const device: BlockDevice = { name: "dm-7", number: "254:7", sizeBytes: 2 ** 25, holders: [], mapping: undefined };

/** What xfs_growfs and btrfs do without. */
const unused: Omit<GrowHost, "programs"> = {
  devices: { read: () => Promise.reject(new Error("nothing is to be read")) },
  mounts: { growExt4: () => Promise.reject(new Error("it is no ext4")) },
};

/** Programs that all end like this, and what was run of them. */
function fakePrograms(result: Partial<ProgramResult> = {}): { programs: Pick<Programs, "run">; lines: string[] } {
  const lines: string[] = [];
  const run = async (file: string, args: readonly string[]) => {
    lines.push([file, ...args].join(" "));
    return { exitCode: 0, stdout: "", stderr: "", ...result };
  };
  return { programs: { run }, lines };
}

async function lineOfMake(filesystem: FilesystemName, options: string, force = false): Promise<string | undefined> {
  const { programs, lines } = fakePrograms();
  await make(programs, filesystem, "/dev/dm-7", { force, extra: parseMkfsOptions(filesystem, options) });
  return lines[0];
}

test.each([
  ["ext4", "", "mkfs.ext4 -q -b 4096 -m 0 -E nodiscard,lazy_itable_init=1 -- /dev/dm-7"],
  ["xfs", "", "mkfs.xfs -q -K -m bigtime=0,inobtcount=0 -i nrext64=0 -- /dev/dm-7"],
  ["btrfs", "", "mkfs.btrfs -q -K -d single -m dup -- /dev/dm-7"],
  ["ext4", "-m 5 -b 1024", "mkfs.ext4 -q -m 5 -b 1024 -E nodiscard,lazy_itable_init=1 -- /dev/dm-7"],
  [
    "ext4",
    "-E stride=16,lazy_itable_init=0",
    "mkfs.ext4 -q -E nodiscard,stride=16,lazy_itable_init=0 -b 4096 -m 0 -- /dev/dm-7",
  ],
  [
    "xfs",
    "-m bigtime=1,reflink=0 -i size=1024",
    "mkfs.xfs -q -K -m bigtime=1,reflink=0,inobtcount=0 -i size=1024,nrext64=0 -- /dev/dm-7",
  ],
  ["btrfs", "-m single --csum sha256", "mkfs.btrfs -q -K -m single --csum sha256 -d single -- /dev/dm-7"],
] as const)("%s with %j is made by one command", async (filesystem, options, line) => {
  expect(await lineOfMake(filesystem, options)).toBe(line);
});

test.each([
  ["ext4", "mkfs.ext4 -q -F -b"],
  ["xfs", "mkfs.xfs -q -K -f -m"],
  ["btrfs", "mkfs.btrfs -q -K -f -d"],
] as const)("%s is written over what is there only when asked", async (filesystem, start) => {
  expect(await lineOfMake(filesystem, "", true)).toMatch(new RegExp(`^${start}`));
  expect(await lineOfMake(filesystem, "", false)).not.toMatch(/ -[fF] /);
});

test("a failure carries the exit code and the program's last words, without its usage", async () => {
  const { programs } = fakePrograms({
    exitCode: 1,
    stderr: "it is too small\u001b[31m\nUsage: mkfs.xfs\n/* blocksize */\n",
  });
  const options = { force: false, extra: [] };
  await expect(make(programs, "xfs", "/dev/dm-7", options)).rejects.toMatchObject({
    kind: "internal",
    message: "mkfs.xfs /dev/dm-7 ended with exit code 1: it is too small [31m",
  });
});

test.each([
  ["invalid inode ratio 1000 (min 1024/max 67108864)", ["-i", "1000"], "failedPrecondition"],
  ["invalid inode ratio 1000 (min 1024/max 67108864)", [], "internal"],
  ["mkfs.ext4: Input/output error while writing out and closing file system", ["-i", "4096"], "internal"],
  [
    "mkfs.xfs: pwrite failed: Input/output error\nfound dirty buffer (bulk) on free list!",
    ["-b", "size=1k"],
    "internal",
  ],
  ["ERROR: error during mkfs: Operation not permitted", ["-n", "16k"], "internal"],
])("mkfs that says %j with %j has failed for the reason %s", async (stderr, extra, kind) => {
  const { programs } = fakePrograms({ exitCode: 1, stderr });
  const made = make(programs, "ext4", "/dev/dm-7", { force: false, extra });
  await expect(made).rejects.toMatchObject({ kind, message: expect.stringContaining(stderr.split("\n")[0] ?? "") });
});

test.each([
  ["xfs", "xfs_growfs -d -- /mnt/volume"],
  ["btrfs", "btrfs filesystem resize -- max /mnt/volume"],
] as const)("%s is grown by one command", async (filesystem, line) => {
  const { programs, lines } = fakePrograms();
  const target = { device, mount: { id: 7, target: "/mnt/volume" } };
  await grow({ ...unused, programs }, filesystem, target);
  expect(lines).toEqual([line]);
  const failing = fakePrograms({ exitCode: 2, stdout: "no\n" }).programs;
  await expect(grow({ ...unused, programs: failing }, filesystem, target)).rejects.toMatchObject({
    kind: "internal",
    message: `${line} ended with exit code 2: no`,
  });
});

const TEBIBYTE = 2 ** 40;

test.each([
  { log: 2, features: 0x80, bytes: 100 * TEBIBYTE + 4095, blocks: 25 * 2 ** 30 },
  { log: 0, features: 0x80, bytes: 3 * TEBIBYTE, blocks: 3 * 2 ** 30 },
  { log: 2, features: 0, bytes: 100 * TEBIBYTE, blocks: 2 ** 32 - 1 },
  { log: 1, features: 0, bytes: 2 * TEBIBYTE, blocks: 2 ** 30 },
])("an ext4 grows to the blocks it has room and numbers for: %j", async ({ log, features, bytes, blocks }) => {
  const superblock = new DataView(new ArrayBuffer(1024));
  superblock.setUint32(0x18, log, true);
  superblock.setUint32(0x60, features, true);
  const grown: unknown[] = [];
  const host: GrowHost = {
    programs: fakePrograms().programs,
    devices: { read: async () => [new Uint8Array(superblock.buffer)] },
    mounts: { growExt4: async (...asked) => void grown.push(asked) },
  };
  await grow(host, "ext4", { device: { ...device, sizeBytes: bytes }, mount: { id: 7, target: "/mnt/volume" } });
  expect(grown).toEqual([["/mnt/volume", 7, blocks]]);
});

test.each([0, 1, 2, 3])("e2fsck's exit code %d is success", async (exitCode) => {
  const { programs, lines } = fakePrograms({ exitCode });
  await check(programs, "ext4", "/dev/dm-7");
  expect(lines).toEqual(["e2fsck -p -- /dev/dm-7"]);
});

test.each([4, 5, 8, 12, 16, 32, 128])("e2fsck's exit code %d is for the operator", async (exitCode) => {
  const { programs } = fakePrograms({ exitCode });
  await expect(check(programs, "ext4", "/dev/dm-7")).rejects.toMatchObject({ kind: "failedPrecondition" });
});

test("btrfs needs no program to be checked", async () => {
  const { programs, lines } = fakePrograms();
  await check(programs, "btrfs", "/dev/dm-7");
  expect(lines).toEqual([]);
});
