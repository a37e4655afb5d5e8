import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Writable } from "node:stream";
import { execa } from "execa";
import { SystemError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { LvmLauncher, LvmProcess } from "./host.ts";
import { createLvmConversation } from "./lvm-conversation.ts";
import { collectTail } from "./output-tail.ts";
import { makePrivateDirectory } from "./private-directory.ts";
import { hasCode } from "./sysfs.ts";

/** What is kept of what `lvm` says outside its reports, to explain an unexpected end. */
const KEPT_BYTES = 4096;
/** The descriptor on which `lvm` reports. */
const REPORT_FD = 3;

/**
 * Starts `lvm` as a process that reads commands from its input and reports each on descriptor 3 (lvmreport(7)). It ends
 * by itself when its input does, so none is left behind when the driver dies.
 */
export function createLvmLauncher(log: Pick<Log, "warn">): LvmLauncher {
  return { start: (configuration) => startLvm(configuration, log) };
}

async function startLvm(configuration: string, log: Pick<Log, "warn">): Promise<LvmProcess> {
  const directory = await makePrivateDirectory();
  try {
    await writeFile(join(directory, "lvm.conf"), configuration, { mode: 0o600 });
    const child = await spawnLvm(directory);
    const conversation = createLvmConversation(child.commands, child.reports, child.lastWords);
    const exited = tidyUpAfter(child, directory, log);
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
    await removePrivateDirectory(directory);
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

async function tidyUpAfter(child: LvmChild, directory: string, log: Pick<Log, "warn">): Promise<void> {
  const ending = await child.ended;
  if (ending !== undefined) {
    log.warn({ pid: child.pid, lastWords: child.lastWords() }, `lvm ended with ${ending}`);
  }
  await removePrivateDirectory(directory);
}

/** @throws SystemError ENOENT when lvm is not installed */
async function spawnLvm(directory: string): Promise<LvmChild> {
  const child = execa("lvm", [], {
    stdio: ["pipe", "pipe", "pipe", "pipe"],
    buffer: false,
    encoding: "buffer",
    reject: false,
    cleanup: false,
    env: {
      LC_ALL: "C",
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
async function residentBytes(pid: number): Promise<number> {
  try {
    const kibibytes = /^VmRSS:\s*(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "latin1"))?.[1];
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

/** It holds lvm.conf and what lvm itself put there. */
async function removePrivateDirectory(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true });
}
