import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { identities } from "../../src/identities.ts";
import { makeAuthority, makeLeaf } from "../lab/certificates.ts";
import { checkout } from "../runner/command.ts";
import { driverNamespace, inDriverNamespace } from "./deploy.ts";
import { selectorOf } from "./driver-pods.ts";
import { kubectl } from "./inside.ts";

const name = "stranger";

/** A peer that speaks as the controller does: TLS 1.3, then the first bytes of HTTP/2; and tells what it gets. */
const speaks = `
const [host, directory] = process.argv.slice(1);
const read = (file) => require("node:fs").readFileSync(directory + "/" + file);
const identity = directory === undefined ? {} : { cert: read("tls.crt"), key: read("tls.key") };
const options = { host, port: 9810, rejectUnauthorized: false, minVersion: "TLSv1.3", ALPNProtocols: ["h2"] };
const socket = require("node:tls").connect({ ...options, ...identity });
const tell = (what) => { console.log(what); process.exit(); };
socket.on("secureConnect", () => {
  socket.write(Buffer.from("PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"));
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
});
socket.on("data", (data) => tell("answered " + data.length));
socket.on("error", (error) => tell("refused " + error.code));
socket.on("close", () => tell("refused"));
setTimeout(() => tell("neither"), 20000);
`;

beforeAll(async () => {
  const { version } = JSON.parse(await readFile(path.join(checkout, "package.json"), "utf8")) as { version: string };
  const authority = await makeAuthority();
  const { cert, key } = await makeLeaf(authority, identities.controller, ["clientAuth"]);
  const secret = { metadata: { name }, stringData: { "tls.crt": cert, "tls.key": key } };
  const secrets = ["lvm-local-csi-controller", "lvm-local-csi-node", name];
  const container = {
    name: "main",
    image: `lvm-local-csi:${version}`,
    command: ["/usr/bin/node", "--eval", "setInterval(() => {}, 1e9)"],
    volumeMounts: secrets.map((secretName) => ({ name: secretName, mountPath: `/${secretName}` })),
  };
  const volumes = secrets.map((secretName) => ({ name: secretName, secret: { secretName } }));
  const spec = {
    automountServiceAccountToken: false,
    terminationGracePeriodSeconds: 0,
    containers: [container],
    volumes,
  };
  const items = [
    { apiVersion: "v1", kind: "Secret", ...secret },
    { apiVersion: "v1", kind: "Pod", metadata: { name }, spec },
  ];
  await kubectl(
    ["--namespace", driverNamespace, "apply", "--filename=-"],
    JSON.stringify({ apiVersion: "v1", kind: "List", items }),
  );
  await inDriverNamespace("wait", "--for=jsonpath={.status.phase}=Running", "--timeout=120s", `pod/${name}`);
});

afterAll(() => inDriverNamespace("delete", `pod/${name}`, `secret/${name}`));

test("a node answers a pod with the controller's certificate", async () => {
  expect(await answerTo("/lvm-local-csi-controller")).toMatch(/^answered \d+/);
});

test.each([
  ["without a certificate", undefined],
  ["with one in the controller's name that it has signed itself", `/${name}`],
  ["with the node's own", "/lvm-local-csi-node"],
])("a node refuses a pod %s", async (_, directory) => {
  expect(await answerTo(directory)).toMatch(/^refused/);
});

async function answerTo(directory: string | undefined): Promise<string> {
  const output = "--output=jsonpath={.items[0].status.podIP}";
  const address = await inDriverNamespace("get", "pods", selectorOf("node"), output);
  const words = directory === undefined ? [address] : [address, directory];
  return inDriverNamespace("exec", name, "--", "/usr/bin/node", "--eval", speaks, ...words);
}
