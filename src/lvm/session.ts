import { LvmError, SystemError } from "../errors.ts";
import type { LvmLauncher, LvmProcess } from "../host/host.ts";
import type { Log } from "../log.ts";
import { withoutUuids } from "./failure.ts";
import { type Verdict, readVerdict } from "./verdict.ts";

/** It holds 21 MiB after its first change: what has nothing to do goes. */
const idleMilliseconds = 60_000;
/** Above this, something in it grows (one process in eight did, to 103 MiB). */
const mostBytes = 48 * 1024 * 1024;

/** A command that LVM was given. */
export interface EndedCommand {
  /** "lvcreate" */
  readonly command: string;
  /** "unknown": LVM gave no verdict on it. */
  readonly outcome: "succeeded" | "failed" | "unknown";
  readonly seconds: number;
}

/** Is told of each command, to count it. */
export type CommandObserver = (command: EndedCommand) => void;

interface Running {
  readonly process: LvmProcess;
  readonly configuration: string;
}

/** A long-lived `lvm`, started when a command needs it. The caller sends one command at a time. */
export class Session {
  readonly #launcher: LvmLauncher;
  readonly #log: Log;
  readonly #observe: CommandObserver;
  #running: Running | undefined;
  #idle: NodeJS.Timeout | undefined;
  /** Ends of processes that get no command any more. */
  readonly #left = new Set<Promise<void>>();

  constructor(launcher: LvmLauncher, log: Log, observe: CommandObserver = () => {}) {
    this.#launcher = launcher;
    this.#log = log;
    this.#observe = observe;
  }

  /** Whether a process with this configuration is at hand. */
  has(configuration: string): boolean {
    return this.#running?.configuration === configuration;
  }

  /**
   * Sends a command to a process with this configuration and waits for its verdict, however long that takes: a change
   * that is interrupted may leave a volume's device suspended.
   * @throws LvmError outcomeUnknown when the process ended or answered something else; the next command gets another
   * process. SystemError when none could be started.
   */
  async execute(words: readonly string[], configuration: string): Promise<Verdict> {
    clearTimeout(this.#idle);
    const { process } = await this.#process(configuration);
    const [name = ""] = words;
    try {
      return await this.#observed(name, this.#verdict(process, words, name));
    } finally {
      await this.#rest(process);
    }
  }

  /** Ends the process, and waits for those that were left before. No command may be running. */
  async end(): Promise<void> {
    await this.#retire();
    await Promise.all(this.#left);
  }

  async #process(configuration: string): Promise<Running> {
    if (this.#running?.configuration === configuration) return this.#running;
    await this.#retire();
    const running = { process: await this.#launcher.start(configuration), configuration };
    this.#running = running;
    running.process.exited
      .finally(() => this.#forget(running.process))
      .catch((error: unknown) => this.#complain(error));
    return running;
  }

  async #verdict(process: LvmProcess, words: readonly string[], name: string): Promise<Verdict> {
    const started = performance.now();
    const report = await process.execute(words.join(" ")).catch((cause: unknown) => {
      if (!(cause instanceof SystemError)) throw cause;
      void this.#leave(process);
      throw new LvmError("outcomeUnknown", `${name}: lvm did not answer: ${withoutUuids(cause.message)}`, { cause });
    });
    const verdict = readVerdict(report, name);
    const milliseconds = Math.round(performance.now() - started);
    this.#log.debug({ command: words.join(" "), succeeded: verdict?.succeeded, milliseconds }, "lvm");
    if (verdict !== undefined) return verdict;
    void this.#leave(process);
    throw new LvmError("outcomeUnknown", `${name}: lvm answered something else than a verdict on this command`);
  }

  #observed(command: string, verdict: Promise<Verdict>): Promise<Verdict> {
    const started = performance.now();
    const tell = (outcome: EndedCommand["outcome"]): void =>
      this.#observe({ command, outcome, seconds: (performance.now() - started) / 1000 });
    verdict.then(
      ({ succeeded }) => tell(succeeded ? "succeeded" : "failed"),
      () => tell("unknown"),
    );
    return verdict;
  }

  /** Ends the process that is at hand. */
  async #retire(): Promise<void> {
    clearTimeout(this.#idle);
    if (this.#running !== undefined) await this.#leave(this.#running.process);
  }

  /** Lets a process go: it gets no more commands, and ends when it will. What goes wrong in that fails no command. */
  #leave(process: LvmProcess): Promise<void> {
    this.#forget(process);
    const end = process
      .end()
      .catch((error: unknown) => this.#complain(error))
      .finally(() => this.#left.delete(end));
    this.#left.add(end);
    return end;
  }

  #complain(error: unknown): void {
    this.#log.warn({ error: String(error) }, "an lvm process did not end well");
  }

  #forget(process: LvmProcess): void {
    if (this.#running?.process === process) this.#running = undefined;
  }

  async #rest(process: LvmProcess): Promise<void> {
    if (this.#running?.process !== process) return;
    const bytes = bytesOf(process);
    if (bytes > mostBytes) {
      this.#log.info({ bytes }, "replacing an lvm process that has grown");
      await this.#retire();
      return;
    }
    this.#idle = setTimeout(() => void this.#retire(), idleMilliseconds).unref();
  }
}

/** 0 when it has ended, which `exited` tells. */
function bytesOf(process: LvmProcess): number {
  try {
    return process.memoryBytes();
  } catch {
    return 0;
  }
}
