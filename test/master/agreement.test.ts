import test from 'ava';
import {toUtf8} from '../../src/base/bytes.ts';
import {asNodeId} from '../../src/base/types.ts';
import type {CompareRequest, Comparison, NumericCompare} from '../../src/core/compare.ts';
import type {MasterEffect} from '../../src/core/core.ts';
import type {CompareQuestion} from '../../src/core/lookups.ts';
import {Sight, standingOf} from '../../src/master/agreement.ts';
import type {Vote} from '../../src/master/validator.ts';
import type {OutputRef} from '../../src/wire/message.ts';
import {batchOf, creditOf, notesOf, only} from './look.ts';
import {MasterRig} from './rig.ts';
import {APP, blobOf, inline, type TestNode, type Work} from './test-node.ts';

const NUMERIC: NumericCompare = {kind: 'numeric', format: 'json', rtol: 0, atol: 1};
const ONE = {kind: 'range', start: 0, end: 1, chunk: 1} as const;

const blob = (text: string): OutputRef => ({kind: 'blob', ...blobOf(text)});

const votesOf = (...outputs: readonly string[]): Vote[] =>
  outputs.map((output, i) => ({
    nodeId: asNodeId(String(i).padStart(32, '0')),
    replicaNo: i,
    reportNo: i + 1,
    item: 0,
    cpuMs: 1,
    status: 'done',
    output: inline(output),
  }));

/** Outputs of the group, of the canonical result, and of all that agree with it. */
function groups(...outputs: readonly string[]): [string, string, string] {
  const {standing} = standingOf(new Sight(NUMERIC), votesOf(...outputs));
  const text = (vote: Vote | undefined): string =>
    vote?.status === 'done' && vote.output.kind === 'inline'
      ? Buffer.from(vote.output.bytes).toString()
      : '-';
  return [
    standing.best.map(text).join(' '),
    text(standing.canonical),
    standing.agreeing.map(text).join(' '),
  ];
}

test('a group are results that all agree with each other, each with each', t => {
  t.deepEqual(groups('5'), ['5', '5', '5']);
  t.deepEqual(groups('5', '5.5', '6'), ['5 5.5 6', '5', '5 5.5 6']);
  t.deepEqual(groups('0', '9', '0.5'), ['0 0.5', '0', '0 0.5']);
  t.deepEqual(groups(), ['', '-', '']);
});

test('agreement is not handed on from one to the next', t => {
  t.deepEqual(groups('0', '1', '2'), ['0 1', '1', '0 1 2'], 'the middle one agrees with most');
  t.deepEqual(groups('0', '0.9', '1.8', '2.7'), ['0 0.9', '0.9', '0 0.9 1.8']);
});

test('a larger group that began later is found', t => {
  t.deepEqual(groups('0', '1', '1.5', '2'), ['1 1.5 2', '1', '0 1 1.5 2']);
});

test('the order in which votes are kept does not matter, that of their reports does', t => {
  const votes = votesOf('0', '1', '2', '2.5', '7');
  const there = standingOf(new Sight(NUMERIC), votes).standing;
  const back = standingOf(new Sight(NUMERIC), [...votes].reverse()).standing;
  t.deepEqual(back, there);
});

test('what is not compared yet is neither valid nor in a group', t => {
  const votes = votesOf('1', '1');
  const waits: Vote = {...votesOf('x')[0], reportNo: 9, output: blob('1')} as Vote;
  const sight = new Sight(NUMERIC);
  const {standing, ask} = standingOf(sight, [...votes, waits]);
  t.like(standing, {valid: 2, waiting: 1});
  t.deepEqual(ask?.pair, [1, 1], 'first whether it can be compared at all');
  sight.learn(1, 1, {kind: 'same'});
  t.deepEqual(standingOf(sight, [...votes, waits]).ask?.pair, [0, 1]);
  sight.learn(0, 1, {kind: 'same'});
  t.like(standingOf(sight, [...votes, waits]).standing, {valid: 3, waiting: 0});
});

// ---- in a master ------------------------------------------------------------------------------

type Outputs = Readonly<Record<string, OutputRef>>;

/** A batch of one workunit; nodes by their names return these outputs, one after the other. */
function story(compare: CompareRequest, policy = {}) {
  const rig = MasterRig.ready();
  const id = rig.submit({compare, ...policy}, ONE);
  const nodes = new Map<string, TestNode>();
  const effects: MasterEffect[] = [];
  const returns = (outputs: Outputs): void => {
    for (const [name, output] of Object.entries(outputs)) {
      const node = nodes.get(name) ?? rig.node(name);
      nodes.set(name, node);
      effects.push(...rig.report(node, rig.pull(node), () => output));
    }
  };
  const node = (name: string): TestNode => nodes.get(name) as TestNode;
  const questions = (): CompareQuestion[] =>
    only(effects.splice(0), 'compare').map(({question}) => question);
  const answer = (question: CompareQuestion, comparison: Comparison): void => {
    effects.push(...rig.turn({type: 'compared', question, comparison}));
  };
  return {rig, id, returns, node, effects, questions, answer};
}

const NUMBERS: CompareRequest = {kind: 'numeric', rtol: 0, atol: 1};
const CUSTOM: CompareRequest = {kind: 'custom', app: APP.name};

test('two results within the tolerance decide a workunit, and both are paid', t => {
  const {rig, id, returns, node} = story(NUMBERS);
  returns({a: inline('[1, 5]'), b: inline('[1.5,5.0]')});
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, results: 2, disagreements: 0});
  for (const name of ['a', 'b']) t.is(creditOf(rig, node(name)).credit, 1);
});

test('results beyond the tolerance ask for one more, and the odd one is not paid', t => {
  const {rig, id, returns, node} = story(NUMBERS);
  returns({a: inline('1'), b: inline('9')});
  t.is(batchOf(rig, id).counters.state, 'running');
  returns({c: inline('8.5')});
  t.like(batchOf(rig, id).counters, {state: 'done', disagreements: 1});
  t.like({...creditOf(rig, node('a'))}, {credit: 0, disagreed: 1});
  t.like({...creditOf(rig, node('b'))}, {credit: 1, disagreed: 0});
});

test('an output that is no JSON is an error of its result, with the reason', t => {
  const {rig, id, returns, node, effects} = story(NUMBERS, {minQuorum: 1});
  returns({a: inline('nonsense')});
  t.like(batchOf(rig, id).counters, {state: 'running', results: 0, errors: 1});
  t.true(notesOf(effects).includes('an output cannot be compared'));
  t.is(creditOf(rig, node('a')).errors, 1);
  rig.kill();
  t.is(creditOf(rig, node('a')).errors, 1, 'counted once');
  rig.rest();
  returns({b: inline('12')});
  t.like(batchOf(rig, id).counters, {state: 'done', results: 1, errors: 1});
});

test('outputs that are all unfit end the workunit with the reason', t => {
  const {rig, id, returns} = story(NUMBERS, {maxErrorReplicas: 2});
  returns({a: inline('x'), b: inline('y')});
  const {state, reason} = batchOf(rig, id).counters;
  t.deepEqual([state, reason], ['failed', 'unfit: the output is not JSON']);
});

test('small numbers are compared at once, blobs are asked for one question at a time', t => {
  const {rig, id, returns, questions, answer} = story(NUMBERS);
  returns({a: inline('1')});
  t.deepEqual(questions(), []);
  const b = blob('2');
  rig.turn({type: 'blobStored', ...blobOf('2')});
  returns({b});
  const [first, ...none] = questions() as [CompareQuestion];
  t.deepEqual(none, []);
  t.deepEqual([first.a, first.b], [b, b]);
  t.is(batchOf(rig, id).counters.state, 'running');
  answer(first, {kind: 'same'});
  const [second] = questions() as [CompareQuestion];
  t.deepEqual([second.a, second.b], [inline('1'), b]);
  answer(second, {kind: 'same'});
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, disagreements: 0});
});

/** Answers all questions as a comparison app that looks at the first letter; '!' is unfit. */
function byFirstLetter(question: CompareQuestion): Comparison {
  const [a, b] = [question.a, question.b].map(output =>
    output.kind === 'inline' ? String.fromCharCode(output.bytes[0] ?? 0) : '',
  );
  if (a === '!' || b === '!') return {kind: 'failed', reason: 'cmp: trapped'};
  return {kind: a === b ? 'same' : 'different'};
}

function settleAll({questions, answer}: ReturnType<typeof story>): number {
  let asked = 0;
  for (let open = questions(); open.length > 0; open = questions())
    for (const question of open) {
      asked += 1;
      answer(question, byFirstLetter(question));
    }
  return asked;
}

test('a comparison app decides who agrees', t => {
  const told = story(CUSTOM);
  const {rig, id, returns, node} = told;
  returns({a: inline('apple'), b: inline('pear')});
  t.is(settleAll(told), 3, 'each with itself, and the two');
  t.is(batchOf(rig, id).counters.state, 'running');
  returns({c: inline('avocado')});
  settleAll(told);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1, disagreements: 1});
  t.is(creditOf(rig, node('b')).disagreed, 1);
  t.is(creditOf(rig, node('c')).credit, 1);
});

test('the same bytes agree without a question, once they are known to be fit', t => {
  const told = story(CUSTOM);
  told.returns({a: inline('apple'), b: inline('apple')});
  t.is(settleAll(told), 1);
  t.is(batchOf(told.rig, told.id).counters.state, 'done');
});

test('an output that the comparison app cannot stand is an error of its result', t => {
  const told = story(CUSTOM);
  told.returns({a: inline('!'), b: inline('x')});
  settleAll(told);
  const {counters} = batchOf(told.rig, told.id);
  t.like(counters, {state: 'running', results: 1, errors: 1});
  told.returns({c: inline('xx')});
  settleAll(told);
  t.like(counters, {state: 'done', done: 1});
});

test('two good outputs whose comparison fails differ', t => {
  const {rig, id, returns, questions, answer, effects} = story(CUSTOM);
  returns({a: inline('x'), b: inline('xx')});
  for (const question of questions()) answer(question, {kind: 'same'});
  for (const question of questions()) answer(question, {kind: 'same'});
  const [pair] = questions() as [CompareQuestion];
  answer(pair, {kind: 'failed', reason: 'cmp: timedOut'});
  t.true(notesOf(effects).includes('a comparison failed'));
  t.is(batchOf(rig, id).counters.state, 'running');
  t.is(rig.pull(rig.node('c')).length, 1, 'one more is wanted');
});

test('without its comparison app a batch ends with the reason', t => {
  const {rig, id, returns, questions, answer} = story(CUSTOM);
  returns({a: inline('x')});
  const [question] = questions() as [CompareQuestion];
  answer(question, {kind: 'unavailable', reason: 'cmp: signed by no key'});
  const {state, reason} = batchOf(rig, id).counters;
  t.deepEqual([state, reason], ['failed', 'comparison: cmp: signed by no key']);
});

test('no replica is handed out, and nothing is decided, while results wait to be compared', t => {
  const told = story(CUSTOM, {minQuorum: 1, targetReplicas: 2});
  told.returns({a: inline('x')});
  const [question] = told.questions() as [CompareQuestion];
  t.is(batchOf(told.rig, told.id).counters.state, 'running');
  t.is(told.rig.pull(told.rig.node('b')).length, 1, 'the second of the target');
  t.is(told.rig.pull(told.rig.node('c')).length, 0);
  told.answer(question, {kind: 'same'});
  t.is(batchOf(told.rig, told.id).counters.state, 'done');
});

test('an answer for a workunit that is decided or gone changes nothing', t => {
  const told = story(CUSTOM, {minQuorum: 1});
  told.returns({a: inline('x')});
  const [question] = told.questions() as [CompareQuestion];
  told.answer(question, {kind: 'same'});
  t.is(batchOf(told.rig, told.id).counters.state, 'done');
  told.answer(question, {kind: 'different'});
  told.answer({...question, index: 7}, {kind: 'same'});
  told.answer({...question, batchId: 99 as Work['batchId']}, {kind: 'unavailable', reason: ''});
  t.like(batchOf(told.rig, told.id).counters, {state: 'done', done: 1});
});

for (const input of ['a range', 'lines'] as const)
  test(`a restart asks again what was not answered: ${input}`, t => {
    const told = story(CUSTOM);
    const {rig} = told;
    const blobId = blobOf('77').blobId;
    const source =
      input === 'a range' ? ONE : {kind: 'lines' as const, blobId, indexBlobId: blobId, count: 1};
    const id = rig.submit({compare: CUSTOM, priority: 1}, source);
    rig.feed();
    told.returns({a: inline('x'), b: inline('xx')});
    told.effects.splice(0);
    const before = rig.rows.size;
    rig.core.check();
    rig.kill();
    rig.turn();
    const asked: MasterEffect[] = [];
    if (input === 'lines') rig.feed();
    const workunit = () => batchOf(rig, id).open.get(0);
    t.is(workunit()?.votes.length, 2);
    t.true(workunit()?.sight?.isAsking);
    t.is(rig.rows.size, before);
    for (let i = 0; i < 5 && batchOf(rig, id).running; i++) {
      const votes = workunit()?.votes ?? [];
      const outputs = votes.map(vote => (vote.status === 'done' ? vote.output : inline('')));
      for (const a of outputs)
        for (const b of outputs) {
          const compare = {kind: 'custom', app: APP.name, appId: APP.appId} as const;
          const nodeId = votes[0]?.nodeId ?? asNodeId('');
          const question = {batchId: id, index: 0, compare, nodeId, a, b};
          asked.push(...rig.turn({type: 'compared', question, comparison: {kind: 'same'}}));
        }
    }
    t.like(batchOf(rig, id).counters, {state: 'done', done: 1, disagreements: 0});
  });

test('a revoked node that waits to be compared is replaced', t => {
  const told = story(CUSTOM);
  const {rig, id} = told;
  told.returns({a: inline('x'), bad: inline('!')});
  rig.ask({kind: 'revokeNode', nodeId: told.node('bad').id});
  settleAll(told);
  t.is(batchOf(rig, id).counters.errors, 0, 'nobody looks at its output any more');
  told.returns({c: inline('xx')});
  settleAll(told);
  t.like(batchOf(rig, id).counters, {state: 'done', done: 1});
});

test('a policy whose comparison makes no sense is refused', t => {
  const rig = MasterRig.ready();
  const refusal = (compare: CompareRequest, more = {}): unknown => {
    const batch = {name: '', app: APP.name, args: [], input: ONE, policy: {compare, ...more}};
    const answer = rig.ask({kind: 'submitBatch', batch});
    return answer.ok ? 'taken' : answer.fields['reason'];
  };
  t.is(refusal({kind: 'exact'}), 'taken');
  t.is(refusal({kind: 'numeric'}), 'taken');
  t.regex(String(refusal({kind: 'numeric', rtol: 1})), /rtol/);
  t.regex(String(refusal({kind: 'numeric', atol: -1})), /atol/);
  t.regex(String(refusal({kind: 'numeric', atol: Number.NaN})), /atol/);
  t.regex(String(refusal({kind: 'custom', app: 'nobody'})), /no comparison app/);
  t.regex(String(refusal({kind: 'custom', app: 'convert'})), /wasm/);
});

test('a custom comparison is pinned to the app of the day when the batch was submitted', t => {
  const {rig, id, returns, questions} = story(CUSTOM);
  rig.ask({kind: 'addApp', app: {...APP, appId: blobOf('5').blobId}});
  returns({a: inline('x')});
  t.like(questions()[0]?.compare, {appId: APP.appId});
  t.like(batchOf(rig, id).row.policy.compare, {app: APP.name, appId: APP.appId});
});

test('numbers of a text are compared as bytes of the wire, not as they are shown', t => {
  const bytes = toUtf8('{"sum": 1.0}');
  const {rig, id, returns} = story(NUMBERS);
  returns({a: {kind: 'inline', bytes}, b: inline('{"sum":1}')});
  t.is(batchOf(rig, id).counters.state, 'done');
});
