import { status } from "@grpc/grpc-js";
import { expect, test } from "@jest/globals";
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

test("without topology the only node's volume is found where it took the room that another would need", async () => {
  const cluster = simulatedCluster("n1");
  cluster.node("n1").room = 1;
  const made = await createVolume(cluster);
  for (const service of [cluster.service, cluster.restart()]) {
    expect(await service.CreateVolume?.(volumeRequest(name), anyCall)).toEqual(made);
  }
});

// such a node was left out before: if it had the volume of an earlier controller's call, a second one was made
test.each<[string, Partial<SimulatedNode>]>([
  ["has lost the call", { manner: "losesCalls" }],
  ["is there and does not trust the controller", { manner: "untrusted" }],
  ["cannot read a group", { refusal: { code: status.UNAVAILABLE, details: "vg0 cannot be read" } }],
  ["failed", { refusal: { code: status.INTERNAL, details: "a fault" } }],
])("without topology nothing is made while a node cannot say that it has no volume: it %s", async (_case, change) => {
  const cluster = simulatedCluster("n1", "n2");
  Object.assign(cluster.node("n1"), change);
  cluster.node("n1").volumes.set(name, true);
  await expect(createVolume(cluster)).rejects.toMatchObject(unavailable);
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("without topology a silent node is asked for the volume of an earlier controller, and another one gets none", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").room = 20;
  await createVolume(cluster);
  cluster.node("n1").manner = "silent";
  const restarted = cluster.restart();
  const again = async () => restarted.CreateVolume?.(volumeRequest(name), anyCall);
  await expect(again()).rejects.toMatchObject({ ...unavailable, message: expect.stringContaining("node n1 ") });
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
  cluster.node("n1").manner = "up";
  expect((await again())?.volume?.volumeId).toBe(`n1/vg0/${name}`);
});

test("a silent node is left out when the cluster says that it is not ready", async () => {
  const cluster = simulatedCluster("n1", "n2");
  Object.assign(cluster.node("n1"), { manner: "silent", isReady: false });
  expect((await createVolume(cluster)).volume?.volumeId).toBe(`n2/vg0/${name}`);
});

test("a claim of one node is given back to the scheduler while that one is silent, also after a node that is gone", async () => {
  const cluster = simulatedCluster("n1", "n2", "n3");
  cluster.node("n1").manner = "silent";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(exhausted);
  cluster.node("n2").manner = "losesCalls";
  await expect(createVolume(cluster, ["n2"])).rejects.toMatchObject(unavailable);
  cluster.node("n2").isGone = true;
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(exhausted);
  await createVolume(cluster, ["n3"]);
});

test("a node that was never sent the name, and is away or has no such group, is left out", async () => {
  const cluster = simulatedCluster("n1", "n2", "n3");
  cluster.node("n1").manner = "lacksGroup";
  cluster.node("n3").manner = "down";
  expect((await createVolume(cluster)).volume?.volumeId).toBe(`n2/vg0/${name}`);
});

test("a node that was sent the name is not believed to have no room while its group is missing", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const node = cluster.node("n1");
  node.manner = "losesAnswers";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  node.manner = "lacksGroup";
  for (const wanted of [["n1"], ["n2"], undefined]) {
    await expect(createVolume(cluster, wanted)).rejects.toMatchObject(unavailable);
  }
  node.manner = "up";
  expect((await createVolume(cluster, ["n1"])).volume?.volumeId).toBe(`n1/vg0/${name}`);
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("a node that was sent the name is not believed when it does not look where the volume may be", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const node = cluster.node("n1");
  node.manner = "losesAnswers";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  const details = "vg0 is not one of this node's groups";
  Object.assign(node, { manner: "up", refusal: { code: status.INVALID_ARGUMENT, details } });
  const message = `node n1 cannot tell whether it has the volume: ${details}`;
  for (const wanted of [["n1"], ["n2"], undefined, ["n1"]]) {
    await expect(createVolume(cluster, wanted)).rejects.toMatchObject({ ...unavailable, message });
  }
  node.refusal = undefined;
  expect((await createVolume(cluster, ["n1"])).volume?.volumeId).toBe(`n1/vg0/${name}`);
  expect(volumesOf(cluster)).toEqual({ n1: 1, n2: 0 });
});

test("a node that finds fault with the first call for a name has the last word", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").refusal = { code: status.INVALID_ARGUMENT, details: "no such option" };
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject({ kind: "invalidArgument" });
  await createVolume(cluster, ["n2"]);
});

test("a node that was sent the name, has no volume and no room gives way", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "losesCalls";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  Object.assign(cluster.node("n1"), { manner: "up", room: 0 });
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(exhausted);
  expect(callsOf(cluster)).toEqual({ n1: ["CreateVolume", "CreateVolume", "CreateVolume?"], n2: [] });
  await createVolume(cluster, ["n2"]);
});

test("a node that does not trust the controller is not full", async () => {
  const cluster = simulatedCluster("n1", "n2");
  cluster.node("n1").manner = "untrusted";
  await expect(createVolume(cluster, ["n1"])).rejects.toMatchObject(unavailable);
  await createVolume(cluster, ["n2"]);
});
