import { afterAll, beforeAll, expect, test } from "@jest/globals";
import { commandOf, drawMany, seedOf } from "./model-draws.ts";
import { type Subject, openSubject } from "./model-support.ts";
import { type Command, describe } from "./model-state.ts";
import { step } from "./model.ts";

const calls = 1200;
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

test("a random walk: each call is answered, and leaves behind, what the model foretells", async () => {
  let { model } = subject;
  const trail: string[] = [];
  const told = new Set<string>();
  for (const [index, draw] of drawMany(seed, calls).entries()) {
    const command = commandOf(model, draw);
    const { answer, next } = step(model, command);
    const given = await subject.perform(command);
    const there = index % lookEvery === 0 ? await subject.observe() : describe(next);
    trail.push(`${index}: ${show(command)} -> ${given}; before: ${describe(model)}`);
    const context = `MODEL_SEED=${seed}\n${trail.slice(-8).join("\n")}`;
    expect({ context, answer: given, there }).toEqual({ context, answer, there: describe(next) });
    told.add(`${command.rpc} ${given.split(" ", 1)[0]}`);
    model = next;
  }
  // A walk that never gets anywhere would prove nothing.
  expect(mustHappen.filter((what) => !told.has(what))).toEqual([]);
  // which refusals it meets differs from walk to walk, a full group for one
  expect([...told].filter((what) => !what.endsWith(" OK")).length).toBeGreaterThan(4);
}, 400_000);

const mustHappen: readonly string[] = [
  "CreateVolume OK",
  "DeleteVolume OK",
  "NodeStageVolume OK",
  "NodePublishVolume OK",
  "ControllerExpandVolume OK",
  "NodeExpandVolume OK",
  "NodeGetVolumeStats OK",
];

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
