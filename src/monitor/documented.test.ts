import { readFileSync } from "node:fs";
import { expect, test } from "@jest/globals";
import { createControllerMetrics } from "./controller-metrics.ts";
import { createNodeMetrics } from "./node-metrics.ts";

const call = { method: "CreateVolume", code: "OK", seconds: 0.3 };

async function nodeText(): Promise<string> {
  const metrics = createNodeMetrics("1.2.3");
  metrics.observeCall(call);
  metrics.observeCommand({ command: "lvcreate", outcome: "succeeded", seconds: 0.05 });
  metrics.observeRegistration(true);
  const bytes = { sizeBytes: 1, freeBytes: 1, metadataBytes: 1, metadataFreeBytes: 1 };
  const group = { ...bytes, missingPhysicalVolumes: 0, volumes: 0, abnormalVolumes: 0 };
  const groups = async () => new Map([["vg", group]]);
  return metrics.text({ groups, operations: () => 0, isRegistered: () => true });
}

async function controllerText(): Promise<string> {
  const metrics = createControllerMetrics("1.2.3");
  metrics.observeCall(call);
  return metrics.text({ nodes: 2, nodesReady: 1, duplicateVolumes: 0 });
}

test.each([
  ["node", nodeText],
  ["controller", controllerText],
])("docs/metrics.md has all metrics of the role %s with types and labels, and no others", async (role, text) => {
  expect([...metricsIn(await text())].toSorted()).toEqual(documented("Every role", role).toSorted());
});

test("the chart's alerts are about metrics that exist", () => {
  const rules = readFileSync(new URL("../../deploy/chart/templates/monitoring.yaml", import.meta.url), "utf8");
  const asked = new Set(rules.match(/lvm_local_csi_\w+/g));
  const known = new Set(documented("Every role", "node", "controller").map((row) => row.split(" ")[0]));
  expect(asked.size).toBeGreaterThan(3);
  expect([...asked].filter((name) => !known.has(name))).toEqual([]);
});

test("the nodes are counted", async () => {
  expect(await controllerText()).toMatch(/^lvm_local_csi_nodes 2$.*^lvm_local_csi_nodes_ready 1$/ms);
});

/** "name type label label" of each metric in Prometheus's text format. */
function metricsIn(text: string): ReadonlySet<string> {
  return new Set(
    text.split("\n").flatMap((line) => {
      const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
      if (name === undefined) return [];
      const sample = new RegExp(`^${name}(?:_sum)?(?:\\{(.*)\\})? `, "m").exec(text)?.[1] ?? "";
      const labels = [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label);
      return [[name, type, ...labels].join(" ")];
    }),
  );
}

/** The same of the tables under these headings. */
function documented(...headings: readonly string[]): readonly string[] {
  const sections = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8").split(/^#+ /m);
  return sections
    .filter((section) => headings.some((heading) => section.startsWith(`${heading}\n`)))
    .flatMap((section) => section.split("\n"))
    .filter((line) => line.startsWith("| `"))
    .map((line) => {
      const [, name = "", type = "", labels = ""] = line.split("|").map((cell) => cell.trim().replaceAll("`", ""));
      return [name, type, ...labels.split(", ").filter((label) => label !== "")].join(" ");
    });
}
