import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { claim, devicePath, pod } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";
import { logicalVolumes } from "./volumes.ts";

const MiB = 2 ** 20;
const volumeMode = "Block";
const node = "node2";
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("block-claim");
});

afterAll(() => scene.close());

test("a raw device is in the pod, as large as was asked", async () => {
  await scene.apply(claim("raw", "64Mi", { volumeMode }), pod("first", "raw", { volumeMode, node }));
  await scene.running("first");
  expect(await scene.exec("first", "blockdev", "--getsize64", devicePath)).toBe(`${64 * MiB}\n`);
  const { name } = await scene.volumeOf("raw");
  expect((await logicalVolumes(node)).get(name)).toBe(64 * MiB);
});

test("the next claim on the same extents reads zeroes only", async () => {
  await scene.exec("first", "sh", "-c", `yes secret | dd of=${devicePath} bs=1M count=64 conv=fsync iflag=fullblock`);
  const { name } = await scene.volumeOf("raw");
  await scene.remove("pod/first", "pvc/raw");
  await until("the volume is gone", async () => {
    expect([...(await logicalVolumes(node)).keys()]).not.toContain(name);
  });
  await scene.apply(claim("raw", "64Mi", { volumeMode }), pod("second", "raw", { volumeMode, node }));
  await scene.running("second");
  expect(await scene.exec("second", "sh", "-c", `tr -d '\\0' <${devicePath} | wc -c`)).toBe("0\n");
});

test("it grows in the running pod, and shows zeroes where it has grown", async () => {
  await scene.grow("raw", "96Mi");
  expect(await scene.exec("second", "blockdev", "--getsize64", devicePath)).toBe(`${96 * MiB}\n`);
  expect(await scene.exec("second", "sh", "-c", `tr -d '\\0' <${devicePath} | wc -c`)).toBe("0\n");
});
