import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { claim, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { freeBytes } from "./volumes.ts";

const MiB = 2 ** 20;
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("full-node");
});

afterAll(() => scene.close());

test("when a node is full, the next pod goes to the one with room", async () => {
  const most = Math.floor((await freeBytes("node1")) / MiB) - 64;
  await scene.apply(claim("large", `${most}Mi`), pod("first", "large", { node: "node1" }));
  await scene.running("first");
  await scene.apply(claim("next", "1Gi"), pod("second", "next"));
  const start = performance.now();
  const { spec } = await scene.running("second", 60_000);
  console.log(`beside a full node: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  expect(spec.nodeName).toBe("node2");
});

test("when all are full, the pod waits and says so; when space is freed, it starts", async () => {
  const most = Math.floor((await freeBytes("node2")) / MiB) - 64;
  await scene.apply(claim("rest", `${most}Mi`), pod("third", "rest", { node: "node2" }));
  await scene.running("third");
  await scene.apply(claim("waiting", "512Mi"), pod("fourth", "waiting"));
  await scene.kubectl("wait", "--for=condition=PodScheduled=false", "--timeout=30s", "pod/fourth");
  expect(await scene.kubectl("describe", "pod/fourth")).toMatch(/did not have enough free storage|Insufficient/i);

  await scene.remove("pod/third", "pvc/rest");
  const start = performance.now();
  await scene.running("fourth", 60_000);
  const seconds = (performance.now() - start) / 1000;
  console.log(`space freed until the pod runs: ${seconds.toFixed(1)} s`);
  expect(seconds).toBeLessThan(30);
});
