import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { times } from "../campaign.ts";
import { commandOf, drawMany, seedOf } from "./model-draws.ts";
import { type Given, type Subject, openSubject } from "./model-support.ts";
import { type Command, type Model, describe } from "./model-state.ts";
import { step } from "./model.ts";

const bursts = times(500, 80);
const callsInBurst = 4;
const seed = seedOf("MODEL_SEED");

let subject: Subject;

beforeAll(async () => {
  subject = await openSubject();
});

afterAll(async () => {
  await subject.close();
});

interface Answered extends Given {
  readonly command: Command;
}

test(
  "calls at the same time: their answers, and what they leave behind, are those of one after the other",
  async () => {
    const draws = drawMany(seed, bursts * callsInBurst);
    let models: readonly Model[] = [subject.model];
    let refused = 0;
    for (let first = 0; first < draws.length; first += callsInBurst) {
      const [model = subject.model] = models;
      const commands = draws.slice(first, first + callsInBurst).map((draw) => commandOf(model, draw));
      const answered = await Promise.all(
        commands.map(async (command) => {
          const { given, message } = await subject.perform(command);
          return { command, given, message };
        }),
      );
      const there = await subject.observe();
      const possible = models.flatMap((before) => outcomes(before, answered));
      const explained = possible.filter((after) => describe(after) === there);
      if (explained.length === 0) throw new Error(unexplained(models, answered, possible, there));
      models = different(explained);
      refused += answered.filter(({ given }) => given === "ABORTED").length;
    }
    // Otherwise the bursts would not have been at the same time, or nothing would have been done.
    expect(refused).toBeGreaterThan(draws.length / 50);
    expect(refused).toBeLessThan(draws.length / 2);
  },
  times(3_600_000, 600_000),
);

/** What there may be after the calls, if each was carried out at once and in some order; an aborted one never was. */
function outcomes(model: Model, answered: readonly Answered[]): readonly Model[] {
  const done = answered.filter(({ given }) => given !== "ABORTED");
  if (done.length === 0) return [model];
  return different(
    done.flatMap((each) => {
      const { answer, next } = step(model, each.command);
      return answer === each.given
        ? outcomes(
            next,
            done.filter((other) => other !== each),
          )
        : [];
    }),
  );
}

function different(models: readonly Model[]): readonly Model[] {
  return [...new Map(models.map((model) => [keyOf(model), model])).values()];
}

function keyOf({ freeExtents, volumes, mounts }: Model): string {
  const entries = [...volumes, ...mounts].map((entry) => JSON.stringify(entry));
  return [freeExtents, ...entries.toSorted()].join();
}

function unexplained(
  before: readonly Model[],
  answered: readonly Answered[],
  possible: readonly Model[],
  there: string,
): string {
  return [
    `MODEL_SEED=${seed}: no order of these calls explains the answers`,
    `before: ${before.map(describe).join(" or ")}`,
    ...answered.map(({ command, given, message }) => `${JSON.stringify(command)} -> ${given} ${message}`),
    `after: ${there}`,
    `by the answers it could be: ${possible.map(describe).join(" or ")}`,
  ].join("\n");
}
