import test from 'ava';
import {readReplica} from '../../src/base/types.ts';

test('a replica is named by three numbers, or by the two of its workunit', t => {
  for (const name of ['3/17/0', '3/17', '1/0', '4294967295/4294967295/4294967295'])
    t.is(readReplica(name) as string, name);
  t.is(readReplica('003/017/00') as string, '3/17/0');
});

test('what names no replica is told from what does', t => {
  const none = ['', 'abc', '3', '3/', '/3', '3//0', '3/17/', '3/17/0/1', '0/17/0', '-1/2', '1.5/2'];
  const huge = ['4294967296/0', '1/4294967296', '1/0/4294967296', '1/99999999999999999999'];
  const odd = [' 3/17', '3/17\n', '3 / 17', '1e3/2', '0x3/1', '٣/17', `${'9'.repeat(10_000)}/1`];
  for (const text of [...none, ...huge, ...odd]) t.is(readReplica(text), undefined, text);
});
