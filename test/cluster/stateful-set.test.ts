import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { mountPath, statefulSet } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";

const pods = ["db-0", "db-1", "db-2"];
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("stateful-set");
});

afterAll(() => scene.close());

test("a StatefulSet of 3 runs, each pod with a volume of its own", async () => {
  await scene.apply(statefulSet("db", 3, "64Mi"));
  await rolledOut();
  for (const pod of pods) await scene.exec(pod, "sh", "-c", `echo ${pod} >${mountPath}/name && sync`);
  const volumes = await Promise.all(pods.map((pod) => scene.volumeOf(`data-${pod}`)));
  expect(new Set(volumes.map(({ name }) => name)).size).toBe(3);
});

test("scaled to 1 and back to 3, each pod finds its own data again", async () => {
  const before = await placesOf();
  await scene.kubectl("scale", "statefulset/db", "--replicas=1");
  await until("two pods are gone", async () => {
    expect((await scene.kubectl("get", "pods", "--output=name")).trim()).toBe("pod/db-0");
  });
  expect((await scene.kubectl("get", "pvc", "--output=name")).trim().split("\n")).toHaveLength(3);
  await scene.kubectl("scale", "statefulset/db", "--replicas=3");
  await rolledOut();
  for (const pod of pods) expect(await scene.exec(pod, "cat", `${mountPath}/name`)).toBe(`${pod}\n`);
  expect(await placesOf()).toEqual(before);
});

test("a rolling restart leaves every pod its data", async () => {
  await scene.kubectl("rollout", "restart", "statefulset/db");
  await rolledOut();
  for (const pod of pods) expect(await scene.exec(pod, "cat", `${mountPath}/name`)).toBe(`${pod}\n`);
});

async function rolledOut(): Promise<void> {
  await scene.kubectl("rollout", "status", "statefulset/db", "--timeout=180s");
}

/** Which node each pod runs on: where its volume is. */
async function placesOf(): Promise<readonly string[]> {
  const running = await Promise.all(pods.map((pod) => scene.running(pod)));
  return running.map(({ spec }) => spec.nodeName ?? "");
}
