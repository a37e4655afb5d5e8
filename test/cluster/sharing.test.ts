import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { claim, ephemeralVolume, mountPath, pod } from "./manifests.ts";
import { openScene, type Pod, type Scene } from "./scene.ts";

let scene: Scene;

beforeAll(async () => {
  scene = await openScene("sharing");
});

afterAll(() => scene.close());

test("two pods of one node use one ReadWriteOnce claim, and the second one is put where the volume is", async () => {
  await scene.apply(claim("shared", "64Mi"), pod("one", "shared"));
  const first = await scene.running("one");
  await scene.apply(pod("two", "shared"));
  const second = await scene.running("two");
  expect(second.spec.nodeName).toBe(first.spec.nodeName);
  await scene.exec("one", "sh", "-c", `echo seen >${mountPath}/row`);
  expect(await scene.exec("two", "cat", `${mountPath}/row`)).toBe("seen\n");
});

test("a pod may have a part of the volume, for reading only, and as a group", async () => {
  const mount = { subPath: "part", readOnly: true };
  await scene.exec("one", "sh", "-c", `mkdir ${mountPath}/part && echo within >${mountPath}/part/row`);
  await scene.apply(pod("part", "shared", { mount, spec: { securityContext: { fsGroup: 2000 } } }));
  await scene.running("part");
  expect(await scene.exec("part", "cat", `${mountPath}/row`)).toBe("within\n");
  await expect(scene.exec("part", "touch", `${mountPath}/new`)).rejects.toThrow(/Read-only file system/);
  expect(await scene.exec("one", "stat", "--format=%g", mountPath)).toBe("2000\n");
});

test("a ReadWriteOncePod claim is refused to the second pod while the first one has it", async () => {
  await scene.apply(claim("alone", "64Mi", { accessMode: "ReadWriteOncePod" }), pod("owner", "alone"));
  await scene.running("owner");
  await scene.apply(pod("other", "alone"));
  await scene.kubectl("wait", "--for=condition=PodScheduled=false", "--timeout=30s", "pod/other");
  expect((await scene.get<Pod>("pod", "other")).status.phase).toBe("Pending");
  await scene.remove("pod/owner");
  expect((await scene.running("other")).status.phase).toBe("Running");
});

test("a generic ephemeral volume comes and goes with its pod", async () => {
  await scene.apply(pod("scratch", "", { spec: { volumes: [ephemeralVolume("64Mi")] } }));
  await scene.running("scratch");
  expect(await scene.kubectl("get", "pvc", "scratch-data", "--output=jsonpath={.status.phase}")).toBe("Bound");
  await scene.exec("scratch", "sh", "-c", `echo scratch >${mountPath}/row`);
  await scene.remove("pod/scratch");
  await scene.kubectl("wait", "--for=delete", "--timeout=60s", "pvc/scratch-data");
});
