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
  for (generation of [1, 1, 2, 2]) await watch.look();
  expect(cluster.nodes.map((node) => node.calls.length)).toEqual([2, 2]);
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

test("a look asks only nodes that have come, and all of them once in a while", async () => {
  const cluster = simulatedCluster("n1", "n2");
  const watch = new DuplicateWatch(cluster.router);
  for (let count = 0; count < 60; count += 1) await watch.look();
  expect(cluster.nodes.map((node) => node.calls.length)).toEqual([1, 1]);
  cluster.node("n2").hasDriver = false;
  await watch.look();
  cluster.node("n2").hasDriver = true;
  await watch.look();
  expect(cluster.nodes.map((node) => node.calls.length)).toEqual([2, 2]);
});
