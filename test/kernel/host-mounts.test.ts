import { afterAll, beforeAll, expect, jest, test } from "@jest/globals";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { BlockDevice, MountEntry } from "../../src/host/host.ts";
import { type HostLab, MEBIBYTE, openHostLab, refusal, required, run } from "./host-lab.ts";

jest.setTimeout(120_000);

let lab: HostLab;
let device: BlockDevice;
let staging: string;
let stagingId: number;

beforeAll(async () => {
  lab = await openHostLab("hostmnt");
  run("lvcreate", "--yes", "--wipesignatures", "n", "--name", "lv", "--size", `${64 * MEBIBYTE}b`, lab.group);
  device = await lab.volume("lv");
  const made = await lab.host.programs.run("mkfs.ext4", ["-q", `/dev/${device.name}`]);
  expect(made).toMatchObject({ exitCode: 0 });
  staging = join(lab.kubelet, "staging");
  mkdirSync(staging);
  await lab.host.mounts.mount({ device, type: "ext4", flags: ["noatime"], data: "errors=continue", target: staging });
  stagingId = required((await lab.host.mounts.status(staging)).mountId);
});

afterAll(async () => {
  await lab.host.mounts.unmount(staging);
  await lab.close();
});

const at = (name: string): string => join(lab.kubelet, "pods", name);

function makeTarget(name: string): string {
  mkdirSync(at(name));
  return at(name);
}

async function mountsAt(target: string): Promise<readonly MountEntry[]> {
  return (await lab.host.mounts.table()).filter((entry) => entry.target === target);
}

test("a mounted device shows in the table with its flags and options", async () => {
  expect(await mountsAt(staging)).toEqual([
    {
      id: stagingId,
      number: device.number,
      root: "/",
      target: staging,
      options: ["rw", "noatime"],
      type: "ext4",
      source: `/dev/${device.name}`,
      superOptions: ["rw"],
    },
  ]);
});

test("a mount that the kernel refuses leaves nothing behind", async () => {
  const target = makeTarget("refused");
  const mount = { device, type: "ext4", flags: [], data: "", target };
  const { mounts } = lab.host;
  await expect(mounts.mount({ ...mount, type: "nosuchfs" })).rejects.toMatchObject(refusal("ENODEV"));
  await expect(mounts.mount({ ...mount, data: "nosuchoption" })).rejects.toMatchObject(refusal("EINVAL"));
  await expect(mounts.mount({ ...mount, data: `x=${"y".repeat(4094)}` })).rejects.toMatchObject(refusal("EINVAL"));
  await expect(mounts.mount({ ...mount, target: at("missing") })).rejects.toMatchObject(refusal("ENOENT"));
  expect(await mountsAt(target)).toEqual([]);
});

test("a read-only bind is read-only, its source is not", async () => {
  const target = makeTarget("readonly");
  await lab.host.mounts.bind({ source: { path: staging, mountId: stagingId }, target, flags: ["ro", "nosuid"] });
  const [entry] = await mountsAt(target);
  expect(entry).toMatchObject({ number: device.number, root: "/" });
  expect(entry?.options).toEqual(expect.arrayContaining(["ro", "nosuid"]));
  expect(() => writeFileSync(join(target, "x"), "")).toThrow("EROFS");
  writeFileSync(join(staging, "x"), "seen");
  expect(readFileSync(join(target, "x"), "utf8")).toBe("seen");
  await lab.host.mounts.unmount(target);
});

test("mounts stack, and each unmount takes one away", async () => {
  const target = makeTarget("stacked");
  const { mounts } = lab.host;
  const bind = { source: { path: staging, mountId: stagingId }, target, flags: ["ro"] } as const;
  await mounts.bind({ ...bind, flags: [] });
  await mounts.bind(bind);
  const [lower, upper] = await mountsAt(target);
  expect([lower?.options.includes("ro"), upper?.options.includes("ro")]).toEqual([false, true]);
  expect(await mounts.status(target)).toMatchObject({ kind: "directory", mountId: upper?.id });
  await mounts.unmount(target);
  expect(await mountsAt(target)).toEqual([lower]);
  await mounts.unmount(target);
  expect(await mountsAt(target)).toEqual([]);
  await expect(mounts.unmount(target)).rejects.toMatchObject(refusal("EINVAL"));
});

test("a source that is not the mount named is not bound", async () => {
  const target = makeTarget("stale");
  const { mounts } = lab.host;
  const { mountId } = await mounts.status(target);
  const bind = { source: { path: staging, mountId: required(mountId) }, target, flags: [] };
  await expect(mounts.bind(bind)).rejects.toMatchObject(refusal("ESTALE"));
  await expect(mounts.usage(staging, required(mountId))).rejects.toMatchObject(refusal("ESTALE"));
  await expect(mounts.sync(staging, required(mountId))).rejects.toMatchObject(refusal("ESTALE"));
  expect(await mountsAt(target)).toEqual([]);
});

test("a device's node is bound to a file, which is not removed under it", async () => {
  const target = at("node");
  const { mounts } = lab.host;
  await mounts.makeFile(target);
  await mounts.bind({ source: { device }, target, flags: [] });
  expect(await mounts.status(target)).toMatchObject({ kind: "blockDevice", deviceNumber: device.number });
  expect(await mountsAt(target)).toMatchObject([{ root: `/${device.name}`, type: "devtmpfs" }]);
  await expect(mounts.remove(target)).rejects.toMatchObject(refusal("ENOTEMPTY"));
  await mounts.unmount(target);
  expect(await mounts.status(target)).toMatchObject({ kind: "file", deviceNumber: undefined });
  await mounts.remove(target);
});

test("a mount point is not removed", async () => {
  const target = makeTarget("mounted");
  const { mounts } = lab.host;
  await mounts.bind({ source: { path: staging, mountId: stagingId }, target, flags: [] });
  await expect(mounts.remove(target)).rejects.toMatchObject(refusal("EBUSY"));
  await mounts.unmount(target);
  await mounts.remove(target);
  expect(await mounts.status(target)).toMatchObject({ kind: "absent" });
});

test("no mount goes over a symlink, whether it is the target or on the way", async () => {
  const real = makeTarget("real");
  mkdirSync(join(real, "inside"));
  symlinkSync("real", at("link"));
  const { mounts } = lab.host;
  for (const target of [at("link"), at("link/inside")]) {
    await expect(mounts.mount({ device, type: "ext4", flags: [], data: "", target })).rejects.toMatchObject(
      refusal("ELOOP"),
    );
    const source = { path: staging, mountId: stagingId };
    await expect(mounts.bind({ source, target, flags: [] })).rejects.toMatchObject(refusal("ELOOP"));
  }
  await mounts.bind({ source: { path: staging, mountId: stagingId }, target: join(real, "inside"), flags: [] });
  await expect(mounts.unmount(at("link/inside"))).rejects.toMatchObject(refusal("ELOOP"));
  await mounts.unmount(join(real, "inside"));
});

test("a mount that somebody uses stays", async () => {
  const target = makeTarget("used");
  const { mounts } = lab.host;
  await mounts.bind({ source: { path: staging, mountId: stagingId }, target, flags: [] });
  const user = openSync(target, "r");
  await expect(mounts.unmount(target)).rejects.toMatchObject(refusal("EBUSY"));
  closeSync(user);
  await mounts.unmount(target);
});

test("questions about a mount do not keep it from being unmounted", async () => {
  const target = makeTarget("asked");
  const { mounts } = lab.host;
  const unmounting = new AbortController();
  const ask = async (): Promise<void> => {
    while (!unmounting.signal.aborted) {
      const { mountId } = await mounts.status(target);
      await mounts.usage(target, required(mountId)).catch(() => {});
    }
  };
  const asking = ask();
  for (let round = 0; round < 20; round += 1) {
    await mounts.bind({ source: { path: staging, mountId: stagingId }, target, flags: [] });
    await mounts.unmount(target);
  }
  unmounting.abort();
  await asking;
  expect(await mountsAt(target)).toEqual([]);
});

test("usage is that of the filesystem, and it can be synced", async () => {
  const usage = await lab.host.mounts.usage(staging, stagingId);
  const kept = usage.totalBytes - usage.usedBytes - usage.availableBytes;
  expect(usage.totalBytes).toBeGreaterThan(50 * MEBIBYTE);
  expect(usage.totalBytes).toBeLessThan(64 * MEBIBYTE);
  expect(kept).toBeGreaterThanOrEqual(0);
  expect(usage.usedInodes + usage.availableInodes).toBe(usage.totalInodes);
  await lab.host.mounts.sync(staging, stagingId);
});

test("no descriptor is held between calls", () => {
  const held = readdirSync("/proc/self/fd").flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/self/fd/${fd}`)];
    } catch {
      return [];
    }
  });
  expect(held.filter((path) => path.startsWith(lab.kubelet) || path.includes(device.name))).toEqual([]);
});
