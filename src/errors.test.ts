import { expect, test } from "@jest/globals";
import { printable, quote, showPath } from "./errors.ts";

test.each([
  ["plain", '"plain"'],
  ['a "b"\n', '"a \\"b\\"\\n"'],
  ["ü\u2028\u009f\ud800", '"\\u00fc\\u2028\\u009f\\ud800"'],
  ["x".repeat(81), `"${"x".repeat(80)}..."`],
])("%j is quoted in one short line of printable ASCII", (text, quoted) => {
  expect(quote(text)).toBe(quoted);
});

test("a path is shown whole, unless nobody would read it", () => {
  const path = `/var/lib/kubelet/plugins/kubernetes.io/csi/lvm.local.csi/${"0".repeat(64)}/globalmount`;
  expect(showPath(path)).toBe(path);
  expect(showPath("/x\u00fc")).toBe("/x\\u00fc");
  expect(showPath("/x".repeat(2000))).toHaveLength(400);
});

test.each([
  ["short", 5, "short"],
  ["longer", 5, "lo..."],
  ["\n\n", 8, "\\u000..."],
])("%j in %d printable characters is %j", (text, longest, shown) => {
  expect(printable(text, longest)).toBe(shown);
});
