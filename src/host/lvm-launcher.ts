import { closeSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Writable } from "node:stream";
import { SystemError } from "../errors.ts";
import type { Log } from "../log.ts";
import { hasCode } from "./error-code.ts";
import type { LvmLauncher, LvmProcess } from "./host.ts";
import { createLvmConversation } from "./lvm-conversation.ts";
import { collectTail } from "./output-tail.ts";
import { removePrivateDirectory } from "./private-contents.ts";
import type { PrivateDirectory } from "./private-directory.ts";
import type { RunJob } from "./worker-pool.ts";

/** What is kept of what `lvm` says outside its reports, to explain an unexpected end. */
const KEPT_BYTES = 4096;
/** The descriptor on which `lvm` reports. */
const REPORT_FD = 3;

export interface LvmLauncherOptions {
  readonly runJob: RunJob;
  /** The driver's own directory, in which each process gets one. */
  readonly directory: () => string;
  readonly log: Pick<Log, "warn">;
}

/**
 * Starts `lvm` as a process that reads commands from its input and reports each on descriptor 3 (lvmreport(7)). It ends
 * by itself when its input does, so none is left behind when the driver dies.
 */
export function createLvmLauncher(options: LvmLauncherOptions): LvmLauncher {
  return { start: (configuration) => startLvm(configuration, options) };
}

async function startLvm(configuration: string, { runJob, directory, log }: LvmLauncherOptions): Promise<LvmProcess> {
  const parent = directory();
  const own = await runJob("path", parent, "makePrivateDirectory", { parent, purpose: "lvm" });
  try {
    await writeFile(join(own.path, "lvm.conf"), configuration, { mode: 0o600 });
    const child = await spawnLvm(own.path);
    const conversation = createLvmConversation(child.commands, child.reports, child.lastWords);
    const exited = tidyUpAfter(child, own, log);
    return {
      execute: (line) => conversation.execute(line),
      memoryBytes: () => residentBytes(child.pid),
      end: async () => {
        conversation.end();
        await exited;
      },
      exited,
    };
  } catch (error) {
    discardDirectory(own, log);
    throw error;
  }
}

interface LvmChild {
  readonly pid: number;
  readonly commands: Writable;
  readonly reports: Readable;
  readonly lastWords: () => string;
  /** Resolves at its end, to what was unusual about it. */
  readonly ended: Promise<string | undefined>;
}

async function tidyUpAfter(child: LvmChild, own: PrivateDirectory, log: Pick<Log, "warn">): Promise<void> {
  const ending = await child.ended;
  if (ending !== undefined) {
    log.warn({ pid: child.pid, lastWords: child.lastWords() }, `lvm ended with ${ending}`);
  }
  discardDirectory(own, log);
}

/** @throws SystemError ENOENT when lvm is not installed */
async function spawnLvm(directory: string): Promise<LvmChild> {
  // Loaded when it is first needed: it is a fifth of the program, and the first call needs no LVM process.
  const { execa } = await import("execa");
  const child = execa("lvm", [], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    buffer: false,
    encoding: "buffer",
    reject: false,
    // Neither the driver's death nor Ctrl-C ends it: the end of its input does, when the command is done.
    cleanup: false,
    detached: true,
    env: {
      LC_ALL: "C",
      // It would read and write ~/.lvm_history at each command, which is a person's.
      HOME: "/dev/null",
      LVM_SYSTEM_DIR: directory,
      LVM_REPORT_FD: String(REPORT_FD),
      LVM_SUPPRESS_FD_WARNINGS: "1",
      LVM_LOG_FILE_MAX_LINES: "0",
    },
  });
  const reports = child.stdio[REPORT_FD];
  if (child.pid === undefined || !(reports instanceof Readable)) {
    const { code, shortMessage } = await child;
    throw new SystemError(code ?? "EIO", `lvm could not be started: ${shortMessage}`);
  }
  // Nothing that is needed comes here, but a full pipe would stop the process.
  collectTail(child.stdout, KEPT_BYTES);
  const complaints = collectTail(child.stderr, KEPT_BYTES);
  return {
    pid: child.pid,
    commands: child.stdin,
    reports,
    lastWords: () => `lvm has ended; its last words: "${complaints.text().trim()}"`,
    ended: child.then(({ exitCode, signal }) => describeEnding(exitCode, signal)),
  };
}

function describeEnding(exitCode: number | undefined, signal: string | undefined): string | undefined {
  if (exitCode === 0) {
    return undefined;
  }
  return signal ?? `status ${exitCode}`;
}

/** VmRSS of proc_pid_status(5). @throws SystemError ESRCH when the process has ended */
function residentBytes(pid: number): number {
  try {
    const kibibytes = /^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
    if (kibibytes !== undefined) {
      return Number(kibibytes) * 1024;
    }
  } catch (error) {
    if (!hasCode(error, ["ENOENT", "ESRCH"])) {
      throw error;
    }
  }
  throw new SystemError("ESRCH", "lvm has ended");
}

/** The lock goes last: until then nobody else takes the directory for left behind. */
function discardDirectory({ path, fd }: PrivateDirectory, log: Pick<Log, "warn">): void {
  try {
    removePrivateDirectory(path, "lvm");
  } catch (error) {
    log.warn({ path, error: String(error) }, "lvm's directory is left behind, as something else is in it");
  } finally {
    closeSync(fd);
  }
}
