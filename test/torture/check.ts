import { setTimeout as sleep } from "node:timers/promises";
import { run } from "../demo/programs.ts";
import { findLosses } from "./contents.ts";
import type { Expected, Kind } from "./expected.ts";
import { type Node, create, devicePath, expand, logicalVolumes, publish, remove, volumeGroup } from "./node.ts";

/** What a power cut must not do, in words; nothing found is good. */
export interface Findings {
  /** Volumes or data that were acknowledged and are not there, or not as they were. */
  readonly lost: string[];
  /** Logical volumes and devices that belong to no volume. */
  readonly leaked: string[];
  /** What still stands between two states although the driver has had time to finish it. */
  readonly leftovers: string[];
  /** Filesystems that are not clean after their log was replayed. */
  readonly unclean: string[];
}

/** How long the driver may take, in milliseconds, to bring to an end what the power cut left half done. */
const convergenceMilliseconds = 15_000;

/** Looks at everything after a power cut; then repeats, as Kubernetes would, what was under way. */
export async function check(node: Node): Promise<Findings> {
  const findings: Findings = { lost: [], leaked: [], leftovers: [], unclean: [] };
  const names = await converge(findings);
  const expected = [...node.journal.expectations.values()];
  for (const { name, presence } of expected) {
    if (presence === "there" && !names.includes(name)) findings.lost.push(name);
  }
  const known = new Set(expected.map(({ name }) => name));
  findings.leaked.push(...names.filter((name) => !known.has(name)));
  const present = expected.filter(({ name }) => !findings.lost.includes(name));
  await Promise.all(present.map((volume) => goOn(node, volume, findings)));
  return findings;
}

/** Waits until no logical volume is half made, half removed or a scratch volume. */
async function converge(findings: Findings): Promise<readonly string[]> {
  for (const end = performance.now() + convergenceMilliseconds; ; await sleep(100)) {
    const volumes = await logicalVolumes();
    const unfinished = [...volumes].filter(([, tags]) => /state=(creating|removing|growing)/.test(tags));
    if (unfinished.length === 0) return [...volumes.keys()];
    if (performance.now() < end) continue;
    findings.leftovers.push(...unfinished.map(([name, tags]) => `${name} (${tags})`));
    return [...volumes.keys()];
  }
}

async function goOn(node: Node, volume: Expected, findings: Findings): Promise<void> {
  if (volume.presence === "going") {
    await node.journal.perform({ action: "delete", volume: volume.name }, () => remove(node, volume.name));
    return;
  }
  const { name, kind, createdBytes } = volume;
  const made = { action: "create", volume: name, kind, bytes: Math.max(createdBytes, volume.bytes) } as const;
  const again = (): Promise<number> => create(node, volume);
  const bytes = await (volume.presence === "begun" ? node.journal.perform(made, again) : again());
  if (bytes < made.bytes || bytes > Math.max(volume.wantedBytes, made.bytes)) {
    findings.lost.push(`${name}: it has ${bytes} bytes, ${made.bytes} were acknowledged`);
  }
  if (volume.wantedBytes > made.bytes) {
    const action = { action: "expand", volume: name, bytes: volume.wantedBytes } as const;
    await node.journal.perform(action, () => expand(node, name, volume.wantedBytes));
  }
  await examine(node, node.journal.expectations.get(name) ?? volume, findings);
}

/** Reads all data through the driver; once the mount has replayed the log, the filesystem has to be clean. */
async function examine(node: Node, volume: Expected, findings: Findings): Promise<void> {
  const published = await publish(node, volume);
  findings.lost.push(...(await findLosses(volume, published.target)));
  await published.withdraw();
  if (volume.kind === "block") return;
  const [program, ...args] = checkers[volume.kind];
  await run(program, ...args, devicePath(volume.name)).catch((error: unknown) => {
    findings.unclean.push(`${volume.name}: ${String(error)}`);
  });
}

const checkers: Readonly<Record<Exclude<Kind, "block">, readonly [string, ...string[]]>> = {
  ext4: ["e2fsck", "-f", "-n"],
  xfs: ["xfs_repair", "-n"],
  btrfs: ["btrfs", "check", "--readonly"],
};

/** Deletes all volumes: then nothing may be left of them, and all room is free. */
export async function clearOut(node: Node, findings: Findings): Promise<void> {
  for (const { name } of node.journal.expectations.values()) {
    await node.journal.perform({ action: "delete", volume: name }, () => remove(node, name));
  }
  findings.leaked.push(...(await logicalVolumes()).keys());
  const devices = await run("dmsetup", "ls");
  if (devices !== "No devices found") findings.leaked.push(...devices.split("\n"));
  const group = ["--noheadings", "--units", "b", "--nosuffix", "--options", "vg_size"];
  const { availableCapacity } = await node.csi.Controller.GetCapacity({});
  const all = (await run("vgs", ...group, volumeGroup)).trim();
  if (availableCapacity !== all) findings.leaked.push(`${availableCapacity} of ${all} bytes are free`);
}
