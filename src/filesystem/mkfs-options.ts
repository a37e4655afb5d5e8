import { VolumeError, quote } from "../errors.ts";
import { MKFS_OPTIONS, type MkfsValue } from "./mkfs-option-list.ts";
import type { FilesystemName } from "./names.ts";

/** Together with the other tags of a volume it must fit the small metadata area of LVM. */
const LONGEST = 200;

/**
 * The arguments in the StorageClass parameter `mkfsOptions`: flags and values in turn, each flag once, none of them
 * with white space in it.
 * @throws VolumeError invalidArgument naming the option that is not taken.
 */
export function parseMkfsOptions(filesystem: FilesystemName, text: string): readonly string[] {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const result: string[] = [];
  for (const { flag, value } of pair(filesystem, words)) {
    const rule = ruleOf(filesystem, flag);
    if (rule === undefined) throw refused(flag, `the driver takes none such for ${filesystem}`);
    if (result.includes(flag)) throw refused(flag, "it is given twice; join its values with commas");
    if (value === undefined) throw refused(flag, "it has no value");
    requireAllowed(rule, flag, value);
    result.push(flag, value);
  }
  if (result.join(" ").length > LONGEST) {
    throw new VolumeError("invalidArgument", `mkfsOptions is longer than ${LONGEST} bytes`);
  }
  return result;
}

interface Option {
  readonly flag: string;
  readonly value: string | undefined;
}

/** Also splits what getopt(3) takes as one word: "-b4096", "--csum=xxhash". */
function pair(filesystem: FilesystemName, words: readonly string[]): readonly Option[] {
  const options: Option[] = [];
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? "";
    const joined = /^(--[^=]+)=(.*)$/.exec(word) ?? /^(-[^-])(.+)$/.exec(word);
    if (joined !== null) {
      options.push({ flag: joined[1] ?? "", value: joined[2] });
      continue;
    }
    const takesValue = ruleOf(filesystem, word) !== undefined;
    options.push({ flag: word, value: takesValue ? words[index + 1] : undefined });
    if (takesValue) index += 1;
  }
  return options;
}

function ruleOf(filesystem: FilesystemName, flag: string): MkfsValue | undefined {
  const rules = MKFS_OPTIONS[filesystem];
  return Object.hasOwn(rules, flag) ? rules[flag] : undefined;
}

function requireAllowed(rule: MkfsValue, flag: string, value: string): void {
  const parts = "value" in rule ? [value] : value.split(",");
  const patterns = "value" in rule ? [rule.value] : rule.list;
  const wrong = parts.find((part) => !patterns.some((pattern) => pattern.test(part)));
  if (wrong !== undefined) throw refused(`${flag} ${wrong}`, "this value is not among those that the driver takes");
  const keys = parts.map((part) => part.split("=")[0]?.replace(/^\^/, ""));
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw refused(`${flag} ${value}`, `${quote(twice)} is given twice`);
}

function refused(option: string, reason: string): VolumeError {
  return new VolumeError("invalidArgument", `mkfsOptions ${quote(option)} is refused: ${reason}`);
}
