import { expect, test } from "@jest/globals";
import fc from "fast-check";
import { LvmError } from "../errors.ts";
import {
  activateArguments,
  backupArguments,
  createArguments,
  extendArguments,
  removeArguments,
  tagArguments,
} from "./arguments.ts";
import { lvmConfiguration } from "./configuration.ts";

const refused = expect.objectContaining({ name: "LvmError", kind: "refused" });

test("lvcreate leaves the content alone", () => {
  const volume = { name: "pvc-1", extents: 6, stripes: 1, tags: ["a=b"], nodes: [] };
  expect(createArguments("vg0", volume).join(" ")).toBe(
    "lvcreate --yes --wipesignatures n --zero n --type linear --extents 6 --name pvc-1 --addtag a=b vg0",
  );
  const striped = { ...volume, stripes: 2, stripeBytes: 65_536, tags: [], nodes: ["/dev/sda", "/dev/sdb"] };
  expect(createArguments("vg0", striped).join(" ")).toBe(
    "lvcreate --yes --wipesignatures n --zero n --type striped --stripes 2 --stripesize 65536b --extents 6 --name pvc-1 " +
      "vg0 /dev/sda /dev/sdb",
  );
});

test("lvextend names all extents of a disk in one word", () => {
  const ranges = [
    { start: 5, count: 2 },
    { start: 9, count: 1 },
  ];
  const volume = { name: "v", extents: 3, stripes: 1, areas: [{ node: "/dev/sda", ranges }] };
  expect(extendArguments("vg0", volume).join(" ")).toBe(
    "lvextend --yes --stripes 1 --extents 3 vg0/v /dev/sda:5-6:9-9",
  );
});

test.each(["", "-x", "a b", "a/b", "a'b", 'a"b', "a\\b", "a\nb", "a#b", "a;b", "a$b", ".", "..", "ü", "x".repeat(128)])(
  "%j is no name",
  (name) => {
    expect(() => removeArguments("vg0", [name])).toThrow(refused);
    expect(() => activateArguments(name, "v")).toThrow(refused);
  },
);

test.each(["", "-x", "=x", "a b", "a'b", 'a"b', "a#b", "a@b", "a\nb", "x".repeat(1025)])("%j is no tag", (tag) => {
  expect(() => tagArguments("vg0", "v", { add: [tag], remove: [] })).toThrow(refused);
  expect(() => tagArguments("vg0", "v", { add: [], remove: [tag] })).toThrow(refused);
});

test.each([0, -1, 1.5, Number.NaN, 2 ** 53])("%p is no number of extents", (extents) => {
  expect(() => extendArguments("vg0", { name: "v", extents, stripes: 1, areas: [] })).toThrow(refused);
});

test("extents that do not fill their stripes are refused", () => {
  expect(() => extendArguments("vg0", { name: "v", extents: 3, stripes: 2, areas: [] })).toThrow(refused);
});

function names(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `v${index}`);
}

test("more than sixty words are refused", () => {
  expect(removeArguments("vg0", names(56))).toHaveLength(60);
  expect(() => removeArguments("vg0", names(57))).toThrow(refused);
});

/** The words without what joins them; nothing where they were refused. */
function lineOf(words: () => readonly string[]): string {
  try {
    return words().join("");
  } catch (error) {
    if (error instanceof LvmError && error.kind === "refused") return "";
    throw error;
  }
}

test("nothing that was accepted makes more than one word or line", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.string(), (name, tag, path) => {
      const line = lineOf(() => tagArguments("vg0", name, { add: [tag], remove: [] }));
      expect(line + lineOf(() => backupArguments("vg0", path))).toMatch(/^[A-Za-z0-9_+.\-/=!:&]*$/);
    }),
  );
});

test("the configuration lets in exactly the nodes", () => {
  const configuration = lvmConfiguration(["/dev/sdb", "/dev/cciss/c0d0", "/dev/a.b"], "/run/lock/lvm");
  expect(configuration).toContain(
    'global_filter = [ "a|^/dev/a[.]b$|", "a|^/dev/cciss/c0d0$|", "a|^/dev/sdb$|", "r|.*|" ]',
  );
  expect(configuration).toContain('locking_dir = "/run/lock/lvm"');
  expect(() => lvmConfiguration(['/dev/x"y'], "/run/lock/lvm")).toThrow(refused);
  expect(() => lvmConfiguration([], "/run/lock dir")).toThrow(refused);
});
