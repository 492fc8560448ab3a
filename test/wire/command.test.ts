import test from 'ava';
import fc from 'fast-check';
import {toHex} from '../../src/base/bytes.ts';
import {asMonoMs, asNodeId, asWallMs} from '../../src/base/types.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {encodeCommand} from '../../src/wire/codec.ts';
import {
  CommandReceiver,
  type CommandSeal,
  type CommandWay,
  commandExpired,
  REPAIRABLE_COMMAND_BYTES_MAX,
  type ReceivedCommand,
  sealCommand,
  targets,
} from '../../src/wire/command.ts';
import {
  COMMAND_REPEATS_HEARD_MS,
  COMMAND_SEALS_PER_SECOND,
  COMMANDS_PER_SECOND,
} from '../../src/wire/limits.ts';
import type {Command} from '../../src/wire/message.ts';
import {COMMANDS} from './sample-commands.ts';
import {bytes} from './samples.ts';

const crypto = new NodeCrypto();
const MASTER = crypto.ed25519KeyPair();
const INSIDER = crypto.ed25519KeyPair();
const GROUP_KEY = crypto.random(32);
const FIRE = COMMANDS['fire'] as Command;
const NOW = asMonoMs(5_000);
const SEAL: CommandSeal = {keyId: 3, groupKey: GROUP_KEY, epoch: 13, seq: 100};
const MEMBERSHIP = {
  clusterId: FIRE.clusterId,
  commandKey: MASTER.publicKey,
  groupKey: GROUP_KEY,
  groupKeyId: 3,
  epoch: 13,
  seqFloor: 99,
};

const sealed = (change: Partial<CommandSeal> = {}, command = FIRE): Uint8Array =>
  sealCommand(crypto, MASTER.secretKey, {...SEAL, ...change}, command);
const joined = (change: Partial<typeof MEMBERSHIP> = {}): CommandReceiver => {
  const receiver = new CommandReceiver(crypto);
  receiver.join({...MEMBERSHIP, ...change}, NOW);
  return receiver;
};
const outcome = (received: ReceivedCommand): string =>
  received.kind === 'drop' ? received.reason : received.kind;
const open = (
  receiver: CommandReceiver,
  datagram: Uint8Array,
  now = NOW,
  way: CommandWay = 'group',
): string => outcome(receiver.open(datagram, now, way));

/** Counts what a receiver spends on a datagram. */
class MeteredCrypto extends NodeCrypto {
  opened = 0;
  verified = 0;

  override open(...args: Parameters<NodeCrypto['open']>): Uint8Array | undefined {
    this.opened += 1;
    return super.open(...args);
  }

  override verify(...args: Parameters<NodeCrypto['verify']>): boolean {
    this.verified += 1;
    return super.verify(...args);
  }
}

test('a command is 104 bytes longer than its body and comes back as it went', t => {
  for (const command of Object.values(COMMANDS)) {
    const datagram = sealed({}, command);
    t.is(datagram.length, encodeCommand(command).length + 104);
    t.is(datagram[0], 7);
    t.deepEqual(joined().open(datagram, NOW), {kind: 'command', command, epoch: 13, seq: 100});
  }
});

test('before join nothing is obeyed, and after leave neither', t => {
  const receiver = new CommandReceiver(crypto);
  t.is(open(receiver, sealed()), 'coldStart');
  receiver.join(MEMBERSHIP, NOW);
  t.is(open(receiver, sealed()), 'command');
  receiver.leave();
  t.is(open(receiver, sealed({seq: 101})), 'coldStart');
});

test('a repeat of a command is a duplicate, and is obeyed once', t => {
  const receiver = joined();
  t.is(open(receiver, sealed()), 'command');
  t.deepEqual(receiver.open(sealed(), NOW), {kind: 'duplicate', epoch: 13, seq: 100});
});

test('a copy that came long after is a duplicate still, when it is authentic', t => {
  const receiver = joined();
  t.is(open(receiver, sealed()), 'command');
  for (let seq = 101; seq < 130; seq++) t.is(open(receiver, sealed({seq})), 'command');
  t.is(open(receiver, sealed(), NOW, 'copy'), 'duplicate');
  const forged = sealed();
  forged[40] = (forged[40] ?? 0) ^ 1;
  t.is(open(receiver, forged, NOW, 'copy'), 'badSeal');
});

test('a repeat by multicast is a duplicate as long as the master repeats, and then says nothing', t => {
  const receiver = joined();
  t.is(open(receiver, sealed()), 'command');
  const last = asMonoMs(NOW + COMMAND_REPEATS_HEARD_MS);
  t.is(open(receiver, sealed(), last), 'duplicate');
  t.is(open(receiver, sealed(), asMonoMs(last + 1)), 'replayed');
  t.is(open(receiver, sealed(), asMonoMs(last + 1), 'copy'), 'duplicate');
});

test('an insider can not have a command acknowledged again in another form', t => {
  const receiver = joined();
  t.is(open(receiver, sealed()), 'command');
  const other = sealCommand(crypto, INSIDER.secretKey, SEAL, COMMANDS['cancelBatch'] as Command);
  t.is(open(receiver, other), 'replayed');
  t.is(open(receiver, other, NOW, 'copy'), 'badSignature');
});

test('history is refused: below the floor, below the window, of an older epoch', t => {
  const receiver = joined();
  t.is(open(receiver, sealed({seq: 99})), 'replayed');
  t.is(open(receiver, sealed({seq: 5_000})), 'command');
  t.is(open(receiver, sealed({seq: 5_000 - 1_024})), 'replayed');
  t.is(open(receiver, sealed({seq: 5_000 - 1_023})), 'command');
  t.is(open(receiver, sealed({seq: 6_000, epoch: 12})), 'oldEpoch');
  t.is(open(receiver, sealed({seq: 6_000, epoch: 14})), 'unknownKey');
});

test('a later epoch begins anew, and nothing of the former one is obeyed', t => {
  const receiver = joined();
  t.is(open(receiver, sealed()), 'command');
  const groupKey = crypto.random(32);
  receiver.join({...MEMBERSHIP, epoch: 14, groupKey, seqFloor: 0}, NOW);
  t.is(open(receiver, sealed({seq: 101})), 'oldEpoch');
  t.is(open(receiver, sealed({epoch: 14, seq: 1, groupKey})), 'command');
});

test("a copy in the master's own session tells of a later epoch, a multicast does not", t => {
  const receiver = joined();
  const later = sealed({epoch: 14, seq: 1});
  t.is(outcome(receiver.open(later, NOW, 'copy')), 'later');
  t.is(open(receiver, later), 'unknownKey');
  t.is(outcome(receiver.open(sealed({epoch: 12}), NOW, 'copy')), 'oldEpoch');
});

test('a new Welcome in the same epoch forgets nothing that was obeyed or is under way', t => {
  const receiver = joined();
  t.is(open(receiver, sealed({seq: 105})), 'command');
  receiver.join({...MEMBERSHIP, seqFloor: 110}, NOW);
  t.is(open(receiver, sealed({seq: 105})), 'duplicate');
  t.is(open(receiver, sealed({seq: 106})), 'command');
  t.is(open(receiver, sealed({seq: 106})), 'duplicate');
  t.is(open(receiver, sealed({seq: 111})), 'command');
});

test('after a rotation the old group key is good for a minute', t => {
  const receiver = joined();
  const groupKey = crypto.random(32);
  receiver.join({...MEMBERSHIP, groupKeyId: 4, groupKey}, NOW);
  t.is(open(receiver, sealed({seq: 101})), 'command');
  t.is(open(receiver, sealed({seq: 102, keyId: 4, groupKey})), 'command');
  const later = asMonoMs(NOW + 60_000);
  t.is(open(receiver, sealed({seq: 103}), later), 'unknownKey');
  t.is(open(receiver, sealed({seq: 104, keyId: 4, groupKey}), later), 'command');
});

test('a rotated key is taken beside the old one, and only by who is in the group', t => {
  const receiver = joined();
  const groupKey = crypto.random(32);
  receiver.rotate(groupKey, 4, NOW);
  t.is(open(receiver, sealed({seq: 101})), 'command');
  const again = sealed({seq: 101, keyId: 4, groupKey});
  t.is(open(receiver, again), 'replayed');
  t.is(receiver.open(again, NOW, 'copy').kind, 'duplicate', 'done is done');
  t.is(open(receiver, sealed({seq: 102, keyId: 4, groupKey})), 'command');
  receiver.rotate(groupKey, 4, NOW);
  t.is(open(receiver, sealed({seq: 103})), 'command', 'told twice: the old one is still good');
  const cold = new CommandReceiver(crypto);
  cold.rotate(groupKey, 4, NOW);
  t.is(open(cold, sealed({seq: 104, keyId: 4, groupKey})), 'coldStart');
});

test('a command of another cluster, or signed by a node, is refused', t => {
  const elsewhere = {...FIRE, clusterId: bytes(16, 99)};
  t.is(open(joined(), sealed({}, elsewhere)), 'notForUs');
  const byInsider = sealCommand(crypto, INSIDER.secretKey, SEAL, FIRE);
  const receiver = joined();
  t.is(open(receiver, byInsider), 'badSignature');
  t.is(open(receiver, sealed()), 'command', 'the forgery did not use its number up');
});

test('the cheap checks come first', t => {
  const meter = new MeteredCrypto();
  const receiver = new CommandReceiver(meter);
  const expect = (datagram: Uint8Array, reason: string, opened: number, verified: number) => {
    meter.opened = 0;
    meter.verified = 0;
    t.is(open(receiver, datagram), reason);
    t.deepEqual([meter.opened, meter.verified], [opened, verified], reason);
  };
  const withByte = (at: number, value: number): Uint8Array => {
    const datagram = sealed();
    datagram[at] = value;
    return datagram;
  };
  expect(sealed(), 'coldStart', 0, 0);
  receiver.join(MEMBERSHIP, NOW);
  expect(new Uint8Array(103), 'tooSmall', 0, 0);
  expect(new Uint8Array(1_233), 'tooLarge', 0, 0);
  expect(withByte(1, 2), 'malformed', 0, 0);
  expect(withByte(2, 1), 'malformed', 0, 0);
  expect(withByte(23, 1), 'malformed', 0, 0);
  expect(withByte(3, 9), 'unknownKey', 0, 0);
  expect(sealed({epoch: 1}), 'oldEpoch', 0, 0);
  expect(sealed({seq: 99}), 'replayed', 0, 0);
  expect(withByte(60, 1), 'badSeal', 1, 0);
  expect(sealed({}, {...FIRE, clusterId: bytes(16, 99)}), 'notForUs', 1, 0);
  expect(sealCommand(crypto, INSIDER.secretKey, SEAL, FIRE), 'badSignature', 1, 1);
  expect(sealed(), 'command', 1, 1);
  expect(sealed(), 'duplicate', 0, 0);
});

const countOf = (outcomes: readonly string[], wanted: string): number =>
  outcomes.filter(it => it === wanted).length;

test('a flood of a stranger costs the budget of a second and no more', t => {
  const receiver = joined();
  const forged = sealed();
  forged[60] = (forged[60] ?? 0) ^ 1;
  const burst = 2 * COMMAND_SEALS_PER_SECOND;
  const outcomes = Array.from({length: burst + 100}, () => open(receiver, forged));
  t.is(countOf(outcomes, 'badSeal'), burst);
  t.is(countOf(outcomes, 'rateLimited'), 100);
  t.is(open(receiver, sealed(), asMonoMs(NOW + 1_000)), 'command');
});

test('a stranger can not use up the signatures that a node verifies in a second', t => {
  const receiver = joined();
  const forged = sealed();
  forged[60] = (forged[60] ?? 0) ^ 1;
  for (let i = 0; i < 4 * COMMANDS_PER_SECOND; i++) t.is(open(receiver, forged), 'badSeal');
  t.is(open(receiver, sealed()), 'command');
});

test('a flood of an insider costs its budget, and does not hold up what the master sends by unicast', t => {
  const receiver = joined();
  const forged = sealCommand(crypto, INSIDER.secretKey, SEAL, FIRE);
  const burst = 2 * COMMANDS_PER_SECOND;
  const outcomes = Array.from({length: burst + 100}, () => open(receiver, forged));
  t.is(countOf(outcomes, 'badSignature'), burst);
  t.is(countOf(outcomes, 'rateLimited'), 100);
  t.is(open(receiver, sealed()), 'rateLimited');
  t.is(outcome(receiver.open(forged, NOW, 'copy')), 'badSignature');
  t.is(outcome(receiver.open(sealed(), NOW, 'copy')), 'command');
  t.is(open(receiver, sealed()), 'duplicate');
});

test('a command with any byte changed is dropped, and the true one is still good', t => {
  const datagram = sealed();
  let now = NOW;
  const receiver = joined();
  for (let i = 0; i < datagram.length; i++) {
    for (const bit of [1, 0x80]) {
      const changed = datagram.slice();
      changed[i] = (changed[i] ?? 0) ^ bit;
      now = asMonoMs(now + 100);
      t.is(receiver.open(changed, now).kind, 'drop');
    }
  }
  t.is(open(receiver, datagram, now), 'command');
});

test('no two commands have the same nonce', t => {
  const nonces = new Set<string>();
  class Listening extends NodeCrypto {
    override seal(...args: Parameters<NodeCrypto['seal']>): Uint8Array {
      nonces.add(toHex(args[1]));
      return super.seal(...args);
    }
  }
  const listening = new Listening();
  const numbers = [1, 2, 255, 256, 2 ** 24, 2 ** 32 - 1];
  for (const epoch of numbers) {
    for (const seq of numbers)
      sealCommand(listening, MASTER.secretKey, {...SEAL, epoch, seq}, FIRE);
  }
  t.is(nonces.size, numbers.length ** 2);
});

test('random and changed bytes are never an exception and never a command', t => {
  const receiver = joined();
  const datagram = sealed();
  let now = NOW;
  const edit = fc.record({at: fc.nat(), by: fc.integer({min: 1, max: 255})});
  fc.assert(
    fc.property(fc.uint8Array({maxLength: 1_300}), edit, (junk, {at, by}) => {
      now = asMonoMs(now + 1_000);
      const changed = datagram.slice();
      const index = at % changed.length;
      changed[index] = (changed[index] ?? 0) ^ by;
      const framed = Uint8Array.of(7, 1, 0, 3, ...junk);
      return [junk, framed, changed].every(it => receiver.open(it, now).kind === 'drop');
    }),
    {numRuns: 1_000},
  );
  t.pass();
});

test('the largest command that can be repaired fits into a CommandCopy', t => {
  t.is(REPAIRABLE_COMMAND_BYTES_MAX, 1_090);
});

test('a command expires after its time to live, on the clock of the master', t => {
  const at = (ms: number) => asWallMs(FIRE.issuedWallMs + ms);
  t.false(commandExpired(FIRE, at(0)));
  t.false(commandExpired(FIRE, at(FIRE.ttlMs)));
  t.true(commandExpired(FIRE, at(FIRE.ttlMs + 1)));
  t.false(commandExpired(FIRE, at(-60_000)), 'a clock that is behind does not make it older');
});

test('an empty target means every node, else any label or id that fits', t => {
  const me = asNodeId('11'.repeat(16));
  const other = asNodeId('22'.repeat(16));
  t.true(targets({labels: [], nodes: []}, me, []));
  t.true(targets({labels: ['a', 'b'], nodes: []}, me, ['b']));
  t.false(targets({labels: ['a'], nodes: []}, me, ['b']));
  t.true(targets({labels: ['a'], nodes: [me]}, me, []));
  t.false(targets({labels: [], nodes: [other]}, me, ['a']));
});

test('a command of a member of the group that breaks a limit is dropped', t => {
  t.is(open(joined(), sealed({}, {...FIRE, ttlMs: 86_400_000})), 'limits');
});
