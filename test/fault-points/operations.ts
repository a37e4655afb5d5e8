import { statfs } from "node:fs/promises";
import path from "node:path";
import type { Pod } from "../demo/kubelet.ts";
import {
  MiB,
  type Volume,
  type World,
  create,
  holdsSecrets,
  newVolume,
  publish,
  readData,
  readFree,
  remove,
  withdraw,
  writeData,
} from "./world.ts";

/** What may be wrong with a volume after its LVM process was killed and the call was repeated. */
export type Fault = "lost" | "unwiped";

interface Subject {
  readonly volume: Volume;
}

/** A call during which the LVM process is killed; the parts of an attempt share what `prepare` returns. */
export interface Operation<Of extends Subject = Subject> {
  readonly name: string;
  readonly prepare: (world: World) => Promise<Of>;
  /** The call. */
  readonly act: (world: World, subject: Of) => Promise<unknown>;
  /** After a kill, before the call is repeated: what a pod may see of a volume that is served then. */
  readonly peek?: (world: World, subject: Of) => Promise<readonly Fault[]>;
  /** After the repeated call. Leaves the volume as nobody uses it. */
  readonly verify: (world: World, subject: Of) => Promise<readonly Fault[]>;
}

const smallBytes = 8 * MiB;
const filesystemBytes = 32 * MiB;
const dataBytes = MiB;

/** Bytes of volumes that are kept: the neighbour of all volumes here. */
export const keptBytes = smallBytes;

const createBlock: Operation = {
  name: "create (raw block)",
  prepare: async () => ({ volume: newVolume("block", smallBytes) }),
  act: (world, { volume }) => create(world, volume),
  peek: async (world, { volume }) => {
    const pod = world.kubelet.newPod(volume);
    try {
      await world.kubelet.stage(volume);
      await world.kubelet.publish(volume, pod);
    } catch {
      return [];
    }
    const faults = await secretsIn(pod.target, smallBytes);
    await withdraw(world, volume, pod);
    return faults;
  },
  verify: async (world, { volume }) => {
    const pod = await publish(world, volume);
    const faults = await secretsIn(pod.target, smallBytes);
    await withdraw(world, volume, pod);
    return faults;
  },
};

const createFilesystem: Operation = {
  name: "create (ext4)",
  prepare: async () => ({ volume: newVolume("ext4", filesystemBytes) }),
  act: (world, { volume }) => create(world, volume),
  verify: async (world, { volume }) => {
    const pod = await publish(world, volume);
    await writeData(path.join(pod.target, "row"), dataBytes);
    await withdraw(world, volume, pod);
    return [];
  },
};

const removePlain: Operation = {
  name: "remove",
  prepare: (world) => usedBlock(world, {}),
  act: (world, { volume }) => remove(world, volume),
  verify: async () => [],
};

const removeWiped: Operation<Subject & { readonly data: Buffer }> = {
  name: "remove (wipe=zero)",
  prepare: (world) => usedBlock(world, { wipe: "zero" }),
  act: (world, { volume }) => remove(world, volume),
  verify: async (world, { data }) => {
    const left = await readFree(world, keptBytes, smallBytes);
    return left.includes(data.subarray(0, 512)) ? ["unwiped"] : [];
  },
};

interface PublishedSubject extends Subject {
  readonly pod: Pod;
  readonly data: Buffer;
}

const extendBlock: Operation<PublishedSubject> = {
  name: "extend (raw block, in use)",
  prepare: async (world) => {
    const volume = newVolume("block", smallBytes);
    await create(world, volume);
    const pod = await publish(world, volume);
    return { volume, pod, data: await writeData(pod.target, dataBytes) };
  },
  act: (world, { volume }) => extendTo(world, volume, 2 * smallBytes),
  verify: async (world, { volume, pod, data }) => {
    const found = await readData(pod.target, 0, 2 * smallBytes);
    await withdraw(world, volume, pod);
    const isWhole = found.length === 2 * smallBytes && found.subarray(0, dataBytes).equals(data);
    return [...(isWhole ? [] : ["lost" as const]), ...(holdsSecrets(found) ? ["unwiped" as const] : [])];
  },
};

const extendFilesystem: Operation<PublishedSubject> = {
  name: "extend (ext4, in use)",
  prepare: async (world) => {
    const volume = newVolume("ext4", filesystemBytes);
    await create(world, volume);
    const pod = await publish(world, volume);
    return { volume, pod, data: await writeData(path.join(pod.target, "row"), dataBytes) };
  },
  act: async (world, { volume, pod }) => {
    await extendTo(world, volume, 2 * filesystemBytes);
    await world.csi.Node.NodeExpandVolume({ volumeId: volume.handle, volumePath: pod.target });
  },
  verify: async (world, { volume, pod, data }) => {
    const { blocks, bsize } = await statfs(pod.target);
    const faults = await lossOf(path.join(pod.target, "row"), data);
    await withdraw(world, volume, pod);
    return blocks * bsize > 1.5 * filesystemBytes ? faults : [...faults, "lost"];
  },
};

/** The first stage: from `ready` by `formatting` to `formatted`. */
const changeTags: Operation = {
  name: "tag change (first stage)",
  prepare: async (world) => {
    const volume = newVolume("ext4", filesystemBytes);
    await create(world, volume);
    return { volume };
  },
  act: (world, { volume }) => world.kubelet.stage(volume),
  verify: async (world, { volume }) => {
    const pod = await publish(world, volume);
    const data = await writeData(path.join(pod.target, "row"), dataBytes);
    await withdraw(world, volume, pod);
    const other = await publish(world, volume);
    const faults = await lossOf(path.join(other.target, "row"), data);
    await withdraw(world, volume, other);
    return faults;
  },
};

/** Each operation with the type of its own subject hidden: only its own functions take what it prepares. */
export const operations = [
  createBlock,
  createFilesystem,
  removePlain,
  removeWiped,
  extendBlock,
  extendFilesystem,
  changeTags,
] as readonly Operation[];

async function usedBlock(
  world: World,
  parameters: Record<string, string>,
): Promise<Subject & { readonly data: Buffer }> {
  const volume = newVolume("block", smallBytes, parameters);
  await create(world, volume);
  const pod = await publish(world, volume);
  const data = await writeData(pod.target, dataBytes);
  await withdraw(world, volume, pod);
  return { volume, data };
}

async function extendTo({ csi }: World, { handle }: Volume, bytes: number): Promise<void> {
  await csi.Controller.ControllerExpandVolume({ volumeId: handle, capacityRange: { requiredBytes: bytes } });
}

async function secretsIn(device: string, bytes: number): Promise<readonly Fault[]> {
  return holdsSecrets(await readData(device, 0, bytes)) ? ["unwiped"] : [];
}

async function lossOf(file: string, data: Buffer): Promise<readonly Fault[]> {
  return (await readData(file, 0, data.length)).equals(data) ? [] : ["lost"];
}
