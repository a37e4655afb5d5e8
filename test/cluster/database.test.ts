import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { setTimeout as sleep } from "node:timers/promises";
import { ask } from "./control.ts";
import { databaseCommand, openDatabase, query, startWriting, type Writer } from "./database.ts";
import { withoutNodePods } from "./driver-pods.ts";
import { mountPath, statefulSet } from "./manifests.ts";
import { openScene, type Pod, type Scene } from "./scene.ts";
import { until } from "./until.ts";

const MiB = 2 ** 20;
let scene: Scene;
let node = "";
/** How many rows have been committed so far; they are numbered from 1 on. */
let rows = 0;

beforeAll(async () => {
  scene = await openScene("database");
  await scene.apply(statefulSet("db", 1, "512Mi", { command: databaseCommand }));
  node = (await scene.running("db-0")).spec.nodeName ?? "";
  await openDatabase(scene, "db-0");
});

afterAll(async () => {
  // it is on, unless a test failed while it was off
  await ask({ ask: "start", node }).catch(() => undefined);
  await scene.close();
});

test("a database that writes is given more room", async () => {
  await whileWriting(async (writer) => {
    await scene.grow("data-db-0", "768Mi");
    const size = await scene.exec("db-0", "sh", "-c", `df --output=size -B1 ${mountPath} | tail -n 1`);
    expect(Number(size)).toBeGreaterThan(700 * MiB);
    await writer.committed(writer.last() + 5);
    await writer.end();
  });
  await expectEveryRow();
});

test("a database whose pod is killed comes back in the next one with every committed row", async () => {
  const { uid } = (await scene.get<Pod>("pod", "db-0")).metadata;
  await whileWriting(() => scene.kubectl("delete", "pod/db-0", "--grace-period=0", "--force"));
  await until("there is another pod", async () => {
    expect((await scene.get<Pod>("pod", "db-0")).metadata.uid).not.toBe(uid);
  });
  await openDatabase(scene, "db-0");
  await expectEveryRow();
});

test("a database on a node whose power is cut comes back with every committed row", async () => {
  await whileWriting(() => ask({ ask: "kill", node }));
  const start = performance.now();
  await ask({ ask: "start", node });
  await openDatabase(scene, "db-0");
  console.log(`power on until the database answers: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  await expectEveryRow();
});

test("so it does when the driver's pods were away before the cut, and are there only later", async () => {
  await withoutNodePods(async () => {
    await whileWriting(() => ask({ ask: "kill", node }));
    await scene.kubectl("delete", "events", "--all");
    await ask({ ask: "start", node });
    await until("the kubelet waits for the driver", async () => {
      const events = await scene.kubectl("get", "events", "--field-selector=reason=FailedMount", "--output=json");
      expect(events).toMatch(/lvm\.local\.csi not found/);
    });
  });
  await openDatabase(scene, "db-0");
  await expectEveryRow();
});

/** Does something to a database into which rows are written, which ends the writing too. */
async function whileWriting(act: (writer: Writer) => Promise<unknown>): Promise<void> {
  // the last one of an earlier end may be there though nobody was told
  rows = Number(await query(scene, "db-0", "select coalesce(max(id), 0) from test.ledger"));
  const writer = await startWriting(scene, "db-0", rows + 1);
  await writer.committed(rows + 20);
  await act(writer);
  await Promise.race([writer.ended, sleep(20_000, undefined, { ref: false })]);
  writer.abandon();
  rows = await writer.ended;
}

async function expectEveryRow(): Promise<void> {
  expect(Number(await query(scene, "db-0", `select count(*) from test.ledger where id <= ${rows}`))).toBe(rows);
  expect(await query(scene, "db-0", "check table test.ledger")).toMatch(/OK/);
}
