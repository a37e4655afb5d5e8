import type { Readable } from "node:stream";

/** Reads a stream to its end and remembers the last `limit` bytes, so that its writer is never held up. */
export function collectTail(stream: Readable, limit: number): { text(): string } {
  let kept = Buffer.alloc(0);
  stream.on("data", (chunk: Buffer) => {
    kept = Buffer.concat([kept, chunk]).subarray(-limit);
  });
  // A pipe that breaks has no more to say; how the program ended is told by its exit status.
  stream.on("error", () => {});
  return { text: () => kept.toString("utf8") };
}
