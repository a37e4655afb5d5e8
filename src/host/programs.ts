import { accessSync, constants, createWriteStream } from "node:fs";
import { delimiter, join } from "node:path";
import type { Writable } from "node:stream";
import { execa } from "execa";
import { SystemError } from "../errors.ts";
import { lockDevice } from "./device-lock.ts";
import type { Programs, ProgramResult } from "./host.ts";
import { makeOutputFile } from "./output-file.ts";
import type { OutputFile } from "./output-file.ts";
import type { RunJob } from "./worker-pool.ts";

const KEPT_BYTES = 64 * 1024;

/**
 * Programs that work on a disk for as long as it takes: mkfs, fsck, the growing of a filesystem. Which devices they are
 * at work on is told by locks in the directory.
 */
export function createPrograms(runJob: RunJob, directory: () => string): Programs {
  return {
    run: async (file, args, held) => {
      await using stack = new AsyncDisposableStack();
      const ownDirectory = directory();
      const inherited: Writable[] = [];
      if (held !== undefined) {
        const lock = stack.adopt(await lockDevice(runJob, ownDirectory, held.device), (locked) => locked.release());
        inherited.push(inheritable(lock.fd), inheritable(held.fd));
      }
      const stdout = stack.adopt(await makeOutputFile(ownDirectory), (output) => output.close());
      const stderr = stack.adopt(await makeOutputFile(ownDirectory), (output) => output.close());
      return await runProgram(file, args, { stdout, stderr, inherited });
    },
  };
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

interface ProgramFiles {
  readonly stdout: OutputFile;
  readonly stderr: OutputFile;
  /** Open for the program from descriptor 3 on. */
  readonly inherited: readonly Writable[];
}

/** A stream is what execa takes for a descriptor above 2; nothing goes through it. */
function inheritable(fd: number): Writable {
  return createWriteStream("", { fd, autoClose: false });
}

async function runProgram(file: string, args: readonly string[], files: ProgramFiles): Promise<ProgramResult> {
  const { stdout, stderr, inherited } = files;
  const result = await execa(file, args, {
    stdio: ["ignore", stdout.stream, stderr.stream, ...inherited],
    env: { LC_ALL: "C" },
    reject: false,
    // A driver that ends does not take the program with it, nor does Ctrl-C.
    cleanup: false,
    detached: true,
  });
  if (result.exitCode !== undefined) {
    return { exitCode: result.exitCode, stdout: await stdout.tail(KEPT_BYTES), stderr: await stderr.tail(KEPT_BYTES) };
  }
  if (result.signal !== undefined) {
    throw new SystemError("EINTR", `${file} was ended by ${result.signal}: ${await stderr.tail(KEPT_BYTES)}`);
  }
  throw new SystemError(result.code ?? "EIO", `${file} could not be started: ${result.shortMessage}`);
}
