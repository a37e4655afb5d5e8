import { execFile } from "node:child_process";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** How a command of the laboratory failed: its message holds what it printed. */
export class CommandError extends Error {
  readonly status: number | string;
  readonly output: string;

  constructor(command: string, status: number | string, output: string) {
    super(`${command} ended with ${status}: ${output.trim()}`);
    this.name = "CommandError";
    this.status = status;
    this.output = output;
  }
}

/** Runs a program of this machine; resolves to what it wrote to its standard output.
 * @throws CommandError when it cannot be started or its exit status is not 0
 */
export async function shell(program: string, args: readonly string[], options: ShellOptions = {}): Promise<string> {
  try {
    const running = execute(program, [...args], { maxBuffer: 2 ** 28, ...options.child });
    if (options.input !== undefined) running.child.stdin?.end(options.input);
    else running.child.stdin?.end();
    return (await running).stdout;
  } catch (error) {
    throw described([program, ...args].join(" "), error);
  }
}

export interface ShellOptions {
  /** For its standard input, which is empty otherwise. */
  readonly input?: string;
  readonly child?: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly timeout?: number };
}

function described(command: string, error: unknown): CommandError {
  // what execFile adds to its errors
  const { code, signal, stdout, stderr } = error as Partial<Record<"code" | "signal" | "stdout" | "stderr", string>>;
  const output = `${stdout ?? ""}${stderr ?? ""}` || String(error);
  return new CommandError(command.slice(0, 400), code ?? signal ?? "no status", output);
}
