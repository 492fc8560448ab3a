// Builds a real node: files, store, sockets, runner, actions, core, runtime. `openNode` gives a ready thing.

import {randomBytes} from 'node:crypto';
import {existsSync} from 'node:fs';
import {loadavg} from 'node:os';
import {join} from 'node:path';
import {setFlagsFromString} from 'node:v8';
import {VolleyError} from '../base/errors.ts';
import {Prng} from '../base/prng.ts';
import {type Address, asAddress, type NodeId} from '../base/types.ts';
import {MIB} from '../base/units.ts';
import {RUNTIMES} from '../core/app-bodies.ts';
import {allowedActions} from '../io/allowed-actions.ts';
import {measureSpeed, speedOf} from '../io/benchmark.ts';
import {nodeConfigPath, readNodeConfig, systemFacts} from '../io/config.ts';
import {chooseContainers, type FoundContainers} from '../io/containers.ts';
import {NodeCrypto} from '../io/crypto.ts';
import {chooseInterface} from '../io/interfaces.ts';
import {checkSecretFolder} from '../io/key-files.ts';
import {type LevelStore, openLevelStore} from '../io/level-store.ts';
import {Log, type LogLevel} from '../io/log.ts';
import {
  keepTrust,
  type Membership,
  NODE_SECRETS,
  openMembership,
  openNodeFiles,
  readMembership,
  standsUnder,
  writeMembership,
} from '../io/node-files.ts';
import {PreferencesFile} from '../io/preferences-file.ts';
import type {Jail} from '../io/sandbox.ts';
import {chooseJail} from '../io/sandbox-probe.ts';
import {SECURITY_FILES, SecurityLog} from '../io/security-log.ts';
import {auditStore} from '../io/store-audit.ts';
import {every, SystemClock} from '../io/system-clock.ts';
import {GROUP, GROUP_PORT, MASTER_PORT, openUdp} from '../io/udp.ts';
import type {NodeConfig} from '../node/memory.ts';
import type {NodeCore} from '../node/node.ts';
import {NODE_TABLES, NodeRestore} from '../node/restore.ts';
import {NodeRuntime} from '../runtime/node-runtime.ts';
import type {Tell} from '../runtime/ports.ts';
import type {JoinSecret} from '../wire/attempt.ts';
import {CommandReceiver} from '../wire/command.ts';
import {nodeIdOf} from '../wire/identity.ts';
import {NodeLink} from '../wire/session-node.ts';
import {decodeToken, pskOf, tokenIdOf} from '../wire/token.ts';
import {Closers} from './closers.ts';
import {defined} from './command.ts';
import {GroupEar} from './group-ear.ts';
import {openGuest} from './node-guest.ts';
import {endShots, openHands} from './node-hands.ts';
import {actionsToTell, checkHello, withContainers} from './node-hello.ts';
import {openNodeSweeper, watchNodeDisk} from './node-sweeper.ts';
import {OtherRoot} from './other-root.ts';
import {tell} from './output.ts';
import {SpareToken} from './spare-token.ts';
import {packageVersion} from './version.ts';

const LOAD_MS = 10_000;
/** A node's store is small: a small write buffer keeps its memory small. */
const WRITE_BUFFER_BYTES = MIB;

export type NodeOptions = {
  readonly data: string;
  /** Join token; needed once. */
  readonly join?: string;
  /** Fingerprint of the root to trust, 16 bytes: the node asks to be approved. */
  readonly root?: Uint8Array;
  readonly interface?: string;
  readonly groupPort?: number;
  readonly masterPort?: number;
  readonly name?: string;
  readonly labels?: readonly string[];
  readonly slots?: number;
  /** Bytes of the disk below which no work is asked for; default 64 MiB. */
  readonly minFreeBytes?: number;
  /** Percent of its results that are wrong on purpose: a drill. */
  readonly evil?: number;
  readonly logFormat?: 'human' | 'json';
  readonly logLevel?: LogLevel;
  readonly onJoined?: () => void;
  /** The master answers, and does not want this node, or not yet; volley.proto lists the reasons. */
  readonly onRefused?: (reason: string) => void;
  /** Somebody asked it to end when all is done, and all is done. */
  readonly onDrained?: () => void;
  readonly fatal: (error: unknown) => void;
};

export type Node = {readonly nodeId: NodeId; readonly name: string; close(): Promise<void>};

/** Taken in by the cluster with this root: it needs no token any more. */
export const isMember = (known: Membership | undefined, root: Uint8Array): known is Membership =>
  known !== undefined &&
  known.join === undefined &&
  known.asking !== true &&
  standsUnder(known, root);

/** The membership on disk, renewed by a token if one is given that it needs. */
function membershipOf(options: NodeOptions, crypto: NodeCrypto): Membership {
  if (options.join === undefined) return membershipByRoot(options);
  const known = readMembership(options.data);
  const token = decodeToken(options.join);
  if (token.kind === 'bad') throw new VolleyError('VOLLEY_BAD_TOKEN', {reason: token.reason});
  // A token may stand in a unit file for ever: once it has run out it must not lock a member out.
  if (isMember(known, token.fingerprint)) return known;
  const membership: Membership = {
    // What was seen of this cluster's trust stays seen, whatever token is used.
    ...(known !== undefined && standsUnder(known, token.fingerprint)
      ? known
      : {rootFingerprint: token.fingerprint}),
    address: token.address,
    join: {tokenId: tokenIdOf(crypto, token.secret), secret: pskOf(crypto, token.secret)},
  };
  writeMembership(options.data, membership);
  return membership;
}

const joinSecretOf = (crypto: NodeCrypto, secret: Uint8Array): JoinSecret => ({
  id: tokenIdOf(crypto, secret),
  psk: pskOf(crypto, secret),
});

/** Of a member: the token that it was started with all the same. */
function spareOf(
  {join: text}: NodeOptions,
  crypto: NodeCrypto,
  {join: used}: Membership,
  show: (token: JoinSecret | undefined) => void,
): SpareToken | undefined {
  const token = text === undefined || used ? undefined : decodeToken(text);
  if (token?.kind !== 'token') return undefined;
  const later = (act: () => void, ms: number): (() => void) => {
    const timer = setTimeout(act, ms);
    return () => clearTimeout(timer);
  };
  const say = (line: string): void => tell(`volley: ${line}`);
  return new SpareToken({token: joinSecretOf(crypto, token.secret), show, tell: say, later});
}

/** As on disk; with the fingerprint of another root the node asks that one to be let in. */
function membershipByRoot({root, data}: NodeOptions): Membership {
  const known = readMembership(data);
  if (root === undefined || (known && standsUnder(known, root))) return openMembership(data);
  const membership = {rootFingerprint: root, address: undefined, join: undefined, asking: true};
  writeMembership(data, membership);
  return membership;
}

export async function openNode(options: NodeOptions): Promise<Node> {
  // Under load V8 would let both generations grow to several times what lives in them: 125 MB resident in
  // place of 80, for no speed that we could measure. Both are read at each growth, so this is not too late.
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString('--heap-growing-percent=50');
  const closers = new Closers();
  try {
    return await buildNode(options, closers);
  } catch (error) {
    await closers.closeAll();
    throw error;
  }
}

async function buildNode(given: NodeOptions, closers: Closers): Promise<Node> {
  let runtime: NodeRuntime | undefined;
  // Nothing is said after a failure, also while the process is closing.
  const fatal = (error: unknown): void => {
    runtime?.stop();
    given.fatal(error);
  };
  const options = {...given, fatal};
  checkSecretFolder(options.data, [...NODE_SECRETS, ...SECURITY_FILES]);
  const clock = new SystemClock();
  const log = openLog(options, clock, closers);
  const {data, evil = 0, minFreeBytes} = options;
  const [settings, file] = [readNodeConfig(data), new PreferencesFile(data)];
  const known = describe(options, settings, clock);
  const [{crypto, membership}, {address}] = [known, chooseInterface(options.interface)];
  const journal = new SecurityLog({dir: options.data, clock, log});
  closers.add(() => journal.close());
  const store = await openStore(options, closers);
  const head = await journal.audited(() => auditStore(store, crypto));
  store.onFailure(fatal);
  // What is wrong with what was asked for has been said by now; a runner takes a moment to start.
  const jail = await chooseJail(settings.sandbox, join(options.data, 'slots'), log);
  const found = await chooseContainers(settings.containers, options.data, log);
  const self = wholeOf(known, jail, found, fastness(options.data, clock));
  const {config} = self;
  const core = await restore(store, new NodeRestore(config, crypto, self.prng, clock.now().mono));
  const udp = await openUdpOf(options, address, closers);
  const ear = openEar(options, log, closers);
  const link = linkOf(self, options);
  const tell: Tell = event => runtime?.post(event);
  const own = {data, evil, fatal, address, minFreeBytes, count: journal.count.bind(journal)};
  const parts = {...self, containers: self.found.containers, ...own};
  const {folder, ports: hands} = await openHands(parts, link, closers, tell);
  const otherRoot = otherRootOf(self, options, log);
  const spare = spareOf(options, crypto, membership, (token): void => runtime?.joinBy(token));
  const running = new NodeRuntime({
    core,
    link,
    commands: new CommandReceiver(crypto, target => core.isTarget(target)),
    ports: {clock, network: udp, store, journal, crypto, fatal: options.fatal, ...hands},
    head,
    onBadTrust: (frame, from) => otherRoot.heard(frame, from),
    onTrust: (trust, root) => keepTrust(options.data, trust, root),
    ...wayIn(options, membership, ear, spare),
  });
  runtime = running;
  udp.onDatagram((bytes, from, way) => {
    if (way === 'group') ear.heard();
    running.datagram(bytes, from);
  });
  closers.add(() => running.stop());
  closers.add(() => endShots(hands.actions, running));
  const manners = {...aboutOf(self, options), core, file, clock, log, data, post: tell};
  await openGuest(manners, closers);
  running.start();
  const sweeper = openNodeSweeper({core, store, blobs: folder, clock, journal, fatal}, closers);
  await watchNodeDisk(options, sweeper, tell, closers);
  closers.add(every(LOAD_MS, () => core.setLoad(loadavg()[0] ?? 0)));
  return {nodeId: self.nodeId, name: config.name, close: () => closers.closeAll()};
}

const wayIn = (
  {data, onJoined, onRefused}: NodeOptions,
  membership: Membership,
  ear: GroupEar,
  spare: SpareToken | undefined,
) => ({
  onJoined: (_trust: Uint8Array | undefined, master: Address | undefined): void => {
    joined(data, membership, master);
    spare?.joined();
    ear.joined();
    onJoined?.();
  },
  onRefused: (reason: string): void => {
    if (!spare?.refused(reason)) onRefused?.(reason);
  },
});

function aboutOf({nodeId, config, found}: Self, {onDrained = () => {}}: NodeOptions) {
  const {name, version, speed} = config;
  return {about: {name, nodeId, version, speed, containers: found.about}, onDrained};
}

function openEar({groupPort = GROUP_PORT}: NodeOptions, log: Log, closers: Closers): GroupEar {
  const ear = new GroupEar(log, groupPort);
  closers.add(() => ear.close());
  return ear;
}

async function openStore({data}: NodeOptions, closers: Closers): Promise<LevelStore> {
  const options = {writeBufferBytes: WRITE_BUFFER_BYTES};
  const store = await openLevelStore(join(data, 'store'), options);
  closers.add(() => store.close());
  return store;
}

const wholeOf = (known: Known, jail: Jail, found: FoundContainers, speed: number): Self => ({
  ...known,
  jail,
  found,
  config: {
    ...known.config,
    ...withContainers(known.config, found),
    sandboxLevel: jail.level,
    speed,
  },
});

const fastness = (data: string, clock: SystemClock): number =>
  speedOf(data, clock.now().wall, () => measureSpeed(() => clock.now().mono));

function openLog(options: NodeOptions, clock: SystemClock, closers: Closers): Log {
  const {logFormat: format = 'human', logLevel: level = 'info'} = options;
  const log = new Log({clock, format, level});
  closers.add(() => log.close());
  const {evil = 0} = options;
  if (evil > 0)
    log.note({level: 'warn', what: 'returns wrong results on purpose', fields: {percent: evil}});
  return log;
}

async function openUdpOf({groupPort, masterPort}: NodeOptions, address: string, closers: Closers) {
  const udp = await openUdp({
    role: 'node',
    address,
    ...(groupPort === undefined ? {} : {groupPort}),
    ...(masterPort === undefined ? {} : {masterPort}),
  });
  closers.add(() => udp.close());
  return udp;
}

const otherRootOf = ({crypto, membership}: Self, {data}: NodeOptions, log: Log): OtherRoot =>
  new OtherRoot({
    crypto,
    ours: membership.rootFingerprint,
    master: membership.address,
    data,
    tell: text => log.note({level: 'warn', what: text, fields: {}}),
  });

type Known = ReturnType<typeof describe>;
type Self = Known & {
  readonly config: NodeConfig;
  readonly jail: Jail;
  readonly found: FoundContainers;
};

/** New keys would make another node of a member, which no master knows. */
function checkKeys(data: string): void {
  const path = join(data, 'node.keys');
  const member = readMembership(data);
  if (member && !member.join && !member.asking && !existsSync(path))
    throw new VolleyError('VOLLEY_KEY_DAMAGED', {
      path,
      reason: `it is missing; bring it back, or remove ${join(data, 'membership.json')} and join again`,
    });
}

/** Who this node is: keys, settings, what the machine can do. */
function describe(
  options: NodeOptions,
  settings: ReturnType<typeof readNodeConfig>,
  clock: SystemClock,
) {
  const crypto = new NodeCrypto();
  checkKeys(options.data);
  const files = openNodeFiles(options.data, crypto);
  const membership = membershipOf(options, crypto);
  const facts = systemFacts();
  const nodeId = nodeIdOf(crypto, files.identity.publicKey);
  const name = options.name ?? settings.name ?? facts.hostname;
  const actions = allowedActions(settings.actions, {name, id: nodeId});
  const config: Omit<NodeConfig, 'sandboxLevel'> = {
    name,
    labels: [...settings.labels, ...(options.labels ?? [])],
    arch: facts.arch,
    engine: facts.engine,
    cores: facts.cores,
    slots: options.slots ?? settings.slots ?? facts.cores,
    ...defined({keepShotsMib: settings.keepShotsMib, filesMib: settings.filesMib}),
    memoryMib: facts.memoryMib,
    // Whether an engine works here is found out later (withContainers).
    runtimes: RUNTIMES.filter(runtime => runtime !== 'container'),
    actions: actionsToTell(actions),
    version: packageVersion(),
    identity: files.identity,
    staticKey: files.staticKey.publicKey,
    rootFingerprint: membership.rootFingerprint,
    trust: membership.trust,
    bootId: crypto.random(8),
  };
  checkHello(config, settings.containers, nodeConfigPath(options.data));
  const prng = new Prng(randomBytes(6).readUIntBE(0, 6));
  return {crypto, clock, files, membership, nodeId, actions, config, prng};
}

const linkOf = ({crypto, prng, files, config, membership}: Self, options: NodeOptions): NodeLink =>
  new NodeLink({
    crypto,
    prng: prng.fork(),
    staticKey: files.staticKey,
    bootId: config.bootId,
    rootFingerprint: membership.rootFingerprint,
    trust: membership.trust,
    group: asAddress(`${GROUP}:${options.masterPort ?? MASTER_PORT}`),
    ...(membership.join ? {token: {id: membership.join.tokenId, psk: membership.join.secret}} : {}),
    ...(membership.address === undefined ? {} : {address: membership.address}),
  });

async function restore(store: LevelStore, rows: NodeRestore): Promise<NodeCore> {
  for (const table of NODE_TABLES)
    for await (const [key, value] of store.scan(table)) rows.row(table, key, value);
  return rows.finish();
}

/** The master took this node in: its address is kept, the token's secret is not. */
function joined(data: string, before: Membership, master: Address | undefined): void {
  const known = readMembership(data);
  const address = master ?? before.address;
  if (known?.join === undefined && !known?.asking && known?.address === address) return;
  const {asking: _asking, ...kept} = known ?? before;
  writeMembership(data, {...kept, address, join: undefined});
}
