import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/** acct(5): a record is written when a process ends. */
const recordBytes = 64;
/** The process never called execve(2). */
const forkedOnly = 1;
const versionMask = 0x0f;
/** Where the name of the program is, by the version of the record. */
const nameOffsets = new Map([
  [2, 36],
  [3, 48],
]);

/**
 * Names of all programs that were started by execve(2) and ended while the work was done, by whomever: the kernel's own
 * count (acct(2)).
 */
export async function programsExecuted(work: () => Promise<unknown>): Promise<readonly string[]> {
  const file = "/run/bench-accounting";
  await writeFile(file, "");
  await run("accton", [file]);
  try {
    await work();
  } finally {
    await run("accton", ["off"]);
  }
  const names = readNames(await readFile(file)).filter((name) => name !== "accton");
  await rm(file);
  return names;
}

function readNames(bytes: Buffer): readonly string[] {
  const records = Array.from({ length: bytes.length / recordBytes }, (_, index) =>
    bytes.subarray(index * recordBytes, (index + 1) * recordBytes),
  );
  return records.filter((record) => (record.readUInt8(0) & forkedOnly) === 0).map(nameOf);
}

function nameOf(record: Buffer): string {
  const version = record.readUInt8(1) & versionMask;
  const offset = nameOffsets.get(version);
  if (offset === undefined) throw new Error(`accounting records of version ${version} are not known`);
  return record.toString("latin1", offset, offset + 16).replace(/\0[^]*$/, "");
}
