import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { shakeHands } from "./certificates/handshake.fixture.ts";
import { FakeApiServer } from "./kubernetes/api-server.fixture.ts";
import { until } from "./kubernetes/cluster.fixture.ts";

const names = { ca: "lvm-local-csi-ca", controller: "lvm-local-csi-controller", node: "lvm-local-csi-node" };

let server: FakeApiServer;
let child: ChildProcess;
let output: Promise<string>;

beforeEach(() => {
  server = new FakeApiServer();
});

afterEach(async () => {
  child.kill("SIGKILL");
  await server.stop();
});

test("three empty Secrets are filled with get and update alone, and SIGTERM ends it", async () => {
  for (const name of Object.values(names)) server.put("secrets", { metadata: { name } });
  await start();
  await until(() => filled(names.node), 30_000);
  expect(await shakeHands(dataOf(names.controller), dataOf(names.node))).toBe("TLSv1.3");
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(new Set(server.requests)).toEqual(
    new Set(Object.values(names).flatMap((name) => [`get secrets ${name}`, `update secrets ${name}`])),
  );
  expect(server.authorizations).toEqual(new Set(["Bearer secret-token"]));
  const log = await output;
  expect(log).toContain('"msg":"made an authority"');
  expect(log).not.toMatch(/PRIVATE|BEGIN|secret-token/);
});

test("a missing Secret is reported and waited for; SIGTERM ends it while the API server is silent", async () => {
  server.put("secrets", { metadata: { name: names.controller } });
  await start();
  await until(() => server.requests.includes(`get secrets ${names.node}`), 30_000);
  server.beforeAnswer = () => new Promise(() => undefined);
  const before = server.requests.length;
  await until(() => server.requests.length > before, 30_000);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(await output).toContain(`kubectl create secret generic ${names.node} -n storage`);
});

test("a SIGTERM that comes while the role is loaded ends it in order", async () => {
  for (const name of Object.values(names)) server.put("secrets", { metadata: { name } });
  const hook = `
import { registerHooks } from "node:module";
registerHooks({
  load(url, context, next) {
    if (url.endsWith("/certificates-role.ts")) process.kill(process.pid, "SIGTERM");
    return next(url, context);
  },
});`;
  await start(`--import=data:text/javascript,${encodeURIComponent(hook)}`);
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(await output).toContain('"msg":"ended"');
});

async function start(options = ""): Promise<void> {
  const main = path.resolve(import.meta.dirname, "main.ts");
  const env = { ...process.env, ...(await server.start()), NODE_OPTIONS: options };
  child = spawn(process.execPath, [main, "certificates", "--namespace", "storage"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.stdout === null) throw new Error("no output");
  output = text(child.stdout);
}

function filled(name: string): boolean {
  return "tls.crt" in dataOf(name);
}

function dataOf(name: string): Readonly<Record<string, string>> {
  const data = (server.get("secrets", name)?.["data"] ?? {}) as Readonly<Record<string, string>>;
  return Object.fromEntries(
    Object.entries(data).map(([key, encoded]) => [key, Buffer.from(encoded, "base64").toString()]),
  );
}
