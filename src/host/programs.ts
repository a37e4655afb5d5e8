import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { SystemError } from "../errors.ts";
import type { Programs, ProgramResult } from "./host.ts";
import { makeOutputFile } from "./output-file.ts";

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
  await using stack = new AsyncDisposableStack();
  const stdout = stack.adopt(await makeOutputFile(), (output) => output.close());
  const stderr = stack.adopt(await makeOutputFile(), (output) => output.close());
  const result = await execa(file, args, {
    stdin: "ignore",
    stdout: stdout.stream,
    stderr: stderr.stream,
    env: { LC_ALL: "C" },
    reject: false,
    // A driver that ends does not take the program with it.
    cleanup: false,
  });
  if (result.exitCode !== undefined) {
    return { exitCode: result.exitCode, stdout: await stdout.tail(KEPT_BYTES), stderr: await stderr.tail(KEPT_BYTES) };
  }
  if (result.signal !== undefined) {
    throw new SystemError("EINTR", `${file} was ended by ${result.signal}: ${await stderr.tail(KEPT_BYTES)}`);
  }
  throw new SystemError(result.code ?? "EIO", `${file} could not be started: ${result.shortMessage}`);
}
