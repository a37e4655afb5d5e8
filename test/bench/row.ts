/** One line of the table, and of the JSON file: the columns are the same. */
export interface Row {
  readonly measure: string;
  readonly ours: number;
  /** Of the same run; null where the bound is absolute. */
  readonly floor: number | null;
  readonly ratio: number | null;
  /** "<= 0.5" */
  readonly mustReach: string;
  readonly holds: boolean;
}

/** A bound on a number. */
export interface Bound {
  readonly sign: "<=" | ">=";
  readonly value: number;
}

export function atMost(value: number): Bound {
  return { sign: "<=", value };
}

export function atLeast(value: number): Bound {
  return { sign: ">=", value };
}

/** A row whose bound is on ours divided by the floor. */
export function ratioRow(measure: string, ours: number, floor: number, bound: Bound): Row {
  const ratio = ours / floor;
  return { measure, ours, floor, ratio, mustReach: `${bound.sign} ${bound.value} x`, holds: reaches(ratio, bound) };
}

/** A row whose bound is on ours itself. */
export function countRow(measure: string, ours: number, bound: Bound): Row {
  const mustReach = `${bound.sign} ${bound.value}`;
  return { measure, ours, floor: null, ratio: null, mustReach, holds: reaches(ours, bound) };
}

function reaches(value: number, { sign, value: limit }: Bound): boolean {
  return sign === "<=" ? value <= limit : value >= limit;
}

/** The rows as a table for a terminal, which Markdown takes too. */
export function formatTable(rows: readonly Row[]): string {
  const head = ["measure", "ours", "floor", "ratio", "must reach", "holds"];
  const body = rows.map((row) => [
    row.measure,
    shown(row.ours),
    row.floor === null ? "" : shown(row.floor),
    row.ratio === null ? "" : row.ratio.toFixed(2),
    row.mustReach,
    row.holds ? "yes" : "NO",
  ]);
  const widths = head.map((name, column) => Math.max(name.length, ...body.map((cells) => cells[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => pad(cell, widths[column] ?? 0, column)).join(" | ")} |`;
  const rule = widths.map((width, column) => (isNumber(column) ? `${"-".repeat(width - 1)}:` : "-".repeat(width)));
  return [line(head), line(rule), ...body.map(line)].join("\n");
}

function pad(cell: string, width: number, column: number): string {
  return isNumber(column) ? cell.padStart(width) : cell.padEnd(width);
}

function isNumber(column: number): boolean {
  return column >= 1 && column <= 3;
}

function shown(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return value < 10 ? value.toFixed(2) : value.toFixed(1);
}
