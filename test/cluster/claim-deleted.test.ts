import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { kubectl } from "./inside.ts";
import { claim, storageClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { volumesOfNodes } from "./volumes.ts";

const immediate = "test-deleted";
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("claim-deleted");
  await scene.apply(storageClass(immediate, { volumeBindingMode: "Immediate" }));
});

afterAll(async () => {
  await scene.close();
  await kubectl(["delete", "storageclass", immediate]);
});

test("of claims that are deleted while their volumes are made, nothing stays", async () => {
  const before = await volumesOfNodes();
  // so that the deletions meet the creations at all their steps
  for (let after = 0; after <= 2000; after += 250) {
    const names = [1, 2, 3].map((number) => `after-${after}-${number}`);
    await scene.apply(...names.map((name) => claim(name, "16Mi", { storageClass: immediate })));
    await sleep(after);
    await scene.kubectl("delete", "pvc", "--wait=false", ...names);
  }
  await until("all volumes are gone", async () => {
    expect(await scene.kubectl("get", "pvc", "--output=name")).toBe("");
    expect(await kubectl(["get", "pv", "--output=jsonpath={.items[*].spec.claimRef.name}"])).not.toMatch(/after-/);
    expect((await volumesOfNodes()).toSorted()).toEqual(before.toSorted());
  });
});
