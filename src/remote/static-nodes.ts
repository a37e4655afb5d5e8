import { readFile } from "node:fs/promises";
import { topologyValue } from "../config.ts";
import { UsageError } from "../flags.ts";
import type { KnownNode, NodeDirectory } from "./node-directory.ts";

/**
 * The nodes of `--nodes FILE`, read once. None of them is ever gone: nobody is there who could tell.
 * @throws UsageError naming the entry and field that is wrong
 */
export async function readStaticNodes(path: string): Promise<NodeDirectory> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw new UsageError(`--nodes: ${path} cannot be read: ${String(cause)}`, { cause });
  });
  const nodes = parseNodes(text);
  const byValue = new Map(nodes.map((node) => [node.topologyValue, node]));
  if (byValue.size < nodes.length) throw new UsageError("--nodes: a name is given twice");
  return {
    nodes: () => nodes,
    find: (value) => byValue.get(value),
    isGone: () => Promise.resolve(false),
    isSynced: () => true,
    close: () => Promise.resolve(),
  };
}

function parseNodes(text: string): readonly KnownNode[] {
  const list = parseJson(text);
  if (!Array.isArray(list)) throw new UsageError('--nodes: not a JSON array of {"name": ..., "address": ...}');
  return list.map((entry: unknown, index) => parseNode(entry, index));
}

function parseNode(entry: unknown, index: number): KnownNode {
  const where = `--nodes: entry ${index + 1}`;
  if (typeof entry !== "object" || entry === null) throw new UsageError(`${where} is not an object`);
  const { name, address, ...others }: { name?: unknown; address?: unknown } = entry;
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw new UsageError(`${where}: ${JSON.stringify(unknown)} is neither name nor address`);
  if (!isName(name)) throw new UsageError(`${where}: name ${JSON.stringify(name)} is not a node name`);
  if (!isAddress(address)) {
    throw new UsageError(`${where} (${name}): address ${JSON.stringify(address)}; give HOST:PORT`);
  }
  return { topologyValue: topologyValue(name), address, isReady: true };
}

/** A DNS subdomain name, as for --node-name. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(value);
}

function isAddress(value: unknown): value is string {
  const text = typeof value === "string" ? value : "";
  const [, digits] = /^(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):(\d{1,5})$/.exec(text) ?? [];
  return digits !== undefined && Number(digits) >= 1 && Number(digits) <= 65_535;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`--nodes: not JSON: ${String(cause)}`, { cause });
  }
}
