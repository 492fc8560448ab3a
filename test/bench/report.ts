/** The p-th percentile (0 … 100) of a list that is not empty; nearest rank. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1));
  return sorted[rank] ?? Number.NaN;
}

export type Row = readonly [what: string, value: string];

/** Two columns, the first as wide as it needs. */
export function table(title: string, rows: readonly Row[]): string {
  const width = Math.max(...rows.map(([what]) => what.length));
  return [title, ...rows.map(([what, value]) => `  ${what.padEnd(width)}  ${value}`), ''].join(
    '\n',
  );
}

export const number = (value: number, digits = 0): string =>
  value.toLocaleString('en-US', {minimumFractionDigits: digits, maximumFractionDigits: digits});
