import { afterEach, beforeEach, expect, test } from "@jest/globals";
import type { SecretStore } from "../certificates/secrets.ts";
import { FakeApiServer, statusOf } from "./api-server.fixture.ts";
import { connect } from "./client.ts";
import { KubernetesSecrets } from "./secrets.ts";

const place = { namespace: "storage", name: "ca" };

let server: FakeApiServer;
let store: SecretStore;

beforeEach(async () => {
  server = new FakeApiServer();
  store = new KubernetesSecrets(connect(await server.start()).core);
});

afterEach(() => server.stop());

test("texts are read and replaced, and nothing else of the Secret changes", async () => {
  const metadata = { name: "ca", labels: { a: "b" }, annotations: { c: "d" } };
  server.put("secrets", { metadata, type: "Opaque", data: { "tls.crt": base64("old"), other: base64("ä") } });
  const secret = await store.read(place);
  expect(secret?.data).toEqual({ "tls.crt": "old", other: "ä" });
  expect(await secret?.replace({ "tls.crt": "new" })).toBe(true);
  const stored = server.get("secrets", "ca");
  expect(stored).toMatchObject({ metadata, type: "Opaque", data: { "tls.crt": base64("new") } });
  expect(stored?.["data"]).toEqual({ "tls.crt": base64("new") });
  expect(server.requests).toEqual(["get secrets ca", "update secrets ca"]);
});

test("who has read before another wrote is told so, and has changed nothing", async () => {
  server.put("secrets", { metadata: { name: "ca" } });
  const [one, other] = [await store.read(place), await store.read(place)];
  expect(await one?.replace({ a: "1" })).toBe(true);
  expect(await other?.replace({ a: "2" })).toBe(false);
  expect((await store.read(place))?.data).toEqual({ a: "1" });
});

test("a Secret without data is empty, and one that is not there is none", async () => {
  server.put("secrets", { metadata: { name: "ca" } });
  expect((await store.read(place))?.data).toEqual({});
  server.remove("secrets", "ca");
  expect(await store.read(place)).toBeUndefined();
});

test("a refusal is told in the API server's words, but never with what was sent", async () => {
  server.put("secrets", { metadata: { name: "ca" } });
  const secret = await store.read(place);
  server.answers.push({ when: () => true, status: 403, body: statusOf(403, "Forbidden", "secrets", "ca") });
  await expect(store.read(place)).rejects.toThrow(
    'reading Secret storage/ca: HTTP 403 Forbidden: secrets "ca": Forbidden',
  );
  const invalid = { kind: "Status", reason: "Invalid", message: "data: Invalid value: very-secret" };
  server.answers.push({ when: () => true, status: 422, body: invalid });
  await expect(secret?.replace({ a: "very-secret" })).rejects.toThrow(
    "writing Secret storage/ca: HTTP 422 Invalid: no reason given",
  );
  await server.stop();
  await expect(store.read(place)).rejects.toThrow(/^reading Secret storage\/ca: fetch failed: .*ECONNREFUSED/);
});

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
