import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { topologyKey, topologyValue } from "../config.ts";
import type { Log } from "../log.ts";
import { FakeApiServer, statusOf } from "./api-server.fixture.ts";
import { connect } from "./client.ts";
import { longName, node, pod, selector, until } from "./cluster.fixture.ts";
import { KubernetesDirectory } from "./kubernetes-directory.ts";

let server: FakeApiServer;
let directory: KubernetesDirectory;
let clock: number;
let warnings: string[];

beforeEach(() => {
  server = new FakeApiServer();
  clock = 1_000_000;
  warnings = [];
});

afterEach(async () => {
  await directory.close();
  await server.stop();
});

test("a node is found by its topology value, with its pod's address", async () => {
  server.put("nodes", node("n1"));
  server.put("nodes", node(longName, { isReady: false }));
  server.put("pods", pod("p1", "n1", { podIP: "10.0.0.1" }));
  server.put("pods", pod("p2", longName, { podIP: "fd00::2" }));
  await open();
  expect(directory.find("n1")).toEqual({ topologyValue: "n1", address: "10.0.0.1:9810", isReady: true });
  const long = { topologyValue: topologyValue(longName), address: "[fd00::2]:9810", isReady: false };
  expect(directory.find(topologyValue(longName))).toEqual(long);
  expect(directory.find(longName)).toBeUndefined();
  expect(directory.find("n2")).toBeUndefined();
  expect(directory.nodes()).toHaveLength(2);
});

test("nothing is known until both lists are there", async () => {
  server.put("nodes", node("n1"));
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  server.beforeAnswer = (request) => (request === "list pods" ? held : undefined);
  await begin();
  await until(() => directory.find("n1") !== undefined);
  expect(directory.isSynced()).toBe(false);
  release();
  await until(() => directory.isSynced());
});

test("nodes that never had a driver are not among the nodes, but are found", async () => {
  server.put("nodes", node("control-plane"));
  server.put("nodes", node("worker", { labels: { [topologyKey]: "worker" } }));
  server.put("nodes", node("new"));
  server.put("pods", pod("p", "new"));
  await open();
  expect(directory.nodes().map((found) => found.topologyValue)).toEqual(["worker", "new"]);
  expect(directory.find("worker")?.address).toBeUndefined();
  expect(directory.find("control-plane")).toBeDefined();
});

test.each([
  ["not yet running", { phase: "Pending" }],
  ["ended", { phase: "Failed" }],
  ["without an address", { podIP: undefined }],
  ["ending", { deletionTimestamp: "2026-01-01T00:00:00Z" }],
])("a pod that is %s has no address", async (_what, options) => {
  server.put("nodes", node("n1"));
  server.put("pods", pod("p1", "n1", options));
  await open();
  expect(directory.find("n1")?.address).toBeUndefined();
});

test("changes are seen without a request: readiness, a replaced pod, a reused address, a new node", async () => {
  server.put("nodes", node("n1"));
  server.put("nodes", node("n2"));
  server.put("pods", pod("p1", "n1", { podIP: "10.0.0.1" }));
  await open();
  const before = server.requests.length;
  server.put("pods", pod("p1", "n1", { podIP: "10.0.0.1", deletionTimestamp: "2026-01-01T00:00:00Z" }));
  await until(() => directory.find("n1")?.address === undefined);
  server.remove("pods", "p1");
  server.put("pods", pod("p2", "n2", { podIP: "10.0.0.1" }));
  server.put("nodes", node("n2", { isReady: false }));
  server.put("nodes", node("n3"));
  await until(() => directory.find("n3") !== undefined && directory.find("n2")?.address === "10.0.0.1:9810");
  await until(() => directory.find("n2")?.isReady === false);
  expect(directory.find("n1")?.address).toBeUndefined();
  expect(server.requests).toHaveLength(before);
});

test("of two pods on a node the ready one is called, else the newer", async () => {
  server.put("nodes", node("n1"));
  server.put("nodes", node("n2"));
  server.put("pods", pod("a", "n1", { podIP: "10.0.0.1", isReady: true, created: "2026-01-01T00:00:00Z" }));
  server.put("pods", pod("b", "n1", { podIP: "10.0.0.2", isReady: false, created: "2026-01-02T00:00:00Z" }));
  server.put("pods", pod("c", "n2", { podIP: "10.0.0.4", isReady: false, created: "2026-01-02T00:00:00Z" }));
  server.put("pods", pod("d", "n2", { podIP: "10.0.0.3", isReady: false, created: "2026-01-01T00:00:00Z" }));
  await open();
  expect(directory.find("n1")?.address).toBe("10.0.0.1:9810");
  expect(directory.find("n2")?.address).toBe("10.0.0.4:9810");
});

test("lists are read page by page, and pods are selected by the server", async () => {
  for (let at = 0; at < 250; at += 1) server.put("nodes", node(`n${at}`));
  for (let at = 0; at < 30; at += 1) server.put("pods", { ...pod(`x${at}`, "n1"), metadata: { name: `x${at}` } });
  server.put("pods", pod("p", "n249"));
  await open();
  expect(directory.find("n249")?.address).toBe("10.0.0.9:9810");
  expect(directory.nodes()).toHaveLength(1);
  expect(server.requests.filter((request) => request === "list nodes")).toHaveLength(3);
  expect(new Set(server.requests)).toEqual(new Set(["list nodes", "list pods", "watch nodes", "watch pods"]));
});

test("a watch that is cut goes on from where it was, without a list", async () => {
  server.put("nodes", node("n1"));
  await open();
  server.cutWatches();
  server.put("nodes", node("n2"));
  server.remove("nodes", "n1");
  await until(() => directory.find("n2") !== undefined && directory.find("n1") === undefined);
  expect(server.requests.filter((request) => request.startsWith("list"))).toHaveLength(2);
});

test("a watch that cannot be continued is listed anew: 410 as the answer, and 410 as a line", async () => {
  server.put("nodes", node("n1"));
  await open();
  server.put("nodes", node("n2"));
  await until(() => directory.find("n2") !== undefined);
  server.remove("nodes", "n1");
  server.forgetHistory();
  server.cutWatches();
  await until(() => directory.find("n1") === undefined && server.watches() === 2);
  expect(server.requests.filter((request) => request === "list nodes")).toHaveLength(2);
  server.endWatches({ type: "ERROR", object: statusOf(410, "Expired", "nodes", undefined) });
  server.put("nodes", node("n3"));
  await until(() => directory.find("n3") !== undefined && server.watches() === 2);
  expect(server.requests.filter((request) => request === "list nodes")).toHaveLength(3);
});

test("while the API server is away it is asked with growing pauses, and what is known stays", async () => {
  server.put("nodes", node("n1"));
  await open({ pauseMs: 40 });
  const before = server.requests.length;
  for (let at = 0; at < 500; at += 1) server.answers.push({ when: () => true, status: 503, body: {} });
  server.cutWatches();
  await setTimeout(1000);
  // without pauses it would be hundreds; 40 ms doubling for two resources is about 2 x 6
  expect(server.requests.length - before).toBeLessThan(20);
  expect(directory.find("n1")).toBeDefined();
  expect(warnings).not.toEqual([]);
  server.answers.length = 0;
  server.put("nodes", node("n2"));
  await until(() => directory.find("n2") !== undefined);
});

test("a line that is no object does not end it", async () => {
  await open();
  server.endWatches({ type: "MODIFIED", object: {} });
  server.put("nodes", node("n1"));
  await until(() => directory.find("n1") !== undefined);
  expect(directory.isSynced()).toBe(true);
});

test("bookmarks move on without changing anything", async () => {
  await open();
  server.forgetHistory();
  server.endWatches({ type: "BOOKMARK", object: { metadata: { resourceVersion: "9999" } } });
  await until(() => server.watches() === 2);
  expect(server.requests.filter((request) => request.startsWith("list"))).toHaveLength(2);
  expect(directory.nodes()).toEqual([]);
});

test("closing ends the watches and what is under way", async () => {
  server.put("nodes", node("n1"));
  await open();
  await directory.close();
  await until(() => server.watches() === 0);
  const before = server.requests.length;
  await setTimeout(100);
  expect(server.requests).toHaveLength(before);
});

test("closing does not wait for an API server that does not answer", async () => {
  server.beforeAnswer = (request) => (request === "list pods" ? undefined : new Promise(() => undefined));
  await begin();
  await until(() => server.requests.includes("list nodes") && server.requests.includes("watch pods"));
  await directory.close();
  expect(directory.isSynced()).toBe(false);
});

async function begin(options: { pauseMs?: number } = {}): Promise<void> {
  const log: Log = {
    ...{ debug: jest.fn(), info: jest.fn(), error: jest.fn() },
    warn: (_fields, message) => warnings.push(message),
  };
  const client = connect(await server.start());
  directory = new KubernetesDirectory({
    ...{ client, namespace: "storage", nodeSelector: selector, nodePort: 9810, log, now: () => clock, pauseMs: 20 },
    ...options,
  });
}

async function open(options: { pauseMs?: number } = {}): Promise<void> {
  await begin(options);
  await until(() => directory.isSynced() && server.watches() === 2);
}
