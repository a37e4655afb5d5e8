import { constants, setPriority } from "node:os";
import { Descriptor } from "./descriptor.ts";
import { makeOutputFile, readTail } from "./output-file.ts";
import { endOf, spawnProgram } from "./spawn.ts";

const KEPT_BYTES = 64 * 1024;

/** Of 19 (setpriority(2)): calls for other volumes come first. */
const NICENESS = 5;

export interface ProgramStart {
  /** The program's file, and what is told it. */
  readonly path: string;
  readonly words: readonly string[];
  /** Where the files for its outputs have names for a moment. */
  readonly directory: string;
  readonly inherited: readonly number[];
}

/** A program at work, and the descriptors of the files with its outputs. */
export interface StartedProgram {
  readonly pid: number;
  readonly stdout: number;
  readonly stderr: number;
}

export interface ProgramEnd {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** @throws SystemError of execve(2) */
export function startProgram({ path, words, directory, inherited }: ProgramStart): StartedProgram {
  using files = new DisposableStack();
  const stdout = files.use(makeOutputFile(directory)).number;
  const stderr = files.use(makeOutputFile(directory)).number;
  const environment = { ...process.env, LC_ALL: "C" };
  const pid = spawnProgram({ path, words, environment, stdout, stderr, inherited });
  setPriority(pid, NICENESS);
  files.move();
  return { pid, stdout, stderr };
}

/** How the program ended, and what it said at last; undefined while it is at work. */
export function programEnd(started: StartedProgram): ProgramEnd | undefined {
  using files = new DisposableStack();
  const stdout = files.use(new Descriptor(started.stdout));
  const stderr = files.use(new Descriptor(started.stderr));
  const status = endOf(started.pid);
  if (status === undefined) {
    files.move();
    return undefined;
  }
  // wait(2): the low seven bits are the signal that ended it, the byte above them is its exit status.
  const signal = status & 0x7f;
  return {
    exitCode: signal === 0 ? (status >> 8) & 0xff : undefined,
    signal: Object.entries(constants.signals).find(([, number]) => number === signal)?.[0],
    stdout: readTail(stdout, KEPT_BYTES),
    stderr: readTail(stderr, KEPT_BYTES),
  };
}
