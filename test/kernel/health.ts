/** Where the tests' drivers serve health and metrics. */
const address = "127.0.0.1:9809";

export const httpFlag = `--http-listen=${address}`;

/** The status of an answer; 0 when there is none in time. */
export async function statusOf(path: string, patienceMs = 5000): Promise<number> {
  const options = { signal: AbortSignal.timeout(patienceMs) };
  const response = await fetch(`http://${address}${path}`, options).catch(() => undefined);
  await response?.text();
  return response?.status ?? 0;
}

/** The metrics of now: an answer may be a second old. */
export interface Scrape {
  /** The value of a sample such as `name{label="value"}`; undefined if there is none. */
  readonly value: (sample: string) => number | undefined;
  readonly text: string;
}

export async function scrape(): Promise<Scrape> {
  await new Promise((resolve) => setTimeout(resolve, 1100));
  const response = await fetch(`http://${address}/metrics`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`/metrics: ${response.status} ${text}`);
  const samples = new Map(
    text.split("\n").flatMap((line) => {
      const [, name, value] = /^([^#]\S*(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(value)]];
    }),
  );
  return { text, value: (sample) => samples.get(sample) };
}
