import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Server } from "@grpc/grpc-js";
import { identityService } from "./csi/identity.ts";
import { addService, bind } from "./csi/server.ts";
import { loadServices } from "./csi/services.ts";
import type { HttpServer } from "./monitor/http-server.ts";
import { serveHealth } from "./role-health.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const { Identity } = loadServices();

let directory: string;
let socketPath: string;
let grpc: Server;
let http: HttpServer;
let role: { isEnding: boolean; isReady: boolean };

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "health-"));
  socketPath = path.join(directory, "csi.sock");
  grpc = new Server();
  addService(grpc, Identity, identityService({ version: "1", ready: async () => false }), { log });
  await bind(grpc, socketPath);
  role = { isEnding: false, isReady: true };
  http = await serveHealth({
    listen: { host: "127.0.0.1", port: 0 },
    socketPath,
    isEnding: () => role.isEnding,
    isReady: () => role.isReady,
    metrics: async () => "a 1\n",
    log,
  });
});

afterEach(async () => {
  await http.close();
  grpc.forceShutdown();
  await rm(directory, { recursive: true });
});

async function status(name: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${http.port}/${name}`)).status;
}

test("a role is alive by its socket, and ready by its own word besides", async () => {
  expect([await status("healthz"), await status("readyz"), await status("metrics")]).toEqual([200, 200, 200]);
  role.isReady = false;
  expect([await status("healthz"), await status("readyz"), await status("metrics")]).toEqual([200, 503, 200]);
});

test("a role whose socket has gone is neither", async () => {
  await rename(socketPath, `${socketPath}.away`);
  expect([await status("healthz"), await status("readyz"), await status("metrics")]).toEqual([503, 503, 200]);
  await rename(`${socketPath}.away`, socketPath);
  await pause(1100);
  expect([await status("healthz"), await status("readyz")]).toEqual([200, 200]);
});

test("a role that ends is alive and not ready, whether or not its socket answers still", async () => {
  role.isEnding = true;
  grpc.forceShutdown();
  expect([await status("healthz"), await status("readyz"), await status("metrics")]).toEqual([200, 503, 200]);
});
