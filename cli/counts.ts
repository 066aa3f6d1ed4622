/** Records by what became of them, with each step's own numbers. */
interface CountsShown {
  readonly sent: number;
  readonly counted: number;
  readonly filtered: number;
  readonly late: number;
  readonly rejected: number;
}

/** The line that ends every bounded run: `sent=N counted=N filtered=N late=N rejected=N`. */
export function countsLine({ sent, counted, filtered, late, rejected }: CountsShown): string {
  return `sent=${sent} counted=${counted} filtered=${filtered} late=${late} rejected=${rejected}`;
}

/** Each step's own numbers, a line each. */
export function stepLines(
  steps: Readonly<Record<string, { readonly counted: number; readonly late: number; readonly threw?: number }>>,
): readonly string[] {
  return Object.entries(steps).map(
    ([step, { counted, late, threw }]) =>
      `${step}: counted=${counted} late=${late}${threw === undefined ? '' : ` threw=${threw}`}`,
  );
}
