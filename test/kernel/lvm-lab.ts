import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHost } from "../../src/host/create-host.ts";
import type { Host, LvmProcess } from "../../src/host/host.ts";
import type { Log } from "../../src/log.ts";
import { readVerdict } from "../../src/lvm/verdict.ts";
import { VolumeGroup } from "../../src/lvm/volume-group.ts";

export const lockDirectory = process.env["LAB_LOCK_DIRECTORY"] ?? "/run/lock/lvm";

export const silent: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

/** Loop devices, and an LVM of somebody else's that sees all of them. */
export interface Lab {
  readonly host: Host;
  /** What was sent to LVM by the driver's processes. */
  readonly sent: readonly string[];
  readonly processes: readonly LvmProcess[];
  /** Makes a blank disk; returns its node. */
  attach(): string;
  /** Takes the disk away, as a pulled plug would; returns what `reattach` takes. */
  detach(node: string): string;
  /** Brings it back under another name. */
  reattach(file: string): string;
  /** Gives a command to an LVM that is not the driver's; returns the rows that it reports. @throws Error if it fails */
  foreign(line: string): Promise<readonly ReportRow[]>;
  /** Runs a program beside that LVM, with its configuration, and returns its output. */
  run(file: string, ...args: readonly string[]): string;
  group(name: string): VolumeGroup;
  close(): Promise<void>;
}

export interface ReportRow {
  readonly [column: string]: string;
}

export async function openLab(): Promise<Lab> {
  const directory = mkdtempSync(join(tmpdir(), "lvm-lab-"));
  writeFileSync(join(directory, "lvm.conf"), foreignConfiguration);
  const { host, close } = await createHost({ kubeletDirectory: directory });
  const other = await host.lvm.start(foreignConfiguration);
  const sent: string[] = [];
  const processes: LvmProcess[] = [];
  const nodes = new Set<string>();
  const files = new Map<string, string>();
  const groups: VolumeGroup[] = [];
  const run = (file: string, ...args: readonly string[]): string =>
    execFileSync(file, args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, LC_ALL: "C", LVM_SYSTEM_DIR: directory, LVM_SUPPRESS_FD_WARNINGS: "1" },
    });
  const reattach = (file: string): string => {
    const node = run("losetup", "--find", "--show", file).trim();
    nodes.add(node);
    files.set(node, file);
    return node;
  };
  const detach = (node: string): string => {
    run("losetup", "--detach", node);
    nodes.delete(node);
    return files.get(node) ?? "";
  };
  return {
    host: { ...host, lvm: recorded(host, sent, processes) },
    sent,
    processes,
    run,
    foreign: async (line) => rowsOf(line, await other.execute(line)),
    reattach,
    detach,
    attach() {
      const file = join(directory, `disk${files.size}`);
      writeFileSync(file, "");
      truncateSync(file, 256 * 1024 * 1024);
      return reattach(file);
    },
    group(name) {
      const group = new VolumeGroup({
        name,
        devices: host.devices,
        lvm: recorded(host, sent, processes),
        lockDirectory,
        excludedDirectory: join(directory, "kubelet"),
        log: silent,
      });
      groups.push(group);
      return group;
    },
    async close() {
      await Promise.all(groups.map((group) => group.close()));
      await other.end();
      await close();
      for (const line of run("dmsetup", "ls").split("\n").toReversed()) {
        const name = line.split("\t")[0] ?? "";
        if (name.startsWith("lab")) run("dmsetup", "remove", "--force", name);
      }
      for (const node of nodes) run("losetup", "--detach", node);
      rmSync(directory, { recursive: true });
    },
  };
}

function rowsOf(line: string, answer: unknown): readonly ReportRow[] {
  const verdict = readVerdict(answer, line.split(" ")[0] ?? "");
  if (verdict?.succeeded !== true) {
    throw new Error(`${line}: ${verdict?.rows.map((row) => row.message).join("; ") ?? "no verdict"}`);
  }
  // The one shape that lvmreport(7) describes; a test that meets another fails where it uses the rows.
  const { report = [] } = answer as { report?: readonly Readonly<Record<string, readonly ReportRow[]>>[] };
  return report.flatMap((section) => Object.values(section).flat());
}

function recorded(host: Host, sent: string[], processes: LvmProcess[]): Host["lvm"] {
  return {
    async start(configuration) {
      const lvm = await host.lvm.start(configuration);
      processes.push(lvm);
      return {
        ...lvm,
        execute: (line) => {
          sent.push(line);
          return lvm.execute(line);
        },
      };
    },
  };
}

const foreignConfiguration = `
activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 }
devices {
  global_filter=[ "a|^/dev/loop|", "r|.*|" ]
  obtain_device_list_from_udev=0 use_devicesfile=0 external_device_info_source="none" hints="none"
}
global { use_aio=0 use_lvmpolld=0 locking_dir="${lockDirectory}" }
backup { backup=0 archive=0 }
log { report_command_log=1 command_log_selection="all" }
report { output_format="json" }
`;
