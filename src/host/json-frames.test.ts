import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { JsonFrames } from "./json-frames.ts";

test("an object is complete with its last brace", () => {
  const frames = new JsonFrames();
  expect(frames.push('{\n  "log":[{"a":"1"}]\n  ')).toEqual([]);
  expect(frames.push("}")).toEqual(['{\n  "log":[{"a":"1"}]\n  }']);
});

test("braces, quotes and backslashes in strings do not count", () => {
  const text = String.raw`{"a":"}{\"}","b":"\\"}`;
  expect(new JsonFrames().push(text)).toEqual([text]);
});

test("an escape can be cut in two", () => {
  const frames = new JsonFrames();
  expect(frames.push('{"a":"\\')).toEqual([]);
  expect(frames.push('"}"}')).toEqual(['{"a":"\\"}"}']);
});

test("what stands between objects is passed over", () => {
  expect(new JsonFrames().push('\n}"{}x{"a":{}} \n{}')).toEqual(["{}", '{"a":{}}', "{}"]);
});

test("any objects, cut anywhere, come out as they went in", () => {
  const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 4 });
  fc.assert(fc.property(objects, fc.integer({ min: 1, max: 40 }), checkCut));
});

function checkCut(values: readonly object[], size: number): void {
  const texts = values.map((value) => JSON.stringify(value, undefined, 1));
  const stream = `\n${texts.join("\n\n")}\n`;
  const pieces = stream.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
  const frames = new JsonFrames();
  expect(pieces.flatMap((piece) => frames.push(piece))).toEqual(texts);
}
