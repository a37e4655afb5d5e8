import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "@jest/globals";

const boot = path.resolve(import.meta.dirname, "boot");
const directory = mkdtempSync(path.join(tmpdir(), "lvm-local-csi-boot."));

afterAll(() => rmSync(directory, { recursive: true }));

interface Ending {
  readonly status: number | string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function laboratory(options: readonly string[], script: string): Promise<Ending> {
  return new Promise((resolve) => {
    execFile(boot, [...options, "--", "bash", "-c", script], (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : (error.code ?? undefined), stdout, stderr });
    });
  });
}

/** Processes with this word in their command line. A guest's process shows that of its kernel. */
function processesWith(word: string): readonly string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(word);
    } catch {
      return false;
    }
  });
}

async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + 30_000;
  while (!condition() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 50));
}

test("the command's exit status, output and errors come out, and it has its disks", async () => {
  const { status, stdout, stderr } = await laboratory(
    ["--disk", "1G", "--disk", "64M"],
    'echo "$LAB: $LAB_DISKS"; blockdev --getsize64 $LAB_DISKS; pwd; echo trouble >&2; exit 7',
  );
  expect(status).toBe(7);
  expect(stdout).toBe(`uml: /dev/ubdb /dev/ubdc\n1073741824\n67108864\n${process.cwd()}\n`);
  expect(stderr).toContain("trouble\n");
});

test("what it writes stays in the laboratory, but for what is shared", async () => {
  const outside = path.join(tmpdir(), `lvm-local-csi-outside.${process.pid}`);
  const inside = path.join(directory, "inside");
  const { status } = await laboratory(
    ["--share", directory],
    `echo x >${outside}; echo y >${inside}; test -e ${outside}`,
  );
  expect(status).toBe(0);
  expect(existsSync(outside)).toBe(false);
  expect(readFileSync(inside, "utf8")).toBe("y\n");
});

test("a command that takes too long is ended, and nothing of it stays", async () => {
  const { status, stderr } = await laboratory(["--timeout", "4"], "exec sleep 3600");
  expect(status).toBe(124);
  expect(stderr).toContain("lab: stopped after 4 s");
});

test("a kernel that panics is a failed laboratory", async () => {
  const { status, stderr } = await laboratory([], "echo c >/proc/sysrq-trigger; sleep 60");
  expect(status).toBe(125);
  expect(stderr).toContain("the kernel ended before the command did");
});

test.each(["SIGTERM", "SIGINT", "SIGHUP", "SIGKILL"] as const)(
  "%s ends the kernel and its guests too",
  async (signal) => {
    // the kernel's own files go there, so that this word is in its command line
    const place = mkdtempSync(path.join(directory, "place."));
    const script = `touch ${place}/started; sleep 3600`;
    const environment = { ...process.env, TMPDIR: place };
    const child = spawn(boot, ["--share", place, "--", "bash", "-c", script], { env: environment });
    const ended = new Promise((resolve) => {
      child.once("exit", resolve);
    });
    await until(() => existsSync(path.join(place, "started")));
    const running = processesWith(`lab_work=${place}`);
    child.kill(signal);
    await ended;
    await until(() => processesWith(place).length === 0);
    expect(running.length).toBeGreaterThan(2);
    expect(processesWith(place)).toEqual([]);
  },
);
