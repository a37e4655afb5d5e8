import { status } from "@grpc/grpc-js";
import { expect, jest, test } from "@jest/globals";
import { DuplicateWatch } from "./routed-duplicates.ts";
import { simulatedCluster } from "./simulated-cluster.fixture.ts";

const [first, second] = [1, 2].map((digit) => `pvc-00000000-0000-0000-0000-00000000000${digit}`) as [string, string];

test("volumes of one name on two nodes are told of once, counted, and left alone", async () => {
  const cluster = simulatedCluster("n1", "n2", "n3");
  const watch = new DuplicateWatch(cluster.router);
  cluster.node("n1").volumes.set(first, true).set(second, true);
  cluster.node("n3").volumes.set(first, true);
  for (let count = 0; count < 3; count += 1) await watch.look();
  expect(watch.count).toBe(1);
  expect(cluster.warnings).toEqual([{ volume: first, nodes: ["n1", "n3"] }]);
  expect(cluster.nodes.map((node) => node.volumes.size)).toEqual([2, 0, 1]);
  cluster.node("n1").volumes.delete(first);
  await watch.look();
  expect(watch.count).toBe(0);
});

test.each(["down", "losesCalls"] as const)(
  "a second volume is found when its node comes back that was %s",
  async (manner) => {
    const cluster = simulatedCluster("n1", "n2");
    for (const node of cluster.nodes) node.volumes.set(first, true);
    cluster.node("n2").manner = manner;
    const watch = new DuplicateWatch(cluster.router);
    await watch.look();
    expect(watch.count).toBe(0);
    cluster.node("n2").manner = "up";
    await watch.look();
    expect(watch.count).toBe(1);
  },
);

test("what was made elsewhere since the others were listed is found as soon as a node comes back", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const watch = new DuplicateWatch(cluster.router);
  cluster.node("n2").isReady = false;
  for (let count = 0; count < 10; count += 1) await watch.look();
  for (const node of cluster.nodes) node.volumes.set(first, true);
  cluster.node("n2").isReady = true;
  await watch.look();
  expect(watch.count).toBe(1);
});

test("a node that gives its list again after it gave none has come back, too", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const watch = new DuplicateWatch(cluster.router);
  cluster.node("n2").manner = "losesCalls";
  for (let count = 0; count < 10; count += 1) await watch.look();
  for (const node of cluster.nodes) node.volumes.set(first, true);
  cluster.node("n2").manner = "up";
  await watch.look();
  expect(watch.count).toBe(1);
});

test.each(["n1", "n2"])(
  "a second volume that %s finishes some minutes after a node came back is found",
  async (name) => {
    const cluster = simulatedCluster("n1", "n2");
    const watch = new DuplicateWatch(cluster.router);
    for (const node of cluster.nodes) node.volumes.set(first, node.name !== name);
    for (let count = 0; count < 5; count += 1) await watch.look();
    expect(watch.count).toBe(0);
    cluster.node(name).volumes.set(first, true);
    await watch.look();
    expect(watch.count).toBe(1);
  },
);

test("a node that gives no list is told of once, hides no other's volumes, and is asked again", async () => {
  const cluster = simulatedCluster("n1", "n2", "n3");
  for (const node of cluster.nodes) node.volumes.set(first, true);
  cluster.node("n2").refusal = { code: status.UNAVAILABLE, details: "vg0 is missing" };
  const watch = new DuplicateWatch(cluster.router);
  for (let count = 0; count < 3; count += 1) await watch.look();
  expect(cluster.warnings).toEqual([
    { node: "n2", reason: "vg0 is missing" },
    { volume: first, nodes: ["n1", "n3"] },
  ]);
  expect(cluster.node("n2").calls).toHaveLength(3);
});

test("a node is asked again when its driver has another address", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const { directory } = cluster.router;
  let generation = 1;
  const find = (name: string) => ({ topologyValue: name, isReady: true, address: `${name}:${generation}` });
  const nodes = () => directory.nodes().map(({ topologyValue }) => find(topologyValue));
  const watch = new DuplicateWatch({ ...cluster.router, directory: { ...directory, nodes, find } });
  for (let count = 0; count < 10; count += 1) await watch.look();
  const before = cluster.nodes.map((node) => node.calls.length);
  generation = 2;
  await watch.look();
  expect(cluster.nodes.map((node) => node.calls.length)).toEqual(before.map((calls) => calls + 1));
});

test("a look that takes long is not overtaken by the next", async () => {
  jest.useFakeTimers();
  const cluster = simulatedCluster("n1");
  let calls = 0;
  const send = () => {
    calls += 1;
    return new Promise<never>(() => undefined);
  };
  const watch = new DuplicateWatch({ ...cluster.router, calls: { send, hasCertificates: true } });
  watch.start();
  await jest.advanceTimersByTimeAsync(600_000);
  watch.stop();
  jest.useRealTimers();
  expect(calls).toBe(1);
});

test("nodes are asked for some looks when one has come, and once in a while", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const watch = new DuplicateWatch(cluster.router);
  const callsAfter = async (looks: number) => {
    for (let count = 0; count < looks; count += 1) await watch.look();
    return cluster.nodes.map((node) => node.calls.length);
  };
  expect(await callsAfter(6)).toEqual([6, 6]);
  expect(await callsAfter(54)).toEqual([6, 6]);
  cluster.node("n2").hasDriver = false;
  expect(await callsAfter(1)).toEqual([7, 6]);
  expect(await callsAfter(30)).toEqual([7, 6]);
  cluster.node("n2").hasDriver = true;
  expect(await callsAfter(29)).toEqual([13, 12]);
  expect(await callsAfter(1)).toEqual([14, 13]);
});
