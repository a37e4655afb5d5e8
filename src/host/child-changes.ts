import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";

/** A signal is lost where nobody listens just then; it is looked at the children so often besides, in milliseconds. */
const LOOK_MILLISECONDS = 500;

/** Tells all who wait that some child of this process may have ended (SIGCHLD, signal(7)). */
export class ChildChanges {
  #next: Promise<void> | undefined;

  /** Resolves at the next one. While it is waited for, the process does not end. */
  next(): Promise<void> {
    this.#next ??= this.#wait().finally(() => {
      this.#next = undefined;
    });
    return this.#next;
  }

  async #wait(): Promise<void> {
    const over = new AbortController();
    const { signal } = over;
    const ways = [once(process, "SIGCHLD", { signal }), pause(LOOK_MILLISECONDS, undefined, { signal })];
    await Promise.race(ways).finally(() => over.abort());
  }
}
