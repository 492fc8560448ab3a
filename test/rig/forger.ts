// Whoever holds the keys of a cluster can say anything to its nodes. A test holds them all: the master's from its
// folder, the group's from a member that turned bad (insider.ts) on a host of a LAN rig. So each packet of a test
// can be wrong in one way only, and a right one shows that the way to the nodes is open.

import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import {fromHex, toHex} from '../../src/base/bytes.ts';
import {asCaptureId, type WallMs} from '../../src/base/types.ts';
import {openCluster} from '../../src/io/cluster-files.ts';
import {NodeCrypto} from '../../src/io/crypto.ts';
import {type CommandSeal, sealCommand} from '../../src/wire/command.ts';
import type {Command} from '../../src/wire/message.ts';
import {type Cluster, until} from './cluster.ts';
import type {LanRig} from './lan-rig.ts';

/** What the insider hears, with bytes as hex. */
type Heard = {
  readonly membership?: {groupKey: string; groupKeyId: number; epoch: number};
  readonly command?: {instanceId: string; state: Command['state']};
  readonly datagram?: string;
  readonly seq?: number;
};

/** How a packet differs from one of the master's. */
export type Forgery = {
  readonly seal?: Partial<CommandSeal>;
  readonly command?: Partial<Command>;
  /** Asked instant; default 0 = on hearing. */
  readonly atWallMs?: number;
  /** The master's by default. */
  readonly secretKey?: Uint8Array;
};

export class Forger {
  readonly #child: ChildProcess;
  readonly #keys: ReturnType<typeof openCluster>;
  readonly #crypto = new NodeCrypto();
  readonly #heard: Heard[] = [];

  /** Use openForger. */
  constructor(cluster: Cluster, lan: LanRig, host: string) {
    this.#keys = openCluster(join(cluster.dir, 'master'));
    const program = fileURLToPath(new URL('insider.ts', import.meta.url));
    const place = [lan.address(host), lan.address('master')];
    const args = ['--import=tsx', program, JSON.stringify(cluster.joining), ...place];
    const [file = '', ...rest] = [...lan.enter(host), process.execPath, ...args];
    const child = spawn(file, rest, {stdio: ['pipe', 'pipe', 'inherit']});
    createInterface({input: child.stdout}).on('line', line => this.#heard.push(JSON.parse(line)));
    this.#child = child;
  }

  /** It is a member and hears commands. */
  async joined(): Promise<void> {
    await until(() => this.#last('membership'), 'the insider');
  }

  /** Of the newest command that the insider heard. */
  async heardSeq(): Promise<number> {
    const heard = await until(() => this.#last('command'), 'a command');
    return heard.seq ?? 0;
  }

  /** The newest command as it came, byte for byte. */
  datagram(): Uint8Array {
    return fromHex(this.#last('command')?.datagram ?? '') ?? new Uint8Array();
  }

  /** A command to fire that is right but for what is given. */
  forge(action: string, captureNo: number, seq: number, how: Forgery = {}): Uint8Array {
    const {membership} = this.#last('membership') ?? {};
    const {command} = this.#last('command') ?? {};
    if (!membership || !command) throw new Error('the insider has heard no command yet');
    const {groupKeyId: keyId, epoch} = membership;
    const groupKey = fromHex(membership.groupKey) ?? new Uint8Array();
    const seal = {keyId, groupKey, epoch, seq, ...how.seal};
    const secretKey = how.secretKey ?? this.#keys.commandKey.secretKey;
    return sealCommand(this.#crypto, secretKey, seal, {
      clusterId: this.#keys.clusterId,
      instanceId: fromHex(command.instanceId) ?? new Uint8Array(),
      issuedWallMs: Date.now() as WallMs,
      ttlMs: 5_000,
      ackWindowMs: 0,
      target: {labels: [], nodes: []},
      state: command.state,
      what: {
        ...{kind: 'fire', captureId: asCaptureId(captureNo), shot: 1, action, args: [], salt: 1},
        atWallMs: (how.atWallMs ?? 0) as WallMs,
      },
      ...how.command,
    });
  }

  otherKey(): Uint8Array {
    return this.#crypto.ed25519KeyPair().secretKey;
  }

  /** To the whole group, in this order. */
  say(datagrams: readonly Uint8Array[]): void {
    for (const datagram of datagrams) this.#child.stdin?.write(`${toHex(datagram)}\n`);
  }

  async close(): Promise<void> {
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }

  #last(what: 'membership' | 'command'): Heard | undefined {
    return this.#heard.findLast(heard => heard[what] !== undefined);
  }
}
