// Streams that the operator client reads: NDJSON lines and server-sent events, as our own server writes
// them (one `data:` line for each event).

import {VolleyError} from '../base/errors.ts';
import {MIB} from '../base/units.ts';

/** A capture of many nodes and shots is one event of some MiB. */
const LINE_CHARACTERS_MAX = 64 * MIB;

/** Lines without their ends; a last line without an end counts. Throws for bytes that are not UTF-8. */
export async function* linesOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', {fatal: true});
  let parts: string[] = [];
  let length = 0;
  for await (const bytes of source) {
    const lines = decoder.decode(bytes, {stream: true}).split('\n');
    const rest = lines.pop() ?? '';
    for (const line of lines) {
      yield parts.length === 0 ? line : parts.join('') + line;
      parts = [];
      length = 0;
    }
    if (rest !== '') parts.push(rest);
    length += rest.length;
    if (length > LINE_CHARACTERS_MAX)
      throw new VolleyError('VOLLEY_TOO_LARGE', {
        what: 'a line of the answer',
        size: length,
        limit: LINE_CHARACTERS_MAX,
      });
  }
  const last = parts.join('') + decoder.decode();
  if (last !== '') yield last;
}

export type RawEvent = {readonly event: string; readonly data: string};

/** Comments and other fields than `event` and `data` are passed over. */
export async function* eventsOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<RawEvent, void, undefined> {
  let event = '';
  let data = '';
  for await (const line of linesOf(source)) {
    if (line.startsWith('event: ')) event = line.slice(7);
    else if (line.startsWith('data: ')) data = line.slice(6);
    else if (line === '' && data !== '') {
      yield {event, data};
      event = '';
      data = '';
    }
  }
}
