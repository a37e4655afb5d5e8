/** Where a Secret is. */
export interface SecretPlace {
  readonly namespace: string;
  readonly name: string;
}

/** A Secret as it was read. */
export interface StoredSecret {
  /** Its texts, decoded; empty where it holds nothing. */
  readonly data: Readonly<Record<string, string>>;
  /**
   * Replaces all texts, if nobody has changed the Secret since it was read.
   * @returns false if somebody has: read again
   */
  replace(data: Readonly<Record<string, string>>): Promise<boolean>;
}

export interface SecretStore {
  /** Undefined if there is none. */
  read(place: SecretPlace): Promise<StoredSecret | undefined>;
}

/** The three Secrets. Each holds what one kind of pod may know. */
export interface SecretPlaces {
  /** Of the authority; mounted by nobody. */
  readonly authority: SecretPlace;
  readonly controller: SecretPlace;
  readonly node: SecretPlace;
}

/** Something about a Secret that only a person can put right. The message says how, and holds nothing secret. */
export class SecretProblem extends Error {
  override readonly name = "SecretProblem";

  constructor({ namespace, name }: SecretPlace, problem: string, remedy: string) {
    super(`Secret ${namespace}/${name}: ${problem}; ${remedy}`);
  }
}

/** There is none. This role may not make it: Kubernetes cannot limit that right to a name. */
export function missing(place: SecretPlace): SecretProblem {
  const remedy = `make it, empty: kubectl create secret generic ${place.name} -n ${place.namespace}`;
  return new SecretProblem(place, "there is none", remedy);
}

/** Contents that are of no use. They are never replaced before a person has looked. */
export function broken(place: SecretPlace, problem: string): SecretProblem {
  const empty = `kubectl patch secret ${place.name} -n ${place.namespace} --type=merge -p '{"data":null}'`;
  return new SecretProblem(place, problem, `put it right, or empty it and it is made anew: ${empty}`);
}
