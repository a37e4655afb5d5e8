import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { CallError } from "../lab/csi-client.ts";
import { makeSmallDisk } from "./device-support.ts";
import { slots, stagingNames, targetNames } from "./model-draws.ts";
import { type Command, type Model, type RpcName, extentBytes } from "./model-state.ts";
import {
  MiB,
  type World,
  blockCapability,
  claimName,
  devicePath,
  mountCapability,
  openWorld,
  shell,
  stagingPath,
  targetPath,
} from "./world.ts";

/** A driver to compare with the model. */
export interface Subject {
  readonly world: World;
  /** What there is at the beginning. */
  readonly model: Model;
  readonly perform: (command: Command) => Promise<Given>;
  /** What there is now, as `describe` tells the model. */
  readonly observe: () => Promise<string>;
  readonly close: () => Promise<void>;
}

/** What a call was answered. */
export interface Given {
  /** As the model tells it. */
  readonly given: string;
  /** What a refusal says to a human. */
  readonly message: string;
}

/** Opens a world on a disk that is soon full. */
export async function openSubject(): Promise<Subject> {
  const disk = await makeSmallDisk(0, 512 * MiB);
  const world = await openWorld([disk.path]);
  const names = Array.from({ length: slots }, claimName);
  const staging = stagingNames.map(async (name) => [name, await stagingPath(world, name)] as const);
  const targets = targetNames.map(async (name) => [name, await targetPath(world, name)] as const);
  const paths = new Map(await Promise.all([...staging, ...targets]));
  const places: Places = { world, names, paths };
  const freeExtents = Number(await shell("vgs", "--noheadings", "-o", "vg_free_count", world.volumeGroup));
  return {
    world,
    model: { freeExtents, volumes: new Map(), mounts: new Map() },
    perform: (command) =>
      answerTo(places, command).then(
        (given) => ({ given, message: "" }),
        (error: unknown) => {
          if (error instanceof CallError) return { given: error.code, message: error.details };
          throw error;
        },
      ),
    observe: () => observe(places),
    close: async () => {
      const { code, signal } = await world.close();
      await disk.remove();
      if (code !== 0) throw new Error(`the driver ended with ${code ?? signal}`);
    },
  };
}

interface Places {
  readonly world: World;
  /** The name in CreateVolume of each slot. */
  readonly names: readonly string[];
  readonly paths: ReadonlyMap<string, string>;
}

async function answerTo(places: Places, command: Command): Promise<string> {
  const told = await callers[command.rpc](places, command);
  return told === undefined ? "OK" : `OK ${told}`;
}

type Told = number | string | boolean | undefined;

const callers: Readonly<Record<RpcName, (places: Places, command: Command) => Promise<Told>>> = {
  CreateVolume: async ({ world, names }, command) => {
    const { volume } = await world.rpc.CreateVolume({
      name: names[command.slot] ?? "",
      capacityRange: rangeOf(command),
      volumeCapabilities: [capabilityOf(command)],
    });
    return Number(volume?.capacityBytes);
  },
  DeleteVolume: (places, command) => nothing(places.world.rpc.DeleteVolume(fieldsOf(places, command))),
  NodeStageVolume: (places, command) => nothing(places.world.rpc.NodeStageVolume(fieldsOf(places, command))),
  NodeUnstageVolume: (places, command) => nothing(places.world.rpc.NodeUnstageVolume(fieldsOf(places, command))),
  NodePublishVolume: (places, command) => {
    // The kubelet sends one volume's mount options to both calls; this caller leaves them to the staged mount.
    const volumeCapability = capabilityOf({ ...command, readOnly: false });
    const request = { ...fieldsOf(places, command), volumeCapability, readonly: command.readOnly };
    return nothing(places.world.rpc.NodePublishVolume(request));
  },
  NodeUnpublishVolume: (places, command) => nothing(places.world.rpc.NodeUnpublishVolume(fieldsOf(places, command))),
  ControllerExpandVolume: async (places, command) =>
    Number((await places.world.rpc.ControllerExpandVolume(fieldsOf(places, command))).capacityBytes),
  NodeExpandVolume: async (places, command) =>
    Number((await places.world.rpc.NodeExpandVolume(fieldsOf(places, command))).capacityBytes),
  NodeGetVolumeStats: async (places, command) => {
    const { usage, volumeCondition } = await places.world.rpc.NodeGetVolumeStats(fieldsOf(places, command));
    if (volumeCondition?.abnormal !== false) return `abnormal: ${volumeCondition?.message}`;
    return usage.length === 2 ? "filesystem" : Number(usage[0]?.total);
  },
  ControllerGetVolume: async (places, command) => {
    const { volume, status } = await places.world.rpc.ControllerGetVolume(fieldsOf(places, command));
    if (status?.volumeCondition?.abnormal !== false) return `abnormal: ${status?.volumeCondition?.message}`;
    return Number(volume?.capacityBytes);
  },
  ValidateVolumeCapabilities: async (places, command) => {
    const volumeCapabilities = [capabilityOf(command)];
    const request = { ...fieldsOf(places, command), volumeCapabilities };
    return Boolean((await places.world.rpc.ValidateVolumeCapabilities(request)).confirmed);
  },
  ListVolumes: async (places) => {
    const { entries } = await places.world.rpc.ListVolumes({});
    const volumes = entries.map(({ volume }) => `v${slotOf(places, volume?.volumeId)}:${volume?.capacityBytes}`);
    return volumes.toSorted().join(" ");
  },
  GetCapacity: async ({ world }) => Number((await world.rpc.GetCapacity({})).availableCapacity),
};

async function nothing(call: Promise<unknown>): Promise<undefined> {
  await call;
}

/** The fields that several requests have; a request is sent those that are its own. */
function fieldsOf({ world, names, paths }: Places, command: Command) {
  return {
    volumeId: `n1/${world.volumeGroup}/${names[command.slot]}`,
    stagingTargetPath: paths.get(command.staging) ?? "",
    targetPath: paths.get(command.target) ?? "",
    volumePath: paths.get(command.place) ?? "",
    capacityRange: rangeOf(command),
    volumeCapability: capabilityOf(command),
  };
}

function rangeOf({ requiredBytes, limitBytes }: Command) {
  return { requiredBytes, limitBytes };
}

function capabilityOf({ kind, readOnly, alone }: Command) {
  const mode = alone ? "SINGLE_NODE_SINGLE_WRITER" : "SINGLE_NODE_MULTI_WRITER";
  return kind === "block" ? blockCapability(mode) : mountCapability(kind, mode, readOnly ? ["ro"] : []);
}

function slotOf({ names }: Places, text = ""): number {
  return names.findIndex((name) => text.includes(name));
}

/** What LVM, the tags and the mount table say. */
async function observe(places: Places): Promise<string> {
  const { volumeGroup } = places.world;
  const rows = await shell("lvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "name,size,tags", volumeGroup);
  const volumes = rows
    .trim()
    .split("\n")
    .flatMap((row) => {
      const [name = "", size, tags] = row.trim().split(/ +/);
      if (name === "") return [];
      const kind = /lvm\.local\.csi\/fs=(\w+)/.exec(tags ?? "")?.[1];
      return [`v${slotOf(places, name)} ${kind} ${Number(size) / extentBytes}`];
    });
  return [...volumes.toSorted(), ...(await mounts(places)).toSorted()].join(", ");
}

async function mounts(places: Places): Promise<readonly string[]> {
  const devices = await slotsByDevice(places);
  const table = (await readFile("/proc/self/mountinfo", "utf8")).split("\n").map((line) => line.split(" "));
  return [...places.paths].flatMap(([place, path]) =>
    table
      .filter((fields) => fields[4] === path)
      .map(([, , number = "", root = "", , options = ""]) => {
        // a raw block volume is shown as its device's node, whose name is the root of the mount
        const slot = devices.get(root.slice(1)) ?? devices.get(number);
        return `${place}=v${slot}${options.split(",").includes("ro") ? " ro" : ""}`;
      }),
  );
}

/** Slots by the kernel's name ("dm-3") and by the number ("253:3") of their volume's device. */
async function slotsByDevice({ world, names }: Places): Promise<ReadonlyMap<string, number>> {
  const paths = names.map((name) => devicePath(world, `n1/${world.volumeGroup}/${name}`));
  const kernelNames = (await readdir("/sys/block")).filter((name) => name.startsWith("dm-"));
  const rows = kernelNames.map(async (kernelName) => {
    const [mapping, number] = await Promise.all(
      ["dm/name", "dev"].map((file) => readFile(join("/sys/block", kernelName, file), "utf8").catch(() => "")),
    );
    const slot = paths.indexOf(`/dev/mapper/${mapping?.trim()}`);
    return slot === -1 ? [] : [[kernelName, slot] as const, [number?.trim() ?? "", slot] as const];
  });
  return new Map((await Promise.all(rows)).flat());
}
