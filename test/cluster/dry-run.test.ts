import { expect, test } from "@jest/globals";
import { dryRuns } from "../../deploy/manifests.ts";
import { kubectl } from "./inside.ts";

const named = dryRuns.map((args) => ({ what: args.at(-1)?.replace(/.*\/deploy\//, "deploy/"), args }));

test.each(named)("the API server takes all of $what", async ({ args }) => {
  const lines = (await kubectl(args)).trim().split("\n");
  expect(lines.filter((line) => !/ serverside-applied( \(server dry run\))?$/.test(line))).toEqual([]);
});
