import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { beforeEach, expect, jest, test } from "@jest/globals";
import type { Log } from "../log.ts";
import { shakeHands, wouldAgree } from "./handshake.fixture.ts";
import { Keeper } from "./keeper.ts";
import { MemoryStore, places } from "./memory-store.fixture.ts";
import { isSignedBy } from "./pair.ts";
import { SecretProblem } from "./secrets.ts";

const minute = 60_000;
const day = 24 * 60 * minute;

let store: MemoryStore;
let now: Date;
let logged: string[];
let keeper: Keeper;

beforeEach(() => {
  store = new MemoryStore();
  now = new Date();
  logged = [];
  const write = (fields: object, message: string): void => {
    logged.push(JSON.stringify([fields, message]));
  };
  const log: Log = { debug: write, info: write, warn: write, error: write };
  keeper = new Keeper({ store, places, log, now: () => now });
});

test("three empty Secrets become an authority and two certificates, which understand each other", async () => {
  const due = await keeper.check();
  expect(store.writes).toEqual(["ca", "controller", "node"]);
  expect(await shakeHands(store.data("controller"), store.data("node"))).toBe("TLSv1.3");
  expect(days(due)).toBeCloseTo(60, 0);
  expect(Object.keys(store.data("controller")).toSorted()).toEqual(["ca.crt", "tls.crt", "tls.key"]);
  expect(store.data("controller")["ca.crt"]).toBe(store.data("ca")["tls.crt"]);
});

test("certificates say who they are and what they are for", async () => {
  await keeper.check();
  const [authority, controller, node] = [certificate("ca"), certificate("controller"), certificate("node")];
  expect(authority.ca).toBe(true);
  expect([controller.subjectAltName, controller.keyUsage]).toEqual([
    "DNS:controller.lvm.local.csi",
    ["1.3.6.1.5.5.7.3.2"],
  ]);
  expect([node.subjectAltName, node.keyUsage]).toEqual(["DNS:node.lvm.local.csi", ["1.3.6.1.5.5.7.3.1"]]);
  for (const leaf of [controller, node]) {
    expect(leaf.ca).toBe(false);
    expect(days(leaf.validToDate)).toBeCloseTo(90, 1);
    expect(now.getTime() - leaf.validFromDate.getTime()).toBeGreaterThan(30 * minute);
    expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: "prime256v1" });
  }
  expect(days(authority.validToDate)).toBeCloseTo(730, 1);
  expect(new Set([authority, controller, node].map(({ serialNumber }) => serialNumber)).size).toBe(3);
  expect(controller.serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/);
});

test("neither side can play the other's part", async () => {
  await keeper.check();
  await expect(shakeHands(store.data("node"), store.data("node"))).rejects.toThrow(/closed|certificate/);
  await expect(shakeHands(store.data("controller"), store.data("controller"))).rejects.toThrow(/purpose|closed/);
});

test("when nothing is due, nothing is written", async () => {
  await keeper.check();
  now = after(59 * day);
  await keeper.check();
  expect(store.writes).toHaveLength(3);
});

test("certificates are renewed at two thirds of their life, with a new key", async () => {
  now = new Date(await keeper.check());
  const before = store.data("node");
  const due = await keeper.check();
  expect(store.writes.slice(3)).toEqual(["controller", "node"]);
  expect(days(due)).toBeCloseTo(60, 0);
  expect(store.data("node")["tls.key"]).not.toBe(before["tls.key"]);
  expect(wouldAgree(store.data("controller"), before, now)).toBe(true);
});

test("a new authority is trusted by both sides before it signs, and the old one until its last signature ends", async () => {
  await keeper.check();
  const first = certificate("ca");
  now = after(487 * day);
  const promotion = await keeper.check();
  expect(promotion.getTime() - now.getTime()).toBe(15 * minute);
  const next = store.data("ca")["next.crt"] ?? "";
  expect(bundle("controller")).toEqual([first.toString(), next]);
  expect(bundle("node")).toEqual([first.toString(), next]);
  expect(isSignedBy(certificate("node"), first)).toBe(true);

  now = promotion;
  await keeper.check();
  expect(certificate("ca").toString()).toBe(next);
  expect(isSignedBy(certificate("node"), first)).toBe(true);
  // the key of the old one is gone
  expect(
    Object.values(store.data("ca"))
      .join("")
      .match(/PRIVATE KEY/g),
  ).toHaveLength(2);

  now = after(61 * day);
  await keeper.check();
  expect(isSignedBy(certificate("node"), new X509Certificate(next))).toBe(true);
  expect(bundle("controller")).toContain(first.toString());
  now = after(31 * day);
  await keeper.check();
  expect(bundle("controller")).toEqual([next]);
  expect(bundle("node")).toEqual([next]);
  expect(store.data("ca")["previous.crt"]).toBeUndefined();
});

test("where a side loses the next authority, the wait begins anew", async () => {
  await keeper.check();
  now = after(487 * day);
  await keeper.check();
  now = after(10 * minute);
  store.set("node", { ...store.data("node"), "ca.crt": store.data("ca")["tls.crt"] ?? "" });
  const promotion = await keeper.check();
  expect(promotion.getTime() - now.getTime()).toBe(15 * minute);
});

test("after years without this role everything is renewed, the authority first", async () => {
  await keeper.check();
  now = after(1000 * day);
  now = await keeper.check();
  await keeper.check();
  expect(days(certificate("node").validToDate)).toBeCloseTo(90, 1);
  expect(wouldAgree(store.data("controller"), store.data("node"), now)).toBe(true);
});

test("a Secret that a person has emptied is made anew, and the others follow", async () => {
  await keeper.check();
  store.set("node", { "tls.crt": "", "tls.key": "" });
  await keeper.check();
  expect(store.writes.slice(3)).toEqual(["node"]);
  store.set("ca", {});
  await keeper.check();
  expect(store.writes.slice(4)).toEqual(["ca", "controller", "node"]);
  expect(await shakeHands(store.data("controller"), store.data("node"))).toBe("TLSv1.3");
});

test("a Secret that is not there is reported, with what to do", async () => {
  store.set("node", undefined);
  await expect(keeper.check()).rejects.toThrow(
    "Secret storage/node: there is none; make it, empty: kubectl create secret generic node -n storage",
  );
  expect(store.writes).toEqual([]);
});

const otherText = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

test.each<[string, string, (data: Record<string, string>) => void]>([
  ["a certificate without a key", "node", (data) => delete data["tls.key"]],
  ["a certificate that is none", "node", (data) => (data["tls.crt"] = otherText)],
  ["a key that is none", "ca", (data) => (data["tls.key"] = "secret")],
  ["another's key", "controller", (data) => (data["tls.key"] = store.data("node")["tls.key"] ?? "")],
  ["a bundle with something else in it", "controller", (data) => (data["ca.crt"] += "secret")],
  ["a bundle with a certificate that is none", "controller", (data) => (data["ca.crt"] += otherText)],
  ["an authority that may not sign", "ca", (data) => Object.assign(data, store.data("node"))],
  ["a time that is none", "ca", (data) => (data["since"] = "secret")],
  ["a next authority without an authority", "ca", (data) => Object.assign(data, { "tls.crt": "", "tls.key": "" })],
])("%s is reported, with what to do, and left as it is", async (_what, name, breakIt) => {
  await keeper.check();
  const data = { ...store.data(name) };
  breakIt(data);
  store.set(name, data);
  const problem = await keeper.check().catch((error: unknown) => error);
  expect(problem).toBeInstanceOf(SecretProblem);
  const remedy = `put it right, or empty it and it is made anew: kubectl patch secret ${name} -n storage`;
  expect(String(problem)).toContain(remedy);
  expect(String(problem)).not.toContain("secret\n");
  expect(store.data(name)).toBe(data);
  expect(store.writes).toHaveLength(3);
});

test("a certificate whose authority is lost is made anew", async () => {
  await keeper.check();
  const elsewhere = new MemoryStore();
  await new Keeper({ store: elsewhere, places, log: silent(), now: () => now }).check();
  store.set("node", elsewhere.data("node"));
  await keeper.check();
  expect(isSignedBy(certificate("node"), certificate("ca"))).toBe(true);
});

test.each([false, true])(
  "a certificate that somebody else made is left to them (authority there: %s)",
  async (there) => {
    if (there) await keeper.check();
    const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    // after sign.ts, which has loaded what it looks for
    const { X509CertificateGenerator } = await import("@peculiar/x509");
    const made = await X509CertificateGenerator.createSelfSigned({
      name: "O=cert-manager, CN=node",
      signingAlgorithm: algorithm,
      keys: {
        publicKey: keys.publicKey.toCryptoKey(algorithm, true, ["verify"]),
        privateKey: keys.privateKey.toCryptoKey(algorithm, true, ["sign"]),
      },
    });
    const data = {
      "tls.crt": made.toString("pem"),
      "tls.key": keys.privateKey.export({ type: "pkcs8", format: "pem" }),
    };
    store.set("node", data);
    const before = store.writes.length;
    await expect(keeper.check()).rejects.toThrow(
      "Secret storage/node: its certificate was made by somebody else (O=cert-manager, CN=node)",
    );
    expect(store.data("node")).toBe(data);
    expect(store.writes).toHaveLength(before);
  },
);

test("nothing secret is logged", async () => {
  await keeper.check();
  now = after(487 * day);
  now = await keeper.check();
  await keeper.check();
  expect(logged.length).toBeGreaterThan(8);
  expect(logged.join("")).not.toMatch(/PRIVATE|BEGIN|[A-Za-z0-9+/]{40}/);
});

test("who was slower reads again", async () => {
  const both = [keeper, new Keeper({ store, places, log: silent(), now: () => now })];
  await Promise.all(both.map((one) => one.check()));
  expect(store.writes).toEqual(["ca", "controller", "node"]);
});

function silent(): Log {
  return { debug: jest.fn(), info: jest.fn(), warn: jest.fn(), error: jest.fn() };
}

function after(ms: number): Date {
  return new Date(now.getTime() + ms);
}

function days(time: Date): number {
  return (time.getTime() - now.getTime()) / day;
}

function certificate(name: string): X509Certificate {
  return new X509Certificate(store.data(name)["tls.crt"] ?? "");
}

function bundle(name: string): readonly string[] {
  return store.data(name)["ca.crt"]?.match(/-----BEGIN[^-]*-----[^-]*-----END[^-]*-----\n/g) ?? [];
}
