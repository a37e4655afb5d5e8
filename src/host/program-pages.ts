import { readFileSync } from "node:fs";
import { dropPages } from "./system-calls.ts";

interface AddressRange {
  readonly start: number;
  /** The first address behind it. */
  readonly end: number;
}

/**
 * Takes the pages of the program and its libraries out of this process, without dropping them from the page cache. Most
 * of what the start touches of Node.js (40 MiB) is never needed again; what is comes back by itself when it is touched
 * (madvise(2), MADV_DONTNEED: "repopulating the memory contents from the up-to-date contents of the underlying mapped
 * file"). A kernel that does not tell what was changed (CONFIG_PROC_PAGE_MONITOR) leaves them where they are.
 */
export function releaseProgramPages(): void {
  for (const { start, end } of unchangedFiles(ownMappings())) {
    dropPages(start, end - start);
  }
}

function ownMappings(): string {
  try {
    return readFileSync("/proc/self/smaps", "utf8");
  } catch {
    return "";
  }
}

/**
 * The mappings of files that nobody may write to and of which no page was changed before that was so, as the dynamic
 * linker changes some: those would be lost.
 * @param smaps what proc(5) tells of each mapping in /proc/PID/smaps
 */
export function unchangedFiles(smaps: string): AddressRange[] {
  const mappings = smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  return mappings.flatMap((mapping) => {
    const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* +\//.exec(mapping) ?? [];
    const unchanged = /^Anonymous: +0 kB$/m.test(mapping) && /^Swap: +0 kB$/m.test(mapping);
    return start !== undefined && end !== undefined && unchanged
      ? [{ start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) }]
      : [];
  });
}
