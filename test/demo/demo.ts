// Shows what the driver does, on real LVM in the laboratory: `npm run demo`. With --keep (`npm run demo -- --keep`) it
// then stays running, with a shell beside it. The exit status is 0 only if all that is told was found to be so.
import { type ChildProcess, spawn } from "node:child_process";
import path from "node:path";
import { parseArgs } from "node:util";

const checkout = path.resolve(import.meta.dirname, "../..");

/** The demo takes a minute or two; this is for a laboratory that hangs. */
const demoSeconds = 900;
const keptSeconds = 7 * 24 * 3600;

const onTerminal = process.stdin.isTTY && process.stdout.isTTY;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const keep = readFlags(args);
  if (keep === undefined) return 2;
  if (keep && !onTerminal) {
    console.error("demo: --keep opens a shell beside the driver, inside the laboratory: run it from a terminal");
    return 2;
  }
  return inLaboratory(keep);
}

/** Whether the driver is to be kept running; undefined, and told, if the flags cannot be used. */
function readFlags(args: readonly string[]): boolean | undefined {
  try {
    return parseArgs({ args: [...args], options: { keep: { type: "boolean", default: false } } }).values.keep;
  } catch (error) {
    console.error(`demo: ${error instanceof Error ? error.message : String(error)}\nusage: npm run demo [-- --keep]`);
    return undefined;
  }
}

function inLaboratory(keep: boolean): Promise<number> {
  const seconds = String(keep ? keptSeconds : demoSeconds);
  const demo = [process.execPath, path.join(import.meta.dirname, "in-lab.ts"), ...(keep ? ["--keep"] : [])];
  const args = ["--disk", "8G", "--timeout", seconds, "--", ...demo];
  return new Promise((resolve, reject) => {
    const boot = spawn(path.join(checkout, "test/lab/boot"), args, {
      cwd: checkout,
      stdio: "inherit",
      // a signal to a whole group would reach it twice, and a second one would stop its clearing away
      detached: !onTerminal,
    });
    endEarly(boot);
    boot.once("error", reject);
    boot.once("exit", (code) => resolve(code ?? 1));
  });
}

/**
 * On a signal the laboratory clears away what it made, and is waited for. A terminal's Ctrl-C reaches it by itself. npm
 * sends signals to a shell between, which ends without a word: then this process has another parent.
 */
function endEarly(boot: ChildProcess): void {
  const caller = process.ppid;
  let ending = false;
  const end = (): void => {
    if (ending) return;
    ending = true;
    console.error("\ndemo: ended early");
    boot.kill("SIGTERM");
  };
  setInterval(() => {
    if (process.ppid !== caller) end();
  }, 200).unref();
  process.on("SIGTERM", end);
  process.on("SIGINT", onTerminal ? () => undefined : end);
  if (!onTerminal) process.on("SIGHUP", end);
}
