import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { agentAddress } from "./addresses.ts";
import { adminConfiguration, holderFile, programsLink, runDirectory } from "./paths.ts";
import { shell } from "./shell.ts";

/**
 * Runs kubectl as the cluster's administrator; resolves to what it prints.
 * @param input - for `-f -`
 * @throws CommandError
 */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const [program, ...all] = await kubectlCommand(args);
  return shell(program, all, input === undefined ? {} : { input });
}

/**
 * Runs a command as root in a node; resolves to what it prints.
 * @throws CommandError
 */
export async function onNode(node: string, command: readonly string[], input?: string): Promise<string> {
  const [program, ...all] = await nodeCommand(node, command);
  return shell(program, all, input === undefined ? {} : { input });
}

/** Runs a command that one of the functions below has made, with this process's input and output. */
export function interactively([program, ...args]: EnteringCommand): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: "inherit" });
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? 1));
  });
}

type EnteringCommand = readonly [string, ...string[]];

export function kubectlCommand(args: readonly string[]): Promise<EnteringCommand> {
  const options = [`--kubeconfig=${adminConfiguration}`, `--cache-dir=${path.join(runDirectory, "kubectl-cache")}`];
  return entering(path.join(programsLink, "kubectl"), [...options, ...args]);
}

export function nodeCommand(node: string, command: readonly string[]): Promise<EnteringCommand> {
  return entering(path.join(programsLink, "agent"), ["run", agentAddress(node), ...command]);
}

/** A command that runs a program in the cluster's network. */
async function entering(program: string, args: readonly string[]): Promise<EnteringCommand> {
  const holder = await readFile(holderFile, "utf8").catch(() => {
    throw new Error("no cluster is up: npm run cluster -- up");
  });
  return ["nsenter", `--net=/proc/${holder}/ns/net`, "--", program, ...args];
}
