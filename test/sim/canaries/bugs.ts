// Planted bugs: each is a change of one place of the source, made in memory while the simulator is bundled for
// a hunt (bundle.ts). So no option of the product can reach them, and nothing of them is in what is installed. A text that
// is not found exactly once is an error: the list follows the code.

import {BROADCAST_BUGS} from './bugs-broadcasts.ts';
import {CAPTURE_BUGS} from './bugs-capture.ts';
import {CLOCK_BUGS} from './bugs-clock.ts';
import {KEY_BUGS} from './bugs-keys.ts';
import {MACHINE_BUGS} from './bugs-machines.ts';
import {ORDER_BUGS} from './bugs-orders.ts';
import {STAGE_BUGS} from './bugs-stages.ts';
import {TRANSFER_BUGS} from './bugs-transfers.ts';
import {TRUST_BUGS} from './bugs-trust.ts';

export type Change = {
  /** Below src/. */
  readonly file: string;
  readonly find: string;
  readonly put: string;
};

export type Bug = Change & {
  readonly name: string;
  /** What goes wrong, in words of a user. */
  readonly what: string;
  /** A second change that the first one needs. */
  readonly and?: Change;
};

export const BUGS: readonly Bug[] = [
  {
    name: 'ack-before-commit',
    what: 'the master acknowledges before the commit is on disk',
    file: 'runtime/driver.ts',
    find: 'this.#options.store.commit(ops, error => {',
    put: 'this.#performAll(effects.splice(0)); this.#options.store.commit(ops, error => {',
  },
  {
    name: 'disk-error-ignored',
    what: 'a commit that failed is taken for one that is on disk',
    file: 'runtime/driver.ts',
    find: `      if (error) {
        this.#fail(error);
        return;
      }
      this.#head = head;`,
    put: '      this.#head = head;',
  },
  {
    name: 'epoch-not-raised',
    what: 'a restarted master uses the epoch of its life before',
    file: 'master/restore.ts',
    find: 'epoch: this.#epoch + 1,',
    put: 'epoch: Math.max(1, this.#epoch),',
  },
  {
    name: 'epoch-not-saved',
    what: 'the new epoch of a start is never written',
    file: 'master/context.ts',
    find: "this.save(put('meta', EPOCH_KEY, encodeJson({epoch})));",
    put: '',
  },
  {
    name: 'node-counted-twice',
    what: 'two results of one node count as two votes',
    file: 'master/results.ts',
    find: 'open?.votes.some(vote => vote.nodeId === nodeId && sameReplica(vote, item))',
    put: 'open?.votes.some(vote => vote.replicaNo === item.replicaNo && vote.nodeId === nodeId && sameReplica(vote, item))',
  },
  {
    name: 'no-majority',
    what: 'a quorum decides although as many nodes say something else',
    file: 'master/validator.ts',
    find: 'best.length >= policy.minQuorum && majority',
    put: 'best.length >= policy.minQuorum',
  },
  {
    name: 'majority-instead-of-quorum',
    what: 'a majority decides before the quorum is there',
    file: 'master/validator.ts',
    find: 'best.length >= policy.minQuorum && majority',
    put: 'majority',
  },
  {
    name: 'not-compared-yet',
    what: 'a workunit is decided while results wait to be compared',
    file: 'master/validator.ts',
    find: '|| waiting > 0 ||',
    put: '||',
  },
  {
    name: 'not-asked-again',
    what: 'a restart forgets to ask which results agree',
    file: 'master/agreement.ts',
    find: 'if (isToJudge || whyGone(context, workunit) !== undefined) context.toSettle.add(workunit);',
    put: 'void [context, isToJudge];',
  },
  {
    name: 'vote-not-saved',
    what: 'a result of an open workunit is acknowledged and not stored',
    file: 'master/results.ts',
    find: "context.save(put('vote', key, encodeVote(vote)));",
    put: 'void key;',
  },
  {
    name: 'window-off-by-one',
    what: 'the newest datagram of a session may come twice',
    file: 'wire/replay-window.ts',
    find: 'if (number > this.#highest) return true;',
    put: 'if (number >= this.#highest) return true;',
  },
  {
    name: 'executed-before-saved',
    what: 'a node fires before its floor is on disk',
    file: 'node/floor.ts',
    find: "if (kind === 'fire' || kind === 'setAction') this.#save();",
    put: "if (kind === 'fire' && now < 0) this.#save();",
  },
  {
    name: 'ttl-ignored',
    what: 'a command past its time to live is executed',
    file: 'node/command-desk.ts',
    find: 'wall !== undefined && commandExpired(command, wall)',
    put: 'false',
  },
  {
    name: 'ttl-by-own-wall-clock',
    what: "times to live are judged by the node's wall clock",
    file: 'node/command-desk.ts',
    find: 'wall !== undefined && commandExpired(command, wall)',
    put: 'commandExpired(command, now.wall)',
  },
  {
    name: 'issued-by-wall-clock',
    what: 'setting the clock of the master moves the age of its commands',
    file: 'master/commands.ts',
    find: 'issuedWallMs: this.#context.instant(now.mono),',
    put: 'issuedWallMs: now.wall,',
  },
  {
    name: 'fires-without-a-clock',
    what: 'a node that does not know the time fires at once',
    file: 'node/firing.ts',
    find: "if (wallNow === undefined) return {kind: 'unknownClock'};",
    put: "if (wallNow === undefined) return {kind: 'fire', fireAt: now, fireAtWall: atWall};",
  },
  {
    name: 'sleep-unnoticed',
    what: 'a machine that slept goes on as if no time had passed',
    file: 'node/clock-watch.ts',
    find: 'return Math.abs(offset - before) < WALL_STEP_MS ? 0 : offset - before;',
    put: 'return 0;',
  },
  {
    name: 'floor-of-welcome-zero',
    what: 'a node that joins is not told which commands are history',
    file: 'master/enrolment.ts',
    find: 'seqFloor: this.#commands.seq,',
    put: 'seqFloor: 0,',
  },
  {
    name: 'old-backup-unnoticed',
    what: 'a master does not go above the epochs that its nodes have seen',
    file: 'master/enrolment.ts',
    find: 'this.#noticeOther(node, hello, now);',
    put: 'void now;',
  },
  {
    name: 'revoked-comes-back',
    what: 'a revoked node is welcomed again',
    file: 'master/enrolment.ts',
    find: "if (isRevoked(known) || isRevoked(node)) return 'revoked';",
    put: '',
  },
  {
    name: 'discover-of-any-size',
    what: 'a short question is answered by a long beacon',
    file: 'wire/session-master.ts',
    find: 'const wrong = wrongLength(datagram, DISCOVER_BYTES);',
    put: 'const wrong = datagram.length < 4 ? wrongLength(datagram, DISCOVER_BYTES) : undefined;',
  },
  {
    name: 'lease-unchecked',
    what: 'a result counts although its node was never given that replica',
    file: 'master/results.ts',
    find: 'if ((known ?? leaseProof(this.#context, nodeId, item)) === item.proof) return true;',
    put: 'return true;',
  },
  {
    name: 'number-of-a-lost-batch',
    what: 'after an old backup, results of a lost batch count for the one with its number',
    file: 'master/leases.ts',
    find: 'hex32(salt) + ',
    put: '',
  },
  {
    name: 'credit-for-late',
    what: 'a result that comes after the decision is paid',
    file: 'master/results.ts',
    find: 'if (!open && !batch.feeder.isPending(item.index)) return STALE;',
    put: `if (!open && !batch.feeder.isPending(item.index)) {
      this.#context.roster.addCredit(node.row.nodeId, {validated: 1, credit: CREDIT});
      return STALE;
    }`,
  },
  {
    name: 'credit-for-wrong',
    what: 'nodes that disagree with the canonical result are paid too',
    file: 'master/results.ts',
    find: 'roster.addCredit(vote.nodeId, {disagreed: 1});',
    put: 'roster.addCredit(vote.nodeId, {disagreed: 1, validated: 1, credit: CREDIT});',
  },
  {
    name: 'credit-again-on-recovery',
    what: 'a restart pays again what it reads',
    file: 'master/restore.ts',
    find: 'return this.#roster.setCredit(asNodeId(key), decodeCredit(value));',
    put: `{
        const row = decodeCredit(value);
        const more = {...row, credit: row.credit + 1, validated: row.validated + 1};
        return this.#roster.setCredit(asNodeId(key), more);
      }`,
  },
  {
    name: 'spool-dropped-early',
    what: 'a node forgets a result when it has sent it',
    file: 'node/outbox.ts',
    find: 'return this.spool.takeDue(now).flatMap(entry => say(to, entry));',
    put: `return this.spool.takeDue(now).flatMap(entry => {
      if (isReady(entry)) for (const op of this.spool.acknowledged(entry.nonce, 0, now)) this.#late.add(op, now);
      return say(to, entry);
    });`,
  },
  {
    name: 'nonce-again',
    what: 'a session counts its datagrams from 0 again',
    file: 'wire/session.ts',
    find: 'const counter = this.#counter++;',
    put: 'const counter = this.#counter++ % 100;',
  },
  {
    name: 'canonical-overwritten',
    what: 'a decided workunit is decided again by late results',
    file: 'master/results.ts',
    find: `    if (!open && !batch.feeder.isPending(item.index)) return STALE;`,
    put: '',
    and: {
      file: 'master/feeder.ts',
      find: 'if (!this.#isAtHand || !this.isPending(index)) return undefined;',
      put: `if (!this.#isAtHand) return undefined;
    if (!this.isPending(index)) return this.#open(index);`,
    },
  },
  {
    name: 'report-sent-once',
    what: 'a report that was lost is never repeated',
    file: 'node/spool.ts',
    find: 'entry.dueAt = addMono(now, this.#prng.jitter(entry.retryMs));',
    put: 'entry.dueAt = NEVER;',
  },
  {
    name: 'lease-for-ever',
    what: 'the leases of a node that is gone are never given to others',
    file: 'master/liveness.ts',
    find: 'for (const replica of node.out) if (replica.deadlineAt <= now.mono) this.take(replica, now);',
    put: 'void [node, now];',
  },
  {
    name: 'silent-keeps-leases',
    what: 'a node that died and came back keeps leases it has forgotten',
    file: 'master/liveness.ts',
    find: '    for (const replica of [...node.out]) this.take(replica, now);',
    put: '    void [node, now];',
  },
  {
    name: 'cursor-off-by-one',
    what: 'a restart skips a workunit',
    file: 'master/restore.ts',
    find: 'const cursor = pages?.next ?? 0;',
    put: 'const cursor = (pages?.next ?? 0) + 1;',
  },
  {
    name: 'journal-gap-dropped',
    what: 'commits that a disk lost in the middle of the journal are passed over in silence',
    file: 'core/journal-audit.ts',
    find: 'const fault = row ? this.#faultOf(key, row, expected) : ',
    put: 'const fault = row ? undefined : ',
  },
  {
    name: 'journal-tail-dropped',
    what: 'nobody sees that the last commits are gone, and what is left is a good, shorter journal',
    file: 'core/journal-audit.ts',
    find: 'this.#faultOfHead(headRow) ?? this.#faultOfEnd(witnessed)',
    put: 'this.#faultOfHead(headRow)',
  },
  {
    name: 'no-value-checksum',
    what: 'a row that is not what was written last is used',
    file: 'core/journal-audit.ts',
    find: 'return claim.digest === digestOf(this.#crypto, payload)',
    put: 'return claim.digest !== undefined || digestOf(this.#crypto, payload) === 0',
  },
  {
    name: 'missing-rows-unseen',
    what: 'rows that a disk lost are not missed when it is opened',
    file: 'core/journal-audit.ts',
    find: 'return this.#claims;',
    put: 'return new Map();',
  },
  {
    name: 'recovered-in-silence',
    what: 'recover opens decided workunits again and does not say which',
    file: 'master/salvage.ts',
    find: 'this.#losses.push({batchId: row.id, name: row.name, reopened: indexes, decisionsLost});',
    put: 'void indexes;',
  },
  {
    name: 'recovered-too-far',
    what: 'after a recovery receipts for what is lost look as if it were there',
    file: 'core/journal-salvage.ts',
    find: 'if (row.journalNo === this.#firstLost) this.#firstLost += 1;',
    put: `if (row.journalNo !== this.#firstLost) this.#hasGaps = true;
    this.#firstLost = row.journalNo + 1;
    if (row.journalNo > 0) void 0;`,
  },
  {
    name: 'half-session-replaces-live',
    what: 'a recorded handshake ends the session of the node that made it',
    file: 'wire/session-master.ts',
    find: '    sessions.half = half;\n',
    put: '    sessions.half = half;\n    this.#endCurrent(sessions);\n',
  },
  {
    name: 'retry-for-ever',
    what: 'a workunit is handed out again and again beyond what its policy allows',
    file: 'master/validator.ts',
    find: 'const left = policy.maxTotalReplicas - issued;',
    put: 'const left = 1_000_000 - issued;',
  },
  {
    name: 'unbounded-half-sessions',
    what: 'strangers who only begin handshakes fill the memory of the master',
    file: 'wire/session-master.ts',
    find: 'if (this.#halves.size >= HALF_SESSIONS_MAX) this.#endOldestHalf();',
    put: '',
  },
  {
    name: 'unbounded-strangers',
    what: 'any number of strangers may ask to be let in at once',
    file: 'wire/strangers.ts',
    find: 'if (this.#strangers.size >= STRANGERS_MAX || same >= STRANGERS_PER_HOST_MAX) return false;',
    put: 'if (same >= STRANGERS_PER_HOST_MAX) return false;',
  },
  {
    name: 'epoch-proof-unheard',
    what: 'on an old backup the master refuses nodes that show a proof of a far later epoch',
    file: 'master/enrolment.ts',
    find: ' || equalBytes(epochProof, this.#context.epochProof(epochSeen))',
    put: '',
  },
  {
    name: 'key-kept-on-revoke',
    what: 'a revoked node still hears the group: the others get no new key',
    file: 'master/revocation.ts',
    find: 'context.groupKeys.rotate(now);',
    put: '',
  },
  ...ORDER_BUGS,
  ...TRANSFER_BUGS,
  ...TRUST_BUGS,
  ...KEY_BUGS,
  ...MACHINE_BUGS,
  ...BROADCAST_BUGS,
  ...STAGE_BUGS,
  ...CAPTURE_BUGS,
  ...CLOCK_BUGS,
];
