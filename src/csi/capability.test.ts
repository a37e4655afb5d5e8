import { expect, test } from "@jest/globals";
import { parseCapabilities, parseCapability } from "./capability.ts";
import type { VolumeCapability__Output } from "./generated/csi/v1/VolumeCapability.ts";

const mount = { fsType: "ext4", mountFlags: ["noatime"], volumeMountGroup: "" };
const writer: VolumeCapability__Output = { accessType: "mount", mount, accessMode: { mode: "SINGLE_NODE_WRITER" } };

test("a mount capability keeps what it asks for", () => {
  expect(parseCapability(writer)).toEqual({
    kind: "mount",
    mode: "shared",
    filesystem: "ext4",
    mountFlags: ["noatime"],
  });
});

test.each([
  ["SINGLE_NODE_WRITER", "shared"],
  ["SINGLE_NODE_MULTI_WRITER", "shared"],
  ["SINGLE_NODE_SINGLE_WRITER", "single"],
  ["SINGLE_NODE_READER_ONLY", "readOnly"],
] as const)("%s is the mode %s", (mode, expected) => {
  expect(parseCapability({ accessType: "block", block: {}, accessMode: { mode } })).toEqual({
    kind: "block",
    mode: expected,
  });
});

test.each<[VolumeCapability__Output | null, string]>([
  [null, "volume_capability is missing"],
  [{ ...writer, accessMode: null }, "access_mode is missing"],
  [{ ...writer, accessMode: { mode: "UNKNOWN" } }, '"UNKNOWN" is not supported'],
  [{ ...writer, accessMode: { mode: "MULTI_NODE_MULTI_WRITER" } }, '"MULTI_NODE_MULTI_WRITER" is not supported'],
  [{ accessMode: { mode: "SINGLE_NODE_WRITER" } }, "neither mount nor block"],
  [{ ...writer, mount: { ...mount, volumeMountGroup: "1000" } }, "volume_mount_group"],
  [{ ...writer, mount: { ...mount, mountFlags: ["x".repeat(4097)] } }, "mount_flags"],
  [{ ...writer, mount: { ...mount, fsType: "x".repeat(129) } }, "fs_type"],
])("%j is refused with the field's name", (capability, message) => {
  expect(() => parseCapability(capability)).toThrow(
    expect.objectContaining({ kind: "invalidArgument", message: expect.stringContaining(message) }),
  );
});

test("an unknown access mode's number, and no capability at all, are refused", () => {
  expect(() => parseCapabilities([])).toThrow("volume_capabilities is missing");
});
