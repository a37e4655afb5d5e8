import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { decodeTagText, encodeTagText } from "./tag.ts";

test("a tag holds only what LVM allows", () => {
  expect(encodeTagText("app/my db=1&2")).toBe("app/my&20db=1&262");
  expect(encodeTagText("Größe")).toBe("Gr&c3&b6&c3&9fe");
  expect(encodeTagText("")).toBe("");
});

test("every text comes back as it was", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (text) => {
      const tag = encodeTagText(text);
      expect(tag).toMatch(/^[A-Za-z0-9_+.\-/=!:&]*$/);
      expect(decodeTagText(tag)).toBe(text);
    }),
  );
});

test("two texts never share a tag", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      expect(encodeTagText(a) === encodeTagText(b)).toBe(a === b);
    }),
  );
});

test.each(["&", "&4", "&zz", "&4G", "a b", "a&", "&ff", "&c3", "ü"])("%j was made from no text", (tag) => {
  expect(decodeTagText(tag)).toBeUndefined();
});
