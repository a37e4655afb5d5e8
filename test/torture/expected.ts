/** What a volume is used as. */
export type Kind = "ext4" | "xfs" | "btrfs" | "block";

/** What changes what must be there after a power cut. */
export type Action =
  | { readonly action: "create"; readonly volume: string; readonly kind: Kind; readonly bytes: number }
  /** Bytes of `contents.ts`, at a place that was never written before. */
  | { readonly action: "write"; readonly volume: string; readonly place: number }
  | { readonly action: "expand"; readonly volume: string; readonly bytes: number }
  | { readonly action: "delete"; readonly volume: string };

/** An action that is about to begin, or that was acknowledged. */
export type Entry = Action & { readonly done: boolean };

/** What is to be expected of one volume. */
export interface Expected {
  readonly name: string;
  readonly kind: Kind;
  /** What it was created with. */
  readonly createdBytes: number;
  /** "begun" and "going" volumes may be there or not: their creation or deletion was not acknowledged. */
  readonly presence: "begun" | "there" | "going";
  /** The size that was acknowledged. */
  readonly bytes: number;
  /** The largest size that was asked for. */
  readonly wantedBytes: number;
  /** Places whose content was flushed and acknowledged. */
  readonly written: ReadonlySet<number>;
  /** All places where writing began. */
  readonly touched: ReadonlySet<number>;
}

export type Expectations = ReadonlyMap<string, Expected>;

/** What is to be expected after one more entry. */
export function after(before: Expectations, entry: Entry): Expectations {
  const volumes = new Map(before);
  if (entry.action === "create" && !entry.done) volumes.set(entry.volume, begun(entry));
  const volume = volumes.get(entry.volume);
  if (volume === undefined) throw new Error(`the journal speaks of ${entry.volume} before its creation`);
  if (entry.action === "delete" && entry.done) volumes.delete(entry.volume);
  else volumes.set(entry.volume, changed(volume, entry));
  return volumes;
}

function begun({ volume, kind, bytes }: Action & { readonly action: "create" }): Expected {
  return {
    name: volume,
    kind,
    createdBytes: bytes,
    presence: "begun",
    bytes: 0,
    wantedBytes: bytes,
    written: new Set(),
    touched: new Set(),
  };
}

function changed(volume: Expected, entry: Entry): Expected {
  switch (entry.action) {
    case "create":
      return entry.done ? { ...volume, presence: "there", bytes: entry.bytes } : volume;
    case "write":
      return {
        ...volume,
        written: entry.done ? new Set([...volume.written, entry.place]) : volume.written,
        touched: new Set([...volume.touched, entry.place]),
      };
    case "expand":
      return entry.done ? { ...volume, bytes: entry.bytes } : { ...volume, wantedBytes: entry.bytes };
    case "delete":
      return { ...volume, presence: "going" };
  }
}
