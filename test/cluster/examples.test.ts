import { afterAll, beforeAll, expect, test } from "@jest/globals";
import path from "node:path";
import { checkout } from "../runner/command.ts";
import { kubectl } from "./inside.ts";
import { type Claim, openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";

const GiB = 2 ** 30;
let scene: Scene;

beforeAll(async () => {
  scene = await openScene("examples");
});

afterAll(async () => {
  await scene.close();
  await kubectl(["delete", "storageclass", "lvm-local-csi-wiped"]);
});

test("the StatefulSet of docs/install.md runs, and its claims grow and go as told there", async () => {
  await apply("statefulset.yaml");
  await scene.kubectl("rollout", "status", "statefulset/diary", "--timeout=180s");
  await until("it has written a line", async () => {
    expect(await scene.exec("diary-1", "tail", "-n", "1", "/data/lines")).toMatch(/\d{2}:\d{2}:\d{2}/);
  });
  await scene.grow("data-diary-0", "1500Mi");
  await scene.remove("statefulset/diary");
  expect((await scene.get<Claim>("pvc", "data-diary-1")).status.phase).toBe("Bound");
  await scene.remove("pvc/data-diary-0", "pvc/data-diary-1");
});

test("the pod of the raw block example has its device", async () => {
  await apply("block.yaml");
  await scene.running("disk-user");
  expect(Number(await scene.exec("disk-user", "blockdev", "--getsize64", "/dev/disk"))).toBe(GiB);
});

async function apply(example: string): Promise<void> {
  await scene.kubectl("apply", `--filename=${path.join(checkout, "deploy/examples", example)}`);
}
