import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { kubectl } from "./inside.ts";
import { claim, mountPath, pod, storageClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { logicalVolumes } from "./volumes.ts";

const className = "test-retain";
let scene: Scene;
let volume = "";

beforeAll(async () => {
  scene = await openScene("retain");
  await scene.apply(storageClass(className, { reclaimPolicy: "Retain" }));
});

afterAll(async () => {
  await scene.close();
  await kubectl(["delete", "storageclass", className]);
});

test("a retained volume outlives its claim", async () => {
  await scene.apply(claim("data", "64Mi", { storageClass: className }), pod("writer", "data"));
  const { spec } = await scene.running("writer");
  await scene.exec("writer", "sh", "-c", `echo kept >${mountPath}/row && sync`);
  volume = (await scene.volumeOf("data")).name;
  await scene.remove("pod/writer", "pvc/data");
  await kubectl(["wait", "--for=jsonpath={.status.phase}=Released", "--timeout=60s", `pv/${volume}`]);
  expect((await logicalVolumes(spec.nodeName ?? "")).has(volume)).toBe(true);
});

test("with its claimRef removed it is bound again to a claim that names it, with its data", async () => {
  await kubectl(["patch", "pv", volume, "--type=json", '--patch=[{"op":"remove","path":"/spec/claimRef"}]']);
  await kubectl(["wait", "--for=jsonpath={.status.phase}=Available", "--timeout=60s", `pv/${volume}`]);
  // without the name the scheduler may choose the other node, and a new volume is made there
  await scene.apply(claim("again", "64Mi", { storageClass: className, volumeName: volume }), pod("reader", "again"));
  await scene.running("reader");
  expect((await scene.volumeOf("again")).name).toBe(volume);
  expect(await scene.exec("reader", "cat", `${mountPath}/row`)).toBe("kept\n");
});

test("released once more, it goes when its reclaim policy is changed to Delete", async () => {
  const { spec } = await scene.running("reader");
  await scene.remove("pod/reader", "pvc/again");
  await kubectl(["wait", "--for=jsonpath={.status.phase}=Released", "--timeout=60s", `pv/${volume}`]);
  await kubectl(["patch", "pv", volume, '--patch={"spec":{"persistentVolumeReclaimPolicy":"Delete"}}']);
  await until("the volume is gone", async () => {
    expect((await logicalVolumes(spec.nodeName ?? "")).has(volume)).toBe(false);
  });
  await until("its object is gone", async () => {
    expect(await kubectl(["get", "pv", volume, "--ignore-not-found"])).toBe("");
  });
});
