import { expect, test } from "@jest/globals";
import { status } from "@grpc/grpc-js";
import { LvmError, SystemError, VolumeError } from "../errors.ts";
import { failureOf } from "./codes.ts";

test.each([
  [new VolumeError("aborted", "zeroing 43 %"), status.ABORTED, "zeroing 43 %"],
  [new LvmError("noSpace", "full"), status.RESOURCE_EXHAUSTED, "full"],
  [new LvmError("outcomeUnknown", "ended"), status.UNAVAILABLE, "ended"],
  [new LvmError("refused", "no"), status.INTERNAL, "no"],
  [new SystemError("ELOOP", "symlink"), status.INVALID_ARGUMENT, "symlink"],
  [new SystemError("EIO", "disk"), status.INTERNAL, "disk"],
  [new TypeError("bug"), status.INTERNAL, "bug"],
  ["text", status.INTERNAL, "text"],
])("%s becomes one code with a message", (error, code, details) => {
  expect(failureOf(error)).toEqual({ code, details });
});

test("a message is never empty", () => {
  expect(failureOf(new VolumeError("notFound", ""))).toEqual({ code: status.NOT_FOUND, details: "notFound" });
});

test.each([
  ["x".repeat(1_000_000), `${"x".repeat(2045)}...`],
  ["\u00fc".repeat(5000), `${"\\u00fc".repeat(341).slice(0, 2045)}...`],
  ["one\n  two\u0000\ud800\r\n", "one; two\\u0000\\ud800"],
  [" \n ", "internal"],
])("a message is one line of at most 2 KiB of printable ASCII: %#", (message, details) => {
  const failure = failureOf(new Error(message));
  expect(failure.details).toBe(details);
  expect(failure.details).toMatch(/^[ -~]{1,2048}$/);
});
