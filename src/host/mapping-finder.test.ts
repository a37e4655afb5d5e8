import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createMappingFinder } from "./mapping-finder.ts";
import { listDevices } from "./sysfs-devices.ts";

/** What sysfs shows of device-mapper devices, as plain files. */
let sysfs: string;
let changes = 0;

beforeEach(() => {
  sysfs = mkdtempSync(join(tmpdir(), "sysfs-"));
  mkdirSync(join(sysfs, "kernel"));
  mkdirSync(join(sysfs, "class/block/sda"), { recursive: true });
  report();
});

afterEach(() => rmSync(sysfs, { recursive: true }));

function report(): void {
  changes += 1;
  writeFileSync(join(sysfs, "kernel/uevent_seqnum"), `${changes}\n`);
}

function show(minor: number, name: string): void {
  const directory = join(sysfs, `class/block/dm-${minor}`);
  mkdirSync(join(directory, "dm"), { recursive: true });
  writeFileSync(join(directory, "dev"), `253:${minor}\n`);
  writeFileSync(join(directory, "size"), "8\n");
  writeFileSync(join(directory, "dm/name"), `${name}\n`);
  writeFileSync(join(directory, "dm/uuid"), `LVM-${name}\n`);
  writeFileSync(join(directory, "dm/suspended"), "0\n");
}

test("a mapping is found at the first call after it was made, although it was missed before", () => {
  const find = createMappingFinder(sysfs);
  show(0, "vg-a");
  expect(find("vg-b")).toBeUndefined();
  show(1, "vg-b");
  report();
  expect(find("vg-b")).toMatchObject({ name: "dm-1", number: "253:1", sizeBytes: 4096 });
  expect(find("vg-a")).toMatchObject({ name: "dm-0" });
});

test("mappings that swapped their names are told apart", () => {
  const find = createMappingFinder(sysfs);
  show(0, "vg-a");
  show(1, "vg-b");
  expect(find("vg-a")).toMatchObject({ name: "dm-0" });
  show(0, "vg-b");
  show(1, "vg-a");
  report();
  expect(find("vg-a")).toMatchObject({ name: "dm-1", mapping: { uuid: "LVM-vg-a" } });
  expect(find("vg-b")).toMatchObject({ name: "dm-0" });
});

test("a mapping that has gone is not found", () => {
  const find = createMappingFinder(sysfs);
  show(0, "vg-a");
  expect(find("vg-a")).toBeDefined();
  rmSync(join(sysfs, "class/block/dm-0"), { recursive: true });
  report();
  expect(find("vg-a")).toBeUndefined();
});

test("a mapping that is just going is not listed, least of all as a device of another kind", async () => {
  show(0, "vg-a");
  show(1, "vg-b");
  unlinkSync(join(sysfs, "class/block/dm-0/dm/uuid"));
  expect(await listDevices(sysfs)).toMatchObject([{ name: "dm-1" }]);
});

test("absent names are not looked for again while no device has changed", () => {
  const find = createMappingFinder(sysfs);
  expect(find("vg-a")).toBeUndefined();
  show(0, "vg-a");
  expect(find("vg-b")).toBeUndefined();
  expect(find("vg-a")).toBeUndefined();
  report();
  expect(find("vg-a")).toBeDefined();
});

test("where the kernel does not count its reports, names are looked for each time", () => {
  const find = createMappingFinder(sysfs);
  unlinkSync(join(sysfs, "kernel/uevent_seqnum"));
  expect(find("vg-a")).toBeUndefined();
  show(0, "vg-a");
  expect(find("vg-a")).toBeDefined();
});

test("a list of many devices lets others have their turn", async () => {
  for (let minor = 0; minor < 100; minor += 1) show(minor, `vg-${minor}`);
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  const devices = await listDevices(sysfs);
  clearImmediate(next);
  expect(devices).toHaveLength(100);
  expect(turns).toBeGreaterThanOrEqual(3);
});
