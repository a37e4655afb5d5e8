import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ask } from "./control.ts";
import { databaseCommand, openDatabase, query, startWriting } from "./database.ts";
import { driverReady, withoutNodePods } from "./driver-pods.ts";
import { statefulSet } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";
import { until } from "./until.ts";

const namespace = "power-cut";
let scene: Scene;
let node = "";
/** How many rows have been committed so far; they are numbered from 1 on. */
let rows = 0;

beforeAll(async () => {
  scene = await openScene(namespace);
  await scene.apply(statefulSet("db", 1, "512Mi", { command: databaseCommand }));
  node = (await scene.running("db-0")).spec.nodeName ?? "";
  await openDatabase(scene, "db-0");
});

afterAll(() => scene.close());

test("a database on a node whose power is cut comes back with every committed row", async () => {
  await cutWhileWriting();
  const start = performance.now();
  await ask({ ask: "start", node });
  await openDatabase(scene, "db-0");
  console.log(`power on until the database answers: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  await expectEveryRow();
});

test("so it does when the driver's pods were away before the cut, and are there only later", async () => {
  await withoutNodePods(async () => {
    await cutWhileWriting();
    await scene.kubectl("delete", "events", "--all");
    await ask({ ask: "start", node });
    await until("the kubelet waits for the driver", async () => {
      const events = await scene.kubectl("get", "events", "--field-selector=reason=FailedMount", "--output=json");
      expect(events).toMatch(/lvm\.local\.csi not found/);
    });
  });
  await driverReady();
  await openDatabase(scene, "db-0");
  await expectEveryRow();
});

async function cutWhileWriting(): Promise<void> {
  // the last one of an earlier cut may be there though nobody was told
  rows = Number(await query(scene, "db-0", "select coalesce(max(id), 0) from test.ledger"));
  const writer = await startWriting(namespace, "db-0", rows + 1);
  await writer.committed(rows + 20);
  await ask({ ask: "kill", node });
  rows = await writer.ended;
}

async function expectEveryRow(): Promise<void> {
  expect(Number(await query(scene, "db-0", `select count(*) from test.ledger where id <= ${rows}`))).toBe(rows);
  expect(await query(scene, "db-0", "check table test.ledger")).toMatch(/OK/);
}
