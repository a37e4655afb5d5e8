import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { driverReady, killDriverPods } from "./driver-pods.ts";
import { onNode } from "./inside.ts";
import { claim, mountPath, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";

/** Longest time in seconds between two lines of a writer that nobody disturbs: one processor does everything here. */
const longestPause = 60;
const writes = `while :; do date +%s >>${mountPath}/log; sync; sleep 0.5; done`;
let scene: Scene;
let node = "";

beforeAll(async () => {
  scene = await openScene("restarts");
  await scene.apply(claim("data", "64Mi"), pod("writer", "data", { command: ["sh", "-c", writes] }));
  node = (await scene.running("writer")).spec.nodeName ?? "";
  await until("it has written", async () => expect((await lines())[0]).toBeGreaterThan(0));
});

afterAll(() => scene.close());

test.each([
  ["the driver's pod is killed", () => killDriverPods("node", node)],
  ["the kubelet is killed", () => onNode(node, ["pkill", "-KILL", "-x", "kubelet"])],
  ["containerd is killed", () => onNode(node, ["pkill", "-KILL", "-x", "containerd"])],
])("a pod writes on while %s", async (_, disturb) => {
  const before = await lines();
  await disturb();
  const written = await until("the writer can be asked again", async () => {
    const now = await lines();
    expect(now.length).toBeGreaterThan(before.length + 20);
    return now;
  });
  expect(written.slice(0, before.length)).toEqual(before);
  const pauses = written.slice(1).map((time, index) => time - (written[index] ?? time));
  expect(Math.max(...pauses)).toBeLessThan(longestPause);
  const restarts = "--output=jsonpath={.status.containerStatuses[0].restartCount}";
  expect(await scene.kubectl("get", "pod", "writer", restarts)).toBe("0");
});

test("after all that a volume can be made and used on that node", async () => {
  await driverReady();
  await scene.apply(claim("next", "64Mi"), pod("next", "next", { node }));
  expect((await scene.running("next")).spec.nodeName).toBe(node);
});

async function lines(): Promise<readonly number[]> {
  const printed = await scene.exec("writer", "cat", `${mountPath}/log`);
  return printed.trim().split("\n").map(Number);
}
