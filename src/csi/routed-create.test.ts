import { status } from "@grpc/grpc-js";
import { expect, test } from "@jest/globals";
import { logicalVolumeName } from "../volume/id.ts";
import {
  type SimulatedNode,
  anyCall,
  callsOf,
  claim as name,
  createVolume,
  simulatedCluster,
  volumeRequest,
  volumesOf,
} from "./simulated-cluster.fixture.ts";

const unavailable = { kind: "unavailable" };
const exhausted = { kind: "resourceExhausted" };

test("the node that the topology names gets it, by one call", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const answer = await createVolume(cluster, ["n2"]);
  expect(answer.volume).toMatchObject({
    volumeId: `n2/vg0/${name}`,
    accessibleTopology: [{ segments: { "topology.lvm.local.csi/node": "n2" } }],
  });
  expect(callsOf(cluster)).toEqual({ n1: [], n2: ["CreateVolume"] });
});

test("bad requests reach no node", async () => {
  const cluster = simulatedCluster("n1");
  const request = { ...volumeRequest(name), parameters: { unknown: "1" } };
  await expect(cluster.service.CreateVolume?.(request, anyCall)).rejects.toMatchObject({ kind: "invalidArgument" });
  expect(callsOf(cluster)).toEqual({ n1: [] });
});

test("before all nodes are known nothing is concluded", async () => {
  const cluster = simulatedCluster("n1");
  cluster.unsync();
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  await expect(createVolume(cluster)).rejects.toMatchObject(unavailable);
});

test.each<[string, (node: SimulatedNode) => void, string[]]>([
  ["refuses connections", (node) => (node.manner = "down"), []],
  ["is not ready", (node) => (node.isReady = false), []],
  ["has no driver", (node) => (node.hasDriver = false), []],
  ["is not in the cluster", (node) => (node.isGone = true), []],
  ["is full", (node) => (node.room = 0), ["CreateVolume"]],
])("a node that %s: the scheduler may choose another at once", async (_case, change, calls) => {
  const cluster = simulatedCluster("n1", "n2");
  change(cluster.node("n1"));
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(exhausted);
  expect(callsOf(cluster)).toEqual({ n1: calls, n2: [] });
  await createVolume(cluster, ["n2"]);
  expect(volumesOf(cluster)).toEqual({ n1: 0, n2: 1 });
});

test.each<[string, (node: SimulatedNode) => void]>([
  ["refuses connections", (node) => (node.manner = "down")],
  ["is not ready and silent", (node) => Object.assign(node, { manner: "losesCalls", isReady: false })],
  ["has no driver", (node) => (node.hasDriver = false)],
])("once sent and unanswered, a node that then %s is waited for", async (_case, change) => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "losesAnswers";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  change(cluster.node("n1"));
  for (const wanted of [["n1"], ["n2"], undefined]) {
    await expect(createVolume(cluster, wanted)).rejects.toMatchObject(unavailable);
  }
  Object.assign(cluster.node("n1"), { manner: "up", hasDriver: true, isReady: true });
  expect((await createVolume(cluster)).volume?.volumeId).toBe(`n1/vg0/${name}`);
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("once the node is positively gone another one gets it", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "losesAnswers";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  cluster.node("n1").isGone = true;
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(exhausted);
  expect((await createVolume(cluster, ["n2"])).volume?.volumeId).toBe(`n2/vg0/${name}`);
});

test("a call that was lost before the node saw it keeps nobody waiting when the node answers again", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "losesCalls";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  cluster.node("n1").manner = "up";
  expect((await createVolume(cluster, ["n2"])).volume?.volumeId).toBe(`n2/vg0/${name}`);
  expect(volumesOf(cluster)).toEqual({ n1: 0, n2: 1 });
});

test("a node that is at work on it is waited for", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "slow";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject({ kind: "aborted", message: "zeroing 43 %" });
  cluster.node("n1").manner = "down";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
});

test("a node that is at work on it is waited for, also when another one is asked for meanwhile", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "slow";
  for (const node of ["n1", "n2", "n2", "n1"]) {
    await expect(createVolume(cluster, [node])).rejects.toMatchObject({ kind: "aborted", message: "zeroing 43 %" });
  }
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("a volume that is there, where the request may not have it, is another volume", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "losesAnswers";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  cluster.node("n1").manner = "up";
  await expect(createVolume(cluster, ["n2"])).rejects.toMatchObject({ kind: "alreadyExists" });
  expect(cluster.warnings).toEqual([{ volume: name, node: "n1", asked: ["n2"] }]);
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("without topology the node with most room gets it", async () => {
  const cluster = simulatedCluster("n1", "n2", "n3", "n4");
  cluster.node("n2").room = 30;
  Object.assign(cluster.node("n3"), { room: 50, manner: "down" });
  Object.assign(cluster.node("n4"), { room: 50, isReady: false });
  expect((await createVolume(cluster)).volume?.volumeId).toBe(`n2/vg0/${name}`);
});

test("without topology a repeated call finds the volume, also behind another run of the controller", async () => {
  const cluster = simulatedCluster("n1", "n2");
  await createVolume(cluster);
  const holder = cluster.nodes.find(({ volumes }) => volumes.size > 0);
  const other = cluster.node(holder?.name === "n1" ? "n2" : "n1");
  other.room = 100;
  for (const service of [cluster.service, cluster.restart()]) {
    const again = await service.CreateVolume?.(volumeRequest(name), anyCall);
    expect(again?.volume).toMatchObject({ volumeId: holder?.idOf(name) });
  }
  expect(other.volumes.size).toBe(0);
});

test("without topology a volume that is being made is found, and waited for", async () => {
  const cluster = simulatedCluster("n1", "n2");
  Object.assign(cluster.node("n1"), { manner: "slow", room: 20 });
  for (let count = 0; count < 3; count += 1) {
    await expect(createVolume(cluster)).rejects.toMatchObject({ kind: "aborted", message: "zeroing 43 %" });
  }
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("with several nodes in the topology the preferred one comes first, then the others", async () => {
  const cluster = simulatedCluster("n1", "n2", "n3");
  cluster.node("n3").room = 0;
  cluster.node("n1").room = 100;
  expect((await createVolume(cluster, ["n3", "n2", "n1"])).volume?.volumeId).toBe(`n2/vg0/${name}`);
});

test("nowhere room: the answer has every node's reason", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").room = 0;
  cluster.node("n2").manner = "down";
  await expect(createVolume(cluster)).rejects.toMatchObject({
    ...exhausted,
    message: expect.stringMatching(
      /^no node can make the volume \(.*n1: it has room for 0 bytes.*n2: connect ECONN|n2.*n1/,
    ),
  });
  await expect(createVolume(simulatedCluster())).rejects.toMatchObject(exhausted);
});

test("what every node finds wrong with the request is the answer", async () => {
  const cluster = simulatedCluster("n1", "n2");
  for (const node of cluster.nodes) node.refusal = { code: status.INVALID_ARGUMENT, details: "no such volume group" };
  await expect(createVolume(cluster)).rejects.toMatchObject({
    kind: "invalidArgument",
    message: "no such volume group",
  });
});

test("two volumes of one name are told of", async () => {
  const cluster = simulatedCluster("n1", "n2");
  for (const node of cluster.nodes) node.volumes.set(name, true);
  expect((await createVolume(cluster)).volume?.volumeId).toBe(`n1/vg0/${name}`);
  expect(cluster.warnings).toEqual([{ volume: name, nodes: ["n1", "n2"] }]);
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 1 });
});

test("one call for a name at a time", async () => {
  const cluster = simulatedCluster("n1");
  const first = createVolume(cluster, ["n1"]);
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject({ kind: "aborted" });
  await first;
  await createVolume(cluster, ["n1"]);
});

test("a caller that has left, or has no time left, concludes nothing", async () => {
  const cluster = simulatedCluster("n1");
  cluster.node("n1").manner = "down";
  const calls = [
    { ...anyCall, signal: AbortSignal.abort() },
    { ...anyCall, deadline: Date.now() + 100 },
  ];
  for (const call of calls) {
    const result = cluster.service.CreateVolume?.(volumeRequest(name, ["n1"]), call);
    await expect(result).rejects.toMatchObject({ kind: "deadlineExceeded" });
  }
});

test("a deleted volume's name is forgotten", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const { volume } = await createVolume(cluster, ["n1"]);
  await cluster.service.DeleteVolume?.({ volumeId: volume?.volumeId ?? "", secrets: {} }, anyCall);
  cluster.node("n1").manner = "down";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(exhausted);
});

test("a name that is no logical volume's is looked for by its digest", async () => {
  const cluster = simulatedCluster("n1");
  await cluster.service.CreateVolume?.(volumeRequest("other"), anyCall);
  expect([...cluster.node("n1").volumes.keys()]).toEqual([logicalVolumeName("other")]);
});
