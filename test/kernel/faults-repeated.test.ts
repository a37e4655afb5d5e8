import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { share } from "../campaign.ts";
import {
  MiB,
  type World,
  blockCapability,
  blockTargetPath,
  claimName,
  logicalVolumes,
  mountCapability,
  openWorld,
  shell,
  stagingPath,
  targetPath,
} from "./world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  expect(await world.close()).toEqual({ code: 0, signal: null });
});

const atOnce = 8;
const oldBytes = 64 * MiB;
const newBytes = 96 * MiB;

interface Call {
  readonly name: string;
  readonly make: () => Promise<unknown>;
}

/** Calls of all RPCs, in the order of a volume's life. */
async function lifeOf(kind: "ext4" | "block", path: string): Promise<readonly Call[]> {
  const { rpc } = world;
  const volumeCapability = kind === "block" ? blockCapability() : mountCapability(kind);
  const name = claimName();
  const volumeCapabilities = [volumeCapability];
  const creation = { name, capacityRange: { requiredBytes: oldBytes }, volumeCapabilities };
  const volumeId = `n1/${world.volumeGroup}/${name}`;
  const stage = { volumeId, stagingTargetPath: await stagingPath(world, name), volumeCapability };
  const publish = { ...stage, targetPath: path };
  const growth = { volumeId, capacityRange: { requiredBytes: newBytes } };
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    GetPluginInfo: () => rpc.GetPluginInfo({}),
    GetPluginCapabilities: () => rpc.GetPluginCapabilities({}),
    Probe: () => rpc.Probe({}),
    ControllerGetCapabilities: () => rpc.ControllerGetCapabilities({}),
    NodeGetCapabilities: () => rpc.NodeGetCapabilities({}),
    NodeGetInfo: () => rpc.NodeGetInfo({}),
    CreateVolume: () => rpc.CreateVolume(creation),
    ValidateVolumeCapabilities: () => rpc.ValidateVolumeCapabilities({ volumeId, volumeCapabilities }),
    ControllerGetVolume: () => rpc.ControllerGetVolume({ volumeId }),
    ListVolumes: () => rpc.ListVolumes({}),
    GetCapacity: () => rpc.GetCapacity({ volumeCapabilities }),
    NodeStageVolume: () => rpc.NodeStageVolume(stage),
    NodePublishVolume: () => rpc.NodePublishVolume(publish),
    NodeGetVolumeStats: () => rpc.NodeGetVolumeStats({ volumeId, volumePath: path }),
    ControllerExpandVolume: () => rpc.ControllerExpandVolume(growth),
    NodeExpandVolume: () => rpc.NodeExpandVolume({ ...growth, volumePath: path }),
    NodeUnpublishVolume: () => rpc.NodeUnpublishVolume(publish),
    NodeUnstageVolume: () => rpc.NodeUnstageVolume(stage),
    DeleteVolume: () => rpc.DeleteVolume({ volumeId }),
  };
  return Object.entries(calls).map(([rpcName, make]) => ({ name: rpcName, make }));
}

/** The RPCs of that life that may leave something else behind than they found. */
const changing: ReadonlySet<string> = new Set([
  "CreateVolume",
  "NodeStageVolume",
  "NodePublishVolume",
  "ControllerExpandVolume",
  "NodeExpandVolume",
  "NodeUnpublishVolume",
  "NodeUnstageVolume",
  "DeleteVolume",
]);

/** What the calls have made: volumes with their sizes and tags, mounts, and how many commits that took. */
async function observe(): Promise<object> {
  const columns = ["--units", "b", "-o", "lv_name,lv_size,lv_tags"];
  const table = await readFile("/proc/self/mountinfo", "utf8");
  const targets = table.split("\n").flatMap((line) => line.split(" ")[4] ?? []);
  return {
    volumes: (await shell("lvs", "--noheadings", "--all", ...columns, world.volumeGroup)).trim(),
    mounts: targets.filter((target) => target.startsWith(`${world.kubelet}/`)),
    commits: await commits(),
  };
}

async function pathFor(kind: "ext4" | "block", pod: string): Promise<string> {
  return kind === "block" ? blockTargetPath(world, pod) : targetPath(world, pod);
}

test.each(["ext4", "block"] as const)("each RPC about %s twice in a row, then eight times at once", async (kind) => {
  let there = await observe();
  for (const { name, make } of await lifeOf(kind, await pathFor(kind, "in-a-row"))) {
    const first = await make();
    if (changing.has(name)) there = await observe();
    const answers = [await make(), ...(await Promise.all(Array.from({ length: atOnce }, make)))];
    expect([name, ...answers]).toEqual([name, ...answers.map(() => first)]);
    expect([name, await observe()]).toEqual([name, there]);
  }
  expect(await logicalVolumes(world)).toEqual([]);
});

test.each(share(["ext4", "block"] as const, 2))(
  "each RPC about %s eight times at once, as if it came once",
  async (kind) => {
    const once = await lifeOf(kind, await pathFor(kind, "once"));
    const many = await lifeOf(kind, await pathFor(kind, "many"));
    let start = await commits();
    for (const [index, { name, make }] of many.entries()) {
      const [first, ...others] = await Promise.all(Array.from({ length: atOnce }, make));
      expect([name, ...others]).toEqual([name, ...others.map(() => first)]);
      const middle = await commits();
      await once[index]?.make();
      const end = await commits();
      expect([name, middle - start]).toEqual([name, end - middle]);
      start = end;
    }
    expect(await logicalVolumes(world)).toEqual([]);
  },
);

async function commits(): Promise<number> {
  return Number(await shell("vgs", "--noheadings", "-o", "vg_seqno", world.volumeGroup));
}
