// A LAN of its own for tests: a master's host and N nodes' hosts, each a network namespace with one eth0,
// on one switch that can be told to lose, double, delay and cut.
//
//   master 10.77.0.1 ──┐                 what goes wrong happens in the switch, at the port of a host:
//   n1     10.77.1.1 ──┤ switch `sw`     to the host or from it. So senders notice nothing, and each
//   n2     10.77.1.2 ──┘ (bridge)        receiver of a multicast loses packets of its own.
//
// Names cannot collide and nothing can stay behind: all namespaces are bound in a mount namespace that only
// one holding process sees. It ends with its stdin, also when we are killed, and the kernel sweeps up after
// it once the programs inside have ended (volley's do with --until-stdin-ends). Without root the holder has
// a user namespace of its own. There is no netem in many kernels, so faults are nftables and htb.

import {type ChildProcess, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';

/** What is wrong at the cable of one host. Shares are percent, 0 to 100; all faults meet IP alone. */
export type Faults = {
  /** Lost on the way from the switch to the host, and from the host to the switch. */
  readonly lossTo?: number;
  readonly lossFrom?: number;
  /** Arrive at the host twice. */
  readonly duplicate?: number;
  /** Multicast that the switch does not bring to the host: 100 is a switch that eats it. */
  readonly multicastLoss?: number;
  /** Go to the host through a slow queue and are overtaken: about this many ms, and up to four times it. */
  readonly slow?: {readonly share: number; readonly ms: number};
};

export type LanOptions = {
  readonly nodes: number;
  /** Of each cable towards its host; none = as fast as the machine. */
  readonly rateMbit?: number;
};

const NODES_MAX = 250;
const SLOW_PACKET_BYTES = 400;
const SLOW_PACKETS_MAX = 4;
/** A cheap switch's buffer for one port. */
const PORT_BUFFER_PACKETS = 200;

/** npm puts packages' programs first, and one of them is called `nft` too. */
const SYSTEM_PATH = [
  ...(process.env['PATH'] ?? '').split(':').filter(folder => !folder.includes('node_modules')),
  '/usr/sbin',
  '/sbin',
].join(':');
const ENV = {...process.env, PATH: SYSTEM_PATH};

/** Why there can be no rig on this machine, or undefined. Asks the kernel itself. */
export function whyNoLan(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are of Linux';
  for (const [tool, of] of TOOLS)
    if (spawnSync(tool, ['--version'], {stdio: 'ignore', env: ENV}).error)
      return `there is no program \`${tool}\` (${of})`;
  const {status, stderr} = spawnSync('unshare', [...HOLDER, 'sh', '-c', PROBE], {
    encoding: 'utf8',
    env: ENV,
  });
  if (status === 0) return undefined;
  const reason = stderr.trim().split('\n')[0] ?? '';
  return process.getuid?.() === 0
    ? `the kernel lacks a part: ${reason}`
    : `not root, and no user namespace that may: ${reason}`;
}

const TOOLS: readonly (readonly [string, string])[] = [
  ['unshare', 'util-linux'],
  ['nsenter', 'util-linux'],
  ['ip', 'iproute2'],
  ['tc', 'iproute2'],
  ['nft', 'nftables'],
];
const isRoot = process.getuid?.() === 0;
const HOLDER = [...(isRoot ? [] : ['--user', '--map-root-user']), '--mount', '--net'];
/** A mount of its own over the names, so that `ip netns` finds and makes only ours. */
const OWN_NAMES = 'mkdir -p /run/netns 2>/dev/null; mount -t tmpfs lan /run/netns';
const PROBE = `set -e; ${OWN_NAMES}; ip netns add a
ip link add name b0 type bridge; ip link add name h0 type veth peer name eth0 netns a
ip link set h0 up; tc qdisc add dev h0 root handle 1: htb
echo 'table netdev t {
  chain a { type filter hook egress device "h0" priority 0
    numgen random mod 100 < 1 dup to "h0"
  }
}' | nft -f -`;

export class LanRig {
  /** Of the master first, then n1 … nN. */
  readonly hosts: readonly string[];
  readonly nodes: readonly string[];
  readonly #holder: ChildProcess;
  readonly #rateMbit: number | undefined;
  readonly #faults = new Map<string, Faults>();
  readonly #shaped = new Set<string>();

  /** Use openLan. */
  constructor(holder: ChildProcess, options: LanOptions) {
    this.#holder = holder;
    this.#rateMbit = options.rateMbit;
    this.nodes = Array.from({length: options.nodes}, (_, no) => `n${no + 1}`);
    this.hosts = ['master', ...this.nodes];
  }

  address(host: string): string {
    return host === 'master' ? '10.77.0.1' : `10.77.1.${host.slice(1)}`;
  }

  /** Goes before a command line to run it on a host; the process that it starts is the command's own. */
  enter(host: string): string[] {
    const root = `/proc/${this.#holder.pid}`;
    const user = isRoot ? [] : [`--user=${root}/ns/user`, '--preserve-credentials'];
    return ['nsenter', ...user, `--net=${[root, 'root', 'run', 'netns', host].join('/')}`, '--'];
  }

  /** What is wrong at these hosts from now on, in place of what was; {} = nothing. */
  setFaults(hosts: readonly string[], faults: Faults): void {
    for (const host of hosts) this.#faults.set(host, faults);
    this.#run('sw', ['nft', '-f', '-'], this.#ruleset());
    for (const host of hosts) if (faults.slow) this.#shape(host, faults.slow.ms);
  }

  /** Unplugs cables: the hosts see their carrier go. */
  cut(hosts: readonly string[]): void {
    this.#plug(hosts, 'down');
  }

  heal(hosts: readonly string[]): void {
    this.#plug(hosts, 'up');
  }

  /** What has gone through the switch towards the host: frames since the start. */
  framesTo(host: string): number {
    const text = this.#run('sw', ['ip', '-s', '-json', 'link', 'show', 'dev', host]);
    const [link] = JSON.parse(text) as {stats64: {tx: {packets: number}}}[];
    return link?.stats64.tx.packets ?? 0;
  }

  /** Packets that the faults of now have lost, all hosts together. */
  lost(): number {
    const text = this.#run('sw', ['nft', 'list', 'ruleset']);
    let lost = 0;
    for (const [, packets] of text.matchAll(/packets (\d+) bytes \d+ drop/g))
      lost += Number(packets);
    return lost;
  }

  /** Twice is fine. What still runs inside keeps its namespace until it ends. */
  async close(): Promise<void> {
    if (this.#holder.exitCode !== null || this.#holder.signalCode !== null) return;
    const gone = once(this.#holder, 'exit');
    this.#holder.stdin?.end();
    await gone;
  }

  /** Part of openLan. */
  build(): void {
    const links = this.hosts.map(
      host => `link add name ${host} type veth peer name eth0 netns ${host}
link set dev ${host} master br0 up`,
    );
    this.#runHere(
      ['ip', '-batch', '-'],
      ['sw', ...this.hosts].map(h => `netns add ${h}`),
    );
    // Snooping is off, so that multicast floods to every port as on a plain switch: with snooping and no
    // querier, groups that were joined before the bridge listened would be lost.
    this.#run('sw', ['sh', '-c', NO_IPV6]);
    this.#runHere(
      ['ip', '-n', 'sw', '-batch', '-'],
      ['link add name br0 type bridge mcast_snooping 0 stp_state 0', 'link set br0 up', ...links],
    );
    for (const host of this.hosts)
      this.#run(
        host,
        ['sh', '-c', `${NO_IPV6}; ip -batch -`],
        [
          'link set lo up',
          `addr add ${this.address(host)}/16 brd + dev eth0`,
          'link set eth0 up',
          'route add default dev eth0',
        ],
      );
    if (this.#rateMbit !== undefined) for (const host of this.hosts) this.#shape(host, 1);
  }

  #plug(hosts: readonly string[], way: 'up' | 'down'): void {
    this.#run(
      'sw',
      ['ip', '-batch', '-'],
      hosts.map(host => `link set dev ${host} ${way}`),
    );
  }

  /** One ruleset for all hosts, put in place at once. */
  #ruleset(): string[] {
    const chains = [...this.#faults].flatMap(([host, faults]) => [
      `chain to_${host} { type filter hook egress device "${host}" priority 0`,
      share(faults.multicastLoss, 'ip daddr 224.0.0.0/4', 'drop'),
      share(faults.lossTo, '', 'drop'),
      share(faults.slow?.share, '', 'meta priority set 1:2'),
      share(faults.duplicate, '', `dup to "${host}"`),
      '}',
      `chain from_${host} { type filter hook ingress device "${host}" priority 0`,
      share(faults.lossFrom, '', 'drop'),
      '}',
    ]);
    return ['table netdev lan', 'delete table netdev lan', 'table netdev lan {', ...chains, '}'];
  }

  /** Class 1:1 is the cable; 1:2 lets one packet through in so many ms. What it cannot hold is lost. */
  #shape(host: string, slowMs: number): void {
    const rate = this.#rateMbit === undefined ? '10gbit' : `${this.#rateMbit}mbit`;
    const slow = `${Math.max(8, Math.round((SLOW_PACKET_BYTES * 8) / slowMs))}kbit`;
    const before = this.#shaped.has(host) ? [`qdisc del dev ${host} root`] : [];
    this.#shaped.add(host);
    this.#run(
      'sw',
      ['tc', '-batch', '-'],
      [
        ...before,
        `qdisc add dev ${host} root handle 1: htb default 1`,
        `class add dev ${host} parent 1: classid 1:1 htb rate ${rate} quantum 1514`,
        `qdisc add dev ${host} parent 1:1 handle 11: pfifo limit ${PORT_BUFFER_PACKETS}`,
        `class add dev ${host} parent 1: classid 1:2 htb rate ${slow} burst 1b quantum 1514`,
        `qdisc add dev ${host} parent 1:2 handle 12: pfifo limit ${SLOW_PACKETS_MAX}`,
      ],
    );
  }

  #run(host: string, command: readonly string[], lines: readonly string[] = []): string {
    return run([...this.enter(host), ...command], lines);
  }

  /** In the holder's own namespaces, where the names are. */
  #runHere(command: readonly string[], lines: readonly string[]): string {
    const ns = `/proc/${this.#holder.pid}/ns`;
    const user = isRoot ? [] : [`--user=${ns}/user`, '--preserve-credentials'];
    return run(['nsenter', ...user, `--mount=${ns}/mnt`, `--net=${ns}/net`, ...command], lines);
  }
}

/** Its own multicast (neighbour and router discovery) would blur what is counted. */
const NO_IPV6 =
  'for f in all default; do f=/proc/sys/net/ipv6/conf/$f/disable_ipv6; [ ! -e $f ] || echo 1 >$f; done';

/** One rule for a share of the packets, in steps of 0.01 %; none for 0. */
function share(percent: number | undefined, match: string, verdict: string): string {
  if (percent === undefined || percent <= 0) return '';
  const dice = percent >= 100 ? '' : `numgen random mod 10000 < ${Math.round(percent * 100)}`;
  return `meta protocol ip ${match} ${dice} counter ${verdict}`;
}

function run([program = '', ...args]: readonly string[], lines: readonly string[]): string {
  const input = lines.filter(line => line !== '').join('\n');
  const {status, stdout, stderr} = spawnSync(program, args, {
    input: `${input}\n`,
    encoding: 'utf8',
    env: ENV,
  });
  if (status !== 0) throw new Error(`${[program, ...args].join(' ')}: ${stderr}`);
  return stdout;
}

/** Throws what whyNoLan says; else a LAN whose cables are all well. */
export async function openLan(options: LanOptions): Promise<LanRig> {
  const why = whyNoLan();
  if (why !== undefined) throw new Error(`no LAN rig here: ${why}`);
  if (!(options.nodes >= 1 && options.nodes <= NODES_MAX))
    throw new Error(`a LAN rig has 1 to ${NODES_MAX} nodes, not ${options.nodes}`);
  const script = `set -e; ${OWN_NAMES}; echo ready; exec cat`;
  const holder = spawn('unshare', [...HOLDER, 'sh', '-c', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: ENV,
  });
  const ready = await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')]);
  if (!String(ready[0]).startsWith('ready')) throw new Error('the holder of the LAN rig has ended');
  const rig = new LanRig(holder, options);
  try {
    rig.build();
  } catch (error) {
    await rig.close();
    throw error;
  }
  return rig;
}
