import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";

export const checkout = path.resolve(import.meta.dirname, "../..");

/**
 * Runs a program of the project in the checkout, its output shown.
 * @returns its exit status; 1 where it could not be started or was ended by a signal, which is shown too
 */
export function run(program: string, args: readonly string[]): Promise<number> {
  return ending(program, start(program, args, "inherit"));
}

/** Runs a program likewise, and keeps what it prints. */
export async function runQuietly(
  program: string,
  args: readonly string[],
): Promise<{ status: number; output: string }> {
  const child = start(program, args, "pipe");
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  const status = await ending(program, child);
  return { status, output: Buffer.concat(chunks).toString() };
}

function start(program: string, args: readonly string[], output: "inherit" | "pipe"): ChildProcess {
  const programs = path.join(checkout, "node_modules/.bin");
  const environment = { ...process.env, PATH: `${programs}:${process.env["PATH"]}` };
  return spawn(program, [...args], { cwd: checkout, env: environment, stdio: ["ignore", output, output] });
}

function ending(program: string, child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("error", (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(1);
    });
    child.once("close", (status, signal) => {
      if (signal !== null) console.error(`${program} was ended by ${signal}`);
      resolve(status ?? 1);
    });
  });
}
