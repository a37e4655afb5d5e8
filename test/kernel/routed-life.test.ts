import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { loadServices } from "../../src/csi/services.ts";
import { stopBeside } from "./half-open.ts";
import { outcomeOf, persist, until, untilState } from "./process-support.ts";
import {
  type NodeName,
  type RoutedCluster,
  allVolumes,
  holders,
  nodeNames,
  on,
  openRoutedCluster,
} from "./routed-support.ts";
import { MiB, blockCapability, claimName, expectRefused, mountCapability, stagingPath, targetPath } from "./world.ts";

let cluster: RoutedCluster;

beforeAll(async () => {
  cluster = await openRoutedCluster();
});

afterAll(async () => {
  const ended = { code: 0, signal: null };
  expect(await cluster.close()).toEqual([ended, ended, ended]);
});

test("a volume lives on the node that was chosen, from its making to its end", async () => {
  const world = cluster.nodes.n2;
  const name = claimName();
  const volumeId = await create(name, "n2");
  expect(volumeId).toBe(`n2/${world.volumeGroup}/${name}`);
  expect(await holders(cluster, name)).toEqual(["n2"]);
  expect(await create(name, "n2")).toBe(volumeId);

  const stage = { volumeId, stagingTargetPath: await stagingPath(world, name), volumeCapability: mountCapability() };
  const target = await targetPath(world, "pod");
  await world.rpc.NodeStageVolume(stage);
  await world.rpc.NodePublishVolume({ ...stage, targetPath: target });
  const grown = await cluster.rpc.ControllerExpandVolume({ volumeId, capacityRange: { requiredBytes: 64 * MiB } });
  expect(grown).toEqual({ capacityBytes: String(64 * MiB), nodeExpansionRequired: true });
  await world.rpc.NodeExpandVolume({ volumeId, volumePath: target });
  expect(await cluster.rpc.ControllerGetVolume({ volumeId })).toMatchObject({
    volume: { volumeId, accessibleTopology: [{ segments: { "topology.lvm.local.csi/node": "n2" } }] },
    status: { volumeCondition: { abnormal: false } },
  });
  const volumeCapabilities = [mountCapability()];
  expect(await cluster.rpc.ValidateVolumeCapabilities({ volumeId, volumeCapabilities })).toMatchObject({
    confirmed: { volumeCapabilities: [{ mount: { fsType: "ext4" } }] },
  });
  await expectRefused(cluster.rpc.DeleteVolume({ volumeId }), "FAILED_PRECONDITION", /in use/);

  await world.rpc.NodeUnpublishVolume({ volumeId, targetPath: target });
  await world.rpc.NodeUnstageVolume(stage);
  await cluster.rpc.DeleteVolume({ volumeId });
  await cluster.rpc.DeleteVolume({ volumeId });
  expect(await holders(cluster, name)).toEqual([]);
});

test("without a node to be on, a volume is found again where it is", async () => {
  const name = claimName();
  const volumeId = await create(name);
  expect(await create(name)).toBe(volumeId);
  expect(await holders(cluster, name)).toHaveLength(1);
  await cluster.rpc.DeleteVolume({ volumeId });
});

test("lists and room of both nodes", async () => {
  const ids = await Promise.all(nodeNames.map((node) => create(claimName(), node)));
  const { entries } = await cluster.rpc.ListVolumes({});
  expect(entries.map(({ volume }) => volume?.volumeId)).toEqual(ids);
  const page = await cluster.rpc.ListVolumes({ maxEntries: 1 });
  expect(page.entries[0]?.volume?.volumeId).toBe(ids[0]);
  const next = await cluster.rpc.ListVolumes({ maxEntries: 1, startingToken: page.nextToken });
  expect(next.entries[0]?.volume?.volumeId).toBe(ids[1]);
  const rooms = await Promise.all(nodeNames.map(roomOn));
  const all = await cluster.rpc.GetCapacity({});
  expect(Number(all.availableCapacity)).toBe(rooms.reduce((sum, room) => sum + room, 0));
  expect(Number(all.maximumVolumeSize?.value)).toBe(Math.max(...rooms));
  for (const volumeId of ids) await cluster.rpc.DeleteVolume({ volumeId });
});

test("a node that is down: volumes go elsewhere, its own are not said to be gone, and all is well when it is back", async () => {
  const volumeId = await create(claimName(), "n1");
  await cluster.nodes.n1.driver().kill();
  // a volume that is sent in the moment of its death is waited for, see below
  await until("the controller knows", async () => (await roomOn("n1").catch(() => 1)) === 0);
  const name = claimName();
  await expectRefused(create(name, "n1"), "RESOURCE_EXHAUSTED", /n1: .*ECONNREFUSED/);
  const elsewhere = await create(name);
  expect(elsewhere).toMatch(/^n2\//);
  await expectRefused(cluster.rpc.DeleteVolume({ volumeId }), "UNAVAILABLE", /n1/);
  await expectRefused(cluster.rpc.ControllerGetVolume({ volumeId }), "UNAVAILABLE", /n1/);
  await expectRefused(cluster.rpc.ListVolumes({}), "UNAVAILABLE", /n1/);
  await cluster.nodes.n1.start();
  await until("the node has room", async () => (await roomOn("n1")) > 0);
  for (const id of [volumeId, elsewhere]) await cluster.rpc.DeleteVolume({ volumeId: id });
});

test("a node that dies while it makes a volume is waited for: there is one volume in the end", async () => {
  const name = claimName();
  const request = { name, capacityRange: { requiredBytes: 2048 * MiB }, volumeCapabilities: [blockCapability()] };
  const sent = outcomeOf(cluster.rpc.CreateVolume({ ...request, accessibilityRequirements: on("n1") }));
  await untilState(cluster.nodes.n1, name, "creating");
  await cluster.nodes.n1.driver().kill();
  expect(await sent).toBe("UNAVAILABLE");
  for (const where of [on("n1"), on("n2"), null]) {
    const again = cluster.rpc.CreateVolume({ ...request, accessibilityRequirements: where });
    await expectRefused(again, "UNAVAILABLE", /node n1/);
  }
  await cluster.nodes.n1.start();
  const { volume } = await persist(() => cluster.rpc.CreateVolume(request));
  expect(volume?.volumeId).toMatch(/^n1\//);
  expect(await holders(cluster, name)).toEqual(["n1"]);
  await cluster.rpc.DeleteVolume({ volumeId: volume?.volumeId ?? "" });
});

test("a controller that is killed among many calls: no volume twice, and none left", async () => {
  const names = Array.from({ length: 6 }, claimName);
  const first = names.map((name, index) => outcomeOf(create(name, ...wanted(index))));
  await until("some are made", async () => (await holders(cluster, names[0] ?? "")).length > 0);
  await cluster.controller().kill();
  await Promise.all(first);
  await cluster.start();
  const ids = await Promise.all(names.map((name, index) => persist(() => create(name, ...wanted(index)))));
  expect((await allVolumes(cluster)).toSorted()).toEqual(names.toSorted());

  const deletions = ids.map((volumeId) => outcomeOf(cluster.rpc.DeleteVolume({ volumeId })));
  await Promise.race(deletions);
  await cluster.controller().kill();
  await Promise.all(deletions);
  await cluster.start();
  await Promise.all(ids.map((volumeId) => persist(() => cluster.rpc.DeleteVolume({ volumeId }))));
  expect(await allVolumes(cluster)).toEqual([]);
});

test("a node's own services are not to be had over the network, not even by the controller", async () => {
  const { Identity, Node } = loadServices();
  expect(await cluster.callAsController("n1", Identity["GetPluginInfo"])).toMatchObject({ kind: "answered" });
  // by the library itself, so without the node's name
  expect(await cluster.callAsController("n1", Node["NodeGetInfo"])).toMatchObject({
    kind: "unanswered",
    code: status.UNIMPLEMENTED,
  });
});

test("a controller that does not hang up, as one whose machine lost its power, does not keep a node's driver", async () => {
  const controller = await cluster.connectAsController("n1");
  const ending = await stopBeside(controller, cluster.nodes.n1.driver());
  await cluster.nodes.n1.start();
  expect(ending).toEqual({ code: 0, signal: null });
});

/** Of three volumes one on each node, and one anywhere. */
function wanted(index: number): readonly NodeName[] {
  return [["n1"], ["n2"], []][index % 3] as NodeName[];
}

async function create(name: string, ...nodes: readonly NodeName[]): Promise<string> {
  const { volume } = await cluster.rpc.CreateVolume({
    name,
    capacityRange: { requiredBytes: 32 * MiB },
    volumeCapabilities: [mountCapability()],
    accessibilityRequirements: nodes.length === 0 ? null : on(...nodes),
  });
  return volume?.volumeId ?? "";
}

async function roomOn(node: NodeName): Promise<number> {
  const accessibleTopology = { segments: { "topology.lvm.local.csi/node": node } };
  return Number((await cluster.rpc.GetCapacity({ accessibleTopology })).availableCapacity);
}
