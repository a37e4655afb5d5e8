import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { ask } from "./control.ts";
import { databaseCommand, openDatabase, query, startWriting } from "./database.ts";
import { statefulSet } from "./manifests.ts";
import { openScene, type Scene } from "./scene.ts";

const namespace = "power-cut";
let scene: Scene;

beforeAll(async () => {
  scene = await openScene(namespace);
});

afterAll(() => scene.close());

test("a database on a node whose power is cut comes back with every committed row", async () => {
  await scene.apply(statefulSet("db", 1, "512Mi", { command: databaseCommand }));
  const { spec } = await scene.running("db-0");
  const node = spec.nodeName ?? "";
  await openDatabase(scene, "db-0");
  const writer = await startWriting(namespace, "db-0");
  await writer.committed(20);
  await ask({ ask: "kill", node });
  const rows = await writer.ended;

  const start = performance.now();
  await ask({ ask: "start", node });
  await openDatabase(scene, "db-0");
  console.log(`power on until the database answers: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  expect(rows).toBeGreaterThanOrEqual(20);
  expect(Number(await query(scene, "db-0", `select count(*) from test.ledger where id <= ${rows}`))).toBe(rows);
  expect(await query(scene, "db-0", "check table test.ledger")).toMatch(/OK/);
});
