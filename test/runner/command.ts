import { spawn } from "node:child_process";
import path from "node:path";

export const checkout = path.resolve(import.meta.dirname, "../..");

/**
 * Runs a program of the project in the checkout, its output shown.
 * @returns its exit status; 1 where it could not be started or was ended by a signal, which is shown too
 */
export function run(program: string, args: readonly string[]): Promise<number> {
  const programs = path.join(checkout, "node_modules/.bin");
  const environment = { ...process.env, PATH: `${programs}:${process.env["PATH"]}` };
  return new Promise((resolve) => {
    const child = spawn(program, [...args], {
      cwd: checkout,
      env: environment,
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(1);
    });
    child.once("exit", (status, signal) => {
      if (signal !== null) console.error(`${program} was ended by ${signal}`);
      resolve(status ?? 1);
    });
  });
}
