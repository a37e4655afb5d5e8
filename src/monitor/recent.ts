/**
 * Makes of a question one that costs the same however often it is asked: those who ask while it is being answered, or
 * for so many milliseconds after, get that answer.
 */
export function recent<Answer>(ask: () => Promise<Answer>, goodForMs: number): () => Promise<Answer> {
  let last: { readonly answer: Promise<Answer>; until: number } | undefined;
  return () => {
    if (last !== undefined && performance.now() < last.until) return last.answer;
    const asked = { answer: ask(), until: Number.POSITIVE_INFINITY };
    const settle = (): void => {
      asked.until = performance.now() + goodForMs;
    };
    asked.answer.then(settle, settle);
    last = asked;
    return asked.answer;
  };
}
