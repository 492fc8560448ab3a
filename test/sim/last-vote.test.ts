import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asNodeId} from '../../src/base/types.ts';
import {lastVoteOf} from '../../src/sim/last-vote.ts';
import type {ModelVote} from '../../src/sim/model.ts';
import {outputName} from '../../src/sim/model-names.ts';

const outputOf = (text: string) => ({kind: 'inline', bytes: toUtf8(text)}) as const;
const RIGHT = outputName(outputOf('right'));

const vote = (text: string, {barred = false, suspicion = ''} = {}): ModelVote => ({
  nodeId: asNodeId('0'.repeat(32)),
  row: {
    replicaNo: 0,
    reportNo: 1,
    item: 0,
    cpuMs: 1,
    status: 'done',
    output: outputOf(text),
    ...(suspicion === '' ? {} : {suspicion}),
  },
  ...(barred ? {barred} : {}),
});
const odd = vote('right', {suspicion: 'it slept'});
const failed: ModelVote = {
  nodeId: asNodeId('0'.repeat(32)),
  row: {replicaNo: 0, reportNo: 1, item: 1, cpuMs: 1, status: 'timedOut', reason: ''},
};

test('a vote that decides is in a report, not stored', t => {
  t.is(lastVoteOf([], RIGHT, 1), 'reported');
  t.is(lastVoteOf([vote('right')], RIGHT, 2), 'reported');
  t.is(lastVoteOf([vote('right'), vote('wrong')], RIGHT, 1), 'reported', 'a tie');
  t.is(lastVoteOf([vote('right'), failed], RIGHT, 2), 'reported');
  t.is(lastVoteOf([odd], RIGHT, 2), 'reported', 'no quorum, suspicious or not');
  t.is(lastVoteOf([vote('right'), vote('right', {barred: true})], RIGHT, 2), 'reported');
});

test('votes that a revocation left over may decide', t => {
  const barred = vote('wrong', {barred: true});
  t.is(lastVoteOf([vote('right'), vote('right'), barred], RIGHT, 2), 'stored');
});

test('where a suspicious result made one more be asked for, the rows do not tell', t => {
  t.is(lastVoteOf([odd, vote('right')], RIGHT, 2), 'unknown');
  t.is(lastVoteOf([odd, vote('right'), vote('wrong')], RIGHT, 2), 'unknown');
  t.is(lastVoteOf([odd, vote('right'), vote('wrong', {barred: true})], RIGHT, 2), 'unknown');
  t.is(lastVoteOf([odd, vote('right'), vote('wrong'), vote('wrong')], RIGHT, 2), 'reported');
});
