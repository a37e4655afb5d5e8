import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { MountEntry } from "./host.ts";

const MOUNT_TABLE = "/proc/self/mountinfo";
const MAXIMUM_READS = 5;

/** The text that was read last, and what it says: with hundreds of mounts taking it apart costs more than reading it. */
let last: { readonly text: string; readonly table: readonly MountEntry[] } = { text: "", table: [] };
let readAt = Number.NEGATIVE_INFINITY;

/**
 * Reads the mounts of this process's namespace. The kernel gives the table out in pieces; before Linux 5.8 a mount that
 * ended meanwhile could hide another one, so what was read counts only when it is read twice.
 * @param ageMs what was read at most so many milliseconds ago will do
 */
export function readMountTable(ageMs = 0): readonly MountEntry[] {
  const now = performance.now();
  if (now - readAt < ageMs) return last.table;
  const text = mayHideMounts(release()) ? readTwice() : readFileSync(MOUNT_TABLE, "utf8");
  if (text !== last.text) last = { text, table: parseMountTable(text) };
  readAt = now;
  return last.table;
}

/** What was read will no longer do: a mount was made or ended here. Its id is the next one's (fs/namespace.c). */
export function forgetMountTable(): void {
  readAt = Number.NEGATIVE_INFINITY;
}

/** Whether that is a Linux before 5.8, as uname(2) tells it: "4.18.0-553.el8.x86_64". */
export function mayHideMounts(kernelRelease: string): boolean {
  const [major = 0, minor = 0] = kernelRelease.split(".").map((part) => Number.parseInt(part, 10));
  return !(major > 5 || (major === 5 && minor >= 8));
}

function readTwice(): string {
  let text = readFileSync(MOUNT_TABLE, "utf8");
  for (let reads = 1; reads < MAXIMUM_READS; reads += 1) {
    const again = readFileSync(MOUNT_TABLE, "utf8");
    if (again === text) {
      break;
    }
    text = again;
  }
  return text;
}

/** @throws Error for a line that is not as proc_pid_mountinfo(5) says. */
export function parseMountTable(text: string): readonly MountEntry[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map(parseLine);
}

/** `36 35 98:0 /root /target rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue`; fields 7... are optional. */
function parseLine(line: string): MountEntry {
  const fields = line.split(" ");
  const separator = fields.indexOf("-", 6);
  const [id, , number, root, target, options] = fields;
  const [type, source, superOptions] = separator < 0 ? [] : fields.slice(separator + 1);
  if (
    number === undefined ||
    root === undefined ||
    target === undefined ||
    options === undefined ||
    type === undefined ||
    source === undefined ||
    superOptions === undefined
  ) {
    throw new Error(`a line of the mount table that cannot be understood: ${line}`);
  }
  return {
    id: Number(id),
    number,
    root: unescape(root),
    target: unescape(target),
    options: options.split(","),
    type: unescape(type),
    source: unescape(source),
    superOptions: superOptions.split(",").map(unescape),
  };
}

/** Space, tab, newline and backslash are written as three octal digits; bytes of one character can be, too. */
function unescape(text: string): string {
  if (!text.includes("\\")) {
    return text;
  }
  const bytes = Buffer.from(text, "utf8").toString("latin1");
  const plain = bytes.replaceAll(/\\([0-3][0-7]{2})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
  return Buffer.from(plain, "latin1").toString("utf8");
}
