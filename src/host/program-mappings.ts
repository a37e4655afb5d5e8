import { readFileSync } from "node:fs";

/** What lies between two addresses of this process. */
export interface AddressRange {
  readonly start: number;
  /** The first address behind it. */
  readonly end: number;
}

/** What proc(5) tells of this process there; nothing where the kernel does not tell it. */
export function ownMappings(file: "maps" | "smaps"): string {
  try {
    return readFileSync(`/proc/self/${file}`, "utf8");
  } catch {
    return "";
  }
}

/**
 * The mappings of files that can be read and not written to: of the program and its libraries, as a rule.
 * @param maps what proc(5) tells of the process in /proc/PID/maps or /proc/PID/smaps
 */
export function fileMappings(maps: string): readonly AddressRange[] {
  return maps.split("\n").flatMap((line) => rangeOf(line) ?? []);
}

/**
 * Those of them of which no page was changed before that was forbidden, as the dynamic linker changes some.
 * @param smaps as in /proc/PID/smaps
 */
export function unchangedMappings(smaps: string): readonly AddressRange[] {
  return smaps.split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m).flatMap((mapping) => {
    const unchanged = /^Anonymous: +0 kB$/m.test(mapping) && /^Swap: +0 kB$/m.test(mapping);
    return unchanged ? fileMappings(mapping) : [];
  });
}

function rangeOf(line: string): AddressRange | undefined {
  const [, start, end] = /^([0-9a-f]+)-([0-9a-f]+) r-[x-]p \S+ \S+ [1-9]\d* +\//.exec(line) ?? [];
  if (start === undefined || end === undefined) return undefined;
  return { start: Number.parseInt(start, 16), end: Number.parseInt(end, 16) };
}
