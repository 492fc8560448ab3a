import test from 'ava';
import {asAddress, asMonoMs} from '../../src/base/types.ts';
import {SOURCES_MAX} from '../../src/wire/limits.ts';
import {SourceTable, sourceOf} from '../../src/wire/source-table.ts';

const at = (ms: number) => asMonoMs(ms);
const v4 = (no: number) => asAddress(`10.${(no >> 16) & 255}.${(no >> 8) & 255}.${no & 255}:7`);
const takes = (table: SourceTable, from: string, times: number, ms = 0): number =>
  Array.from({length: times}).filter(() => table.take(asAddress(from), at(ms))).length;

test('each source has a bucket of its own, whatever its port', t => {
  const table = new SourceTable(20, 5, 1);
  t.is(takes(table, '10.0.0.1:1000', 3), 3);
  t.is(takes(table, '10.0.0.1:2000', 9), 2);
  t.is(takes(table, '10.0.0.2:1000', 9), 5);
});

test('a bucket fills at its rate and no further than its burst', t => {
  const table = new SourceTable(20, 5, 1);
  takes(table, '10.0.0.1:1', 5);
  t.is(takes(table, '10.0.0.1:1', 9, 100), 2);
  t.is(takes(table, '10.0.0.1:1', 9, 60_000), 5);
});

test('a clock that goes back fills nothing and breaks nothing', t => {
  const table = new SourceTable(20, 5, 1);
  t.is(takes(table, '10.0.0.1:1', 9, 5_000), 5);
  t.is(takes(table, '10.0.0.1:1', 9, 1_000), 0);
});

test('an IPv4 source is the address, an IPv6 source its first 64 bits', t => {
  const of = (text: string): number => sourceOf(asAddress(text));
  t.is(of('192.168.7.9:6273'), 0xc0a80709);
  t.is(of('255.255.255.255:1'), 0xffffffff);
  t.is(of('[2001:db8:1:2::7]:1'), of('[2001:db8:1:2:ffff:1:2:3]:9'));
  t.is(of('[2001:db8::2:0:0:0:7]:1'), of('[2001:db8:0:2::]:1'));
  t.not(of('[2001:db8:1:2::7]:1'), of('[2001:db8:1:3::7]:1'));
  t.is(of('[::1]:1'), of('[0:0:0:0:5::]:1'));
});

test('all hosts of a small network keep their buckets', t => {
  const table = new SourceTable(20, 5, 12_345);
  for (let no = 0; no < 254; no++) t.is(takes(table, v4(no), 9), 5);
  let forgotten = 0;
  for (let no = 0; no < 254; no++) forgotten += takes(table, v4(no), 1);
  t.is(forgotten, 0);
});

test('65,536 sources make the table forget, not grow, and nobody is locked out by it', t => {
  const table = new SourceTable(20, 5, 77);
  const {bytes} = table;
  takes(table, '192.0.2.1:1', 4);
  for (let no = 0; no < 65_536; no++) t.true(table.take(v4(no), at(no / 100)));
  t.is(table.bytes, bytes);
  t.true(bytes <= SOURCES_MAX * 16);
  t.true(table.take(asAddress('192.0.2.1:1'), at(656)));
});

test('the source that was heard last stays when others come', t => {
  const table = new SourceTable(1, 1, 3);
  t.is(takes(table, '192.0.2.1:1', 1), 1);
  for (let no = 0; no < 20_000; no++) {
    table.take(v4(no), at(no / 1_000));
    t.is(takes(table, '192.0.2.1:1', 1, no / 1_000), 0);
  }
});
