import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { type Action, type Entry, type Expectations, after } from "./expected.ts";

/**
 * What was begun and what was acknowledged, in a file outside the kernel whose power is cut. Each entry is on the
 * machine's own disk before the action that it announces begins, and an acknowledgement is written only when the
 * driver, or fsync(2), has answered: so nothing that it tells of can be newer than the guest's disks.
 */
export class Journal {
  readonly #descriptor: number;
  readonly #onAcknowledged: () => void;
  #expectations: Expectations;

  /** Goes on with the file, which is made if it is missing. */
  constructor(file: string, onAcknowledged: () => void) {
    this.#onAcknowledged = onAcknowledged;
    const entries = readEntries(file);
    this.#expectations = entries.reduce(after, new Map());
    this.#descriptor = openSync(file, "a+");
    // an entry that the power cut tore announces nothing: its fsync had not returned
    ftruncateSync(this.#descriptor, Buffer.byteLength(entries.map(lineOf).join("")));
  }

  get expectations(): Expectations {
    return this.#expectations;
  }

  /** Announces the action, carries it out, and notes that it was acknowledged. */
  async perform<Result>(action: Action, work: () => Promise<Result>): Promise<Result> {
    this.#append({ ...action, done: false });
    const result = await work();
    this.#append({ ...action, done: true });
    this.#onAcknowledged();
    return result;
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #append(entry: Entry): void {
    writeSync(this.#descriptor, lineOf(entry));
    fsyncSync(this.#descriptor);
    this.#expectations = after(this.#expectations, entry);
  }
}

/** How many actions of each kind were acknowledged. */
export function countAcknowledged(file: string): Readonly<Record<Action["action"], number>> {
  const counts = { create: 0, write: 0, expand: 0, delete: 0 };
  for (const { action, done } of readEntries(file)) counts[action] += done ? 1 : 0;
  return counts;
}

function readEntries(file: string): readonly Entry[] {
  const text = readFileSync(file, { encoding: "utf8", flag: "a+" });
  const lines = text.split("\n").slice(0, -1);
  // the file is this program's own
  return lines.map((line) => JSON.parse(line) as Entry);
}

function lineOf(entry: Entry): string {
  return `${JSON.stringify(entry)}\n`;
}
