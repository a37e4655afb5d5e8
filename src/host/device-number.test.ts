import { expect, test } from "@jest/globals";
import { formatDeviceNumber } from "./device-number.ts";

test.each([
  [0x801n, "8:1"],
  [0xfd00n, "253:0"],
  // 253:256 and 259:1048575 need the bits above 20.
  [0x10fd00n, "253:256"],
  [0xfff103ffn, "259:1048575"],
  [0x0000_1000_0000_0000n, "4096:0"],
  [0x0000_0ff0_0000_0000n, "0:4278190080"],
])("%d is %s", (device, number) => {
  expect(formatDeviceNumber(device)).toBe(number);
});
