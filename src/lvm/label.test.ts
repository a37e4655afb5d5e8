import { expect, test } from "@jest/globals";
import { diskImages } from "./disk-images.fixture.ts";
import { findLabel } from "./label.ts";
import { headerRange, readHeader } from "./metadata-area.ts";

const [image] = diskImages();
const area = { offset: 4096, length: 1_044_480 };

function changed(offset: number, value: number): Buffer {
  const copy = Buffer.from(image);
  copy[offset] = value;
  return copy;
}

test("a real label tells the uuid and the metadata area", () => {
  expect(findLabel(image)).toEqual({
    uuid: "Eh52ckWbdMnX6j8Ewv3T097dHrJ3VaCo",
    sector: { offset: 512, length: 512 },
    metadataAreas: [area],
  });
});

test("a label is found in the first four sectors, and only where it says that it is", () => {
  const moved = Buffer.concat([Buffer.alloc(512), image]).subarray(0, 2048);
  expect(findLabel(moved)).toBeUndefined();
  expect(findLabel(Buffer.alloc(2048))).toBeUndefined();
  expect(findLabel(image.subarray(0, 700))).toBeUndefined();
});

test.each([512, 520, 530, 536, 550, 900])("a label with a changed byte at %i is none", (offset) => {
  expect(findLabel(changed(offset, 0xee))).toBeUndefined();
});

test("a real header tells where the text is", () => {
  expect(readHeader(image.subarray(4096, 4608), area)).toEqual({
    text: [{ offset: 4096 + 7168, length: 1529 }],
    textBytes: 1529,
    textChecksum: 3_812_084_854,
    ignored: false,
    capacityBytes: 521_472,
  });
  expect(headerRange(area)).toEqual({ offset: 4096, length: 512 });
});

test.each([0, 5, 24, 40, 56, 60, 400])("a header with a changed byte at %i is none", (offset) => {
  expect(readHeader(changed(4096 + offset, 0xee).subarray(4096, 4608), area)).toBeUndefined();
});

test("a header of another area is none", () => {
  expect(readHeader(image.subarray(4096, 4608), { offset: 8192, length: 1_044_480 })).toBeUndefined();
  expect(readHeader(image.subarray(4096, 4200), area)).toBeUndefined();
});
