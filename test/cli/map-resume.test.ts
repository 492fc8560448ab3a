import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asBatchId} from '../../src/base/types.ts';
import type {MapOutput} from '../../src/cli/map-output.ts';
import {Resumption} from '../../src/cli/map-resume.ts';
import type {OperatorClient} from '../../src/http/client.ts';
import {MapJournal} from '../../src/library/map-journal.ts';
import {batchView} from '../http/rig.ts';

test('a whole batch that a kill left at the master is deleted, by its number and its name', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'volley-resume-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  const path = join(folder, 'state');
  const inputs = [{bytes: toUtf8('1'), line: 1}];
  const journal = new MapJournal(path);
  journal.begin('abc', {});
  for (const no of [0, 1, 2]) {
    journal.intend(no, inputs);
    journal.submitted(no, asBatchId(no + 7));
    journal.taken([[no, 0, 1]], 0, undefined);
  }
  journal.close();
  const left = [
    batchView(asBatchId(7), {name: 'map-abc-0'}),
    batchView(asBatchId(8), {name: 'of somebody else'}),
    batchView(asBatchId(99), {name: 'map-abc-2'}),
  ];
  let asked = 0;
  const client = {
    batches: async () => {
      asked += 1;
      return left;
    },
  };
  const whole: number[] = [];
  const resumption = new Resumption(
    path,
    client as unknown as OperatorClient,
    {flush: async () => undefined} as unknown as MapOutput,
    {whole: id => whole.push(id), say: text => t.fail(text)},
  );
  const submit = () => Promise.reject(new Error('nothing is submitted'));
  for (const no of [0, 1, 2])
    t.is(await resumption.launch({inputs, first: no}, no, submit), undefined);
  await resumption.end();
  t.deepEqual(whole, [7]);
  t.is(asked, 1);
  await resumption.close();
});
