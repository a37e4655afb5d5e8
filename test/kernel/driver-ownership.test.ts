import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { type SmallDisk, createFilesystem, digest, makeSmallDisk, stageRequest } from "./device-support.ts";
import { childOf, persist, until } from "./process-support.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  devicePath,
  expectRefused,
  logicalVolumeOf,
  logicalVolumes,
  mountCapability,
  mountsAt,
  openWorld,
  shell,
} from "./world.ts";

let world: World;
let disks: readonly [SmallDisk, SmallDisk];
/** Somebody else's volume group. */
const other = "vg-of-others";

beforeAll(async () => {
  disks = [await makeSmallDisk(0, 256 * MiB), await makeSmallDisk(1, 256 * MiB)];
  world = await openWorld([disks[0].path]);
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
  for (const disk of disks) await disk.remove();
});

async function freeBytes(): Promise<number> {
  return Number((await world.rpc.GetCapacity({})).availableCapacity);
}

/** A logical volume that is not the driver's. */
async function makeForeign(name: string, ...more: readonly string[]): Promise<void> {
  const options = ["--quiet", "--yes", "-Wn", "-Zn", "--extents", "4"];
  await shell("lvcreate", ...options, ...more, "--name", name, world.volumeGroup);
}

/** All that LVM knows of the volumes of a group. */
function report(group = world.volumeGroup): Promise<string> {
  return shell(
    "lvs",
    "--noheadings",
    "--all",
    "-o",
    "lv_name,lv_uuid,lv_size,lv_tags,lv_attr,seg_pe_ranges,vg_seqno",
    group,
  );
}

test("a logical volume without the driver's mark is nobody's business, whatever its name", async () => {
  const request = {
    name: claimName(),
    volumeCapabilities: [mountCapability()],
    capacityRange: { requiredBytes: 16 * MiB },
  };
  await makeForeign(request.name);
  const volumeId = `n1/${world.volumeGroup}/${request.name}`;
  const [before, bytes] = [await report(), await digest(devicePath(world, volumeId))];
  await expectRefused(world.rpc.CreateVolume(request), "ALREADY_EXISTS", /was not made by this driver/);
  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /was not made by this driver/);
  const stage = await stageRequest(world, volumeId, "ext4");
  await expectRefused(world.rpc.NodeStageVolume(stage), "NOT_FOUND", /does not exist/);
  const range = { requiredBytes: 64 * MiB };
  await expectRefused(
    world.rpc.ControllerExpandVolume({ volumeId, capacityRange: range }),
    "NOT_FOUND",
    /does not exist/,
  );
  await expectRefused(world.rpc.ControllerGetVolume({ volumeId }), "NOT_FOUND", /does not exist/);
  expect((await world.rpc.ListVolumes({})).entries).toEqual([]);
  expect(await report()).toBe(before);
  expect(await digest(devicePath(world, volumeId))).toBe(bytes);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/${request.name}`);
});

test("a foreign volume that has the name of a scratch volume is not removed", async () => {
  const request = {
    name: claimName(),
    volumeCapabilities: [blockCapability()],
    capacityRange: { requiredBytes: 16 * MiB },
  };
  const volumeId = (await world.rpc.CreateVolume(request)).volume?.volumeId ?? "";
  await makeForeign(`grow-${request.name}`);
  const expand = { volumeId, capacityRange: { requiredBytes: 48 * MiB } };
  await expectRefused(world.rpc.ControllerExpandVolume(expand), "FAILED_PRECONDITION", /stands in the way/);
  expect(await logicalVolumes(world)).toContain(`grow-${request.name}`);
  await world.driver().kill();
  await world.start();
  await until("the driver is ready", async () => (await world.rpc.Probe({})).ready?.value);
  await persist(() => world.rpc.DeleteVolume({ volumeId })).catch(() => undefined);
  expect(await logicalVolumes(world)).toContain(`grow-${request.name}`);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/grow-${request.name}`);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a snapshot that somebody made of a volume is not removed with it", async () => {
  const volumeId = await createFilesystem(world, "ext4", 16 * MiB);
  const origin = `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`;
  await shell("lvcreate", "--quiet", "--yes", "--snapshot", "--extents", "4", "--name", "backup", origin);
  await expectRefused(world.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /backup|snapshot/);
  expect(await logicalVolumes(world)).toContain("backup");
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/backup`);
  await world.rpc.DeleteVolume({ volumeId });
});

test("tags of others stay on a volume through all its states", async () => {
  const volumeId = await createFilesystem(world, "ext4", 16 * MiB);
  const name = `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`;
  await shell("lvchange", "--quiet", "--addtag", "team=storage", "--addtag", "lvm.local.example/state=x", name);
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 32 * MiB } });
  const tags = (await shell("lvs", "--noheadings", "-o", "lv_tags", name)).trim().split(",");
  expect(tags.toSorted()).toEqual([
    "lvm.local.csi/fs=ext4",
    "lvm.local.csi/state=formatted",
    "lvm.local.example/state=x",
    "team=storage",
  ]);
  await world.rpc.DeleteVolume({ volumeId });
});

test("another volume group of the machine is out of reach, also for the lvm process", async () => {
  await shell("vgcreate", "--quiet", "--yes", other, disks[1].path);
  await shell("lvcreate", "--quiet", "--yes", "--extents", "4", "--name", "theirs", other);
  const before = await report(other);
  const request = { name: claimName(), volumeCapabilities: [mountCapability()], parameters: { volumeGroup: other } };
  await expectRefused(
    world.rpc.CreateVolume(request),
    "INVALID_ARGUMENT",
    /"volumeGroup" is "vg-of-others"; this node allows/,
  );
  expect(await world.rpc.GetCapacity({ parameters: { volumeGroup: other } })).toMatchObject({ availableCapacity: "0" });
  await expectRefused(
    world.rpc.DeleteVolume({ volumeId: `n1/${other}/${claimName()}` }),
    "FAILED_PRECONDITION",
    /--volume-group/,
  );
  await world.rpc.DeleteVolume({ volumeId: await createFilesystem(world, "ext4", 16 * MiB) });
  const lvm = await childOf(world, "lvm");
  const directory = /LVM_SYSTEM_DIR=([^\0]+)/.exec(await readFile(`/proc/${lvm?.pid}/environ`, "utf8"))?.[1] ?? "";
  const seen = await shell("env", `LVM_SYSTEM_DIR=${directory}`, "pvs", "--all", "-o", "pv_name,vg_name");
  expect([...seen.matchAll(/"(\/dev\/[^"]*)", "vg_name":"([^"]*)"/g)].map(([, , group]) => group)).toEqual([
    world.volumeGroup,
  ]);
  expect(await report(other)).toBe(before);
  await shell("vgremove", "--quiet", "--force", "--yes", other);
});

test("DeleteVolume says OK only where the volume cannot exist", async () => {
  const name = claimName();
  for (const garbage of [
    "x",
    "n1/x",
    `n1/${world.volumeGroup}/data`,
    `n1/${world.volumeGroup}/${name}/x`,
    `../${name}`,
  ]) {
    expect(await world.rpc.DeleteVolume({ volumeId: garbage })).toEqual({});
  }
  expect(await world.rpc.DeleteVolume({ volumeId: `n1/${world.volumeGroup}/${name}` })).toEqual({});
  const elsewhere = `n2/${world.volumeGroup}/${name}`;
  await expectRefused(world.rpc.DeleteVolume({ volumeId: elsewhere }), "FAILED_PRECONDITION", /on another node/);
});

/** How a volume group goes, and comes back. */
const absences: readonly (readonly [string, () => Promise<unknown>, () => Promise<unknown>])[] = [
  ["renamed", () => shell("vgrename", world.volumeGroup, "away"), () => shell("vgrename", "away", world.volumeGroup)],
  ["exported", () => shell("vgexport", world.volumeGroup), () => shell("vgimport", world.volumeGroup)],
  ["without its disk", () => disks[0].remove(), () => disks[0].bringBack()],
];

test.each(absences)(
  "a volume group that is %s: nothing is concluded, and all goes on when it is back",
  async (_, go, comeBack) => {
    const volumeId = await createFilesystem(world, "ext4", 16 * MiB);
    const free = await freeBytes();
    await shell("vgchange", "--quiet", "--activate", "n", world.volumeGroup);
    await go();
    await until("the driver has noticed", async () => (await world.rpc.Probe({})).ready?.value === false);
    const absent = `n1/${world.volumeGroup}/${claimName()}`;
    for (const id of [volumeId, absent]) {
      await expectRefused(world.rpc.DeleteVolume({ volumeId: id }), "UNAVAILABLE", /./);
    }
    const request = await stageRequest(world, volumeId, "ext4");
    await expectRefused(world.rpc.NodeStageVolume(request), "UNAVAILABLE", /./);
    await expectRefused(world.rpc.ListVolumes({}), "UNAVAILABLE", /./);
    const creation = { name: claimName(), volumeCapabilities: [mountCapability()] };
    await expectRefused(world.rpc.CreateVolume(creation), "RESOURCE_EXHAUSTED", /./);
    // The scheduler would go elsewhere, and this volume be left over.
    const again = { ...creation, name: logicalVolumeOf(volumeId), capacityRange: { requiredBytes: 16 * MiB } };
    await expectRefused(world.rpc.CreateVolume(again), "UNAVAILABLE", /./);
    expect(await freeBytes()).toBe(0);
    expect(await world.rpc.NodeUnstageVolume(request)).toEqual({});
    await comeBack();
    await until("the driver has noticed", async () => (await world.rpc.Probe({})).ready?.value);
    expect(await freeBytes()).toBe(free);
    await world.rpc.NodeStageVolume(request);
    expect(await mountsAt(request.stagingTargetPath)).toHaveLength(1);
    await world.rpc.NodeUnstageVolume(request);
    await world.rpc.DeleteVolume({ volumeId });
  },
);

test("a driver that starts before its volume group is there says so once, waits, and goes on", async () => {
  expect(await world.driver().stop()).toEqual({ code: 0, signal: null });
  await shell("vgrename", world.volumeGroup, "away");
  const earlier = (await world.driver().log()).length;
  await world.start();
  const said = async (what: string) => (await world.driver().log()).slice(earlier).split(what).length - 1;
  await until("it says so", async () => (await said("waiting for the volume group")) > 0);
  expect(await world.rpc.Probe({})).toMatchObject({ ready: { value: false } });
  await shell("vgrename", "away", world.volumeGroup);
  await until("it goes on", async () => (await said("the volume group is there")) === 1);
  expect(await said("waiting for the volume group")).toBe(1);
  expect(await world.rpc.Probe({})).toMatchObject({ ready: { value: true } });
});

test("what others do to the group is seen at once", async () => {
  const free = await freeBytes();
  await makeForeign("theirs");
  expect(await freeBytes()).toBe(free - 16 * MiB);
  await shell("lvremove", "--quiet", "--yes", `${world.volumeGroup}/theirs`);
  expect(await freeBytes()).toBe(free);
  await shell("vgextend", "--quiet", "--yes", world.volumeGroup, disks[1].path);
  expect(await freeBytes()).toBeGreaterThan(free + 200 * MiB);
  const volumeId = await createFilesystem(world, "ext4", 400 * MiB);
  const devices = await shell(
    "lvs",
    "--noheadings",
    "-o",
    "devices",
    `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`,
  );
  expect(devices).toMatch(/small1/);
  const request = await stageRequest(world, volumeId, "ext4");
  await world.rpc.NodeStageVolume(request);
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
  await shell("vgreduce", "--quiet", "--yes", world.volumeGroup, disks[1].path);
  expect(await freeBytes()).toBe(free);
});
