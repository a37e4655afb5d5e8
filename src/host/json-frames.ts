/**
 * Cuts a stream of JSON objects into one text each. An object ends at the brace that closes it, which arrives with the
 * object itself: there is no need to wait for what follows. Whatever stands between objects is passed over.
 */
export class JsonFrames {
  #text = "";
  /** Where in the text the scan goes on. */
  #position = 0;
  #start = -1;
  #depth = 0;
  #inString = false;

  /** Takes the next piece; gives the objects that it completed. */
  push(piece: string): readonly string[] {
    this.#text += piece;
    const frames: string[] = [];
    for (; this.#position < this.#text.length; this.#position += 1) {
      this.#scan(this.#text.charCodeAt(this.#position));
      if (this.#depth === 0 && this.#start >= 0) {
        frames.push(this.#text.slice(this.#start, this.#position + 1));
        this.#start = -1;
      }
    }
    this.#forgetScanned();
    return frames;
  }

  #scan(character: number): void {
    if (this.#inString) {
      this.#scanString(character);
    } else if (character === QUOTE && this.#depth > 0) {
      this.#inString = true;
    } else if (character === OPENING_BRACE) {
      this.#start = this.#depth === 0 ? this.#position : this.#start;
      this.#depth += 1;
    } else if (character === CLOSING_BRACE && this.#depth > 0) {
      this.#depth -= 1;
    }
  }

  #scanString(character: number): void {
    if (character === BACKSLASH) {
      // Whatever is escaped, a quote above all, ends no string. It may arrive with the next piece.
      this.#position += 1;
    } else if (character === QUOTE) {
      this.#inString = false;
    }
  }

  #forgetScanned(): void {
    const keepFrom = this.#start >= 0 ? this.#start : Math.min(this.#position, this.#text.length);
    this.#text = this.#text.slice(keepFrom);
    this.#position -= keepFrom;
    this.#start = this.#start >= 0 ? 0 : -1;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING_BRACE = 0x7b;
const CLOSING_BRACE = 0x7d;
