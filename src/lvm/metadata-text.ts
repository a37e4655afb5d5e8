/** A value in LVM's text: a whole number that would lose digits is a bigint. */
export type Scalar = number | bigint | string;
export type Value = Scalar | readonly Scalar[];

/** A section of LVM's text, in the text's order. */
export interface Section {
  readonly values: ReadonlyMap<string, Value>;
  readonly sections: ReadonlyMap<string, Section>;
}

/** LVM's text does not follow its grammar (lvm.conf(5), "SYNTAX"). */
export class MetadataSyntaxError extends Error {
  override readonly name = "MetadataSyntaxError";
}

/**
 * Parses a text in LVM's configuration syntax, as the metadata of a volume group is written. A NUL ends it.
 * @throws MetadataSyntaxError naming the offset
 */
export function parseMetadataText(text: string): Section {
  return new Parser(text).parse();
}

interface OpenSection extends Section {
  readonly values: Map<string, Value>;
  readonly sections: Map<string, OpenSection>;
}

const quote = 0x22;
const hash = 0x23;
const comma = 0x2c;
const newline = 0x0a;
const equals = 0x3d;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const deepest = 16;

/** Goes through the text by character codes, once: a volume group of a thousand volumes has a third of a megabyte. */
class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    const end = text.indexOf("\0");
    this.#text = end === -1 ? text : text.slice(0, end);
  }

  parse(): Section {
    const root = newSection();
    const open = [root];
    let current = root;
    for (let code = this.#skipBlank(); !Number.isNaN(code); code = this.#skipBlank()) {
      if (code === closeBrace) {
        this.#at += 1;
        open.pop();
        current = open.at(-1) ?? this.#fail("a closing brace too many");
        continue;
      }
      const child = this.#entry(current);
      if (child === undefined) continue;
      if (open.push(child) > deepest) this.#fail("sections too deep");
      current = child;
    }
    if (open.length > 1) this.#fail("a section without end");
    return root;
  }

  /** Reads "key = value" into the section, or opens the section that is named. */
  #entry(section: OpenSection): OpenSection | undefined {
    const key = this.#key();
    const code = this.#skipBlank();
    this.#at += 1;
    if (code === equals) {
      section.values.set(key, this.#value());
      return undefined;
    }
    if (code !== openBrace) this.#fail(`neither "=" nor "{" behind ${JSON.stringify(key)}`);
    const child = newSection();
    section.sections.set(key, child);
    return child;
  }

  #key(): string {
    const start = this.#at;
    while (isKeyCharacter(this.#text.charCodeAt(this.#at))) this.#at += 1;
    if (this.#at === start) this.#fail("no name where one belongs");
    return this.#text.slice(start, this.#at);
  }

  #value(): Value {
    return this.#skipBlank() === openBracket ? this.#array() : this.#scalar();
  }

  #array(): readonly Scalar[] {
    const items: Scalar[] = [];
    this.#at += 1;
    for (let code = this.#skipBlank(); code !== closeBracket; code = this.#skipBlank()) {
      items.push(this.#scalar());
      const next = this.#skipBlank();
      if (next === comma) this.#at += 1;
      else if (next !== closeBracket) this.#fail("an array without end");
    }
    this.#at += 1;
    return items;
  }

  #scalar(): Scalar {
    return this.#text.charCodeAt(this.#at) === quote ? this.#string() : this.#number();
  }

  #string(): string {
    const start = this.#at + 1;
    let end = this.#text.indexOf('"', start);
    while (end !== -1 && this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    if (end === -1) this.#fail("a string without end");
    this.#at = end + 1;
    const content = this.#text.slice(start, end);
    return content.includes("\\") ? content.replaceAll(/\\(.)/gs, "$1") : content;
  }

  /** Whether an odd number of backslashes stands before the offset. */
  #isEscaped(offset: number): boolean {
    let before = offset;
    while (this.#text.charCodeAt(before - 1) === 0x5c) before -= 1;
    return (offset - before) % 2 === 1;
  }

  #number(): number | bigint {
    const start = this.#at;
    while (isNumberCharacter(this.#text.charCodeAt(this.#at))) this.#at += 1;
    const digits = this.#text.slice(start, this.#at);
    if (!/^[-+]?\d+(?:\.\d*)?$/.test(digits)) this.#fail("no value where one belongs");
    const value = Number(digits);
    return Number.isSafeInteger(value) || digits.includes(".") ? value : BigInt(digits);
  }

  /** Passes white space and comments; returns the code of what follows, NaN at the end. */
  #skipBlank(): number {
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === hash) this.#skipLine();
      else if (code <= 0x20) this.#at += 1;
      else return code;
    }
  }

  #skipLine(): void {
    while (this.#at < this.#text.length && this.#text.charCodeAt(this.#at) !== newline) this.#at += 1;
  }

  #fail(problem: string): never {
    throw new MetadataSyntaxError(`${problem}, at offset ${this.#at}`);
  }
}

function newSection(): OpenSection {
  return { values: new Map(), sections: new Map() };
}

/** Printable characters but white space and those that end a name. NaN, the end of the text, is none. */
function isKeyCharacter(code: number): boolean {
  return code > 0x20 && code !== equals && code !== openBrace && code !== closeBrace && code !== hash && code !== quote;
}

/** Digits, sign and decimal point. */
function isNumberCharacter(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x2b || code === 0x2e;
}
