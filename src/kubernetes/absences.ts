/** So many nodes that left are remembered; of those that left before, the time of the first list counts. */
const remembered = 10_000;

/** Since when nodes have been missing in the watch. Times are milliseconds of a clock that only goes on. */
export class Absences {
  readonly #left = new Map<string, number>();
  readonly #now: () => number;
  #synced: number | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** The first list is there: what is not in it has been missing since now at the latest. */
  synced(): void {
    this.#synced ??= this.#now();
  }

  left(topologyValue: string): void {
    // again at the end: the oldest comes first
    this.#left.delete(topologyValue);
    this.#left.set(topologyValue, this.#now());
    const [oldest] = this.#left.keys();
    if (this.#left.size > remembered && oldest !== undefined) this.#left.delete(oldest);
  }

  /** For how long a node that is not in the watch has been missing, as far as this process can tell. */
  duration(topologyValue: string): number {
    const since = this.#left.get(topologyValue) ?? this.#synced;
    return since === undefined ? 0 : this.#now() - since;
  }
}
