import { readFile } from "node:fs/promises";

/** A process's memory in bytes, what it shares with others shared out among them (proc(5), smaps_rollup, Pss). */
export async function proportionalBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8");
  const kibibytes = /^Pss:\s+(\d+) kB$/m.exec(text)?.[1];
  if (kibibytes === undefined) throw new Error(`/proc/${pid}/smaps_rollup tells no PSS`);
  return Number(kibibytes) * 1024;
}
