import { performance } from "node:perf_hooks";
import { styleText } from "node:util";

/** A line whose end is not known yet. */
export interface OpenLine {
  progress(text: string): void;
  /** Prints the end of the line. */
  close(end: string): void;
}

/** Lines without a terminal are kept in a log; nobody wants one for each percent. */
const logEveryMilliseconds = 2000;

/**
 * Begins a line.
 * @param title its first column, as wide as that
 * @param detail its second one, likewise; less important
 */
export function openLine(out: NodeJS.WriteStream, title: string, detail: string): OpenLine {
  const begin = `${title}${styleText("dim", detail, { stream: out })}`;
  return out.isTTY ? rewritten(out, title, begin) : logged(out, begin, title.length + detail.length);
}

/** Shows the title at once, then how far it is and how many seconds it takes, all in place. */
function rewritten(out: NodeJS.WriteStream, title: string, begin: string): OpenLine {
  const start = performance.now();
  let told = "";
  const draw = (text: string): void => {
    out.write(`\r\u001b[K${text}`);
  };
  const tell = (): void => {
    const seconds = Math.round((performance.now() - start) / 1000);
    // a line that wraps could not be rewritten
    draw(`${title}${told}${seconds} s`.slice(0, out.columns - 1));
  };
  draw(title.slice(0, out.columns - 1));
  const clock = setInterval(tell, 1000);
  return {
    progress: (text) => {
      told = `${text}, `;
      tell();
    },
    close: (end) => {
      clearInterval(clock);
      draw(`${begin}${end}\n`);
    },
  };
}

/** Prints one line at the end; where there is progress to tell, the begin comes before it, on a line of its own. */
function logged(out: NodeJS.WriteStream, begin: string, width: number): OpenLine {
  const start = performance.now();
  let [toldAt, told] = [start, ""];
  return {
    progress: (text) => {
      const now = performance.now();
      if (text === told || now - toldAt < logEveryMilliseconds) return;
      if (told === "") out.write(`${begin.trimEnd()}\n`);
      [toldAt, told] = [now, text];
      out.write(`     ... ${text}, ${Math.round((now - start) / 1000)} s\n`);
    },
    close: (end) => {
      const columns = told === "" ? begin : " ".repeat(width);
      out.write(`${`${columns}${end}`.trimEnd()}\n`);
    },
  };
}
