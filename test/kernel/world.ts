import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect } from "@jest/globals";
import type { status } from "@grpc/grpc-js";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { type Driver, type DriverOptions, type Ending, startDriver } from "../lab/driver.ts";

const run = promisify(execFile);

/** A volume group of its own, a kubelet directory, and a driver for them. */
export interface World {
  readonly volumeGroup: string;
  readonly disks: readonly string[];
  readonly kubelet: string;
  readonly socketPath: string;
  /** Every RPC of the driver, by its name. */
  readonly rpc: Rpc;
  readonly driver: () => Driver;
  /** Starts the driver again, after it has been stopped or killed. */
  readonly start: (flags?: readonly string[]) => Promise<Driver>;
  readonly close: () => Promise<Ending>;
}

export type Rpc = CsiClient["Identity"] & CsiClient["Controller"] & CsiClient["Node"];

/**
 * Makes a world on the laboratory's first disks, or on those named.
 * @param groupOptions for vgcreate(8)
 * @param launch another program than the driver of the checkout, or more for its environment
 */
export async function openWorld(
  wanted: number | readonly string[] = 1,
  flags: readonly string[] = [],
  groupOptions: readonly string[] = [],
  launch: Pick<DriverOptions, "program" | "environment"> = {},
): Promise<World> {
  const disks = typeof wanted === "number" ? (process.env["LAB_DISKS"] ?? "").split(" ").slice(0, wanted) : wanted;
  const directory = await mkdtemp("/run/world-");
  const volumeGroup = `vg-${randomBytes(4).toString("hex")}`;
  const kubelet = join(directory, "kubelet");
  const socketPath = join(directory, "csi.sock");
  await mkdir(kubelet);
  await shell("vgcreate", "--quiet", "--yes", ...groupOptions, volumeGroup, ...disks);
  let driver: Driver;
  const start = async (more: readonly string[] = flags): Promise<Driver> => {
    const logFile = join(directory, "driver.log");
    driver = await startDriver({
      socketPath,
      kubeletDirectory: kubelet,
      volumeGroups: [volumeGroup],
      logFile,
      flags: more,
      ...launch,
    });
    return driver;
  };
  driver = await start();
  const client = connectCsi(socketPath);
  return {
    volumeGroup,
    disks,
    kubelet,
    socketPath,
    rpc: { ...client.Identity, ...client.Controller, ...client.Node },
    driver: () => driver,
    start,
    close: async () => {
      client.close();
      const ending = await driver.stop();
      await unmountBelow(directory);
      await shell("vgremove", "--quiet", "--force", "--force", "--yes", volumeGroup);
      await shell("pvremove", "--quiet", "--force", "--force", "--yes", ...disks);
      return ending;
    },
  };
}

/** Runs a program without a shell and returns what it printed. @throws Error with what it complained of */
export async function shell(file: string, ...args: readonly string[]): Promise<string> {
  return (await run(file, [...args])).stdout;
}

export const MiB = 1024 ** 2;

type Mode = "SINGLE_NODE_MULTI_WRITER" | "SINGLE_NODE_SINGLE_WRITER" | "SINGLE_NODE_WRITER" | "SINGLE_NODE_READER_ONLY";

export function mountCapability(fsType = "ext4", mode: Mode = "SINGLE_NODE_MULTI_WRITER", mountFlags: string[] = []) {
  return { mount: { fsType, mountFlags }, accessMode: { mode } };
}

export function blockCapability(mode: Mode = "SINGLE_NODE_MULTI_WRITER") {
  return { block: {}, accessMode: { mode } };
}

/** A name as csi-provisioner makes it. */
export function claimName(): string {
  const hex = randomBytes(16).toString("hex");
  return `pvc-${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-")}`;
}

/** The logical volume of an id. */
export function logicalVolumeOf(volumeId: string): string {
  return volumeId.split("/")[2] ?? "";
}

/** The path of the volume's device. */
export function devicePath(world: World, volumeId: string): string {
  return `/dev/mapper/${doubleHyphens(world.volumeGroup)}-${doubleHyphens(logicalVolumeOf(volumeId))}`;
}

function doubleHyphens(name: string): string {
  return name.replaceAll("-", "--");
}

/** The driver's tags on a logical volume, by their keys, as LVM itself reports them. */
export async function tagsOf(world: World, logicalVolume: string): Promise<Record<string, string>> {
  const text = await shell("lvs", "--noheadings", "-o", "lv_tags", `${world.volumeGroup}/${logicalVolume}`);
  const pairs = [...text.trim().matchAll(/lvm\.local\.csi\/([a-z]+)=([^,]*)/g)].map(([, key, value]) => [key, value]);
  return Object.fromEntries(pairs);
}

/** Names of all logical volumes of the group, hidden ones too, as LVM itself reports them. */
export async function logicalVolumes(world: World): Promise<readonly string[]> {
  const text = await shell("lvs", "--noheadings", "--all", "-o", "lv_name", world.volumeGroup);
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** A staging directory, made as the kubelet makes it. */
export async function stagingPath(world: World, name: string): Promise<string> {
  const path = join(world.kubelet, "plugins/kubernetes.io/csi/lvm.local.csi", name, "globalmount");
  await mkdir(path, { recursive: true });
  return path;
}

/** A target whose parent is made, as the kubelet does; the target itself is the driver's to make. */
export async function targetPath(world: World, pod: string, volume = "data"): Promise<string> {
  const path = join(world.kubelet, "pods", pod, "volumes/kubernetes.io~csi", volume, "mount");
  await mkdir(dirname(path), { recursive: true });
  return path;
}

/** A raw block target likewise. */
export async function blockTargetPath(world: World, pod: string, volume = "data"): Promise<string> {
  const path = join(world.kubelet, "plugins/kubernetes.io/csi/volumeDevices/publish", volume, pod);
  await mkdir(dirname(path), { recursive: true });
  return path;
}

/** The lines of the mount table for exactly this path. */
export async function mountsAt(path: string): Promise<readonly string[]> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  return table.split("\n").filter((line) => line.split(" ")[4] === path);
}

/** Expects a call to fail with this code and a message like that. */
export async function expectRefused(call: Promise<unknown>, code: keyof typeof status, message: RegExp): Promise<void> {
  await expect(call).rejects.toMatchObject({ code, details: expect.stringMatching(message) });
}

async function unmountBelow(directory: string): Promise<void> {
  const table = await readFile("/proc/self/mountinfo", "utf8");
  const targets = table
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .filter((path) => path.startsWith(`${directory}/`));
  for (const path of targets.toReversed()) await shell("umount", path);
}
