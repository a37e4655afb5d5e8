import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Server } from "@grpc/grpc-js";
import { type FailureKind, VolumeError } from "../errors.ts";
import { identityService } from "./identity.ts";
import type { AnsweredCall } from "./rpc.ts";
import { checkSocket } from "./self-check.ts";
import { addService, bind } from "./server.ts";
import { loadServices } from "./services.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const { Identity } = loadServices();

let directory: string;
let socketPath: string;
let server: Server;
let answered: AnsweredCall[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "self-check-"));
  socketPath = path.join(directory, "csi.sock");
  server = new Server();
  answered = [];
});

afterEach(async () => {
  server.forceShutdown();
  await rm(directory, { recursive: true });
});

test("a socket that is served answers, and the call is told of", async () => {
  // Ready or not, and whatever Probe would say.
  const ready = refuse("failedPrecondition");
  const observe = (call: AnsweredCall): void => void answered.push(call);
  addService(server, Identity, identityService({ version: "1", ready }), { log, observe });
  await bind(server, socketPath);
  await checkSocket(socketPath);
  await checkSocket(socketPath);
  expect(answered.map(({ method, code }) => `${method} ${code}`)).toEqual(["GetPluginInfo OK", "GetPluginInfo OK"]);
  server.forceShutdown();
  await expect(checkSocket(socketPath)).rejects.toThrow(/ENOENT|ECONNREFUSED/);
});

test("the code of a failure is told of by its name", async () => {
  addService(
    server,
    Identity,
    { GetPluginInfo: refuse("resourceExhausted") },
    { log, observe: (call) => void answered.push(call) },
  );
  await bind(server, socketPath);
  await expect(checkSocket(socketPath)).rejects.toThrow(/answers with status 8/);
  expect(answered).toEqual([{ method: "GetPluginInfo", code: "RESOURCE_EXHAUSTED", seconds: expect.any(Number) }]);
});

test("a socket that nobody serves, or that takes calls and does not answer, fails in time", async () => {
  await expect(checkSocket(socketPath)).rejects.toThrow(/ENOENT|ECONNREFUSED/);
  const silent = createServer((socket) => socket.resume()).listen(socketPath);
  const started = performance.now();
  await expect(checkSocket(socketPath)).rejects.toThrow(/no answer/);
  expect(performance.now() - started).toBeLessThan(5000);
  silent.close();
});

function refuse(kind: FailureKind): () => never {
  return () => {
    throw new VolumeError(kind, "no");
  };
}
