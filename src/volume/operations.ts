import { VolumeError } from "../errors.ts";
import { type Limit, answerInTime } from "./deadline.ts";

/** How far a long operation is, for the answers of callers that cannot wait for it. */
export interface Progress {
  /** "zeroing 43 %" */
  text: string;
}

/** What an operation is given to work with. */
export interface Work {
  readonly progress: Progress;
  /** Aborts when another operation asked this one to make way, or the driver is to end. */
  readonly signal: AbortSignal;
}

export interface Operation<Result> {
  /** The volume: one operation at a time. */
  readonly key: string;
  /** What is asked, with all its arguments: the same again joins the one under way. */
  readonly request: string;
  /** When the caller gives up, in milliseconds since the epoch; undefined if never. */
  readonly deadline: number | undefined;
  /** Operations whose request begins with this are told to make way, and waited for. */
  readonly interrupts?: string;
  /** Waits for whatever is under way, for as long as this signal does not abort. */
  readonly patience?: AbortSignal;
  readonly work: (work: Work) => Promise<Result>;
}

interface Running {
  readonly request: string;
  readonly progress: Progress;
  readonly abort: AbortController;
  readonly result: Promise<unknown>;
}

/** An answer is sent this long before the caller's deadline, so that it arrives. */
const answerAheadMs = 1000;

/**
 * The operations under way, one for each volume. A repeated request waits for the one that it repeats; another request
 * for the same volume is aborted, which callers answer by trying again (CSI specification, "Concurrency").
 */
export class Operations {
  readonly #running = new Map<string, Running>();
  #ending = false;

  /**
   * Runs the operation, or joins it. The work goes on when its caller has left.
   * @throws VolumeError aborted if the volume is busy with something else, or when the deadline comes near.
   */
  async run<Result>(operation: Operation<Result>): Promise<Result> {
    const busy = this.#running.get(operation.key);
    if (busy === undefined) {
      const started = this.#start(operation);
      return answerInTime(started.result, beforeDeadline(started, operation.deadline));
    }
    if (busy.request === operation.request) {
      // The same request's result is of the same type.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      return answerInTime(busy.result, beforeDeadline(busy, operation.deadline)) as Promise<Result>;
    }
    await this.#makeWay(busy, operation);
    return this.run(operation);
  }

  async #makeWay(busy: Running, { patience, interrupts, deadline }: Operation<unknown>): Promise<void> {
    if (patience !== undefined) return settled(busy.result, patience);
    if (interrupts === undefined || !busy.request.startsWith(interrupts)) throw busyError(busy);
    busy.abort.abort();
    await answerInTime(
      busy.result.catch(() => undefined),
      beforeDeadline(busy, deadline),
    );
  }

  /** Whether an operation whose request begins with this is under way. */
  isRunning(key: string, request: string): boolean {
    return this.#running.get(key)?.request.startsWith(request) === true;
  }

  /** Whether nothing is under way. */
  get idle(): boolean {
    return this.#running.size === 0;
  }

  /** Whether no new ones are taken. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /** How many are under way. */
  get count(): number {
    return this.#running.size;
  }

  /** Takes no new operations, tells long ones to stop at their next step, and waits for all of them. */
  async end(): Promise<void> {
    this.#ending = true;
    for (const { abort } of this.#running.values()) abort.abort();
    await Promise.allSettled([...this.#running.values()].map(({ result }) => result));
  }

  #start<Result>({ key, request, work }: Operation<Result>): Running & { readonly result: Promise<Result> } {
    if (this.#ending) throw new VolumeError("unavailable", "the driver is ending; try again when it runs again");
    const progress = { text: "under way" };
    const abort = new AbortController();
    const result = Promise.try(work, { progress, signal: abort.signal }).finally(() => this.#running.delete(key));
    // Its callers may all have left by the time it fails; the failure is told to whoever asks next.
    result.catch(() => undefined);
    const running = { request, progress, abort, result };
    this.#running.set(key, running);
    return running;
  }
}

function beforeDeadline(running: Pick<Running, "request" | "progress">, deadline: number | undefined): Limit {
  return { deadline, aheadMs: answerAheadMs, late: () => busyError(running) };
}

/** Waits until a promise is settled, whichever way; rejects when the signal aborts first. */
async function settled(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(new VolumeError("aborted", "another call made this one give way; try again"));
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  await Promise.race([promise.catch(() => undefined), aborted]).finally(() =>
    signal.removeEventListener("abort", stop),
  );
}

function busyError({ request, progress }: Pick<Running, "request" | "progress">): VolumeError {
  const what = request.split(" ", 1)[0];
  return new VolumeError("aborted", `${what} of this volume goes on (${progress.text}); try again to wait for it`);
}
