import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { checkMap, notNegative, requiredText, sizeRange } from "./fields.ts";

const refused = expect.objectContaining({ kind: "invalidArgument", message: expect.stringContaining("name") });

test.each(["", "a".repeat(129), "é".repeat(65), "a\nb", "a\u0000", "a\u007f", "a\u009b"])(
  "the text %j is refused with its field's name, and shown as plain ASCII",
  (text) => {
    expect(() => requiredText("name", text)).toThrow(refused);
    expect(() => requiredText("name", text)).not.toThrow(
      expect.objectContaining({ message: expect.stringMatching(/[^ -~]/) }),
    );
  },
);

test("128 bytes of Unicode are a good name", () => {
  expect(requiredText("name", "é".repeat(64))).toBe("é".repeat(64));
});

test.each([
  [{ requiredBytes: "-1", limitBytes: "0" }, "invalidArgument", "required_bytes"],
  [{ requiredBytes: "0", limitBytes: "-9223372036854775808" }, "invalidArgument", "limit_bytes"],
  [{ requiredBytes: "0", limitBytes: "0" }, "invalidArgument", "neither"],
  [{ requiredBytes: "2", limitBytes: "1" }, "invalidArgument", "below required_bytes"],
  [{ requiredBytes: "9007199254740992", limitBytes: "0" }, "outOfRange", "required_bytes"],
  [{ requiredBytes: "1", limitBytes: "9223372036854775807" }, "outOfRange", "limit_bytes"],
])("the range %j is refused: %s", (range, kind, field) => {
  expect(() => sizeRange(range)).toThrow(expect.objectContaining({ kind, message: expect.stringContaining(field) }));
});

test("an absent range is any size, and every safe one is read exactly", () => {
  expect(sizeRange(null)).toEqual({ required: 0, limit: 0 });
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (a, b) => {
      fc.pre(a + b > 0);
      const [required, limit] = [Math.min(a, b), Math.max(a, b)];
      expect(sizeRange({ requiredBytes: String(required), limitBytes: String(limit) })).toEqual({ required, limit });
    }),
  );
});

test("maps over 4 KiB and negative counts are refused", () => {
  expect(checkMap("parameters", { a: "x".repeat(4095) })).toEqual({ a: "x".repeat(4095) });
  expect(() => checkMap("parameters", { a: "x".repeat(4096) })).toThrow(/parameters has 4097 bytes/);
  expect(() => notNegative("max_entries", -1)).toThrow(/max_entries is -1/);
});
