// `volley node`: one node, in the foreground.

import type {CommandSpec, Given} from './command.ts';
import {defined, usage} from './command.ts';
import {openDaemon, serve, UNTIL_STDIN_ENDS} from './daemon.ts';
import {Joining} from './joining.ts';
import {safe, tell} from './output.ts';

const JOIN_SECONDS = 30;

export const nodeCommand: CommandSpec = {
  name: 'node',
  summary: 'Run a node: it hears commands and computes',
  options: [
    {flag: '--join <token>', text: 'token that the master showed; needed once'},
    {
      flag: '--root <fingerprint>',
      text: 'without a token: the root that `volley init` showed; then be approved on the master',
    },
    {flag: '--tofu', text: 'without either: trust the first master that is heard, for ever'},
    {
      flag: '--join-timeout <seconds>',
      text: `give up joining (default ${JOIN_SECONDS}; 0 = never)`,
    },
    {flag: '--data <dir>', text: 'folder of the node (default ~/.volley/node)'},
    {flag: '--interface <name>', text: 'network interface or its address (default: default route)'},
    {flag: '--group-port <port>', text: 'UDP port of the multicast group (default 6272)'},
    {flag: '--master-port <port>', text: 'UDP port of the master (default 6273)'},
    {flag: '--name <name>', text: 'name in lists and on pictures (default: the host name)'},
    {flag: '--label <label>', text: 'label to select it by', repeatable: true},
    {flag: '--slots <count>', text: 'workunits at a time (default: one for each core)'},
    {
      flag: '--min-free <mib>',
      text: 'MiB free on the disk below which no work is asked for (default 64)',
    },
    {flag: '--evil <percent>', text: 'a drill: so many of its results are wrong, on purpose'},
    {flag: '--log <format>', text: 'human or json (default human), on stderr'},
    {flag: '--quiet', text: 'warnings only'},
    UNTIL_STDIN_ENDS,
  ],
  examples: [
    'volley node --join volley1…               # the first time',
    'volley node                               # afterwards',
    'volley node --root "0123 4567 89ab …"     # no token: `volley nodes approve` on the master',
    'volley node --name cam-07 --label ring1 --slots 2',
  ],
  writesSecrets: true,
  run: runNode,
};

async function runNode(given: Given): Promise<undefined> {
  const {defaultDataDirectory} = await import('../io/config.ts');
  const data = given.text('data') ?? defaultDataDirectory('node');
  const joinSeconds = given.number('join-timeout', 0, 86_400) ?? JOIN_SECONDS;
  const join = given.text('join');
  const network = defined({
    interface: given.text('interface'),
    groupPort: given.port('group-port'),
    masterPort: given.port('master-port'),
  });
  const root = await rootOf(given);
  const options = defined({
    ...network,
    join,
    root,
    name: (await namesIn(given, 'name'))[0],
    labels: await namesIn(given, 'label'),
    slots: given.whole('slots', 1, 256),
    evil: given.number('evil', 0, 100),
    minFreeBytes: given.mebibytes('min-free'),
    logFormat: given.oneOf('log', ['human', 'json']),
    logLevel: given.flag('quiet') ? ('warn' as const) : undefined,
  });
  const daemon = openDaemon(given.flag('until-stdin-ends'));
  const {openNode} = await import('./node-process.ts');
  if (given.flag('tofu')) {
    const {pinFirstMaster} = await import('./first-master.ts');
    await pinFirstMaster({...network, data, seconds: joinSeconds, ended: daemon.ended});
  }
  const needed = join !== undefined && (await needsToken(data, join));
  const joining = new Joining({byToken: needed, seconds: joinSeconds, data, fatal: daemon.fatal});
  if (join !== undefined && !needed)
    tell(
      'volley: this node is a member already; the token is used only if the master does not know it any more',
    );
  const node = await openNode({
    ...options,
    data,
    fatal: daemon.fatal,
    onDrained: daemon.done,
    onJoined: () => joining.done(),
    onRefused: reason => joining.refused(reason),
  });
  joining.about(safe(node.name), node.nodeId);
  await serve(daemon, async () => {
    joining.stop();
    await node.close();
  });
  return undefined;
}

/** Said here, not found out when the master does not take it. */
async function namesIn(given: Given, flag: 'name' | 'label'): Promise<readonly string[]> {
  const {faultOfName} = await import('../io/config.ts');
  for (const text of given.texts(flag)) {
    const fault = faultOfName(text);
    if (fault !== undefined) throw usage(`--${flag} ${fault}`);
  }
  return given.texts(flag);
}

/** Which root to trust, when no token says it. */
async function rootOf(given: Given): Promise<Uint8Array | undefined> {
  const text = given.text('root');
  const ways = [given.text('join'), text, given.flag('tofu') || undefined];
  if (ways.filter(way => way !== undefined).length > 1)
    throw usage('--join, --root and --tofu each say whom to trust; give one of them');
  if (text === undefined) return undefined;
  const {parseFingerprint} = await import('../wire/identity.ts');
  const {fromHex} = await import('../base/bytes.ts');
  const hex = parseFingerprint(text);
  if (hex === undefined)
    throw usage(`--root must be the 32 hex digits that \`volley init\` showed, not "${text}"`);
  return fromHex(hex);
}

/** false for a node that the cluster of this token has taken in. */
async function needsToken(data: string, text: string): Promise<boolean> {
  const {decodeToken} = await import('../wire/token.ts');
  const {readMembership} = await import('../io/node-files.ts');
  const {isMember} = await import('./node-process.ts');
  const token = decodeToken(text);
  return token.kind === 'bad' || !isMember(readMembership(data), token.fingerprint);
}
