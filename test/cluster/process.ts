import { spawn } from "node:child_process";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

/** A process of the cluster that runs in the background. */
export interface Process {
  readonly name: string;
  /** Settles when it has ended: "exit status 1", "SIGKILL". */
  readonly ended: Promise<string>;
  /** Ends it and all of its group at once, as a power cut does, and returns when nothing of it is left. */
  kill(): Promise<void>;
}

export interface Command {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** What it prints is added to this file. */
  readonly log: string;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Starts a process in a group of its own. */
export async function startProcess({ name, program, args, log, environment }: Command): Promise<Process> {
  const output = await open(log, "a");
  const child = spawn(program, [...args], {
    detached: true,
    stdio: ["ignore", output.fd, output.fd],
    env: { ...process.env, ...environment },
  });
  await output.close();
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (status, signal) => resolve(signal ?? `exit status ${status}`));
  });
  return {
    name,
    ended,
    kill: async () => {
      if (child.pid === undefined) return;
      // Stopped first: what a kernel in user mode traces would else go on without it, as a process of this machine.
      signalGroup(child.pid, "SIGSTOP");
      signalGroup(child.pid, "SIGKILL");
      await ended;
      // those that live in a process id namespace are gone when its first process is, which is in this group
      while (signalGroup(child.pid, 0)) await sleep(20);
    },
  };
}

function signalGroup(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}
