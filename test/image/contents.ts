import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { shell } from "../kernel/world.ts";
import { imageRoot } from "./container.ts";

/** What the image holds. */
export interface Contents {
  /** Paths of all files in it that can be executed, in order; symbolic links and libraries are none. */
  readonly programs: readonly string[];
  /** Versions of Debian's packages by their names, in order. */
  readonly packages: Readonly<Record<string, string>>;
  /** Bytes of all files. */
  readonly bytes: number;
}

export async function readContents(): Promise<Contents> {
  const lines = (await shell("find", imageRoot, "-type", "f", "-printf", "%m %s /%P\n")).trimEnd().split("\n");
  const files = lines.map((line) => {
    const [mode = "", size = "", file = ""] = line.split(" ");
    return { executable: /[1357]/.test(mode), size: Number(size), file };
  });
  return {
    programs: files
      .filter(({ executable, file }) => executable && !/\.so\b/.test(file))
      .map(({ file }) => file)
      .toSorted(),
    packages: await readPackages(),
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  };
}

async function readPackages(): Promise<Readonly<Record<string, string>>> {
  const directory = path.join(imageRoot, "var/lib/dpkg/status.d");
  const entries = (await readdir(directory)).toSorted().map(async (name) => {
    const [, version = "unknown"] = /^Version: (.*)$/m.exec(await readFile(path.join(directory, name), "utf8")) ?? [];
    return [name, version];
  });
  return Object.fromEntries(await Promise.all(entries));
}

/** The first cells of the table below this heading of docs/image.md, each with its second cell. */
export async function documented(heading: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(path.resolve(import.meta.dirname, "../../docs/image.md"), "utf8");
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const [table = ""] = section.split("\n## ");
  const rows = [...table.matchAll(/^\| `([^`]+)` +\| ([^|]*?) *\|/gm)];
  return Object.fromEntries(rows.map(([, first, second]) => [first, second]));
}
