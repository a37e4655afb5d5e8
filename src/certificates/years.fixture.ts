import type { Log } from "../log.ts";
import { Keeper } from "./keeper.ts";
import { type Data, MemoryStore, places } from "./memory-store.fixture.ts";
import type { SecretPlace, SecretStore, StoredSecret } from "./secrets.ts";

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
export const day = 24 * hour;

/** What one side's Secret held, from when until when (milliseconds since 1970). */
export interface Version {
  readonly data: Data;
  readonly from: number;
  to: number;
}

interface Turn {
  readonly at: number;
  readonly take: () => void;
}

/**
 * Two replicas over simulated years. Each read, write and wait of one is a turn of its own, seconds to days after its
 * last, so the other's fall between; and at any turn it may be killed, before or after what it did was done.
 */
export class Years {
  readonly versions: Record<"controller" | "node", Version[]> = { controller: [], node: [] };
  readonly #store = new MemoryStore();
  readonly #turns: Turn[] = [];
  readonly #random: () => number;
  #now: number;
  kills = 0;
  /** Writes that came too late. */
  conflicts = 0;
  /** Settled when the replica whose turn it was has come to its next wait. */
  #parked = Promise.withResolvers<void>();

  constructor(seed: number, start: number) {
    this.#random = randomNumbers(seed);
    this.#now = start;
  }

  get now(): number {
    return this.#now;
  }

  /** Brings the Secrets in order without anybody in the way, and lets time pass until all have heard of it. */
  async settle(ms: number): Promise<void> {
    this.#now += ms;
    const store = this.#storeOf(() => Promise.resolve());
    await new Keeper({ store, places, log: silent, now: () => new Date(this.#now) }).check();
    this.#now += 11 * minute;
  }

  /** @param each called after each turn */
  async run(until: number, each: () => void = () => undefined): Promise<void> {
    for (const delay of [0, second]) this.#start(this.#now + delay);
    for (;;) {
      this.#turns.sort((one, other) => other.at - one.at);
      const turn = this.#turns.pop();
      if (turn === undefined || turn.at > until) break;
      this.#now = turn.at;
      this.#parked = Promise.withResolvers();
      turn.take();
      await this.#parked.promise;
      each();
    }
    this.#now = until;
  }

  /** Any two that controller and node may hold now: what their Secrets held within the last ten minutes. */
  pairs(): readonly (readonly [Version, Version])[] {
    return this.#held("controller").flatMap((controller) =>
      this.#held("node").map((node) => [controller, node] as const),
    );
  }

  #held(side: "controller" | "node"): readonly Version[] {
    return this.versions[side].filter(({ from, to }) => from <= this.#now && to >= this.#now - 10 * minute);
  }

  #start(at: number): void {
    this.#turns.push({ at, take: () => void this.#replica() });
  }

  async #replica(): Promise<void> {
    // clocks of two machines differ by some seconds
    const skew = (this.#random() - 0.5) * minute;
    const now = (): Date => new Date(this.#now + skew);
    const keeper = new Keeper({ store: this.#storeOf(() => this.#turn()), places, log: silent, now });
    for (;;) {
      const due = await keeper.check();
      await this.#turn(this.#random() < 0.5 ? Math.max(due.getTime() - this.#now, second) : day);
    }
  }

  #storeOf(turn: () => Promise<void>): SecretStore {
    return {
      read: async (place: SecretPlace): Promise<StoredSecret | undefined> => {
        await turn();
        const secret = await this.#store.read(place);
        return secret && { data: secret.data, replace: (data) => this.#replace(place.name, secret, data, turn) };
      },
    };
  }

  async #replace(name: string, secret: StoredSecret, data: Data, turn: () => Promise<void>): Promise<boolean> {
    await turn();
    const written = await secret.replace(data);
    if (!written) this.conflicts += 1;
    if (written && (name === "controller" || name === "node")) this.#note(name, data);
    await turn();
    return written;
  }

  #note(side: "controller" | "node", data: Data): void {
    const last = this.versions[side].at(-1);
    if (last !== undefined) last.to = this.#now;
    this.versions[side].push({ data, from: this.#now, to: Number.POSITIVE_INFINITY });
  }

  /** Waits for the next turn, or is killed there: then another one starts in its place, and this one stays here. */
  #turn(waitMs = this.#delay()): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#random() < 0.02) {
      this.kills += 1;
      this.#start(this.#now + this.#random() ** 4 * 10 * day);
    } else {
      this.#turns.push({ at: this.#now + waitMs, take: resolve });
    }
    this.#parked.resolve();
    return promise;
  }

  /** Mostly part of a second; at times a machine that stands still for minutes or days. */
  #delay(): number {
    const dice = this.#random();
    if (dice < 0.02) return this.#random() * 5 * day;
    return dice < 0.1 ? this.#random() * 20 * minute : this.#random() * second;
  }
}

const nothing = (): void => undefined;
const silent: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** The same numbers for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = Math.trunc(state + 0x6d2b79f5);
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
