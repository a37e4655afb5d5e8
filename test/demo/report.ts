import { performance } from "node:perf_hooks";
import { styleText } from "node:util";
import { openLine } from "./open-line.ts";

/** What a step tells while it runs. */
export interface Step {
  /** Times a call. A step's time is the sum of its calls; that of a step without any is its whole. */
  call<Result>(call: Promise<Result>): Promise<Result>;
  /** How far it is: rewritten in place on a terminal, a line now and then elsewhere. */
  progress(text: string): void;
  /** The end of the step's line. */
  result(text: string): void;
  /** Printed below the step's line, indented: a command and what it printed. */
  show(text: string): void;
}

type Format = Parameters<typeof styleText>[0];

// with results of up to 42 characters, lines of 120
const titleWidth = 39;
const rpcWidth = 23;
const timeWidth = 8;
const indentation = " ".repeat(5);

/** What the demo prints: numbered steps under headings, one line each. */
export class Report {
  readonly #out: NodeJS.WriteStream;
  readonly #start = performance.now();
  #steps = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  /** How many steps have begun. */
  get steps(): number {
    return this.#steps;
  }

  /** Since the demo began. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  heading(text: string): void {
    this.#print(`\n${this.#style("bold", text)}`);
  }

  note(text: string): void {
    this.#print(text.replaceAll(/^/gm, indentation));
  }

  verdict(kept: boolean, text: string): void {
    this.#print(`\n${this.#style(kept ? ["bold", "green"] : ["bold", "red"], text)}`);
  }

  /**
   * One step, which is numbered, timed and told.
   * @param rpc the RPC that it is about; empty for what others than the driver do
   * @throws Error naming the step, when the work throws.
   */
  async step<Result>(title: string, rpc: string, work: (step: Step) => Promise<Result>): Promise<Result> {
    this.#steps += 1;
    const name = `${String(this.#steps).padStart(3)}  ${title.padEnd(titleWidth)} `;
    const line = openLine(this.#out, name, rpc.padEnd(rpcWidth));
    const clock = new Clock();
    const end = { result: "", shown: [] as string[] };
    try {
      const value = await work({
        call: (call) => clock.time(call),
        progress: (text) => line.progress(text),
        result: (text) => (end.result = text),
        show: (text) => end.shown.push(text),
      });
      line.close(`${clock.text.padStart(timeWidth)}  ${end.result}`);
      for (const text of end.shown) this.#print(this.#style("dim", text.replaceAll(/^/gm, indentation)));
      return value;
    } catch (error) {
      line.close(this.#style("red", "FAILED".padStart(timeWidth)));
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`step ${this.#steps} (${title}): ${reason}`, { cause: error });
    }
  }

  #style(format: Format, text: string): string {
    return styleText(format, text, { stream: this.#out });
  }

  #print(text: string): void {
    this.#out.write(`${text.trimEnd()}\n`);
  }
}

/** Adds up the times of calls. */
class Clock {
  readonly #start = performance.now();
  #milliseconds: number | undefined;

  async time<Result>(call: Promise<Result>): Promise<Result> {
    const start = performance.now();
    try {
      return await call;
    } finally {
      this.#milliseconds = (this.#milliseconds ?? 0) + performance.now() - start;
    }
  }

  get text(): string {
    const milliseconds = this.#milliseconds ?? performance.now() - this.#start;
    return milliseconds < 999.5 ? `${milliseconds.toFixed(0)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
  }
}

/** "1.5 GiB", exact to a tenth. */
export function formatBytes(bytes: number): string {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), units.length - 1);
  const amount = bytes / 1024 ** power;
  return `${Number.isInteger(amount) ? amount : amount.toFixed(1)} ${units[power]}`;
}
