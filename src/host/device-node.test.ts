import { expect, test } from "@jest/globals";
import { nodePath } from "./device-node.ts";

test.each([
  ["dm-3", "/dev/dm-3"],
  ["cciss!c0d0", "/dev/cciss/c0d0"],
  ["a!b!c", "/dev/a/b/c"],
])("the node of %s is %s", (name, path) => {
  expect(nodePath({ name })).toBe(path);
});
