import { once } from "node:events";
import { link, lstat, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { type IncomingHttpHeaders, connect } from "node:http2";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { Client, credentials } from "@grpc/grpc-js";
import { Registration } from "./registration.ts";
import { loadRegistration } from "./services.ts";

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Longer than a call takes on a machine that has other work. */
const firstWaitMs = 500;

let directory: string;
let socketPath: string;
let registration: Registration;
let outcomes: boolean[];

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "registration-"));
  socketPath = path.join(directory, "reg.sock");
  outcomes = [];
  registration = new Registration({
    socketPath,
    endpoint: "/plugins/csi.sock",
    log,
    observeOutcome: (succeeded) => outcomes.push(succeeded),
    firstWaitMs,
  });
});

afterEach(async () => {
  registration.withdraw();
  await rm(directory, { recursive: true });
});

/** Calls as the kubelet does: a connection for each registration. */
async function call(rpc: "GetInfo" | "NotifyRegistrationStatus", request: object): Promise<object> {
  const { path: method, requestSerialize, responseDeserialize } = loadRegistration()[rpc] ?? {};
  if (method === undefined || requestSerialize === undefined || responseDeserialize === undefined) throw new Error(rpc);
  const client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  try {
    return await new Promise((resolve, reject) => {
      client.makeUnaryRequest(method, requestSerialize, responseDeserialize, request, (error, answer) => {
        if (error === null) resolve(answer as object);
        else reject(error);
      });
    });
  } finally {
    client.close();
  }
}

function notify(pluginRegistered: boolean, error = ""): Promise<object> {
  return call("NotifyRegistrationStatus", { pluginRegistered, error });
}

/** When the socket was made; its inode's number may be that of the one before. */
async function born(): Promise<bigint | undefined> {
  return (await stat(socketPath, { bigint: true }).catch(() => undefined))?.birthtimeNs;
}

test("it tells who it is, and is registered when the kubelet says so", async () => {
  await registration.offer();
  expect((await lstat(socketPath)).mode & 0o777).toBe(0o600);
  expect(await call("GetInfo", {})).toEqual({
    type: "CSIPlugin",
    name: "lvm.local.csi",
    endpoint: "/plugins/csi.sock",
    supportedVersions: ["1.0.0"],
  });
  expect(registration.isRegistered).toBe(false);
  expect(await notify(true)).toEqual({});
  expect(registration.isRegistered).toBe(true);
  expect(outcomes).toEqual([true]);
});

test("refused, it makes its socket anew, again and again, until it is registered", async () => {
  await registration.offer();
  for (const waitMs of [firstWaitMs, 2 * firstWaitMs]) {
    const before = await born();
    const asked = performance.now();
    await notify(false, "RegisterPlugin error: no CSINode yet");
    expect(registration.isRegistered).toBe(false);
    while ([before, undefined].includes(await born())) await pause(5);
    expect(performance.now() - asked).toBeGreaterThan(waitMs - 10);
  }
  await notify(true);
  const last = await born();
  await pause(4 * firstWaitMs + 100);
  expect(await born()).toBe(last);
  expect(registration.isRegistered).toBe(true);
  expect(outcomes).toEqual([false, false, true]);
});

test("a kubelet that takes it up by itself before the next offer is not disturbed", async () => {
  await registration.offer();
  const socket = await born();
  await notify(false, "not yet");
  await notify(true);
  await pause(firstWaitMs + 100);
  expect(await born()).toBe(socket);
});

test("withdrawn, its socket is gone, and no offer comes after", async () => {
  await registration.offer();
  await notify(true);
  await notify(false, "no");
  registration.withdraw();
  expect(await born()).toBeUndefined();
  expect(registration.isRegistered).toBe(false);
  await pause(firstWaitMs + 100);
  expect(await born()).toBeUndefined();
});

test("an offer that is under way when it is withdrawn leaves no socket", async () => {
  const offering = registration.offer();
  registration.withdraw();
  await offering;
  expect(await born()).toBeUndefined();
});

test("a socket that an earlier run left is replaced", async () => {
  const dead = createServer().listen(socketPath);
  await once(dead, "listening");
  // without a server that answers, but still there, as after a crash
  const kept = path.join(directory, "kept");
  await link(socketPath, kept);
  dead.close();
  await once(dead, "close");
  await rename(kept, socketPath);
  await registration.offer();
  await notify(true);
  expect(registration.isRegistered).toBe(true);
});

test("a socket that another process serves, and a file that is no socket, are left alone", async () => {
  const other = createServer().listen(socketPath);
  await once(other, "listening");
  await expect(registration.offer()).rejects.toThrow(/reg\.sock is served by a running process; end it first/);
  createConnection(socketPath).destroy();
  other.close();
  await once(other, "close");
  await writeFile(socketPath, "");
  await expect(registration.offer()).rejects.toThrow(
    /is not a socket; remove it or give another --registration-socket/,
  );
});

test.each([
  ["as grpc-go from 1.56 on, Kubernetes 1.29 and later", "%2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2Freg.sock"],
  ["as grpc-go with a dialer of its own", "localhost"],
])("the kubelet's :authority is taken, %s", async (_what, authority) => {
  await registration.offer();
  const session = connect("http://localhost", { createConnection: () => createConnection(socketPath) });
  const request = session.request({
    ":method": "POST",
    ":authority": authority,
    ":path": "/pluginregistration.Registration/GetInfo",
    "content-type": "application/grpc",
    te: "trailers",
  });
  request.end(Buffer.alloc(5)).resume();
  const [trailers] = (await once(request, "trailers")) as [IncomingHttpHeaders];
  expect(trailers["grpc-status"]).toBe("0");
  session.destroy();
});
