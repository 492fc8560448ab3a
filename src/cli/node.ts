// `volley node`: one node, in the foreground.

import {VolleyError} from '../base/errors.ts';
import {SECOND_MS} from '../base/units.ts';
import type {CommandSpec, Given} from './command.ts';
import {defined} from './command.ts';
import {openDaemon, serve, UNTIL_STDIN_ENDS} from './daemon.ts';
import {print, safe, shortId, tell} from './output.ts';

const NOTICE_MS = 10 * SECOND_MS;
const JOIN_SECONDS = 30;

export const nodeCommand: CommandSpec = {
  name: 'node',
  summary: 'Run a node: it hears commands and computes',
  options: [
    {flag: '--join <token>', text: 'token that the master showed; needed once'},
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
    {flag: '--log <format>', text: 'human or json (default human), on stderr'},
    {flag: '--quiet', text: 'warnings only'},
    UNTIL_STDIN_ENDS,
  ],
  examples: [
    'volley node --join volley1…               # the first time',
    'volley node                               # afterwards',
    'volley node --name cam-07 --label ring1 --slots 2',
  ],
  run: runNode,
};

async function runNode(given: Given): Promise<undefined> {
  const {defaultDataDirectory} = await import('../io/config.ts');
  const data = given.text('data') ?? defaultDataDirectory('node');
  const joinSeconds = given.number('join-timeout', 0, 86_400) ?? JOIN_SECONDS;
  const join = given.text('join');
  const options = defined({
    join,
    interface: given.text('interface'),
    groupPort: given.port('group-port'),
    masterPort: given.port('master-port'),
    name: given.text('name'),
    labels: given.texts('label'),
    slots: given.whole('slots', 1, 256),
    logFormat: given.oneOf('log', ['human', 'json']),
    logLevel: given.flag('quiet') ? ('warn' as const) : undefined,
  });
  const daemon = openDaemon(given.flag('until-stdin-ends'));
  const {openNode} = await import('./node-process.ts');
  const needed = join !== undefined && (await needsToken(data, join));
  const joining = new Joining(needed, joinSeconds, daemon.fatal);
  if (join !== undefined && !needed)
    tell(
      `volley: this node is a member already, so the token is not used; should the master not know ` +
        `it any more, remove ${data}/membership.json and join again`,
    );
  const node = await openNode({
    ...options,
    data,
    fatal: daemon.fatal,
    onJoined: () => joining.done(),
    onRefused: reason => joining.refused(reason),
  });
  joining.about(`${safe(node.name)} (${shortId(node.nodeId)})`);
  await serve(daemon, async () => {
    joining.stop();
    await node.close();
  });
  return undefined;
}

/** false for a node that the cluster of this token has taken in. */
async function needsToken(data: string, text: string): Promise<boolean> {
  const {decodeToken} = await import('../wire/token.ts');
  const {readMembership} = await import('../io/node-files.ts');
  const {isMember} = await import('./node-process.ts');
  const token = decodeToken(text);
  return token.kind === 'bad' || !isMember(readMembership(data), token.fingerprint);
}

/**
 * A master does not answer a wrong token (it answers no stranger), so silence is all that a node sees. It
 * is said after a while, and with a token given by hand the node gives up.
 */
class Joining {
  readonly #fatal: (error: unknown) => void;
  readonly #notice: NodeJS.Timeout;
  readonly #giveUp: NodeJS.Timeout | undefined;
  #who = 'this node';
  #joined = 0;

  constructor(byToken: boolean, seconds: number, fatal: (error: unknown) => void) {
    this.#fatal = fatal;
    const reason =
      'no master answers; it is out of reach, or the token is wrong, used up or expired ' +
      '(`volley nodes token` on the master makes a new one)';
    this.#notice = setTimeout(() => {
      tell(`volley: ${byToken ? reason : 'no master answers yet'}; still trying`);
    }, NOTICE_MS);
    if (byToken && seconds > 0)
      this.#giveUp = setTimeout(
        () => fatal(new VolleyError('VOLLEY_BAD_TOKEN', {reason})),
        seconds * SECOND_MS,
      );
  }

  about(who: string): void {
    this.#who = who;
    if (this.#joined > 0) this.#tell();
  }

  done(): void {
    this.stop();
    this.#joined++;
    if (this.#who !== 'this node') this.#tell();
  }

  /** The master knows us to be wrong: waiting would not help. */
  refused(why: string): void {
    if (this.#joined > 0 || why !== 'token') return;
    const reason = 'it is used up or expired (`volley nodes token` on the master makes a new one)';
    this.#fatal(new VolleyError('VOLLEY_BAD_TOKEN', {reason}));
  }

  stop(): void {
    clearTimeout(this.#notice);
    clearTimeout(this.#giveUp);
  }

  #tell(): void {
    print(`${this.#who} has ${this.#joined > 1 ? 're' : ''}joined the cluster.`);
  }
}
