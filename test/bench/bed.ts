import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { lvmConfiguration } from "../../src/lvm/configuration.ts";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { type Driver, startDriver } from "../lab/driver.ts";
import { imageCommand } from "./image-command.ts";
import { type Spawner, startSpawner } from "./spawner.ts";

const execute = promisify(execFile);

export const MiB = 2 ** 20;

export type Rpc = CsiClient["Identity"] & CsiClient["Controller"] & CsiClient["Node"];

/** What is measured on: a volume group, a driver for it, and a floor beside it with the same lvm.conf. */
export interface Bed {
  readonly volumeGroup: string;
  readonly directory: string;
  readonly rpc: Rpc;
  readonly driver: Driver;
  readonly spawner: Spawner;
  /** Path of the device of a volume or of a logical volume of the floor's. */
  readonly device: (name: string) => string;
  /** Takes it away, nothing being mounted any more. */
  readonly close: () => Promise<void>;
}

export interface BedOptions {
  /** The disk of the volume group; default: the laboratory's first. */
  readonly disk?: string;
  /** A disk for a second volume group, "other". */
  readonly otherGroup?: string;
  /** Default: the bundle, as the image starts it. */
  readonly program?: readonly [string, ...string[]];
  readonly environment?: NodeJS.ProcessEnv;
  /** More of the driver's flags. */
  readonly flags?: readonly string[];
}

/** Makes it; all of it goes with the laboratory if it is not closed. */
export async function openBed(options: BedOptions = {}): Promise<Bed> {
  const disks = options.disk === undefined ? labDisks().slice(0, 1) : [options.disk];
  const volumeGroup = "bench";
  const directory = await mkdtemp("/run/bench-");
  await shell("vgcreate", "--quiet", "--yes", volumeGroup, ...disks);
  const others = options.otherGroup === undefined ? [] : ["other"];
  if (options.otherGroup !== undefined) await shell("vgcreate", "--quiet", "--yes", "other", options.otherGroup);
  const image = await imageCommand();
  const socketPath = path.join(directory, "csi.sock");
  const kubeletDirectory = path.join(directory, "kubelet");
  await mkdir(kubeletDirectory);
  const driver = await startDriver({
    socketPath,
    kubeletDirectory,
    volumeGroups: [volumeGroup, ...others],
    logFile: path.join(directory, "driver.log"),
    program: options.program ?? image.program,
    environment: { ...image.environment, ...options.environment },
    flags: options.flags ?? [],
  });
  const client = connectCsi(socketPath);
  await mkdir(path.join(directory, "lvm"));
  const configuration = lvmConfiguration(disks, process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm");
  await writeFile(path.join(directory, "lvm/lvm.conf"), configuration);
  const spawner = startSpawner(path.join(directory, "lvm"));
  return {
    volumeGroup,
    directory,
    rpc: { ...client.Identity, ...client.Controller, ...client.Node },
    driver,
    spawner,
    device: (name) => `/dev/mapper/${volumeGroup}-${name.split("/").at(-1)?.replaceAll("-", "--")}`,
    close: async () => {
      client.close();
      spawner.close();
      await driver.stop();
      await shell("vgremove", "--quiet", "--yes", volumeGroup);
      await shell("pvremove", "--quiet", "--yes", ...disks);
    },
  };
}

export function labDisks(): readonly string[] {
  const disks = (process.env["LAB_DISKS"] ?? "").split(" ").filter((disk) => disk !== "");
  if (disks.length === 0) throw new Error("no disk in LAB_DISKS: this runs in the laboratory (npm run bench)");
  return disks;
}

/** Runs a program without a shell. @throws Error with what it complained of */
export async function shell(file: string, ...args: readonly string[]): Promise<string> {
  return (await execute(file, [...args])).stdout;
}

/** A CreateVolume of 64 MiB of ext4, unless said otherwise, under a new name. */
export function createRequest(sizeBytes = 64 * MiB, parameters: Record<string, string> = {}) {
  return {
    name: `pvc-${randomUUID()}`,
    capacityRange: { requiredBytes: sizeBytes },
    volumeCapabilities: [{ mount: { fsType: "ext4" }, accessMode: { mode: "SINGLE_NODE_MULTI_WRITER" as const } }],
    parameters,
  };
}

/** Makes a volume. @returns its id */
export async function createVolume({ rpc }: Bed, request = createRequest()): Promise<string> {
  return (await rpc.CreateVolume(request)).volume?.volumeId ?? "";
}

/** What the kubelet sends about a volume: the parents of both paths are made, as the kubelet does. */
export async function kubeletRequests({ directory }: Bed, volumeId: string) {
  const name = volumeId.split("/").at(-1) ?? "";
  const stagingTargetPath = path.join(directory, "kubelet/plugins", name, "globalmount");
  const targetPath = path.join(directory, "kubelet/pods", name, "mount");
  await mkdir(stagingTargetPath, { recursive: true });
  await mkdir(path.dirname(targetPath), { recursive: true });
  const mode = "SINGLE_NODE_MULTI_WRITER" as const;
  const volumeCapability = { mount: { fsType: "ext4" }, accessMode: { mode } };
  return {
    stage: { volumeId, stagingTargetPath, volumeCapability },
    publish: { volumeId, stagingTargetPath, targetPath, volumeCapability },
    unpublish: { volumeId, targetPath },
    unstage: { volumeId, stagingTargetPath },
    statistics: { volumeId, volumePath: targetPath },
    targetPath,
    stagingTargetPath,
  };
}
