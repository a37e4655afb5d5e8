import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** Runs a program without a shell; what it printed, without spaces at the ends of lines. @throws Error with what it complained of */
export async function run(file: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(file, [...args]);
  return stdout.replaceAll(/ +$/gm, "").trimEnd();
}

/** Likewise, below the command line as a person would have typed it. */
export async function runShown(file: string, ...args: readonly string[]): Promise<string> {
  return `$ ${[file, ...args].join(" ")}\n${await run(file, ...args)}`.trimEnd();
}
