import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { MetadataSyntaxError, type Section, parseMetadataText } from "./metadata-text.ts";

test("sections, numbers, texts, arrays and comments", () => {
  const root = parseMetadataText(`# written by hand
    vg0 { # a comment with { and "
      id="a-b"
      seqno = 12 empty = [] negative = -5
      huge = 18446744073709551615
      names = [ "pv0", 0, # between
                "pv\\"1\\\\", -1 ]
      inner.1-x { flags = ["A"] }
      late { }
    }
    version = 1 share = 0.5\0 garbage {{{`);
  const group = root.sections.get("vg0");
  expect(Object.fromEntries(group?.values ?? [])).toEqual({
    id: "a-b",
    seqno: 12,
    empty: [],
    negative: -5,
    huge: 18_446_744_073_709_551_615n,
    names: ["pv0", 0, 'pv"1\\', -1],
  });
  expect([...(group?.sections.keys() ?? [])]).toEqual(["inner.1-x", "late"]);
  expect(Object.fromEntries(root.values)).toEqual({ version: 1, share: 0.5 });
});

test.each([
  "a",
  "a =",
  "a = [",
  "a = [1",
  "a = [1 2]",
  "a = [,]",
  'a = "x',
  'a = "x\\"',
  "a = b",
  "a = 1x2",
  "a {",
  "}",
  "a { } }",
  "= 1",
  "a 1",
  "a = 1-2",
  "a { ".repeat(50),
])("%j is refused", (text) => {
  expect(() => parseMetadataText(text)).toThrow(MetadataSyntaxError);
});

test("no text is refused with anything else than a syntax error", () => {
  const pieces = fc.constantFrom("a", " ", "=", "{", "}", "[", "]", ",", '"', "\\", "#", "\n", "1", "-", "\0", "é");
  fc.assert(
    fc.property(fc.array(pieces), (parts) => {
      expect(isParsedOrRefused(parts.join(""))).toBe(true);
    }),
    { numRuns: 2000 },
  );
});

/** True when the text is parsed or refused with a syntax error. */
function isParsedOrRefused(text: string): boolean {
  try {
    return parseMetadataText(text).values instanceof Map;
  } catch (error) {
    return error instanceof MetadataSyntaxError;
  }
}

type Plain = { [key: string]: number | string | readonly (number | string)[] | Plain };

const key = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.+-]{0,8}$/);
const scalar = fc.oneof(
  fc.maxSafeInteger(),
  fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\0", "")),
);
const { tree } = fc.letrec<{ tree: Plain; node: Plain[string] }>((tie) => ({
  tree: fc.dictionary(key, tie("node"), { maxKeys: 5, noNullPrototype: true }),
  node: fc.oneof({ maxDepth: 4 }, scalar, fc.array(scalar, { maxLength: 4 }), tie("tree")),
}));

test("what is written is read", () => {
  fc.assert(
    fc.property(tree, (plain) => {
      expect(plainOf(parseMetadataText(write(plain)))).toEqual(plain);
    }),
  );
});

function write(plain: Plain): string {
  return Object.entries(plain)
    .map(([name, value]) => (isTree(value) ? `${name} {\n${write(value)}}\n` : `${name} = ${writeValue(value)}\n`))
    .join("");
}

function writeValue(value: number | string | readonly (number | string)[]): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "string") return `"${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
  return `[${value.map(writeValue).join(", ")}]`;
}

function isTree(value: Plain[string]): value is Plain {
  return typeof value === "object" && !Array.isArray(value);
}

function plainOf(section: Section): unknown {
  const inner = [...section.sections].map(([name, value]) => [name, plainOf(value)]);
  return Object.fromEntries([...section.values, ...inner]);
}
