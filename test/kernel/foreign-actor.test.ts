import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type SmallDisk, digest, makeSmallDisk, stageRequest, writeAt } from "./device-support.ts";
import { outcomeOf, persist, until } from "./process-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  devicePath,
  logicalVolumes,
  mountCapability,
  openWorld,
  shell,
} from "./world.ts";

let world: World;
let disks: readonly SmallDisk[];
/** A volume group that the driver may not use. */
const other = "vg-of-others";
const extentBytes = 4 * MiB;

beforeAll(async () => {
  disks = [await makeSmallDisk(0, 1024 * MiB), await makeSmallDisk(1, 256 * MiB), await makeSmallDisk(2, 64 * MiB)];
  world = await openWorld([pathOf(0)]);
  await shell("vgcreate", "--quiet", "--yes", other, pathOf(2));
  await shell("lvcreate", "--quiet", "--yes", "-Wn", "-Zn", "--extents", "4", "--name", "theirs", other);
});

afterAll(async () => {
  await shell("vgremove", "--quiet", "--force", "--yes", other);
  expect(await world.close()).toEqual({ code: 0, signal: null });
  for (const disk of disks) await disk.remove();
});

function pathOf(index: number): string {
  return disks[index]?.path ?? "";
}

/** A command of somebody else's; tells whether LVM carried it out. */
async function foreign(command: string, ...args: readonly string[]): Promise<boolean> {
  return shell(command, "--quiet", "--yes", ...args).then(
    () => true,
    () => false,
  );
}

function makeForeign(name: string, extents: number): Promise<boolean> {
  return foreign("lvcreate", "-Wn", "-Zn", "--extents", String(extents), "--name", name, world.volumeGroup);
}

/** All that LVM knows of the volumes that are not the driver's, in both groups. */
async function foreignVolumes(): Promise<readonly string[]> {
  const fields = "vg_name,lv_name,lv_uuid,lv_size,lv_attr,lv_tags,seg_pe_ranges";
  const rows = (await shell("lvs", "--noheadings", "--all", "--separator", "|", "-o", fields))
    .split("\n")
    .map((row) => row.trim());
  return rows.filter((row) => row !== "" && !row.includes("lvm.local.csi/")).toSorted();
}

/** What LVM itself says is free on disks that may be used, in bytes. */
async function freeBytes(): Promise<number> {
  const rows = await shell("pvs", "--noheadings", "-o", "pv_pe_count,pv_pe_alloc_count,pv_attr,vg_name");
  const free = rows.split("\n").map((row) => {
    const [total, used, attributes, group] = row.trim().split(/ +/);
    return group === world.volumeGroup && attributes?.startsWith("a") === true ? Number(total) - Number(used) : 0;
  });
  return free.reduce((sum, count) => sum + count, 0) * extentBytes;
}

async function capacity(): Promise<number> {
  return Number((await world.rpc.GetCapacity({})).availableCapacity);
}

test("what others do shows in the capacity at once", async () => {
  const group = world.volumeGroup;
  const deeds: readonly (readonly [string, ...string[]])[] = [
    ["lvcreate", "-Wn", "-Zn", "--extents", "10", "--name", "a", group],
    ["lvextend", "--extents", "+7", `${group}/a`],
    ["vgextend", group, pathOf(1)],
    ["lvcreate", "-Wn", "-Zn", "--extents", "80", "--name", "b", group],
    ["lvreduce", "--force", "--extents", "-5", `${group}/a`],
    ["pvchange", "--allocatable", "n", pathOf(1)],
    ["lvremove", `${group}/b`],
    ["lvrename", group, "a", "c"],
    ["pvchange", "--allocatable", "y", pathOf(1)],
    ["lvconvert", "--type", "mirror", "--mirrors", "1", "--mirrorlog", "core", `${group}/c`],
    ["lvremove", `${group}/c`],
    ["vgreduce", group, pathOf(1)],
  ];
  for (const [command, ...args] of deeds) {
    await foreign(command, ...args);
    expect([command, await capacity()]).toEqual([command, await freeBytes()]);
  }
});

test("what somebody gives a volume that is being expanded, and puts there, is kept", async () => {
  const request = { name: claimName(), capacityRange: { requiredBytes: 64 * MiB } };
  const { volume } = await world.rpc.CreateVolume({ ...request, volumeCapabilities: [blockCapability()] });
  const volumeId = volume?.volumeId ?? "";
  const expansion = { volumeId, capacityRange: { requiredBytes: 320 * MiB } };
  const row = Buffer.alloc(8 * MiB, "row");
  await disks[0]?.delayWrites(1000);
  const expanded = outcomeOf(world.rpc.ControllerExpandVolume(expansion));
  await until("its extents are being zeroed", async () =>
    (await logicalVolumes(world)).includes(`grow-${request.name}`),
  );
  expect(await foreign("lvextend", "--extents", "+2", `${world.volumeGroup}/${request.name}`)).toBe(true);
  await writeAt(devicePath(world, volumeId), 64 * MiB, row);
  await disks[0]?.delayWrites(0);
  expect(await expanded).toBe("ABORTED");
  for (const sizeBytes of [72 * MiB, 320 * MiB]) {
    const content = await readFile(devicePath(world, volumeId));
    expect(content.length).toBe(sizeBytes);
    expect(content.subarray(64 * MiB, 72 * MiB).equals(row)).toBe(true);
    expect(content.subarray(72 * MiB).every((byte) => byte === 0)).toBe(true);
    await world.rpc.ControllerExpandVolume(expansion);
  }
  await world.rpc.DeleteVolume({ volumeId });
});

/** Works on the group until the driver's part is done; tells which volumes it has made and not removed. */
async function act(goesOn: () => boolean): Promise<{ readonly kept: ReadonlySet<string>; readonly deeds: number }> {
  const kept = new Set<string>();
  let deeds = 0;
  for (let index = 0; goesOn(); index += 1) {
    const [name, old] = [`theirs-${index}`, `theirs-${index - 3}`];
    if (await makeForeign(name, 1 + (index % 4))) kept.add(name);
    await foreign("lvchange", "--addtag", `round=${index}`, `${world.volumeGroup}/${name}`);
    // every third of theirs stays
    if (index % 3 !== 0 && (await foreign("lvremove", `${world.volumeGroup}/${old}`))) kept.delete(old);
    await foreign(index % 4 < 2 ? "vgextend" : "vgreduce", world.volumeGroup, pathOf(1));
    deeds += 4;
  }
  return { kept, deeds };
}

/** Makes, grows, uses and removes volumes; tells those that are left, with their sizes in bytes. */
async function work(rounds: number): Promise<ReadonlyMap<string, number>> {
  const left = new Map<string, number>();
  for (let round = 0; round < rounds; round += 1) {
    const isMount = round % 2 === 0;
    const request = {
      name: claimName(),
      capacityRange: { requiredBytes: isMount ? 16 * MiB : 4 * MiB },
      volumeCapabilities: [isMount ? mountCapability() : blockCapability()],
    };
    const { volume } = await persist(() => world.rpc.CreateVolume(request));
    const volumeId = volume?.volumeId ?? "";
    const expansion = { volumeId, capacityRange: { requiredBytes: 24 * MiB } };
    if (round % 3 === 0) await persist(() => world.rpc.ControllerExpandVolume(expansion));
    if (round % 4 === 0) {
      const stage = await stageRequest(world, volumeId, "ext4");
      await persist(() => world.rpc.NodeStageVolume(stage));
      await persist(() => world.rpc.NodeUnstageVolume(stage));
    }
    if (round % 5 < 4) await persist(() => world.rpc.DeleteVolume({ volumeId }));
    else left.set(volumeId, sizeAfter(round));
  }
  return left;
}

function sizeAfter(round: number): number {
  if (round % 3 === 0) return 24 * MiB;
  return round % 2 === 0 ? 16 * MiB : 4 * MiB;
}

test("beside a foreign actor no update is lost, and nobody else's volume is touched", async () => {
  await makeForeign("database", 5);
  const database = `/dev/${world.volumeGroup}/database`;
  await shell("dd", "if=/dev/urandom", `of=${database}`, "bs=1M", "count=20", "conv=fsync", "status=none");
  const [before, bytes] = [await foreignVolumes(), await digest(database)];
  const going = { count: 2 };
  const ended = (rounds: number) => work(rounds).finally(() => (going.count -= 1));
  const [first, second, { kept, deeds }] = await Promise.all([ended(12), ended(12), act(() => going.count > 0)]);
  expect(deeds).toBeGreaterThan(20);

  const after = await foreignVolumes();
  expect(after).toEqual(expect.arrayContaining([...before]));
  const names = after.map((row) => row.split("|")[1] ?? "");
  expect(names.toSorted()).toEqual(["theirs", "database", ...kept].toSorted());
  expect(await digest(database)).toBe(bytes);
  const { entries } = await world.rpc.ListVolumes({});
  const listed = entries.map(({ volume }) => [volume?.volumeId, Number(volume?.capacityBytes)] as const);
  expect(new Map(listed)).toEqual(new Map([...first, ...second]));
  expect(await capacity()).toBe(await freeBytes());
  await shell("vgck", world.volumeGroup);

  for (const volumeId of [...first.keys(), ...second.keys()]) await world.rpc.DeleteVolume({ volumeId });
  expect(await foreignVolumes()).toEqual(after);
  for (const name of ["database", ...kept]) await foreign("lvremove", `${world.volumeGroup}/${name}`);
});
