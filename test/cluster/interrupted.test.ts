import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { driverReady, killDriverPods } from "./driver-pods.ts";
import { kubectl } from "./inside.ts";
import { claim, storageClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { volumesOfNodes } from "./volumes.ts";

const immediate = "test-interrupted";
const claims = Array.from({ length: 20 }, (_, index) => `claim-${index}`);
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("interrupted");
  await scene.apply(storageClass(immediate, { volumeBindingMode: "Immediate" }));
});

afterAll(async () => {
  await driverReady();
  await scene.close();
  await kubectl(["delete", "storageclass", immediate]);
});

test.each(["controller", "node"] as const)(
  "20 claims are made and deleted while the %s's pods are killed: each has one volume, and none stays",
  async (component) => {
    const before = await volumesOfNodes();
    await scene.apply(...claims.map((name) => claim(name, "16Mi", { storageClass: immediate })));
    await sleep(1000);
    await killDriverPods(component);
    await scene.kubectl(
      ...["wait", "--for=jsonpath={.status.phase}=Bound", "--timeout=240s"],
      ...claims.map((name) => `pvc/${name}`),
    );
    const volumes = await Promise.all(claims.map((name) => scene.volumeOf(name)));
    const made = volumes.map(({ name }) => name);
    expect((await volumesOfNodes()).toSorted()).toEqual([...before, ...made].toSorted());

    await scene.kubectl("delete", "pvc", "--all", "--wait=false");
    await sleep(1000);
    await killDriverPods(component);
    await until(
      "all volumes are gone",
      async () => {
        expect((await volumesOfNodes()).toSorted()).toEqual(before.toSorted());
        const left = await kubectl(["get", "pv", "--output=name"]);
        expect(made.filter((name) => left.includes(name))).toEqual([]);
      },
      240_000,
    );
  },
);
