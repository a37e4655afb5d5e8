import { once } from "node:events";
import { mkdir, readdir, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "@jest/globals";
import { httpFlag, scrape, statusOf } from "./health.ts";
import { type Judge, type PluginWatcher, watchPlugins } from "./plugin-watcher.ts";
import { until } from "./process-support.ts";
import { type World, openWorld } from "./world.ts";

let world: World;
let directory: string;
let flags: readonly string[];
let kubelet: PluginWatcher | undefined;

beforeAll(async () => {
  world = await openWorld(1);
  directory = join(world.kubelet, "plugins_registry");
  flags = [`--registration-socket=${socket()}`, httpFlag];
  await mkdir(directory);
  await world.driver().stop();
});

beforeEach(start);

afterEach(async () => {
  kubelet?.stop();
  expect(await world.driver().stop()).toEqual({ code: 0, signal: null });
  expect(await readdir(directory)).toEqual([]);
});

afterAll(async () => {
  await world.start([]);
  await world.close();
});

/** Starts the driver; the registration socket comes last. */
async function start(): Promise<void> {
  await world.start(flags);
  await until("the driver offers itself", () => stat(socket()).catch(() => undefined));
}

function socket(): string {
  return join(directory, "lvm.local.csi-reg.sock");
}

/** Begins to watch, as a kubelet that starts. */
async function startKubelet(judge?: Judge): Promise<void> {
  kubelet = await watchPlugins(directory, judge);
}

async function expectEvents(...events: readonly string[]): Promise<void> {
  await until(events.join(", "), async () => (kubelet?.events.length ?? 0) >= events.length);
  expect(kubelet?.events).toEqual(events);
}

test("a kubelet that starts later finds the driver, by name and endpoint; ready from then on", async () => {
  expect((await stat(socket())).mode & 0o777).toBe(0o600);
  expect(await statusOf("/healthz")).toBe(200);
  expect(await statusOf("/readyz")).toBe(503);
  expect((await scrape()).value("lvm_local_csi_registered")).toBe(0);
  const infos: object[] = [];
  await startKubelet((info) => {
    infos.push(info);
    return "";
  });
  await expectEvents("appeared", "registered n1");
  const offered = {
    type: "CSIPlugin",
    name: "lvm.local.csi",
    endpoint: world.socketPath,
    supportedVersions: ["1.0.0"],
  };
  expect(infos).toEqual([offered]);
  expect(await statusOf("/readyz")).toBe(200);
  const { value } = await scrape();
  expect(value("lvm_local_csi_registered")).toBe(1);
  expect(value('lvm_local_csi_registrations_total{outcome="succeeded"}')).toBe(1);
});

test("a kubelet that is started again registers it again", async () => {
  await startKubelet();
  await expectEvents("appeared", "registered n1");
  kubelet?.stop();
  await startKubelet();
  await expectEvents("appeared", "registered n1");
  expect(await statusOf("/readyz")).toBe(200);
});

test("refused twice, it is offered again each time, until it is registered", async () => {
  let refusals = 0;
  await startKubelet(() => {
    refusals += 1;
    return refusals > 2 ? "" : "RegisterPlugin error -- the API server is away";
  });
  await expectEvents("appeared", "refused", "removed", "appeared", "refused", "removed", "appeared", "registered n1");
  const { value } = await scrape();
  expect(value('lvm_local_csi_registrations_total{outcome="failed"}')).toBe(2);
  expect(value("lvm_local_csi_registered")).toBe(1);
  expect(await world.driver().log()).toContain("the API server is away");
});

test("at its end the socket goes first, and an update brings it back", async () => {
  await startKubelet();
  await expectEvents("appeared", "registered n1");
  await world.driver().stop();
  await expectEvents("appeared", "registered n1", "removed");
  await start();
  await expectEvents("appeared", "registered n1", "removed", "appeared", "registered n1");
});

test("a killed driver leaves its socket, which the next one makes anew", async () => {
  await startKubelet();
  await expectEvents("appeared", "registered n1");
  await world.driver().kill();
  expect(await readdir(directory)).toHaveLength(1);
  await world.start(flags);
  await expectEvents("appeared", "registered n1", "removed", "appeared", "registered n1");
});

test("a socket that another process serves ends the driver with a message, and keeps that process's", async () => {
  await startKubelet();
  await world.driver().stop();
  const other = createServer((connection) => connection.destroy()).listen(socket());
  await once(other, "listening");
  const complaint = await world.start(flags).then(
    async (driver) => `ended with ${JSON.stringify(await driver.ended)}: ${await driver.log(5)}`,
    (error: unknown) => String(error),
  );
  expect(complaint).toMatch(/exit status 1|"code":1/);
  expect(complaint).toMatch(/lvm\.local\.csi-reg\.sock is served by a running process; end it first/);
  other.close();
  await once(other, "close");
  await start();
});
