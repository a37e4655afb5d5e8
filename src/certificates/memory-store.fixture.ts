import type { SecretPlace, SecretPlaces, SecretStore, StoredSecret } from "./secrets.ts";

export const places: SecretPlaces = {
  authority: { namespace: "storage", name: "ca" },
  controller: { namespace: "storage", name: "controller" },
  node: { namespace: "storage", name: "node" },
};

export type Data = Readonly<Record<string, string>>;

/** Secrets in memory, replaced only by who has read them as they are. */
export class MemoryStore implements SecretStore {
  readonly #secrets = new Map<string, { readonly version: number; readonly data: Data }>();
  readonly writes: string[] = [];

  constructor() {
    for (const { name } of Object.values(places)) this.set(name, {});
  }

  read({ name }: SecretPlace): Promise<StoredSecret | undefined> {
    const found = this.#secrets.get(name);
    if (found === undefined) return Promise.resolve(undefined);
    const replace = (data: Data): Promise<boolean> => {
      if (this.#secrets.get(name)?.version !== found.version) return Promise.resolve(false);
      this.set(name, data);
      this.writes.push(name);
      return Promise.resolve(true);
    };
    return Promise.resolve({ data: found.data, replace });
  }

  data(name: string): Data {
    return this.#secrets.get(name)?.data ?? {};
  }

  /** What a person does. */
  set(name: string, data: Data | undefined): void {
    const version = (this.#secrets.get(name)?.version ?? 0) + 1;
    if (data === undefined) this.#secrets.delete(name);
    else this.#secrets.set(name, { version, data });
  }
}
