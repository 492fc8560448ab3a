import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {LineSource, type LineSourceOptions} from '../../src/library/line-source.ts';

type Read = {
  readonly lines: (readonly [number, string])[];
  readonly bad: string[];
  readonly fault: string | undefined;
};

async function read(
  chunks: readonly (string | Uint8Array)[],
  options: Partial<LineSourceOptions> = {},
): Promise<Read> {
  const bad: string[] = [];
  async function* stream(): AsyncGenerator<Uint8Array> {
    for (const chunk of chunks) yield typeof chunk === 'string' ? toUtf8(chunk) : chunk;
  }
  const source = new LineSource(stream(), {
    form: 'json',
    badLines: 'stop',
    onBad: (line, fault) => bad.push(`${line} ${fault}`),
    ...options,
  });
  const lines: [number, string][] = [];
  for (;;) {
    const some = await source.take(2);
    if (some.length === 0) return {lines, bad, fault: source.fault?.message};
    for (const {bytes, line} of some) lines.push([line, new TextDecoder().decode(bytes)]);
  }
}

test('lines come with their numbers, however they were cut; blank ones are passed over', async t => {
  const {lines, fault} = await read(['1\n"t', 'wo"\r\n\r\n \t\n', '{"a":', '1}\n[]']);
  t.deepEqual(lines, [
    [1, '1'],
    [2, '"two"'],
    [5, '{"a":1}'],
    [6, '[]'],
  ]);
  t.is(fault, undefined);
});

test('a line that is not JSON ends the input, and is named', async t => {
  for (const [text, reason] of [
    ['1\nx\n3\n', /^input refused: line 2 is not JSON: .*; --text takes lines as they are$/],
    ['\n\n1 2\n3\n', /line 3 is not JSON/],
    [Uint8Array.of(49, 10, 34, 255, 34, 10), /line 2 is not UTF-8$/],
    ['1\n\ufeff2\n', /line 2 begins with a byte order mark/],
  ] as const) {
    const {lines, fault} = await read([text]);
    t.true(lines.length < 2);
    t.regex(fault ?? '', reason);
  }
});

test('bad lines can be skipped, and are told', async t => {
  const {lines, bad, fault} = await read(['1\nx\n3\n', Uint8Array.of(255, 10, 52)], {
    badLines: 'skip',
  });
  t.deepEqual(lines, [
    [1, '1'],
    [3, '3'],
    [5, '4'],
  ]);
  t.regex(bad[0] ?? '', /^2 is not JSON/);
  t.is(bad[1], '4 is not UTF-8');
  t.is(fault, undefined);
});

test('lines of text are taken as they are', async t => {
  const {lines, fault} = await read(['a "b\r\n \n\nx\r\r\n', 'é'], {form: 'text'});
  t.deepEqual(lines, [
    [1, 'a "b'],
    [2, ' '],
    [4, 'x\r'],
    [5, 'é'],
  ]);
  t.is(fault, undefined);
  const bad = await read([Uint8Array.of(97, 10, 255, 10)], {form: 'text'});
  t.is(bad.fault, 'input refused: line 2 is not UTF-8');
});

test('a line that is larger than the master takes is a bad one', async t => {
  const huge = new Uint8Array(16 * 1_048_576 + 1).fill(49);
  const {lines, fault} = await read(['1\n', huge, '\n2\n']);
  t.deepEqual(lines, [[1, '1']]);
  t.regex(fault ?? '', /line 2 has 16777217 bytes; at most 16777216 are allowed/);
});

test('a chunk is read when its lines are wanted', async t => {
  let chunks = 0;
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) {
      chunks += 1;
      yield toUtf8('1\n2\n3\n');
    }
  }
  const source = new LineSource(endless(), {form: 'json', badLines: 'stop'});
  await source.take(2);
  await source.take(1);
  t.is(chunks, 1);
  await source.take(5);
  t.is(chunks, 2);
  source.close();
  t.deepEqual(await source.take(5), []);
});
