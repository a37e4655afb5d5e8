import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { times } from "../campaign.ts";
import { commandOf, drawMany, seedOf } from "./model-draws.ts";
import { type Subject, openSubject } from "./model-support.ts";
import { type Command, describe } from "./model-state.ts";
import { step } from "./model.ts";

const calls = times(2000, 250);
/** A walk that has not met all of `mustHappen` by then goes on until it has, or until here. */
const callsAtMost = times(4000, 2400);
/** Calls between two looks at LVM and the mount table. */
const lookEvery = 5;
const seed = seedOf("MODEL_SEED");

let subject: Subject;

beforeAll(async () => {
  subject = await openSubject();
});

afterAll(async () => {
  await subject.close();
});

test(
  "a random walk: each call is answered, and leaves behind, what the model foretells",
  async () => {
    let { model } = subject;
    const trail: string[] = [];
    const told = new Set<string>();
    for (const [index, draw] of drawMany(seed, callsAtMost).entries()) {
      if (index >= calls && missingIn(told).length === 0) break;
      const command = commandOf(model, draw);
      const { answer, next } = step(model, command);
      const { given, message } = await subject.perform(command);
      const there = index % lookEvery === 0 ? await subject.observe() : describe(next);
      trail.push(`${index}: ${show(command)} -> ${given} ${message}; before: ${describe(model)}`);
      const context = `MODEL_SEED=${seed}\n${trail.slice(-8).join("\n")}`;
      expect({ context, answer: given, there }).toEqual({ context, answer, there: describe(next) });
      told.add(`${command.rpc} ${given.split(" ", 1)[0]}`);
      model = next;
    }
    // A walk that never gets anywhere would prove nothing.
    expect(missingIn(told)).toEqual([]);
  },
  times(3_600_000, 1_200_000),
);

const mustHappen: readonly string[] = [
  "CreateVolume ALREADY_EXISTS",
  "CreateVolume OK",
  "CreateVolume RESOURCE_EXHAUSTED",
  "DeleteVolume FAILED_PRECONDITION",
  "DeleteVolume OK",
  "NodeStageVolume FAILED_PRECONDITION",
  "NodeStageVolume OK",
  "NodePublishVolume FAILED_PRECONDITION",
  "NodePublishVolume OK",
  "ControllerExpandVolume OK",
  "ControllerExpandVolume OUT_OF_RANGE",
  "NodeExpandVolume OK",
  "NodeGetVolumeStats OK",
];

function missingIn(told: ReadonlySet<string>): readonly string[] {
  return mustHappen.filter((what) => !told.has(what));
}

function show({
  rpc,
  slot,
  kind,
  staging,
  target,
  place,
  requiredBytes,
  limitBytes,
  readOnly,
  alone,
}: Command): string {
  const flags = `${readOnly ? " ro" : ""}${alone ? " alone" : ""}`;
  return `${rpc} v${slot} ${kind} ${staging} ${target} at ${place} ${requiredBytes}..${limitBytes}${flags}`;
}
