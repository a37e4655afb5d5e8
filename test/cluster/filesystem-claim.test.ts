import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { claim, mountPath, pod } from "./manifests.ts";
import { type Claim, openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { extentBytes, freeBytes, logicalVolumes, mountsOf } from "./volumes.ts";

const MiB = 2 ** 20;
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("filesystem-claim");
});

afterAll(() => scene.close());

test("a claim that waits for its first pod gets exactly its size, where the scheduler puts the pod", async () => {
  const free = new Map(
    await Promise.all(["node1", "node2"].map(async (node) => [node, await freeBytes(node)] as const)),
  );
  await scene.apply(claim("data", "101Mi"));
  expect((await scene.get<Claim>("pvc", "data")).status.phase).toBe("Pending");

  const start = performance.now();
  await scene.apply(pod("writer", "data"));
  const { spec, metadata } = await scene.running("writer");
  console.log(`claim and pod to Running: ${((performance.now() - start) / 1000).toFixed(1)} s`);

  const node = spec.nodeName ?? "";
  const volume = await scene.volumeOf("data");
  const bytes = Math.ceil((101 * MiB) / extentBytes) * extentBytes;
  expect(volume.spec.capacity.storage).toBe("104Mi");
  expect(volume.spec.csi).toMatchObject({ driver: "lvm.local.csi", volumeHandle: `${node}/vg0/${volume.name}` });
  expect((await scene.get<Claim>("pvc", "data")).status).toMatchObject({
    phase: "Bound",
    capacity: { storage: "104Mi" },
  });
  expect((await logicalVolumes(node)).get(volume.name)).toBe(bytes);
  expect(await freeBytes(node)).toBe((free.get(node) ?? 0) - bytes);
  expect(await mountsOf(node, volume.name)).toContain(
    `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~csi/${volume.name}/mount`,
  );
});

test("what one pod writes the next one reads", async () => {
  await scene.exec("writer", "sh", "-c", `echo committed >${mountPath}/row && sync`);
  await scene.remove("pod/writer");
  await scene.apply(pod("reader", "data"));
  await scene.running("reader");
  expect(await scene.exec("reader", "cat", `${mountPath}/row`)).toBe("committed\n");
});

test("a claim that is deleted gives its space back, and leaves no mount", async () => {
  const { spec } = await scene.running("reader");
  const node = spec.nodeName ?? "";
  const { name } = await scene.volumeOf("data");
  const free = await freeBytes(node);
  await scene.remove("pod/reader", "pvc/data");
  await until("the volume is gone", async () => {
    expect([...(await logicalVolumes(node)).keys()]).not.toContain(name);
  });
  expect(await freeBytes(node)).toBe(free + 104 * MiB);
  expect(await mountsOf(node, name)).toEqual([]);
});
