import { constants } from "node:fs";
import { SystemError } from "../errors.ts";
import { check, libc, requireZero } from "./system-calls.ts";

/**
 * Programs started with posix_spawn(3). Node's own way is fork(2), which copies the page tables of the whole driver and
 * holds its main thread up meanwhile.
 */

// The numbers are those of the C library's headers spawn.h and sys/wait.h.
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const WNOHANG = 1;

/** More than the types of spawn.h, and a set of signals, take in any C library. */
const OPAQUE_BYTES = 1024;

type Opaque = Uint8Array;
type Words = readonly (string | null)[];

const cSpawn: (...call: [Int32Array, string, Opaque, Opaque, Words, Words]) => number = libc.func(
  "int posix_spawn(int *pid, const char *path, void *actions, void *attributes, const char **argv, const char **envp)",
);
const cInitActions: (actions: Opaque) => number = libc.func("int posix_spawn_file_actions_init(void *actions)");
const cFreeActions: (actions: Opaque) => number = libc.func("int posix_spawn_file_actions_destroy(void *actions)");
const cAddOpen: (...call: [Opaque, number, string, number, number]) => number = libc.func(
  "int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)",
);
const cAddDuplicate: (actions: Opaque, from: number, to: number) => number = libc.func(
  "int posix_spawn_file_actions_adddup2(void *actions, int from, int to)",
);
const cInitAttributes: (attributes: Opaque) => number = libc.func("int posix_spawnattr_init(void *attributes)");
const cFreeAttributes: (attributes: Opaque) => number = libc.func("int posix_spawnattr_destroy(void *attributes)");
const cSetFlags: (attributes: Opaque, flags: number) => number = libc.func(
  "int posix_spawnattr_setflags(void *attributes, short flags)",
);
const cSetBlocked: (attributes: Opaque, signals: Opaque) => number = libc.func(
  "int posix_spawnattr_setsigmask(void *attributes, void *signals)",
);
const cSetDefault: (attributes: Opaque, signals: Opaque) => number = libc.func(
  "int posix_spawnattr_setsigdefault(void *attributes, void *signals)",
);
const cWaitpid: (pid: number, status: Int32Array, options: number) => number = libc.func(
  "int waitpid(int pid, int *status, int options)",
);

export interface Spawn {
  readonly path: string;
  /** The first is the name that the program goes by. */
  readonly words: readonly string[];
  readonly environment: NodeJS.ProcessEnv;
  readonly stdout: number;
  readonly stderr: number;
  /** Descriptors that the program gets too, under other numbers. */
  readonly inherited: readonly number[];
}

/**
 * Starts a program in a session of its own, with no input, no signal blocked or ignored, and no other descriptors.
 * @returns its process id
 * @throws SystemError of execve(2)
 */
export function spawnProgram(spawn: Spawn): number {
  using actions = fileActions(spawn);
  using attributes = sessionAttributes();
  const environment = Object.entries(spawn.environment).map(([name, value]) => `${name}=${value}`);
  const pid = new Int32Array(1);
  const { path, words } = spawn;
  if ([path, ...words, ...environment].some((word) => word.includes("\0"))) {
    throw new SystemError("EINVAL", `start ${path}: a NUL character in an argument`);
  }
  const errno = cSpawn(pid, path, actions.bytes, attributes.bytes, [...words, null], [...environment, null]);
  requireZero(`start ${path}`, errno);
  return pid[0] ?? Number.NaN;
}

/** The status of a child that has ended, which waitpid(2) tells once; undefined while it runs. @throws SystemError */
export function endOf(pid: number): number | undefined {
  const status = new Int32Array(1);
  return check("waitpid", cWaitpid(pid, status, WNOHANG)) === pid ? status[0] : undefined;
}

interface OwnedBytes extends Disposable {
  readonly bytes: Opaque;
}

function fileActions({ stdout, stderr, inherited }: Spawn): OwnedBytes {
  const bytes = new Uint8Array(OPAQUE_BYTES);
  requireZero("posix_spawn_file_actions_init", cInitActions(bytes));
  requireZero("addopen", cAddOpen(bytes, 0, "/dev/null", constants.O_RDONLY, 0));
  // A duplicate has no close-on-exec flag. Onto itself a descriptor loses it since glibc 2.29 only.
  const free = Math.max(stdout, stderr, ...inherited) + 1;
  const copies = inherited.map((fd, index) => [fd, free + index] as const);
  const duplicates = [[stdout, 1] as const, [stderr, 2] as const, ...copies];
  for (const [from, to] of duplicates) requireZero("adddup2", cAddDuplicate(bytes, from, to));
  return { bytes, [Symbol.dispose]: () => void cFreeActions(bytes) };
}

function sessionAttributes(): OwnedBytes {
  const bytes = new Uint8Array(OPAQUE_BYTES);
  requireZero("posix_spawnattr_init", cInitAttributes(bytes));
  const flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
  requireZero("setflags", cSetFlags(bytes, flags));
  requireZero("setsigmask", cSetBlocked(bytes, new Uint8Array(OPAQUE_BYTES)));
  requireZero("setsigdefault", cSetDefault(bytes, new Uint8Array(OPAQUE_BYTES).fill(0xff)));
  return { bytes, [Symbol.dispose]: () => void cFreeAttributes(bytes) };
}
