import { generateKeyPairSync } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
// oxlint-disable-next-line import/no-unassigned-import -- what @peculiar/x509 is built on looks for its effect
import "reflect-metadata";
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { FakeApiServer } from "./api-server.fixture.ts";
import { connect } from "./client.ts";
import { node } from "./cluster.fixture.ts";
import { describeFailure } from "./failure.ts";

const environment = { ...process.env };
const otherTimers = ["nextTick", "setImmediate", "setInterval", "setTimeout", "performance", "queueMicrotask"] as const;
let account: string;
let root: string;
let server: FakeApiServer;

beforeEach(async () => {
  root = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-account."));
  account = path.join(root, "var/run/secrets/kubernetes.io/serviceaccount");
  await mkdir(account, { recursive: true });
  const tls = await selfSigned();
  server = new FakeApiServer((handler) => createServer(tls, handler));
  server.put("nodes", node("n1"));
  await writeFile(path.join(account, "ca.crt"), tls.cert);
  await writeFile(path.join(account, "token"), "first");
  process.env["KUBERNETES_SERVICE_HOST"] = "127.0.0.1";
  process.env["KUBERNETES_SERVICE_PORT"] = String(await server.listen());
  delete process.env["KUBECONFIG"];
});

afterEach(async () => {
  jest.useRealTimers();
  process.env = { ...environment };
  await server.stop();
  await rm(root, { recursive: true, force: true });
});

test("a pod finds the API by its service account, and takes its new token within a minute", async () => {
  const { core } = connect(process.env, root);
  expect((await core.readNode({ name: "n1" })).metadata?.name).toBe("n1");
  await writeFile(path.join(account, "token"), "second");
  jest.useFakeTimers({ now: Date.now() + 61_000, doNotFake: [...otherTimers, "clearTimeout", "clearInterval"] });
  await core.readNode({ name: "n1" });
  expect([...server.authorizations]).toEqual(["Bearer first", "Bearer second"]);
});

test("a server that the service account's authority has not signed is told nothing", async () => {
  await writeFile(path.join(account, "ca.crt"), (await selfSigned()).cert);
  const { core } = connect(process.env, root);
  const failure = await core.readNode({ name: "n1" }).then(String, describeFailure);
  expect(failure).toMatch(/^fetch failed: .*certificate/);
  expect(server.requests).toEqual([]);
});

test("close ends what is under way", async () => {
  server.beforeAnswer = () => new Promise(() => undefined);
  const client = connect(process.env, root);
  const read = client.core.readNode({ name: "n1" }).then(String, describeFailure);
  client.close();
  expect(await read).toMatch(/abort/);
});

test("where nothing tells where the API is, that is said", () => {
  expect(() => connect({})).toThrow("where the Kubernetes API is, is not known");
});

async function selfSigned(): Promise<{ readonly cert: string; readonly key: string }> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const made = await X509CertificateGenerator.createSelfSigned({
    name: "CN=kubernetes",
    signingAlgorithm: algorithm,
    keys: {
      publicKey: publicKey.toCryptoKey(algorithm, true, ["verify"]),
      privateKey: privateKey.toCryptoKey(algorithm, true, ["sign"]),
    },
    extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
  });
  return { cert: made.toString("pem"), key: privateKey.export({ type: "pkcs8", format: "pem" }) };
}
