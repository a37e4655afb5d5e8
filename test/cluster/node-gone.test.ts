import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { accountOf, requests, rightFor } from "./audit.ts";
import { ask } from "./control.ts";
import { driverReady } from "./driver-pods.ts";
import { kubectl, onNode } from "./inside.ts";
import { claim, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { logicalVolumes, volumeGroup } from "./volumes.ts";

const node = "node2";
let scene: Scene;
let volume = "";

beforeAll(async () => {
  scene = await openScene("node-gone");
  await scene.apply(claim("data", "64Mi"), pod("user", "data", { node }));
  await scene.running("user");
  volume = (await scene.volumeOf("data")).name;
});

afterAll(async () => {
  // it is on, unless a test failed while it was off
  await ask({ ask: "start", node }).catch(() => undefined);
  // its disk comes back with what was on it
  if ((await logicalVolumes(node)).has(volume)) {
    await onNode(node, ["lvremove", "--quiet", "--yes", `${volumeGroup}/${volume}`]);
  }
  await scene.close();
});

test("a node that does not answer keeps its volumes", async () => {
  await ask({ ask: "kill", node });
  await scene.kubectl("delete", "pod/user", "--grace-period=0", "--force");
  await scene.kubectl("delete", "pvc/data", "--wait=false");
  await until(
    "the deletion has been tried",
    async () => {
      const selector = `involvedObject.name=${volume},reason=VolumeFailedDelete`;
      expect(await kubectl(["get", "events", "--all-namespaces", `--field-selector=${selector}`])).toMatch(/node2/);
    },
    300_000,
  );
  expect(await kubectl(["get", "pv", volume, "--output=jsonpath={.status.phase}"])).toBe("Released");
});

test("of a node that was removed for good the volumes can be deleted", async () => {
  const start = performance.now();
  await kubectl(["delete", "node", node]);
  await kubectl(["wait", "--for=delete", "--timeout=400s", `pv/${volume}`]);
  console.log(`node removed until its volume is: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  const asked = (await requests()).filter(({ user }) => user.username === accountOf("controller"));
  expect(asked.map(rightFor)).toContain("get nodes");
});

test("when it comes back all the same, its volumes are there to be looked at, and new ones can be made", async () => {
  await ask({ ask: "start", node });
  await until("it is Ready", () => kubectl(["wait", "--for=condition=Ready", "--timeout=5s", `node/${node}`]));
  await driverReady();
  expect((await logicalVolumes(node)).has(volume)).toBe(true);
  await scene.apply(claim("next", "64Mi"), pod("next", "next", { node }));
  await scene.running("next");
});
