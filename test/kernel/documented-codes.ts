import { readFile } from "node:fs/promises";

/** The calls of a driver that docs/errors.md has nothing about but that they are not offered. */
const notOffered = ["UNIMPLEMENTED"];
const anyCall = "Any call about a volume";
const isRpc = /^[A-Z][a-z]+[A-Z]\w+$|^Probe$/;

/** The codes that docs/errors.md gives for each RPC, OK among them; for an RPC that it does not name, UNIMPLEMENTED. */
export async function documentedCodes(rpcs: readonly string[]): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const text = await readFile(new URL("../../docs/errors.md", import.meta.url), "utf8");
  const sections = text.split(/^## /m).slice(1);
  const common = sections
    .filter((section) => section.startsWith(anyCall))
    .flatMap(rowsOf)
    .map(codeOf)
    .filter((code) => !notOffered.includes(code));
  const named = sections.flatMap((section) =>
    rpcsOf(section).flatMap((rpc) => [...common, "OK"].map((code) => ({ rpc, code }))),
  );
  const [, infallible = ""] = /^([A-Z][^.]*) do not fail\.$/m.exec(text) ?? [];
  const given = [
    ...named,
    ...sections.flatMap(givenBy),
    ...infallible.split(/, | and /).map((rpc) => ({ rpc, code: "OK" })),
  ];
  return new Map(
    rpcs.map((rpc) => {
      const codes = given.flatMap((each) => (each.rpc === rpc ? [each.code] : []));
      return [rpc, new Set(codes.length === 0 ? notOffered : codes)];
    }),
  );
}

/** The RPCs that the title of a section names. */
function rpcsOf(section: string): readonly string[] {
  return (section.split("\n", 1)[0] ?? "").split(", ").filter((name) => isRpc.test(name));
}

/** What the tables of a section say: of the RPC in their first column, or else of those in the title. */
function givenBy(section: string): readonly { readonly rpc: string; readonly code: string }[] {
  const titled = rpcsOf(section);
  return rowsOf(section).flatMap((row) => {
    const { RPC: place = "both" } = row;
    return (place === "both" ? titled : [place]).map((rpc) => ({ rpc, code: codeOf(row) }));
  });
}

type Row = Readonly<Record<string, string>>;

/** The rows of a section's tables by the titles of their columns. */
function rowsOf(section: string): readonly Row[] {
  let titles: readonly string[] = [];
  return section.split("\n").flatMap((line) => {
    if (!line.startsWith("|")) titles = [];
    if (!line.startsWith("|") || /^\|[-| ]+\|$/.test(line)) return [];
    const cells = line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim());
    if (titles.length > 0) return [Object.fromEntries(titles.map((title, index) => [title, cells[index] ?? ""]))];
    titles = cells;
    return [];
  });
}

/** "OK, 0" is an OK. */
function codeOf(row: Row): string {
  return (row["Code"] ?? "").split(",", 1)[0] ?? "";
}
