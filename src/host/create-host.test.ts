import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { createHost } from "./create-host.ts";
import type { OpenHost } from "./create-host.ts";
import type { BlockDevice } from "./host.ts";

let directory: string;
let kubelet: string;
let open: OpenHost;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "host-"));
  mkdirSync(join(directory, "real"));
  kubelet = join(directory, "kubelet");
  symlinkSync("real", kubelet);
  open = await createHost({ kubeletDirectory: kubelet });
  mkdirSync(join(kubelet, "pods/full/inside"), { recursive: true });
  writeFileSync(join(kubelet, "pods/data"), "precious");
  symlinkSync("full", join(kubelet, "pods/link"));
  symlinkSync("nowhere", join(kubelet, "pods/dangling"));
});

afterAll(async () => {
  await open.close();
  rmSync(directory, { recursive: true });
});

const at = (path: string): string => join(kubelet, path);

test("the kubelet directory is resolved once, and must be a directory", async () => {
  const { given, resolved } = open.host.mounts.kubeletDirectory;
  expect(given).toBe(kubelet);
  expect(resolved).toMatch(/\/real$/);
  await expect(createHost({ kubeletDirectory: at("pods/data") })).rejects.toMatchObject({ code: "ENOTDIR" });
  await expect(createHost({ kubeletDirectory: at("missing") })).rejects.toMatchObject({ code: "ENOENT" });
  await expect(createHost({ kubeletDirectory: "/" })).rejects.toMatchObject({ code: "EINVAL" });
});

test("slashes and dots too many in the kubelet directory change nothing", async () => {
  const { host, close } = await createHost({ kubeletDirectory: `${directory}//./kubelet/` });
  expect(host.mounts.kubeletDirectory).toEqual(open.host.mounts.kubeletDirectory);
  expect(await host.mounts.status(at("pods/full"))).toMatchObject({ kind: "directory" });
  await close();
});

test.each([
  ["pods/full", "directory"],
  ["pods/data", "file"],
  ["pods/link", "symlink"],
  ["pods/dangling", "symlink"],
  ["pods/missing", "absent"],
  ["pods/missing/below", "absent"],
])("%s is %s", async (path, kind) => {
  expect(await open.host.mounts.status(at(path))).toMatchObject({ kind, deviceNumber: undefined });
});

test("a path may name the resolved directory", async () => {
  const path = join(open.host.mounts.kubeletDirectory.resolved, "pods");
  expect(await open.host.mounts.status(path)).toMatchObject({ kind: "directory", mountId: expect.any(Number) });
});

test("no call goes over a symlink", async () => {
  const { mounts } = open.host;
  const path = at("pods/link/inside");
  const { mountId = -1 } = await mounts.status(at("pods/full"));
  const device = { name: "null", number: "1:3", sizeBytes: 0, holders: [], mapping: undefined };
  const calls = [
    mounts.status(path),
    mounts.makeDirectory(at("pods/link/new")),
    mounts.makeFile(at("pods/link/new")),
    mounts.remove(path),
    mounts.unmount(path),
    mounts.usage(path, 1),
    mounts.sync(path, 1),
    mounts.bind({ source: { path: at("pods/full"), mountId }, target: at("pods/link"), flags: ["ro"] }),
    mounts.bind({ source: { path, mountId: 1 }, target: at("pods/full"), flags: [] }),
  ];
  const refused = { status: "rejected", reason: expect.objectContaining({ name: "SystemError", code: "ELOOP" }) };
  expect(await Promise.allSettled(calls)).toEqual(calls.map(() => refused));
  await expect(mounts.bind({ source: { device }, target: at("pods/full"), flags: [] })).rejects.toMatchObject({
    code: "ESTALE",
  });
});

test("no call leaves the kubelet directory", async () => {
  const { mounts } = open.host;
  await expect(mounts.status("some/path")).rejects.toMatchObject({ name: "SystemError", code: "EXDEV" });
  await expect(mounts.unmount("/proc")).rejects.toMatchObject({ code: "EXDEV" });
  await expect(mounts.remove(at("pods") + "/../../x")).rejects.toMatchObject({ code: "EXDEV" });
});

test("a directory is made once, and nothing else is taken for it", async () => {
  const { mounts } = open.host;
  await mounts.makeDirectory(at("pods/made"));
  await mounts.makeDirectory(at("pods/made"));
  await expect(mounts.makeFile(at("pods/made"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(mounts.makeDirectory(at("pods/data"))).rejects.toMatchObject({ code: "EEXIST" });
  await expect(mounts.makeDirectory(at("pods/dangling"))).rejects.toMatchObject({ code: "ELOOP" });
  await expect(mounts.makeFile(at("pods/link"))).rejects.toMatchObject({ code: "ELOOP" });
  await expect(mounts.makeDirectory(at("pods/missing/x"))).rejects.toMatchObject({
    code: "ENOENT",
    message: expect.stringMatching(/\/pods\/missing\/x: its parent directory does not exist$/),
  });
  await expect(mounts.makeDirectory(at(`pods/${"x".repeat(256)}`))).rejects.toMatchObject({ code: "ENAMETOOLONG" });
  await mounts.remove(at("pods/made"));
});

test("what a mount would hide is not taken for a place to mount at", async () => {
  const { mounts } = open.host;
  await expect(mounts.makeDirectory(at("pods/full"))).rejects.toMatchObject({ code: "ENOTEMPTY" });
  await expect(mounts.makeFile(at("pods/data"))).rejects.toMatchObject({ code: "ENOTEMPTY" });
  expect(readFileSync(at("pods/data"), "utf8")).toBe("precious");
});

test("a file is made once, empty", async () => {
  const { mounts } = open.host;
  await mounts.makeFile(at("pods/node"));
  await mounts.makeFile(at("pods/node"));
  expect(readFileSync(at("pods/node"), "utf8")).toBe("");
  await mounts.remove(at("pods/node"));
  expect(await mounts.status(at("pods/node"))).toMatchObject({ kind: "absent" });
});

test("nothing with a content is removed, and what is not there is no error", async () => {
  const { mounts } = open.host;
  await mounts.remove(at("pods/missing"));
  await mounts.remove(at("pods/missing/below"));
  await expect(mounts.remove(at("pods/full"))).rejects.toMatchObject({ code: "ENOTEMPTY" });
  await expect(mounts.remove(at("pods/data"))).rejects.toMatchObject({ code: "ENOTEMPTY" });
  await expect(mounts.remove(at("pods/link"))).rejects.toMatchObject({ code: "ELOOP" });
  expect(readFileSync(at("pods/data"), "utf8")).toBe("precious");
});

test("the usage is that of the mount named, or ESTALE", async () => {
  const { mounts } = open.host;
  const { mountId } = await mounts.status(at("pods"));
  const usage = await mounts.usage(at("pods"), mountId ?? -1);
  expect(usage.totalBytes).toBeGreaterThan(0);
  expect(usage.usedBytes + usage.availableBytes).toBeLessThanOrEqual(usage.totalBytes);
  await expect(mounts.usage(at("pods"), 999_999)).rejects.toMatchObject({ code: "ESTALE" });
  await expect(mounts.sync(at("pods"), 999_999)).rejects.toMatchObject({ code: "ESTALE" });
});

test("devices that are not there are not found", async () => {
  expect(await open.host.devices.findMapping("no-such")).toBeUndefined();
  expect(await open.host.devices.findNumber("4095:1")).toBeUndefined();
  await expect(open.host.devices.findNumber("../../x")).rejects.toMatchObject({ code: "EINVAL" });
});

/** Opening a pipe hangs like a dead disk, until somebody opens its other end. */
function makeHangingDevice(index: number): BlockDevice {
  const path = join(directory, `pipe${index}`);
  execFileSync("mkfifo", [path]);
  return {
    name: `..${path.replaceAll("/", "!")}`,
    number: `0:${index}`,
    sizeBytes: 0,
    holders: [],
    mapping: undefined,
  };
}

test("disks that hang hold up nothing else, and other disks not for long", async () => {
  const { devices, mounts } = open.host;
  const sick = Array.from({ length: 5 }, (_, index) => makeHangingDevice(index));
  const healthy = { name: "null", number: "1:3", sizeBytes: 0, holders: [], mapping: undefined };
  const hanging = sick.map((device) => devices.read(device, []));
  const stale = { code: "ESTALE" };
  const started = performance.now();
  expect(await mounts.status(at("pods/full"))).toMatchObject({ kind: "directory" });
  await mounts.makeDirectory(at("pods/meanwhile"));
  await mounts.remove(at("pods/meanwhile"));
  await expect(mounts.unmount(at("pods/full"))).rejects.toMatchObject({ name: "SystemError" });
  await expect(devices.flush(healthy)).rejects.toMatchObject(stale);
  await expect(devices.openExclusive(healthy)).rejects.toMatchObject(stale);
  expect(performance.now() - started).toBeLessThan(4_000);
  await expect(devices.read(healthy, [])).rejects.toMatchObject(stale);
  expect(performance.now() - started).toBeLessThan(10_000);
  sick.forEach(({ name }) => closeSync(openSync(`/dev/${name.replaceAll("!", "/")}`, constants.O_WRONLY)));
  expect(await Promise.allSettled(hanging)).toMatchObject(sick.map(() => ({ status: "rejected", reason: stale })));
});
