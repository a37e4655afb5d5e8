import type { Log } from "../log.ts";
import { decide, isForeign, type Step } from "./decide.ts";
import {
  missing,
  type SecretPlace,
  type SecretPlaces,
  SecretProblem,
  type SecretStore,
  type StoredSecret,
} from "./secrets.ts";
import { makeAuthority, makeLeaf } from "./sign.ts";
import {
  type Authority,
  authorityData,
  leafData,
  parseAuthority,
  parseLeaf,
  type Role,
  type State,
  trustedBy,
} from "./state.ts";

export interface KeeperOptions {
  readonly store: SecretStore;
  readonly places: SecretPlaces;
  readonly log: Log;
  readonly now: () => Date;
}

type Secrets = Readonly<Record<keyof SecretPlaces, StoredSecret>>;

/** What a step writes, to which Secret. */
interface Write {
  readonly secret: keyof SecretPlaces;
  readonly data: Readonly<Record<string, string>>;
}

/** More steps than any state needs: who goes on for so long fights with somebody. */
const mostSteps = 50;

/** Keeps the three Secrets as `decide` wants them. Any number of keepers may do so at once. */
export class Keeper {
  readonly #options: KeeperOptions;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  /**
   * Does all that is due.
   * @returns when something is due again
   * @throws SecretProblem where a person is needed
   */
  async check(): Promise<Date> {
    for (let steps = 0; steps < mostSteps; steps += 1) {
      const secrets = await this.#read();
      const step = decide(this.#parse(secrets), this.#options.now());
      if (step.kind === "wait") return step.until;
      await this.#carryOut(step, secrets);
    }
    throw new Error(`after ${mostSteps} changes of the certificates they are still not as they should be`);
  }

  /**
   * The authority comes last: so it is never older than the others, and who writes one of those, if it is unchanged,
   * knows every authority that anybody has put into it.
   */
  async #read(): Promise<Secrets> {
    const controller = await this.#readOne(this.#options.places.controller);
    const node = await this.#readOne(this.#options.places.node);
    return { controller, node, authority: await this.#readOne(this.#options.places.authority) };
  }

  async #readOne(place: SecretPlace): Promise<StoredSecret> {
    const secret = await this.#options.store.read(place);
    if (secret === undefined) throw missing(place);
    return secret;
  }

  #parse(secrets: Secrets): State {
    const { places } = this.#options;
    const authority = parseAuthority(places.authority, secrets.authority.data);
    const leaf = (role: Role): State[Role] => {
      const found = parseLeaf(places[role], secrets[role].data);
      if (found && isForeign(found, authority)) throw foreign(places[role], found.pair.certificate.issuer);
      return found;
    };
    return { authority, controller: leaf("controller"), node: leaf("node") };
  }

  async #carryOut(step: Exclude<Step, { kind: "wait" }>, secrets: Secrets): Promise<void> {
    const { log, now, places } = this.#options;
    const { secret, data } = await prepare(step, now());
    const written = await secrets[secret].replace(data);
    const fields = { secret: places[secret].name, ...("why" in step && { why: step.why }) };
    if (written) log.info(fields, told[step.kind]);
    else log.debug(fields, "somebody else was faster");
  }
}

const told = {
  makeAuthority: "made an authority",
  issue: "made a certificate",
  trust: "brought the trusted authorities up to date",
  makeNext: "made the next authority; it signs nothing yet",
  noteTrusted: "both sides are being told of the next authority",
  forgetTrust: "a side has lost the next authority, and is told of it again",
  promote: "the next authority signs from now on",
  dropPrevious: "earlier authorities are not trusted any more",
} as const satisfies Record<Exclude<Step["kind"], "wait">, string>;

async function prepare(step: Exclude<Step, { kind: "wait" }>, now: Date): Promise<Write> {
  if (step.kind === "issue") {
    const { role, authority } = step;
    const pair = await makeLeaf(role, authority.current, now);
    return { secret: role, data: leafData({ pair, bundle: trustedBy(authority) }) };
  }
  if (step.kind === "trust") {
    return { secret: step.role, data: leafData({ pair: step.leaf.pair, bundle: trustedBy(step.authority) }) };
  }
  return { secret: "authority", data: authorityData(await changedAuthority(step, now)) };
}

type AuthorityStep = Exclude<Step, { kind: "wait" | "issue" | "trust" }>;

async function changedAuthority(step: AuthorityStep, now: Date): Promise<Authority> {
  if (step.kind === "makeAuthority") {
    return { current: await makeAuthority(now), since: now, next: undefined, previous: [] };
  }
  const { authority } = step;
  const { current, next, previous } = authority;
  if (step.kind === "makeNext")
    return { ...authority, next: { pair: await makeAuthority(now), trustedSince: undefined } };
  if (step.kind === "dropPrevious") return { ...authority, previous: [] };
  if (next === undefined) throw new Error(`${step.kind}: there is no next authority`);
  if (step.kind === "promote") {
    return { current: next.pair, since: now, next: undefined, previous: [current.certificate, ...previous] };
  }
  return { ...authority, next: { ...next, trustedSince: step.kind === "noteTrusted" ? now : undefined } };
}

function foreign(place: SecretPlace, issuer: string): SecretProblem {
  const problem = `its certificate was made by somebody else (${issuer.replaceAll("\n", ", ")})`;
  return new SecretProblem(place, problem, "end whoever makes it, and empty it; or end this role, which is not needed");
}
