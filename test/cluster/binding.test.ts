import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { kubectl } from "./inside.ts";
import { claim, pod, storageClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";

const immediate = "test-immediate";
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("binding");
  await scene.apply(storageClass(immediate, { volumeBindingMode: "Immediate" }));
});

afterAll(async () => {
  await scene.close();
  await kubectl(["delete", "storageclass", immediate]);
});

test.each(["node1", "node2"])("the pod's own constraints choose %s, and the volume is made there", async (node) => {
  await scene.apply(claim(`on-${node}`, "64Mi"), pod(`on-${node}`, `on-${node}`, { node }));
  await scene.running(`on-${node}`);
  expect((await scene.volumeOf(`on-${node}`)).spec.csi.volumeHandle).toMatch(new RegExp(`^${node}/`));
});

test("with Immediate binding the volume is made at once, and the pod goes to it", async () => {
  await scene.apply(claim("early", "64Mi", { storageClass: immediate }));
  await scene.kubectl("wait", "--for=jsonpath={.status.phase}=Bound", "--timeout=60s", "pvc/early");
  const [node] = (await scene.volumeOf("early")).spec.csi.volumeHandle.split("/");
  await scene.apply(pod("late", "early"));
  expect((await scene.running("late")).spec.nodeName).toBe(node);
});
