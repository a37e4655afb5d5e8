import { type CoreV1Api, V1Secret } from "@kubernetes/client-node";
import type { SecretPlace, SecretStore, StoredSecret } from "../certificates/secrets.ts";
import { describeFailure, refusalOf } from "./failure.ts";

/** Secrets in the cluster. Verbs: get and update. */
export class KubernetesSecrets implements SecretStore {
  readonly #core: CoreV1Api;

  constructor(core: CoreV1Api) {
    this.#core = core;
  }

  /** @throws Error saying why it cannot be read */
  async read(place: SecretPlace): Promise<StoredSecret | undefined> {
    try {
      const secret = await this.#core.readNamespacedSecret({ ...place });
      return { data: decode(secret.data ?? {}), replace: (data) => this.#replace(place, secret, data) };
    } catch (error) {
      if (refusalOf(error)?.reason === "NotFound") return undefined;
      throw failure("reading", place, error);
    }
  }

  async #replace(place: SecretPlace, read: V1Secret, data: Readonly<Record<string, string>>): Promise<boolean> {
    try {
      // with the resourceVersion that was read: whoever wrote since then wins (Kubernetes API conventions)
      const body = Object.assign(new V1Secret(), read, { data: encode(data) });
      await this.#core.replaceNamespacedSecret({ ...place, body });
      return true;
    } catch (error) {
      if (refusalOf(error)?.code === 409) return false;
      throw failure("writing", place, error);
    }
  }
}

function failure(doing: string, { namespace, name }: SecretPlace, error: unknown): Error {
  return new Error(`${doing} Secret ${namespace}/${name}: ${describeFailure(error)}`);
}

function decode(data: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, "base64").toString()]));
}

function encode(data: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}
