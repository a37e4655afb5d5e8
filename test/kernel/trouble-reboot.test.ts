import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createFilesystem, dmsetup, writeAt } from "./device-support.ts";
import { processes, until } from "./process-support.ts";
import { type BadCall, wrongAnswers } from "./refusals.ts";
import {
  type TwoGroups,
  discardPublished,
  expectChanges,
  expectGroupWorks,
  openTwoGroups,
  publishedVolume,
} from "./two-groups.ts";
import { MiB, type World, blockCapability, blockTargetPath, devicePath, logicalVolumeOf, shell } from "./world.ts";
import { stagedVolume } from "./volume-support.ts";

let groups: TwoGroups;
let world: World;

beforeAll(async () => {
  groups = await openTwoGroups();
  ({ world } = groups);
});

afterAll(async () => {
  await groups.close();
});

test("after a reboot that activates nothing, every call finds the volume that it is about, with its data", async () => {
  const used = await publishedVolume(world, { sizeBytes: 16 * MiB });
  await writeFile(join(used.target, "row"), "committed");
  const raw = await stagedVolume(world, { sizeBytes: 8 * MiB, capability: blockCapability() });
  await writeAt(devicePath(world, raw.volumeId), MiB, Buffer.from("row"));
  const [growing, removed] = [
    await createFilesystem(world, "ext4", 16 * MiB),
    await createFilesystem(world, "ext4", 16 * MiB),
  ];
  await world.driver().kill();
  await shell("umount", used.target, used.staged.stagingTargetPath);
  await shell("vgchange", "--quiet", "--activate", "n", world.volumeGroup);
  await world.start();
  await until("it is ready", async () => (await world.rpc.Probe({})).ready?.value);

  const { volumeId } = used.staged;
  const stats = () => world.rpc.NodeGetVolumeStats({ volumeId, volumePath: used.target });
  const publish = () => world.rpc.NodePublishVolume({ ...used.staged, targetPath: used.target });
  const calls: readonly BadCall[] = [
    ["statistics", /is not active, so it is mounted nowhere|is not at volume_path/, stats, "NOT_FOUND"],
    ["publish before stage", /is not staged/, publish, "FAILED_PRECONDITION"],
  ];
  expect(await wrongAnswers(calls)).toEqual([]);
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: used.target });
  await world.rpc.NodeStageVolume(used.staged);
  await publish();
  expect(await readFile(join(used.target, "row"), "utf8")).toBe("committed");

  const target = await blockTargetPath(world, "pod", logicalVolumeOf(raw.volumeId));
  await world.rpc.NodeStageVolume(raw);
  await world.rpc.NodePublishVolume({ ...raw, targetPath: target });
  expect((await readFile(target)).subarray(MiB, MiB + 3).toString()).toBe("row");

  await world.rpc.ControllerExpandVolume({ volumeId: growing, capacityRange: { requiredBytes: 32 * MiB } });
  for (const id of [growing, removed]) await world.rpc.DeleteVolume({ volumeId: id });
  await discardPublished(world, used);
  await discardPublished(world, { staged: raw, target });
});

/** All devices that the driver's LVM processes, one for each group, would look at, with their groups. */
async function devicesOfDriver(): Promise<ReadonlyMap<string, string>> {
  const own = (await processes()).filter(({ name, parent }) => name === "lvm" && parent === world.driver().pid);
  const devices = own.map(async ({ pid }) => {
    const environment = await readFile(`/proc/${pid}/environ`, "utf8");
    const directory = /LVM_SYSTEM_DIR=([^\0]+)/.exec(environment)?.[1] ?? "";
    const seen = await shell("env", `LVM_SYSTEM_DIR=${directory}`, "pvs", "--all", "-o", "pv_name,vg_name");
    const rows = seen.matchAll(/"pv_name":"([^"]*)", *"vg_name":"([^"]*)"/g);
    return [...rows].map(([, device = "", group = ""]) => [device, group] as const);
  });
  return new Map((await Promise.all(devices)).flat());
}

async function kernelPath(path: string): Promise<string> {
  return `/dev/${(await dmsetup("info", "--columns", "--noheadings", "-o", "blkdevname", path)).trim()}`;
}

function stranger(): Promise<string> {
  return shell("vgs", "--noheadings", "-o", "vg_uuid,vg_seqno,vg_free_count,pv_uuid", "vg-stranger");
}

test("LVM sees the group's own disks alone, also after a foreign vgextend, and when a disk comes back under another name", async () => {
  const used = await publishedVolume(world, { sizeBytes: 16 * MiB });
  await writeFile(join(used.target, "row"), "committed");
  const { volumeId, stagingTargetPath } = used.staged;
  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: used.target });
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath });
  await shell("vgchange", "--quiet", "--activate", "n", world.volumeGroup);
  const [disk] = groups.disks;
  const table = (await dmsetup("table", disk.path)).trim();
  await disk.remove();
  // under the old name and number there is now somebody else's disk, with a group and data of its own
  const third = (process.env["LAB_DISKS"] ?? "").split(" ")[2];
  await dmsetup("create", "small0", "--table", `0 131072 linear ${third} 8192`);
  await dmsetup("create", "elsewhere", "--table", table);
  await shell("vgcreate", "--quiet", "--yes", "vg-stranger", disk.path);
  await shell("lvcreate", "--quiet", "--yes", "-Wn", "-Zn", "-l", "2", "-n", "theirs", "vg-stranger");
  const before = await stranger();

  await world.rpc.NodeStageVolume(used.staged);
  expect(await readFile(join(stagingTargetPath, "row"), "utf8")).toBe("committed");
  await world.rpc.NodeUnstageVolume({ volumeId, stagingTargetPath });
  await world.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 32 * MiB } });
  await expectGroupWorks(world, world.volumeGroup);
  const elsewhere = [await kernelPath("/dev/mapper/elsewhere"), world.volumeGroup] as const;
  const unharmed = [await kernelPath(groups.disks[1].path), groups.second] as const;
  await expectGroupWorks(world, groups.second);
  expect(await devicesOfDriver()).toEqual(new Map([elsewhere, unharmed]));
  expect(await stranger()).toBe(before);

  await shell("vgremove", "--quiet", "--force", "--yes", "vg-stranger");
  await shell("vgextend", "--quiet", "--yes", world.volumeGroup, disk.path);
  await world.rpc.DeleteVolume({ volumeId });
  await expectChanges(world);
  const joined = [await kernelPath(disk.path), world.volumeGroup] as const;
  expect(await devicesOfDriver()).toEqual(new Map([elsewhere, joined, unharmed]));
  await shell("vgreduce", "--quiet", "--yes", world.volumeGroup, disk.path);
  await shell("vgchange", "--quiet", "--activate", "n", world.volumeGroup);
  await dmsetup("remove", "elsewhere");
  await disk.remove();
  await disk.bringBack();
  await expectChanges(world);
});
