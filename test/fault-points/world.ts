import { randomBytes, randomUUID } from "node:crypto";
import { mkdir, mkdtemp, open, readFile, readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Kubelet, type PersistentVolume, type Pod } from "../demo/kubelet.ts";
import { run } from "../demo/programs.ts";
import { connectCsi, type CsiClient } from "../lab/csi-client.ts";
import { type Driver, startDriver } from "../lab/driver.ts";
import { patiently } from "../lab/patiently.ts";

export const MiB = 1024 ** 2;
const volumeGroup = "points";
const nodeName = "n1";
const extentBytes = 4 * MiB;

/** A volume group on a disk with an earlier tenant's data, a driver, and what a kubelet does with it. */
export interface World {
  readonly disk: string;
  readonly driver: Driver;
  readonly csi: CsiClient;
  readonly kubelet: Kubelet;
  readonly directory: string;
}

export async function openWorld(): Promise<World> {
  const directory = await mkdtemp("/run/fault-points-");
  const [disk = ""] = (process.env["LAB_DISKS"] ?? "").split(" ");
  await run("vgcreate", "--quiet", "--yes", volumeGroup, disk);
  await writeFile(path.join(directory, "secrets"), Buffer.alloc(secretBytes, secret));
  const kubeletDirectory = path.join(directory, "kubelet");
  await mkdir(kubeletDirectory);
  const socketPath = path.join(directory, "csi.sock");
  const driver = await startDriver({
    socketPath,
    kubeletDirectory,
    nodeName,
    volumeGroups: [volumeGroup],
    logFile: path.join(directory, "driver.log"),
  });
  const csi = connectCsi(socketPath);
  return { disk, driver, csi, kubelet: new Kubelet(kubeletDirectory, csi), directory };
}

/** A volume as its user knows it. */
export interface Volume extends PersistentVolume {
  readonly bytes: number;
  readonly parameters: Readonly<Record<string, string>>;
}

export function newVolume(type: "block" | "ext4", bytes: number, parameters: Record<string, string> = {}): Volume {
  const accessMode = { mode: "SINGLE_NODE_MULTI_WRITER" } as const;
  const capability = type === "block" ? { block: {}, accessMode } : { mount: { fsType: type }, accessMode };
  const name = `pvc-${randomUUID()}`;
  return { name, handle: `${nodeName}/${volumeGroup}/${name}`, capability, bytes, parameters };
}

export async function create({ csi }: World, { name, capability, bytes, parameters }: Volume): Promise<void> {
  const capacityRange = { requiredBytes: bytes };
  await csi.Controller.CreateVolume({ name, capacityRange, volumeCapabilities: [capability], parameters });
}

export async function remove({ csi }: World, { handle }: Volume): Promise<void> {
  await csi.Controller.DeleteVolume({ volumeId: handle });
}

export async function stage({ kubelet }: World, volume: Volume): Promise<void> {
  await kubelet.stage(volume);
}

/** Stages the volume and publishes it to a new pod. */
export async function publish({ kubelet }: World, volume: Volume): Promise<Pod> {
  const pod = kubelet.newPod(volume);
  await patiently(() => kubelet.stage(volume));
  await patiently(() => kubelet.publish(volume, pod));
  return pod;
}

export async function withdraw({ kubelet }: World, volume: Volume, pod: Pod): Promise<void> {
  await patiently(() => kubelet.unpublish(volume, pod));
  await patiently(() => kubelet.unstage(volume));
}

const secret = "somebody's secret";
const secretBytes = 24 * MiB;

/** Where a volume is made next: behind what is kept. */
function freeFrom(keptBytes: number): number {
  return MiB + Math.ceil(keptBytes / extentBytes) * extentBytes;
}

/** Puts an earlier tenant's data where the next volumes are made. @param keptBytes of volumes that are kept */
export async function leaveSecrets({ disk, directory }: World, keptBytes: number): Promise<void> {
  const where = [`of=${disk}`, "bs=1M", `seek=${freeFrom(keptBytes) / MiB}`, "oflag=direct", "conv=notrunc"];
  await run("dd", `if=${path.join(directory, "secrets")}`, ...where, "status=none");
}

/** What lies there now, on the disk itself. */
export async function readFree({ disk, directory }: World, keptBytes: number, bytes: number): Promise<Buffer> {
  const copy = path.join(directory, "copy");
  const where = [`if=${disk}`, "bs=1M", `skip=${freeFrom(keptBytes) / MiB}`, `count=${bytes / MiB}`, "iflag=direct"];
  await run("dd", ...where, `of=${copy}`, "status=none");
  return readFile(copy);
}

export function holdsSecrets(bytes: Buffer): boolean {
  return bytes.includes(secret);
}

/** Random data, written to the begin of a file or device and flushed. */
export async function writeData(file: string, bytes: number): Promise<Buffer> {
  const data = randomBytes(bytes);
  const handle = await open(file, "a+").then(async (made) => {
    await made.close();
    return open(file, "r+");
  });
  await handle.write(data, 0, bytes, 0);
  await handle.sync();
  await handle.close();
  return data;
}

export async function readData(file: string, from: number, bytes: number): Promise<Buffer> {
  const handle = await open(file, "r");
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, from);
  await handle.close();
  return buffer.subarray(0, bytesRead);
}

/** The logical volumes, hidden ones too, by LVM's account. */
export async function logicalVolumes(): Promise<readonly string[]> {
  const names = await run("lvs", "--all", "--noheadings", "--options", "lv_name", volumeGroup);
  return names.split("\n").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]));
}

/** The group's device-mapper devices by their names, and whether each is suspended. */
export async function mappings(): Promise<ReadonlyMap<string, boolean>> {
  const devices = (await readdir("/sys/block")).filter((name) => name.startsWith("dm-"));
  const entries = devices.map(async (device) => {
    const read = (file: string): Promise<string> => readFile(`/sys/block/${device}/dm/${file}`, "utf8");
    return [(await read("name")).trim(), (await read("suspended")).trim() === "1"] as const;
  });
  return new Map((await Promise.all(entries)).filter(([name]) => name.startsWith(`${volumeGroup}-`)));
}

export function mappingName({ name }: Volume): string {
  return `${volumeGroup}-${name.replaceAll("-", "--")}`;
}

/** LVM's own check of the group's metadata. @throws Error with its complaint */
export async function checkMetadata(): Promise<void> {
  await run("vgck", volumeGroup);
}
