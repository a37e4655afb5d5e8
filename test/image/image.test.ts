import { readFile, statfs, writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { MiB, claimName, mountCapability, shell } from "../kernel/world.ts";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { type Driver, startDriver } from "../lab/driver.ts";
import { type Container, openContainer } from "./container.ts";
import { documented, readContents } from "./contents.ts";

const checkout = path.resolve(import.meta.dirname, "../..");
const volumeGroup = "vg-image";
const [disk = ""] = (process.env["LAB_DISKS"] ?? "").split(" ");

let container: Container;
let driver: Driver;
let client: CsiClient;

beforeAll(async () => {
  await shell("vgcreate", "--quiet", "--yes", volumeGroup, disk);
  container = await openContainer();
  const socketPath = path.join(container.shared, "csi.sock");
  await shell("mkdir", path.join(container.shared, "kubelet"));
  driver = await startDriver({
    program: container.entryPoint,
    socketPath,
    kubeletDirectory: path.join(container.shared, "kubelet"),
    volumeGroups: [volumeGroup],
    logFile: path.join(container.shared, "driver.log"),
  });
  client = connectCsi(socketPath);
});

afterAll(async () => {
  client.close();
  expect(await driver.stop()).toEqual({ code: 0, signal: null });
  await container.close();
  await shell("vgremove", "--quiet", "--force", "--yes", volumeGroup);
});

test("docs/image.md lists its programs, its packages and its size", async () => {
  const { programs, packages, bytes } = await readContents();
  expect(programs).toEqual(Object.keys(await documented("Programs")).toSorted());
  expect(Object.keys(packages)).toEqual(Object.keys(await documented("Packages")).toSorted());
  const { uncompressed = "" } = await documented("Size");
  expect(bytes / MiB).toBeGreaterThan(Number.parseFloat(uncompressed) * 0.95);
  expect(bytes / MiB).toBeLessThan(Number.parseFloat(uncompressed) * 1.05);
});

test("a person can look at the volume groups in the container", async () => {
  expect(await container.run("lvm", "vgs", "--noheadings", "--options=vg_name")).toContain(volumeGroup);
});

test("it has the pinned versions", async () => {
  const { packages } = await readContents();
  const listed = await documented("Packages");
  const dockerfile = await readFile(path.join(checkout, "Dockerfile"), "utf8");
  const pinned = [...dockerfile.matchAll(/([a-z0-9-]+)='([^']+)\*'/g)];
  expect(pinned.map(([, name]) => name)).toEqual(["btrfs-progs", "e2fsprogs", "lvm2", "xfsprogs"]);
  for (const [, name = "", version = ""] of pinned) {
    expect(packages[name]).toMatch(new RegExp(`^${RegExp.escape(version)}`));
    expect(listed[name]).toMatch(new RegExp(`^${RegExp.escape(version)}`));
  }
  const node = await readFile(path.join(checkout, ".node-version"), "utf8");
  expect((await container.run("node", "--version")).trim()).toBe(`v${node.trim()}`);
});

test("it has no shell, and no program but those that the driver starts", async () => {
  const { programs } = await readContents();
  expect(programs.filter((file) => /\/(?:\w*sh|busybox|perl|python.*)$/.test(file))).toEqual([]);
  await expect(container.run("sh", "-c", "true")).rejects.toMatchObject({ code: 127 });
});

test("it tells its version, from a root that nobody can write to", async () => {
  const { version } = JSON.parse(await readFile(path.join(checkout, "package.json"), "utf8")) as { version: string };
  await expect(writeFile(path.join(container.root, "etc/new"), "")).rejects.toMatchObject({ code: "EROFS" });
  expect(await container.run("lvm-local-csi", "--version")).toBe(`${version}\n`);
  const [program, ...args] = container.entryPoint;
  expect(await shell(program, ...args, "--version")).toBe(`${version}\n`);
});

test.each([
  ["ext4", 64 * MiB, 128 * MiB],
  ["xfs", 320 * MiB, 512 * MiB],
  ["btrfs", 128 * MiB, 256 * MiB],
])("a volume with %s lives its whole life", async (filesystem, size, larger) => {
  const { Controller, Node } = client;
  const name = claimName();
  const volumeCapability = mountCapability(filesystem);
  const { volume } = await Controller.CreateVolume({
    name,
    capacityRange: { requiredBytes: size },
    volumeCapabilities: [volumeCapability],
  });
  const volumeId = volume?.volumeId ?? "";
  const stagingTargetPath = await directory("staging", name);
  const targetPath = path.join(await directory("pods", name), "mount");
  await Node.NodeStageVolume({ volumeId, stagingTargetPath, volumeCapability });
  await Node.NodePublishVolume({ volumeId, stagingTargetPath, targetPath, volumeCapability });
  await writeFile(path.join(targetPath, "row"), "committed");

  await Controller.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: larger } });
  await Node.NodeExpandVolume({ volumeId, volumePath: targetPath });
  const { blocks, bsize } = await statfs(targetPath);
  expect(blocks * bsize).toBeGreaterThan(size);

  await Node.NodeUnpublishVolume({ volumeId, targetPath });
  await Node.NodeUnstageVolume({ volumeId, stagingTargetPath });
  if (filesystem === "ext4") await markFaulty(`/dev/${volumeGroup}/${name}`);
  await Node.NodeStageVolume({ volumeId, stagingTargetPath, volumeCapability });
  expect(await readFile(path.join(stagingTargetPath, "row"), "utf8")).toBe("committed");
  await Node.NodeUnstageVolume({ volumeId, stagingTargetPath });
  await Controller.DeleteVolume({ volumeId });
  expect(await shell("lvs", "--noheadings", volumeGroup)).toBe("");
});

/** As the kernel does when it finds a fault: the next stage then runs e2fsck. */
async function markFaulty(device: string): Promise<void> {
  await shell("debugfs", "-w", "-R", "set_super_value state 2", device);
}

async function directory(kind: string, name: string): Promise<string> {
  const made = path.join(container.shared, "kubelet", kind, name);
  await shell("mkdir", "--parents", made);
  return made;
}
