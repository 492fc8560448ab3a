export type Column = {readonly title: string; readonly right?: boolean};

/** Lines of a table: two blanks between columns, no blanks at the ends. Cells must be harmless. */
export function tableLines(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string[] {
  const all = [columns.map(({title}) => title), ...rows];
  const widths = columns.map((_, i) => Math.max(...all.map(row => (row[i] ?? '').length)));
  return all.map(row =>
    columns
      .map(({right}, i) => {
        const cell = row[i] ?? '';
        const width = widths[i] ?? 0;
        return right ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd(),
  );
}
