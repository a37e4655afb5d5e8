import { afterAll, expect, test } from "@jest/globals";
import type { ByteRange } from "../host/host.ts";
import { make } from "./make.ts";
import { filesystemNames } from "./names.ts";
import { probeFilesystem } from "./probe.ts";
import { MEBIBYTE, imageDirectory, probeImage, programs, read, write } from "./test-image.ts";

const images = imageDirectory();
afterAll(() => images.remove());

const size = 400 * MEBIBYTE;

/** What it finds, and how many bytes it read for that. */
async function look(image: string) {
  let bytes = 0;
  const contents = await probeFilesystem(size, async (ranges: readonly ByteRange[]) => {
    bytes += ranges.reduce((sum, range) => sum + range.length, 0);
    return read(image, ranges);
  });
  return { contents, bytes };
}

test.each(filesystemNames)("%s is known by the start of its device", async (filesystem) => {
  const image = images.blank(size);
  await make(programs, filesystem, image, { force: false, extra: [] });
  const { contents, bytes } = await look(image);
  expect(contents).toEqual({ ...(await probeImage(image)), everMounted: filesystem === "xfs" });
  expect(bytes).toBe(128 * 1024);
});

test.each(filesystemNames)("%s whose superblock is damaged is looked at everywhere", async (filesystem) => {
  const image = images.blank(size);
  await make(programs, filesystem, image, { force: false, extra: [] });
  for (const offset of [100, 1024 + 0x68, 64 * 1024 + 100]) write(image, offset, "damage");
  const { contents, bytes } = await look(image);
  expect(contents).toEqual(await probeImage(image));
  expect(contents.kind).toBe("other");
  expect(bytes).toBeGreaterThan(4 * MEBIBYTE);
});

test("a blank device is blank", async () => {
  expect((await look(images.blank(size))).contents).toEqual({ kind: "blank" });
});

test("the device's reader's errors pass through", async () => {
  await expect(probeFilesystem(size, () => Promise.reject(new Error("EIO")))).rejects.toThrow("EIO");
});
