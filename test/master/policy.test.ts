// The policy of a batch: which defaults it gets.

import test from 'ava';
import type {PolicyRequest} from '../../src/core/policy.ts';
import {policyOf} from '../../src/master/policy.ts';
import {APP} from './test-node.ts';

test('results of js apps are held against each other on one engine, unless the batch says otherwise', t => {
  const of = (wanted: PolicyRequest, runtime: 'wasm' | 'js' | 'exec' = 'js') => {
    const policy = policyOf(wanted, {...APP, runtime});
    return typeof policy === 'string' ? policy : policy.homogeneous;
  };
  t.is(of({}), 'engine');
  t.is(of({minQuorum: 1}), 'engine');
  t.is(of({homogeneous: 'arch'}), 'arch');
  t.is(of({homogeneous: 'off'}), 'off');
  t.is(of({compare: {kind: 'numeric'}}), undefined);
  t.is(of({compare: {kind: 'exact'}}), undefined);
  t.is(of({broadcast: true}), undefined, 'nobody else computes what is one node its own');
  t.is(of({}, 'wasm'), undefined);
  t.is(of({}, 'exec'), undefined);
});
