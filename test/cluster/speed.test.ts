import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { accountOf, requests, rightFor } from "./audit.ts";
import { claim, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";

const lives = 10;
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("speed");
});

afterAll(() => scene.close());

test("a claim with its pod is soon Running, and the driver itself asks the API server for nothing", async () => {
  const seconds: number[] = [];
  const since = new Date().toISOString();
  for (let life = 0; life < lives; life += 1) {
    const start = performance.now();
    await scene.apply(claim(`data-${life}`, "64Mi"), pod(`pod-${life}`, `data-${life}`));
    await scene.running(`pod-${life}`);
    seconds.push((performance.now() - start) / 1000);
    await scene.remove(`pod/pod-${life}`, `pvc/data-${life}`);
  }
  const sorted = seconds.toSorted((a, b) => a - b);
  const median = sorted[lives / 2] ?? 0;
  const now = (await requests()).filter((request) => request.requestReceivedTimestamp > since);
  const controller = now.filter(({ user }) => user.username === accountOf("controller"));
  const changes = controller.map(rightFor).filter((right) => !/^(get|list|watch) |leases/.test(right));
  console.log(
    `claim and pod to Running: median ${median.toFixed(1)} s, ${sorted[0]?.toFixed(1)} to ${sorted.at(-1)?.toFixed(1)} s`,
    `\nAPI requests per life: ${(now.length / lives).toFixed(1)}, changes by the driver's pods: ${(changes.length / lives).toFixed(1)}`,
  );
  expect(median).toBeLessThan(30);
  expect(now.filter(({ user }) => user.username === accountOf("node"))).toEqual([]);
});
