import { appendFileSync, readFileSync } from "node:fs";

/**
 * Counts what the driver does to the machine, and ends the driver where the plan says: `STEP before`, `STEP during` or
 * `STEP after`, the steps counted from 1 since this plan was given. Whatever else is in the plan's file only has the
 * steps counted. Without the file nothing happens. The names of the steps are added to `FILE.steps`.
 */
export class Steps {
  readonly #file: string;
  #plan: string | undefined;
  #count = 0;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * Does one step.
   * @param begun for a step that goes on without the driver: resolves when it has begun
   */
  async take<Result>(name: string, work: () => Promise<Result>, begun?: () => Promise<void>): Promise<Result> {
    const plan = readPlan(this.#file);
    if (plan === undefined) return work();
    if (plan !== this.#plan) this.#count = 0;
    this.#plan = plan;
    const step = ++this.#count;
    appendFileSync(`${this.#file}.steps`, `${name}\n`);
    endIf(plan === `${step} before`);
    const result = work();
    if (plan === `${step} during`) {
      await Promise.race([begun?.(), result]);
      endIf(true);
    }
    return result.finally(() => endIf(plan === `${step} after`));
  }
}

function endIf(now: boolean): void {
  if (now) process.kill(process.pid, "SIGKILL");
}

function readPlan(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
