import test from 'ava';
import {JpegCutter} from '../../src/io/jpeg-cutter.ts';

const picture = (...inside: number[]): number[] => [0xff, 0xd8, ...inside, 0xff, 0xd9];

test('pictures are cut out of a stream however it is cut into pieces', t => {
  const stream = [
    0,
    0xff,
    ...picture(1, 2, 0xff, 0, 3),
    0,
    0,
    ...picture(4),
    ...picture(0xff, 0xff),
  ];
  for (let size = 1; size <= stream.length; size++) {
    const cutter = new JpegCutter(1_000);
    const found: number[][] = [];
    for (let at = 0; at < stream.length; at += size)
      for (const {bytes, beganAt} of cutter.take(
        Uint8Array.from(stream.slice(at, at + size)),
        at,
      )) {
        found.push([...bytes]);
        t.true(beganAt <= at);
      }
    t.deepEqual(found, [picture(1, 2, 0xff, 0, 3), picture(4), picture(0xff, 0xff)], `${size}`);
  }
});

test('a picture that is too large is dropped, and the next one is whole', t => {
  const cutter = new JpegCutter(10);
  const stream = Uint8Array.from([...picture(...Array(50).fill(1)), ...picture(2)]);
  t.deepEqual(
    cutter.take(stream, 0).map(({bytes}) => [...bytes]),
    [picture(2)],
  );
});
