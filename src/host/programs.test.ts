import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, readdirSync, rmdirSync, unlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "@jest/globals";
import type { HeldDevice } from "./host.ts";
import { createPrograms } from "./programs.ts";
import { createWorkerPool } from "./worker-pool.ts";

const directory = mkdtempSync(join(tmpdir(), "programs-"));
const pool = createWorkerPool();
const programs = createPrograms(pool.runJob, () => directory);

afterAll(async () => {
  await pool.close();
  closeSync(opened);
  rmdirSync(directory);
});

/** Held as one is: /dev/null stands for the device's node. */
const opened = openSync("/dev/null", "r");

function deviceWith(uuid: string): HeldDevice {
  const mapping = { name: "x", uuid, suspended: false };
  const device = { name: "dm-7", number: "253:7", sizeBytes: 0, holders: [], mapping };
  return { device, fd: opened, close: async () => {} };
}

test("a program's status and both its outputs come back", async () => {
  const result = await programs.run("sh", ["-c", 'echo "$0 $LC_ALL"; echo problem >&2; exit 4', "a b"]);
  expect(result).toEqual({ exitCode: 4, stdout: "a b C\n", stderr: "problem\n" });
});

test("it gets no input", async () => {
  expect(await programs.run("cat", [])).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

test("of a long output the end is kept, and the program is not held up", async () => {
  const { exitCode, stdout } = await programs.run("sh", ["-c", "head -c 1000000 /dev/zero; echo; echo end"]);
  expect(exitCode).toBe(0);
  expect(stdout).toHaveLength(64 * 1024);
  expect(stdout).toMatch(/\nend\n$/);
});

test("it goes by the name that it was called by, and no signal is blocked or ignored", async () => {
  const { stdout } = await programs.run("cat", ["/proc/self/cmdline", "/proc/self/status"]);
  expect(stdout).toMatch(/^cat\0/);
  expect(stdout.match(/^Sig(Blk|Ign):\t0+$/gm)).toHaveLength(2);
});

test("an argument with a NUL character, which would end it early, is refused", async () => {
  await expect(programs.run("echo", ["a\0b"])).rejects.toMatchObject({ code: "EINVAL" });
});

test("a program that is not installed is ENOENT", async () => {
  await expect(programs.run("no-such-program", [])).rejects.toMatchObject({ name: "SystemError", code: "ENOENT" });
});

test("a program that somebody killed has no exit status", async () => {
  await expect(programs.run("sh", ["-c", "kill -KILL $$"])).rejects.toMatchObject({ code: "EINTR" });
});

test("its outputs are files, which do not break when the driver is killed", async () => {
  const { stdout } = await programs.run("readlink", ["/proc/self/fd/1", "/proc/self/fd/2"]);
  expect(stdout).toMatch(/^(\S+output-\w+ \(deleted\)\n){2}$/);
});

test("a program has a session of its own, so Ctrl-C does not reach it", async () => {
  const { stdout } = await programs.run("sh", ["-c", "echo $$; cut -d' ' -f6 /proc/self/stat"]);
  const [pid, session] = stdout.trim().split("\n");
  expect(session).toBe(pid);
});

test("one program at a time works on a device that it was given, and no file is left", async () => {
  const device = deviceWith("LVM-one");
  const first = programs.run("sleep", ["0.5"], device);
  await expect(programs.run("true", [], device)).rejects.toMatchObject({ name: "SystemError", code: "EBUSY" });
  expect(readdirSync(directory)).toContain("device-LVM-one.lock");
  expect(await programs.run("true", [], deviceWith("LVM-two"))).toMatchObject({ exitCode: 0 });
  expect(await programs.run("true", [])).toMatchObject({ exitCode: 0 });
  expect(await first).toMatchObject({ exitCode: 0 });
  expect(await programs.run("true", [], device)).toMatchObject({ exitCode: 0 });
  await expect(programs.run("no-such-program", [], device)).rejects.toMatchObject({ code: "ENOENT" });
  expect(readdirSync(directory)).toEqual([]);
});

test("a program has the device open, from before it runs until it has ended", async () => {
  const links = 'for fd in /proc/self/fd/*; do readlink "$fd"; done';
  const [given, plain] = [
    await programs.run("sh", ["-c", links], deviceWith("LVM-open")),
    await programs.run("sh", ["-c", links]),
  ].map(({ stdout }) => stdout.split("\n").filter((path) => path === "/dev/null").length);
  expect([given, plain]).toEqual([2, 1]);
});

test("what a program leaves behind holds its lock", async () => {
  const device = deviceWith("LVM-left");
  const { stdout } = await programs.run("sh", ["-c", "sleep 60 & echo $!"], device);
  await expect(programs.run("true", [], device)).rejects.toMatchObject({ code: "EBUSY" });
  process.kill(Number(stdout));
  await untilFree(device);
});

test("a program outlives a killed driver and still holds its lock", async () => {
  const device = deviceWith("LVM-orphan");
  const driver = spawn(process.execPath, ["--input-type=module", "--eval", driverProgram(device)], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = new Promise((resolve) => driver.once("exit", resolve));
  const pid = await pidIn(join(directory, "pid"));
  driver.kill("SIGKILL");
  await ended;
  await expect(programs.run("true", [], device)).rejects.toMatchObject({ code: "EBUSY" });
  process.kill(pid);
  await untilFree(device);
  unlinkSync(join(directory, "pid"));
});

test("an identity that is no file's name is refused", async () => {
  await expect(programs.run("true", [], deviceWith("../x"))).rejects.toMatchObject({ code: "EINVAL" });
});

function moduleUrl(file: string): string {
  return JSON.stringify(new URL(file, import.meta.url));
}

function driverProgram({ device }: HeldDevice): string {
  return `
    const { createPrograms } = await import(${moduleUrl("programs.ts")});
    const { createWorkerPool } = await import(${moduleUrl("worker-pool.ts")});
    const programs = createPrograms(createWorkerPool().runJob, () => ${JSON.stringify(directory)});
    const script = "echo $$ > ${directory}/new; mv ${directory}/new ${directory}/pid; exec sleep 60";
    await programs.run("sh", ["-c", script], { device: ${JSON.stringify(device)}, fd: 0 });
  `;
}

async function pidIn(file: string): Promise<number> {
  for (;;) {
    try {
      return Number(readFileSync(file, "utf8"));
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function untilFree(device: HeldDevice): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      await programs.run("true", [], device);
      return;
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
