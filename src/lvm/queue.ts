type Piece = () => Promise<void>;

/** After so many in a row that go first, one of those that wait for them has its turn: none waits for ever. */
const mostInARow = 50;

/** Work done one piece at a time. First what ends something begun, then what begins something; each in its order. */
export class Queue {
  readonly #ending: Piece[] = [];
  readonly #beginning: Piece[] = [];
  #working: Promise<void> | undefined;

  /** Runs the work when no other is under way, and none of this sort was given before it. */
  run<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#add(this.#ending, work);
  }

  /** Runs the work likewise, but when there is none of the other sort either. */
  begin<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#add(this.#beginning, work);
  }

  /** Resolves when nothing is left to do, what is given meanwhile included. */
  async idle(): Promise<void> {
    while (this.#working !== undefined) await this.#working;
  }

  #add<Result>(pieces: Piece[], work: () => Promise<Result>): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    pieces.push(async () => {
      try {
        resolve(await work());
      } catch (error) {
        reject(error);
      }
    });
    this.#working ??= this.#workOff();
    return promise;
  }

  async #workOff(): Promise<void> {
    // so that pieces given together are taken in the right order, and the caller has the promise before it begins
    await Promise.resolve();
    let inARow = 0;
    for (let next = this.#next(inARow); next !== undefined; next = this.#next(inARow)) {
      inARow = next.goesFirst ? inARow + 1 : 0;
      await next.piece();
    }
    this.#working = undefined;
  }

  #next(inARow: number): { readonly piece: Piece; readonly goesFirst: boolean } | undefined {
    const goesFirst = this.#ending.length > 0 && (inARow < mostInARow || this.#beginning.length === 0);
    const piece = (goesFirst ? this.#ending : this.#beginning).shift();
    return piece === undefined ? undefined : { piece, goesFirst };
  }
}
