import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open, statfs } from "node:fs/promises";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { check } from "../../src/filesystem/check.ts";
import { grow, needsGrowth } from "../../src/filesystem/grow.ts";
import { make } from "../../src/filesystem/make.ts";
import { parseMkfsOptions } from "../../src/filesystem/mkfs-options.ts";
import { parseMountOptions } from "../../src/filesystem/mount-options.ts";
import { type FilesystemName, filesystemNames, minimumBytes } from "../../src/filesystem/names.ts";
import { type Contents, probe, probeRanges } from "../../src/filesystem/probe.ts";
import { type OpenHost, createHost } from "../../src/host/create-host.ts";
import type { BlockDevice, Host } from "../../src/host/host.ts";
import { btrfsMountSigns, eraseMountSigns } from "./btrfs-signs.ts";

jest.setTimeout(120_000);

const MEBIBYTE = 2 ** 20;
const GROUP = "fstest";
const DISK = (process.env["LAB_DISKS"] ?? "/dev/ubdb").split(" ")[0] ?? "";

let opened: OpenHost;
let host: Host;
let kubeletDirectory: string;

beforeAll(async () => {
  run("vgcreate", "--yes", "--physicalextentsize", "1m", GROUP, DISK);
  kubeletDirectory = mkdtempSync("/run/kubelet-");
  opened = await createHost({ kubeletDirectory });
  host = opened.host;
});

afterAll(async () => {
  await opened.close();
  run("vgremove", "--yes", GROUP);
  rmSync(kubeletDirectory, { recursive: true });
});

function run(file: string, ...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(file, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${file} ${args.join(" ")}: ${error?.message ?? stderr}`);
}

/** A logical volume as the driver hands it to its first stage: blank where filesystems are looked for. */
async function withVolume(sizeBytes: number, work: (volume: Volume) => Promise<void>): Promise<void> {
  run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "lv", "--size", `${sizeBytes}b`, GROUP);
  const volume = await openVolume();
  try {
    const exclusive = await host.devices.openExclusive(volume.device);
    for (const range of probeRanges(sizeBytes)) await exclusive.zero(range);
    await exclusive.flush();
    await exclusive.close();
    expect(await volume.probe()).toEqual({ kind: "blank" });
    await work(volume);
  } finally {
    while ((await host.mounts.table()).some((entry) => entry.target === volume.mountPath)) {
      await host.mounts.unmount(volume.mountPath);
    }
    run("lvremove", "--yes", `${GROUP}/lv`);
  }
}

interface Volume {
  readonly device: BlockDevice;
  readonly devicePath: string;
  readonly mountPath: string;
  probe(): Promise<Contents>;
  mount(filesystem: FilesystemName, options?: string): Promise<void>;
  unmount(): Promise<void>;
}

async function openVolume(): Promise<Volume> {
  const device = await host.devices.findMapping(`${GROUP}-lv`);
  if (device === undefined) throw new Error("the logical volume is not active");
  const mountPath = path.join(kubeletDirectory, "volume");
  return {
    device,
    devicePath: `/dev/${device.name}`,
    mountPath,
    probe: () => probe(device.sizeBytes, (ranges) => host.devices.read(device, ranges)),
    mount: async (filesystem, options) => {
      await host.mounts.makeDirectory(mountPath);
      const parsed = parseMountOptions(filesystem, options === undefined ? [] : [options]);
      await host.mounts.mount({ device, type: filesystem, ...parsed, target: mountPath });
    },
    unmount: () => host.mounts.unmount(mountPath),
  };
}

async function writeDurably(file: string): Promise<void> {
  const handle = await open(file, "w");
  await handle.write("data");
  await handle.sync();
  await handle.close();
}

const fresh = { force: false, extra: [] };

test.each([
  ["ext4", ""],
  ["ext4", "-O ^has_journal"],
  ["xfs", ""],
  ["xfs", "-l su=32k"],
  ["xfs", "-s size=4096"],
  ["btrfs", ""],
  ["btrfs", "--csum sha256"],
  ["btrfs", "-n 4k -d dup -m single"],
] as const)("%s %s tells that it was mounted from its first mount on", async (filesystem, options) => {
  await withVolume(320 * MEBIBYTE, async (volume) => {
    const extra = parseMkfsOptions(filesystem, options);
    await make(host.programs, filesystem, volume.devicePath, { force: false, extra });
    expect(await volume.probe()).toMatchObject({ filesystem, everMounted: false, needsCheck: false });
    await volume.mount(filesystem);
    await volume.unmount();
    expect(await volume.probe()).toMatchObject({ filesystem, everMounted: true, needsCheck: false });
    await make(host.programs, filesystem, volume.devicePath, { force: true, extra });
    expect(await volume.probe()).toMatchObject({ filesystem, everMounted: false });
  });
});

function probeWithout(volume: Volume, signs: typeof btrfsMountSigns): Promise<Contents> {
  return probe(volume.device.sizeBytes, async (ranges) => {
    const [start, ...others] = await host.devices.read(volume.device, ranges);
    return [eraseMountSigns(start ?? new Uint8Array(), signs), ...others];
  });
}

test("btrfs tells by each single sign that it was mounted: a short mount need not leave all", async () => {
  await withVolume(320 * MEBIBYTE, async (volume) => {
    await make(host.programs, "btrfs", volume.devicePath, fresh);
    await volume.mount("btrfs");
    // A kernel thread first looks through the uuid tree.
    await pause(500);
    await volume.unmount();
    for (const kept of btrfsMountSigns) {
      const erased = btrfsMountSigns.filter((sign) => sign !== kept);
      expect({ kept, ...(await probeWithout(volume, erased)) }).toMatchObject({ kept, everMounted: true });
    }
    expect(await probeWithout(volume, btrfsMountSigns)).toMatchObject({ filesystem: "btrfs", everMounted: false });
  });
});

test.each(filesystemNames)(
  "%s with a durable file is mounted before, as a power cut would leave it",
  async (filesystem) => {
    await withVolume(320 * MEBIBYTE, async (volume) => {
      await make(host.programs, filesystem, volume.devicePath, fresh);
      await volume.mount(filesystem);
      await writeDurably(path.join(volume.mountPath, "file"));
      expect(await volume.probe()).toMatchObject({ filesystem, everMounted: true });
    });
  },
);

test.each(filesystemNames)("a mounted %s is not written over, even by force", async (filesystem) => {
  await withVolume(320 * MEBIBYTE, async (volume) => {
    await make(host.programs, filesystem, volume.devicePath, fresh);
    await volume.mount(filesystem);
    const attempt = make(host.programs, filesystem, volume.devicePath, { force: true, extra: [] });
    await expect(attempt).rejects.toMatchObject({ kind: "internal" });
  });
});

test.each(filesystemNames)("%s grows while it is mounted, and again to no effect", async (filesystem) => {
  await withVolume(320 * MEBIBYTE, async (small) => {
    await make(host.programs, filesystem, small.devicePath, fresh);
    await small.mount(filesystem);
    await writeDurably(path.join(small.mountPath, "file"));
    run("lvextend", "--size", "700m", `${GROUP}/lv`);
    const volume = await openVolume();
    const before = await statfs(volume.mountPath);
    expect(needsGrowth(await volume.probe(), volume.device.sizeBytes)).toBe(true);
    const { device } = volume;
    const mount = (await host.mounts.table()).findLast((entry) => entry.target === volume.mountPath);
    if (mount === undefined) throw new Error("it is not mounted");
    await grow(host, filesystem, { device, mount });
    const after = await statfs(volume.mountPath);
    expect(after.blocks * after.bsize).toBeGreaterThan(before.blocks * before.bsize + 300 * MEBIBYTE);
    await grow(host, filesystem, { device, mount });
    expect((await statfs(volume.mountPath)).blocks).toBe(after.blocks);
    await volume.unmount();
    const contents = await volume.probe();
    expect(contents).toMatchObject({ filesystem, sizeBytes: 700 * MEBIBYTE });
    expect(needsGrowth(contents, volume.device.sizeBytes)).toBe(false);
  });
});

test.each(filesystemNames)("the smallest %s can be mounted and holds something", async (filesystem) => {
  await withVolume(minimumBytes(filesystem), async (volume) => {
    await make(host.programs, filesystem, volume.devicePath, fresh);
    await volume.mount(filesystem);
    const file = path.join(volume.mountPath, "file");
    writeFileSync(file, Buffer.alloc(8 * MEBIBYTE, 1), { flush: true });
    expect(statSync(file).size).toBe(8 * MEBIBYTE);
  });
});

test("an ext4 with a recorded error is checked, then mounted", async () => {
  await withVolume(64 * MEBIBYTE, async (volume) => {
    await make(host.programs, "ext4", volume.devicePath, fresh);
    await volume.mount("ext4");
    await writeDurably(path.join(volume.mountPath, "file"));
    await volume.unmount();
    run("debugfs", "-w", "-R", "set_super_value state 2", volume.devicePath);
    expect(await volume.probe()).toMatchObject({ everMounted: true, needsCheck: true });
    await check(host.programs, "ext4", volume.devicePath);
    expect(await volume.probe()).toMatchObject({ everMounted: true, needsCheck: false });
    await volume.mount("ext4");
  });
});

test.each([
  ["ext4", "noatime,nodiratime,data=journal,errors=remount-ro,stripe=16,nodelalloc,max_batch_time=0,discard,commit=30"],
  ["ext4", "ro,nosuid,lazytime,barrier=1,noinit_itable,journal_checksum,noauto_da_alloc,dioread_lock,user_xattr,acl"],
  ["xfs", "largeio,swalloc,inode64,logbufs=8,logbsize=256k,allocsize=64m,prjquota,discard,nouuid"],
  ["xfs", "filestreams,wsync,noalign,inode32,uquota,strictatime,sync"],
  ["btrfs", "compress=zstd:3,autodefrag,ssd,space_cache=v2,discard=async,commit=60,max_inline=2k,thread_pool=2"],
  ["btrfs", "compress-force=lzo,nossd,noflushoncommit,nodatasum,metadata_ratio=4,user_subvol_rm_allowed,noacl"],
] as const)("the kernel takes for %s: %s", async (filesystem, options) => {
  await withVolume(320 * MEBIBYTE, async (volume) => {
    await make(host.programs, filesystem, volume.devicePath, fresh);
    await volume.mount(filesystem, options);
    const entry = (await host.mounts.table()).find((each) => each.target === volume.mountPath);
    expect(entry?.type).toBe(filesystem);
  });
});

test("an xfs can be mounted beside its clone", async () => {
  await withVolume(320 * MEBIBYTE, async (volume) => {
    await make(host.programs, "xfs", volume.devicePath, fresh);
    run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "clone", "--size", "320m", GROUP);
    const clone = await host.devices.findMapping(`${GROUP}-clone`);
    const target = path.join(kubeletDirectory, "clone");
    await host.mounts.makeDirectory(target);
    run("dd", `if=${volume.devicePath}`, `of=/dev/${clone?.name}`, "bs=1M", "oflag=direct", "status=none");
    await volume.mount("xfs");
    if (clone !== undefined) {
      await host.mounts.mount({ device: clone, type: "xfs", ...parseMountOptions("xfs", []), target });
    }
    expect((await host.mounts.table()).filter((entry) => entry.type === "xfs")).toHaveLength(2);
    await host.mounts.unmount(target);
    run("lvremove", "--yes", `${GROUP}/clone`);
  });
});
