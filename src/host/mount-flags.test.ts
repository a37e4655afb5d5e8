import { expect, test } from "@jest/globals";
import { mountAttributes, mountFlagBits } from "./mount-flags.ts";

test("flags of mount(2) add up", () => {
  expect(mountFlagBits([])).toBe(0);
  expect(mountFlagBits(["ro", "noexec", "lazytime"])).toBe(1 + 8 + 0x2000000);
});

test("attributes that are not asked for are cleared, but times stay as they are", () => {
  expect(mountAttributes([])).toEqual({ clear: 0xf, set: 0 });
  expect(mountAttributes(["ro", "nodev", "silent"])).toEqual({ clear: 0xf, set: 0x5 });
});

test.each([
  ["relatime", 0],
  ["noatime", 0x10],
  ["strictatime", 0x20],
  ["nodiratime", 0x80],
] as const)("%s replaces what was chosen about times", (flag, set) => {
  expect(mountAttributes([flag])).toEqual({ clear: 0xff, set });
});
