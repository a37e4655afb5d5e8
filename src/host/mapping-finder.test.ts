import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { createMappingFinder } from "./mapping-finder.ts";
import { showMapping } from "./sysfs.fixture.ts";

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

test("a mapping is found at the first call after it was made, although it was missed before", () => {
  const find = createMappingFinder(sysfs);
  showMapping(sysfs, 0, "vg-a");
  expect(find("vg-b")).toBeUndefined();
  showMapping(sysfs, 1, "vg-b");
  report();
  expect(find("vg-b")).toMatchObject({ name: "dm-1", number: "253:1", sizeBytes: 4096 });
  expect(find("vg-a")).toMatchObject({ name: "dm-0" });
});

test("mappings that swapped their names are told apart", () => {
  const find = createMappingFinder(sysfs);
  showMapping(sysfs, 0, "vg-a");
  showMapping(sysfs, 1, "vg-b");
  expect(find("vg-a")).toMatchObject({ name: "dm-0" });
  showMapping(sysfs, 0, "vg-b");
  showMapping(sysfs, 1, "vg-a");
  report();
  expect(find("vg-a")).toMatchObject({ name: "dm-1", mapping: { uuid: "LVM-vg-a" } });
  expect(find("vg-b")).toMatchObject({ name: "dm-0" });
});

test("a mapping that was renamed is found also after another one that appeared meanwhile", () => {
  const find = createMappingFinder(sysfs);
  showMapping(sysfs, 0, "vg-a");
  expect(find("vg-a")).toMatchObject({ name: "dm-0" });
  showMapping(sysfs, 0, "vg-b");
  showMapping(sysfs, 1, "vg-c");
  report();
  expect(find("vg-c")).toMatchObject({ name: "dm-1" });
  expect(find("vg-b")).toMatchObject({ name: "dm-0" });
});

test("a mapping that has gone is not found", () => {
  const find = createMappingFinder(sysfs);
  showMapping(sysfs, 0, "vg-a");
  expect(find("vg-a")).toBeDefined();
  rmSync(join(sysfs, "class/block/dm-0"), { recursive: true });
  report();
  expect(find("vg-a")).toBeUndefined();
});

test("absent names are not looked for again while no device has changed", () => {
  const find = createMappingFinder(sysfs);
  expect(find("vg-a")).toBeUndefined();
  showMapping(sysfs, 0, "vg-a");
  expect(find("vg-b")).toBeUndefined();
  expect(find("vg-a")).toBeUndefined();
  report();
  expect(find("vg-a")).toBeDefined();
});

test("where the kernel does not count its reports, names are looked for each time", () => {
  const find = createMappingFinder(sysfs);
  unlinkSync(join(sysfs, "kernel/uevent_seqnum"));
  expect(find("vg-a")).toBeUndefined();
  showMapping(sysfs, 0, "vg-a");
  expect(find("vg-a")).toBeDefined();
});
