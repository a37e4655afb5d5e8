import { afterEach, beforeEach, expect, jest, test } from "@jest/globals";
import { topologyValue } from "../config.ts";
import type { Log } from "../log.ts";
import { FakeApiServer, statusOf } from "./api-server.fixture.ts";
import { connect } from "./client.ts";
import { longName, node, pod, selector, until } from "./cluster.fixture.ts";
import { KubernetesDirectory } from "./kubernetes-directory.ts";

const minute = 60_000;
const digest = topologyValue(longName);

let server: FakeApiServer;
let directory: KubernetesDirectory;
let clock: number;
let warnings: object[];

beforeEach(() => {
  server = new FakeApiServer();
  clock = 1_000_000;
  warnings = [];
});

afterEach(async () => {
  await directory.close();
  await server.stop();
});

test("a node is gone when it has been missing for the grace period and a read made now says so too", async () => {
  server.put("nodes", node("n1"));
  await open();
  clock += 10 * minute;
  await leave("n1");
  expect(await directory.isGone("n1")).toBe(false);
  clock += minute - 1;
  expect(await directory.isGone("n1")).toBe(false);
  expect(gets()).toEqual([]);
  clock += 1;
  expect(await directory.isGone("n1")).toBe(true);
  expect(gets()).toEqual(["get nodes n1"]);
  expect(directory.nodes()).toEqual([]);
});

test("a node that is not ready, or without a driver pod, is never gone", async () => {
  server.put("nodes", node("n1", { isReady: false }));
  await open();
  clock += 1000 * minute;
  expect(await directory.isGone("n1")).toBe(false);
  expect(gets()).toEqual([]);
});

test.each([
  ["running", {}],
  ["ending", { deletionTimestamp: "2026-01-01T00:00:00Z" }],
  ["failed", { phase: "Failed" }],
])("a node whose Node was deleted while its driver's pod is %s is not gone until the pod is", async (_what, state) => {
  server.put("nodes", node(longName));
  server.put("pods", pod("p1", longName));
  await open();
  await leave(longName, digest);
  server.put("pods", pod("p1", longName, state));
  await podsAreSeen("p2", "n2");
  clock += 1000 * minute;
  expect(await directory.isGone(digest)).toBe(false);
  server.remove("pods", "p1");
  await podsAreSeen("p3", "n3");
  expect(await directory.isGone(digest)).toBe(false);
  clock += minute;
  expect(await directory.isGone(digest)).toBe(true);
});

test("no node is gone before the pods are known", async () => {
  server.answers.push(...Array.from({ length: 100 }, () => ({ when: isListOfPods, status: 500, body: {} })));
  await begin();
  await until(() => server.requests.includes("watch nodes"));
  clock += 1000 * minute;
  expect(await directory.isGone("n1")).toBe(false);
  expect(gets()).toEqual([]);
});

test("after a restart, a node that left before is gone after the grace period and a read", async () => {
  await open();
  clock += minute - 1;
  expect(await directory.isGone("n1")).toBe(false);
  clock += 1;
  expect(await directory.isGone("n1")).toBe(true);
  expect(gets()).toEqual(["get nodes n1"]);
});

test("no node is gone before the first list is there", async () => {
  server.answers.push(...Array.from({ length: 100 }, () => ({ when: isListOfNodes, status: 500, body: {} })));
  await begin();
  clock += 1000 * minute;
  expect(await directory.isGone("n1")).toBe(false);
  expect(gets()).toEqual([]);
});

test("a node that the watch has lost but the API server still has is not gone", async () => {
  await open();
  // the watch does not tell
  server.cutWatches();
  server.answers.push(...Array.from({ length: 100 }, () => ({ when: isWatch, status: 500, body: {} })));
  server.put("nodes", node("n1"));
  server.answers.push(...Array.from({ length: 100 }, () => ({ when: isListOfNodes, status: 500, body: {} })));
  clock += 1000 * minute;
  expect(await directory.isGone("n1")).toBe(false);
  expect(gets()).toEqual(["get nodes n1"]);
});

test("a node that comes back is not gone, and its grace period begins anew when it leaves again", async () => {
  server.put("nodes", node("n1"));
  await open();
  await leave("n1");
  clock += 2 * minute;
  expect(await directory.isGone("n1")).toBe(true);
  server.put("nodes", node("n1"));
  await until(() => directory.find("n1") !== undefined);
  expect(await directory.isGone("n1")).toBe(false);
  await leave("n1");
  clock += minute / 2;
  expect(await directory.isGone("n1")).toBe(false);
});

test("a node that comes back while it is being read is not gone", async () => {
  await open();
  clock += minute;
  server.beforeAnswer = async (request) => {
    if (request !== "get nodes n1") return;
    server.answers.push({ when: isGet, status: 404, body: statusOf(404, "NotFound", "nodes", "n1") });
    server.put("nodes", node("n1"));
    await until(() => directory.find("n1") !== undefined);
  };
  expect(await directory.isGone("n1")).toBe(false);
});

test("what a proxy answers, or a server without an answer, is no proof", async () => {
  await open();
  clock += minute;
  for (const [status, body] of [
    [404, "<html>not here</html>"],
    [404, { kind: "Status", reason: "NotFound", details: {} }],
    [404, statusOf(404, "NotFound", "nodes", "n2")],
    [403, statusOf(403, "Forbidden", "nodes", "n1")],
    [401, {}],
    [503, {}],
  ] as const) {
    server.answers.push({ when: isGet, status, body });
    expect(await directory.isGone("n1")).toBe(false);
  }
  expect(warnings).toHaveLength(6);
  expect(await directory.isGone("n1")).toBe(true);
});

test("a value that is a digest is looked for in a list of all nodes, page by page", async () => {
  for (let at = 0; at < 120; at += 1) server.put("nodes", node(`n${at}`));
  server.put("nodes", node(longName));
  await open();
  clock += 5 * minute;
  expect(await directory.isGone(digest)).toBe(false);
  await leave(longName, digest);
  clock += minute;
  const before = server.requests.length;
  expect(await directory.isGone(digest)).toBe(true);
  expect(server.requests.slice(before)).toEqual(["list nodes", "list nodes"]);
  expect(await directory.isGone(topologyValue(`${longName}.never`))).toBe(true);
});

test("a digest that the API server has in a list is not gone, whatever the watch says", async () => {
  server.put("nodes", node(longName));
  await open();
  await leave(longName, digest);
  server.cutWatches();
  server.answers.push(...Array.from({ length: 100 }, () => ({ when: isWatch, status: 500, body: {} })));
  server.put("nodes", node(longName));
  server.answers.push({ when: isListOfNodes, status: 500, body: {} });
  clock += minute;
  expect(await directory.isGone(digest)).toBe(false);
});

test("what cannot be a node's topology value is never said to be gone, and nobody is asked", async () => {
  await open();
  clock += minute;
  for (const value of ["", "..", "a/b", "A", longName, "-a"]) expect(await directory.isGone(value)).toBe(false);
  expect(gets()).toEqual([]);
});

test("many deletions at once cost one read", async () => {
  await open();
  clock += minute;
  expect(await Promise.all(Array.from({ length: 20 }, () => directory.isGone("n1")))).not.toContain(false);
  expect(gets()).toEqual(["get nodes n1"]);
});

function isGet(request: string): boolean {
  return request.startsWith("get");
}

function isWatch(request: string): boolean {
  return request.startsWith("watch");
}

function isListOfNodes(request: string): boolean {
  return request === "list nodes";
}

function isListOfPods(request: string): boolean {
  return request === "list pods";
}

function gets(): readonly string[] {
  return server.requests.filter(isGet);
}

async function leave(name: string, value = name): Promise<void> {
  server.remove("nodes", name);
  await until(() => directory.find(value) === undefined);
}

/** Once the watch has told of a pod, it has told of all that happened to pods before. */
async function podsAreSeen(podName: string, nodeName: string): Promise<void> {
  server.put("nodes", node(nodeName));
  server.put("pods", pod(podName, nodeName));
  await until(() => directory.find(nodeName)?.address !== undefined);
}

async function open(): Promise<void> {
  await begin();
  await until(() => directory.isSynced() && server.watches() === 2);
}

async function begin(): Promise<void> {
  const log: Log = {
    ...{ debug: jest.fn(), info: jest.fn(), error: jest.fn() },
    warn: (fields, message) => message.startsWith("whether") && warnings.push(fields),
  };
  directory = new KubernetesDirectory({
    ...{ client: connect(await server.start()), namespace: "storage", nodeSelector: selector, nodePort: 9810, log },
    ...{ now: () => clock, pauseMs: 20 },
  });
}
