// Texts that a peer chose. Names, labels and reasons may hold what steers a terminal (escape codes), what
// turns text around (bidi marks) or what makes two names look the same (invisible characters). They are
// cleaned once where they come in (wire/codec-check.ts) and once more wherever they are shown.

/** Controls, format characters (bidi, zero width), line separators, halves of pairs, private use. */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]/gu;
const BLANK = /[\t\n\r\p{Zl}\p{Zp}]+/gu;
/** Nothing but printable ASCII: by far the most texts. */
const PLAIN = /^[ -~]*$/;

/** For what is kept: line ends and tabs become a space, every other steering character U+FFFD. */
export const cleaned = (text: string): string =>
  PLAIN.test(text) ? text : text.replace(BLANK, ' ').replace(STEERING, '\ufffd');

/** For what is shown: steering characters as \uXXXX, as in JSON, so that people see what was there. */
export const harmless = (text: string): string =>
  PLAIN.test(text)
    ? text
    : text.replace(STEERING, character =>
        [...Array(character.length).keys()]
          .map(i => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
          .join(''),
      );

/** Letters as people sort them, numbers by their value: `cam-2` before `cam-10`. */
export const compareNames = new Intl.Collator('en', {numeric: true}).compare;
