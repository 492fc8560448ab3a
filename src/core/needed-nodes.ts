// How many nodes a capture asks for before it fires: `all`, `95%` or `12`.

export const NEEDS_PATTERN = '^(all|(100|[1-9]?[0-9])%|[1-9][0-9]{0,5})$';

const PATTERN = new RegExp(NEEDS_PATTERN);

/**
 * @param asked nodes that are meant
 * @returns how many of them have to be ready; undefined = the text is none of `all`, `95%`, `12`
 */
export function neededOf(text: string, asked: number): number | undefined {
  if (!PATTERN.test(text)) return undefined;
  if (text === 'all') return asked;
  const number = Number.parseInt(text, 10);
  return text.endsWith('%') ? Math.ceil((asked * number) / 100) : number;
}
