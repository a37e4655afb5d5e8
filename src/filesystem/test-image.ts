import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { ByteRange, Programs } from "../host/host.ts";
import { type Contents, probe } from "./probe.ts";

/** Test support: sparse image files in place of devices, and the real programs run on them. */
export interface Images {
  /** A new image of zeroes. */
  blank(sizeBytes: number): string;
  remove(): void;
}

export const MEBIBYTE = 2 ** 20;

export function imageDirectory(): Images {
  const directory = mkdtempSync(path.join(tmpdir(), "filesystem-image-"));
  let count = 0;
  return {
    blank: (sizeBytes) => {
      count += 1;
      const file = path.join(directory, `${count}.img`);
      writeFileSync(file, "");
      truncateSync(file, sizeBytes);
      return file;
    },
    remove: () => rmSync(directory, { recursive: true }),
  };
}

/** Runs programs as the host does: to their end, without a shell. */
export const programs: Pick<Programs, "run"> = {
  run: async (file, args) => {
    const environment = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`, LC_ALL: "C" };
    const { status, stdout, stderr, error } = spawnSync(file, args, { encoding: "utf8", env: environment });
    if (error !== undefined) throw error;
    return { exitCode: status ?? -1, stdout, stderr };
  },
};

/** Runs a program that is part of the test's preparation and must succeed. */
export async function succeed(file: string, ...args: readonly string[]): Promise<void> {
  const result = await programs.run(file, args);
  if (result.exitCode !== 0) throw new Error(`${file} ${args.join(" ")}: ${result.stdout}${result.stderr}`);
}

export function write(image: string, offset: number, content: string | Uint8Array): void {
  const bytes = typeof content === "string" ? Buffer.from(content, "latin1") : content;
  const descriptor = openSync(image, "r+");
  writeSync(descriptor, bytes, 0, bytes.length, offset);
  closeSync(descriptor);
}

export function read(image: string, ranges: readonly ByteRange[]): readonly Uint8Array[] {
  const descriptor = openSync(image, "r");
  const contents = ranges.map(({ offset, length }) => {
    const bytes = new Uint8Array(length);
    const got = readSync(descriptor, bytes, 0, length, offset);
    return bytes.subarray(0, got);
  });
  closeSync(descriptor);
  return contents;
}

export function probeImage(image: string): Promise<Contents> {
  return probe(statSync(image).size, async (ranges) => read(image, ranges));
}
