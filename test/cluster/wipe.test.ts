import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { killDriverProcess } from "./driver-pods.ts";
import { kubectl } from "./inside.ts";
import { claim, devicePath, pod, storageClass } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { logicalVolumes, piecesOf, readDisk, tagsOf } from "./volumes.ts";

const className = "test-wipe";
const volumeMode = "Block";
const node = "node1";
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("wipe");
  // what the static provisioner's blockCleanerCommand "shred.sh" did, often enough to be met at it
  await scene.apply(storageClass(className, { parameters: { wipe: "shred:6" } }));
});

afterAll(async () => {
  await scene.close();
  await kubectl(["delete", "storageclass", className]);
});

test("a deleted claim's data are wiped from the disk, though the driver is killed meanwhile", async () => {
  const options = { storageClass: className, volumeMode } as const;
  await scene.apply(claim("secret", "256Mi", options), pod("writer", "secret", { volumeMode, node }));
  await scene.running("writer");
  await scene.exec("writer", "sh", "-c", `yes secret | dd of=${devicePath} bs=1M count=256 conv=fsync iflag=fullblock`);
  const { name } = await scene.volumeOf("secret");
  const pieces = await piecesOf(node, name);
  expect(await secretsIn(pieces)).toBeGreaterThan(1e6);

  await scene.remove("pod/writer");
  // the claim is gone at once, and nobody waits for the wiping
  await scene.remove("pvc/secret");
  await until("it is being wiped", async () => expect(await tagsOf(node, name)).toMatch(/state=removing/));
  await killDriverProcess(node);
  expect(await tagsOf(node, name)).toMatch(/state=removing/);

  await kubectl(["wait", "--for=delete", "--timeout=240s", `pv/${name}`]);
  expect((await logicalVolumes(node)).has(name)).toBe(false);
  expect(await secretsIn(pieces)).toBe(0);
});

/** How many lines of the writer's are in these pieces of the node's disk. */
async function secretsIn(pieces: Awaited<ReturnType<typeof piecesOf>>): Promise<number> {
  const counts = await Promise.all(pieces.map((piece) => readDisk(node, piece, "grep --text --count secret || true")));
  return counts.reduce((sum, count) => sum + Number(count), 0);
}
