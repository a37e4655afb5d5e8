import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { VolumeError } from "../errors.ts";
import { bindFlags, parseMountOptions } from "./mount-options.ts";
import { filesystemNames } from "./names.ts";

const LABEL = 'context="system_u:object_r:container_file_t:s0:c1,c2"';

test("options are sorted into flags and data, whether they come one by one or joined", () => {
  const expected = { flags: ["noatime", "nodiratime"], data: "discard,commit=30" };
  expect(parseMountOptions("ext4", ["noatime", "nodiratime", "discard", "commit=30"])).toEqual(expected);
  expect(parseMountOptions("ext4", ["noatime,discard", "nodiratime,commit=30"])).toEqual(expected);
  expect(parseMountOptions("ext4", [])).toEqual({ flags: [], data: "" });
});

test("the kubelet's SELinux context keeps its quotes and the comma inside them", () => {
  expect(parseMountOptions("ext4", [LABEL, "noatime"])).toEqual({ flags: ["noatime"], data: LABEL });
  expect(parseMountOptions("ext4", [`discard,${LABEL},noexec`])).toEqual({
    flags: ["noexec"],
    data: `discard,${LABEL}`,
  });
  expect(parseMountOptions("btrfs", ["context=system_u:object_r:container_file_t:s0"]).data).toBe(
    'context="system_u:object_r:container_file_t:s0"',
  );
});

test("xfs can always be mounted beside a clone of it", () => {
  expect(parseMountOptions("xfs", []).data).toBe("nouuid");
  expect(parseMountOptions("xfs", ["nouuid", "logbsize=256k"]).data).toBe("nouuid,logbsize=256k");
});

test("a later option wins over an earlier one that it contradicts", () => {
  expect(parseMountOptions("ext4", ["defaults,ro", "rw"]).flags).toEqual([]);
  expect(parseMountOptions("ext4", ["rw", "ro", "ro"]).flags).toEqual(["ro"]);
  expect(parseMountOptions("ext4", ["noatime", "relatime"]).flags).toEqual(["relatime"]);
});

test.each([
  ["ext4", "data=journal,errors=remount-ro,stripe=16,nodelalloc,max_batch_time=0"],
  ["xfs", "largeio,swalloc,inode64,logbufs=8,allocsize=64m,prjquota"],
  ["btrfs", "compress=zstd:3,autodefrag,ssd,space_cache=v2,discard=async"],
] as const)("%s takes its own options", (filesystem, options) => {
  expect(parseMountOptions(filesystem, [options]).data.endsWith(options)).toBe(true);
});

test.each([
  ["ext4", "", "empty"],
  ["ext4", "noatime,,nodiratime", "empty"],
  ["ext4", ",", "empty"],
  ["ext4", "noload", "journal"],
  ["ext4", "errors=panic", "its value"],
  ["ext4", "errors=remount-ro\n", "control character"],
  ["ext4", "no atime", "space"],
  ["ext4", "nöatime", "ASCII"],
  ["ext4", "loop", "device already"],
  ["ext4", "x-systemd.automount", "other programs"],
  ["ext4", "helper=mine", "helper programs"],
  ["ext4", "bind", "the driver"],
  ["ext4", "remount", "the driver"],
  ["ext4", "suid", "by itself"],
  ["ext4", "dev", "by itself"],
  ["ext4", "allocsize=64m", "takes for ext4"],
  ["ext4", "journal_path=/dev/sda", "one device"],
  ["ext4", "commit=5,commit=6", "given before"],
  ["ext4", 'context="system_u:object_r:x_t:s0', "quote"],
  ["ext4", 'context="a b"', "space"],
  ["ext4", "context=hello", "SELinux context"],
  ["ext4", 'context="u:r:t:s0",context="u:r:t:s1"', "given before"],
  ["ext4", 'discard"', "quote"],
  ["ext4", 'dis"car"d', "takes for ext4"],
  ["xfs", "norecovery", "log"],
  ["xfs", "logdev=/dev/sda", "one device"],
  ["btrfs", "subvol=/x", "whole filesystem"],
  ["btrfs", "device=/dev/sda", "one device"],
  ["btrfs", "toString", "takes for btrfs"],
] as const)("%s does not take %j", (filesystem, option, reason) => {
  expect(() => parseMountOptions(filesystem, [option])).toThrow(VolumeError);
  expect(() => parseMountOptions(filesystem, [option])).toThrow(reason);
  expect(() => parseMountOptions(filesystem, [option])).toThrow(expect.objectContaining({ kind: "invalidArgument" }));
});

test("more data than mount(2) takes is refused", () => {
  const long = `context="u:r:${"t".repeat(4100)}:s0"`;
  expect(() => parseMountOptions("ext4", [long])).toThrow("longer than 4095");
});

test("a bind mount takes the flags of its own and leaves out the filesystem's", () => {
  expect(bindFlags(["ro,nosuid", "nodev,noexec,noatime", "lazytime,sync", "discard", LABEL, "compress=zstd"])).toEqual([
    "ro",
    "nosuid",
    "nodev",
    "noexec",
    "noatime",
  ]);
  expect(() => bindFlags(["subvol=/x"])).toThrow("whole filesystem");
  expect(() => bindFlags(["rbind"])).toThrow("the driver");
});

test("no text makes the parser fail in another way, and what it takes it takes again", () => {
  const piece = fc.constantFrom("noatime", "ro", "discard", "commit=5", LABEL, ",", '"', "=", "x", "context=", "");
  const element = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 5 }).map((pieces) => pieces.join("")),
  );
  fc.assert(
    fc.property(fc.constantFrom(...filesystemNames), fc.array(element, { maxLength: 4 }), (filesystem, options) => {
      const parsed = attempt(() => parseMountOptions(filesystem, options));
      if (parsed instanceof VolumeError) return parsed.kind === "invalidArgument";
      const again = parseMountOptions(filesystem, [...parsed.flags, ...(parsed.data === "" ? [] : [parsed.data])]);
      expect(again).toEqual(parsed);
      return true;
    }),
  );
});

function attempt<Result>(work: () => Result): Result | VolumeError {
  try {
    return work();
  } catch (error) {
    if (error instanceof VolumeError) return error;
    throw error;
  }
}
