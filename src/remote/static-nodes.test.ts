import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { readStaticNodes } from "./static-nodes.ts";

let directory: string;
let file: string;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-nodes."));
  file = path.join(directory, "nodes.json");
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

test("a list of nodes, of which none is ever gone", async () => {
  const long = `${"a".repeat(70)}.example`;
  const entries = [
    { name: "n1", address: "127.0.0.1:9810" },
    { name: long, address: "[::1]:1" },
    { name: "n3", address: "n3.example:65535" },
  ];
  await writeFile(file, JSON.stringify(entries));
  const nodes = await readStaticNodes(file);
  expect(nodes.isSynced()).toBe(true);
  expect(nodes.nodes().map((node) => node.address)).toEqual(entries.map((entry) => entry.address));
  expect(nodes.find("n1")).toEqual({ topologyValue: "n1", address: "127.0.0.1:9810", isReady: true });
  expect(nodes.nodes()[1]?.topologyValue).toMatch(/^n-[0-9a-f]{24}$/);
  expect(nodes.find("n2")).toBeUndefined();
  expect(await nodes.isGone("n2")).toBe(false);
});

test.each([
  ["{", "not JSON"],
  ['{"name": "n1"}', "not a JSON array"],
  ["[1]", "entry 1 is not an object"],
  ['[{"address": "a:1"}]', "entry 1: name undefined is not a node name"],
  ['[{"name": "N1", "address": "a:1"}]', 'entry 1: name "N1" is not a node name'],
  ['[{"name": "n1", "address": "a:1"}, {"name": "n2"}]', "entry 2 (n2): address undefined; give HOST:PORT"],
  ['[{"name": "n1", "address": "a:0"}]', 'address "a:0"; give HOST:PORT'],
  ['[{"name": "n1", "address": "a:65536"}]', "give HOST:PORT"],
  ['[{"name": "n1", "address": "dns:///a:1"}]', "give HOST:PORT"],
  ['[{"name": "n1", "address": "a:1", "port": 1}]', 'entry 1: "port" is neither name nor address'],
  ['[{"name": "n1", "address": "a:1"}, {"name": "n1", "address": "b:1"}]', "a name is given twice"],
])("%s: %s", async (text, message) => {
  await writeFile(file, text);
  await expect(readStaticNodes(file)).rejects.toThrow(message);
});

test("no such file", async () => {
  await expect(readStaticNodes(path.join(directory, "none"))).rejects.toThrow(/--nodes: .*none cannot be read.*ENOENT/);
});
