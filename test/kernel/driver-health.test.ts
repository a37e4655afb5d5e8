import { rename } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createFilesystem, stageRequest } from "./device-support.ts";
import { hangDevice } from "./device-tables.ts";
import { type Scrape, httpFlag, scrape, statusOf } from "./health.ts";
import { childOf, outcomeOf, until } from "./process-support.ts";
import { type TwoGroups, creation, discardPublished, openTwoGroups, publishedVolume } from "./two-groups.ts";
import { MiB, type World, logicalVolumeOf, shell } from "./world.ts";

let groups: TwoGroups;
let world: World;

beforeAll(async () => {
  groups = await openTwoGroups();
  ({ world } = groups);
  await world.driver().stop();
  await start();
});

afterAll(() => groups.close());

async function start(): Promise<void> {
  await world.start([`--volume-group=${groups.second}`, httpFlag]);
}

/** What LVM itself says of a group, in bytes. */
async function vgs(group: string, field: string): Promise<number> {
  return Number(await shell("vgs", "--noheadings", "--nosuffix", "--units", "b", "-o", field, group));
}

function ofGroup({ value }: Scrape, figure: string, group = world.volumeGroup): number | undefined {
  return value(`lvm_local_csi_volume_group_${figure}{volume_group="${group}"}`);
}

function calls({ value }: Scrape, method: string, code = "OK"): number {
  return value(`lvm_local_csi_rpcs_total{method="${method}",code="${code}"}`) ?? 0;
}

function commands({ value }: Scrape, command: string, outcome = "succeeded"): number {
  return value(`lvm_local_csi_lvm_commands_total{command="${command}",outcome="${outcome}"}`) ?? 0;
}

test("the figures follow the life of a volume, and are those of LVM", async () => {
  const before = await scrape();
  expect(ofGroup(before, "up")).toBe(1);
  expect(ofGroup(before, "size_bytes")).toBe(await vgs(world.volumeGroup, "vg_size"));
  const volume = await publishedVolume(world, { sizeBytes: 16 * MiB });
  await outcomeOf(world.rpc.CreateVolume(creation(world.volumeGroup, 4096 * MiB)));
  const during = await scrape();
  expect(ofGroup(during, "free_bytes")).toBe(await vgs(world.volumeGroup, "vg_free"));
  expect((ofGroup(before, "free_bytes") ?? 0) - (ofGroup(during, "free_bytes") ?? 0)).toBe(16 * MiB);
  expect(ofGroup(during, "volumes")).toBe(1);
  expect(ofGroup(during, "volumes_abnormal")).toBe(0);
  expect(ofGroup(during, "missing_physical_volumes")).toBe(0);
  expect(ofGroup(during, "metadata_size_bytes")).toBeGreaterThan(200_000);
  expect(ofGroup(during, "metadata_free_bytes")).toBeLessThan(ofGroup(before, "metadata_free_bytes") ?? 0);
  for (const method of ["CreateVolume", "NodeStageVolume", "NodePublishVolume"]) {
    expect(calls(during, method) - calls(before, method)).toBe(1);
    expect(during.value(`lvm_local_csi_rpc_duration_seconds_sum{method="${method}"}`)).toBeGreaterThan(0);
  }
  expect(calls(during, "CreateVolume", "RESOURCE_EXHAUSTED")).toBe(1);
  expect(commands(during, "lvcreate") - commands(before, "lvcreate")).toBe(1);
  expect(commands(during, "lvchange")).toBeGreaterThanOrEqual(2);
  expect(during.value("lvm_local_csi_operations_in_progress")).toBe(0);
  expect(during.text).not.toContain(logicalVolumeOf(volume.staged.volumeId));
  await discardPublished(world, volume);
  const after = await scrape();
  expect(ofGroup(after, "free_bytes")).toBe(ofGroup(before, "free_bytes"));
  expect(ofGroup(after, "volumes")).toBe(0);
  expect(commands(after, "lvremove") - commands(before, "lvremove")).toBe(1);
});

test("a volume that is not in order is counted", async () => {
  const volumeId = await createFilesystem(world, "ext4", 16 * MiB);
  await shell("lvchange", "--quiet", "-an", `${world.volumeGroup}/${logicalVolumeOf(volumeId)}`);
  const { text } = await scrape();
  expect(text).toContain(`lvm_local_csi_volume_group_volumes_abnormal{volume_group="${world.volumeGroup}"} 1\n`);
  await world.rpc.DeleteVolume({ volumeId });
});

test("a disk that hangs: alive and ready, a scrape in time, and nothing of what was known before", async () => {
  const volume = await publishedVolume(world, { sizeBytes: 16 * MiB });
  expect(ofGroup(await scrape(), "volumes")).toBe(1);
  const free = await vgs(groups.second, "vg_free");
  const endHang = await hangDevice(groups.disks[0].path);
  try {
    for (let round = 0; round < 4; round += 1) {
      const started = performance.now();
      const figures = await scrape();
      // a second of it is the wait for a fresh answer; Prometheus waits for ten
      expect(performance.now() - started).toBeLessThan(11_000);
      expect(ofGroup(figures, "up")).toBe(0);
      expect(ofGroup(figures, "free_bytes")).toBeUndefined();
      expect(ofGroup(figures, "volumes")).toBeUndefined();
      expect(ofGroup(figures, "up", groups.second)).toBe(1);
      expect(ofGroup(figures, "free_bytes", groups.second)).toBe(free);
      expect(await statusOf("/healthz")).toBe(200);
      expect(await statusOf("/readyz")).toBe(200);
    }
  } finally {
    await endHang();
  }
  await until("the group can be read", async () => ofGroup(await scrape(), "up") === 1);
  expect(ofGroup(await scrape(), "volumes")).toBe(1);
  await discardPublished(world, volume);
});

test("without its CSI socket it is not alive, with it it is", async () => {
  await rename(world.socketPath, `${world.socketPath}.away`);
  await pause(1100);
  expect(await statusOf("/healthz")).toBe(503);
  expect(await statusOf("/readyz")).toBe(503);
  await rename(`${world.socketPath}.away`, world.socketPath);
  await pause(1100);
  expect(await statusOf("/healthz")).toBe(200);
});

test("a process that stands still answers no probe", async () => {
  process.kill(world.driver().pid, "SIGSTOP");
  expect(await statusOf("/healthz", 2000)).toBe(0);
  process.kill(world.driver().pid, "SIGCONT");
  expect(await statusOf("/healthz")).toBe(200);
});

test("at its end it is alive, and not ready, as long as mkfs runs", async () => {
  const volumeId = await createFilesystem(world, "ext4", 64 * MiB);
  const request = await stageRequest(world, volumeId, "ext4");
  await groups.disks[0].delayWrites(1000);
  const staging = world.rpc.NodeStageVolume(request);
  await until("mkfs runs", () => childOf(world, "mkfs.ext4"));
  const ended = world.driver().stop();
  await pause(300);
  expect(await statusOf("/healthz")).toBe(200);
  expect(await statusOf("/readyz")).toBe(503);
  await groups.disks[0].delayWrites(0);
  expect(await ended).toEqual({ code: 0, signal: null });
  expect(await staging).toEqual({});
  await start();
  await world.rpc.NodeUnstageVolume(request);
  await world.rpc.DeleteVolume({ volumeId });
});
