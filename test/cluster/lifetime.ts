import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { baseDisk } from "./base-disk.ts";
import type { Plan } from "./cluster.ts";
import { ask, isUp } from "./control.ts";
import { nodeRoot } from "./debian.ts";
import { images } from "./images.ts";
import { controlSocket, holderFile, logDirectory, programsLink, runDirectory } from "./paths.ts";
import { programs } from "./programs.ts";

const supervisor = path.join(import.meta.dirname, "supervisor.ts");

/** How large a cluster shall be, and how long it lives. */
export interface Size {
  readonly nodes: number;
  readonly memory: string;
  readonly volumeGroupDisk: string;
}

export const usualSize: Size = { nodes: 2, memory: "2G", volumeGroupDisk: "4G" };

/** Makes all that a cluster is made of, where that has not been done before. */
export async function makeMaterial(size: Size): Promise<Plan> {
  const [built, root] = await Promise.all([programs(), nodeRoot()]);
  return { ...size, programs: built, root, baseDisk: await baseDisk(root, await images(built)) };
}

/**
 * Brings up a cluster that stays until bringDown(); with `isTied`, until this process ends, however it does.
 * If it cannot be brought up, or this process ends meanwhile, nothing of it stays.
 * @throws Error with the reason
 */
export async function bringUp(plan: Plan, isTied: boolean, say: (progress: string) => void): Promise<void> {
  if (await isUp()) throw new Error("a cluster is up already: npm run cluster -- down");
  await removeFiles();
  await rm(logDirectory, { recursive: true, force: true });
  await mkdir(logDirectory, { recursive: true });
  await symlink(plan.programs, programsLink);
  const holder = await hold(isTied);
  await writeFile(holderFile, String(holder.pid));
  try {
    while (!existsSync(controlSocket)) {
      if (holder.exitCode !== null) throw new Error(`the supervisor ended: ${await supervisorLog()}`);
      await sleep(20);
    }
    await ask({ ask: "up", plan }, say);
  } catch (error) {
    await ended(holder);
    await removeFiles();
    throw error;
  }
  if (!isTied) holder.unref();
}

/** Ends the cluster, and removes what it has left but its logs. Does nothing where none is up. */
export async function bringDown(): Promise<void> {
  if (await isUp()) {
    const holder = Number(await readFile(holderFile, "utf8"));
    await ask({ ask: "down" });
    while (existsSync(`/proc/${holder}/ns/net`)) await sleep(20);
  }
  await removeFiles();
}

/**
 * Starts the supervisor in namespaces of its own. The process that is returned stays outside of them; if it is killed,
 * so are all within.
 */
async function hold(isTied: boolean): Promise<ChildProcess> {
  const output = await open(path.join(logDirectory, "supervisor.log"), "a");
  const tie = isTied ? ["--pdeathsig", "KILL"] : [];
  const namespaces = ["--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"];
  // bash, as a namespace's first process, waits for those that others have left behind
  const command = ["bash", "-c", '"$@"; exit', "cluster", process.execPath, supervisor];
  const holder = spawn("setpriv", [...tie, "unshare", ...namespaces, ...command], {
    detached: true,
    stdio: ["ignore", output.fd, output.fd],
  });
  await output.close();
  return holder;
}

/** The supervisor ends itself; if it does not, it is ended. */
async function ended(holder: ChildProcess): Promise<void> {
  for (const end = performance.now() + 5000; holder.exitCode === null && holder.signalCode === null; await sleep(20)) {
    if (performance.now() > end) holder.kill("SIGKILL");
  }
}

function supervisorLog(): Promise<string> {
  return readFile(path.join(logDirectory, "supervisor.log"), "utf8");
}

/** All but the logs. */
async function removeFiles(): Promise<void> {
  const names = existsSync(runDirectory) ? await readdir(runDirectory) : [];
  const files = names.map((name) => path.join(runDirectory, name)).filter((file) => file !== logDirectory);
  await Promise.all(files.map((file) => rm(file, { recursive: true, force: true })));
}
