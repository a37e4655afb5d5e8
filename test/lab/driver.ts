import { spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { connect } from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How a test wants the driver. */
export interface DriverOptions {
  /** On a tmpfs; its parent exists. The socket file is made here. */
  readonly socketPath: string;
  readonly kubeletDirectory: string;
  /** The allow-list; the first is the default. */
  readonly volumeGroups: readonly string[];
  /** What the driver prints is added to this file. */
  readonly logFile: string;
  /** Default "n1". */
  readonly nodeName?: string;
  /** More of the flags in `src/config.ts`. */
  readonly flags?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** The program and its first arguments; default: the bundle that LAB_DRIVER names, or the driver of the checkout. */
  readonly program?: readonly [string, ...string[]];
  /** Longest wait for the socket in milliseconds; default 60,000. */
  readonly patienceMilliseconds?: number;
}

/** How a test wants any role of the driver. */
interface RoleOptions extends Pick<
  DriverOptions,
  "socketPath" | "logFile" | "environment" | "program" | "patienceMilliseconds"
> {
  readonly role: "node" | "controller";
  /** All but `--csi-endpoint`. */
  readonly flags: readonly string[];
}

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A driver that runs as a process of its own. */
export interface Driver {
  readonly pid: number;
  readonly ended: Promise<Ending>;
  /** SIGTERM, and waits until it has ended. */
  stop(): Promise<Ending>;
  /** SIGKILL to the driver alone: what it has started goes on, as after a crash. */
  kill(): Promise<Ending>;
  /** All that it has printed; with a number, the last lines. */
  log(lines?: number): Promise<string>;
}

const checkout = path.resolve(import.meta.dirname, "../..");
const sources = path.join(checkout, "src/main.ts");

/**
 * Starts `lvm-local-csi node` with the laboratory's LVM lock directory and waits until its socket answers.
 * @throws Error with the end of its log when it ends first, or does not answer in time (it is then ended).
 */
export function startDriver(options: DriverOptions): Promise<Driver> {
  return startRole({ ...options, role: "node", flags: flagsOf(options) });
}

/** Starts a role and waits likewise. */
export async function startRole(options: RoleOptions): Promise<Driver> {
  const driver = await launch(options);
  const patience = options.patienceMilliseconds ?? 60_000;
  const gaveUp = new AbortController();
  try {
    const first = await Promise.race([
      driver.ended,
      answers(options.socketPath, gaveUp.signal),
      sleep(patience, "late" as const, { signal: gaveUp.signal }),
    ]);
    if (first === "answers") return driver;
    if (first === "late") await driver.kill();
    const why = first === "late" ? `did not answer within ${patience} ms` : `ended with ${describeEnding(first)}`;
    throw new Error(`the ${options.role} ${why} before its socket answered:\n${await driver.log(40)}`);
  } finally {
    gaveUp.abort();
  }
}

/** "exit status 1", "SIGKILL". */
export function describeEnding(ending: Ending): string {
  return ending.signal ?? `exit status ${ending.code}`;
}

async function launch(options: RoleOptions): Promise<Driver> {
  // A file and not a pipe: the driver can then never be held up by its reader, and outlives it.
  const log = await open(options.logFile, "a");
  const [program, ...args] = options.program ?? [process.execPath, process.env["LAB_DRIVER"] ?? sources];
  const child = spawn(
    program,
    [...args, options.role, `--csi-endpoint=unix://${options.socketPath}`, ...options.flags],
    {
      cwd: checkout,
      env: { ...process.env, ...options.environment },
      stdio: ["ignore", log.fd, log.fd],
    },
  );
  await log.close();
  const ended = new Promise<Ending>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const signal = (name: NodeJS.Signals): Promise<Ending> => {
    child.kill(name);
    return ended;
  };
  return {
    pid: child.pid ?? -1,
    ended,
    stop: () => signal("SIGTERM"),
    kill: () => signal("SIGKILL"),
    log: async (lines) => lastLines(await readFile(options.logFile, "utf8"), lines),
  };
}

function flagsOf(options: DriverOptions): string[] {
  const locks = process.env["LAB_LOCK_DIRECTORY"];
  return [
    `--node-name=${options.nodeName ?? "n1"}`,
    `--kubelet-directory=${options.kubeletDirectory}`,
    ...options.volumeGroups.map((group) => `--volume-group=${group}`),
    ...(locks === undefined ? [] : [`--lvm-lock-directory=${locks}`]),
    ...(options.flags ?? []),
  ];
}

async function answers(socketPath: string, gaveUp: AbortSignal): Promise<"answers"> {
  while (!(await accepts(socketPath))) await sleep(20, undefined, { signal: gaveUp });
  return "answers";
}

function accepts(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function lastLines(text: string, count: number | undefined): string {
  return count === undefined ? text : text.trimEnd().split("\n").slice(-count).join("\n");
}
