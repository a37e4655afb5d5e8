import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { claim, mountPath, pod } from "./manifests.ts";
import { type Claim, openScene, type Scene } from "./scene.ts";
import { logicalVolumes } from "./volumes.ts";

const MiB = 2 ** 20;
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("expansion");
});

afterAll(() => scene.close());

test("ext4 grows under a pod that writes: the pod, the claim and the volume show it", async () => {
  const writes = `while :; do date >>${mountPath}/log; sync; sleep 0.2; done`;
  await scene.apply(claim("data", "64Mi"), pod("writer", "data", { command: ["sh", "-c", writes] }));
  const { spec } = await scene.running("writer");
  const before = await fileSystemBytes("writer");

  const start = performance.now();
  await request("128Mi");
  await scene.kubectl("wait", "--for=jsonpath={.status.capacity.storage}=128Mi", "--timeout=120s", "pvc/data");
  console.log(`expansion until the claim shows it: ${((performance.now() - start) / 1000).toFixed(1)} s`);

  const volume = await scene.volumeOf("data");
  expect(volume.spec.capacity.storage).toBe("128Mi");
  expect((await logicalVolumes(spec.nodeName ?? "")).get(volume.name)).toBe(128 * MiB);
  expect(await fileSystemBytes("writer")).toBeGreaterThan(before + 48 * MiB);
  const lines = await scene.exec("writer", "sh", "-c", `wc -l <${mountPath}/log`);
  await scene.exec("writer", "sleep", "2");
  expect(Number(await scene.exec("writer", "sh", "-c", `wc -l <${mountPath}/log`))).toBeGreaterThan(Number(lines));
});

test("beyond the room the claim says why, and may be lowered again", async () => {
  await request("64Gi");
  const reason = "--for=jsonpath={.status.allocatedResourceStatuses.storage}=ControllerResizeInfeasible";
  await scene.kubectl("wait", reason, "--timeout=60s", "pvc/data");
  const events = await scene.kubectl("get", "events", "--field-selector=involvedObject.name=data", "--output=json");
  expect(events).toMatch(/OutOfRange/);

  await request("132Mi");
  await scene.kubectl("wait", "--for=jsonpath={.status.capacity.storage}=132Mi", "--timeout=120s", "pvc/data");
  expect((await scene.get<Claim>("pvc", "data")).status.phase).toBe("Bound");
  expect(await scene.exec("writer", "head", "-n", "1", `${mountPath}/log`)).toMatch(/20\d\d/);
});

async function request(storage: string): Promise<void> {
  const patch = JSON.stringify({ spec: { resources: { requests: { storage } } } });
  await scene.kubectl("patch", "pvc", "data", `--patch=${patch}`);
}

async function fileSystemBytes(name: string): Promise<number> {
  return Number(await scene.exec(name, "sh", "-c", `df --output=size -B1 ${mountPath} | tail -n 1`));
}
