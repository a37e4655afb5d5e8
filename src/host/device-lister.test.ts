import { mkdirSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createDeviceLister } from "./device-lister.ts";
import { showMapping } from "./sysfs.fixture.ts";

/** What sysfs shows of devices, as plain files. */
let sysfs: string;
let list: ReturnType<typeof createDeviceLister>;

beforeEach(() => {
  sysfs = mkdtempSync(join(tmpdir(), "sysfs-"));
  mkdirSync(join(sysfs, "class/block"), { recursive: true });
  list = createDeviceLister(sysfs);
});

afterEach(() => rmSync(sysfs, { recursive: true }));

function block(name: string): string {
  return join(sysfs, "class/block", name);
}

function showDisk(name: string, sectors: number): void {
  mkdirSync(join(block(name), "slaves"), { recursive: true });
  writeFileSync(join(block(name), "dev"), "8:0\n");
  writeFileSync(join(block(name), "size"), `${sectors}\n`);
}

test("a logical volume's device is read once, any other one each time", async () => {
  showMapping(sysfs, 0, "vg-a");
  showDisk("sda", 8);
  await list();
  writeFileSync(join(block("dm-0"), "size"), "16\n");
  showDisk("sda", 16);
  expect(await list()).toMatchObject([
    { name: "dm-0", sizeBytes: 4096 },
    { name: "sda", sizeBytes: 8192 },
  ]);
});

test("the next device of a name is not taken for the one before", async () => {
  showMapping(sysfs, 0, "vg-a");
  await list();
  // both there at once, so that they are not one inode
  renameSync(block("dm-0"), block("dm-1"));
  showMapping(sysfs, 0, "vg-b");
  rmSync(block("dm-1"), { recursive: true });
  expect(await list()).toMatchObject([{ name: "dm-0", mapping: { uuid: "LVM-vg-b" } }]);
});

test("nor is one of another kind, whatever had its name", async () => {
  showMapping(sysfs, 0, "vg-a");
  await list();
  renameSync(block("dm-0"), block("dm-1"));
  showMapping(sysfs, 0, "secret");
  writeFileSync(join(block("dm-0"), "dm/uuid"), "CRYPT-1\n");
  rmSync(block("dm-1"), { recursive: true });
  await list();
  writeFileSync(join(block("dm-0"), "dm/suspended"), "1\n");
  expect(await list()).toMatchObject([{ name: "dm-0", mapping: { uuid: "CRYPT-1", suspended: true } }]);
});

test("what lies on a logical volume is told at each list", async () => {
  showMapping(sysfs, 0, "vg-a");
  showDisk("md0", 8);
  expect((await list())[0]?.holders).toEqual([]);
  writeFileSync(join(block("md0"), "slaves/dm-0"), "");
  expect((await list())[0]?.holders).toEqual(["md0"]);
  unlinkSync(join(block("md0"), "slaves/dm-0"));
  expect((await list())[0]?.holders).toEqual([]);
});

test("a device that has gone is not listed", async () => {
  showMapping(sysfs, 0, "vg-a");
  await list();
  rmSync(block("dm-0"), { recursive: true });
  expect(await list()).toEqual([]);
});

test("a mapping that is just going is not listed, least of all as a device of another kind", async () => {
  showMapping(sysfs, 0, "vg-a");
  showMapping(sysfs, 1, "vg-b");
  unlinkSync(join(sysfs, "class/block/dm-0/dm/uuid"));
  expect(await createDeviceLister(sysfs)()).toMatchObject([{ name: "dm-1" }]);
});

test("a list of many devices lets others have their turn", async () => {
  for (let minor = 0; minor < 100; minor += 1) showMapping(sysfs, minor, `vg-${minor}`);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const devices = await createDeviceLister(sysfs)();
  clearImmediate(next);
  expect(devices).toHaveLength(100);
  expect(turns).toBeGreaterThanOrEqual(3);
});
