// Completes package-lock.json: npm leaves out packages for other platforms that its registry does not hand out, and
// then refuses the file in `npm ci` (on this platform too). Run it after `npm install`: `npm run lock`.
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { type LockedPackage, missingPlatformPackages, type PackageLock } from "./package-lock.ts";

const file = path.resolve(import.meta.dirname, "../../package-lock.json");
// written by npm: docs of package-lock.json
const lock = JSON.parse(await readFile(file, "utf8")) as PackageLock;
const missing = missingPlatformPackages(lock);
for (const { name, version } of missing) lock.packages[`node_modules/${name}`] = describe(name, version);
const sorted = Object.entries(lock.packages).toSorted(([a], [b]) => a.localeCompare(b, "en"));
await writeFile(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(sorted) }, undefined, 2)}\n`);
console.log(`package-lock.json: ${missing.length} packages of other platforms added`);

/** What npm itself writes, but for the checksum: it looks at `os` and `cpu` and goes no further on another platform. */
function describe(name: string, version: string): LockedPackage {
  const words = name.split(/[/-]/);
  const systems = ["android", "darwin", "freebsd", "linux", "openharmony", "win32"];
  const processors = ["arm", "arm64", "ia32", "loong64", "ppc64", "riscv64", "s390x", "x64"];
  const os = systems.filter((system) => words.includes(system));
  const cpu = processors.filter((processor) => words.includes(processor));
  if (os.length !== 1 || cpu.length !== 1) throw new Error(`which platform is ${name} for?`);
  return { version, cpu, dev: true, optional: true, os, ...libraryOf(words) };
}

function libraryOf(words: readonly string[]): { libc?: string[] } {
  if (!words.includes("linux")) return {};
  if (words.some((word) => word.startsWith("gnu"))) return { libc: ["glibc"] };
  return words.some((word) => word.startsWith("musl")) ? { libc: ["musl"] } : {};
}
