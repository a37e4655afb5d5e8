import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import type { LogicalVolume } from "../../src/lvm/model.ts";
import type { VolumeGroup } from "../../src/lvm/volume-group.ts";
import { type Lab, openLab } from "./lvm-lab.ts";

let lab: Lab;
let disks: readonly string[];
let group: VolumeGroup;

beforeAll(async () => {
  lab = await openLab();
  disks = [lab.attach(), lab.attach(), lab.attach()];
});

afterAll(() => lab.close());

beforeEach(async () => {
  await lab.foreign(`vgcreate --yes labcmd ${disks.slice(0, 2).join(" ")}`);
  group = lab.group("labcmd");
});

afterEach(async () => {
  await group.close();
  await lab.foreign("vgremove --force --force --yes labcmd");
});

const linear = { stripes: 1, tags: [] } as const;

async function volume(name: string): Promise<LogicalVolume | undefined> {
  return (await group.read()).logicalVolumes.get(name);
}

/** A row of LVM's own report on the group, or on a volume of it. */
async function reported(command: string, column: string, name = "labcmd"): Promise<string | undefined> {
  return (await lab.foreign(`${command} -o ${column} ${name}`))[0]?.[column]?.trim();
}

test("a volume is made active with its tags in one commit", async () => {
  const before = await group.read();
  await group.create(() => ({ name: "a-b", extents: 7, stripes: 1, tags: ["lvm.local.csi/x=1", "y&20"] }));
  const state = await group.read();
  expect(state.sequenceNumber).toBe(before.sequenceNumber + 1);
  const made = state.logicalVolumes.get("a-b");
  expect(made).toMatchObject({ extentCount: 7, tags: ["lvm.local.csi/x=1", "y&20"] });
  const device = await lab.host.devices.findMapping("labcmd-a--b");
  expect(device?.mapping).toMatchObject({ uuid: made?.mappingUuid, suspended: false });
  expect(device?.sizeBytes).toBe(made?.sizeBytes);
  await expect(group.create(() => ({ name: "a-b", extents: 1, ...linear }))).rejects.toMatchObject({
    kind: "volumeExists",
  });
  await expect(group.create(() => ({ name: "big", extents: 9999, ...linear }))).rejects.toMatchObject({
    kind: "noSpace",
  });
});

test("a striped volume lies on the physical volumes named", async () => {
  await lab.foreign(`vgextend --yes labcmd ${disks[2]}`);
  const [, second, third] = (await group.read()).physicalVolumes.map((one) => one.uuid);
  const physicalVolumes = [second ?? "", third ?? ""];
  await group.create(() => ({ name: "s", extents: 10, stripes: 2, stripeBytes: 131_072, tags: [], physicalVolumes }));
  const made = await volume("s");
  expect(made?.segments).toHaveLength(1);
  expect(made?.segments[0]).toMatchObject({ extentCount: 10, stripeCount: 2, stripeBytes: 131_072 });
  expect(made?.segments[0]?.areas.map((area) => area.physicalVolume).toSorted()).toEqual(physicalVolumes.toSorted());
  await expect(group.create(() => ({ name: "w", extents: 4, stripes: 4, tags: [] }))).rejects.toMatchObject({
    kind: "noSpace",
  });
});

test("tags are added and taken away in one commit", async () => {
  await group.create(() => ({ name: "t", extents: 1, stripes: 1, tags: ["state=creating", "keep"] }));
  const before = await group.read();
  await group.changeTags("t", { add: ["state=ready", "new=&26"], remove: ["state=creating"] });
  const state = await group.read();
  expect(state.sequenceNumber).toBe(before.sequenceNumber + 1);
  expect(state.logicalVolumes.get("t")?.tags.toSorted()).toEqual(["keep", "new=&26", "state=ready"]);
  await group.changeTags("t", { add: [], remove: [] });
  expect((await group.read()).sequenceNumber).toBe(state.sequenceNumber);
  const absent = group.changeTags("absent", { add: ["x"], remove: [] });
  await expect(absent).rejects.toMatchObject({ kind: "volumeMissing" });
});

test("a volume is extended by LVM's choice, and onto named extents", async () => {
  const [first, second] = (await group.read()).physicalVolumes.map((one) => one.uuid);
  const areas = [
    { physicalVolume: second ?? "", start: 40, count: 2 },
    { physicalVolume: first ?? "", start: 30, count: 1 },
    { physicalVolume: second ?? "", start: 50, count: 1 },
  ];
  await group.create(() => ({ name: "e", extents: 4, ...linear }));
  await group.extend({ name: "e", from: 4, extents: 6, stripes: 1 });
  await group.extend({ name: "e", from: 6, extents: 10, stripes: 1, areas });
  const extended = await volume("e");
  expect(extended?.extentCount).toBe(10);
  const taken = extended?.segments.slice(1).flatMap((segment) => segment.areas) ?? [];
  expect(taken.toSorted(byPlace)).toEqual(areas.toSorted(byPlace));
  const device = await lab.host.devices.findMapping("labcmd-e");
  expect(device?.sizeBytes).toBe(extended?.sizeBytes);
  await expectNotExtended();
});

/** Of "e", which has 10 extents. */
async function expectNotExtended(): Promise<void> {
  const refusals = [
    ["volumeGrown", { name: "e", from: 10, extents: 10 }],
    ["volumeGrown", { name: "e", from: 10, extents: 9 }],
    ["volumeGrown", { name: "e", from: 9, extents: 11 }],
    ["noSpace", { name: "e", from: 10, extents: 9999 }],
    ["volumeMissing", { name: "no", from: 1, extents: 2 }],
  ] as const;
  for (const [kind, extension] of refusals) {
    await expect(group.extend({ ...extension, stripes: 1 })).rejects.toMatchObject({ kind });
  }
  expect((await volume("e"))?.extentCount).toBe(10);
}

function byPlace(a: { physicalVolume: string; start: number }, b: { physicalVolume: string; start: number }): number {
  return a.physicalVolume.localeCompare(b.physicalVolume) || a.start - b.start;
}

test.each([1, 2])("a scratch volume of %i stripes hands over exactly its extents", async (stripes) => {
  await group.create(() => ({ name: "v", extents: 4, stripes, tags: [] }));
  await group.create(() => ({ name: "gap", extents: 2, ...linear }));
  await group.create(() => ({ name: "scratch", extents: 6, stripes, tags: [] }));
  await group.create(() => ({ name: "after", extents: 2, ...linear }));
  const areas = (await volume("scratch"))?.segments.flatMap((segment) => segment.areas) ?? [];
  const before = lab.sent.length;
  const extension = { remove: "scratch", name: "v", extents: 10, stripes, areas };
  // somebody else has made it larger meanwhile: the scratch volume stays, too
  await expect(group.removeThenExtend({ ...extension, from: 2 })).rejects.toMatchObject({ kind: "volumeGrown" });
  expect(lab.sent.length).toBe(before);
  await group.removeThenExtend({ ...extension, from: 4 });
  expect(lab.sent.slice(before).map((line) => line.split(" ")[0])).toEqual(["lvremove", "lvextend"]);
  expect(await volume("scratch")).toBeUndefined();
  const taken = (await volume("v"))?.segments.flatMap((segment) => segment.areas).slice(stripes);
  expect(taken?.toSorted(byPlace)).toEqual(areas.toSorted(byPlace));
});

test("removals that wait share a commit, and each is told its own outcome", async () => {
  for (const name of ["a", "b", "open", "c"]) await group.create(() => ({ name, extents: 1, ...linear }));
  const open = await lab.host.devices.findMapping("labcmd-open");
  if (open === undefined) throw new Error("no device");
  const held = await lab.host.devices.openExclusive(open);
  const before = lab.sent.length;
  const running = group.changeTags("a", { add: ["busy"], remove: [] });
  const removals = ["a", "open", "b", "absent", "c", "a"].map((name) => group.remove(name));
  const outcomes = await Promise.allSettled([running, ...removals]);
  await held.close();
  const kinds = outcomes.map((outcome) => (outcome.status === "fulfilled" ? "removed" : outcome.reason.kind));
  expect(kinds).toEqual(["removed", "removed", "volumeInUse", "removed", "volumeMissing", "removed", "removed"]);
  expect([...(await group.read()).logicalVolumes.keys()]).toEqual(["open"]);
  expect(lab.sent.slice(before).filter((line) => line.startsWith("lvremove")).length).toBeLessThanOrEqual(3);
  expect((await lab.host.devices.findMapping("labcmd-open"))?.mapping?.suspended).toBe(false);
  await group.remove("open");
});

test("a snapshot that came at the last moment is not taken along", async () => {
  for (const name of ["origin", "plain"]) await group.create(() => ({ name, extents: 1, ...linear }));
  await lab.foreign("lvcreate --yes --snapshot -l 1 -n backup labcmd/origin");
  const outcomes = await Promise.allSettled(["origin", "plain"].map((name) => group.remove(name)));
  expect(outcomes).toMatchObject([{ reason: { kind: "volumeInUse" } }, { status: "fulfilled" }]);
  expect([...(await group.read()).logicalVolumes.keys()]).toEqual(expect.arrayContaining(["origin", "backup"]));
  expect(await volume("plain")).toBeUndefined();
  await lab.foreign("lvremove --yes labcmd/backup labcmd/origin");
});

test("sixty volumes go in two commits", async () => {
  const names = Array.from(
    { length: 60 },
    (_, index) => `pvc-8c7e6d30-8d0f-4f8a-9b39-${String(index).padStart(12, "0")}`,
  );
  for (const name of names) await lab.foreign(`lvcreate --yes -an -Wn -Zn -l 1 -n ${name} labcmd`);
  const before = (await group.read()).sequenceNumber;
  await Promise.all(names.map((name) => group.remove(name)));
  const state = await group.read();
  expect(state.logicalVolumes.size).toBe(0);
  expect(state.sequenceNumber).toBe(before + 2);
});

test("absence is confirmed by LVM", async () => {
  await group.create(() => ({ name: "here", extents: 1, ...linear }));
  expect(await group.confirmAbsent("here")).toBe(false);
  expect(await group.confirmAbsent("gone")).toBe(true);
});

test("a volume is deactivated, and not while it is open", async () => {
  await group.create(() => ({ name: "d", extents: 1, ...linear }));
  const before = (await group.read()).sequenceNumber;
  const device = await lab.host.devices.findMapping("labcmd-d");
  if (device === undefined) throw new Error("no device");
  const open = await lab.host.devices.openShared(device);
  await expect(group.deactivate("d")).rejects.toMatchObject({ kind: "volumeInUse" });
  expect(await lab.host.devices.findMapping("labcmd-d")).toEqual(device);
  await open.close();
  await group.deactivate("d");
  expect(await lab.host.devices.findMapping("labcmd-d")).toBeUndefined();
  await group.deactivate("d");
  expect((await group.read()).sequenceNumber).toBe(before);
  await expect(group.deactivate("absent")).rejects.toMatchObject({ kind: "volumeMissing" });
});

test("an inactive volume is activated, a suspended one resumed", async () => {
  await group.create(() => ({ name: "z", extents: 1, ...linear }));
  await lab.foreign("lvchange -an labcmd/z");
  expect(await lab.host.devices.findMapping("labcmd-z")).toBeUndefined();
  await group.activate("z");
  lab.run("dmsetup", "suspend", "labcmd-z");
  expect((await lab.host.devices.findMapping("labcmd-z"))?.mapping?.suspended).toBe(true);
  await group.refresh("z");
  expect((await lab.host.devices.findMapping("labcmd-z"))?.mapping?.suspended).toBe(false);
});

test("a backup is one that LVM can restore", async () => {
  await group.create(() => ({ name: "kept", extents: 1, ...linear }));
  const file = `${process.env["TMPDIR"] ?? "/tmp"}/labcmd.backup`;
  await group.backup(file);
  await group.changeTags("kept", { add: ["later"], remove: [] });
  await lab.foreign("lvchange -an labcmd/kept");
  lab.run("vgcfgrestore", "--file", file, "labcmd");
  expect((await volume("kept"))?.tags).toEqual([]);
});

test("others' changes between our commands are seen by the next one", async () => {
  await group.create(() => ({ name: "one", extents: 1, ...linear }));
  await lab.foreign(`vgextend --yes labcmd ${disks[2]}`);
  await lab.foreign(`lvcreate --yes -Wn -Zn -l 5 -n onthird labcmd ${disks[2]}`);
  await group.create(() => ({ name: "two", extents: 150, ...linear }));
  await group.changeTags("one", { add: ["x"], remove: [] });
  expect(await reported("vgs", "vg_missing_pv_count")).toBe("0");
  await lab.foreign("lvremove --yes labcmd/two labcmd/onthird");
  await lab.foreign(`vgreduce labcmd ${disks[2]}`);
  await group.create(() => ({ name: "three", extents: 1, ...linear }));
  expect([...(await group.read()).logicalVolumes.keys()].toSorted()).toEqual(["one", "three"]);
});

test("what cannot be said to LVM is refused before it is sent", async () => {
  const before = lab.sent.length;
  const names = ["a b", "-a", "a'", 'a"', "a\nb", "a#", "../a", "", "a/b"];
  for (const name of names) {
    await expect(group.remove(name)).rejects.toMatchObject({ kind: "refused" });
    await expect(group.create(() => ({ name, extents: 1, ...linear }))).rejects.toMatchObject({ kind: "refused" });
  }
  const tags = Array.from({ length: 30 }, (_, index) => `t${index}`);
  await expect(group.create(() => ({ name: "w", extents: 1, stripes: 1, tags }))).rejects.toMatchObject({
    kind: "refused",
  });
  expect(lab.sent).toHaveLength(before);
});
