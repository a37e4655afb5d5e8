import { LvmError } from "../errors.ts";
import { mostRemovals, removeArguments } from "./arguments.ts";
import { failureOf, failureOfVolume } from "./failure.ts";
import type { GroupCommands } from "./group-commands.ts";
import type { VolumeGroupState } from "./model.ts";
import type { Queue } from "./queue.ts";
import type { Verdict } from "./verdict.ts";

type Waiting = ReadonlyMap<string, PromiseWithResolvers<void>>;

/** Gathers the removals that wait for their turn, so that many volumes go in one commit. */
export class Removals {
  readonly #commands: GroupCommands;
  readonly #queue: Queue;
  readonly #waiting = new Map<string, PromiseWithResolvers<void>>();

  constructor(commands: GroupCommands, queue: Queue) {
    this.#commands = commands;
    this.#queue = queue;
  }

  /** Resolves when the volume is gone for good. @throws LvmError of this volume alone, volumeInUse if it has snapshots */
  remove(name: string): Promise<void> {
    const waiting = this.#waiting.get(name) ?? Promise.withResolvers<void>();
    if (this.#waiting.size === 0) this.#schedule();
    this.#waiting.set(name, waiting);
    return waiting.promise;
  }

  #schedule(): void {
    void this.#queue.run(() => this.#removeWaiting());
  }

  async #removeWaiting(): Promise<void> {
    const batch = new Map([...this.#waiting].slice(0, mostRemovals));
    for (const name of batch.keys()) this.#waiting.delete(name);
    if (this.#waiting.size > 0) this.#schedule();
    try {
      await this.#removeAll(batch);
    } catch (error) {
      for (const { reject } of batch.values()) reject(error);
    }
  }

  /** LVM removes none of the volumes when one of them is in use, so that one is told and the others are tried again. */
  async #removeAll(batch: Waiting): Promise<void> {
    const before = await this.#commands.read();
    let names = [...batch.keys()];
    while (names.length > 0) {
      const verdict = await this.#send(names);
      const after = await this.#commands.read();
      const undecided = names.filter((name) => !settle(batch, name, outcomeOf(name, verdict, { before, after })));
      if (undecided.length === names.length) return this.#removeEach(batch, undecided);
      names = undecided;
    }
  }

  /** LVM named none of them: each is told what LVM says of it alone. */
  async #removeEach(batch: Waiting, names: readonly string[]): Promise<void> {
    for (const name of names) {
      const before = await this.#commands.read();
      const verdict = await this.#send([name]);
      const after = await this.#commands.read();
      settle(batch, name, outcomeOf(name, verdict, { before, after }) ?? failureOf("lvremove", verdict));
    }
  }

  #send(names: readonly string[]): Promise<Verdict> {
    return this.#commands.change((state) => removeArguments(state.name, names));
  }
}

type Outcome = "removed" | Error | undefined;

interface Around {
  readonly before: VolumeGroupState;
  readonly after: VolumeGroupState;
}

function outcomeOf(name: string, verdict: Verdict, { before, after }: Around): Outcome {
  const left = after.logicalVolumes.get(name);
  if (left === undefined && (verdict.succeeded || before.logicalVolumes.has(name))) return "removed";
  if (left === undefined || !verdict.succeeded) return failureOfVolume("lvremove", verdict, name);
  const others = left.dependents.join(", ");
  return new LvmError("volumeInUse", `${after.name}/${name} is left: other logical volumes rest on it (${others})`);
}

/** Tells those who wait for the volume; false while its outcome is undecided. */
function settle(batch: Waiting, name: string, outcome: Outcome): boolean {
  if (outcome === "removed") batch.get(name)?.resolve();
  else if (outcome !== undefined) batch.get(name)?.reject(outcome);
  return outcome !== undefined;
}
