import fc from "fast-check";
import { MiB } from "./world.ts";

/** Characters that mean something to a shell, to LVM, to a mount table, to a log, to a terminal or to a path. */
const hostileTexts = [
  "",
  " ",
  "-",
  "--help",
  "-x",
  ".",
  "..",
  "../../../etc/passwd",
  "/",
  "//",
  "a/b",
  "@tag",
  "%s%n",
  "$(reboot)",
  "`reboot`",
  ";reboot",
  "a b",
  "a,b",
  "a=b",
  "'",
  '"',
  "\\",
  "\\040",
  "#",
  "*",
  "~",
  "\n",
  "a\nb",
  "\u0000",
  "a\u0000b",
  "\t",
  "\u007f",
  "\u0085",
  "\u001b[2J",
  "\u202e",
  "\u2028",
  "\ufeff",
  "\ud800",
  "ü",
  "日本",
  "👩‍👩‍👧",
  "e\u0301",
  "__proto__",
  "constructor",
  "toString",
  "null",
  "NaN",
  "0",
  "-1",
  "1e9",
  "snapshot",
  "pvmove0",
  "lvol0_rmeta",
];

export const hostile = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...hostileTexts) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 140 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 40 }) },
  { weight: 2, arbitrary: fc.constantFrom(127, 128, 129, 255, 256, 4096, 20_000).map((count) => "x".repeat(count)) },
  { weight: 1, arbitrary: fc.constantFrom(42, 43, 64).map((count) => "日".repeat(count)) },
);

const numbers = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 64 * MiB }).map(String) },
  { weight: 1, arbitrary: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) },
  { weight: 2, arbitrary: fc.constantFrom("0", "-1", "1", String(2n ** 53n), String(2n ** 63n - 1n), "1099511627776") },
);

export const range = mostly(
  fc.record({ requiredBytes: numbers, limitBytes: fc.oneof(fc.constant("0"), numbers) }),
  null,
);

const modes = [
  "SINGLE_NODE_WRITER",
  "SINGLE_NODE_MULTI_WRITER",
  "SINGLE_NODE_SINGLE_WRITER",
  "SINGLE_NODE_READER_ONLY",
];
const badModes = ["UNKNOWN", "MULTI_NODE_MULTI_WRITER", "MULTI_NODE_READER_ONLY", "MULTI_NODE_SINGLE_WRITER", 99, -1];
const accessMode = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...modes).map((mode) => ({ mode })) },
  { weight: 1, arbitrary: fc.constantFrom(...badModes).map((mode) => ({ mode })) },
  { weight: 1, arbitrary: fc.constant(null) },
);

const mountFlags = fc.array(
  fc.oneof(
    fc.constantFrom("ro", "noatime", "commit=5", "bind", "remount", "loop", "context=x", "rw,suid", "x-y"),
    hostile,
  ),
  { maxLength: 3 },
);
export const filesystems = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom("ext4", "", "xfs", "btrfs") },
  { weight: 1, arbitrary: hostile },
);
const mount = fc.record({
  fsType: filesystems,
  mountFlags: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: mountFlags }),
  volumeMountGroup: fc.oneof({ weight: 9, arbitrary: fc.constant("") }, { weight: 1, arbitrary: hostile }),
});
export const capability = fc.oneof(
  { weight: 6, arbitrary: fc.record({ mount, accessMode }) },
  { weight: 3, arbitrary: fc.record({ block: fc.constant({}), accessMode }) },
  { weight: 1, arbitrary: fc.record({ accessMode }) },
);
export const capabilities = fc.oneof(
  { weight: 6, arbitrary: capability.map((one) => [one]) },
  { weight: 1, arbitrary: fc.array(capability, { maxLength: 4 }) },
);

export const anyMap = fc.oneof(
  { weight: 4, arbitrary: fc.constant({}) },
  { weight: 1, arbitrary: fc.dictionary(hostile, hostile, { maxKeys: 4 }) },
);

/** Seldom the other value. */
export function mostly<T, U>(arbitrary: fc.Arbitrary<T>, other: U): fc.Arbitrary<T | U> {
  return fc.oneof({ weight: 7, arbitrary }, { weight: 1, arbitrary: fc.constant(other) });
}
