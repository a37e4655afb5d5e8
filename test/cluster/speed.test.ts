import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { accountOf, requests, rightFor } from "./audit.ts";
import { callFigures, memoryOfContainers } from "./figures.ts";
import { claim, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";

const lives = 10;
/** What the driver is asked until a pod runs, and by whom: the controller's time has the node's in it. */
const ours = [
  ["controller", "CreateVolume"],
  ["node", "NodeStageVolume"],
  ["node", "NodePublishVolume"],
] as const;

/** What `deploy/` asks the scheduler for; what the sidecars take is not the driver's doing, and only told. */
const requestedMebibytes = { node: 128, controller: 128, certificates: 96 } as const;

let scene: Scene;

beforeAll(async () => {
  scene = await openScene("speed");
});

afterAll(() => scene.close());

test("a claim with its pod is soon Running, and the driver itself asks the API server for nothing", async () => {
  const seconds: number[] = [];
  const since = new Date().toISOString();
  const before = await ourCalls();
  for (let life = 0; life < lives; life += 1) {
    const start = performance.now();
    await scene.apply(claim(`data-${life}`, "64Mi"), pod(`pod-${life}`, `data-${life}`));
    await scene.running(`pod-${life}`);
    seconds.push((performance.now() - start) / 1000);
    await scene.remove(`pod/pod-${life}`, `pvc/data-${life}`);
  }
  const after = await ourCalls();
  const shares = after.map((figures, index) => (figures.seconds - (before[index]?.seconds ?? 0)) / lives);
  const share = shares.reduce((sum, each) => sum + each, 0);
  const sorted = seconds.toSorted((a, b) => a - b);
  const median = sorted[lives / 2] ?? 0;
  const now = (await requests()).filter((request) => request.requestReceivedTimestamp > since);
  const controller = now.filter(({ user }) => user.username === accountOf("controller"));
  const changes = controller.map(rightFor).filter((right) => !/^(get|list|watch) |leases/.test(right));
  console.log(
    `claim and pod to Running: median ${median.toFixed(1)} s, ${sorted[0]?.toFixed(1)} to ${sorted.at(-1)?.toFixed(1)} s`,
    `\nof it the driver's: ${share.toFixed(2)} s (${ours.map(([, method], i) => `${method} ${shares[i]?.toFixed(2)}`).join(", ")})`,
    `\nAPI requests per life: ${(now.length / lives).toFixed(1)}, changes by the driver's pods: ${(changes.length / lives).toFixed(1)}`,
  );
  for (const [index, { count }] of after.entries()) {
    expect(count - (before[index]?.count ?? 0)).toBeGreaterThanOrEqual(lives);
  }
  expect(median).toBeLessThan(30);
  expect(share).toBeLessThan(median / 2);
  expect(now.filter(({ user }) => user.username === accountOf("node"))).toEqual([]);
});

test("no process of the driver takes more memory than its container asks for", async () => {
  const memory = await memoryOfContainers(["node1", "node2"]);
  console.log([...memory].map(([name, mebibytes]) => `${name} ${mebibytes.toFixed(0)} MiB`).join(", "));
  const tooMuch = Object.entries(requestedMebibytes).filter(([name, most]) => !((memory.get(name) ?? 0) <= most));
  expect(tooMuch).toEqual([]);
  // all of them have been found
  expect(Math.min(...memory.values())).toBeGreaterThan(5);
});

function ourCalls() {
  return Promise.all(ours.map(([component, method]) => callFigures(component, method)));
}
