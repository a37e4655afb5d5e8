import { expect, test } from "@jest/globals";
import { checksum } from "./checksum.ts";
import { readHeader } from "./metadata-area.ts";

const area = { offset: 4096, length: 10_240 };

function header(text: { offset: number; bytes: number; flags?: number }): Buffer {
  const bytes = Buffer.alloc(512);
  bytes.write(" LVM2 x[5A%r0N*>", 4, "latin1");
  bytes.writeUInt32LE(1, 20);
  bytes.writeBigUInt64LE(BigInt(area.offset), 24);
  bytes.writeBigUInt64LE(BigInt(area.length), 32);
  bytes.writeBigUInt64LE(BigInt(text.offset), 40);
  bytes.writeBigUInt64LE(BigInt(text.bytes), 48);
  bytes.writeUInt32LE(0xfeed, 56);
  bytes.writeUInt32LE(text.flags ?? 0, 60);
  bytes.writeUInt32LE(checksum(bytes.subarray(4)), 0);
  return bytes;
}

test("a text that meets the end of the ring goes on behind the header", () => {
  expect(readHeader(header({ offset: 9728, bytes: 700 }), area)?.text).toEqual([
    { offset: 4096 + 9728, length: 512 },
    { offset: 4096 + 512, length: 188 },
  ]);
  expect(readHeader(header({ offset: 9728, bytes: 512 }), area)?.text).toEqual([{ offset: 13_824, length: 512 }]);
});

test("an area that holds no text, and one that is ignored", () => {
  expect(readHeader(header({ offset: 0, bytes: 0 }), area)).toMatchObject({ text: [], textBytes: 0 });
  expect(readHeader(header({ offset: 512, bytes: 100, flags: 1 }), area)).toMatchObject({ ignored: true });
});

test.each([
  { offset: 100, bytes: 10 },
  { offset: 10_240, bytes: 10 },
  { offset: 512, bytes: 9800 },
])("a text at $offset of $bytes bytes cannot be", (text) => {
  expect(readHeader(header(text), area)).toBeUndefined();
});
