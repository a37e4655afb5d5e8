import { setTimeout } from "node:timers/promises";
import type { V1ListMeta, V1ObjectMeta, Watch } from "@kubernetes/client-node";
import type { Log } from "../log.ts";
import { describeFailure, refusalOf } from "./failure.ts";

/** Objects of one kind, such as the nodes of a cluster, and what is kept of each. */
export interface MirrorOptions<Object extends Named, Kept> {
  /** For the log: "nodes". */
  readonly what: string;
  readonly watch: Watch;
  /** Of the collection in the API: "/api/v1/nodes". */
  readonly path: string;
  readonly labelSelector: string | undefined;
  /** Reads one page; `from` is where the last one said that it goes on. */
  readonly list: (from: string | undefined) => Promise<Page<Object>>;
  /** What is kept of an object; undefined if nothing. The rest is forgotten at once. */
  readonly keep: (object: Object) => Kept | undefined;
  /** Told once, when the first list is there. */
  readonly onListed?: () => void;
  /** Told of each object that is there no more, with what was kept of it. */
  readonly onGone?: (name: string, kept: Kept | undefined) => void;
  readonly log: Log;
  /** Pause before the second attempt in a row, in milliseconds; it doubles from there up to 30 s. */
  readonly pauseMs: number;
}

interface Named {
  readonly metadata?: V1ObjectMeta;
}

interface Page<Object> {
  readonly metadata?: V1ListMeta;
  readonly items: readonly Object[];
}

/** Of a Status, which comes in a watch instead of an object where it failed. */
interface MaybeStatus {
  readonly code?: number;
}

const longestPauseMs = 30_000;

/** A watch that lived so long was a good one, and is asked for again at once. */
const goodWatchMs = 10_000;

/**
 * A copy of objects in the cluster, kept current by a list and a watch after it, for as long as it is open. Where the
 * watch ends, the next goes on from there; where the API server cannot go on from there (410 Gone), or says anything
 * else, the list is read again. Kubernetes API concepts, "Efficient detection of changes".
 */
export class Mirror<Object extends Named, Kept> {
  readonly #options: MirrorOptions<Object, Kept>;
  #kept = new Map<string, Kept>();
  #isSynced = false;
  /** Up to which the copy is current; undefined if it has to be listed. */
  #version: string | undefined;
  #failures = 0;
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: MirrorOptions<Object, Kept>) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** By the objects' names. */
  get kept(): ReadonlyMap<string, Kept> {
    return this.#kept;
  }

  /** Whether the first list has been read. */
  get isSynced(): boolean {
    return this.#isSynced;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list();
        await this.#follow();
      } catch (error) {
        this.#failed(error);
      }
      await this.#pause();
    }
  }

  async #list(): Promise<void> {
    const { kept, version } = await this.#readAll();
    if (this.#closing.signal.aborted) return;
    for (const [name, before] of this.#kept) if (!kept.has(name)) this.#options.onGone?.(name, before);
    this.#kept = kept;
    this.#version = version;
    if (!this.#isSynced) this.#listed();
  }

  async #readAll(): Promise<{ kept: Map<string, Kept>; version: string | undefined }> {
    const kept = new Map<string, Kept>();
    let from: string | undefined;
    let version: string | undefined;
    do {
      const { items, metadata } = await this.#options.list(from);
      for (const object of items) this.#put(kept, object);
      from = metadata?._continue;
      version = metadata?.resourceVersion;
    } while (from);
    return { kept, version };
  }

  #listed(): void {
    const { onListed, log, what } = this.#options;
    this.#isSynced = true;
    onListed?.();
    log.info({ count: this.#kept.size }, `${what}: listed`);
  }

  /** Takes in what the watch says until it ends. */
  async #follow(): Promise<void> {
    const began = performance.now();
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>();
    const over = new AbortController();
    const closed = (): void => end(undefined);
    this.#closing.signal.addEventListener("abort", closed);
    try {
      // nobody has to wait for an API server that does not answer
      await Promise.race([this.#open(end, over.signal), ended]);
      const failure = await ended;
      if (performance.now() - began > goodWatchMs) this.#failures = 0;
      if (failure) throw failure;
    } finally {
      this.#closing.signal.removeEventListener("abort", closed);
      over.abort();
    }
  }

  /** @param over once it says so, nothing more is taken: what is still on its way comes again in the next watch */
  async #open(end: (failure: unknown) => void, over: AbortSignal): Promise<void> {
    const { watch, path, labelSelector } = this.#options;
    const query = { resourceVersion: this.#version, labelSelector, allowWatchBookmarks: true };
    const take = (type: string, object: Object & MaybeStatus): void => {
      const failure = over.aborted ? undefined : this.#take(type, object);
      if (failure !== undefined) end(failure);
    };
    const request = await watch.watch(path, query, take, end);
    if (over.aborted) request.abort();
    else over.addEventListener("abort", () => request.abort());
  }

  /**
   * Never throws: the watch would swallow it.
   * @returns why the watch is of no use any more
   */
  #take(type: string, object: Object & MaybeStatus): WatchRefused | undefined {
    const { resourceVersion, name } = object.metadata ?? {};
    if (type === "ERROR" || resourceVersion === undefined) {
      return new WatchRefused(`the watch ended with ${object.code ?? "a line that is no object"}`);
    }
    this.#version = resourceVersion;
    this.#failures = 0;
    if (type === "ADDED" || type === "MODIFIED") this.#put(this.#kept, object);
    if (type === "DELETED" && name !== undefined) this.#remove(name);
    return undefined;
  }

  #put(kept: Map<string, Kept>, object: Object): void {
    const name = object.metadata?.name;
    const what = this.#options.keep(object);
    if (name === undefined) return;
    if (what === undefined) kept.delete(name);
    else kept.set(name, what);
  }

  #remove(name: string): void {
    const before = this.#kept.get(name);
    this.#kept.delete(name);
    this.#options.onGone?.(name, before);
  }

  #failed(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    // a connection that was cut or fell silent is no reason to read everything again
    if (isRefusal(error)) this.#version = undefined;
    const { log, what } = this.#options;
    const fields = { reason: describeFailure(error), attempts: this.#failures + 1 };
    if (this.#failures === 0) log.debug(fields, `${what}: asked for again`);
    else log.warn(fields, `${what}: what is known of them may be out of date`);
  }

  /** The first time none; then longer and longer, and never as long as another controller's. */
  async #pause(): Promise<void> {
    const { pauseMs } = this.#options;
    const longest = Math.min(pauseMs * 2 ** Math.min(this.#failures - 1, 20), longestPauseMs);
    this.#failures += 1;
    if (this.#failures === 1) return;
    const { signal } = this.#closing;
    await setTimeout(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
  }
}

/** The API server ended the watch for a reason of its own. */
class WatchRefused extends Error {
  override readonly name = "WatchRefused";
}

/** The watch's errors carry the HTTP status, if there is one, as `statusCode`. */
function isRefusal(error: unknown): boolean {
  if (error instanceof WatchRefused || refusalOf(error) !== undefined) return true;
  return error instanceof Error && "statusCode" in error;
}
