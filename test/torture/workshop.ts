import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { earlierTenant } from "./contents.ts";

const checkout = path.resolve(import.meta.dirname, "../..");
const diskBytes = 768 * 1024 ** 2;
const diskCount = 2;

/** Where the campaign has its programs, bundled because they start several times as fast, and its disks. */
export interface Workshop {
  readonly driver: string;
  readonly inLab: string;
  /** Makes the directory of a machine, with its disks in it; returns both. */
  readonly makeMachine: (name: string) => Promise<{ readonly directory: string; readonly disks: readonly string[] }>;
  readonly remove: () => Promise<void>;
}

/** A directory laid out like the checkout, for what the bundled programs look for beside them. */
export async function openWorkshop(): Promise<Workshop> {
  const root = await mkdtemp(path.join(tmpdir(), "lvm-local-csi-torture."));
  const inLab = path.join(root, "test/torture/in-lab.js");
  for (const name of ["package.json", "proto"]) {
    await cp(path.join(checkout, name), path.join(root, name), { recursive: true });
  }
  await promisify(execFile)(process.execPath, [path.join(checkout, "image/bundle.ts"), path.join(root, "dist")]);
  await bundle(path.join(import.meta.dirname, "in-lab.ts"), inLab);
  return {
    driver: path.join(root, "dist/main.js"),
    inLab,
    makeMachine: (name) => makeMachine(path.join(root, name)),
    remove: () => rm(root, { recursive: true }),
  };
}

async function bundle(source: string, target: string): Promise<void> {
  await build({
    entryPoints: [source],
    outfile: target,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node26",
    banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
    logLevel: "warning",
  });
}

async function makeMachine(directory: string): Promise<{ directory: string; disks: readonly string[] }> {
  await mkdir(directory);
  const disks = Array.from({ length: diskCount }, (_, index) => path.join(directory, `disk${index}.img`));
  for (const disk of disks) await makeUsedDisk(disk);
  return { directory, disks };
}

/** A sparse file with somebody's data in every place that a volume is made of. */
async function makeUsedDisk(file: string): Promise<void> {
  const handle = await open(file, "wx");
  await handle.truncate(diskBytes);
  for (let at = 1024 ** 2; at < diskBytes; at += 128 * 1024)
    await handle.write(earlierTenant, 0, earlierTenant.length, at);
  await handle.close();
}
