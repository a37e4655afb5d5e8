import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** What changes something outside of the process, on a disk, in device-mapper or in a pipe. */
const systemCalls = ["ioctl", "write", "pwrite64", "writev", "pwritev", "pwritev2", "io_submit"];
const traceFile = "/run/lvm-trace";

/** A moment in an LVM process's work: before the system call of that name that is the `nth` since it was attached to. */
export interface Point {
  readonly systemCall: string;
  /** From 1. */
  readonly nth: number;
  /** The call and what it is about, for people. */
  readonly label: string;
}

/** The system calls that the driver's LVM process makes while the work is done, as moments in which to end it. */
export async function recordPoints(driver: number, work: () => Promise<unknown>): Promise<readonly Point[]> {
  const trace = await attach(await lvmOf(driver), []);
  await work();
  await trace.detach();
  const counts = new Map<string, number>();
  return (await readTrace()).map(({ systemCall, label }) => {
    const nth = (counts.get(systemCall) ?? 0) + 1;
    counts.set(systemCall, nth);
    return { systemCall, nth, label };
  });
}

/**
 * Does the work, whose LVM process gets SIGKILL at that point: the system call is not carried out any more, those
 * before it were.
 * @returns whether it got so far
 */
export async function killAt(driver: number, point: Point, work: () => Promise<unknown>): Promise<boolean> {
  const pid = await lvmOf(driver);
  const trace = await attach(pid, ["-e", `inject=${point.systemCall}:signal=KILL:when=${point.nth}`]);
  await work();
  await trace.detach();
  return !(await isRunning(pid));
}

/** The driver's LVM process, which it has while it works and for a minute more. */
async function lvmOf(driver: number): Promise<number> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const own = await Promise.all(pids.map(async (pid) => (isLvmOf(driver, await readStatus(pid)) ? [Number(pid)] : [])));
  const [pid, ...others] = own.flat();
  if (pid === undefined || others.length > 0) throw new Error(`the driver has the LVM processes ${own.flat().join()}`);
  return pid;
}

/** @param status the text of proc_pid_stat(5) */
function isLvmOf(driver: number, status: string): boolean {
  const [, name, state, parent] = /^\d+ \((.*)\) (\S) (\d+)/s.exec(status) ?? [];
  return name === "lvm" && state !== "Z" && Number(parent) === driver;
}

function readStatus(pid: number | string): Promise<string> {
  return readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
}

async function attach(pid: number, options: readonly string[]): Promise<{ detach: () => Promise<void> }> {
  const calls = ["-e", `trace=${systemCalls.join(",")}`, ...options];
  const strace = spawn("strace", ["-p", String(pid), "-o", traceFile, "-s", "0", ...calls], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = once(strace, "close");
  const told = String(await Promise.race([once(strace.stderr, "data"), ended]));
  if (!told.includes("attached")) throw new Error(`strace did not attach to ${pid}: ${told}`);
  const detach = async (): Promise<void> => {
    strace.kill("SIGTERM");
    await ended;
  };
  return { detach };
}

async function readTrace(): Promise<readonly { systemCall: string; label: string }[]> {
  const lines = (await readFile(traceFile, "utf8")).split("\n");
  return lines.flatMap((line) => {
    const [, systemCall, request = ""] = /^(\w+)\(\d+(?:, ([A-Z][A-Z0-9_]+))?/.exec(line) ?? [];
    return systemCall === undefined ? [] : [{ systemCall, label: `${systemCall} ${request}`.trim() }];
  });
}

/** A moment is given to a process that is being ended. */
async function isRunning(pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    if (!/\) [^Z]/.test(await readStatus(pid))) return false;
    await sleep(10);
  }
  return true;
}
