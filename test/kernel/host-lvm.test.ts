import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LvmProcess } from "../../src/host/host.ts";
import { type HostLab, MEBIBYTE, openHostLab, refusal, required } from "./host-lab.ts";

const LOCKS = process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm";
const CONFIGURATION = `
activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 }
devices { obtain_device_list_from_udev=0 use_devicesfile=0 external_device_info_source="none" }
global { use_lvmpolld=0 locking_dir="${LOCKS}" }
backup { backup=0 archive=0 }
log { report_command_log=1 command_log_selection="all" }
report { output_format="json" }
`;

let lab: HostLab;

beforeAll(async () => {
  lab = await openHostLab("hostlvm");
});

afterAll(() => lab.close());

interface LogRow {
  readonly log_type: string;
  readonly log_context: string;
  readonly log_object_name: string;
  readonly log_message: string;
  readonly log_ret_code: string;
}

interface Report {
  readonly report?: readonly Readonly<Record<string, readonly Readonly<Record<string, string>>[]>>[];
  readonly log: readonly LogRow[];
}

async function execute(lvm: LvmProcess, line: string): Promise<Report> {
  return (await lvm.execute(line)) as Report;
}

const verdict = ({ log }: Report): LogRow => required(log.findLast(({ log_context }) => log_context === "shell"));

/** The processes called lvm that the parent started. */
function lvmProcesses(parent: number): readonly number[] {
  return readdirSync("/proc").flatMap((pid) => {
    try {
      const [, name, ppid] = /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
      return name === "lvm" && Number(ppid) === parent ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

const privateDirectories = (): readonly string[] =>
  readdirSync("/run/lvm-local-csi").filter((name) => name.startsWith("lvm-"));

test("commands are carried out one after another by one process, which ends and leaves nothing", async () => {
  process.env["HOME"] = lab.kubelet;
  const lvm = await lab.host.lvm.start(CONFIGURATION);
  expect(privateDirectories()).toHaveLength(1);
  const created = await execute(lvm, "lvcreate --yes --name a --size 4m --addtag x hostlvm");
  expect(verdict(created)).toMatchObject({ log_object_name: "lvcreate", log_message: "success", log_ret_code: "1" });
  const failed = await execute(lvm, "lvcreate --yes --name a --size 4m hostlvm");
  expect(verdict(failed)).toMatchObject({ log_message: "failure", log_ret_code: "5" });
  expect(failed.log).toContainEqual(
    expect.objectContaining({ log_message: expect.stringContaining("already exists") }),
  );
  expect(verdict(await execute(lvm, "lvs --nosuchoption"))).toMatchObject({ log_ret_code: "3" });
  const listed = await execute(lvm, "lvs --options lv_name,lv_tags,lv_size --units b --nosuffix hostlvm");
  expect(listed.report?.[0]?.["lv"]).toEqual([{ lv_name: "a", lv_tags: "x", lv_size: String(4 * MEBIBYTE) }]);
  expect(verdict(await execute(lvm, "lvremove --yes hostlvm/a"))).toMatchObject({ log_ret_code: "1" });
  expect(existsSync(join(lab.kubelet, ".lvm_history"))).toBe(false);
  expect(lvm.memoryBytes()).toBeGreaterThan(MEBIBYTE);
  expect(lvm.memoryBytes()).toBeLessThan(48 * MEBIBYTE);
  expect(lvmProcesses(process.pid)).toHaveLength(1);
  await lvm.end();
  await lvm.exited;
  expect(lvmProcesses(process.pid)).toEqual([]);
  expect(privateDirectories()).toEqual([]);
  await expect(lvm.execute("lvs")).rejects.toMatchObject(refusal("EPIPE"));
  expect(() => lvm.memoryBytes()).toThrow(expect.objectContaining(refusal("ESRCH")));
});

test("a report longer than any pipe arrives whole", async () => {
  const lvm = await lab.host.lvm.start(CONFIGURATION);
  const tags = Array.from({ length: 20 }, (_, index) => `--addtag ${"t".repeat(100)}${index}`).join(" ");
  await lvm.execute(`vgchange ${tags} hostlvm`);
  for (let index = 0; index < 36; index += 1) {
    await lvm.execute(`lvcreate --activate n --zero n --wipesignatures n --name big${index} --size 1m ${tags} hostlvm`);
  }
  const listed = await execute(lvm, "lvs --options lv_all,vg_all hostlvm");
  expect(listed.report?.[0]?.["lv"]).toHaveLength(36);
  expect(JSON.stringify(listed).length).toBeGreaterThan(220_000);
  expect(verdict(listed)).toMatchObject({ log_ret_code: "1" });
  await lvm.execute("lvremove --yes hostlvm");
  await lvm.end();
});

test("the death of the process is EPIPE for the command at work, and another process goes on", async () => {
  const lvm = await lab.host.lvm.start(CONFIGURATION);
  await lvm.execute("vgs");
  const holder = spawn("flock", [
    "--no-fork",
    "--exclusive",
    `${LOCKS}/V_hostlvm`,
    "sh",
    "-c",
    "echo held; exec sleep 60",
  ]);
  await once(holder.stdout, "data");
  const waiting = lvm.execute("lvcreate --yes --name late --size 4m hostlvm");
  await expect(lvm.execute("vgs")).rejects.toMatchObject(refusal("EBUSY"));
  await new Promise((resolve) => setTimeout(resolve, 1000));
  process.kill(required(lvmProcesses(process.pid)[0]), "SIGKILL");
  await expect(waiting).rejects.toMatchObject(refusal("EPIPE"));
  await lvm.exited;
  await expect(lvm.execute("vgs")).rejects.toMatchObject(refusal("EPIPE"));
  holder.kill();
  const next = await lab.host.lvm.start(CONFIGURATION);
  expect(verdict(await execute(next, "lvs hostlvm"))).toMatchObject({ log_ret_code: "1" });
  await next.end();
  expect(privateDirectories()).toEqual([]);
});

test("it ends by itself when the driver is killed", async () => {
  const source = new URL("../../src/host/create-host.ts", import.meta.url);
  const program = `
    const { createHost } = await import(${JSON.stringify(source)});
    const { host } = await createHost({ kubeletDirectory: ${JSON.stringify(lab.kubelet)} });
    const lvm = await host.lvm.start(${JSON.stringify(CONFIGURATION)});
    await lvm.execute("vgs");
    console.log("ready");
    await lvm.exited;
  `;
  const driver = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  await new Promise((resolve) => driver.stdout.once("data", resolve));
  const pid = required(lvmProcesses(required(driver.pid))[0]);
  driver.kill("SIGKILL");
  for (let tries = 0; tries < 100 && existsSync(`/proc/${pid}`); tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(existsSync(`/proc/${pid}`)).toBe(false);
});
