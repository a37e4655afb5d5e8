import { type AddressRange, ownMappings, unchangedMappings } from "./program-mappings.ts";
import { dropPages } from "./system-calls.ts";

/**
 * Takes the pages of the program and its libraries out of this process. Most of what the start touches of Node.js
 * (40 MiB) is never needed again; what is comes back by itself when it is touched (madvise(2), MADV_DONTNEED:
 * "repopulating the memory contents from the up-to-date contents of the underlying mapped file"). The page cache keeps
 * them until the kernel wants the room. A kernel that does not tell what was changed (CONFIG_PROC_PAGE_MONITOR) leaves
 * them where they are.
 * @param lasting `fileMappings` from before any thread was started. Only they are touched: V8 maps a part of the program
 * once more for a thread with a large heap, and when that thread ends, its address may be given to somebody's memory.
 */
export function releaseProgramPages(lasting: readonly AddressRange[]): void {
  const ends = new Map(lasting.map(({ start, end }) => [start, end]));
  for (const { start, end } of unchangedMappings(ownMappings("smaps"))) {
    if (ends.get(start) === end) dropPages(start, end - start);
  }
}
