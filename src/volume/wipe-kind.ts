/** What happens to a volume's data at delete, before its extents are free again. */
export type Wipe =
  | { readonly kind: "none" }
  | { readonly kind: "discard" }
  | { readonly kind: "zero" }
  | { readonly kind: "shred"; readonly passes: number };

/** Parses `none`, `discard`, `zero` or `shred:<passes>` with 1 to 9 passes; undefined for everything else. */
export function parseWipe(text: string): Wipe | undefined {
  if (text === "none" || text === "discard" || text === "zero") return { kind: text };
  const passes = /^shred:([1-9])$/.exec(text)?.[1];
  return passes === undefined ? undefined : { kind: "shred", passes: Number(passes) };
}

export function formatWipe(wipe: Wipe): string {
  return wipe.kind === "shred" ? `shred:${wipe.passes}` : wipe.kind;
}
