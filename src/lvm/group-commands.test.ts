import { beforeEach, expect, test } from "@jest/globals";
import { SystemError } from "../errors.ts";
import { commit, diskImages, fakeDisks } from "./disk-images.fixture.ts";
import { GroupCommands } from "./group-commands.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const lvm = { start: () => Promise.reject(new Error("not part of this test")) };
let images: ReturnType<typeof diskImages>;
let flushed: string[];
let flush: (name: string) => Promise<void>;
let commands: GroupCommands;

beforeEach(() => {
  images = diskImages();
  flushed = [];
  flush = async () => {};
  const devices = {
    ...fakeDisks(images).devices,
    flush: (device: { readonly name: string }) => {
      flushed.push(device.name);
      return flush(device.name);
    },
  };
  const directories = { excludedDirectory: "/kubelet", lockDirectory: "/lock" };
  commands = new GroupCommands({ name: "vg-0", devices, lvm, log, ...directories });
});

test("what was read is made durable once, and again after another commit", async () => {
  await commands.makeDurable();
  await commands.makeDurable();
  expect(flushed.toSorted()).toEqual(["sda", "sdb"]);
  for (const image of images) commit(image, (text) => text.replace("seqno = 5", "seqno = 6"));
  await commands.makeDurable();
  expect(flushed.toSorted()).toEqual(["sda", "sda", "sdb", "sdb"]);
});

test("a disk that hangs, and one that fails, hold nobody up while another has taken it", async () => {
  flush = (name) => (name === "sda" ? new Promise(() => {}) : Promise.resolve());
  await commands.makeDurable();
  commit(images[0], (text) => text.replace("seqno = 5", "seqno = 6"));
  commit(images[1], (text) => text.replace("seqno = 5", "seqno = 6"));
  flush = (name) => (name === "sda" ? Promise.reject(new SystemError("EIO", "flush")) : Promise.resolve());
  await commands.makeDurable();
  expect(flushed.toSorted()).toEqual(["sda", "sda", "sdb", "sdb"]);
});

test("a disk with older metadata does not count", async () => {
  commit(images[1], (text) => text.replace("seqno = 5", "seqno = 6"));
  await commands.makeDurable();
  expect(flushed).toEqual(["sdb"]);
});

test("as long as no disk has taken it, it is not durable", async () => {
  flush = () => Promise.reject(new SystemError("EIO", "flush sda"));
  await expect(commands.makeDurable()).rejects.toMatchObject({ kind: "outcomeUnknown" });
  flush = async () => {};
  flushed = [];
  await commands.makeDurable();
  expect(flushed).toHaveLength(2);
});
