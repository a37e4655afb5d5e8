import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { SystemError } from "../errors.ts";
import type { Programs, ProgramResult } from "./host.ts";
import { collectTail } from "./output-tail.ts";

const KEPT_BYTES = 64 * 1024;

/** Programs that work on a disk for as long as it takes: mkfs, fsck, the growing of a filesystem. */
export function createPrograms(): Programs {
  return { run: runProgram };
}

/** Those of the programs that are not on the PATH. */
export function missingPrograms(files: readonly string[]): readonly string[] {
  return files.filter((file) => !isOnPath(file));
}

function isOnPath(file: string): boolean {
  const directories = (process.env["PATH"] ?? "").split(delimiter).filter((directory) => directory !== "");
  return directories.some((directory) => {
    try {
      accessSync(join(directory, file), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

async function runProgram(file: string, args: readonly string[]): Promise<ProgramResult> {
  const child = execa(file, args, {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    // Kept here instead, since execa kills a program that says more than it may.
    buffer: false,
    encoding: "buffer",
    env: { LC_ALL: "C" },
    reject: false,
    // A driver that ends does not take the program with it.
    cleanup: false,
  });
  const stdout = collectTail(child.stdout, KEPT_BYTES);
  const stderr = collectTail(child.stderr, KEPT_BYTES);
  const result = await child;
  if (result.exitCode !== undefined) {
    return { exitCode: result.exitCode, stdout: stdout.text(), stderr: stderr.text() };
  }
  if (result.signal !== undefined) {
    throw new SystemError("EINTR", `${file} was ended by ${result.signal}: ${stderr.text()}`);
  }
  throw new SystemError(result.code ?? "EIO", `${file} could not be started: ${result.shortMessage}`);
}
