import { createSecureContext } from "node:tls";
import { afterEach, beforeEach, expect, test } from "@jest/globals";
import { controllerLeaf } from "../../test/lab/certificates.ts";
import { type Bed, callOf, echo, greeting, openBed } from "./bed.fixture.ts";
import { headers } from "./names.ts";
import { NodeLink } from "./node-link.ts";

let bed: Bed;

beforeEach(async () => {
  bed = await openBed();
});

afterEach(async () => {
  await bed.close();
});

test("what arrives over a connection that was given up is not carried out", async () => {
  const { port } = await bed.startNode("n1", echo);
  const context = createSecureContext({
    ...(await controllerLeaf(bed.authority)),
    ca: bed.authority.certificate.toString("pem"),
  });
  const [old, young] = ["run 1", "run 2"].map(
    (name) => new NodeLink({ node: "n1", address: `127.0.0.1:${port}`, greeting, name, context }),
  );
  expect(await old?.call(callOf({ text: "in time" }))).toMatchObject({ kind: "answered" });
  expect(await young?.call(callOf({ text: "new" }))).toMatchObject({ kind: "answered" });
  expect(await old?.call(callOf({ text: "late" }))).toMatchObject({
    kind: "unsent",
    reason: expect.stringMatching(/came late/),
  });
  expect(bed.worked.map(({ text }) => text)).toEqual(["in time", "new"]);
  old?.close();
  young?.close();
});

test("a call after one that was not answered goes over a new connection", async () => {
  await bed.startNode("n1", (call, callback) => {
    if (call.request["text"] !== "silence") callback(null, { link: String(call.metadata.get(headers.link)[0]) });
  });
  const before = await bed.send("n1");
  expect(await bed.send("n1", { text: "silence" }, { deadline: Date.now() + 300 })).toMatchObject({
    kind: "unanswered",
  });
  const after = await bed.send("n1");
  expect(after).toMatchObject({ kind: "answered" });
  expect(after).not.toEqual(before);
  expect(await bed.send("n1")).toEqual(after);
});
