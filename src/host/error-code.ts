/** Whether what was thrown carries one of these codes: "ENOENT". */
export function hasCode(error: unknown, codes: readonly string[]): boolean {
  // Not `instanceof Error`: an error of Node's own belongs to another realm when this runs in a vm context.
  return typeof error === "object" && error !== null && "code" in error && codes.some((code) => code === error.code);
}

/** Does something that may fail with one of these codes. */
export function ignoring(codes: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!hasCode(error, codes)) {
      throw error;
    }
  }
}
