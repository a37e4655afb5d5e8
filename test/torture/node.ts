import { mkdir } from "node:fs/promises";
import path from "node:path";
import { Kubelet, type PersistentVolume, type Pod } from "../demo/kubelet.ts";
import { run } from "../demo/programs.ts";
import { type CsiClient, connectCsi } from "../lab/csi-client.ts";
import { type Driver, startDriver } from "../lab/driver.ts";
import { patiently } from "../lab/patiently.ts";
import type { Expected } from "./expected.ts";
import type { Journal } from "./journal.ts";

export const volumeGroup = "torture";
const nodeName = "n1";

/** The machine whose power is cut: its driver, its kubelet, and the journal of what it was promised. */
export interface Node {
  readonly csi: CsiClient;
  readonly driver: Driver;
  readonly kubelet: Kubelet;
  readonly journal: Journal;
}

/** @param directory in the guest's memory @param program the driver */
export async function openNode(directory: string, program: [string, string], journal: Journal): Promise<Node> {
  const kubeletDirectory = path.join(directory, "kubelet");
  await mkdir(kubeletDirectory, { recursive: true });
  const socketPath = path.join(directory, "csi.sock");
  const csi = connectCsi(socketPath);
  const driver = await startDriver({
    socketPath,
    kubeletDirectory,
    program,
    nodeName,
    volumeGroups: [volumeGroup],
    logFile: path.join(directory, "driver.log"),
  });
  return { csi, driver, kubelet: new Kubelet(kubeletDirectory, csi), journal };
}

/** As the driver forms volume ids. */
export function volumeId(name: string): string {
  return `${nodeName}/${volumeGroup}/${name}`;
}

export function devicePath(name: string): string {
  return `/dev/mapper/${volumeGroup}-${name.replaceAll("-", "--")}`;
}

function persistentVolume({ name, kind }: Pick<Expected, "name" | "kind">): PersistentVolume {
  const accessMode = { mode: "SINGLE_NODE_MULTI_WRITER" } as const;
  const capability = kind === "block" ? { block: {}, accessMode } : { mount: { fsType: kind }, accessMode };
  return { name, handle: volumeId(name), capability };
}

/** CreateVolume, also of a volume that is there; its size in bytes. */
export async function create(node: Node, volume: Pick<Expected, "name" | "kind" | "createdBytes">): Promise<number> {
  const request = {
    name: volume.name,
    capacityRange: { requiredBytes: volume.createdBytes },
    volumeCapabilities: [persistentVolume(volume).capability],
  };
  const { volume: made } = await patiently(() => node.csi.Controller.CreateVolume(request));
  if (made?.volumeId !== volumeId(volume.name)) throw new Error(`CreateVolume answered ${JSON.stringify(made)}`);
  return Number(made.capacityBytes);
}

export async function remove({ csi }: Node, name: string): Promise<void> {
  await patiently(() => csi.Controller.DeleteVolume({ volumeId: volumeId(name) }));
}

/** On the controller's side; a staged filesystem grows by `growMounted`. */
export async function expand({ csi }: Node, name: string, bytes: number): Promise<void> {
  const request = { volumeId: volumeId(name), capacityRange: { requiredBytes: bytes } };
  await patiently(() => csi.Controller.ControllerExpandVolume(request));
}

export async function growMounted({ csi }: Node, name: string, volumePath: string): Promise<void> {
  await patiently(() => csi.Node.NodeExpandVolume({ volumeId: volumeId(name), volumePath }));
}

/** A volume that a pod has. */
export interface Published {
  /** The directory with the filesystem, or the device. */
  readonly target: string;
  withdraw(): Promise<void>;
}

/** Stages the volume and publishes it to a new pod. */
export async function publish({ kubelet }: Node, expected: Expected): Promise<Published> {
  const volume = persistentVolume(expected);
  await patiently(() => kubelet.stage(volume));
  const pod: Pod = kubelet.newPod(volume);
  await patiently(() => kubelet.publish(volume, pod));
  const withdraw = async (): Promise<void> => {
    await patiently(() => kubelet.unpublish(volume, pod));
    await patiently(() => kubelet.unstage(volume));
  };
  return { target: pod.target, withdraw };
}

/** Names and tags of all logical volumes, hidden ones too, as LVM itself tells them. */
export async function logicalVolumes(): Promise<ReadonlyMap<string, string>> {
  const table = await run("lvs", "--all", "--noheadings", "--separator", "|", "-o", "lv_name,lv_tags", volumeGroup);
  const rows = table.split("\n").map((line) => line.trim().split("|"));
  return new Map(rows.flatMap(([name = "", tags = ""]) => (name === "" ? [] : [[name, tags] as const])));
}
