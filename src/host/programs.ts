import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { SystemError } from "../errors.ts";
import { ChildChanges } from "./child-changes.ts";
import { lockDevice } from "./device-lock.ts";
import type { Programs, ProgramResult } from "./host.ts";
import type { ProgramEnd, ProgramStart } from "./program-jobs.ts";
import type { RunJob } from "./worker-pool.ts";

/**
 * Programs that work on a disk for as long as it takes: mkfs, fsck, the growing of a filesystem. Which devices they are
 * at work on is told by locks in the directory.
 */
export function createPrograms(runJob: RunJob, directory: () => string): Programs {
  const changes = new ChildChanges();
  const runToEnd = async (key: string, start: ProgramStart): Promise<ProgramEnd> => {
    const started = await runJob("device", key, "startProgram", start);
    for (;;) {
      // From before the look, so that no end between it and the wait is missed.
      const change = changes.next();
      const end = await runJob("child", key, "programEnd", started);
      if (end !== undefined) return end;
      await change;
    }
  };
  return {
    run: async (file, args, held) => {
      const path = findProgram(file);
      if (path === undefined) throw new SystemError("ENOENT", `${file} is not on the PATH`);
      const start = { path, words: [file, ...args], directory: directory() };
      if (held === undefined) return resultOf(file, await runToEnd(path, { ...start, inherited: [] }));
      await using stack = new AsyncDisposableStack();
      const lock = stack.adopt(await lockDevice(runJob, start.directory, held.device), (locked) => locked.release());
      return resultOf(file, await runToEnd(held.device.number, { ...start, inherited: [lock.fd, held.fd] }));
    },
  };
}

/** Those of the programs that are not on the PATH. */
export function missingPrograms(files: readonly string[]): readonly string[] {
  return files.filter((file) => findProgram(file) === undefined);
}

/** Where the program is; undefined if it is in no directory of the PATH. */
function findProgram(file: string): string | undefined {
  const directories = (process.env["PATH"] ?? "").split(delimiter).filter((directory) => directory !== "");
  return directories.map((directory) => join(directory, file)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function resultOf(file: string, { exitCode, signal, stdout, stderr }: ProgramEnd): ProgramResult {
  if (exitCode === undefined) throw new SystemError("EINTR", `${file} was ended by ${signal}: ${stderr}`);
  return { exitCode, stdout, stderr };
}
